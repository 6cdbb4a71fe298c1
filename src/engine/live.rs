//! A stream in windows: for each window that closes, one run of the task part. Batch and live are the same code; a live
//! source only does not end by itself.
//!
//! Three parts work beside each other: a thread per source reads ([`super::mailbox`]), one thread folds and closes
//! windows ([`super::folding`]), and the runs are driven one after the other, in the order of their windows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use tokio::sync::mpsc::Sender;

use super::checkpoint::{Checkpoint, learn};
use super::drive::{Outcome, World, drive};
use super::event::{Event, Header};
use super::folding::{Folding, SetClock};
use super::intake::Faulty;
use super::kept::Kept;
use super::state::Run;
use super::watch::{Cancel, Watcher};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{RunStatus, Timestamp};
use crate::graph::{Plan, Stream};
use crate::port::{Clock, Journal, Memory, Model, Writing};

/// Windows that may be closed and not yet begun. When their runs are slower than the stream, the stream waits.
const WAITING: usize = 4;

/// Where the runs of windows and the checkpoint are kept.
pub trait Shelf: Send + Sync {
    /// A place for another run.
    fn begin(&self) -> Begun;
    /// Puts the checkpoint that `writing` writes in the place of the former, whole or not at all.
    ///
    /// # Errors
    /// Why it cannot be kept, as a lower-case fragment.
    fn save(&self, writing: &mut Writing<'_>) -> Result<(), String>;
    /// A folder of the source's own; `None` where no state is kept.
    fn folder(&self, node: &str) -> Option<PathBuf>;
    /// Whether what is kept survives a power cut.
    fn is_synced(&self) -> bool {
        false
    }
    /// A model for this run, which an earlier process may have begun; `None`: templates word it.
    fn model(&self, run: &Run) -> Option<Arc<dyn Model>>;
    /// A run has come to its end, or was left.
    fn ended(&self, run: &Run, outcome: Outcome);
}

/// A run that was given a place.
pub struct Begun {
    pub run: String,
    pub journal: Option<Box<dyn Journal>>,
}

/// What a live run needs of the world.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub watcher: Arc<dyn Watcher>,
    pub shelf: Arc<dyn Shelf>,
    /// Asks for a drain: the open windows are reported, positions are saved.
    pub drain: Cancel,
}

/// A run whose window is closed.
pub struct Closed {
    run: Run,
    journal: Option<Box<dyn Journal>>,
    first: Option<Event>,
    begun: Option<Timestamp>,
}

impl Closed {
    /// The same, of a run whose journal began then.
    #[must_use]
    pub fn at(self, begun: Timestamp) -> Closed {
        Closed { begun: Some(begun), ..self }
    }

    /// When its journal began, if that was said.
    pub fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// A run that was journaled up to its cut, by this process or an `earlier` one. Without a cut its window is empty, and
    /// there is nothing to do but to end it.
    pub fn new(run: Run, journal: Option<Box<dyn Journal>>, earlier: bool) -> Closed {
        let first = match (run.is_cut(), earlier) {
            (false, _) => Some(Event::Ended { status: RunStatus::Done, error: None }),
            (true, true) => Some(Event::Resumed {}),
            (true, false) => None,
        };
        Closed { run, journal, first, begun: None }
    }
}

/// What runs and the folding thread share.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// Ids of runs that are not ended, oldest first.
    pending: Vec<String>,
    /// In the order in which it was kept.
    memory: IndexMap<String, String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn begin(&self, run: &str) {
        self.lock().pending.push(run.to_string());
    }

    /// Fills in what a checkpoint says of runs.
    pub fn write(&self, checkpoint: &mut Checkpoint) {
        let books = self.lock();
        checkpoint.pending.clone_from(&books.pending);
        checkpoint.memory.clone_from(&books.memory);
    }
}

impl Memory for Shared {
    fn recall(&self, key: &str) -> Option<String> {
        self.lock().memory.get(key).cloned()
    }
}

/// Runs a stream in windows until its sources end or a drain is asked for. `header` is that of each run but for its id
/// and window. `earlier` are the runs that the kept checkpoint calls pending, oldest first; they are finished first.
///
/// # Errors
/// A source that cannot be used at all, or a fault of the stream part. A run that fails does not end the stream.
pub async fn live(
    plan: Arc<Plan>,
    stream: Stream,
    header: Header,
    around: Surroundings,
    kept: Kept,
    earlier: Vec<Closed>,
) -> Result<(), Box<Diagnostic>> {
    in_windows(plan, stream, header, around, kept, earlier, |folding, closed| folding.run(closed)).await
}

/// The same of a stream that is there already, in step and by a clock that goes with the records, from the beginning: the
/// same every time. After the last record of live sources, which then are silent, the clock goes on to `until`, or as far as
/// it takes to close the last window with records.
///
/// # Errors
/// As of [`live`].
pub async fn rehearse(
    plan: Arc<Plan>,
    stream: Stream,
    header: Header,
    watcher: Arc<dyn Watcher>,
    shelf: Arc<dyn Shelf>,
    until: Option<Timestamp>,
) -> Result<(), Box<Diagnostic>> {
    let clock = Arc::new(SetClock::default());
    let around = Surroundings { clock: clock.clone(), watcher, shelf, drain: Cancel::default() };
    in_windows(plan, stream, header, around, Kept::default(), Vec::new(), move |folding, closed| {
        folding.rehearse(closed, &clock, until)
    })
    .await
}

async fn in_windows(
    plan: Arc<Plan>,
    stream: Stream,
    header: Header,
    around: Surroundings,
    mut kept: Kept,
    earlier: Vec<Closed>,
    how: impl FnOnce(&mut Folding, &Sender<Closed>) -> Faulty<()> + Send + 'static,
) -> Result<(), Box<Diagnostic>> {
    let shared = Shared::default();
    shared.lock().memory.clone_from(&kept.checkpoint.memory);
    let folding = Folding::new(plan.clone(), stream, header, around.clone(), shared.clone(), &mut kept);
    // Opened before anything is run: a source that cannot be is told at once.
    let mut folding = folding?;
    drop(kept);
    let (closed, mut runs) = tokio::sync::mpsc::channel::<Closed>(WAITING);
    for run in &earlier {
        shared.begin(run.run.header.as_ref().map_or("", |header| header.run.as_str()));
    }
    let fold = tokio::task::spawn_blocking(move || how(&mut folding, &closed).map(|()| folding));
    for run in earlier {
        finish(&plan, run, &around, &shared).await;
    }
    while let Some(run) = runs.recv().await {
        finish(&plan, run, &around, &shared).await;
    }
    let folded = fold.await.unwrap_or_else(|panic| {
        let message = format!("the stream part panicked, a bug: {panic}");
        Err(Box::new(Diagnostic::new(codes::run::TASK_FAILED, message)))
    });
    folded.map(|folding| {
        folding.save(); // once more, since the runs have ended meanwhile
    })
}

/// Drives the run of one window to its end.
async fn finish(plan: &Arc<Plan>, closed: Closed, around: &Surroundings, shared: &Shared) {
    let Closed { run, journal, first, .. } = closed;
    let id = run.header.as_ref().map(|header| header.run.clone());
    let world = World {
        journal,
        clock: around.clock.clone(),
        model: around.shelf.model(&run),
        memory: Some(Arc::new(shared.clone())),
        watcher: around.watcher.clone(),
        cancel: Cancel::default(), // a drain lets runs end; a second signal ends the process
    };
    let (run, outcome) = drive(plan.clone(), None, run, world, first).await;
    learn(&mut shared.lock().memory, &run);
    shared.lock().pending.retain(|pending| Some(pending) != id.as_ref());
    around.shelf.ended(&run, outcome);
}
