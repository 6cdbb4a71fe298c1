use std::path::Path;

use serde_json::value::RawValue;

use super::exit::{Exit, Failure};
use super::render::why as view;
use super::resume::read;
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::domain::{Anomaly, InputRecord};
use crate::engine::{Entry, Event};
use crate::graph::Override;
use crate::io::llm::Environment;
use crate::io::state::StateDir;

/// Show why an anomaly is in a report: the rule, the records behind it, the threshold, the sentence.
#[derive(Debug, clap::Args)]
pub struct WhyArguments {
    /// Run id, a unique beginning of one, or `last`.
    run: String,
    /// The anomaly's `metric` in the report, as in `cpu_usage@web-1`.
    anomaly: String,
}

pub fn why(arguments: &WhyArguments) -> Result<Exit, Failure> {
    let environment = load::environment();
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
    let folder = state.resolve(&arguments.run).map_err(Failure::run)?;
    let text = std::fs::read_to_string(folder.events()).map_err(|e| unreadable(e.to_string()))?;
    let entries = read(&text)?;
    let found = anomalies(&entries);
    let Some((node, anomaly)) = found.iter().find(|(_, a)| a.name == arguments.anomaly) else {
        let names: Vec<&str> = found.iter().map(|(_, a)| a.name.as_str()).collect();
        let help = match did_you_mean(&arguments.anomaly, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "the run has no anomalies".to_string(),
            None => format!("its anomalies are: {}", names.join(", ")),
        };
        let message = format!("run {} has no anomaly `{}`", folder.id(), arguments.anomaly);
        return Err(Failure::usage(Diagnostic::new(codes::run::UNKNOWN_ANOMALY, message).help(help)));
    };
    let input = entries.iter().find_map(|e| match &e.event {
        Event::Read { inputs } => inputs.first().cloned(),
        _ => None,
    });
    let rules = rules_of(&entries, node, &environment);
    terminal::out(&view::why(anomaly, rules.as_deref(), &input.unwrap_or_else(InputRecord::default)));
    Ok(Exit::Done)
}

/// Every anomaly that a node of the run gave, with the node's name.
fn anomalies(entries: &[Entry]) -> Vec<(String, Anomaly)> {
    let mut found = Vec::new();
    let mut look = |node: &str, value: &RawValue| {
        for anomaly in serde_json::from_str::<Vec<Anomaly>>(value.get()).unwrap_or_default() {
            found.push((node.to_string(), anomaly));
        }
    };
    for entry in entries {
        match &entry.event {
            Event::Cut { values } => values.iter().for_each(|(node, value)| look(node, value)),
            Event::TaskEnded { node, output, .. } => look(node, output),
            _ => {}
        }
    }
    found
}

/// The file that the node's rules came from, if the graph still compiles.
fn rules_of(entries: &[Entry], node: &str, environment: &Environment) -> Option<String> {
    let Event::Started(header) = &entries.first()?.event else { return None };
    let path = Path::new(&header.invocation.path);
    let overrides: Vec<Override> = header.invocation.overrides.iter().filter_map(|t| Override::parse(t).ok()).collect();
    let source = load::read(path).ok()?;
    let compiled = load::compiled(path, &source, &overrides, environment).ok()?;
    let node = compiled.plan.find(node)?;
    compiled.plan.nodes.get(node)?.assets.first().cloned()
}
