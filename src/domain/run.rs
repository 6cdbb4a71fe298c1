use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Completeness, Coverage, Delivery, Episode, Figure, Incident, Timestamp, Usage, WindowRecord, WordingSource,
};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    Running,
    Done,
    Failed,
}

impl RunStatus {
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
        }
    }
}

/// Everything a user may want to know of a run that the report has no key for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of this format.
    pub version: u32,
    pub run: String,
    pub graph: String,
    pub status: RunStatus,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// Why the run failed.
    pub error: Option<String>,
    /// The window that it is a run of; `None` where the whole input is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRecord>,
    pub inputs: Vec<InputRecord>,
    /// How much of the input stands behind each insight.
    pub coverage: Vec<Coverage>,
    /// How many of the records that were due came, of each node that says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completeness: Vec<Completeness>,
    pub tasks: Vec<TaskRecord>,
    /// The model that was asked; `None` when templates worded everything.
    pub model: Option<ModelIdentity>,
    pub calls: Vec<ModelCall>,
    /// All calls together; those of a recommendation are with its wording.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub usage: Usage,
    /// Of every cost, where the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    pub wordings: Vec<WordingRecord>,
    /// What was sent to the world, and what could not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
    /// What became in this window of each episode that had records at or above a threshold, or that is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub episodes: Vec<Episode>,
    /// The anomalies that were planned for, by what belongs together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// Rules that could not judge for lack of records: what they are silent about is not known to be well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub insufficient: Vec<Insufficient>,
    /// What sinks took of the records, and whether it is safe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<Stored>,
}

/// A rule that could not judge some series, or any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Insufficient {
    /// The rule as its file has it: `cpu_usage`, `cpu_usage#rate`.
    pub rule: String,
    /// Series without enough records; 0 where no record has what the rule judges.
    pub series: u64,
    /// Series that have records.
    pub of: u64,
    /// What it takes to judge.
    pub needs: String,
}

/// What was read from one source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputRecord {
    /// Name of the ingest node.
    pub node: String,
    /// Path, or `-` for standard input; of a server its address, without what may be a credential.
    pub path: String,
    /// `json`, `ndjson` or `csv`; `prometheus` or `host` of what is no text.
    pub format: String,
    pub bytes: u64,
    /// Records that went into the report.
    pub records: u64,
    /// Records that could not be used at all.
    pub bad: u64,
    /// Times of the oldest and the newest record.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Everything noted, by code.
    pub faults: Vec<Fault>,
    /// Hosts, devices or sensors named by the records.
    pub entities: u64,
}

/// One kind of fault of the input and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `agent explain CODE` has the page.
    pub code: String,
    /// What it is, in a few words.
    pub what: String,
    pub count: u64,
    /// The first few, with their places.
    pub examples: Vec<FaultExample>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultExample {
    /// Line of NDJSON or CSV, element of an array; from 1.
    pub row: u64,
    pub detail: String,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskOutcome {
    Done,
    /// It failed and its node says `on_error = "skip"`: the output is `null`.
    Skipped,
    /// It failed and the kind's stand-in is the output.
    Fallback,
    Failed,
}

impl TaskOutcome {
    pub fn word(self) -> &'static str {
        match self {
            TaskOutcome::Done => "done",
            TaskOutcome::Skipped => "skipped",
            TaskOutcome::Fallback => "replaced by its fallback",
            TaskOutcome::Failed => "failed",
        }
    }
}

/// One task as it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRecord {
    pub node: String,
    /// Which item, of a node with `each`.
    pub item: Option<u32>,
    /// Tries, the first included.
    pub attempts: u32,
    pub outcome: TaskOutcome,
    pub error: Option<String>,
    pub elapsed_ms: u64,
}

/// Which model stands behind a wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    pub provider: String,
    pub model: String,
    pub base_url: String,
}

/// One call of the model: all tries of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelCall {
    /// The task that asked: `wording[0]`.
    pub asked_by: String,
    /// HTTP exchanges it took.
    pub attempts: u32,
    /// `ok`, or why there was no answer.
    pub outcome: String,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub elapsed_ms: u64,
    /// Who answered, where the first endpoint did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<ModelIdentity>,
    /// The answer was kept from an earlier run: nothing was sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// In the currency of the user's prices, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Figure>,
}

impl ModelCall {
    /// The outcome of a call that was answered.
    pub const ANSWERED: &str = "ok";

    pub fn is_answered(&self) -> bool {
        self.outcome == ModelCall::ANSWERED
    }
}

/// Where the words of one recommendation come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WordingRecord {
    pub recommendation: String,
    pub source: WordingSource,
    /// Times the model was asked again after a rejected draft.
    pub repairs: u32,
    /// What its calls took, the first and those of the repairs.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub usage: Usage,
    /// Edits of syntax that made a reply readable, and literals that were bound to facts.
    pub ledger: Vec<String>,
    /// Why drafts were rejected, or why no draft came.
    pub rejected: Vec<String>,
}

/// What a task tells the run record. Journaled with the task's end, so that a resumed run keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    Call(ModelCall),
    Wording(WordingRecord),
    Delivery(Delivery),
    Episode(Episode),
    Insufficient(Insufficient),
    Incident(Incident),
    Stored(Stored),
    /// Kept for the runs of later windows, which get it by `Cx::recall`.
    Keep {
        key: String,
        value: String,
    },
}

/// What a sink took of a run's records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The sink's node.
    pub node: String,
    /// Values that were given to it.
    pub samples: u64,
    /// Why some of them are not safe; then `samples` is not all that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
