//! What went into one run and not into the other.

use std::collections::{BTreeMap, BTreeSet};

use similar::TextDiff;

use super::outcome::{Causes, Change, DataChange, FileChange, NodeChange, Presence, Setting};
use super::told::Told;
use crate::cli::load;
use crate::domain::{InputRecord, Timestamp};
use crate::engine::{FileMark, Header, Parts};
use crate::graph::Override;
use crate::io;
use crate::node::{Kind, Role};

/// Where the texts of graphs are kept, by fingerprint.
pub type Texts<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What a node has to do with a report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Rules,
    Prompt,
    Output,
}

fn part_of(kind: Option<&str>, kinds: &[&'static Kind]) -> Part {
    let kind = kind.and_then(|name| kinds.iter().find(|kind| kind.name == name));
    match kind {
        Some(kind) if kind.role == Role::Source => Part::Data,
        Some(kind) if kind.uses_model => Part::Prompt,
        Some(kind) if io::KINDS.iter().any(|of_world| of_world.name == kind.name) => Part::Output,
        _ => Part::Rules,
    }
}

pub fn causes(before: &Told, after: &Told, texts: &Texts<'_>) -> Causes {
    let kinds = load::kinds();
    let (old, new) = (Settings::of(&before.header, texts), Settings::of(&after.header, texts));
    let mut causes = Causes {
        model: Change::of(before.model().cloned(), after.model().cloned()),
        program: Change::of(before.header.made.program.clone(), after.header.made.program.clone()),
        graph: old.of_graph.as_ref().zip(new.of_graph.as_ref()).map(|(a, b)| changed(a, b)).unwrap_or_default(),
        ..Causes::default()
    };
    let says_why = !causes.graph.is_empty() || causes.program.is_some();
    for name in both(&before.header.nodes, &after.header.nodes) {
        let parts = [before, after].map(|told| told.header.made.parts.get(name));
        let [a, b] = parts.map(|parts| parts.map(|parts| parts.kind.as_str()));
        let part = part_of(b.or(a), &kinds);
        if before.header.nodes.get(name) == after.header.nodes.get(name) {
            continue;
        }
        let mut change = node_change(name, before, after, (&old, &new), texts);
        // The graph's language and the program are part of every node; a journal of old says nothing of what nodes are.
        change.unseen &= !says_why || a.is_none() || b.is_none();
        if part == Part::Data {
            // Where it reads is told with what was read.
            change.settings.retain(|setting| setting.key != "path");
            change.unseen = false;
        }
        if change.what == Presence::Changed && change.files.is_empty() && change.settings.is_empty() && !change.unseen {
            continue;
        }
        match part {
            Part::Data => causes.data.push(DataChange {
                node: change.node,
                what: change.what,
                figures: Vec::new(),
                values: false,
                settings: change.settings,
            }),
            Part::Rules => causes.rules.push(change),
            Part::Prompt => causes.prompt.push(change),
            Part::Output => causes.output.push(change),
        }
    }
    read_otherwise(before, after, &mut causes);
    causes
}

/// The keys of either, once each.
fn both<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

/// A node whose fingerprint is another one.
fn node_change(
    name: &str,
    before: &Told,
    after: &Told,
    (old, new): (&Settings, &Settings),
    texts: &Texts<'_>,
) -> NodeChange {
    let parts = |told: &'_ Told| told.header.made.parts.get(name).cloned();
    let what = match (before.header.nodes.contains_key(name), after.header.nodes.contains_key(name)) {
        (false, _) => Presence::Added,
        (_, false) => Presence::Removed,
        _ => Presence::Changed,
    };
    let mut change = NodeChange { node: name.to_string(), what, files: vec![], settings: vec![], unseen: false };
    if what != Presence::Changed {
        return change;
    }
    let (Some(a), Some(b)) = (parts(before), parts(after)) else {
        return NodeChange { unseen: true, ..change }; // a journal of before headers said so
    };
    change.files = files(&a, &b, texts);
    if a.config != b.config {
        let none = BTreeMap::new();
        let of = |settings: &'_ Settings| settings.of_nodes.get(name).unwrap_or(&none).clone();
        change.settings = changed(&of(old), &of(new));
        change.unseen = change.settings.is_empty();
    }
    change
}

fn files(a: &Parts, b: &Parts, texts: &Texts<'_>) -> Vec<FileChange> {
    let pair = |at: usize| (a.files.get(at), b.files.get(at));
    let pairs = (0..a.files.len().max(b.files.len())).map(pair);
    let differs = |(a, b): &(Option<&FileMark>, Option<&FileMark>)| {
        a.map(|file| &file.fingerprint) != b.map(|file| &file.fingerprint)
    };
    pairs
        .filter(differs)
        .map(|(a, b)| FileChange {
            before: a.map(|file| file.name.clone()),
            after: b.map(|file| file.name.clone()),
            text: a.zip(b).and_then(|(a, b)| Some(text_diff(&texts(&a.fingerprint)?, &texts(&b.fingerprint)?))),
        })
        .collect()
}

/// The lines that differ, with one line around them.
fn text_diff(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(1).missing_newline_hint(false).to_string()
}

/// What a graph file and `--set` say, by key.
#[derive(Default)]
pub struct Settings {
    /// By node; empty where the file is not kept any more.
    pub of_nodes: BTreeMap<String, BTreeMap<String, String>>,
    /// What is no node's; `None` where the file is not kept.
    of_graph: Option<BTreeMap<String, String>>,
}

impl Settings {
    pub fn of(header: &Header, texts: &Texts<'_>) -> Settings {
        let text = header.made.source.as_ref().and_then(|file| texts(&file.fingerprint));
        let Some(mut table) = text.and_then(|text| text.parse::<toml::Table>().ok()) else {
            return Settings::default();
        };
        let mut settings = Settings::default();
        if let Some(toml::Value::Table(nodes)) = table.remove("nodes") {
            for (name, node) in nodes {
                flatten("", &node, settings.of_nodes.entry(name).or_default());
            }
        }
        for Override { node, keys, value, .. } in header.invocation.overrides.iter().flat_map(|t| Override::parse(t)) {
            settings.of_nodes.entry(node).or_default().insert(keys.join("."), value);
        }
        let mut of_graph = BTreeMap::new();
        flatten("", &toml::Value::Table(table), &mut of_graph);
        settings.of_graph = Some(of_graph);
        settings
    }
}

fn flatten(key: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, into);
            }
        }
        value => drop(into.insert(key.to_string(), value.to_string())),
    }
}

fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Setting> {
    let setting =
        |key: &String| Setting { key: key.clone(), before: before.get(key).cloned(), after: after.get(key).cloned() };
    both(before, after).into_iter().map(setting).filter(|setting| setting.before != setting.after).collect()
}

/// Adds what was read otherwise.
fn read_otherwise(before: &Told, after: &Told, causes: &mut Causes) {
    let of = |told: &'_ Told| -> BTreeMap<String, BTreeMap<String, String>> {
        told.inputs.iter().map(|input| (input.node.clone(), figures(input))).collect()
    };
    let (old, new, none) = (of(before), of(after), BTreeMap::new());
    for node in both(&old, &new) {
        let figures = changed(old.get(node).unwrap_or(&none), new.get(node).unwrap_or(&none));
        if !figures.is_empty() {
            entry(&mut causes.data, node).figures = figures;
        }
    }
    if causes.data.iter().any(|change| change.figures.iter().any(|figure| figure.key != "path")) {
        return;
    }
    // A fold of one make gives one value of the same records: what else there is to it is in its fingerprint.
    let is_same = |node: &String| before.header.nodes.get(node) == after.header.nodes.get(node);
    let differs = |node: &&String| before.cut.get(*node).map(|v| v.get()) != after.cut.get(*node).map(|v| v.get());
    let shared = before.cut.keys().filter(|node| after.cut.contains_key(*node) && is_same(node));
    if causes.program.is_none() && shared.into_iter().any(|node| differs(&node)) {
        let nodes: Vec<String> = new.keys().cloned().collect();
        nodes.iter().for_each(|node| entry(&mut causes.data, node).values = true);
    }
}

fn entry<'a>(changes: &'a mut Vec<DataChange>, node: &str) -> &'a mut DataChange {
    let at = changes.iter().position(|change| change.node == node).unwrap_or_else(|| {
        let (figures, settings) = Default::default();
        changes.push(DataChange { node: node.to_string(), what: Presence::Changed, figures, values: false, settings });
        changes.len() - 1
    });
    &mut changes[at] // found, or pushed just now
}

fn figures(input: &InputRecord) -> BTreeMap<String, String> {
    let time = |time: Option<Timestamp>| time.map_or("none".to_string(), |time| time.to_string());
    let mut figures = BTreeMap::from([
        ("path", input.path.clone()),
        ("format", input.format.clone()),
        ("bytes", input.bytes.to_string()),
        ("records", input.records.to_string()),
        ("bad records", input.bad.to_string()),
        ("first", time(input.first)),
        ("last", time(input.last)),
        ("entities", input.entities.to_string()),
    ]);
    let faults: Vec<(String, String)> =
        input.faults.iter().map(|fault| (format!("{} {}", fault.code, fault.what), fault.count.to_string())).collect();
    let faults = faults.into_iter();
    std::mem::take(&mut figures).into_iter().map(|(key, value)| (key.to_string(), value)).chain(faults).collect()
}
