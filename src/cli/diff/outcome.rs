//! What differs between two runs, by cause and by what followed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Figure, ModelIdentity, Parameter, RunStatus, Severity, Timestamp};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub before: Side,
    pub after: Side,
    /// Neither a cause nor anything that follows differs.
    pub same: bool,
    pub causes: Causes,
    pub effects: Effects,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    pub run: String,
    pub graph: String,
    pub started: Timestamp,
    pub status: RunStatus,
    pub error: Option<String>,
    /// Start of its window.
    pub window: Option<Timestamp>,
}

/// What it was in one run and in the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<T> {
    pub before: T,
    pub after: T,
}

impl<T: PartialEq> Change<T> {
    /// `None` when nothing changed.
    pub fn of(before: T, after: T) -> Option<Change<T>> {
        (before != after).then_some(Change { before, after })
    }
}

/// What went in.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Causes {
    /// What was read, and how.
    pub data: Vec<DataChange>,
    /// The nodes that find, decide and put together: rules, playbook, insights.
    pub rules: Vec<NodeChange>,
    /// The nodes that ask a model.
    pub prompt: Vec<NodeChange>,
    pub model: Option<Change<Option<ModelIdentity>>>,
    /// The nodes that tell the world.
    pub output: Vec<NodeChange>,
    /// Keys of the graph that are no node's: language, window.
    pub graph: Vec<Setting>,
    pub program: Option<Change<String>>,
}

impl Causes {
    pub fn is_empty(&self) -> bool {
        *self == Causes::default()
    }
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataChange {
    pub node: String,
    pub what: Presence,
    /// Path, records, times, bad lines.
    pub figures: Vec<Setting>,
    /// Nothing counted differs, and what was folded from the records does.
    pub values: bool,
    pub settings: Vec<Setting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    Added,
    Removed,
    Changed,
}

/// A key and its values as text; `None` where it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// One node that was made otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeChange {
    pub node: String,
    pub what: Presence,
    pub files: Vec<FileChange>,
    pub settings: Vec<Setting>,
    /// It differs in something that its settings and files do not show.
    pub unseen: bool,
}

/// Rules, a playbook or a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileChange {
    pub before: Option<String>,
    pub after: Option<String>,
    /// Unified; `None` where one of the texts is not kept any more.
    pub text: Option<String>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Effects {
    /// Why there is nothing to compare.
    pub unknown: Option<String>,
    pub timestamp: Option<Change<Timestamp>>,
    pub insights: Vec<InsightChange>,
    pub anomalies: Vec<AnomalyChange>,
    pub incidents: Vec<IncidentChange>,
    pub recommendations: Vec<RecommendationChange>,
    pub wording: Vec<WordingChange>,
    /// Services whose status differs.
    pub statuses: Vec<Setting>,
    /// The same ones in another order.
    pub reordered: Vec<&'static str>,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        *self == Effects::default()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InsightChange {
    pub insight: String,
    pub before: Option<Figure>,
    pub after: Option<Figure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    Added,
    Removed,
    Worse,
    Milder,
    /// Neither: another threshold, other members.
    Changed,
}

impl Turn {
    pub fn word(self) -> &'static str {
        match self {
            Turn::Added => "added",
            Turn::Removed => "removed",
            Turn::Worse => "worse",
            Turn::Milder => "milder",
            Turn::Changed => "changed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnomalyChange {
    pub anomaly: String,
    pub what: Turn,
    pub before: Option<Level>,
    pub after: Option<Level>,
}

/// How bad an anomaly is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    pub severity: Severity,
    pub value: Figure,
    pub threshold: Figure,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentChange {
    pub incident: String,
    pub what: Turn,
    pub before: Option<IncidentState>,
    pub after: Option<IncidentState>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentState {
    pub severity: Severity,
    pub until: Timestamp,
    pub anomalies: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecommendationChange {
    pub recommendation: String,
    pub what: Presence,
    pub target: Option<Change<String>>,
    pub parameters: BTreeMap<String, Change<Option<Parameter>>>,
}

/// Another sentence for the same decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WordingChange {
    pub recommendation: String,
    /// `action` or `benefit_estimate`.
    pub sentence: &'static str,
    pub before: String,
    pub after: String,
    pub because: String,
}
