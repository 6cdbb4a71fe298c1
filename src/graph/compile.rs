//! Text → plan. Collects every fault of the file before it gives up.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::SchemaGenerator;
use toml::Spanned;
use toml::de::DeValue;

use super::file::{self, GraphFile, Override, RESERVED, WrittenNode};
use super::interpolate::interpolate;
use super::plan::{Compiled, Plan, PlanNode, Stream, StreamFold, StreamSink, StreamSource};
use super::schema::ports;
use super::wires::{Candidate, Wires, wire};
use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean};
use crate::domain::Language;
use crate::node::{Assets, Body, Kind, Setup};
use crate::port::Files;

/// What a graph file is compiled against.
pub struct Surroundings<'a> {
    pub kinds: &'a [&'static Kind],
    /// Files that the graph names, relative to it.
    pub files: &'a dyn Files,
    /// Environment variables for `${NAME}`.
    pub variables: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Compiles a graph file. `stem` names the graph if the file does not.
///
/// # Errors
/// Syntax errors alone; else all that is wrong, in the order of the file.
pub fn compile(
    source: &SourceFile,
    stem: &str,
    overrides: &[Override],
    around: &Surroundings<'_>,
) -> Result<Compiled, Vec<Diagnostic>> {
    let (file, mut faults) = file::parse(source, overrides)?;
    let kinds: Vec<Option<&'static Kind>> = file
        .nodes
        .iter()
        .map(|written| {
            let found = written.kind.as_ref().map(|kind| find_kind(kind, source, around.kinds))?;
            found.map_err(|fault| faults.push(fault)).ok()
        })
        .collect();
    // Playbooks are long: what they say is proved on one core while another proves the wires.
    let to_build = Queue::new(&file, &kinds, source, around);
    let (nodes, (wires, wrong)) = std::thread::scope(|scope| {
        let helper = std::thread::Builder::new().spawn_scoped(scope, || to_build.work());
        let wired = wired(&file, &kinds, source);
        let mut nodes = to_build.work();
        match helper.map(|helper| helper.join()) {
            Ok(Ok(more)) => nodes.extend(more),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => {} // there was no thread to be had, and all is done here
        }
        nodes.sort_by_key(|(at, _)| *at);
        (nodes, wired)
    });
    faults.extend(wrong);
    let mut built = Vec::new();
    for (at, node) in nodes {
        match (node, &file.nodes[at], kinds[at]) {
            (Ok(node), written, Some(kind)) => built.push((written.name.as_str(), kind, node)),
            (Err(found), ..) => faults.extend(found),
            (Ok(_), _, None) => {} // what is built has a kind
        }
    }
    faults.extend(written_twice(&file, &built, source));
    if file.window.is_some() {
        faults.extend(lacking_in_windows(&file, &built, source));
    }
    // A window that is malformed is said already.
    if file.window.is_none() && faults.is_empty() {
        faults.extend(never_due(&file, &built, source));
    }
    if faults.is_empty() {
        return Ok(assemble(&file, stem, source, wires, built));
    }
    for fault in &mut faults {
        name_override(fault, &file, source, overrides);
    }
    let here = |d: &Diagnostic| d.place.as_ref().is_some_and(|(s, _)| s.name == source.name);
    faults.sort_by_key(|d| (!here(d), d.place.as_ref().map_or(usize::MAX, |(_, span)| span.start)));
    Err(faults)
}

/// The wires of the nodes whose kinds are known, and what is wrong with them.
fn wired(file: &GraphFile<'_>, kinds: &[Option<&'static Kind>], source: &SourceFile) -> (Wires, Vec<Diagnostic>) {
    let mut generator = SchemaGenerator::default();
    let candidates: Vec<Candidate> = file
        .nodes
        .iter()
        .zip(kinds)
        .map(|(written, kind)| {
            let ports = kind.map(|k| ports(k, &mut generator)).unwrap_or_default();
            Candidate { written, kind: *kind, ports }
        })
        .collect();
    let wired = wire(source, &candidates, &mut generator);
    // Some 50 KB in thousands of pieces, once or twice a process: to free them takes a thirtieth of compiling.
    std::mem::forget(generator);
    wired
}

/// The nodes that are still to be built, dealt to whoever asks.
struct Queue<'a> {
    file: &'a GraphFile<'a>,
    kinds: &'a [Option<&'static Kind>],
    source: &'a SourceFile,
    around: &'a Surroundings<'a>,
    next: AtomicUsize,
}

impl<'a> Queue<'a> {
    fn new(
        file: &'a GraphFile<'a>,
        kinds: &'a [Option<&'static Kind>],
        source: &'a SourceFile,
        around: &'a Surroundings<'a>,
    ) -> Queue<'a> {
        Queue { file, kinds, source, around, next: AtomicUsize::new(0) }
    }

    /// Builds nodes until none is left; gives each with its place in the file.
    fn work(&self) -> Vec<(usize, Result<Built, Vec<Diagnostic>>)> {
        let mut built = Vec::new();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(written), Some(kind)) = (self.file.nodes.get(at), self.kinds.get(at)) else { return built };
            if let Some(kind) = kind {
                built.push((at, build(written, kind, self.file.language, self.source, self.around)));
            }
        }
    }
}

/// What `--set` put in has no place in the file: its faults lie on the node's name, and say where they come from.
fn name_override(fault: &mut Diagnostic, file: &GraphFile<'_>, source: &SourceFile, overrides: &[Override]) {
    let Some((at, span)) = &fault.place else { return };
    let node = file.nodes.iter().find(|n| at.name == source.name && n.span == *span);
    let Some(change) = overrides.iter().find(|o| node.is_some_and(|n| n.name == o.node)) else { return };
    if fault.label.is_none() {
        fault.label = Some(format!("--set {}.{}={}", change.node, change.keys.join("."), change.value));
    }
}

/// Two nodes that write to one place: the later one would undo what the earlier has done.
fn written_twice(file: &GraphFile<'_>, built: &[(&str, &'static Kind, Built)], source: &SourceFile) -> Vec<Diagnostic> {
    let mut writers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, _, node) in built {
        let place = match &node.body {
            Body::Task(task) => task.writes(),
            Body::Sink(sink) => sink.writes(),
            Body::Source(_) | Body::Fold(_) => None,
        };
        let Some(place) = place else { continue };
        let Some(earlier) = writers.insert(place, name) else { continue };
        let span = file.nodes.iter().find(|n| n.name == *name).map_or(0..0, |n| n.span.clone());
        let message = format!("`{earlier}` and `{name}` both write to `{place}`");
        faults.push(
            Diagnostic::new(codes::graph::WRONG_TYPE, message).at(source, span).help("give each a place of its own"),
        );
    }
    faults
}

/// Tasks of a graph with windows that lack a port which they can do without elsewhere.
fn lacking_in_windows(
    file: &GraphFile<'_>,
    built: &[(&str, &'static Kind, Built)],
    source: &SourceFile,
) -> Vec<Diagnostic> {
    let fault = |(name, _, node): &(&str, &'static Kind, Built)| {
        let Body::Task(task) = &node.body else { return None };
        let (port, help) = task.needs_in_windows()?;
        let written = file.nodes.iter().find(|n| n.name == *name)?;
        let inputs = &written.wiring.as_ref()?.inputs;
        if inputs.keys().any(|filled| filled.get_ref() == port) {
            return None;
        }
        let message = format!("in a graph with a [window], node `{name}` needs its input `{port}`");
        Some(Diagnostic::new(codes::graph::MISSING_INPUT, message).at(source, written.span.clone()).help(help))
    };
    built.iter().filter_map(fault).collect()
}

/// Live sources of a graph without windows: no report would ever be due.
fn never_due(file: &GraphFile<'_>, built: &[(&str, &'static Kind, Built)], source: &SourceFile) -> Vec<Diagnostic> {
    let is_live = |node: &Built| matches!(&node.body, Body::Source(source) if source.is_live());
    let live = built.iter().filter(|(_, _, node)| is_live(node));
    live.map(|(name, _, _)| {
        let span = file.nodes.iter().find(|n| n.name == *name).map_or(0..0, |n| n.span.clone());
        let message = format!("`{name}` is a live source, and the graph has no [window]");
        Diagnostic::new(codes::graph::NO_WINDOW, message).at(source, span).help(codes::graph::NO_WINDOW.remedy)
    })
    .collect()
}

fn find_kind(
    written: &Spanned<String>,
    source: &SourceFile,
    kinds: &[&'static Kind],
) -> Result<&'static Kind, Diagnostic> {
    if let Some(kind) = kinds.iter().find(|k| k.name == written.get_ref()) {
        return Ok(kind);
    }
    let names: Vec<&str> = kinds.iter().map(|k| k.name).collect();
    let help = match did_you_mean(written.get_ref(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds are: {}", names.join(", ")),
    };
    Err(Diagnostic::new(codes::graph::UNKNOWN_KIND, format!("no node kind is named `{}`", written.get_ref()))
        .at(source, written.span())
        .help(help))
}

/// A built node and its fingerprint.
struct Built {
    body: Body,
    fingerprint: String,
    config: String,
    assets: Vec<SourceFile>,
}

fn build(
    node: &WrittenNode<'_>,
    kind: &'static Kind,
    language: Language,
    source: &SourceFile,
    around: &Surroundings<'_>,
) -> Result<Built, Vec<Diagnostic>> {
    let mut resolved = node.config.clone();
    let (secrets, unset) = interpolate(&mut resolved, source, around.variables);
    let assets = Assets::new(language, source, around.files);
    let setup = Setup { written: node.config.clone(), resolved, secrets, source, assets: &assets };
    let body = (kind.build)(setup).map_err(|faults| faults.into_iter().map(suggest_reserved).collect::<Vec<_>>());
    let body = all_faults(body, unset)?;
    let mut print = blake3::Hasher::new();
    print.update(format!("{} {} {}\n", kind.name, kind.version, language.code()).as_bytes());
    print.update(written(&node.config).as_bytes());
    if let Some(wiring) = &node.wiring {
        for (port, from) in &wiring.inputs {
            print.update(format!("\n{} = {:?}", port.get_ref(), from.get_ref().0).as_bytes());
        }
        let each = wiring.each.as_ref().map(|e| e.get_ref());
        print.update(format!("\n{each:?} {:?} {} {:?}\n", wiring.timeout, wiring.retry, wiring.on_error).as_bytes());
    }
    let config = short(&print);
    let assets = assets.into_read();
    for file in &assets {
        print.update(file.text.len().to_string().as_bytes());
        print.update(file.text.as_bytes());
    }
    Ok(Built { body, fingerprint: short(&print), config, assets })
}

/// What is built, or what is wrong with it: variables that are `unset`, and everything else but what is said of their
/// strings, which is only wrong because nothing was put in.
fn all_faults<T>(built: Result<T, Vec<Diagnostic>>, unset: Vec<Diagnostic>) -> Result<T, Vec<Diagnostic>> {
    if unset.is_empty() {
        return built;
    }
    let place = |fault: &Diagnostic| fault.place.as_ref().map(|(file, span)| (file.name.clone(), span.clone()));
    let is_of = |fault: &Diagnostic| unset.iter().any(|unset| place(unset) == place(fault));
    let others: Vec<Diagnostic> = built.err().into_iter().flatten().filter(|fault| !is_of(fault)).collect();
    Err(unset.into_iter().chain(others).collect())
}

/// A mistyped key of the engine's lands in the kind's config; its list of keys does not have the engine's.
fn suggest_reserved(fault: Diagnostic) -> Diagnostic {
    if fault.code != codes::graph::UNKNOWN_KEY || fault.help.as_ref().is_some_and(|h| h.starts_with("did you mean")) {
        return fault;
    }
    let key = fault.message.split('`').nth(1).unwrap_or_default().to_string();
    let near = did_you_mean(&key, RESERVED).map(|near| format!("did you mean `{near}`?"));
    fault.maybe_help(near)
}

/// Only after no fault was found.
fn assemble(
    file: &GraphFile<'_>,
    stem: &str,
    source: &SourceFile,
    wires: Wires,
    built: Vec<(&str, &'static Kind, Built)>,
) -> Compiled {
    let mut stream = Stream { sources: Vec::new(), folds: Vec::new(), sinks: Vec::new() };
    let mut nodes = Vec::new();
    let mut print = blake3::Hasher::new();
    if let Some(window) = &file.window {
        print.update(format!("{window:?}\n").as_bytes());
    }
    let Wires { inputs, outputs, dag } = wires;
    let wired = inputs.into_iter().zip(outputs).zip(&file.nodes).zip(built);
    for (node, (((inputs, output), written), (_, kind, Built { body, fingerprint, config, assets }))) in
        wired.enumerate()
    {
        print.update(format!("{} {fingerprint}\n", written.name).as_bytes());
        let task = match body {
            Body::Source(source) => {
                stream.sources.push(StreamSource { node, source });
                None
            }
            Body::Sink(sink) => {
                let sources = inputs.iter().flat_map(|i| i.from.iter().map(|r| r.node)).collect();
                stream.sinks.push(StreamSink { node, sink, sources });
                None
            }
            Body::Fold(fold) => {
                let sources = inputs.iter().flat_map(|i| i.from.iter().map(|r| r.node)).collect();
                stream.folds.push(StreamFold { node, fold, sources });
                None
            }
            Body::Task(task) => Some(task),
        };
        let wiring = written.wiring.as_ref(); // `None` only after a fault, as with `output`
        nodes.push(PlanNode {
            name: written.name.clone(),
            kind,
            each: inputs.iter().any(|i| i.each),
            inputs,
            timeout: wiring.and_then(|w| w.timeout).map(|t| t.0),
            retry: wiring.map_or(0, |w| w.retry),
            on_error: wiring.map(|w| w.on_error).unwrap_or_default(),
            output: output.unwrap_or(super::types::Type::Stream), // `None` only after a fault, and there was none
            fingerprint,
            config,
            assets,
            task,
        });
    }
    let name = file.name.clone().unwrap_or_else(|| stem.to_string());
    let window = file.window.clone();
    let by_name = nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
    let fingerprint = short(&print);
    let max_tokens_per_run = file.max_tokens_per_run.map(NonZeroU64::get);
    let (language, source) = (file.language, source.clone());
    let plan = Plan { name, language, max_tokens_per_run, window, nodes, dag, fingerprint, source, by_name };
    Compiled { plan, stream }
}

/// 128 bits of a hash as hexadecimal digits.
fn short(print: &blake3::Hasher) -> String {
    print.finalize().to_hex().chars().take(32).collect()
}

/// A config as written, in one form whatever its layout and the order of its keys. Variables stay variables.
fn written(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => format!("{}r{}", number.as_str(), number.radix()),
        DeValue::Float(number) => number.as_str().to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(",")),
        DeValue::Table(table) => {
            let entries: Vec<String> = table.iter().map(|(k, v)| format!("{:?}={}", k.get_ref(), written(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}
