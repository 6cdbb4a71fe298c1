use std::path::Path;

use serde_json::value::RawValue;

use super::diff::causes::Settings;
use super::exit::{Exit, Failure};
use super::render::safe;
use super::render::why::{self as view, Background, Basis, Place};
use super::resume::{journal_of, read};
use super::{load, terminal};
use crate::detect::Rules;
use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean};
use crate::domain::{Anomaly, Completeness, Gap, Incident, InputRecord, Note, Report, ReportAnomaly, RunStatus};
use crate::engine::{Entry, Event};
use crate::graph::{Override, Plan};
use crate::io::llm::Environment;
use crate::io::state::StateDir;

/// Show why an anomaly is in a report: the rule, the records behind it, the threshold, its incident, the sentence.
#[derive(Debug, clap::Args)]
pub struct WhyArguments {
    /// Run id, a unique beginning of one, or `last`.
    run: String,
    /// The anomaly's `metric` in the report, as in `cpu_usage@web-1`.
    anomaly: String,
}

pub fn why(arguments: &WhyArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
    let folder = state.resolve(&arguments.run).map_err(Failure::run)?;
    let journal = journal_of(&folder)?;
    let text = std::fs::read_to_string(journal).map_err(|e| unreadable(e.to_string()))?;
    let entries = read(&text)?;
    let found = anomalies(&entries);
    let meant: Vec<&Found> = found.iter().filter(|(_, _, a)| a.name == arguments.anomaly).collect();
    if meant.is_empty() {
        let names: Vec<&str> = found.iter().map(|(_, _, a)| a.name.as_str()).collect();
        let help = match did_you_mean(&arguments.anomaly, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => failure(&entries).map_or_else(
                || "the run has no anomalies".to_string(),
                |why| format!("the run failed before any was found: {}", safe(why)),
            ),
            None => format!("its anomalies are: {}", names.join(", ")),
        };
        let message = format!("run {} has no anomaly `{}`", folder.id(), arguments.anomaly);
        return Err(Failure::usage(Diagnostic::new(codes::run::UNKNOWN_ANOMALY, message).help(help)));
    }
    let report: Option<Report> =
        std::fs::read(folder.report()).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let plan = plan_of(&entries, &environment);
    let pages = meant.into_iter().map(|(node, basis, anomaly)| {
        let origin = plan.as_ref().map(|plan| Origin::of(plan, node)).unwrap_or_default();
        let place = place_of(anomaly, report.as_ref());
        let inputs = inputs(&entries, &origin.sources);
        let background = background(&entries, node, origin.rules, &state);
        view::why(anomaly, *basis, place, &background, &inputs, &incidents(&entries, anomaly))
    });
    terminal::out(&pages.collect::<Vec<_>>().join("\n"));
    Ok(Exit::Done)
}

/// What the node was told to look for: as it was when the run was made, whatever its files say today.
fn background(entries: &[Entry], node: &str, file: Option<String>, state: &StateDir) -> Background {
    let Some(Event::Started(header)) = entries.first().map(|entry| &entry.event) else { return Background::default() };
    let mark = header.made.parts.get(node).and_then(|parts| parts.files.first());
    let source = mark.and_then(|mark| Some(SourceFile::new(mark.name.as_str(), state.text(&mark.fingerprint)?)));
    let mut settings = Settings::of(header, &|fingerprint| state.text(fingerprint)).of_nodes;
    Background {
        file: mark.map(|mark| mark.name.clone()).or(file),
        rules: source.and_then(|source| Rules::parse(&source).ok()),
        settings: settings.remove(node).unwrap_or_default(),
        gaps: gaps(entries, node),
    }
}

/// The gaps that the node lists.
fn gaps(entries: &[Entry], node: &str) -> Vec<Gap> {
    let of_cut = |entry: &Entry| match &entry.event {
        Event::Cut { values, .. } => {
            let value = values.iter().find(|(name, _)| name.as_str() == node).map(|(_, value)| value);
            value.and_then(|value| serde_json::from_str::<Completeness>(value.get()).ok())
        }
        _ => None,
    };
    entries.iter().find_map(of_cut).map(|completeness| completeness.gaps).unwrap_or_default()
}

/// Why the run failed, if it did.
fn failure(entries: &[Entry]) -> Option<&str> {
    match &entries.last()?.event {
        Event::Ended { status: RunStatus::Failed, error } => Some(error.as_deref().unwrap_or("nothing more is known")),
        _ => None,
    }
}

/// Whether the run's report has the anomaly: a later node may have left it out.
fn place_of(anomaly: &Anomaly, report: Option<&Report>) -> Place {
    let is_it = |reported: &ReportAnomaly| {
        (reported.metric == anomaly.name, reported.value, reported.severity, &reported.description)
            == (true, anomaly.value, anomaly.severity, &anomaly.description)
    };
    match report {
        None => Place::NoReport,
        Some(_) if anomaly.is_over() => Place::Over,
        Some(report) if report.anomalies.iter().any(is_it) => Place::Reported,
        Some(_) => Place::LeftOut,
    }
}

/// An anomaly, the node that gave it, and what it is about.
type Found = (String, Basis, Anomaly);

/// Every anomaly of the run; one that a later node only hands on counts once.
fn anomalies(entries: &[Entry]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut look = |node: &str, value: &RawValue| {
        let (basis, anomalies) = match serde_json::from_str::<Completeness>(value.get()) {
            Ok(completeness) => (Basis::Arrivals, completeness.anomalies),
            Err(_) => (Basis::Readings, serde_json::from_str(value.get()).unwrap_or_default()),
        };
        for anomaly in anomalies {
            if found.iter().all(|(_, _, known)| *known != anomaly) {
                found.push((node.to_string(), basis, anomaly));
            }
        }
    };
    for entry in entries {
        match &entry.event {
            Event::Cut { values, .. } => values.iter().for_each(|(node, value)| look(node, value)),
            Event::TaskEnded { node, output, .. } => look(node, output),
            _ => {}
        }
    }
    found
}

/// The incidents that the anomaly is part of, of each plan its own.
fn incidents<'a>(entries: &'a [Entry], anomaly: &Anomaly) -> Vec<&'a Incident> {
    let notes = entries.iter().flat_map(|entry| match &entry.event {
        Event::TaskEnded { notes, .. } => notes.as_slice(),
        _ => &[],
    });
    let mut found: Vec<&Incident> = Vec::new();
    for note in notes {
        if let Note::Incident(incident) = note
            && !anomaly.is_over()
            && incident.anomalies.contains(&anomaly.name)
            && !found.contains(&incident)
        {
            found.push(incident);
        }
    }
    found
}

/// What the run read, of these sources; all of it where they are not known.
fn inputs(entries: &[Entry], sources: &[String]) -> Vec<InputRecord> {
    let read = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Read { inputs } => Some(inputs.clone()),
        _ => None,
    });
    let read = read.unwrap_or_default();
    let of_these: Vec<InputRecord> = read.iter().filter(|input| sources.contains(&input.node)).cloned().collect();
    if of_these.is_empty() { read } else { of_these }
}

/// Where the graph says that a node's anomalies come from.
#[derive(Default)]
struct Origin {
    rules: Option<String>,
    /// Names of the sources' nodes.
    sources: Vec<String>,
}

impl Origin {
    fn of(plan: &Plan, node: &str) -> Origin {
        let Some(node) = plan.find(node).and_then(|node| plan.nodes.get(node)) else { return Origin::default() };
        let sources = node.inputs.iter().flat_map(|input| &input.from).filter_map(|from| plan.nodes.get(from.node));
        Origin {
            rules: node.assets.first().map(|file| file.name.to_string()),
            sources: sources.map(|source| source.name.clone()).collect(),
        }
    }
}

/// The run's graph, if it still compiles.
fn plan_of(entries: &[Entry], environment: &Environment) -> Option<Plan> {
    let Event::Started(header) = &entries.first()?.event else { return None };
    let path = Path::new(&header.invocation.path);
    let overrides: Vec<Override> = header.invocation.overrides.iter().filter_map(|t| Override::parse(t).ok()).collect();
    let source = load::read(path).ok()?;
    load::compiled(path, &source, &overrides, environment).ok().map(|compiled| compiled.plan)
}
