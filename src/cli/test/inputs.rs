//! Files of telemetry in the place of a graph's sources: read as the graph would read them, whatever the source.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::Case;
use super::stage::{Faults, Graph, source_of};
use crate::diagnostic::SourceFile;
use crate::graph::{Compiled, Override, configs_of};
use crate::io::decode::Schema;
use crate::io::ingest::file::{Config, IngestFile};
use crate::node::{AnySource, Assets, Source};
use crate::port::Files;

/// What a source that is no file says of how its records are to be read.
#[derive(Default, Deserialize)]
struct Reading {
    #[serde(default)]
    schema: Schema,
}

/// The files that the test names, by source.
///
/// # Errors
/// A source that does not exist, or that cannot be read from a file.
pub fn files(
    case: &Case<'_>,
    graph: &Graph<'_>,
    compiled: &Compiled,
) -> Result<BTreeMap<usize, Box<dyn AnySource>>, Faults> {
    let Some(inputs) = &case.test().input else { return Ok(BTreeMap::new()) };
    let plan = &compiled.plan;
    let mut files: BTreeMap<usize, Box<dyn AnySource>> = BTreeMap::new();
    let mut overrides = Vec::new();
    for (named, path) in &inputs.get_ref().0 {
        let named = named.as_deref().map(|name| (name, inputs.span()));
        let node = source_of(case, plan, named, inputs.span()).map_err(|fault| vec![fault])?;
        let Some(planned) = plan.nodes.get(node) else { continue };
        let located = case.locate(path);
        if planned.kind.name == IngestFile::KIND {
            let absolute = std::path::absolute(&located).map_or(located, |path| path.to_string_lossy().into_owned());
            // A TOML basic string, in which a literal `${` must not be taken for a variable.
            let quoted = serde_json::to_string(&absolute.replace("${", "$${")).unwrap_or_default(); // a string always serialises
            let set = |key: &str, value| Override {
                node: planned.name.clone(),
                adds: false,
                keys: vec![key.to_string()],
                value,
            };
            overrides.extend([set("path", quoted), set("follow", "false".to_string())]);
            continue;
        }
        // Of several nodes of a kind, configs come in the order of the nodes.
        let before = plan.nodes.iter().take(node).filter(|other| other.kind.name == planned.kind.name).count();
        let reading = configs_of::<Reading>(graph.source(), planned.kind.name, None)?.into_iter().nth(before);
        let wrong = |why: String| vec![case.fault(inputs.span(), format!("cannot read `{located}`: {why}"))];
        let config = serde_json::from_value::<Config>(json!({ "path": located }));
        let config = Config { schema: reading.unwrap_or_default().schema, ..config.map_err(|e| wrong(e.to_string()))? };
        let assets = Assets::new(plan.language, case.source, &AsIs);
        let file = IngestFile::new(config, &assets)?;
        files.insert(node, Box::new(file));
    }
    if !overrides.is_empty() {
        let sources = graph.compiled(&overrides)?.stream.sources;
        let named = |node: usize| plan.nodes.get(node).is_some_and(|n| overrides.iter().any(|o| o.node == n.name));
        files.extend(sources.into_iter().filter(|s| named(s.node)).map(|source| (source.node, source.source)));
    }
    Ok(files)
}

/// Paths that are located already.
struct AsIs;

impl Files for AsIs {
    fn read(&self, path: &str) -> Result<SourceFile, String> {
        Err(format!("`{path}` is no file of a graph"))
    }
}
