//! `agent serve`: graphs run live, and what they make is to be had over HTTP.

mod onlooker;
mod runner;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use onlooker::Keeping;
use runner::{Graphs, Served};

use super::execute::{Settings, fault};
use super::exit::{Exit, Failure};
use super::live::{self, Live};
use super::run::{Changes, absolute, compiled};
use super::signals::Signals;
use super::{load, log, supervisor, terminal};
use crate::api::auth::{self, Guard, Policy};
use crate::api::{App, Board, Limits, Parts, listen, router};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::Span;
use crate::engine::{Cancel, Invocation, ModelMode};
use crate::graph::{Compiled, StreamSink};
use crate::io::llm::Environment;
use crate::io::store::read::Reader;
use crate::io::store::{OutputMeasurements, OutputStore, Place};
use crate::node::Role;
use crate::port::{Archive, Paging, ReportFilter};

/// How many runs of a graph with windows are kept, each with its journal; the store has the rest.
const KEPT_WINDOWS: usize = 1000;
/// Runs by request that may go on at a time.
const RUNNING: usize = 2;
/// Said at the first signal.
const STOPPING: &str = "stopping: open windows are reported, and what was asked is answered\n";

/// Serve reports, and what stands behind them, over HTTP; run graphs live.
///
/// Graphs with live sources run until the server ends; others run when they are asked to. What they make is kept in a
/// store: reports, anomalies, episodes, run records, and the measurements themselves.
#[derive(Debug, clap::Args)]
pub struct ServeArguments {
    /// The graph files.
    graphs: Vec<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// The store: a file, made if it is not there. Without it one in the state directory.
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// How long measurements are kept; reports and what is known of each hour are kept for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    keep: Span,
    /// Print errors only.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Log what happens to standard error; twice for more. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

pub fn serve(arguments: ServeArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let settings = Settings { quiet: arguments.quiet, verbose: arguments.verbose, ..Settings::default() };
    log::begin(&settings, &environment);
    let state = load::state_dir(&environment)?;
    let synced = load::synced(&environment)?;
    let place = Place::at(&match &arguments.store {
        Some(path) => absolute(path),
        None => state.path().join("serve.db").to_string_lossy().into_owned(),
    });
    let tokens = auth::Settings::from_environment(&environment).map_err(|fault| Failure::config(vec![fault]))?;
    let policy = Policy::for_address(arguments.listen, tokens).map_err(|fault| Failure::config(vec![fault]))?;
    if let (Some(warning), false) = (policy.warning(), arguments.quiet) {
        let help = warning.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        terminal::err(&format!("warning: {}{help}\n", warning.message));
    }
    let guard = Guard::new(policy);
    let store = Arc::new(OutputStore::at(place.clone()));
    store.check().map_err(Failure::run)?;
    let archive: Arc<dyn Archive> = Arc::new(Reader::open(&place).map_err(Failure::run)?);
    let graphs = graphs_of(&arguments, &place, &environment)?;
    let board = Arc::new(Board::new(graphs.iter().map(|(graph, compiled)| (&compiled.plan, graph.live))));
    recall(&board, archive.as_ref());
    let drain = Cancel::default();
    let served: Vec<Served> = graphs.iter().map(|(graph, _)| graph.clone()).collect();
    let running = graphs.into_iter().filter(|(graph, _)| graph.live);
    let running: Vec<JoinHandle<()>> = running
        .filter_map(|(graph, compiled)| {
            let board = board.graph(&graph.name)?.clone();
            let keeping = Keeping { board, store: store.clone(), synced, is_trial: false };
            Some(begin(graph, compiled, keeping, drain.clone(), environment.clone()))
        })
        .collect();
    let kept = Measuring { place, keep: arguments.keep };
    let runner = Graphs {
        measuring: kept,
        synced,
        served,
        environment: environment.clone(),
        state,
        store,
        board: board.clone(),
    };
    let running_now = Arc::new(tokio::sync::Semaphore::new(RUNNING));
    let parts = Parts { archive, board, runner: Arc::new(runner), guard, running: running_now, drain: drain.clone() };
    let begun = || supervisor::begun(&environment);
    let ended = answer(App::new(parts), arguments.listen, drain.clone(), arguments.quiet, begun);
    drain.cancel();
    for graph in running {
        let _ = graph.join(); // a panic has been printed
    }
    ended.map(|()| Exit::Done)
}

/// Answers until a signal.
fn answer(app: App, address: SocketAddr, drain: Cancel, quiet: bool, begun: impl FnOnce()) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| fault(format!("no threads can be had: {e}")))?;
    runtime.block_on(async {
        let listening = listen(address).await.map_err(|error| {
            let message = format!("cannot listen on {address}: {error}");
            Failure::run(Diagnostic::new(codes::run::USAGE, message).help("`--listen` takes another address"))
        })?;
        if !quiet {
            terminal::err(&format!("listening on http://{}\n", listening.address));
        }
        begun();
        tokio::spawn(Signals::heed(None, drain.clone(), (!quiet).then_some(STOPPING)));
        let served = listening.serve(router(app), Limits::default(), async move { drain.cancelled().await });
        served.await.map_err(|error| fault(format!("the server has ended: {error}")))
    })
}

/// Compiles the graphs; those that do not keep their measurements do now.
fn graphs_of(
    arguments: &ServeArguments,
    place: &Place,
    environment: &Environment,
) -> Result<Vec<(Served, Compiled)>, Failure> {
    let mut graphs: Vec<(Served, Compiled)> = Vec::new();
    for path in &arguments.graphs {
        let source = load::read(path)?;
        let (mut compiled, _) =
            compiled(path, &source, &Changes { input: None, output: None, set: &[], draws: false }, environment)?;
        let live = compiled.plan.window.is_some() && compiled.stream.sources.iter().any(|s| s.source.is_live());
        let name = compiled.plan.name.clone();
        if graphs.iter().any(|(other, _)| other.name == name) {
            let message = format!("two of the graphs have the name `{name}`");
            let help = "write another `name` at the head of one of the files";
            return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help)));
        }
        Measuring { place: place.clone(), keep: arguments.keep }.add(&mut compiled);
        graphs.push((Served { name, path: path.clone(), live }, compiled));
    }
    Ok(graphs)
}

/// Where measurements of graphs go that do not say so themselves.
struct Measuring {
    place: Place,
    keep: Span,
}

impl Measuring {
    fn add(&self, compiled: &mut Compiled) {
        if compiled.stream.sinks.is_empty() {
            let sources = compiled.plan.of_role(Role::Source).collect();
            let sink = Box::new(OutputMeasurements::at(self.place.clone(), self.keep));
            compiled.stream.sinks.push(StreamSink { node: usize::MAX, sink, sources });
        }
    }
}

/// The newest report of each graph, of before the server began.
fn recall(board: &Board, archive: &dyn Archive) {
    for graph in board.graphs() {
        let asked = ReportFilter { graph: Some(graph.name.clone()), ..ReportFilter::default() };
        match archive.reports(&asked, &Paging { limit: Some(1), after: None }) {
            Ok(page) => {
                let reports = page.items.iter().filter_map(|kept| serde_json::from_str(kept.report.get()).ok());
                reports.for_each(|report| graph.reported(None, &report));
            }
            Err(why) => tracing::warn!("the newest report of `{}` cannot be read: {why:?}", graph.name),
        }
    }
}

/// Runs a graph live, on a thread of its own.
fn begin(
    graph: Served,
    compiled: Compiled,
    keeping: Keeping,
    drain: Cancel,
    environment: Environment,
) -> JoinHandle<()> {
    let path = absolute(&graph.path);
    let invocation = Invocation { path, overrides: Vec::new(), model: ModelMode::Live, run_record: None, page: None };
    let board = keeping.board.clone();
    let served = Some(super::onlooker::Served { onlooker: Arc::new(keeping), drain });
    let live = Live { compiled, invocation, kept: Some(KEPT_WINDOWS), fresh: false, signals: None, served };
    let settings = Settings { quiet: true, ..Settings::default() };
    std::thread::spawn(move || {
        let ended = live::live(live, settings, environment);
        if let Err(failure) = ended {
            let why: Vec<String> = failure.diagnostics.iter().map(ToString::to_string).collect();
            tracing::error!("the graph `{}` does not run any more: {}", graph.name, why.join("; "));
            board.stopped(Some(why.join("; ")));
        }
    })
}
