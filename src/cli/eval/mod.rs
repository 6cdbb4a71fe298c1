mod candidate;
mod play;
mod score;

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::render::eval as view;
use super::run::{Changes, compiled};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use candidate::Candidate;
use play::Stage;
pub use score::{Evaluation, Score};

/// Have several models word a graph's recommendations, and compare them by figures.
///
/// The input is read once; then each model words the same recommendations: how many it words without breaking a rule at the
/// first try, how often it is asked again, how many keep the template, and what that takes in tokens and time. Nothing is
/// written and nobody is told.
#[derive(Debug, clap::Args)]
pub struct EvalArguments {
    /// The graph file.
    graph: PathBuf,
    /// The models, as LLM_MODEL names them, or `PROVIDER/MODEL` for one of another provider. A gateway whose
    /// own names look like that is written before them: `openrouter/openai/gpt-oss-20b`.
    #[arg(long, value_name = "A,B", value_delimiter = ',', required = true)]
    models: Vec<String>,
    /// Read this instead of what the graph's one ingest node names; `-` is standard input.
    #[arg(long, value_name = "PATH")]
    input: Option<String>,
    /// Override a key of a node, as in `--set recommendations.max_repairs=0`.
    #[arg(long, value_name = "NODE.KEY=VALUE")]
    set: Vec<String>,
    /// How often each model words them all.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// A table to read, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Keep each run, for `agent diff` and `agent why`.
    #[arg(long)]
    keep: bool,
    /// Print no progress.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn eval(arguments: &EvalArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    // All that can be refused is, before anything is read or paid for.
    let named = arguments.models.iter().map(|name| Candidate::of(name, &environment));
    let candidates = named.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    let source = load::read(&arguments.graph)?;
    let changes = Changes { input: arguments.input.as_deref(), output: None, set: &arguments.set };
    let (compiled, overrides) = compiled(&arguments.graph, &source, &changes, &environment)?;
    check(&compiled)?;
    let mut stage = Stage::set(compiled, &arguments.graph, overrides, arguments.keep)?;
    let mut scores = Vec::new();
    for candidate in &candidates {
        let mut score = Score::of(candidate.identity.clone());
        for run in 1..=arguments.runs {
            let played = stage.play(candidate, &environment)?;
            score.add(&played);
            if !arguments.quiet {
                terminal::err(&view::progress(&candidate.identity, run, arguments.runs, &played));
            }
        }
        scores.push(score);
    }
    let evaluation = Evaluation { graph: stage.graph().to_string(), runs: arguments.runs, models: scores };
    terminal::out(&match arguments.format {
        Format::Table => view::table(&evaluation, terminal::stdout_style()),
        Format::Json => serde_json::to_string_pretty(&evaluation).unwrap_or_default() + "\n", // our own types serialise
    });
    Ok(Exit::Done)
}

/// Refuses a graph that asks no model, and one whose input never ends.
fn check(compiled: &crate::graph::Compiled) -> Result<(), Failure> {
    let usage = |message: &str, help: &str| {
        Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message.to_string()).help(help.to_string())))
    };
    if !compiled.plan.nodes.iter().any(|node| node.kind.uses_model) {
        return usage("no node of the graph asks a model", "add a `draft` and a `validate` node");
    }
    if compiled.stream.sources.iter().any(|source| source.source.is_live()) {
        return usage(
            "the graph has a live source, and an evaluation needs an input that ends",
            "evaluate a graph with `ingest.file`",
        );
    }
    Ok(())
}
