//! The pure node kinds: one file each, one line in [`KINDS`]. Kinds that touch the world live in `io`.

mod detect;
mod insights;
mod merge;

use crate::node::Kind;

pub const KINDS: &[Kind] =
    &[Kind::fold::<detect::Detect>(), Kind::fold::<insights::InsightTable>(), Kind::task::<merge::Merge>()];
