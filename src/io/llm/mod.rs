//! The model port over an OpenAI-compatible endpoint, its settings, and the recording and replaying of its exchanges.
//!
//! ```text
//! Environment ─► Endpoint ─► connect(mode) ─► ChatModel ── features (ladder) ──► async-openai
//!                                                ▲                                    │
//!                                              reply ◄── answer ◄── service: tape, retry, network
//! ```
//!
//! - `endpoint`: which provider, from the [`Environment`] only. `secret`: keys that do not print.
//! - `dialect`: what each provider accepts, as a table. `ladder`: what is still sent after it rejected something.
//! - `fallback`: several endpoints as one model.
//! - `service`: one request with its tries; `retry` decides, `network` does, `tape` records or replays a `cassette`.
//! - `cache`, `budget`, `prices`: layers around a model. `limiter`: how much is sent at a time and in a minute.
//! - `probe`: what an endpoint is good for, before a run needs it.
//! - `provenance`: which graph a cassette is of.
//! - `span`: what OpenTelemetry is told of a call.
//! - `exchange`, `complaint`, `reply`: what came back, what it objects to, what the model said.
//!
//! Nothing here knows what the model is asked for or what becomes of its words.

mod budget;
mod cache;
mod cassette;
mod client;
mod complaint;
mod credential;
mod dialect;
mod difference;
mod endpoint;
mod exchange;
mod fallback;
mod ladder;
mod layers;
mod limiter;
mod network;
mod prices;
mod probe;
mod provenance;
mod reply;
mod retry;
mod secret;
mod service;
mod span;
mod tape;

pub use super::environment::Environment;
pub use client::{Connected, Mode, connect};
pub use dialect::{DIALECTS, Dialect, Output};
pub use difference::describe as describe_difference;
pub use endpoint::{Endpoint, Limits, Origin};
pub use probe::{Probed, RungProbe, RungResult, Trouble, TroubleKind, models, probe};
pub use provenance::Provenance;
pub use secret::Secret;

#[cfg(test)]
mod tests;
