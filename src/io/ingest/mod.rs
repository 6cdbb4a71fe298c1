//! Sources: where bytes come from. What the bytes mean is `decode`'s.

pub mod file;
mod follow;
pub mod host;
pub mod listen;
mod peek;
mod pipe;
pub mod poll;
pub mod prometheus;
mod remote;
mod several;
mod tally;
mod times;
#[cfg(test)]
mod trial;
mod unpack;
