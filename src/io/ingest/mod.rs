//! Sources: where bytes come from. What the bytes mean is `decode`'s.

pub mod file;
