//! A graph file as written: names, kinds, wires and the keys that belong to the kinds, all with their places. What is
//! checked here is form; meaning is the compiler's.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;

use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::interpolate::interpolate;
use crate::diagnostic::{Diagnostic, SourceFile, codes, decode, did_you_mean, parse_toml};
use crate::domain::{Language, Span, Wait};

/// Keys of a node that the engine reads; all others are the kind's.
pub const RESERVED: [&str; 6] = ["kind", "inputs", "each", "timeout", "retry", "on_error"];

/// A parsed graph file.
pub struct GraphFile<'a> {
    pub name: Option<String>,
    pub language: Language,
    pub max_tokens_per_run: Option<NonZeroU64>,
    pub window: Option<Windowing>,
    /// In the order of the file.
    pub nodes: Vec<WrittenNode<'a>>,
}

pub struct WrittenNode<'a> {
    pub name: String,
    /// Place of the name.
    pub span: Range<usize>,
    /// `None` when it is missing or no name, which is reported already.
    pub kind: Option<Spanned<String>>,
    /// `None` when one of its keys is malformed, which is reported already.
    pub wiring: Option<Wiring>,
    /// Places of the values of the engine's keys that are written.
    pub places: Vec<(&'static str, Range<usize>)>,
    /// The keys of the kind.
    pub config: Spanned<DeValue<'a>>,
}

impl WrittenNode<'_> {
    /// Place of the value of one of the engine's keys, if it is written.
    pub fn place(&self, key: &str) -> Option<Range<usize>> {
        self.places.iter().find(|(written, _)| *written == key).map(|(_, span)| span.clone())
    }

    pub fn kind_name(&self) -> Option<&str> {
        self.kind.as_ref().map(|kind| kind.get_ref().as_str())
    }
}

/// The key of a node that says what it is.
#[derive(Deserialize)]
struct OfKind {
    kind: Spanned<String>,
}

/// The other keys of a node that the engine reads.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wiring {
    /// Port = `"node"`, `"node.field"`, or a list of these, joined in order.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, OneOrMany>")]
    pub inputs: BTreeMap<Spanned<String>, Spanned<OneOrMany>>,
    /// Ports that take their list item by item: the node runs once per item. Several are zipped.
    #[serde(default)]
    #[schemars(with = "Option<OneOrMany>")]
    pub each: Option<Spanned<OneOrMany>>,
    /// Longest time of one try: `"30s"`, `"1m 30s"`.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Further tries after a transient failure.
    #[serde(default)]
    pub retry: u32,
    /// What a failure of the node does to the run.
    #[serde(default)]
    pub on_error: OnError,
}

/// What a failed task does to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The output is `null`.
    Skip,
    /// The kind's stand-in is the output; refused for a kind that has none.
    Fallback,
}

/// A string or a list of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a string or a list of strings")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = seq.next_element()? {
                    all.push(text);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

/// The head of a graph file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Name of the graph; the file's name without extension by default.
    #[serde(default)]
    pub name: Option<String>,
    /// Language of every sentence that the run writes.
    #[serde(default)]
    pub language: Language,
    /// Tokens that a model may take in a run, those of prompts and of repairs included; a graph with a `[window]` has a
    /// run per window. The recommendations that they do not cover are worded by templates: the most urgent are asked for
    /// first. LLM_MAX_TOKENS_PER_RUN bounds them too.
    #[serde(default)]
    pub max_tokens_per_run: Option<NonZeroU64>,
    /// Cuts the stream into windows of event time, each of which has a report of its own.
    #[serde(default)]
    pub window: Option<Windowing>,
}

/// How the stream is cut into windows: tumbling, in event time, aligned to the epoch in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Windowing {
    /// Length of a window: `"1m"`.
    pub every: Span,
    /// How long a window waits for stragglers once records past its end have come, in event time.
    #[serde(default)]
    pub grace: Wait,
    /// A record that comes after its window has closed goes into the oldest open one if it is late by no more than this;
    /// otherwise it is left out. Either way it is counted.
    #[serde(default)]
    pub max_lateness: Wait,
    /// A source that brings nothing for this long is not waited for; 10 s by default. One that holds records back and sends
    /// them together is waited for half as long again as it does so, where that is more. Of live sources only. When none
    /// brings anything, the windows that have records are closed by the clock; later ones are too where records are
    /// expected (`agent kinds completeness`). What comes for them after all goes into the next window: only records make
    /// records late.
    #[serde(default)]
    pub idle: Option<Span>,
    /// A record whose time is ahead of the clock by more than this closes no window, so that one wrong clock does not
    /// make everybody else late; 5 m by default. Of live sources only.
    #[serde(default)]
    pub max_ahead: Option<Span>,
}

/// One `--set NODE.KEY=VALUE`. The value is TOML, or a bare string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    pub node: String,
    /// Path of keys below the node; at least one.
    pub keys: Vec<String>,
    pub value: String,
}

impl Override {
    /// # Errors
    /// AG0017 when the text is not of the form.
    pub fn parse(text: &str) -> Result<Override, Diagnostic> {
        let wrong = || {
            Diagnostic::new(codes::graph::OVERRIDE, format!("`--set {text}` is not of the form NODE.KEY=VALUE"))
                .help("write it as in `--set telemetry.path=other.json`")
        };
        let (path, value) = text.split_once('=').ok_or_else(wrong)?;
        let mut parts = path.trim().split('.').map(str::to_string);
        let node = parts.next().filter(|n| !n.is_empty()).ok_or_else(wrong)?;
        let keys: Vec<String> = parts.collect();
        if keys.is_empty() || keys.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Override { node, keys, value: value.trim().to_string() })
    }
}

/// Reads a graph file and lays the overrides over it: the file as far as it can be read, and every fault of form.
///
/// # Errors
/// Syntax errors alone, or that there are no nodes: there is no file to speak of.
pub fn parse<'a>(
    source: &'a SourceFile,
    overrides: &'a [Override],
) -> Result<(GraphFile<'a>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let document = parse_toml(source)?;
    let span = document.span();
    let mut head = document.into_inner();
    let nodes = take(&mut head, "nodes");
    let mut faults = Vec::new();
    let head: Head = decode(Spanned::new(span, DeValue::Table(head)), source).unwrap_or_else(|found| {
        faults.extend(found);
        Head::default()
    });
    let nodes = nodes.map(|(_, nodes)| nodes).filter(|n| n.get_ref().as_table().is_some_and(|t| !t.is_empty()));
    let Some(nodes) = nodes else {
        faults
            .push(Diagnostic::new(codes::graph::EMPTY_GRAPH, "the graph has no nodes").help("add `[nodes.…]` tables"));
        return Err(faults);
    };
    let DeValue::Table(mut table) = nodes.into_inner() else { return Err(faults) };
    for change in overrides {
        if let Err(fault) = lay(&mut table, change, source) {
            faults.push(fault);
        }
    }
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let nodes = entries.into_iter().map(|(name, value)| node(name, value, source, &mut faults)).collect();
    let Head { name, language, max_tokens_per_run, window } = head;
    Ok((GraphFile { name, language, max_tokens_per_run, window, nodes }, faults))
}

/// One node, as far as it can be read: other nodes must not be blamed for what is wrong here.
fn node<'a>(
    name: Spanned<std::borrow::Cow<'a, str>>,
    value: Spanned<DeValue<'a>>,
    source: &SourceFile,
    faults: &mut Vec<Diagnostic>,
) -> WrittenNode<'a> {
    let (span, name) = (name.span(), name.into_inner().into_owned());
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        faults.push(
            Diagnostic::new(codes::graph::WRONG_TYPE, format!("`{name}` cannot name a node"))
                .at(source, span.clone())
                .help("use letters, digits, `_` and `-`"),
        );
    }
    let at = value.span();
    let DeValue::Table(mut config) = value.into_inner() else {
        faults.push(
            Diagnostic::new(codes::graph::WRONG_TYPE, format!("node `{name}` must be a table"))
                .at(source, span.clone())
                .help(format!("write `[nodes.{name}]` with a `kind` below it")),
        );
        let config = Spanned::new(at, DeValue::Table(DeTable::new()));
        return WrittenNode { name, span, kind: None, wiring: None, places: Vec::new(), config };
    };
    let (mut kind, mut wiring, mut places) = (DeTable::new(), DeTable::new(), Vec::new());
    for reserved in RESERVED {
        if let Some((key, value)) = take(&mut config, reserved) {
            places.push((reserved, value.span()));
            if reserved == "kind" { &mut kind } else { &mut wiring }.insert(key, value);
        }
    }
    let kind = decode::<OfKind>(Spanned::new(span.clone(), DeValue::Table(kind)), source);
    let wiring = decode(Spanned::new(span.clone(), DeValue::Table(wiring)), source);
    let kind = kind.map_err(|found| faults.extend(found)).ok().map(|of| of.kind);
    let wiring = wiring.map_err(|found| faults.extend(found)).ok();
    WrittenNode { name, span, kind, wiring, places, config: Spanned::new(at, DeValue::Table(config)) }
}

fn take<'a>(table: &mut DeTable<'a>, key: &str) -> Option<(Spanned<std::borrow::Cow<'a, str>>, Spanned<DeValue<'a>>)> {
    let found = table.keys().find(|k| k.get_ref() == key)?.clone();
    let value = table.remove(&found)?;
    Some((found, value))
}

/// Puts an override in the place of what the file says. Its spans lie on the node's name: it has no place of its own.
fn lay<'a>(nodes: &mut DeTable<'a>, change: &'a Override, source: &SourceFile) -> Result<(), Diagnostic> {
    let mut keys: Vec<_> = nodes.keys().collect();
    keys.sort_by_key(|k| k.span().start);
    let names: Vec<String> = keys.iter().map(|k| k.get_ref().to_string()).collect();
    let Some(node) = nodes.keys().find(|k| k.get_ref() == change.node.as_str()).cloned() else {
        let near = did_you_mean(&change.node, names.iter().map(String::as_str));
        return Err(Diagnostic::new(
            codes::graph::OVERRIDE,
            format!("--set names no node of the graph: `{}`", change.node),
        )
        .help(near.map_or(format!("the nodes are: {}", names.join(", ")), |n| format!("did you mean `{n}`?"))));
    };
    let span = node.span();
    let mut value = match DeValue::parse(&change.value) {
        Ok(value) => value,
        Err(_) => Spanned::new(span.clone(), DeValue::String(change.value.as_str().into())), // a bare word is a string
    };
    relocate(&mut value, &span);
    let mut place = nodes.get_mut(&node);
    for key in change.keys.iter() {
        let Some(DeValue::Table(table)) = place.map(Spanned::get_mut) else {
            let path = change.keys.join(".");
            return Err(Diagnostic::new(
                codes::graph::OVERRIDE,
                format!("`{path}` of node `{}` is no table", change.node),
            )
            .at(source, span));
        };
        let key = match table.keys().find(|k| k.get_ref() == key.as_str()) {
            Some(key) => key.clone(),
            None => Spanned::new(span.clone(), key.clone().into()),
        };
        let empty = || Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
        place = Some(table.entry(key).or_insert_with(empty));
    }
    if let Some(place) = place {
        *place = value;
    }
    Ok(())
}

/// Gives a value and everything inside it one span.
fn relocate(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) {
    let mut inner = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
    match &mut inner {
        DeValue::Array(items) => items.iter_mut().for_each(|item| relocate(item, span)),
        DeValue::Table(table) => {
            for (key, mut entry) in std::mem::take(table) {
                relocate(&mut entry, span);
                table.insert(Spanned::new(span.clone(), key.into_inner()), entry);
            }
        }
        _ => {}
    }
    *value = Spanned::new(span.clone(), inner);
}

/// Name and kind of each node, as far as the file can be read at all.
pub fn outline(source: &SourceFile) -> Vec<(String, String)> {
    let Ok(document) = parse_toml(source) else { return Vec::new() };
    let nodes = document.get_ref().get("nodes").and_then(|nodes| nodes.get_ref().as_table());
    let mut nodes: Vec<_> = nodes.into_iter().flatten().collect();
    nodes.sort_by_key(|(name, _)| name.span().start);
    let kind = |node: &Spanned<DeValue<'_>>| Some(node.get_ref().get("kind")?.get_ref().as_str()?.to_string());
    nodes.into_iter().filter_map(|(name, node)| Some((name.get_ref().to_string(), kind(node)?))).collect()
}

/// The value of a variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The configs of the nodes of one kind: as written, or with the variables that `lookup` knows put in.
///
/// # Errors
/// What is wrong with the file or one of them.
pub fn configs_of<C: serde::de::DeserializeOwned>(
    source: &SourceFile,
    kind: &str,
    lookup: Option<Lookup<'_>>,
) -> Result<Vec<C>, Vec<Diagnostic>> {
    let (file, faults) = parse(source, &[])?;
    if !faults.is_empty() {
        return Err(faults);
    }
    let nodes = file.nodes.into_iter().filter(|n| n.kind_name() == Some(kind));
    let config = |mut node: WrittenNode<'_>| {
        let faults = lookup.map(|lookup| interpolate(&mut node.config, source, lookup).1).unwrap_or_default();
        if faults.is_empty() { decode(node.config, source) } else { Err(faults) }
    };
    nodes.map(config).collect()
}
