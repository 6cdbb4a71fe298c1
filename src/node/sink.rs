//! The role that writes records away.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{Assets, Wanted};
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, Stored};

/// Writes the records of a stream, as they come, to a place that outlives the process. It gives no value: nothing can
/// depend on it. Records that come too late for their window are written too, those from beyond `max_ahead` are not.
///
/// After a crash the records since the last checkpoint come again, so writing a record twice must change nothing.
pub trait Sink: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    const VERSION: u32;
    /// Name of the port that takes the stream.
    const PORT: &'static str = "telemetry";
    type Config: DeserializeOwned + JsonSchema;

    /// # Errors
    /// What is wrong with the config or its assets.
    fn new(config: Self::Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>>;

    /// The fields that it writes beside those that others read.
    fn wants(&self) -> Wanted;

    /// # Errors
    /// Why nothing can be written.
    fn open(&self, site: &Site<'_>) -> Result<Box<dyn Writer>, Diagnostic>;

    /// The place in the world that it writes to.
    fn writes(&self) -> Option<&str> {
        None
    }
}

/// What a sink must know of the graph that it is part of.
pub struct Site<'a> {
    /// Name of the graph.
    pub graph: &'a str,
    /// What is committed survives a power cut, not only the death of the process.
    pub synced: bool,
}

/// An open sink.
pub trait Writer: Send {
    /// Takes records; waits where the place is slower than the stream. What goes wrong is told by the next `commit`.
    fn push(&mut self, batch: &Batch);

    /// Returns when everything that was pushed is safe, and tells how much came since the last time. Called before
    /// anything is told that the records need not come again.
    ///
    /// # Errors
    /// Something that was pushed is not safe, now or ever.
    fn commit(&mut self) -> Result<Stored, Diagnostic>;
}
