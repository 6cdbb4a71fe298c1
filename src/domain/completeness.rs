use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Anomaly, Figure, Timestamp};

/// How many of the records that were due in a window came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Completeness {
    /// `received` of `expected`, 0 to 1; `null` when nothing was due.
    pub share: Option<Figure>,
    /// Records that were due, of all entities.
    pub expected: u64,
    /// Of those, the ones that came.
    pub received: u64,
    /// Entities that miss a record.
    pub incomplete: u64,
    /// The worst of them: by share, then by name.
    pub entities: Vec<EntityCompleteness>,
    /// Silences in which a record was due.
    pub gap_count: u64,
    /// The worst of them: by missing records, then the earliest.
    pub gaps: Vec<Gap>,
    /// One for each entity whose share of missing records reached a band.
    pub anomalies: Vec<Anomaly>,
}

/// One host, device or sensor that misses records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityCompleteness {
    /// `None` for the records that name none.
    pub entity: Option<String>,
    /// `received` of `expected`, 0 to 1.
    pub share: Figure,
    pub expected: u64,
    pub received: u64,
    /// Time of its newest record; `None` when none ever came.
    pub newest: Option<Timestamp>,
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// `None` for the records that name none.
    pub entity: Option<String>,
    /// Time of the record before it, or when the first one was due to be waited for.
    pub from: Timestamp,
    /// Time of the record after it, or the end of the window.
    pub to: Timestamp,
    /// Records that were due in it, less those that earlier windows counted.
    pub missing: u64,
}
