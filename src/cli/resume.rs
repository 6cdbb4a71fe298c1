use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::execute::{Job, Settings, execute};
use super::exit::{Exit, Failure};
use super::load;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::RunStatus;
use crate::engine::{Entry, Event, Header, Invocation, JOURNAL_VERSION, Kept, Run};
use crate::graph::{Compiled, Override, Plan};
use crate::io::llm::Environment;
use crate::io::state::{RunDir, StateDir};
use crate::port::Memory;

/// Go on with a run that was killed, interrupted or failed, without repeating a finished task.
#[derive(Debug, clap::Args)]
pub struct ResumeArguments {
    /// Run id, a unique beginning of one, or `last`.
    run: String,
    #[command(flatten)]
    settings: Settings,
}

pub fn resume(arguments: &ResumeArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let synced = load::synced(&environment)?;
    let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?.synced(synced);
    let folder = state.resolve(&arguments.run).map_err(Failure::run)?;
    let lock = folder.lock().map_err(Failure::run)?;
    journal_of(&folder)?; // opening it would make one
    let (journal, text) = folder.journal().map_err(unreadable)?;
    let entries = read(&text)?;
    let Some((started, header)) = entries.first().and_then(|e| Some((e.at, header(&e.event)?))) else {
        return Err(refused(format!("run {} was killed before its journal began", folder.id())));
    };
    let (compiled, invocation) = recompiled(header, &environment)?;
    arguments.settings.fit(&compiled.plan)?;
    let run = replay(&compiled.plan, &entries)?;
    if let Some((RunStatus::Done, _)) = run.ended {
        return Err(refused(format!("run {} is done already", folder.id())));
    }
    if !run.can_be_resumed() {
        return Err(refused(format!("run {} was reading standard input, which cannot be read again", folder.id())));
    }
    let memory = memory_of(&state, &compiled.plan, &run);
    let job = Job {
        memory,
        compiled,
        invocation,
        folder: Some((folder, lock)),
        journal: Some(journal),
        run,
        first: Event::Resumed {},
        started,
        signals: None,
    };
    execute(job, &arguments.settings, &environment)
}

/// The graph that a run is of, as it was when the run began.
///
/// # Errors
/// It does not compile any more; AG0312: it has changed.
pub fn recompiled(header: &Header, environment: &Environment) -> Result<(Compiled, Invocation), Failure> {
    let invocation = header.invocation.clone();
    let path = Path::new(&invocation.path);
    let overrides = invocation.overrides.iter().map(|t| Override::parse(t)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(Failure::run)?;
    let source = load::read(path)?;
    let compiled = load::compiled(path, &source, &overrides, environment)?;
    same_graph(header, &compiled.plan)?;
    Ok((compiled, invocation))
}

/// What the runs of a live graph kept, as of its last checkpoint, for a run of one of its windows: so that what was told
/// since is not told again. It is only read: the windows after this one know better.
fn memory_of(state: &StateDir, plan: &Plan, run: &Run) -> Option<Arc<dyn Memory>> {
    let header = run.header.as_ref().filter(|header| header.window.is_some())?;
    let file = state.checkpoint_of(&plan.name, &header.invocation.path)?;
    let kept = Kept::read(file).ok()?; // of another version: what is told is told again
    Some(Arc::new(kept.checkpoint))
}

/// Where the journal of a run lies.
///
/// # Errors
/// AG0318: it is not there.
pub fn journal_of(folder: &RunDir) -> Result<PathBuf, Failure> {
    let path = folder.events();
    if path.try_exists().unwrap_or(true) {
        return Ok(path);
    }
    let message = format!("the journal of run {} is gone: its folder has no events.ndjson", folder.id());
    Err(Failure::run(Diagnostic::new(codes::run::NO_JOURNAL, message).help("start a new run with `agent run`")))
}

fn refused(message: String) -> Failure {
    Failure::run(Diagnostic::new(codes::run::NOT_RESUMABLE, message).help("start a new run with `agent run`"))
}

fn header(event: &Event) -> Option<&Header> {
    match event {
        Event::Started(header) => Some(header),
        _ => None,
    }
}

/// The entries of a journal's text.
///
/// # Errors
/// Another version, or a line that is no entry.
pub fn read(text: &str) -> Result<Vec<Entry>, Failure> {
    // Before anything else is: another version may have other events.
    if let Some(version) = version(text).filter(|version| *version != u64::from(JOURNAL_VERSION)) {
        let message = format!("the journal has version {version}, this program reads version {JOURNAL_VERSION}");
        let help = "finish the run with the program that began it, or start a new one with `agent run`";
        return Err(Failure::run(Diagnostic::new(codes::run::VERSION, message).help(help)));
    }
    let entry = |(at, line)| {
        serde_json::from_str(line).map_err(|e: serde_json::Error| {
            let why = e.to_string();
            let why = why.split(" at line ").next().unwrap_or_default(); // the position inside the one line
            diverged(format!("line {} of the journal is no event of a run: {why}", at + 1))
        })
    };
    text.lines().enumerate().map(entry).collect()
}

/// The version that the first line states, whatever else is in it.
fn version(text: &str) -> Option<u64> {
    let first: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
    first.pointer("/event/started/version")?.as_u64()
}

fn diverged(message: String) -> Failure {
    Failure::run(Diagnostic::new(codes::run::DIVERGED, message).help("start a new run with `agent run`"))
}

/// The state after all entries: the same fold that a fresh run goes through.
pub fn replay(plan: &Plan, entries: &[Entry]) -> Result<Run, Failure> {
    let mut run = Run::default();
    let mut actions = Vec::new();
    for entry in entries {
        let applied = run.apply(plan, &entry.event, &mut actions);
        applied.map_err(|e| diverged(format!("the journal does not fit the graph: {e}")))?;
        actions.clear(); // what is still to be done is asked of the state
    }
    Ok(run)
}

/// Refuses a graph other than the one that the run began with, and says which nodes differ.
fn same_graph(header: &Header, plan: &Plan) -> Result<(), Failure> {
    if header.fingerprint == plan.fingerprint {
        return Ok(());
    }
    let now = |name: &str| plan.nodes.iter().find(|n| n.name == name).map(|n| n.fingerprint.as_str());
    let mut changed: Vec<&str> =
        header.nodes.iter().filter(|(name, print)| now(name) != Some(print)).map(|(name, _)| name.as_str()).collect();
    changed.extend(plan.nodes.iter().map(|n| n.name.as_str()).filter(|n| !header.nodes.contains_key(*n)));
    let what = if changed.is_empty() { "the order of its nodes".to_string() } else { changed.join(", ") };
    let message = format!("the graph has changed since run {} began: {what}", header.run);
    let fault = Diagnostic::new(codes::run::CHANGED, message).help("start a new run with `agent run`");
    Err(Failure::run(fault))
}
