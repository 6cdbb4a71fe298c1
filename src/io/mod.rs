//! Everything that touches the world: sources, models, journals, outputs; and the node kinds that do, in [`KINDS`].
//! Must not know graphs, the engine or the pure kinds.

pub mod atomic;
pub mod decode;
pub mod files;
pub mod ingest;
pub mod journal;
pub mod llm;
pub mod output;
pub mod state;

use crate::node::Kind;

/// The kinds that touch the world.
pub const KINDS: &[Kind] = &[
    Kind::source::<ingest::file::IngestFile>(),
    Kind::source::<ingest::listen::IngestListen>(),
    Kind::task::<output::file::OutputFile>(),
];
