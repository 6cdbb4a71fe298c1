//! Detection by thresholds: rules, and what they find in batches of records. Pure, columnar, no JSON values; knows no
//! sentences, no graph and no files.

mod arrivals;
mod breaks;
mod column;
mod derived;
mod detector;
mod entities;
mod episodes;
mod grid;
mod incidents;
mod judge;
mod lanes;
mod order;
mod past;
mod rules;
mod series;
mod stretch;
mod sustained;
#[cfg(test)]
pub(crate) mod testing;
mod total;
pub mod unusual;

pub use arrivals::{Arrival, Arrivals, Cadence, Silence, Silences, Tally};
pub use breaks::stretches;
pub use derived::{Node, Operator};
pub use detector::{Detector, Memory};
pub use entities::{Entities, PerEntity, Rows, Run};
pub use episodes::Episodes;
pub use grid::Grid;
pub use incidents::{Origin, incidents};
pub use judge::{Judge, Measure, SERVICE_STATUS, Standing};
pub use order::{one_per_series, report_order};
pub use past::Pasts;
pub use rules::{Hours, Label, Limits, Maintenance, Override, Quantity, Rule, Rules};
pub use series::{Levels, Reached, Reading, Series};
pub use stretch::{Stretch, Stretches};
pub use sustained::Sustained;
pub use total::Total;
