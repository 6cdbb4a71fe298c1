//! A graph as a test runs it: compiled as ever, then its sources bring what the test says, its output nodes tell nobody, and
//! what is given stands in for its node. What only a given node would have needed does not run.

use std::collections::BTreeMap;
use std::path::Path;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use serde_json::value::{RawValue, to_raw_value};
use toml::Spanned;

use super::feed::{Feed, Records, What};
use super::file::{ExpectedAnomaly, Test};
use super::{Case, inputs};
use crate::cli::load;
use crate::cli::stand_in::{Echo, Given};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::graph::{Compiled, Override, Plan, PlanNode};
use crate::io;
use crate::io::files::read_text;
use crate::io::llm::Environment;
use crate::node::{AnyTask, Role};

/// What is wrong with a test.
pub type Faults = Vec<Diagnostic>;

/// # Errors
/// What is wrong with the graph, or does not fit it.
pub fn stage(case: &Case<'_>) -> Result<Compiled, Faults> {
    let graph = Graph::of(case)?;
    let mut compiled = graph.compiled(&[])?;
    check_windows(case, &compiled)?;
    let given = given(case, &compiled.plan)?;
    let needed = needed(case, &compiled.plan, &given)?;
    compiled.stream.sinks.clear(); // a test leaves no trace
    feed(case, &graph, &mut compiled, &needed, &given)?;
    for fold in &mut compiled.stream.folds {
        if let Some(value) = stand_in(fold.node, &needed, &given) {
            fold.fold = Box::new(Given(value));
        }
    }
    for (at, node) in compiled.plan.nodes.iter_mut().enumerate() {
        let Some(task) = &mut node.task else { continue };
        if let Some(value) = stand_in(at, &needed, &given) {
            *task = std::sync::Arc::new(Given(value)) as std::sync::Arc<dyn AnyTask>;
            (node.inputs, node.each) = (Vec::new(), false); // what would come in is not there
        } else if io::KINDS.iter().any(|kind| kind.name == node.kind.name) {
            *task = std::sync::Arc::new(Echo);
        }
    }
    Ok(compiled)
}

/// Refuses what only has a meaning where there are windows, or a source that falls silent.
fn check_windows(case: &Case<'_>, compiled: &Compiled) -> Result<(), Faults> {
    let mut faults = Vec::new();
    let has_windows = compiled.plan.window.is_some();
    let is_live = has_windows && compiled.stream.sources.iter().any(|source| source.source.is_live());
    if let Some(until) = case.test().until.as_ref().filter(|_| !is_live) {
        faults.push(case.fault(until.span(), "the graph has no live source: it ends with its last record".to_string()));
    }
    for anomaly in case.test().expect.get_ref().anomalies.iter().filter(|_| !has_windows) {
        let ExpectedAnomaly { opened, escalated, resolved, .. } = anomaly.get_ref();
        let changes = opened.iter().map(Spanned::span);
        let changes = changes.chain(escalated.iter().chain(resolved).map(Spanned::span));
        faults.extend(changes.map(|span| {
            let message = "the graph has no windows in which an anomaly could open, escalate or resolve".to_string();
            case.fault(span, message).help("`since` is the time of its first record")
        }));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The graph file of a test.
pub struct Graph<'a> {
    case: &'a Case<'a>,
    path: String,
    source: crate::diagnostic::SourceFile,
    sets: Vec<Override>,
}

impl<'a> Graph<'a> {
    fn of(case: &'a Case<'a>) -> Result<Graph<'a>, Faults> {
        let test = case.test();
        let (written, span) = match &test.graph {
            Some(graph) => (graph.get_ref().clone(), graph.span()),
            None => (case.stem(), test.name.span()),
        };
        let path = case.locate(&written);
        let source = read_text(Path::new(&path)).map_err(|why| {
            let help = "`graph = \"…\"` names another one, relative to this file";
            vec![case.fault(span, format!("cannot read the graph file `{path}`: {why}")).help(help)]
        })?;
        let parse = |set: &Spanned<String>| {
            Override::parse(set.get_ref()).map_err(|fault| vec![fault.at(case.source, set.span())])
        };
        let sets = test.set.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Graph { case, path, source, sets })
    }

    pub fn source(&self) -> &crate::diagnostic::SourceFile {
        &self.source
    }

    /// Compiles it, with what the test sets and this.
    pub fn compiled(&self, more: &[Override]) -> Result<Compiled, Faults> {
        let overrides = [self.sets.as_slice(), more].concat();
        let environment = Environment::from_pairs(self.case.test().env.clone());
        let done = load::compiled(Path::new(&self.path), &self.source, &overrides, &environment);
        // What has no place is said of the test's settings.
        let span = self.case.test().set.first().map_or(self.case.test().name.span(), Spanned::span);
        let placed = |fault: Diagnostic| match fault.place {
            None => fault.at(self.case.source, span.clone()),
            Some(_) => fault,
        };
        done.map_err(|failure| failure.diagnostics.into_iter().map(placed).collect())
    }
}

/// The values that the test gives, by node.
fn given(case: &Case<'_>, plan: &Plan) -> Result<BTreeMap<usize, Box<RawValue>>, Faults> {
    let mut given = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, value) in &case.test().given {
        let Some(at) = plan.find(name.get_ref()) else {
            faults.push(unknown(case, plan, name.get_ref(), name.span()));
            continue;
        };
        let Some(node) = plan.nodes.get(at) else { continue };
        let json = value.get_ref().value();
        match (node.kind.role, misfit(node, &json)) {
            (Role::Source, _) => {
                let message = format!("`{}` is a source: it brings records, and has no value", name.get_ref());
                faults.push(case.fault(name.span(), message).help("give it `series` or an `input`"));
            }
            (_, Some(why)) => {
                let message = format!("`{}` cannot have this value: {why}", name.get_ref());
                let help = format!("`agent kinds {}` describes its output", node.kind.name);
                faults.push(case.fault(value.span(), message).help(help));
            }
            (_, None) => given.extend(to_raw_value(&json).ok().map(|raw| (at, raw))), // a JSON value always serialises
        }
    }
    if faults.is_empty() { Ok(given) } else { Err(faults) }
}

/// Why a value is no output of a node.
fn misfit(node: &PlanNode, value: &serde_json::Value) -> Option<String> {
    let reads = node.kind.reads?;
    let one = |value: &serde_json::Value| {
        let error = reads(&value.to_string()).err()?.to_string();
        Some(error.split(" at line ").next().unwrap_or_default().to_string()) // the position in a text nobody sees
    };
    match value.as_array().filter(|_| node.each) {
        Some(items) => items.iter().filter(|item| !item.is_null()).find_map(one),
        None if node.each => Some("it runs once per item, so its output is a list".to_string()),
        None => one(value),
    }
}

/// Whether somebody needs a node: the ends of the graph, and what the test looks at; and what those need, as far as it is
/// not given.
fn needed(case: &Case<'_>, plan: &Plan, given: &BTreeMap<usize, Box<RawValue>>) -> Result<Vec<bool>, Faults> {
    let is_end = |node: &usize| plan.dag.edges_directed(NodeIndex::new(*node), Direction::Outgoing).next().is_none();
    let mut open: Vec<usize> = (0..plan.nodes.len()).filter(is_end).collect();
    for (name, span) in case.test().expect.get_ref().nodes() {
        match plan.find(name) {
            Some(node) if plan.nodes.get(node).is_some_and(|node| node.kind.role == Role::Source) => {
                let fault = case.fault(span, format!("`{name}` is a source: it brings records, and has no value"));
                return Err(vec![fault.help("expect what the nodes behind it make of them")]);
            }
            Some(node) => open.push(node),
            None => return Err(vec![unknown(case, plan, name, span)]),
        }
    }
    let mut needed = vec![false; plan.nodes.len()];
    while let Some(node) = open.pop() {
        let Some(seen) = needed.get_mut(node) else { continue };
        if std::mem::replace(seen, true) || given.contains_key(&node) {
            continue;
        }
        let inputs = plan.nodes.get(node).map(|n| n.inputs.as_slice()).unwrap_or_default();
        open.extend(inputs.iter().flat_map(|input| input.from.iter().map(|reference| reference.node)));
    }
    Ok(needed)
}

/// The value that stands in for a node; `null` where nobody needs it.
fn stand_in(node: usize, needed: &[bool], given: &BTreeMap<usize, Box<RawValue>>) -> Option<Box<RawValue>> {
    let unneeded = || needed.get(node).is_some_and(|needed| !needed).then(|| RawValue::NULL.to_owned());
    given.get(&node).cloned().or_else(unneeded)
}

/// Puts what the test says in the place of the sources.
fn feed(
    case: &Case<'_>,
    graph: &Graph<'_>,
    compiled: &mut Compiled,
    needed: &[bool],
    given: &BTreeMap<usize, Box<RawValue>>,
) -> Result<(), Faults> {
    let Test { series, name, .. } = case.test();
    let mut records: BTreeMap<usize, Records> = BTreeMap::new();
    let mut faults = Vec::new();
    for one in series {
        let node = one.get_ref().node.as_ref();
        let node = source_of(case, &compiled.plan, node.map(|n| (n.get_ref().as_str(), n.span())), one.span());
        let added = node.and_then(|node| records.entry(node).or_default().add(one, case.test(), case.source));
        faults.extend(added.err());
    }
    let mut files =
        inputs::files(case, graph, compiled).map_err(|found| faults.append(&mut { found })).unwrap_or_default();
    let listens = |fold: &crate::graph::StreamFold| stand_in(fold.node, needed, given).is_none();
    let Compiled { plan, stream } = compiled;
    for source in &mut stream.sources {
        let heard = stream.folds.iter().any(|fold| fold.sources.contains(&source.node) && listens(fold));
        let node = plan.nodes.get(source.node).map_or("", |node| node.name.as_str());
        let what = match (records.remove(&source.node).filter(|r| !r.is_empty()), files.remove(&source.node)) {
            (Some(_), Some(_)) => {
                faults.push(case.fault(name.span(), format!("`{node}` is fed with series and with a file")));
                continue;
            }
            (None, Some(file)) => What::File(file),
            (Some(records), None) => What::Records(records),
            // A window has to have a record.
            (None, None) if !heard => What::Records(Records::blank(case.test().start.0)),
            (None, None) => {
                if faults.is_empty() {
                    let message = format!("nothing is fed to the source `{node}`");
                    faults.push(case.fault(name.span(), message).help("give it `series` or an `input`"));
                }
                continue;
            }
        };
        source.source = Box::new(Feed { what, live: source.source.is_live() });
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The source of this name, or the only one.
pub fn source_of(
    case: &Case<'_>,
    plan: &Plan,
    named: Option<(&str, std::ops::Range<usize>)>,
    place: std::ops::Range<usize>,
) -> Result<usize, Diagnostic> {
    let name = |at: usize| plan.nodes.get(at).map_or("", |node| node.name.as_str());
    let sources: Vec<usize> = plan.of_role(Role::Source).collect();
    let names: Vec<&str> = sources.iter().map(|at| name(*at)).collect();
    match (named, sources.as_slice()) {
        (Some((wanted, span)), _) => sources.iter().copied().find(|at| name(*at) == wanted).ok_or_else(|| {
            let near = did_you_mean(wanted, names.iter().copied());
            let help =
                near.map_or(format!("the sources are: {}", names.join(", ")), |n| format!("did you mean `{n}`?"));
            case.fault(span, format!("the graph has no source `{wanted}`")).help(help)
        }),
        (None, [only]) => Ok(*only),
        (None, []) => Err(case.fault(place, "the graph has no source".to_string())),
        (None, _) => {
            let message = format!("the graph has several sources: {}", names.join(", "));
            Err(case.fault(place, message).help("say which one is meant by its name"))
        }
    }
}

fn unknown(case: &Case<'_>, plan: &Plan, name: &str, span: std::ops::Range<usize>) -> Diagnostic {
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    let near = did_you_mean(name, names.iter().copied());
    let field = name.split_once('.').filter(|(node, _)| names.contains(node));
    let help = match (field, near) {
        (Some((node, field)), _) => format!("give the node's whole value: `{node} = {{ {field} = … }}`"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("the nodes are: {}", names.join(", ")),
    };
    Diagnostic::new(codes::test::TEST, format!("the graph has no node `{name}`")).at(case.source, span).help(help)
}
