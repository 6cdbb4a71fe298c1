//! Sentences: facts into slots, numbers into a language's notation, and what a model wrote held to the facts. Pure.

mod describe;
mod slots;

pub use describe::{describe, severity_word, status_word};
pub use slots::{Slot, UnknownSlot, fill, number, quantity, render, slots_in};
