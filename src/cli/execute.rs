//! One run from its first event to its exit code, whether fresh or resumed: wires model, journal, engine and terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::render::safe;
use super::render::summary::{faults, summary};
use super::signals::Signals;
use super::spans::Spans;
use super::{log, supervisor, terminal};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Completeness, Report, RunRecord, Severity, Summary, Timestamp};
use crate::engine::{
    Cancel, Event, Invocation, ModelMode, Outcome, Run, Watcher, World, drive, run_record, text_fingerprint, usage,
};
use crate::graph::{Compiled, Plan, Stream};
use crate::io::atomic::write_atomic;
use crate::io::files::WallClock;
use crate::io::journal::FileJournal;
use crate::io::llm::{Connected, Environment, Mode, Provenance, connect};
use crate::io::output::file::Written;
use crate::io::replies::Kept;
use crate::io::state::{RunDir, RunLock};
use crate::port::{Clock, Journal, Memory, Model};

/// What `run` and `resume` have in common on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Settings {
    /// Exit with 3 when the report has an anomaly of this severity or worse.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// Print errors only.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what happens to standard error; twice for more. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Settings {
    /// # Errors
    /// AG0315: `--fail-on` would never be heard, since the graph makes no report.
    pub fn fit(&self, plan: &Plan) -> Result<(), Failure> {
        if self.fail_on.is_none() || plan.yielding::<Report>().next().is_some() {
            return Ok(());
        }
        let message = "--fail-on looks at the report, and no node of the graph makes one";
        Err(Failure::usage(
            Diagnostic::new(codes::run::USAGE, message).help("add a `merge` node, or leave the flag out"),
        ))
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum FailOn {
    Low,
    Medium,
    High,
}

impl From<FailOn> for Severity {
    fn from(value: FailOn) -> Severity {
        match value {
            FailOn::Low => Severity::Low,
            FailOn::Medium => Severity::Medium,
            FailOn::High => Severity::High,
        }
    }
}

/// A run that is ready to go.
pub struct Job {
    pub compiled: Compiled,
    pub invocation: Invocation,
    /// The run's folder, locked; `None` without a journal.
    pub folder: Option<(RunDir, RunLock)>,
    pub journal: Option<FileJournal>,
    /// What the journal holds so far.
    pub run: Run,
    /// What runs of other windows kept, where it is one of a window.
    pub memory: Option<Arc<dyn Memory>>,
    /// `Started` or `Resumed`.
    pub first: Event,
    pub started: Timestamp,
    /// Where they are caught already.
    pub signals: Option<Signals>,
}

/// Runs a job to its end and says how the process ends.
///
/// # Errors
/// Why the run failed.
pub fn execute(job: Job, settings: &Settings, environment: &Environment) -> Result<Exit, Failure> {
    log::begin(settings, environment);
    let Job { compiled, invocation, folder, journal, run, memory, mut first, started, signals } = job;
    let Compiled { plan, stream } = compiled;
    let plan = Arc::new(plan);
    std::mem::forget(plan.clone()); // the process ends with the run: taking the plan apart would only make it later
    let (folder, _lock) = folder.unzip(); // held until the run has ended
    let resumed = matches!(first, Event::Resumed {});
    let connected = model_of(&plan, &invocation.model, folder.as_ref(), resumed, environment)?;
    if let (Some(notice), false) = (connected.as_ref().and_then(|c| c.notice.as_ref()), settings.quiet) {
        terminal::err(&format!("note: {notice}\n"));
    }
    let spent = usage(&run).tokens();
    let model = connected.as_ref().and_then(|c| c.for_run(plan.max_tokens_per_run, spent));
    let identity = model.as_ref().map(|m| m.identity());
    if let Event::Started(header) = &mut first {
        header.made.model.clone_from(&identity);
    }
    let header = if let Event::Started(header) = &first { Some(header) } else { run.header.as_ref() };
    let id = header.map(|header| header.run.clone()).unwrap_or_default();
    let _within = log::within(&id, header.and_then(|header| header.window.as_ref()));
    // A log and a bar would write over each other.
    let draws = !settings.quiet && settings.verbose == 0 && !log::is_json() && std::io::stderr().is_terminal();
    let progress = Arc::new(Progress::new(draws));
    let spans = Spans::of(environment, &plan, progress.clone());
    let model = model.map(|model| kept(traced(model, spans.as_ref(), &id), folder.as_ref()));
    let world = World {
        journal: journal.map(|j| Box::new(j) as Box<dyn Journal>),
        clock: Arc::new(WallClock),
        model,
        memory,
        watcher: spans.clone().map_or(progress.clone(), |spans| spans as Arc<dyn Watcher>),
        cancel: Cancel::default(),
    };
    supervisor::begun(environment);
    let (run, outcome) = driven(plan.clone(), stream, run, world, first, signals)?;
    progress.finish();

    let ended = run.ended.is_some().then(|| WallClock.now());
    let mut record = run_record(&run, started, ended);
    record.model = identity;
    record.currency = connected.as_ref().and_then(Connected::currency);
    record.coverage = outputs::<Summary>(&plan, &run).into_iter().flat_map(|s| s.coverage).collect();
    record.completeness = outputs::<Completeness>(&plan, &run);
    let ending = Ending { plan: &plan, run: &run, record, folder: folder.as_ref(), invocation: &invocation, settings };
    let exit = match outcome {
        Outcome::Done => match connected.map_or(Ok(Vec::new()), |c| c.finish()) {
            Ok(leftovers) => ending.done(&leftovers),
            // The report is written, only its recording is not.
            Err(fault) => ending.done(&[]).and(Err(Failure::run(fault))),
        },
        Outcome::Failed(fault) => ending.failed(*fault),
        Outcome::Interrupted => ending.interrupted(),
    };
    if let Some(spans) = spans {
        spans.finish(); // the last: by now everything is written and said
    }
    exit
}

/// Drives the run to its end, or to where a signal stops it. On one thread: tasks wait for others or are short, and the
/// stream part has threads of its own.
pub(super) fn driven(
    plan: Arc<Plan>,
    stream: Stream,
    run: Run,
    world: World,
    first: Event,
    signals: Option<Signals>,
) -> Result<(Run, Outcome), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| fault(format!("no threads can be had: {e}")))?;
    let ended = runtime.block_on(async {
        tokio::spawn(Signals::heed(signals, world.cancel.clone(), None));
        // Spawned, so that a panic of the engine is an error here.
        tokio::spawn(drive(plan, Some(stream), run, world, Some(first))).await
    });
    runtime.shutdown_background();
    ended.map_err(|e| fault(format!("the engine panicked, which is a bug: {e}")))
}

/// The same model, whose calls are part of the spans of this run, where there are some.
pub(super) fn traced(model: Arc<dyn Model>, spans: Option<&Arc<Spans>>, run: &str) -> Arc<dyn Model> {
    match spans {
        Some(spans) => spans.model(run, model),
        None => model,
    }
}

/// The outputs of this type that are there; one that was skipped is not.
pub(super) fn outputs<T: serde::de::DeserializeOwned + 'static>(plan: &Plan, run: &Run) -> Vec<T> {
    let values = plan.yielding::<T>().filter_map(|n| run.value(n));
    values.filter_map(|v| serde_json::from_str(v.get()).ok()).collect()
}

pub(super) fn fault(message: String) -> Failure {
    Failure::run(Diagnostic::new(codes::run::TASK_FAILED, message))
}

/// The model that a run may ask. A graph without a node that uses one is not connected at all.
///
/// # Errors
/// A recording or a replay that cannot be. A live run goes on with templates: there is always a report.
pub(super) fn model_of(
    plan: &Plan,
    mode: &ModelMode,
    folder: Option<&RunDir>,
    resumed: bool,
    environment: &Environment,
) -> Result<Option<Connected>, Failure> {
    let asks = plan.nodes.iter().any(|n| n.kind.uses_model);
    let mode = match mode {
        ModelMode::Offline => return Ok(None),
        ModelMode::Live if !asks => return Ok(None),
        ModelMode::Live => Mode::Live,
        ModelMode::Record(path) => {
            let spool = folder.map(RunDir::cassette);
            Mode::Record { path: PathBuf::from(path), spool, resume: resumed }
        }
        ModelMode::Replay(path) => Mode::Replay { path: PathBuf::from(path) },
    };
    let live = matches!(mode, Mode::Live);
    match connect(environment, mode) {
        Ok(connected) => Ok(Some(connected.of_graph(provenance(plan)))),
        Err(fault) if live => {
            let help = fault.help.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
            terminal::err(&format!("warning: {fault}{help}; templates word the recommendations\n"));
            Ok(None)
        }
        Err(fault) => Err(Failure::run(fault)),
    }
}

/// What a cassette is told of the graph. Files go by the nodes that read them: where they lie says more of the machine.
fn provenance(plan: &Plan) -> Provenance {
    let name =
        |file: &SourceFile| Path::new(&*file.name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let files = plan.nodes.iter().flat_map(|node| node.assets.iter().map(|file| (&node.name, file)));
    let named = files.map(|(node, file)| (format!("{} of {node}", name(file)), text_fingerprint(&file.text)));
    Provenance { file: name(&plan.source), fingerprint: text_fingerprint(&plan.source.text), files: named.collect() }
}

/// What is said of an exchange that a replay did not ask for.
pub(super) fn left_over(interaction: &str) -> String {
    format!("note: the cassette has an interaction that nothing asked for: {}\n", safe(interaction))
}

/// The same model, whose answers are kept with the run.
pub(super) fn kept(model: Arc<dyn Model>, folder: Option<&RunDir>) -> Arc<dyn Model> {
    match folder {
        Some(folder) => Arc::new(Kept::new(model, &folder.replies())),
        None => model,
    }
}

/// What is left to do when the engine has stopped.
struct Ending<'a> {
    plan: &'a Plan,
    run: &'a Run,
    record: RunRecord,
    folder: Option<&'a RunDir>,
    invocation: &'a Invocation,
    settings: &'a Settings,
}

impl Ending<'_> {
    fn done(self, leftovers: &[String]) -> Result<Exit, Failure> {
        let reports: Vec<Report> = outputs(self.plan, self.run);
        let mut places: Vec<String> = outputs::<Written>(self.plan, self.run).into_iter().map(|w| w.path).collect();
        let to_stdout = places.iter().any(|p| p == "-");
        places.retain(|p| p != "-");
        if let (Some(folder), Some(report)) = (self.folder, reports.first()) {
            keep(&folder.report(), report);
        }
        places.extend(self.keep_record());
        self.note_faults();
        if !self.settings.quiet {
            for leftover in leftovers {
                terminal::err(&left_over(leftover));
            }
            let style = if to_stdout { terminal::stderr_style() } else { terminal::stdout_style() };
            for report in &reports {
                let text = summary(report, &self.record, &places, style);
                if to_stdout { terminal::err(&text) } else { terminal::out(&text) }
            }
        }
        if let Some((node, why)) = self.record.stored.iter().find_map(|s| Some((&s.node, s.error.as_ref()?))) {
            let message = format!("the report is complete, but `{node}` did not keep all records: {why}");
            return Err(Failure::run(Diagnostic::new(codes::output::STORE, message).help(codes::output::STORE.remedy)));
        }
        let worst = reports.iter().flat_map(|r| r.anomalies.iter().map(|a| a.severity)).max();
        let limit = self.settings.fail_on.map(Severity::from);
        Ok(if limit.is_some() && worst >= limit { Exit::FailOn } else { Exit::Done })
    }

    fn failed(self, fault: Diagnostic) -> Result<Exit, Failure> {
        self.keep_record();
        self.note_faults();
        Err(Failure::run(self.with_way_on(fault)))
    }

    fn interrupted(self) -> Result<Exit, Failure> {
        self.keep_record();
        terminal::err(&match self.folder {
            _ if !self.run.can_be_resumed() => {
                "interrupted while reading standard input, which cannot be read again: it cannot be resumed\n"
                    .to_string()
            }
            Some(folder) => format!("interrupted; `agent resume {}` goes on from here\n", folder.id()),
            None => "interrupted; without a journal it cannot be resumed\n".to_string(),
        });
        Ok(Exit::Interrupted)
    }

    /// Writes the run record beside the journal and where it was asked for; returns the latter.
    fn keep_record(&self) -> Option<String> {
        tell_tasks(self.plan, &self.record);
        if let Some(folder) = self.folder {
            keep(&folder.record(), &self.record);
        }
        let path = self.invocation.run_record.as_ref()?;
        keep(std::path::Path::new(path), &self.record).then(|| path.clone())
    }

    fn note_faults(&self) {
        if !self.settings.quiet {
            terminal::err(&faults(&self.record.inputs));
        }
    }

    /// How to go on, told with what is to be mended. A run that came no further than its input has nothing to keep.
    fn with_way_on(&self, fault: Diagnostic) -> Diagnostic {
        let goes_on = !self.record.tasks.is_empty() && self.run.can_be_resumed();
        let Some(folder) = self.folder.filter(|_| goes_on) else { return fault };
        let way_on = format!("once the cause is mended, `agent resume {}` goes on from here", folder.id());
        let help = fault.help.as_ref().map_or_else(|| way_on.clone(), |help| format!("{help}; {way_on}"));
        fault.help(help)
    }
}

/// Tells the graph's tasks that the run has ended; a failure is said and borne.
pub(super) fn tell_tasks(plan: &Plan, record: &RunRecord) {
    if record.ended.is_none() {
        return;
    }
    for (node, task) in plan.nodes.iter().filter_map(|node| Some((&node.name, node.task.as_ref()?))) {
        if let Err(fault) = task.ended(record) {
            terminal::err(&format!("warning: `{node}` could not keep what became of the run: {fault}\n"));
        }
    }
}

/// Writes something that the run can do without; a failure is said and borne.
pub(super) fn keep<T: serde::Serialize>(path: &std::path::Path, value: &T) -> bool {
    let text = serde_json::to_vec_pretty(value).unwrap_or_default(); // our own types always serialise
    match write_atomic(path, &[text.as_slice(), b"\n"].concat()) {
        Ok(()) => true,
        Err(error) => {
            terminal::err(&format!("warning: cannot write {}: {error}\n", path.display()));
            false
        }
    }
}
