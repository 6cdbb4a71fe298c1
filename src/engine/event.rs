//! What happens in a run, as it stands in the journal: one JSON object a line. Names, never indices: a journal is read
//! by people and by later versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::diagnostic::SourceFile;
use crate::domain::{InputRecord, ModelIdentity, Note, RunStatus, TaskOutcome, Timestamp, WindowRecord};
use crate::graph::{Plan, PlanNode};

/// Version of the journal's format. A journal of another version is refused, never guessed at.
pub const JOURNAL_VERSION: u32 = 1;

/// One line of a journal. Written with `E = &Event`, read with `E = Event`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry<E = Event> {
    pub at: Timestamp,
    pub event: E,
}

// Externally tagged, so that the raw JSON inside survives byte for byte.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Always the first.
    Started(Header),
    /// A later process took the run up again: what had failed is tried anew.
    Resumed {},
    /// The stream part has read its sources, or failed to: what it met.
    Read {
        inputs: Vec<InputRecord>,
    },
    /// The cut: the folds' values by node. Nothing below it is ever needed again.
    Cut {
        values: BTreeMap<String, Box<RawValue>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<Note>,
    },
    TaskStarted {
        node: String,
        item: Option<u32>,
        /// From 1.
        attempt: u32,
    },
    TaskFailed {
        node: String,
        item: Option<u32>,
        attempt: u32,
        error: String,
        transient: bool,
    },
    TaskEnded {
        node: String,
        item: Option<u32>,
        attempt: u32,
        outcome: TaskOutcome,
        /// `null` when skipped.
        output: Box<RawValue>,
        error: Option<String>,
        notes: Vec<Note>,
        elapsed_ms: u64,
        /// What it recalled of earlier windows, by key.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        recalled: BTreeMap<String, String>,
    },
    Ended {
        status: RunStatus,
        error: Option<String>,
    },
}

/// What a run is a run of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`JOURNAL_VERSION`].
    pub version: u32,
    pub run: String,
    /// Name of the graph.
    pub graph: String,
    pub fingerprint: String,
    /// Fingerprint of each node, by name.
    pub nodes: BTreeMap<String, String>,
    /// Whether a later process can read the sources again. If not, the run can be resumed only after its cut.
    pub can_be_reread: bool,
    /// The window that it is a run of; `None` where the whole input is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRecord>,
    pub invocation: Invocation,
    /// What it was made of; empty in journals of before it was noted.
    #[serde(default)]
    pub made: Box<Made>,
}

/// What a run was made of, so that two runs tell what made them differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Made {
    /// Version of the program.
    pub program: String,
    /// The graph file.
    pub source: Option<FileMark>,
    /// What each node was made of, by name.
    pub parts: BTreeMap<String, Parts>,
    /// The model that could be asked; `None` where templates word everything.
    pub model: Option<ModelIdentity>,
}

impl Header {
    /// Of a run of this plan. Where the model is not known yet, it is the caller's to add; so is the window.
    pub fn new(plan: &Plan, run: String, can_be_reread: bool, invocation: Invocation) -> Header {
        let mark =
            |file: &SourceFile| FileMark { name: file.name.to_string(), fingerprint: text_fingerprint(&file.text) };
        let parts = |node: &PlanNode| Parts {
            kind: node.kind.name.to_string(),
            config: node.config.clone(),
            files: node.assets.iter().map(mark).collect(),
        };
        Header {
            version: JOURNAL_VERSION,
            run,
            graph: plan.name.clone(),
            fingerprint: plan.fingerprint.clone(),
            nodes: plan.nodes.iter().map(|n| (n.name.clone(), n.fingerprint.clone())).collect(),
            can_be_reread,
            window: None,
            invocation,
            made: Box::new(Made {
                program: env!("CARGO_PKG_VERSION").to_string(),
                source: Some(mark(&plan.source)),
                parts: plan.nodes.iter().map(|n| (n.name.clone(), parts(n))).collect(),
                model: None,
            }),
        }
    }
}

/// What a node was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Name of its kind.
    pub kind: String,
    /// Fingerprint of everything but the files: the kind's version, config, wires, language.
    pub config: String,
    /// Rules, playbook, prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileMark>,
}

/// A text file of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// As a user knows it.
    pub name: String,
    /// The [`text_fingerprint`] of what was in it.
    pub fingerprint: String,
}

/// 128 bits of a hash of a text, as hexadecimal digits.
pub fn text_fingerprint(text: &str) -> String {
    format!("{:.32}", blake3::hash(text.as_bytes()).to_hex())
}

/// How the run was asked for, so that it can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// Path of the graph file, absolute.
    pub path: String,
    /// `--set`, `--input` and `--output`, as `NODE.KEY=VALUE`.
    pub overrides: Vec<String>,
    pub model: ModelMode,
    /// Where `--run-record` asked for another copy, absolute.
    pub run_record: Option<String>,
    /// What `--format` asked for beside the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Box<PageWanted>>,
}

/// A page that shows the report to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageWanted {
    /// Name of the form: `html`, `markdown`.
    pub format: String,
    /// The page stands where the report would be written, instead of it; else beside it.
    pub instead: bool,
}

/// Where wordings come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelMode {
    /// The endpoint of the environment, or templates where there is none.
    Live,
    Offline,
    Record(String),
    Replay(String),
}
