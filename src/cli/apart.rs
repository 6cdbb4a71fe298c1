//! Runs of a graph that leave no trace: nothing is written, sent or journaled. What a node would tell the world is its value.

use std::sync::{Arc, Mutex, PoisonError};

use super::execute::fault;
use super::exit::Failure;
use super::stand_in::Echo;
use crate::engine::{Cancel, Diverged, Event, Outcome, Run, Watcher, World, drive};
use crate::graph::{Plan, Stream};
use crate::io;
use crate::io::files::WallClock;
use crate::port::{Journal, Memory, Model};

/// Whether a node of this plan tells the world.
pub fn tells(plan: &Plan, node: usize) -> bool {
    let node = plan.nodes.get(node);
    node.is_some_and(|node| node.task.is_some() && io::KINDS.iter().any(|kind| kind.name == node.kind.name))
}

/// Takes from the nodes that tell the world what they would do.
pub fn hush(plan: &mut Plan) {
    for at in 0..plan.nodes.len() {
        if tells(plan, at)
            && let Some(node) = plan.nodes.get_mut(at)
        {
            node.task = Some(Arc::new(Echo));
        }
    }
}

/// What a run is set off with.
#[derive(Default)]
pub struct With {
    pub model: Option<Arc<dyn Model>>,
    pub memory: Option<Arc<dyn Memory>>,
    pub journal: Option<Box<dyn Journal>>,
}

/// The run after these events.
///
/// # Errors
/// They do not fit the plan.
pub fn after(plan: &Plan, events: &[Event]) -> Result<Run, Diverged> {
    let mut run = Run::default();
    let mut actions = Vec::new();
    events.iter().try_for_each(|event| run.apply(plan, event, &mut actions))?;
    Ok(run)
}

/// Drives a run to its end; gives what happened too. `first` and `stream` are as [`drive`] takes them.
///
/// # Errors
/// The engine panicked, or no thread is to be had.
pub fn run(
    plan: &Arc<Plan>,
    stream: Option<Stream>,
    run: Run,
    with: With,
    first: Option<Event>,
) -> Result<(Run, Outcome, Vec<Event>), Failure> {
    let heard = Arc::new(Heard::default());
    let With { model, memory, journal } = with;
    let (clock, cancel) = (Arc::new(WallClock), Cancel::default());
    let world = World { journal, clock, model, memory, watcher: heard.clone(), cancel };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| fault(format!("no threads can be had: {e}")))?;
    // What is looked at once more was written when it was run.
    let stream = stream.map(|stream| Stream { sinks: Vec::new(), ..stream });
    let plan = plan.clone();
    let driven = runtime.block_on(async { tokio::spawn(drive(plan, stream, run, world, first)).await });
    let (run, outcome) = driven.map_err(|e| fault(format!("the engine panicked, which is a bug: {e}")))?;
    let events = std::mem::take(&mut *heard.0.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((run, outcome, events))
}

/// Remembers what happened.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Watcher for Heard {
    fn on_event(&self, _run: &str, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}
