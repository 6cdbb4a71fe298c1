//! `agent` turns operations telemetry into an exact, grounded report. A graph file says how; everything that decides is
//! deterministic; a language model, if there is one, words what is already decided.
//!
//! # The picture
//!
//! ```text
//! graphs/default.toml ──parse──► GraphFile ──compile──► Plan + Stream (names resolved, types proved, nodes built)
//!                                                          │
//!    Source ──► Batch ─┬► Fold ──┬── cut ──► Task ──► Task ──► … ──► output
//!                      └► Sink   │
//!    └───── stream part ─────────┘           └────────── task part ────────┘
//!    columns; sync; one pass over            small typed JSON; async; journaled:
//!    the input, shared by all folds          a finished task never runs again
//! ```
//!
//! With a `[window]` the picture is one of each span of time: records are gathered by window, and each window that closes
//! has a task part of its own. A live source only does not end by itself.
//!
//! The *stream part* reads records in columnar batches and folds them; it is fast, pure, and recomputed from its source
//! if need be. The folds' values are the *cut*: they are journaled, and nothing below is needed again. The *task part*
//! runs on typed values, each task the moment its inputs exist.
//!
//! # Code map
//!
//! | Module | What it holds | What it must not know |
//! |---|---|---|
//! | [`domain`] | the nouns: batch, figure, anomaly, incident, fact, recommendation, report, run record | everything else |
//! | [`diagnostic`] | codes with their pages, places in texts, TOML with every fault reported | everything else |
//! | [`port`] | what the inside needs of the world, as traits: files, clock, journal, model | how the world does it |
//! | [`node`] | the contract of a node kind, and kinds without their types | any particular kind |
//! | [`detect`] | rules, bands, series: from batches to anomalies, and which of these are one incident | JSON, files, time |
//! | [`wording`] | facts into slots, what a model wrote held to the facts | who the model is |
//! | [`nodes`] | the pure kinds, one file each, and their registry | the world |
//! | [`graph`] | text → plan | any particular kind; running |
//! | [`engine`] | the state machine of a run (`state`, pure), and its driver; windows (`windows`, pure), checkpoints, live runs, history | any particular kind or graph |
//! | [`io`] | everything that touches the world: ingest, decode, model endpoints, journal, outputs; its own registry | the engine, the pure kinds |
//! | [`api`] | what was kept and what goes on, over HTTP; who may ask | databases, kinds, the command line |
//! | [`cli`] | one file or folder per subcommand; the only place that sees everything and wires it | — |
//!
//! Arrows point one way: `{domain, diagnostic} ← port ← node ← {nodes, graph}`, `{detect, wording} ← nodes`,
//! `graph ← engine`, `{port, node} ← io`, `{engine, graph, io} ← api`, everything `← cli`. `tests/architecture.rs` holds the code to it.
//!
//! # What must stay true
//!
//! - A model's reply reaches nothing but the words of a recommendation: ids, targets, parameters, severities and every
//!   figure are decided before it is asked, and slots are filled by code.
//! - Only [`engine::Run::apply`] changes the state of a run, and an event is journaled before the world sees its effect.
//!   Resuming is reading the journal through the same function.
//! - No clock and no chance reaches a report. The same graph, input and replies give the same bytes.
//! - A window is committed by its checkpoint, after its cut is journaled and before its tasks start: every record is in one
//!   window's report wherever the process dies.
//! - What is decoded depends on the bytes only: not on threads, blocks, instruction sets, or what was learned of shapes.
//! - No value that is not finite crosses the cut. Figures are rounded to nine significant digits there.
//! - What was written ([`graph`]'s file) and what was checked ([`graph::Plan`]) are two types; nothing checks twice.

pub mod api;
pub mod cli;
pub mod detect;
pub mod diagnostic;
pub mod domain;
pub mod engine;
pub mod graph;
pub mod io;
pub mod node;
pub mod nodes;
pub mod port;
pub mod wording;
