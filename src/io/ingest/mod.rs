//! Sources: where bytes come from. What the bytes mean is `decode`'s.

pub mod file;
pub mod host;
pub mod poll;
pub mod prometheus;
mod remote;
mod times;
#[cfg(test)]
mod trial;
