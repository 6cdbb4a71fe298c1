//! The pure node kinds: one file each, one line each in [`KINDS`].

pub mod plan;

use crate::node::Kind;

pub const KINDS: &[Kind] = &[Kind::task::<plan::Planner>()];
