//! Where reports go.

pub mod file;
pub mod notify;
