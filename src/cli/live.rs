//! A graph with windows, live or not: a run per window, and what must outlive the process.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::execute::{Settings, fault, keep, kept, left_over, model_of, outputs, tell_tasks, traced};
use super::exit::{Exit, Failure};
use super::onlooker::{Both, Served};
use super::progress::Progress;
use super::render::{summary, window};
use super::run::{files_of, fraction, header_of, keep_texts, new_folder};
use super::signals::Signals;
use super::spans::Spans;
use super::{load, log, page, resume, supervisor, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Completeness, Report, RunRecord, Severity, Summary, Timestamp};
use crate::engine::{
    Begun, Closed, Event, Invocation, Kept, Outcome, Run, Shelf, Surroundings, Watcher, live as drive, run_record,
    usage,
};
use crate::graph::{Compiled, Plan};
use crate::io::files::WallClock;
use crate::io::journal::FileJournal;
use crate::io::llm::{Connected, Environment};
use crate::io::output::file::Written;
use crate::io::state::{LiveDir, RunDir, RunLock, StateDir, run_id};
use crate::node::AnyTask;
use crate::port::{Clock, Journal, Model, Writing};

/// Said at the first signal.
const STOPPING: &str = "stopping: open windows are reported; another Ctrl-C ends at once, and the next run goes on\n";

/// A graph with windows that is ready to go.
pub struct Live {
    pub compiled: Compiled,
    pub invocation: Invocation,
    /// How many runs are kept; `None` keeps no state at all.
    pub kept: Option<usize>,
    /// Forget what an earlier process kept.
    pub fresh: bool,
    /// Where they are caught already.
    pub signals: Option<Signals>,
    /// Who serves it, with others, and heeds the signals.
    pub served: Option<Served>,
}

/// Runs windows until the sources end or a signal asks for a drain.
///
/// # Errors
/// A source that cannot be used, a state that cannot be taken up.
pub fn live(live: Live, settings: Settings, environment: Environment) -> Result<Exit, Failure> {
    log::begin(&settings, &environment);
    let Live { compiled, invocation, kept, fresh, signals, served } = live;
    let mut header = header_of(&compiled, &invocation, None);
    let Compiled { mut plan, stream } = compiled;
    page::withhold(&mut plan, &invocation);
    let plan = Arc::new(plan);
    let is_live = stream.sources.iter().any(|source| source.source.is_live());
    let state = match kept {
        Some(_) => Some(load::state_dir(&environment)?),
        None => None,
    };
    let folder = match &state {
        Some(state) if is_live => Some(state.live(&plan.name, &invocation.path).map_err(Failure::run)?),
        _ => None,
    };
    if let Some(state) = &state {
        keep_texts(state, &files_of(&plan));
    }
    let on_terminal = std::io::stderr().is_terminal();
    let draws = !settings.quiet && settings.verbose == 0 && on_terminal && !is_live && !log::is_json();
    let progress = Arc::new(Progress::new(draws));
    let spans = Spans::of(&environment, &plan, progress.clone());
    let desk = Desk::new(plan.clone(), invocation, settings, &environment, state.zip(kept), folder)?;
    let desk = Arc::new(Desk { spans: spans.clone(), served: served.clone(), ..desk });
    header.made.model = desk.connected.as_ref().and_then(|c| c.model.as_ref()).map(|model| model.identity());
    let (kept, earlier) = desk.take_up(fresh)?;
    let drain = served.as_ref().map(|served| served.drain.clone()).unwrap_or_default();
    let watcher: Arc<dyn Watcher> = spans.clone().map_or(progress.clone(), |spans| spans as Arc<dyn Watcher>);
    let around = Surroundings {
        clock: Arc::new(WallClock),
        watcher: match &served {
            Some(served) => Arc::new(Both(watcher, served.onlooker.clone())),
            None => watcher,
        },
        shelf: desk.clone(),
        drain: drain.clone(),
    };
    if let Some(window) = plan.window.as_ref().filter(|_| is_live && !desk.settings.quiet && on_terminal) {
        // Else nothing is to be seen until the first window ends.
        terminal::err(&format!("running until Ctrl-C; windows of {:?} are reported as they end\n", window.every.0));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| fault(format!("no threads can be had: {e}")))?;
    if is_live && desk.prints() {
        let drain = drain.clone();
        terminal::when_out_is_closed(move || drain.cancel());
    }
    if served.is_none() {
        supervisor::begun(&environment);
    }
    let notice = (!desk.settings.quiet).then_some(STOPPING);
    let ended = runtime.block_on(async {
        if served.is_none() {
            tokio::spawn(Signals::heed(signals, drain, notice));
        }
        tokio::spawn(drive(plan, stream, header, around, kept, earlier)).await
    });
    runtime.shutdown_background();
    progress.finish();
    if let Some(spans) = spans {
        spans.finish();
    }
    desk.finish()?;
    ended
        .map_err(|e| fault(format!("the engine panicked, which is a bug: {e}")))?
        .map_err(|fault| Failure::run(*fault))?;
    Ok(desk.exit())
}

/// Gives runs their places and takes them back.
struct Desk {
    plan: Arc<Plan>,
    invocation: Invocation,
    settings: Settings,
    /// Where runs are kept, and how many.
    state: Option<(StateDir, usize)>,
    /// What outlives the process; of live graphs only.
    folder: Option<LiveDir>,
    /// The tape of a recording or a replay, which all runs share; for live calls, whether a model is there.
    connected: Option<Connected>,
    spans: Option<Arc<Spans>>,
    served: Option<Served>,
    to_stdout: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Runs that are not ended: their folders and when they began.
    open: HashMap<String, (Option<(RunDir, RunLock)>, Timestamp)>,
    /// Runs without a folder get numbers.
    count: u64,
    worst: Option<Severity>,
    failed: bool,
    /// Whether a report was shown already.
    shown: bool,
}

impl Desk {
    fn new(
        plan: Arc<Plan>,
        invocation: Invocation,
        settings: Settings,
        environment: &Environment,
        state: Option<(StateDir, usize)>,
        folder: Option<LiveDir>,
    ) -> Result<Desk, Failure> {
        let connected = model_of(&plan, &invocation.model, None, false, environment)?;
        if let (Some(notice), false) = (connected.as_ref().and_then(|c| c.notice.as_ref()), settings.quiet) {
            terminal::err(&format!("note: {notice}\n"));
        }
        let (to_stdout, books) = Default::default();
        Ok(Desk { plan, invocation, settings, state, folder, connected, spans: None, served: None, to_stdout, books })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What an earlier process left: its checkpoint, and the runs that it did not finish.
    fn take_up(&self, fresh: bool) -> Result<(Kept, Vec<Closed>), Failure> {
        let Some((folder, (state, _))) = self.folder.as_ref().zip(self.state.as_ref()) else {
            return Ok(Default::default());
        };
        if fresh {
            folder.forget().map_err(Failure::run)?;
        }
        let mut kept = match folder.checkpoint().map_err(Failure::run)? {
            None => Kept::default(),
            Some(file) => Kept::read(file).map_err(|why| {
                let message = format!("the checkpoint of this live graph cannot be read: {why}");
                Failure::run(Diagnostic::new(codes::run::CHECKPOINT, message).help(codes::run::CHECKPOINT.remedy))
            })?,
        };
        let checkpoint = &mut kept.checkpoint;
        let mut earlier = Vec::new();
        let mut runs = state.list().map_err(Failure::run)?;
        runs.reverse(); // oldest first
        for run in runs {
            let pending = checkpoint.pending.iter().any(|id| id == run.id());
            let Ok(lock) = run.lock() else { continue };
            match self.unfinished(&run) {
                Some(closed) if pending => {
                    let begun = (Some((run.clone(), lock)), WallClock.now());
                    self.books().open.insert(run.id().to_string(), begun);
                    earlier.push(closed);
                }
                // Journaled, but the process died before the checkpoint: its records are read again.
                Some(closed) if closed.begun().is_none_or(|begun| begun.micros() >= checkpoint.written) => {
                    run.discard(lock);
                }
                // Of an earlier form of the graph, and left then.
                Some(_) => {}
                // It ended after the checkpoint was written.
                None if pending => self.run_of(&run).iter().for_each(|(ended, ..)| checkpoint.learn(ended)),
                None if run.is_void() => run.discard(lock),
                None => {}
            }
        }
        Ok((kept, earlier))
    }

    /// A run of a window of this graph that has not ended.
    fn unfinished(&self, run: &RunDir) -> Option<Closed> {
        if run.is_finished() {
            return None;
        }
        let (replayed, journal, begun) = self.run_of(run)?;
        if replayed.header.as_ref().is_none_or(|header| header.fingerprint != self.plan.fingerprint) {
            let id = run.id();
            terminal::err(&format!(
                "warning: run {id} of an earlier window is not finished, and the graph has changed since: \
                 with the graph as it was, `agent resume {id}` makes up for it\n"
            ));
            return None;
        }
        let journal: Option<Box<dyn Journal>> = Some(Box::new(journal));
        Some(Closed::new(replayed, journal, true).at(begun))
    }

    /// What the journal of a run says, if it is one of a window of this graph.
    fn run_of(&self, run: &RunDir) -> Option<(Run, FileJournal, Timestamp)> {
        let (journal, text) = resume::journal_of(run).ok().and_then(|_| run.journal().ok())?;
        let entries = resume::read(&text).ok()?;
        let Event::Started(header) = &entries.first()?.event else { return None };
        let is_ours = header.window.is_some() && header.invocation.path == self.invocation.path;
        let replayed = resume::replay(&self.plan, &entries).ok().filter(|_| is_ours)?;
        Some((replayed, journal, entries.first()?.at))
    }

    /// Whether anything goes to standard output: reports, or what is said of them.
    fn prints(&self) -> bool {
        let writes = |task: &Arc<dyn AnyTask>| task.writes() == Some("-");
        !self.settings.quiet || self.plan.nodes.iter().filter_map(|node| node.task.as_ref()).any(writes)
    }

    /// Says what a tape has left over.
    fn finish(&self) -> Result<(), Failure> {
        let left = self.connected.as_ref().map_or(Ok(Vec::new()), Connected::finish).map_err(Failure::run)?;
        for interaction in left.iter().filter(|_| !self.settings.quiet) {
            terminal::err(&left_over(interaction));
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        let limit = self.settings.fail_on.map(Severity::from);
        let books = self.books();
        match books.failed {
            true => Exit::Failed,
            false if limit.is_some() && books.worst >= limit => Exit::FailOn,
            false => Exit::Done,
        }
    }

    /// Keeps and shows what a run has come to.
    fn show(&self, run: &Run, mut record: RunRecord, folder: Option<&RunDir>) {
        record.coverage = outputs::<Summary>(&self.plan, run).into_iter().flat_map(|s| s.coverage).collect();
        record.completeness = outputs::<Completeness>(&self.plan, run);
        record.model = self.connected.as_ref().and_then(|c| c.model.as_ref()).map(|model| model.identity());
        record.currency = self.connected.as_ref().and_then(Connected::currency);
        let reports: Vec<Report> = outputs(&self.plan, run);
        let mut places: Vec<String> = outputs::<Written>(&self.plan, run).into_iter().map(|w| w.path).collect();
        if places.iter().any(|place| place == "-") {
            self.to_stdout.store(true, Ordering::Relaxed);
        }
        places.retain(|place| place != "-");
        if self.invocation.page.as_ref().is_some_and(|page| page.instead) {
            places.clear();
        }
        match page::pages(&self.plan, run, &record, &self.invocation) {
            Ok(pages) => places.extend(pages),
            Err(failure) => {
                self.books().failed = true;
                terminal::faults(&failure.diagnostics);
            }
        }
        if let Some(folder) = folder {
            if !run.is_cut() {
                folder.mark_empty(); // nothing came, and nothing was missed
            }
            reports.first().map(|report| keep(&folder.report(), report));
        }
        tell_tasks(&self.plan, &record);
        if let Some(served) = &self.served {
            served.onlooker.on_end(&self.plan, run, &record, &reports);
        }
        if let Some(folder) = folder {
            keep(&folder.record(), &record); // last, since it says that the run has ended
        }
        if let Some(path) = &self.invocation.run_record {
            keep(Path::new(path), &record);
        }
        let worst = reports.iter().flat_map(|r| r.anomalies.iter().map(|a| a.severity)).max();
        let first = {
            let mut books = self.books();
            books.worst = books.worst.max(worst);
            !std::mem::replace(&mut books.shown, true)
        };
        if self.settings.quiet {
            return;
        }
        let to_stdout = self.to_stdout.load(Ordering::Relaxed);
        let style = if to_stdout { terminal::stderr_style() } else { terminal::stdout_style() };
        let faults = summary::faults(&record.inputs);
        terminal::err(&faults);
        let text = match (first, reports.first()) {
            (true, Some(report)) => summary::summary(report, &record, &places, style) + "\n",
            (_, report) => window::line(report, &record, style),
        };
        if to_stdout { terminal::err(&text) } else { terminal::out(&text) }
    }
}

impl Shelf for Desk {
    fn begin(&self) -> Begun {
        let now = WallClock.now();
        let opened = self.state.as_ref().map(|(state, keep)| {
            let sweep = |_: &_| drop(state.retain(*keep)); // what cannot be deleted now is tried again next time
            new_folder(state, &self.invocation.path).inspect(sweep)
        });
        let mut books = self.books();
        books.count += 1;
        match opened {
            Some(Ok((folder, lock, journal))) => {
                let run = folder.id().to_string();
                books.open.insert(run.clone(), (Some((folder, lock)), now));
                Begun { run, journal: Some(Box::new(journal)) }
            }
            other => {
                if let Some(Err(why)) = other {
                    terminal::err(&format!("warning: no journal is kept ({why}); this window cannot be resumed\n"));
                }
                let run = format!("{}-{}", run_id(now, fraction(now)), books.count);
                books.open.insert(run.clone(), (None, now));
                Begun { run, journal: None }
            }
        }
    }

    fn is_synced(&self) -> bool {
        self.state.as_ref().is_some_and(|(state, _)| state.is_synced())
    }

    fn save(&self, writing: &mut Writing<'_>) -> Result<(), String> {
        self.folder.as_ref().map_or(Ok(()), |folder| folder.save(writing).map_err(|error| error.to_string()))
    }

    fn folder(&self, node: &str) -> Option<PathBuf> {
        let made = self.folder.as_ref()?.source(node);
        made.map_err(|error| terminal::err(&format!("warning: `{node}` can keep nothing: {error}\n"))).ok()
    }

    fn model(&self, run: &Run) -> Option<Arc<dyn Model>> {
        let model = self.connected.as_ref()?.for_run(self.plan.max_tokens_per_run, usage(run).tokens())?;
        let books = self.books();
        let id = run.header.as_ref().map_or("", |header| header.run.as_str());
        let folder = books.open.get(id).and_then(|(folder, _)| folder.as_ref());
        Some(kept(traced(model, self.spans.as_ref(), id), folder.map(|(folder, _)| folder)))
    }

    fn ended(&self, run: &Run, outcome: Outcome) {
        let id = run.header.as_ref().map(|header| header.run.clone()).unwrap_or_default();
        let (folder, started) = self.books().open.remove(&id).unwrap_or_else(|| (None, WallClock.now()));
        let folder = folder.as_ref().map(|(folder, _)| folder);
        let _within = log::within(&id, run.header.as_ref().and_then(|header| header.window.as_ref()));
        let record = run_record(run, started, run.ended.is_some().then(|| WallClock.now()));
        self.show(run, record, folder);
        if let Outcome::Failed(fault) = outcome {
            self.books().failed = true;
            let help = folder.map(|folder| {
                let id = folder.id();
                format!("the stream goes on; once the cause is mended, `agent resume {id}` makes up for this window")
            });
            terminal::faults(&[fault.maybe_help(help)]);
        }
    }
}
