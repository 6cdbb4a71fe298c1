//! A cassette, played to a graph.

use std::path::Path;
use std::sync::Arc;

use super::{ReplayArguments, Verdict};
use crate::cli::apart::{self, With};
use crate::cli::execute::{fault, left_over, model_of};
use crate::cli::exit::Failure;
use crate::cli::load;
use crate::cli::run::{Changes, absolute, compiled, header_of};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::RunRecord;
use crate::engine::{Event, Invocation, ModelMode, Outcome, Run, run_record};
use crate::graph::Compiled;
use crate::io::files::WallClock;
use crate::io::llm::Environment;
use crate::port::Clock;

/// # Errors
/// The graph does not compile, the cassette cannot be read, or lacks what the graph asks.
pub fn replay(
    path: &Path,
    graph: &Path,
    arguments: &ReplayArguments,
    environment: &Environment,
) -> Result<Verdict, Failure> {
    let changes = Changes { input: arguments.input.as_deref(), output: None, set: &arguments.set };
    let (mut compiled, overrides) = compiled(graph, &load::read(graph)?, &changes, environment)?;
    if compiled.plan.window.is_some() {
        let message = "the graph has a [window], and a cassette is played to one run";
        let help =
            "`agent run GRAPH --replay CASSETTE` plays it to all windows; `agent test` checks what comes of them";
        return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help)));
    }
    apart::hush(&mut compiled.plan);
    let model = ModelMode::Replay(absolute(path));
    let connected = model_of(&compiled.plan, &model, None, false, environment)?;
    let invocation = Invocation { path: absolute(graph), overrides, model, run_record: None };
    let first = Event::Started(header_of(&compiled, &invocation, None));
    let Compiled { plan, stream } = compiled;
    let plan = Arc::new(plan);
    let with = With { model: connected.as_ref().and_then(|c| c.model.clone()), ..With::default() };
    let (run, outcome, _) = apart::run(&plan, Some(stream), Run::default(), with, Some(first))?;
    match outcome {
        Outcome::Done => {}
        Outcome::Failed(fault) => return Err(Failure::run(*fault)),
        Outcome::Interrupted => return Err(fault("the replay was interrupted".to_string())),
    }
    let unlike = connected.as_ref().and_then(|c| c.notice.as_ref()).map(|unlike| format!("note: {unlike}\n"));
    let left = connected.map_or(Ok(Vec::new()), |c| c.finish()).map_err(Failure::run)?;
    let now = WallClock.now();
    let Verdict { same, text } = verdict(&run_record(&run, now, Some(now)), &left);
    Ok(Verdict { same, text: unlike.unwrap_or_default() + &text })
}

fn verdict(record: &RunRecord, left: &[String]) -> Verdict {
    let exchanges: u32 = record.calls.iter().map(|call| call.attempts).sum();
    let answered = match exchanges {
        0 => "the graph asked for nothing".to_string(),
        1 => "1 exchange was asked for again".to_string(),
        many => format!("{many} exchanges were asked for again"),
    };
    if left.is_empty() {
        return Verdict { same: true, text: format!("the same: {answered}, and none is left over\n") };
    }
    let notes: String = left.iter().map(|interaction| left_over(interaction)).collect();
    Verdict { same: false, text: format!("not the same: {answered}, and {} left over\n{notes}", left.len()) }
}
