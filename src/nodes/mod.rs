//! The pure node kinds: one file each, one line each in [`KINDS`]. Kinds that touch the world live in `io`.

mod asking;
pub mod chart;
pub mod completeness;
pub mod detect;
pub mod draft;
pub mod insights;
pub mod merge;
pub mod plan;
pub mod validate;

use crate::node::Kind;

/// Every kind of this folder.
pub const KINDS: &[Kind] = &[
    Kind::fold::<chart::Charting>(),
    Kind::fold::<completeness::Completing>(),
    Kind::fold::<detect::Detect>(),
    Kind::task::<draft::Drafting>(),
    Kind::fold::<insights::InsightTable>(),
    Kind::task::<merge::Merge>(),
    Kind::task::<plan::Planner>(),
    Kind::task::<validate::Validating>(),
];
