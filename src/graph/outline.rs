//! What a graph file says before it is compiled, for those who ask about a part of it.

use toml::Spanned;
use toml::de::DeValue;

use super::file::{Override, WrittenNode, parse};
use super::interpolate::interpolate;
use crate::diagnostic::{Diagnostic, SourceFile, decode, parse_toml};
use crate::domain::Language;

/// Name and kind of each node, as far as the file can be read at all.
pub fn outline(source: &SourceFile) -> Vec<(String, String)> {
    let Ok(document) = parse_toml(source) else { return Vec::new() };
    let nodes = document.get_ref().get("nodes").and_then(|nodes| nodes.get_ref().as_table());
    let mut nodes: Vec<_> = nodes.into_iter().flatten().collect();
    nodes.sort_by_key(|(name, _)| name.span().start);
    let kind = |node: &Spanned<DeValue<'_>>| Some(node.get_ref().get("kind")?.get_ref().as_str()?.to_string());
    nodes.into_iter().filter_map(|(name, node)| Some((name.get_ref().to_string(), kind(node)?))).collect()
}

/// The language that a graph file names, as far as it can be read.
pub fn language_of(source: &SourceFile) -> Language {
    parse(source, &[]).map(|(file, _)| file.language).unwrap_or_default()
}

/// Of each node of one kind what its `port` is wired to and what its `key` says, as written; those that lack either are
/// left out.
pub fn wired_so(source: &SourceFile, overrides: &[Override], kind: &str, port: &str, key: &str) -> Vec<WiredSo> {
    let Ok((file, _)) = parse(source, overrides) else { return Vec::new() };
    let of = |node: &WrittenNode<'_>| {
        let inputs = &node.wiring.as_ref()?.inputs;
        let (_, from) = inputs.iter().find(|(name, _)| name.get_ref() == port)?;
        let value = node.config.get_ref().get(key)?.get_ref().as_str()?.to_string();
        Some(WiredSo { from: from.get_ref().0.clone(), value })
    };
    file.nodes.iter().filter(|node| node.kind_name() == Some(kind)).filter_map(of).collect()
}

/// What one port and one key of a node say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WiredSo {
    pub from: Vec<String>,
    pub value: String,
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
