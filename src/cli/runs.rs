use super::exit::{Exit, Failure};
use super::render::runs::{RunRow, runs as table};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Report, RunRecord};
use crate::engine::{Entry, Event, Run, run_record};
use crate::io::state::{RunDir, StateDir};

/// List the runs that are kept, newest first.
#[derive(Debug, clap::Args)]
pub struct RunsArguments {
    /// Only those of graphs of this name.
    graph: Option<String>,
}

pub fn runs(arguments: &RunsArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let state = StateDir::open(environment.get("AGENT_STATE_DIR"))
        .map_err(|why| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why)))?;
    let is_meant = |row: &RunRow| arguments.graph.as_ref().is_none_or(|graph| *graph == row.graph);
    let rows = state.list().map_err(Failure::run)?;
    let rows: Vec<RunRow> = rows.iter().filter_map(row).filter(is_meant).collect();
    terminal::out(&table(&rows));
    Ok(Exit::Done)
}

/// A run as its record says; one that was killed has none yet, and its journal tells how it began, and perhaps ended.
fn row(folder: &RunDir) -> Option<RunRow> {
    let report: Option<Report> = read_json(&folder.report());
    let record: RunRecord = read_json(&folder.record()).or_else(|| journaled(folder))?;
    // The folder's name is the one that commands take.
    Some(RunRow {
        run: folder.id().to_string(),
        ..RunRow::new(&record, report.as_ref(), folder.is_locked(), resumable(folder))
    })
}

/// Whether its journal lets another process go on: what cannot be read again has been read to its end.
fn resumable(folder: &RunDir) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.events()) else { return false };
    let mut events = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()).map(|entry| entry.event);
    match events.next() {
        Some(Event::Started(header)) => header.can_be_reread || events.any(|e| matches!(e, Event::Cut { .. })),
        _ => false,
    }
}

fn journaled(folder: &RunDir) -> Option<RunRecord> {
    let text = std::fs::read_to_string(folder.events()).ok()?;
    let entry = |line: &str| serde_json::from_str::<Entry>(line).ok();
    let first = entry(text.lines().next()?)?;
    let Event::Started(header) = first.event else { return None };
    let mut run = Run::default();
    run.header = Some(header);
    let last = text.lines().next_back().and_then(entry);
    let ended = last.and_then(|last| match last.event {
        Event::Ended { status, error } => {
            run.ended = Some((status, error));
            Some(last.at)
        }
        _ => None,
    });
    Some(run_record(&run, first.at, ended))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
