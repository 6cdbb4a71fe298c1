//! Sources: where bytes come from. What the bytes mean is `decode`'s.

pub mod file;
mod follow;
mod pipe;
mod several;
mod tally;
mod unpack;
