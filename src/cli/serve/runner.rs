//! Runs graphs when they are asked to.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::Measuring;
use super::onlooker::Keeping;
use crate::api::{Board, Ran, Refused, Runner};
use crate::cli::exit::Failure;
use crate::cli::onlooker::Onlooker;
use crate::cli::run::{Changes, absolute, compiled, header_of, new_folder};
use crate::cli::{apart, execute, load};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Completeness, Report, Summary};
use crate::engine::{Cancel, Event, Invocation, ModelMode, Outcome, Run, World, run_record};
use crate::graph::Compiled;
use crate::io::files::WallClock;
use crate::io::llm::{Connected, Environment};
use crate::io::state::StateDir;
use crate::io::store::OutputStore;
use crate::port::{Clock, Journal};

/// Runs by request that are kept of each graph, with their journals.
const KEPT_RUNS: usize = 50;

/// A graph that is served.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: String,
    pub path: PathBuf,
    /// Whether it runs by itself.
    pub live: bool,
}

/// The graphs that are served, and what they run with.
pub struct Graphs {
    pub served: Vec<Served>,
    pub(super) measuring: Measuring,
    pub synced: bool,
    pub environment: Environment,
    pub state: StateDir,
    pub store: Arc<OutputStore>,
    pub board: Arc<Board>,
}

impl Runner for Graphs {
    fn run(&self, graph: &str, input: Option<&[u8]>) -> Result<Ran, Refused> {
        let asked = |failure: Failure| Refused::Asked(failure.diagnostics);
        let Some(served) = self.served.iter().find(|served| served.name == graph) else {
            let message = format!("no graph `{graph}` is served");
            return Err(Refused::Asked(vec![Diagnostic::new(codes::run::USAGE, message)]));
        };
        if served.live && input.is_none() {
            let message = format!("`{graph}` runs by itself; run it with an input of your own");
            return Err(Refused::Asked(vec![Diagnostic::new(codes::run::USAGE, message)]));
        }
        // Kept while the run reads it.
        let file = input.map(spooled).transpose().map_err(|why| {
            Refused::Failed(vec![Diagnostic::new(
                codes::run::STATE_UNUSABLE,
                format!("the input cannot be kept: {why}"),
            )])
        })?;
        let path = file.as_ref().map(|file| file.path().to_string_lossy().into_owned());
        let source = load::read(&served.path).map_err(asked)?;
        let changes = Changes { input: path.as_deref(), output: None, set: &[], draws: false };
        let (mut compiled, overrides) = compiled(&served.path, &source, &changes, &self.environment).map_err(asked)?;
        if input.is_some() {
            // Somebody looks at records of their own: one report of them all, and the world is told nothing.
            compiled.plan.window = None;
            compiled.stream.sinks.clear();
            apart::hush(&mut compiled.plan);
        } else {
            self.measuring.add(&mut compiled);
        }
        let path = absolute(&served.path);
        let invocation = Invocation { path, overrides, model: ModelMode::Live, run_record: None, page: None };
        self.driven(compiled, &invocation, input.is_some()).map_err(|failure| Refused::Failed(failure.diagnostics))
    }

    fn events(&self, run: &str) -> Option<Vec<Value>> {
        let text = std::fs::read_to_string(self.state.run(run).ok()?.events()).ok()?;
        Some(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

impl Graphs {
    fn driven(&self, compiled: Compiled, invocation: &Invocation, is_trial: bool) -> Result<Ran, Failure> {
        let started = WallClock.now();
        let (folder, _lock, journal) = new_folder(&self.state, &invocation.path).map_err(execute::fault)?;
        let _ = self.state.retain(KEPT_RUNS); // what cannot be deleted now is tried again next time
        let mut header = header_of(&compiled, invocation, Some(&folder));
        let Compiled { plan, stream } = compiled;
        let plan = Arc::new(plan);
        let connected = execute::model_of(&plan, &invocation.model, Some(&folder), false, &self.environment)?;
        let model = connected.as_ref().and_then(|c| c.for_run(plan.max_tokens_per_run, 0));
        header.made.model = model.as_ref().map(|model| model.identity());
        let identity = header.made.model.clone();
        let board = self.board.graph(&plan.name);
        let keeping = board.map(|board| {
            let (board, store) = (board.clone(), self.store.clone());
            Arc::new(Keeping { board, store, synced: self.synced, is_trial })
        });
        let Some(keeping) = keeping else { return Err(execute::fault("the graph is not served".to_string())) };
        let world = World {
            journal: Some(Box::new(journal) as Box<dyn Journal>),
            clock: Arc::new(WallClock),
            model: model.map(|model| execute::kept(model, Some(&folder))),
            memory: None,
            watcher: keeping.clone(),
            cancel: Cancel::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| execute::fault(format!("no threads can be had: {e}")))?;
        let first = Event::Started(header);
        let task = crate::engine::drive(plan.clone(), Some(stream), Run::default(), world, Some(first));
        let ended = runtime.block_on(async { tokio::spawn(task).await });
        runtime.shutdown_background();
        let (run, outcome) = ended.map_err(|e| execute::fault(format!("the engine panicked, which is a bug: {e}")))?;
        let mut record = run_record(&run, started, run.ended.is_some().then(|| WallClock.now()));
        record.model = identity;
        record.currency = connected.as_ref().and_then(Connected::currency);
        record.coverage = execute::outputs::<Summary>(&plan, &run).into_iter().flat_map(|s| s.coverage).collect();
        record.completeness = execute::outputs::<Completeness>(&plan, &run);
        let reports: Vec<Report> = execute::outputs(&plan, &run);
        if let Some(report) = reports.first() {
            execute::keep(&folder.report(), report);
        }
        execute::keep(&folder.record(), &record);
        execute::tell_tasks(&plan, &record);
        keeping.on_end(&plan, &run, &record, &reports);
        match outcome {
            Outcome::Done => Ok(Ran { run: record.run, report: reports.into_iter().next() }),
            Outcome::Failed(fault) => Err(Failure::run(*fault)),
            Outcome::Interrupted => Err(execute::fault("the run was interrupted".to_string())),
        }
    }
}

/// The input as a file, which is gone when it is dropped.
fn spooled(input: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(input)?;
    file.flush()?;
    Ok(file)
}
