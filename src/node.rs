//! The contract of a node kind, and its erased form that graphs and engine work with.
//!
//! A kind is one file: its manual (the doc comment of its `Config`), config, input and output types, code and unit
//! tests; and one line in a registry (`nodes::KINDS` or `io::KINDS`). Nothing else in the tree names it.

mod assets;
mod erased;
mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::diagnostic::Diagnostic;
use crate::domain::{
    Batch, InputRecord, Language, Note, Position, Rejected, RunRecord, Timestamp, WindowRecord, WindowSpan,
};
use crate::port::{Memory, Model};

pub use assets::{AssetPath, Assets};
pub use erased::{AnyFold, AnySink, AnySource, AnyTask, Body, FoldValue, Gathered, Kind, Role, Setup};
pub use sink::{Sink, Site, Writer};

/// Makes batches out of the world. `new` is pure; the world is touched in `open`.
pub trait Source: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    /// Bumped when the meaning of the kind changes; part of the fingerprint.
    const VERSION: u32;
    type Config: DeserializeOwned + JsonSchema;

    /// # Errors
    /// What is wrong with the config or its assets.
    fn new(config: Self::Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>>;

    /// # Errors
    /// Why there is nothing to read.
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic>;

    /// Whether a later process can read the same records again. A run that was killed while it read others cannot be
    /// resumed.
    fn can_be_reread(&self) -> bool {
        true
    }

    /// Whether it goes on until it is told to stop. A graph with such a source needs a `[window]`.
    fn is_live(&self) -> bool {
        false
    }

    /// Whether it is read in less time than a thread takes to start, as far as can be told: then nobody minds waiting.
    fn is_short(&self) -> bool {
        false
    }
}

/// What a source must know of the pass that it feeds.
pub struct Pass<'a> {
    /// Name of the source's node.
    pub node: &'a str,
    /// The fields that somebody downstream reads.
    pub wanted: &'a Wanted,
    /// Where an earlier process stopped; `None` from the beginning, or from now on where there is none.
    pub from: Option<&'a Position>,
    /// Where an earlier process had got to beyond that: records up to there will be known again.
    pub seen: Option<&'a Position>,
    /// A folder of the source's own that outlives the process, for what it must keep; it exists. `None` where the run
    /// keeps no state.
    pub folder: Option<&'a Path>,
    /// Whether [`Reader::rejected`] is asked for. Of sources that read a file to its end.
    pub rejected: bool,
}

impl<'a> Pass<'a> {
    /// From the beginning, with nothing kept.
    pub fn anew(node: &'a str, wanted: &'a Wanted) -> Pass<'a> {
        Pass { node, wanted, from: None, seen: None, folder: None, rejected: false }
    }
}

/// How long [`Reader::next`] of a live source may wait for a record, so that whoever asks can stop.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// What a reader has at the moment.
#[derive(Debug)]
pub enum Next {
    /// The next block of records, never empty.
    Batch(Batch),
    /// Nothing for now; ask again. Only live sources say so, after [`PATIENCE`] at the latest.
    Idle,
    /// The input has ended.
    End,
}

/// An open source.
pub trait Reader: Send {
    /// The next block of records. A source that has gone away (a server that is down, a connection reset) is no error
    /// of a live source: it says `Idle`, tries again for ever with growing pauses, logs a warning, and notes the outage
    /// in [`Reader::record`].
    ///
    /// # Errors
    /// What makes the input unusable as a whole: not readable any further, no valid record at all, too many bad ones.
    /// Anything less is noted in [`Reader::record`] and the reading goes on.
    fn next(&mut self) -> Result<Next, Diagnostic>;

    /// Where reading would go on after the latest batch; a source that was opened `from` there gives the same records
    /// that this one would. `None` where records come only once.
    fn position(&self) -> Option<Position> {
        None
    }

    /// Everything before `position` is safe: it will not be asked for again, and may be deleted or acknowledged.
    fn release(&mut self, _position: &Position) {}

    /// Whether it takes nothing more before something is [released](Reader::release). Then it has nothing to say because
    /// it is waited for, and nobody waits for it.
    fn is_full(&self) -> bool {
        false
    }

    /// Records before this row of the file that is being read that could not be used, in their order, each once; and all of the
    /// files before it. Kept only where the [pass](Pass::rejected) asks for them.
    fn rejected(&mut self, _before: u64) -> Vec<Rejected> {
        Vec::new()
    }

    /// What was read so far.
    fn record(&self) -> InputRecord;

    /// Bytes read, and bytes there are where that is known.
    fn progress(&self) -> (u64, Option<u64>);
}

/// Metrics that folds read. A source may leave others out, and notes a field of another type than a number only for these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    pub metrics: BTreeSet<String>,
}

impl Wanted {
    pub fn join(&mut self, other: Wanted) {
        self.metrics.extend(other.metrics);
    }
}

/// Gathers batches and gives one small value when the window closes. The fold itself never changes: what is gathered of
/// a window and what survives from window to window are values of their own, so that several windows can be open.
pub trait Fold: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    const VERSION: u32;
    /// Name of the port that takes the stream.
    const PORT: &'static str = "telemetry";
    type Config: DeserializeOwned + JsonSchema;
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// What is gathered of one window.
    type Gathered: Send + 'static;
    /// Everything that must survive from window to window: open episodes, baselines, counters. Kept in a binary format
    /// that names no fields, so a change of its shape needs a new `VERSION`.
    type State: Serialize + DeserializeOwned + Default + Send + 'static;

    /// # Errors
    /// What is wrong with the config or its assets.
    fn new(config: Self::Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>>;

    /// The fields that `push` looks at.
    fn wants(&self) -> Wanted;

    /// Nothing gathered yet of a window that begins at `start`: records that are older were carried over from an earlier one.
    /// `None` where the whole input is one window.
    fn open(&self, start: Option<Timestamp>) -> Self::Gathered;

    /// No I/O, no allocation per record. All records of `batch` are of the window.
    fn push(&self, gathered: &mut Self::Gathered, batch: &Batch);

    /// The value of the window. Windows close in the order of their time. `notes` are for the run record.
    fn close(
        &self,
        gathered: Self::Gathered,
        state: &mut Self::State,
        window: &Window,
        notes: &mut Vec<Note>,
    ) -> Self::Output;

    /// Whether records are due, so that silence means something: then windows go on with the clock when all sources of a
    /// live graph have fallen silent.
    fn expects_records(&self) -> bool {
        false
    }

    /// Whether a window in which no source sent anything has a report for this value's sake.
    fn is_alarm(&self, _output: &Self::Output) -> bool {
        false
    }
}

/// A window that closes. Some source of the graph gave it a record, though not always one that this fold listens to; or
/// some fold of the graph [expects records](Fold::expects_records), and none came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Records of the fold's sources.
    pub records: u64,
    /// Time of the newest of them; where there are none, of the newest record of the window, or its end.
    pub newest: Timestamp,
    /// `None` where the whole input is one window.
    pub span: Option<WindowSpan>,
    /// Closed before its time, or begun after it.
    pub partial: bool,
}

/// An async function from a typed input to a typed output. It may run again after a crash, so it must be idempotent.
pub trait Task: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    const VERSION: u32;
    /// Whether `Cx::model` is there for it. Only `draft` and `validate` may say so.
    const USES_MODEL: bool = false;
    /// Whether `fallback` has a stand-in; `on_error = "fallback"` is refused for a kind that has none.
    const HAS_FALLBACK: bool = false;
    type Config: DeserializeOwned + JsonSchema;
    /// A struct: its properties are the ports.
    type Input: DeserializeOwned + JsonSchema + Send;
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + 'static;

    /// # Errors
    /// What is wrong with the config or its assets.
    fn new(config: Self::Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>>;

    fn run(&self, input: Self::Input, cx: &Cx) -> impl Future<Output = Result<Self::Output, TaskError>> + Send;

    /// What stands in for the output when the task failed and its node says `on_error = "fallback"`.
    fn fallback(&self, _input: Self::Input) -> Option<Self::Output> {
        None
    }

    /// A port that can be left out, but not in a graph with a `[window]`; and what to do.
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The place in the world that it writes to. No two nodes of a graph may write to one.
    fn writes(&self) -> Option<&str> {
        None
    }

    /// Told once a run has ended: what only then is known of it. It may be told again after a crash.
    ///
    /// # Errors
    /// What could not be done about it.
    fn ended(&self, _record: &RunRecord) -> Result<(), Diagnostic> {
        Ok(())
    }
}

/// What a running task may reach.
pub struct Cx {
    /// Name of the task: `node`, or `node[item]`.
    pub task: String,
    pub language: Language,
    /// Name of the graph.
    pub graph: String,
    /// Id of the run: with `task` a key that is the same however often the task is tried, so that what it does to the
    /// world can be done once.
    pub run: String,
    /// The window that the run is of; `None` where the whole input is one.
    pub window: Option<WindowRecord>,
    /// What the task writes must have reached the disk when it ends, since its journal will have.
    pub synced: bool,
    /// The run was taken up again: an earlier process may have done the task already, and runs of later windows theirs.
    pub resumed: bool,
    model: Option<Arc<dyn Model>>,
    memory: Option<Arc<dyn Memory>>,
    notes: Mutex<Vec<Note>>,
    recalled: Mutex<BTreeMap<String, String>>,
}

impl Cx {
    pub fn new(task: String, language: Language, model: Option<Arc<dyn Model>>) -> Cx {
        let (graph, run, window, synced, resumed, memory) = Default::default();
        let (notes, recalled) = Default::default();
        Cx { task, language, graph, run, window, synced, resumed, model, memory, notes, recalled }
    }

    /// The same, in this run.
    #[must_use]
    pub fn within(self, run: String, window: Option<WindowRecord>, memory: Option<Arc<dyn Memory>>) -> Cx {
        Cx { run, window, memory, ..self }
    }

    /// What a run of an earlier window kept under this key, by [`Note::Keep`].
    pub fn recall(&self, key: &str) -> Option<String> {
        let value = self.memory.as_ref()?.recall(key)?;
        let mut recalled = self.recalled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        recalled.insert(key.to_string(), value.clone());
        Some(value)
    }

    /// All that was recalled, by key: what the task depended on beside its input.
    pub fn take_recalled(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut *self.recalled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The model, when one is configured and the kind says `USES_MODEL`.
    pub fn model(&self) -> Option<&Arc<dyn Model>> {
        self.model.as_ref()
    }

    /// Tells the run record something. Kept only if the task succeeds.
    pub fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(note);
    }

    pub fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// May pass by itself: tried again as the node's `retry` says.
    #[error("{0}")]
    Transient(String),
    #[error("{0}")]
    Permanent(String),
    /// Permanent, with a code and a remedy.
    #[error("{0}")]
    Diagnosed(Box<Diagnostic>),
}
