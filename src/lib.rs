//! `agent`: a graph of typed nodes turns operations telemetry into an exact, grounded report.
pub mod detect;
pub mod diagnostic;
pub mod domain;
pub mod engine;
pub mod graph;
pub mod io;
pub mod node;
pub mod nodes;
pub mod port;
pub mod wording;
