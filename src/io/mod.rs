//! Everything that touches the world: sources, models, journals, outputs; and the node kinds that do, in [`KINDS`].
//! Must not know graphs, the engine or the pure kinds.

pub mod decode;
pub mod ingest;

use crate::node::Kind;

/// The kinds that touch the world.
pub const KINDS: &[Kind] = &[Kind::source::<ingest::file::IngestFile>()];
