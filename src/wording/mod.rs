//! Sentences: facts into slots, numbers into a language's notation, and what a model wrote held to the facts. Pure.

mod prompt;
pub mod repair;
mod schema;
mod slots;

pub use prompt::{BadPrompt, Prompt, PromptTemplate};
pub use schema::{MAX_CHARACTERS, Wording, misfits, portable, wording_schema};
pub use slots::{Slot, UnknownSlot, fill, number, quantity, render, slots_in};
