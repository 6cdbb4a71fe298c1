//! What a backtest says: for each rule how often it would have fired, when, for how long, and how bad. Its JSON is what
//! `--format json` prints.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Aspect, Bands, Counts, Figure, InputRecord, Insufficient, Severity, Timestamp};

/// The rules of a graph over history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Backtest {
    pub graph: String,
    pub inputs: Vec<InputRecord>,
    /// Time of the oldest record.
    pub from: Timestamp,
    /// Time of the newest one.
    pub to: Timestamp,
    pub windows: WindowChoice,
    /// Records that came too late for their window and were left out.
    pub late: u64,
    /// Every rule, also those that never fired; the one that fired longest first.
    pub rules: Vec<RuleFirings>,
    /// With `--compare`: what the other rules change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// The windows that the history was cut into.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WindowChoice {
    /// Length of a window.
    pub every_seconds: Figure,
    pub chosen_by: ChosenBy,
    /// Windows that had records.
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChosenBy {
    /// `[window]` of the graph.
    Graph,
    /// `--every`.
    Flag,
    /// How far the records are apart.
    Data,
}

/// One rule.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleFirings {
    /// The node that judges by it.
    pub node: String,
    /// `cpu_usage`, `cpu_usage#rate`, `service_status`, `missing_records`.
    pub rule: String,
    /// Of all its series. `seconds` is the time in which at least one of them was firing.
    pub firing: Firing,
    /// What it lacks, where it had nothing to judge in all of the history: that it never fired says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insufficient: Option<Insufficient>,
    /// Those that fired; the one that fired longest first.
    pub series: Vec<SeriesFirings>,
}

/// How often, when and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
pub struct Firing {
    /// How often it would have fired.
    pub episodes: u64,
    /// Of those, the ones that the history does not see the end of.
    pub open: u64,
    /// Beginning of the first episode.
    pub first: Option<Timestamp>,
    /// End of the last one; of an open one the newest record.
    pub last: Option<Timestamp>,
    /// How long it was firing, of `enabled_seconds`.
    pub seconds: Figure,
    /// Of one episode, likewise.
    pub longest_seconds: Figure,
    /// How long it judges: from the oldest to the newest record, but for the time outside its hours and in maintenance.
    pub enabled_seconds: Figure,
    /// `seconds` as a share of `enabled_seconds`, 0 to 1; `null` where that is no time.
    pub share: Option<Figure>,
    /// Records that reached a band, by the highest one that each reached.
    pub records: Counts,
}

/// One series of a rule.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeriesFirings {
    /// Name of its anomalies: `cpu_usage@web-1`.
    pub series: String,
    pub metric: String,
    pub aspect: Aspect,
    pub service: Option<String>,
    pub entity: Option<String>,
    pub unit: Option<String>,
    pub bands: Bands,
    pub firing: Firing,
    pub episodes: Vec<Episode>,
}

/// One episode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Episode {
    /// Time of its first record; of silence the moment from which on it lasted too long.
    pub since: Timestamp,
    /// Beginning of the window that ended it, of silence the reading that did; of an open one the newest record of all. A series that sent nothing for a day
    /// is given up, and ends with its last record.
    pub until: Timestamp,
    pub open: bool,
    /// The highest band that it reached.
    pub severity: Severity,
    /// The worst value.
    pub value: Figure,
    pub records: Counts,
}

/// Two sets of rules over the same history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Comparison {
    /// The rules file that was tried instead.
    pub rules: PathBuf,
    /// Every rule of either.
    pub by_rule: Vec<RuleChange>,
}

/// What becomes of one rule. `before - removed + added = after`, in episodes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RuleChange {
    pub node: String,
    pub rule: String,
    pub before: Firing,
    pub after: Firing,
    /// Only the other file has it.
    pub is_new: bool,
    /// The other file does not have it.
    pub is_gone: bool,
    /// What the other rule lacks, where it had nothing to judge: that it never fires says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insufficient: Option<Insufficient>,
    /// By series, then by time; episodes that stay as they are are not listed.
    pub changes: Vec<EpisodeChange>,
}

/// One episode that is not the same. Episodes of one series that overlap are the same one, pair by pair in the order of
/// time: where one becomes two, one is longer or shorter and one is added.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EpisodeChange {
    pub series: String,
    pub what: Vec<Change>,
    pub before: Option<Episode>,
    pub after: Option<Episode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Removed,
    Longer,
    Shorter,
    /// As long, at another time.
    Moved,
    /// More severe.
    Worse,
    /// Less severe.
    Milder,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Longer => "longer",
            Change::Shorter => "shorter",
            Change::Moved => "moved",
            Change::Worse => "worse",
            Change::Milder => "milder",
        }
    }
}

impl Episode {
    /// In microseconds.
    pub fn length(&self) -> i64 {
        self.until.micros().saturating_sub(self.since.micros())
    }
}
