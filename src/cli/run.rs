use std::any::TypeId;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

use schemars::SchemaGenerator;

use super::execute::{Job, Settings, execute};
use super::exit::{Exit, Failure};
use super::live::{self, Live};
use super::render::safe;
use super::signals::Signals;
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::Timestamp;
use crate::engine::{Event, Header, Invocation, ModelMode, Run, text_fingerprint};
use crate::graph::{Compiled, Override, Plan, outline};
use crate::io::files::WallClock;
use crate::io::journal::FileJournal;
use crate::io::llm::Environment;
use crate::io::output::file::Written;
use crate::io::state::{RunDir, RunLock, StateDir, run_id};
use crate::node::{Kind, Role};
use crate::port::Clock;

/// How many runs of a graph are kept; AGENT_KEEP_RUNS overrides.
const KEPT_RUNS: usize = 50;
/// The same of a graph with windows, each of which is a run.
const KEPT_WINDOWS: usize = 1000;

/// Run a graph: read its telemetry, write its report.
///
/// Without a model in the environment the playbook's templates word the recommendations; see .env.example.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// The graph file.
    graph: PathBuf,
    /// Read this instead of what the graph's one ingest node names; `-` is standard input.
    #[arg(long, value_name = "PATH")]
    input: Option<String>,
    /// Write the report here instead of where the graph's one output node says; `-` is standard output.
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
    /// Override a key of a node, as in `--set recommendations.max_repairs=0`.
    #[arg(long, value_name = "NODE.KEY=VALUE")]
    set: Vec<String>,
    /// Write every exchange with the model to a cassette.
    #[arg(long, value_name = "FILE", group = "model")]
    record: Option<PathBuf>,
    /// Answer from a cassette, with the network closed.
    #[arg(long, value_name = "FILE", group = "model")]
    replay: Option<PathBuf>,
    /// Ask no model; templates word the recommendations.
    #[arg(long, group = "model")]
    offline: bool,
    /// Keep no journal: the run cannot be resumed nor asked about later.
    #[arg(long)]
    no_journal: bool,
    /// Forget where a live graph stopped: it starts anew, with nothing remembered.
    #[arg(long)]
    fresh: bool,
    /// Write the run record to this file too.
    #[arg(long, value_name = "PATH")]
    run_record: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub fn run(arguments: RunArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    // A graph may be live if it has windows. To be stopped while it begins is to end well too; others do not pay for it.
    let source = load::read(&arguments.graph)?;
    let signals = source.text.contains("window").then(Signals::early).flatten();
    if arguments.run_record.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        let message = "--run-record takes the path of a file; standard output is the report's";
        return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message)));
    }
    let changes =
        Changes { input: arguments.input.as_deref(), output: arguments.output.as_deref(), set: &arguments.set };
    let (compiled, texts) = compiled(&arguments.graph, &source, &changes, &environment)?;
    arguments.settings.fit(&compiled.plan)?;
    let invocation = Invocation {
        path: absolute(&arguments.graph),
        overrides: texts,
        model: match (&arguments.record, &arguments.replay, arguments.offline) {
            (Some(path), _, _) => ModelMode::Record(absolute(path)),
            (_, Some(path), _) => ModelMode::Replay(absolute(path)),
            (_, _, true) => ModelMode::Offline,
            _ => ModelMode::Live,
        },
        run_record: arguments.run_record.as_deref().map(absolute),
    };
    if compiled.plan.window.is_some() {
        let kept = if arguments.no_journal { None } else { Some(kept_runs(&environment, KEPT_WINDOWS)) };
        let live = Live { compiled, invocation, kept, fresh: arguments.fresh, signals, served: None };
        return live::live(live, arguments.settings, environment);
    }
    let started = WallClock.now();
    let opened = if arguments.no_journal { None } else { open_folder(&environment, &invocation.path, &compiled.plan)? };
    let (opened, _sweep) = opened.unzip(); // done before the process ends
    let (folder, journal) = opened.map(|(folder, lock, journal)| ((folder, lock), journal)).unzip();
    let header = header_of(&compiled, &invocation, folder.as_ref().map(|(folder, _)| folder));
    let first = Event::Started(header);
    let (run, memory) = (Run::default(), None);
    let job = Job { compiled, invocation, folder, journal, run, memory, first, started, signals };
    execute(job, &arguments.settings, &environment)
}

/// The header of a run; the window is the live graph's to add, the model is whoever's connects to it.
pub(super) fn header_of(compiled: &Compiled, invocation: &Invocation, folder: Option<&RunDir>) -> Header {
    // A run that is kept nowhere has an id too: what it sends is told apart by it.
    let unkept = || run_id(WallClock.now(), fraction(WallClock.now()));
    let run = folder.map_or_else(unkept, |folder| folder.id().to_string());
    let can_be_reread = compiled.stream.sources.iter().all(|s| s.source.can_be_reread());
    Header::new(&compiled.plan, run, can_be_reread, invocation.clone())
}

/// Refuses paths that name no file. An empty one of the other flags is refused when they are parsed.
fn named(changes: &Changes<'_>) -> Result<(), Failure> {
    for (flag, path) in [("--input", changes.input), ("--output", changes.output)] {
        if path.is_some_and(str::is_empty) {
            let message = format!("{flag} needs a path, and it is empty");
            return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message)));
        }
    }
    Ok(())
}

/// Absolute, so that a run can be resumed from any folder.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

/// What a command line changes of a graph.
pub(super) struct Changes<'a> {
    pub input: Option<&'a str>,
    pub output: Option<&'a str>,
    pub set: &'a [String],
}

/// The graph file with these changes, which come as `NODE.KEY=VALUE` too.
///
/// # Errors
/// What is wrong with the graph or, where nothing is, with the command line.
pub(super) fn compiled(
    path: &Path,
    source: &SourceFile,
    changes: &Changes<'_>,
    environment: &Environment,
) -> Result<(Compiled, Vec<String>), Failure> {
    named(changes)?;
    if let (Some(input), Some(output)) = (changes.input, changes.output)
        && load::is_same_file(Path::new(input), Path::new(output))
    {
        let message = format!("--output would overwrite `{output}`, which is the input");
        return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help("name another file")));
    }
    let parse = |texts: &[String]| texts.iter().map(|t| Override::parse(t)).collect::<Result<Vec<_>, _>>();
    let sets = parse(changes.set).map_err(Failure::usage)?;
    let texts = match override_texts(changes, source) {
        Ok(texts) => texts,
        // What is wrong with the graph comes first: it may be why the flag fits no node.
        Err(usage) => {
            load::compiled(path, source, &sets, environment)?;
            return Err(usage);
        }
    };
    let overrides = parse(&texts).map_err(Failure::usage)?;
    Ok((load::compiled(path, source, &overrides, environment)?, texts))
}

/// All overrides as `NODE.KEY=VALUE`, `--input` and `--output` included.
fn override_texts(changes: &Changes<'_>, source: &SourceFile) -> Result<Vec<String>, Failure> {
    let mut texts = changes.set.to_vec();
    if changes.input.is_none() && changes.output.is_none() {
        return Ok(texts);
    }
    let nodes = outline(source);
    if let Some(path) = changes.input {
        // Not all sources read a file.
        let sources = nodes_with(&nodes, Role::Source, Some("path"));
        texts.push(override_of("--input", "ingest", "path", &sources, path)?);
    }
    if let Some(path) = changes.output {
        let writes_reports = |k: &Kind| k.output_type.is_some_and(|of| of() == TypeId::of::<Written>());
        texts.push(override_of("--output", "output", "path", &of_kind(&nodes, &writes_reports), path)?);
    }
    Ok(texts)
}

/// The nodes, of a graph as written, of kinds that are like that. Nodes come with the names of their kinds.
fn of_kind(nodes: &[(String, String)], is_like: &dyn Fn(&Kind) -> bool) -> Vec<String> {
    let kinds = load::kinds();
    let fits = |kind: &str| kinds.iter().any(|k| k.name == kind && is_like(k));
    nodes.iter().filter(|(_, kind)| fits(kind)).map(|(name, _)| name.clone()).collect()
}

/// The nodes, of a graph as written, of a role, whose config has the key.
pub(super) fn nodes_with(nodes: &[(String, String)], role: Role, key: Option<&str>) -> Vec<String> {
    let has_key = |k: &Kind, key: &str| {
        let config = (k.config)(&mut SchemaGenerator::default()).to_value();
        config.get("properties").is_some_and(|properties| properties.get(key).is_some())
    };
    of_kind(nodes, &|k| k.role == role && key.is_none_or(|key| has_key(k, key)))
}

/// What a flag with a path overrides: a key of the one node that has it.
///
/// # Errors
/// Exit 2: there is no such node, or several.
pub(super) fn override_of(flag: &str, role: &str, key: &str, nodes: &[String], path: &str) -> Result<String, Failure> {
    match nodes {
        [node] => {
            let path = if path == "-" { path.to_string() } else { absolute(Path::new(path)) };
            // A TOML basic string, in which a literal `${` must not be taken for a variable.
            let quoted = serde_json::to_string(&path.replace("${", "$${")).unwrap_or_default(); // a string always serialises
            Ok(format!("{node}.{key}={quoted}"))
        }
        [] => Err(Failure::usage(Diagnostic::new(
            codes::run::USAGE,
            format!("{flag} needs an {role} node with a `{key}`, and the graph has none"),
        ))),
        several => {
            let sets: Vec<String> = several.iter().map(|n| format!("`--set {n}.{key}=…`")).collect();
            let message =
                format!("{flag} needs one {role} node, and the graph has {}: {}", several.len(), several.join(", "));
            Err(Failure::usage(
                // A path in a graph is relative to its file, unlike the one of the flag.
                Diagnostic::new(codes::run::USAGE, message)
                    .help(format!("write {}, with a path that is relative to the graph file", sets.join(" or "))),
            ))
        }
    }
}

fn kept_runs(environment: &Environment, usual: usize) -> usize {
    let Some(text) = environment.get("AGENT_KEEP_RUNS").filter(|text| !text.is_empty()) else { return usual };
    text.trim().parse().unwrap_or_else(|_| {
        let text = safe(text);
        terminal::err(&format!(
            "warning: AGENT_KEEP_RUNS is no whole number: `{text}`; {usual} runs of each graph are kept\n"
        ));
        usual
    })
}

/// A folder for a new run and its journal; without one the run goes on all the same.
fn open_folder(environment: &Environment, graph: &str, plan: &Plan) -> Result<Option<Swept>, Failure> {
    let (keep, synced) = (kept_runs(environment, KEPT_RUNS), load::synced(environment)?);
    let open = |state: StateDir| {
        let state = state.synced(synced);
        new_folder(&state, graph).map(|opened| (opened, Sweep::begin(state, keep, files_of(plan))))
    };
    let opened = StateDir::open(environment.get("AGENT_STATE_DIR")).and_then(open);
    Ok(opened
        .map_err(|why| terminal::err(&format!("warning: no journal is kept ({why}); the run cannot be resumed\n")))
        .ok())
}

/// What a run writes to, and what is done about its state beside it.
type Swept = ((RunDir, RunLock, FileJournal), Sweep);

/// The texts of the graph on their way in and old runs on their way out, beside the run: the disk takes as long over one as
/// a short run does over its report.
struct Sweep(Option<JoinHandle<()>>);

impl Sweep {
    fn begin(state: StateDir, keep: usize, files: Vec<SourceFile>) -> Sweep {
        let sweep = move || {
            keep_texts(&state, &files);
            drop(state.retain(keep)); // what cannot be deleted now is tried again next time
        };
        Sweep(Builder::new().spawn(sweep).ok()) // as where there is no thread to be had
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(sweep) = self.0.take() {
            let _ = sweep.join(); // a panic has been printed, and the run is none the worse for it
        }
    }
}

/// The files that a graph was compiled from.
pub(super) fn files_of(plan: &Plan) -> Vec<SourceFile> {
    let assets = plan.nodes.iter().flat_map(|node| node.assets.iter());
    std::iter::once(&plan.source).chain(assets).cloned().collect()
}

/// Keeps the texts that headers name by their fingerprints.
pub(super) fn keep_texts(state: &StateDir, files: &[SourceFile]) {
    files.iter().for_each(|file| state.keep_text(&text_fingerprint(&file.text), &file.text));
}

/// The fraction of the second, so that ids sort as the runs began.
pub(super) fn fraction(now: Timestamp) -> u16 {
    (now.micros().rem_euclid(1_000_000) * (1 << 16) / 1_000_000) as u16
}

/// A folder for a new run of the graph at this path and its journal.
///
/// # Errors
/// Why there can be none.
pub(super) fn new_folder(state: &StateDir, graph: &str) -> Result<(RunDir, RunLock, FileJournal), String> {
    let now = WallClock.now();
    let mut suffix = fraction(now); // the next one where that is taken
    let next = || {
        let this = suffix;
        suffix = suffix.wrapping_add(1);
        this
    };
    let (folder, lock) = state.create_run(graph, now, next).map_err(|e| e.to_string())?;
    let (journal, _) = folder.journal()?;
    Ok((folder, lock, journal))
}
