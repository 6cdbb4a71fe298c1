//! Bytes become columns: JSON, NDJSON and CSV of any size in constant memory, whatever is wrong with them. What can be
//! read is read, what cannot is counted and noted.
//!
//! ```text
//! Stream ─ reads pieces ─► Decoder ─ Elements | Lines | Csv ─► records ─ plain | json | csv ─► Table ─► Batch
//!   │                                where a record ends └─ skim ─ shape ─► weave ──────────────┘     └─► Account
//!   └ Split ─ Crew ─ blocks of a file, by several threads ─► the same, joined in order
//! Feed ─ is given pieces ─► the same, for inputs that go on
//! ```
//!
//! Must not know where the bytes come from, nor who reads the batches.

mod account;
mod block;
mod cell;
mod column;
mod crew;
mod csv;
mod decoder;
mod dialect;
mod elements;
mod entities;
mod escape;
mod faults;
mod feed;
mod fields;
mod format;
mod framing;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod glance;
mod json;
mod lines;
mod mend;
mod numeral;
mod plain;
mod record;
mod records;
mod scan;
mod schema;
mod shape;
mod sheet;
mod skim;
mod split;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod verdict;
mod weave;
mod wrapper;

pub use block::Input;
pub use feed::{Feed, Mark, Strand};
pub use format::Format;
pub(in crate::io) use records::Records;
pub use schema::Schema;
pub use stream::{Limits, Options, Stream};
