use std::path::Path;

use super::execute::{Job, Settings, execute};
use super::exit::{Exit, Failure};
use super::load;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::RunStatus;
use crate::engine::{Entry, Event, Header, JOURNAL_VERSION, Run};
use crate::graph::{Override, Plan};
use crate::io::journal::FileJournal;
use crate::io::state::StateDir;

/// Go on with a run that was killed, interrupted or failed, without repeating a finished task.
#[derive(Debug, clap::Args)]
pub struct ResumeArguments {
    /// Run id, a unique beginning of one, or `last`.
    run: String,
    #[command(flatten)]
    settings: Settings,
}

pub fn resume(arguments: &ResumeArguments) -> Result<Exit, Failure> {
    let environment = load::environment();
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
    let folder = state.resolve(&arguments.run).map_err(Failure::run)?;
    let lock = folder.lock().map_err(Failure::run)?;
    let (journal, text) = FileJournal::open(&folder.events()).map_err(unreadable)?;
    let entries = read(&text)?;
    let Some((started, header)) = entries.first().and_then(|e| Some((e.at, header(&e.event)?))) else {
        return Err(refused(format!("run {} was killed before its journal began", folder.id())));
    };
    if header.version != JOURNAL_VERSION {
        let message =
            format!("the journal has version {}, this program reads version {JOURNAL_VERSION}", header.version);
        return Err(Failure::run(Diagnostic::new(codes::run::VERSION, message)));
    }
    let invocation = header.invocation.clone();
    let path = Path::new(&invocation.path);
    let overrides = invocation.overrides.iter().map(|t| Override::parse(t)).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(Failure::run)?;
    let source = load::read(path)?;
    let compiled = load::compiled(path, &source, &overrides, &environment)?;
    same_graph(header, &compiled.plan)?;
    let run = replay(&compiled.plan, &entries)?;
    if let Some((RunStatus::Done, _)) = run.ended {
        return Err(refused(format!("run {} is done already", folder.id())));
    }
    let cut = entries.iter().any(|e| matches!(e.event, Event::Cut { .. }));
    if !cut && invocation.overrides.iter().any(|o| o.ends_with("path=\"-\"")) {
        return Err(refused(format!("run {} was reading standard input, which cannot be read again", folder.id())));
    }
    let job = Job {
        compiled,
        invocation,
        folder: Some((folder, lock)),
        journal: Some(journal),
        run,
        first: Event::Resumed {},
        started,
    };
    execute(job, &arguments.settings, &environment)
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
/// A line that is none.
pub fn read(text: &str) -> Result<Vec<Entry>, Failure> {
    let lines = text.lines().enumerate();
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|e| {
                let message = format!("line {} of the journal cannot be read: {e}", at + 1);
                Failure::run(Diagnostic::new(codes::run::DIVERGED, message))
            })
        })
        .collect()
}

/// The state after all entries: the same fold that a fresh run goes through.
fn replay(plan: &Plan, entries: &[Entry]) -> Result<Run, Failure> {
    let mut run = Run::default();
    let mut actions = Vec::new();
    for entry in entries {
        run.apply(plan, &entry.event, &mut actions).map_err(|e| {
            Failure::run(Diagnostic::new(codes::run::DIVERGED, format!("the journal does not fit: {e}")))
        })?;
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
