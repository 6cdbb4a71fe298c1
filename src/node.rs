//! The contract of a node kind, and its erased form that graphs and engine work with.
//!
//! A kind is one file: its manual (the doc comment of its `Config`), config, input and output types, code and unit
//! tests; and one line in a registry (`nodes::KINDS` or `io::KINDS`). Nothing else in the tree names it.

mod erased;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use toml::Spanned;

use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Batch, InputRecord, Language, Note, Timestamp};
use crate::port::{Files, Model};

pub use erased::{AnyFold, AnySource, AnyTask, Body, Kind, Role, Setup};

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
}

/// What a source must know of the pass that it feeds.
pub struct Pass<'a> {
    /// Name of the source's node.
    pub node: &'a str,
    /// The fields that somebody downstream reads.
    pub wanted: &'a Wanted,
}

/// An open source.
pub trait Reader: Send {
    /// The next block of records; `None` at the end of the input. Batches are never empty.
    ///
    /// # Errors
    /// What makes the input unusable as a whole: not readable any further, no valid record at all, too many bad ones.
    /// Anything less is noted in [`Reader::record`] and the reading goes on.
    fn next(&mut self) -> Result<Option<Batch>, Diagnostic>;

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

/// Consumes batches and gives one small value when the window closes.
pub trait Fold: Sized + Send + 'static {
    const KIND: &'static str;
    const VERSION: u32;
    /// Name of the port that takes the stream.
    const PORT: &'static str = "telemetry";
    type Config: DeserializeOwned + JsonSchema;
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + 'static;

    /// # Errors
    /// What is wrong with the config or its assets.
    fn new(config: Self::Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>>;

    /// The fields that `push` looks at.
    fn wants(&self) -> Wanted;

    /// No I/O, no allocation per record.
    fn push(&mut self, batch: &Batch);

    /// The value of the window; the fold starts anew for the next one.
    fn close(&mut self, window: &Window) -> Self::Output;
}

/// A finished pass. Holds at least one record: a source without any is an error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub records: u64,
    /// Time of the newest record.
    pub newest: Timestamp,
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

    /// The place in the world that it writes to. No two nodes of a graph may write to one.
    fn writes(&self) -> Option<&str> {
        None
    }
}

/// What a running task may reach.
pub struct Cx {
    /// Name of the task: `node`, or `node[item]`.
    pub task: String,
    pub language: Language,
    model: Option<Arc<dyn Model>>,
    notes: Mutex<Vec<Note>>,
}

impl Cx {
    pub fn new(task: String, language: Language, model: Option<Arc<dyn Model>>) -> Cx {
        Cx { task, language, model, notes: Mutex::new(Vec::new()) }
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

/// What a node may read while it is built: text files that its config names. What it read is part of its fingerprint.
pub struct Assets<'a> {
    pub language: Language,
    source: &'a SourceFile,
    files: &'a dyn Files,
    read: RefCell<Vec<SourceFile>>,
}

impl<'a> Assets<'a> {
    pub fn new(language: Language, source: &'a SourceFile, files: &'a dyn Files) -> Assets<'a> {
        Assets { language, source, files, read: RefCell::default() }
    }

    /// # Errors
    /// AG0002, underlining the path in the graph file.
    pub fn read(&self, path: &AssetPath) -> Result<SourceFile, Diagnostic> {
        match self.files.read(&path.path) {
            Ok(file) => {
                self.read.borrow_mut().push(file.clone());
                Ok(file)
            }
            Err(why) => Err(Diagnostic::new(codes::graph::UNREADABLE, format!("cannot read `{}`: {why}", path.path))
                .at(self.source, path.span.clone())
                .help("the path is relative to the graph file")),
        }
    }

    /// A path that is written relative to the graph file, as the process has to open it. `-` stays `-`.
    pub fn locate(&self, path: &str) -> String {
        self.files.locate(path)
    }

    /// The graph file, for diagnostics about values of the config.
    pub fn source(&self) -> &SourceFile {
        self.source
    }

    /// Everything that was read, in order.
    pub fn into_read(self) -> Vec<SourceFile> {
        self.read.into_inner()
    }
}

/// Path of a text file that a config names, with its place in the graph file. In JSON Schema a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetPath {
    pub path: String,
    pub span: Range<usize>,
}

impl<'de> Deserialize<'de> for AssetPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(AssetPath { path: spanned.into_inner(), span })
    }
}

impl JsonSchema for AssetPath {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AssetPath".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
