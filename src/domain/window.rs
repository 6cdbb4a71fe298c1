use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// A span of event time, `start` included and `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpan {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl WindowSpan {
    /// The start as it stands in paths: `20231001T120000Z`, with microseconds only where there are some.
    pub fn label(&self) -> String {
        self.start.label()
    }
}

/// Why a window closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedBy {
    /// Records came whose time is past its end and the grace.
    Watermark,
    /// Nothing came for so long that it was not waited for any more.
    Idle,
    /// The input ended.
    End,
    /// The run was asked to stop while the window was open: it is partial.
    Drain,
}

/// What the run record says of the window that the run is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRecord {
    pub span: WindowSpan,
    pub closed_by: ClosedBy,
    /// Closed before its time, or begun after it: records of it may be missing.
    pub partial: bool,
    /// Records that came since the window before closed, too late for their own window: left out of every report.
    pub late: u64,
    /// Records of earlier windows: they came late, as `max_lateness` permits, or a drain had closed their window early.
    pub carried: u64,
}

/// Where reading goes on: what a source wrote down for itself, as text. Only that source can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub String);
