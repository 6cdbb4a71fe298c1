mod compare;
mod enabled;
pub mod outcome;
mod panels;
mod replay;
mod scores;
mod tally;

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::render::{backtest as render, summary};
use super::{load, terminal};
use crate::detect::Rules;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Anomaly, Completeness, Figure, Span, Timestamp};
use crate::graph::Plan;
use crate::node::Role;
use outcome::{Backtest, Comparison, WindowChoice};
use replay::Graph;

/// Try the rules of a graph on history: how often each would have fired, when, and for how long.
///
/// Only the part of the graph that reads and detects is run: no model, no output, no journal, and no network but what the
/// graph's own source needs without --input. An episode is counted once, from its first record to the window that ends it,
/// as in a graph that runs live.
///
/// Episodes go from window to window. The windows are those of the graph's [window]; a graph without one gets windows of
/// --every, or as long as records usually are apart, and then no record is too late for its window. Within a window a series
/// either fires or does not: longer ones make fewer and longer episodes.
///
/// A rule that had nothing to judge in all of the history is listed as such: that it never fired says nothing. Silence is
/// counted from the moment when it has lasted too long to the next reading, or on through the next silence where no window
/// between them has only readings that came in time. How long a rule fired, and what share of the time
/// that is, counts the time only in which it judges: within its hours, and outside maintenance.
///
/// A graph that listens, polls or follows can be tried too: with --input its one source is a file for once.
#[derive(Debug, clap::Args)]
pub struct BacktestArguments {
    /// The graph file.
    graph: PathBuf,
    /// The history: JSON, NDJSON or CSV, instead of what the graph's one ingest node names; `-` is standard input.
    #[arg(long, value_name = "HISTORY")]
    input: Option<String>,
    /// Override a key of a node, as in `--set anomalies.rules=other.toml`.
    #[arg(long, value_name = "NODE.KEY=VALUE")]
    set: Vec<String>,
    /// Length of a window, as in `--every 5m`.
    #[arg(long, value_name = "SPAN")]
    every: Option<Span>,
    /// A table to read, or JSON with every episode for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Say what this rules file would add and remove, in place of that of the graph's one detect node.
    #[arg(long, value_name = "RULES")]
    compare: Option<PathBuf>,
    /// Draw the series that fired longest, six at most, with their bands and episodes, as an SVG picture; readings that are
    /// unusual have a mark.
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
    /// Write `timestamp,value,anomaly_score` for every record in the order of the input: how unusual each value is, by the
    /// graph's `unusual` rule and the records before it; with a column `entity` where records name one. A record that cannot be
    /// used has a line with its text in the place of the time, and no value and no score.
    #[arg(long, value_name = "FILE.csv")]
    scores: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn backtest(arguments: &BacktestArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let mut graph = Graph::load(arguments, &environment, None)?;
    // All that can be refused is, before anything is read.
    let finders = finders(&graph.compiled.plan);
    if finders.is_empty() {
        let message = "the graph has no node that finds anomalies";
        return Err(usage(message, "add one, such as `detect`; `agent kinds` lists all kinds"));
    }
    let rules = rules_of(&graph.compiled.plan);
    let scorer = arguments.scores.as_ref().map(|_| scorer_of(&rules)).transpose()?;
    let other =
        arguments.compare.as_ref().map(|rules| Graph::load(arguments, &environment, Some(rules))).transpose()?;
    graph.check_reads(arguments)?;
    let (windowing, chosen_by) = graph.windowing(arguments)?;
    let (done, rules) = graph.run(&windowing)?;
    let Some(covered) = done.covered else {
        return Err(super::execute::fault("a source gave no record and no reason, which is a bug".to_string()));
    };
    let mut found = Backtest {
        graph: graph.compiled.plan.name.clone(),
        from: Timestamp::nearest(covered.0),
        to: Timestamp::nearest(covered.1),
        windows: WindowChoice {
            every_seconds: Figure::new(windowing.every.0.as_secs_f64()).unwrap_or(Figure::ZERO),
            chosen_by,
            count: done.windows,
        },
        late: done.late,
        rules,
        comparison: None,
        inputs: done.inputs,
    };
    if let Some((mut other, rules)) = other.zip(arguments.compare.clone()) {
        let (_, after) = other.run(&windowing)?;
        found.comparison = Some(Comparison { rules, by_rule: compare::compare(&found.rules, &after) });
    }
    refuse_to_overwrite(arguments, &graph.compiled.plan, &found)?;
    if let Some(path) = &arguments.chart {
        graph.draw(&found, covered, path)?;
    }
    if let (Some(path), Some((metric, scorer))) = (&arguments.scores, scorer) {
        graph.score(path, metric, scorer, found.inputs.iter().any(|input| input.entities > 0))?;
    }
    terminal::err(&summary::faults(&found.inputs));
    terminal::out(&match arguments.format {
        Format::Table => render::table(&found, terminal::stdout_style()),
        // Our own types with string keys always serialise.
        Format::Json => serde_json::to_string_pretty(&found).unwrap_or_default() + "\n",
    });
    Ok(Exit::Done)
}

/// No output may be a file that was read: the history would be gone.
fn refuse_to_overwrite(arguments: &BacktestArguments, plan: &Plan, found: &Backtest) -> Result<(), Failure> {
    let inputs = found.inputs.iter().flat_map(|input| {
        let files = glob::glob(&input.path).into_iter().flatten().flatten();
        files.chain([PathBuf::from(&input.path)])
    });
    let assets = plan.nodes.iter().flat_map(|node| &node.assets).map(|asset| PathBuf::from(&*asset.name));
    let mut taken: Vec<PathBuf> = inputs.chain(assets).chain([arguments.graph.clone()]).collect();
    taken.extend(arguments.compare.clone());
    for (flag, path) in [("--chart", &arguments.chart), ("--scores", &arguments.scores)] {
        let Some(path) = path else { continue };
        if path.as_os_str() == "-" {
            return Err(usage(
                format!("{flag} writes a file, and `-` is none"),
                "name a file; `/dev/stdout` is one too",
            ));
        }
        if taken.iter().any(|other| other == path || load::is_same_file(other, path)) {
            let message = format!("{flag} would overwrite `{}`, which this backtest needs", path.display());
            return Err(usage(message, "name another file"));
        }
        taken.push(path.clone());
    }
    Ok(())
}

fn usage(message: impl Into<String>, help: impl Into<String>) -> Failure {
    Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help))
}

/// The nodes that find anomalies: whether each gives a list of them, or a [`Completeness`].
fn finders(plan: &Plan) -> Vec<(usize, bool)> {
    let lists = plan.yielding::<Vec<Anomaly>>().map(|node| (node, true));
    let of = lists.chain(plan.yielding::<Completeness>().map(|node| (node, false)));
    of.filter(|(node, _)| plan.nodes.get(*node).is_some_and(|n| n.kind.role == Role::Fold)).collect()
}

/// The rules files of the graph, by node. They have been read and found good when it was compiled.
fn rules_of(plan: &Plan) -> Vec<(String, Rules)> {
    let lists = finders(plan).into_iter().filter(|(_, is_list)| *is_list).filter_map(|(node, _)| plan.nodes.get(node));
    let files = lists.flat_map(|node| node.assets.iter().map(|asset| (node.name.clone(), asset)));
    files.filter_map(|(node, file)| Some((node, Rules::parse(file).ok()?))).collect()
}

/// The one metric that is judged by how unusual it is.
fn scorer_of(rules: &[(String, Rules)]) -> Result<(String, Box<dyn scores::Scorer>), Failure> {
    let all: Vec<String> = rules
        .iter()
        .flat_map(|(_, rules)| rules.metrics())
        .filter(|rule| rule.unusual().is_some())
        .map(|rule| rule.metric.clone())
        .collect();
    if let [scored, _, ..] = &all[..] {
        terminal::err(&format!(
            "note: --scores has those of `{scored}`, the first of {} metrics that are judged so\n",
            all.len()
        ));
    }
    rules.iter().find_map(|(_, rules)| scores::scorer(rules)).ok_or_else(|| {
        let message = "--scores needs a rule `unusual`, and the graph's rules have none";
        Failure::usage(Diagnostic::new(codes::run::NO_SCORES, message).help(codes::run::NO_SCORES.remedy))
    })
}
