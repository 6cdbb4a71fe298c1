//! The pure node kinds: one file and one line each.

mod asking;
mod draft;
mod validate;

use crate::node::Kind;

/// Every kind of this folder.
pub const KINDS: &[Kind] = &[Kind::task::<draft::Drafting>(), Kind::task::<validate::Validating>()];
