//! Bytes become columns: JSON, NDJSON and CSV of any size in constant memory, whatever is wrong with them. What can be
//! read is read, what cannot is counted and noted.
//!
//! ```text
//! Stream ─ reads blocks ─► Decoder ─ Elements | Lines | Csv ─► records ─ json | csv ─► Table ─► Batch
//!                                    where a record ends         what its fields mean
//! ```
//!
//! Must not know where the bytes come from, nor who reads the batches.

mod cell;
mod csv;
mod decoder;
mod dialect;
mod elements;
mod entities;
mod faults;
mod fields;
mod format;
mod json;
mod lines;
mod mend;
mod record;
mod scan;
mod schema;
#[allow(dead_code, reason = "the blocks that call it come next")]
mod shape;
mod sheet;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod wrapper;

pub use format::Format;
pub use schema::Schema;
pub use stream::{Limits, Options, Stream};
