//! What the terminal shows, as text. Pure: every function here takes values and gives a string that ends with a line
//! feed; whether the stream takes colour and how wide it is are arguments.
//!
//! Whatever comes from telemetry, from a model or from a file passes [`safe`] on its way into a view, so that no
//! input can move the cursor, recolour or reorder what an operator reads.

pub mod backtest;
pub mod chart;
pub mod config;
pub mod diagnostic;
pub mod diff;
pub mod doctor;
pub mod draw;
pub mod eval;
pub mod explain;
pub mod kinds;
pub mod page;
pub mod rows;
pub mod runs;
pub mod summary;
pub mod test;
mod text;
pub mod why;
pub mod window;

pub use text::{Style, safe};
