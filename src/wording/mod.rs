//! Sentences: facts into slots, numbers into a language's notation, and what a model wrote held to the facts. Pure.
//!
//! A model's reply goes through [`judge`]: [`repair`] of its syntax, the schema, [`grounding`]. What it says counts
//! only if it passes all of them.

mod describe;
mod elapsed;
pub mod grounding;
mod prompt;
mod pseudonyms;
pub mod repair;
mod reply;
mod schema;
mod shortfall;
mod slots;

pub use describe::{aspect_of, aspect_word, describe, severity_word, status_word};
pub use elapsed::elapsed;
pub use grounding::Grounded;
pub use prompt::{BadPrompt, Prompt, PromptTemplate};
pub use pseudonyms::{Irreplaceable, Pseudonyms};
pub use reply::{Rejection, judge, legible};
pub use schema::{Wording, misfits, portable, wording_schema};
pub use shortfall::{Recovery, Shortfall};
pub use slots::{Slot, UnknownSlot, count, fill, number, quantity, render, slots_in};
