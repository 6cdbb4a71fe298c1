//! Kinds without their types: function pointers in a const slice, and trait objects whose inputs and outputs are JSON
//! text. This is the one place where values lose their types; text, not a tree, so that bytes survive the journal.

use std::any::{Any, TypeId};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use toml::Spanned;
use toml::de::DeValue;

use super::{Assets, Cx, Fold, Pass, Reader, Sink, Site, Source, Task, TaskError, Wanted, Window, Writer};
use crate::diagnostic::{Diagnostic, SourceFile, decode};
use crate::domain::{Batch, Note, RunRecord, Timestamp};
use crate::port::BoxFuture;

/// What part a kind plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Source,
    Fold,
    Sink,
    Task,
}

/// Reads a JSON text as an output of a kind, and says why it is none.
pub type Reads = fn(&str) -> Result<(), serde_json::Error>;

/// One registered kind.
pub struct Kind {
    pub name: &'static str,
    pub version: u32,
    pub role: Role,
    pub uses_model: bool,
    pub has_fallback: bool,
    /// Name of the stream port of a fold or a sink; `None` for other roles.
    pub stream_port: Option<&'static str>,
    /// Schema of the config; its description is the manual.
    pub config: fn(&mut SchemaGenerator) -> Schema,
    /// Schema whose properties are the ports of a task; `None` for other roles.
    pub input: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// `None` for sources and sinks: a stream is no value, and what is written away is none.
    pub output: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// The Rust type of the output; `None` where there is none.
    pub output_type: Option<fn() -> TypeId>,
    /// `None` where there is no output.
    pub reads: Option<Reads>,
    pub build: fn(Setup<'_>) -> Result<Body, Vec<Diagnostic>>,
}

impl Kind {
    pub const fn source<S: Source>() -> Kind {
        Kind {
            name: S::KIND,
            version: S::VERSION,
            role: Role::Source,
            uses_model: false,
            has_fallback: false,
            stream_port: None,
            config: |g| S::Config::json_schema(g),
            input: None,
            output: None,
            output_type: None,
            reads: None,
            build: |setup| Ok(Body::Source(Box::new(S::new(setup.config()?, setup.assets)?))),
        }
    }

    pub const fn fold<F: Fold>() -> Kind {
        Kind {
            name: F::KIND,
            version: F::VERSION,
            role: Role::Fold,
            uses_model: false,
            has_fallback: false,
            stream_port: Some(F::PORT),
            config: |g| F::Config::json_schema(g),
            input: None,
            output: Some(|g| g.subschema_for::<F::Output>()),
            output_type: Some(TypeId::of::<F::Output>),
            reads: Some(|text| serde_json::from_str::<F::Output>(text).map(drop)),
            build: |setup| {
                Ok(Body::Fold(Box::new(Stateful {
                    fold: F::new(setup.config()?, setup.assets)?,
                    state: F::State::default(),
                })))
            },
        }
    }

    pub const fn sink<S: Sink>() -> Kind {
        Kind {
            name: S::KIND,
            version: S::VERSION,
            role: Role::Sink,
            uses_model: false,
            has_fallback: false,
            stream_port: Some(S::PORT),
            config: |g| S::Config::json_schema(g),
            input: None,
            output: None,
            output_type: None,
            reads: None,
            build: |setup| Ok(Body::Sink(Box::new(S::new(setup.config()?, setup.assets)?))),
        }
    }

    pub const fn task<T: Task>() -> Kind {
        Kind {
            name: T::KIND,
            version: T::VERSION,
            role: Role::Task,
            uses_model: T::USES_MODEL,
            has_fallback: T::HAS_FALLBACK,
            stream_port: None,
            config: |g| T::Config::json_schema(g),
            input: Some(T::Input::json_schema),
            output: Some(|g| g.subschema_for::<T::Output>()),
            output_type: Some(TypeId::of::<T::Output>),
            reads: Some(|text| serde_json::from_str::<T::Output>(text).map(drop)),
            build: |setup| Ok(Body::Task(Arc::new(T::new(setup.config()?, setup.assets)?))),
        }
    }
}

/// What a kind is built from: the keys of a node that are its own.
pub struct Setup<'a> {
    /// As written.
    pub written: Spanned<DeValue<'a>>,
    /// With `${VARIABLE}`s replaced, and the values that were put in.
    pub resolved: Spanned<DeValue<'a>>,
    pub secrets: Vec<(String, String)>,
    pub source: &'a SourceFile,
    pub assets: &'a Assets<'a>,
}

impl Setup<'_> {
    /// The typed config. Checked as written first, so that no message quotes a variable's value; what only fails once
    /// values are in names the variable instead.
    fn config<C: DeserializeOwned>(&self) -> Result<C, Vec<Diagnostic>> {
        decode::<C>(self.written.clone(), self.source)?;
        // Also without a variable: `$${` has become `${`.
        decode::<C>(self.resolved.clone(), self.source).map_err(|mut faults| {
            for fault in &mut faults {
                for (variable, value) in self.secrets.iter().filter(|(_, value)| !value.is_empty()) {
                    fault.message = fault.message.replace(value, &format!("${{{variable}}}"));
                }
            }
            faults
        })
    }
}

/// A built node.
pub enum Body {
    Source(Box<dyn AnySource>),
    Fold(Box<dyn AnyFold>),
    Sink(Box<dyn AnySink>),
    Task(Arc<dyn AnyTask>),
}

pub trait AnySource: Send + Sync {
    /// See [`Source::open`].
    ///
    /// # Errors
    /// Why there is nothing to read.
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic>;
    /// See [`Source::can_be_reread`].
    fn can_be_reread(&self) -> bool;
    /// See [`Source::is_live`].
    fn is_live(&self) -> bool;
    /// See [`Source::is_short`].
    fn is_short(&self) -> bool;
}

impl<S: Source> AnySource for S {
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        Source::open(self, pass)
    }
    fn can_be_reread(&self) -> bool {
        Source::can_be_reread(self)
    }
    fn is_live(&self) -> bool {
        Source::is_live(self)
    }

    fn is_short(&self) -> bool {
        Source::is_short(self)
    }
}

/// What a fold has gathered of one window.
pub type Gathered = Box<dyn Any + Send>;

/// The value of a window.
pub struct FoldValue {
    pub json: Box<RawValue>,
    /// See [`Fold::is_alarm`].
    pub is_alarm: bool,
    pub notes: Vec<Note>,
}

/// A fold with what survives from window to window.
pub trait AnyFold: Send {
    fn wants(&self) -> Wanted;
    fn open(&self, start: Option<Timestamp>) -> Gathered;
    fn push(&self, gathered: &mut Gathered, batch: &Batch);
    /// # Errors
    /// The output cannot be serialised; a bug of the kind.
    fn close(&mut self, gathered: Gathered, window: &Window) -> Result<FoldValue, serde_json::Error>;
    /// See [`Fold::expects_records`].
    fn expects_records(&self) -> bool;
    /// What must survive the process. Meant for [`AnyFold::load`] of the same kind and version only.
    ///
    /// # Errors
    /// What `to` says.
    fn save(&self, to: &mut dyn Write) -> io::Result<()>;
    /// Takes the state that was saved in this many bytes.
    ///
    /// # Errors
    /// The bytes are no state of this kind, or what `from` says; then the state stays as it is.
    fn load(&mut self, from: &mut dyn Read, length: u64) -> io::Result<()>;
}

struct Stateful<F: Fold> {
    fold: F,
    state: F::State,
}

impl<F: Fold> AnyFold for Stateful<F> {
    fn wants(&self) -> Wanted {
        self.fold.wants()
    }
    fn open(&self, start: Option<Timestamp>) -> Gathered {
        Box::new(self.fold.open(start))
    }
    fn push(&self, gathered: &mut Gathered, batch: &Batch) {
        if let Some(gathered) = gathered.downcast_mut() {
            self.fold.push(gathered, batch);
        }
    }
    fn close(&mut self, gathered: Gathered, window: &Window) -> Result<FoldValue, serde_json::Error> {
        // Only `open` makes what comes back here, so it is of this type.
        let gathered = gathered.downcast().map_or_else(|_| self.fold.open(None), |gathered| *gathered);
        let mut notes = Vec::new();
        let output = self.fold.close(gathered, &mut self.state, window, &mut notes);
        Ok(FoldValue { json: to_raw_value(&output)?, is_alarm: self.fold.is_alarm(&output), notes })
    }
    fn expects_records(&self) -> bool {
        self.fold.expects_records()
    }
    fn save(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut to = Telling { to: BufWriter::with_capacity(1 << 16, to), fault: None };
        match postcard::to_io(&self.state, &mut to) {
            Ok(_) => to.to.flush(),
            Err(error) => Err(to.fault.unwrap_or_else(|| io::Error::other(error))),
        }
    }
    fn load(&mut self, from: &mut dyn Read, length: u64) -> io::Result<()> {
        // Room for texts while they are read. No text is longer than the whole, and pages that nobody uses take no memory.
        let mut room = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = postcard::from_io((BufReader::with_capacity(1 << 16, from), &mut room));
        (self.state, _) = read.map_err(io::Error::other)?;
        Ok(())
    }
}

/// Keeps the fault of a writer, which `postcard` does not tell.
struct Telling<W> {
    to: W,
    fault: Option<io::Error>,
}

impl<W: Write> Write for Telling<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| {
            let told = io::Error::from(error.kind());
            self.fault = Some(error);
            told
        })
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub trait AnySink: Send + Sync {
    /// See [`Sink::wants`].
    fn wants(&self) -> Wanted;
    /// See [`Sink::open`].
    ///
    /// # Errors
    /// Why nothing can be written.
    fn open(&self, site: &Site<'_>) -> Result<Box<dyn Writer>, Diagnostic>;
    /// See [`Sink::writes`].
    fn writes(&self) -> Option<&str>;
}

impl<S: Sink> AnySink for S {
    fn wants(&self) -> Wanted {
        Sink::wants(self)
    }
    fn open(&self, site: &Site<'_>) -> Result<Box<dyn Writer>, Diagnostic> {
        Sink::open(self, site)
    }
    fn writes(&self) -> Option<&str> {
        Sink::writes(self)
    }
}

pub trait AnyTask: Send + Sync {
    /// `input` is a JSON object with a key per port.
    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>>;
    /// See [`Task::fallback`].
    fn fallback(&self, input: &RawValue) -> Option<Box<RawValue>>;
    /// See [`Task::needs_in_windows`].
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)>;
    /// See [`Task::writes`].
    fn writes(&self) -> Option<&str>;
    /// See [`Task::ended`].
    ///
    /// # Errors
    /// What could not be done.
    fn ended(&self, _record: &RunRecord) -> Result<(), Diagnostic> {
        Ok(())
    }
}

impl<T: Task> AnyTask for T {
    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>> {
        Box::pin(async move {
            let typed = serde_json::from_str(input.get()).map_err(unfit)?;
            let output = Task::run(self, typed, cx).await?;
            to_raw_value(&output).map_err(unfit)
        })
    }

    fn fallback(&self, input: &RawValue) -> Option<Box<RawValue>> {
        let typed = serde_json::from_str(input.get()).ok()?;
        to_raw_value(&Task::fallback(self, typed)?).ok()
    }

    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        Task::needs_in_windows(self)
    }

    fn writes(&self) -> Option<&str> {
        Task::writes(self)
    }

    fn ended(&self, record: &RunRecord) -> Result<(), Diagnostic> {
        Task::ended(self, record)
    }
}

/// The compiler of graphs proved that the types fit, so this is a bug; it is reported, not panicked on.
fn unfit(error: serde_json::Error) -> TaskError {
    TaskError::Permanent(format!("a value does not fit its type, which is a bug of this program: {error}"))
}
