//! The pure node kinds: one file each, one line each in [`KINDS`]. Kinds that touch the world live in `io`.

pub mod detect;
pub mod insights;
pub mod merge;
pub mod plan;

use crate::node::Kind;

pub const KINDS: &[Kind] = &[
    Kind::fold::<detect::Detect>(),
    Kind::fold::<insights::InsightTable>(),
    Kind::task::<merge::Merge>(),
    Kind::task::<plan::Planner>(),
];
