//! Runs a plan. `state` is a pure machine over events; `drive` performs what it asks for, and journals every event
//! before the world sees its effect. Resuming is reading the journal through the same machine.
//!
//! Names no node kind and knows no particular graph.

mod attempt;
mod checkpoint;
mod drive;
mod event;
mod folding;
mod history;
mod inputs;
mod intake;
mod kept;
mod live;
mod log;
mod mailbox;
mod open;
mod pass;
mod record;
mod sinks;
mod state;
mod steps;
mod watch;
mod windows;

pub use checkpoint::{Checkpoint, SourceMark};
pub use drive::{Outcome, World, drive};
pub use event::{
    Entry, Event, FileMark, Header, Invocation, JOURNAL_VERSION, Made, ModelMode, Parts, text_fingerprint,
};
pub use folding::SetClock;
pub use history::{Given, History, Seen, history, survey};
pub use kept::Kept;
pub use live::{Begun, Closed, Shelf, Surroundings, live, rehearse};
pub use record::{run_record, usage};
pub use state::{Action, Diverged, Run};
pub use steps::Steps;
pub use watch::{Cancel, Watcher};
