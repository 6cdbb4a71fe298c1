//! Sources: where bytes come from. What the bytes mean is `decode`'s.

pub mod file;
mod follow;
pub mod listen;
mod pipe;
mod several;
mod tally;
mod unpack;
