//! From a graph file's text to a plan: every name resolved, every edge's types proved, every node built. Pure: files
//! come through a port, kinds as a list. Knows no particular kind and runs nothing.
//!
//! `agent check` and `agent run` both end here; there is no second validator.

mod compile;
mod file;
mod interpolate;
mod outline;
mod plan;
mod schema;
mod types;
mod wires;

pub use compile::{Surroundings, compile};
pub use file::{OnError, Override, Windowing};
pub use outline::{WiredSo, configs_of, language_of, outline, wired_so};
pub use plan::{Compiled, Plan, PlanInput, PlanNode, Reference, Stream, StreamFold, StreamSink, StreamSource};
pub use schema::{file_schema, kind_schema, ports};
pub use types::Type;
