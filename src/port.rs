//! What the inside needs of the world, as traits. `io` implements them, tests put others in their place. The pure
//! core reaches files, clocks, models and chance through nothing else.

mod archive;

use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::SourceFile;
use crate::domain::{Figure, ModelIdentity, Timestamp};

pub use archive::{
    AnomalyFilter, Answer, Archive, Bucket, EpisodeFilter, Group, KeptAnomaly, KeptEpisode, KeptReport, KeptRun, Page,
    Paging, ReadError, ReportFilter, RunFilter, Sample, Selection, Series, SeriesKind,
};

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Writes something, piece by piece, to where it is told to.
pub type Writing<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a;

/// The text files that a graph names: rules, playbooks, prompts. Paths are as written, relative to the graph file.
pub trait Files: Send + Sync {
    /// # Errors
    /// Why the file cannot be read, as a lower-case fragment.
    fn read(&self, path: &str) -> Result<SourceFile, String>;

    /// A path of the graph file as the process has to open it. `-` and absolute paths stay as they are.
    fn locate(&self, path: &str) -> String {
        path.to_string()
    }
}

/// Where a run's events are kept, oldest first.
pub trait Journal: Send {
    /// Appends whole lines, in one write.
    ///
    /// # Errors
    /// Why they could not be written, as a lower-case fragment.
    fn append(&mut self, lines: &[u8]) -> Result<(), String>;

    /// Whether what was appended survives a power cut, not only the death of the process. Then what tasks write is to
    /// survive it too: a journal must not call done what is lost.
    fn is_synced(&self) -> bool {
        false
    }
}

/// Wall time. Only the run record and run ids see it; no report does.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// What the runs of earlier windows kept for later ones, by key.
pub trait Memory: Send + Sync {
    fn recall(&self, key: &str) -> Option<String>;
}

/// A language model that answers one request at a time under a JSON schema.
pub trait Model: Send + Sync {
    fn identity(&self) -> ModelIdentity;

    /// One request, retried and bounded in time as the environment says. Never blocks for longer than the deadline.
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>>;

    /// Whether what it is asked first decides what it can be asked later, as under a budget. Then a node that follows
    /// another asks nothing before that one is done, so that the order of what is asked does not depend on time.
    fn is_in_order(&self) -> bool;

    /// Tells what became of a question: the reply that was accepted at last, to it or after it was asked again; `None`
    /// where none was. `ticket` is that of the first reply, whichever process got it.
    fn judged(&self, _ticket: &str, _accepted: Option<&ModelReply>) {}
}

/// One request of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The task that asks, `node[item]`: for the run record, and so that a replay hands equal requests of several
    /// tasks the reply that each got. Never sent.
    pub asked_by: String,
    pub system: String,
    pub user: String,
    /// Name of the schema, `[a-z_]+`.
    pub schema_name: String,
    /// JSON Schema of the reply: the portable subset (one object, every property required, no formats or lengths).
    pub schema: serde_json::Value,
    pub max_tokens: u32,
}

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelReply {
    /// The content as sent; not yet parsed, held to nothing.
    pub text: String,
    /// As the endpoint says it: `stop`, `length`, …; `None` where it says nothing.
    pub finish_reason: Option<String>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// HTTP exchanges it took, retries and steps of the feature ladder included.
    pub attempts: u32,
    pub elapsed_ms: u64,
    /// Who answered, where it was not the first of several endpoints.
    pub stand_in: Option<ModelIdentity>,
    /// Whether an earlier run had asked the same, and nothing was sent now.
    pub cached: bool,
    /// In the currency of the user's prices, where there are any for who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Figure>,
    /// Names the question to [`Model::judged`]; `None` where nobody wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// Why a call brought nothing, and the HTTP exchanges that it took for all that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    pub text: String,
    /// Retries and steps of the feature ladder included; 0 where nothing was sent.
    pub attempts: u32,
}

impl Why {
    #[must_use]
    pub fn after(self, attempts: u32) -> Why {
        Why { attempts, ..self }
    }
}

impl<T: Into<String>> From<T> for Why {
    fn from(text: T) -> Why {
        Why { text: text.into(), attempts: 0 }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text alone is from when nobody counted.
impl<'de> Deserialize<'de> for Why {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Why, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Counted { text: String, attempts: u32 },
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => text.into(),
            Written::Counted { text, attempts } => Why { text, attempts },
        })
    }
}

/// Why there is no reply. Texts never hold a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// `LLM_DEADLINE` is used up, or a call took longer than `LLM_TIMEOUT` at its last try.
    #[error("no answer in time: {0}")]
    Timeout(Why),
    /// Nothing reached the endpoint, or nothing readable came back, at the last try.
    #[error("the endpoint could not be used: {0}")]
    Transport(Why),
    /// The endpoint answered and declined: wrong key, unknown model, no quota, a refusal.
    #[error("the endpoint declined: {0}")]
    Declined(Why),
    /// Nothing was sent: what a run may take of tokens does not cover it.
    #[error("not asked: {0}")]
    Budget(String),
    /// The cassette holds no such request; the run must fail, since a replay has to be the recorded run.
    #[error("{0}")]
    Replay(String),
}

impl ModelError {
    /// HTTP exchanges that the call took.
    pub fn attempts(&self) -> u32 {
        match self {
            ModelError::Timeout(why) | ModelError::Transport(why) | ModelError::Declined(why) => why.attempts,
            ModelError::Budget(_) | ModelError::Replay(_) => 0,
        }
    }

    /// The same after so many exchanges.
    #[must_use]
    pub fn after(self, attempts: u32) -> ModelError {
        match self {
            ModelError::Timeout(why) => ModelError::Timeout(why.after(attempts)),
            ModelError::Transport(why) => ModelError::Transport(why.after(attempts)),
            ModelError::Declined(why) => ModelError::Declined(why.after(attempts)),
            unasked @ (ModelError::Budget(_) | ModelError::Replay(_)) => unasked,
        }
    }
}
