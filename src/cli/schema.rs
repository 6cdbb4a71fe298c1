use std::path::PathBuf;

use schemars::{Schema, schema_for};

use super::backtest::outcome::Backtest;
use super::exit::{Exit, Failure};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::domain::{Insights, Report, RunRecord};
use crate::graph::{configs_of, file_schema, kind_schema};
use crate::node::{Fold, Kind};
use crate::nodes::insights;

/// Print a JSON Schema: of graph files, of the report, of the run record, of a backtest, or of a node kind.
#[derive(Debug, clap::Args)]
pub struct SchemaArguments {
    /// `graph`, `report`, `run`, `backtest`, or the name of a node kind.
    of: String,
    /// With `report`: the graph whose insights the schema names; those of the infrastructure report by default.
    graph: Option<PathBuf>,
}

pub fn schema(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    let all = load::kinds();
    let schema: Schema = match (arguments.of.as_str(), &arguments.graph) {
        ("report", Some(graph)) => report_of(graph)?,
        (_, Some(_)) => {
            let message = "only `agent schema report` takes a graph";
            return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message)));
        }
        ("graph", None) => file_schema(&all),
        ("report", None) => Report::schema(Insights::DEFAULT.map(|(name, _, _)| name)),
        ("run", None) => schema_for!(RunRecord),
        ("backtest", None) => schema_for!(Backtest),
        (name, None) => kind_schema(all.iter().find(|k| k.name == name).ok_or_else(|| unknown(name, &all))?),
    };
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default(); // a schema is JSON by construction
    terminal::out(&format!("{text}\n"));
    Ok(Exit::Done)
}

fn unknown(name: &str, kinds: &[&'static Kind]) -> Failure {
    let near = did_you_mean(name, kinds.iter().map(|k| k.name).chain(["graph", "report", "run", "backtest"]));
    let help = near
        .map_or("write `graph`, `report`, `run`, `backtest`, or a kind that `agent kinds` lists".to_string(), |near| {
            format!("did you mean `{near}`?")
        });
    let message = format!("there is no schema `{name}`");
    Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help))
}

fn report_of(path: &std::path::Path) -> Result<Schema, Failure> {
    let source = load::read(path)?;
    load::compiled(path, &source, &[], &load::environment()?)?;
    let configs: Vec<insights::Config> =
        configs_of(&source, insights::InsightTable::KIND, None).map_err(Failure::config)?;
    let mut names: Vec<String> = Vec::new();
    for (name, _) in configs.into_iter().flat_map(insights::Config::into_values) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Report::schema(names.iter().map(String::as_str)))
}
