//! What a graph file compiles to: names resolved, types proved, nodes built. Nothing downstream checks again.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::DiGraph;

use super::file::{OnError, Windowing};
use super::types::Type;
use crate::diagnostic::SourceFile;
use crate::domain::Language;
use crate::node::{AnyFold, AnySink, AnySource, AnyTask, Kind, Role, Wanted};

/// The whole of a compiled graph: the task part, shared and unchanging, and the stream part, which has state.
pub struct Compiled {
    pub plan: Plan,
    pub stream: Stream,
}

/// The graph of typed nodes. Nodes are dense indices, in the order of the file.
pub struct Plan {
    pub name: String,
    pub language: Language,
    /// What a model may take in a run. Not part of the fingerprint: it decides whom a model words, and nothing else.
    pub max_tokens_per_run: Option<u64>,
    /// `None`: the whole input is one window.
    pub window: Option<Windowing>,
    pub nodes: Vec<PlanNode>,
    /// The same nodes; an edge is the port that it ends in.
    pub dag: DiGraph<usize, String>,
    /// Over the nodes' fingerprints.
    pub fingerprint: String,
    /// The graph file as it was compiled.
    pub source: SourceFile,
    /// Of `nodes`, by name: events name their nodes, and every event is looked up.
    pub(super) by_name: HashMap<String, usize>,
}

pub struct PlanNode {
    pub name: String,
    pub kind: &'static Kind,
    pub inputs: Vec<PlanInput>,
    /// Whether it runs once per item of the inputs marked `each`.
    pub each: bool,
    pub timeout: Option<Duration>,
    pub retry: u32,
    pub on_error: OnError,
    /// Type of what others see: a list, of a node with `each`.
    pub output: Type,
    /// Over the kind's version, the config as written, the wires, the language, and the bytes of the assets.
    pub fingerprint: String,
    /// The same without the assets: two of one config that differ in `fingerprint` differ in a file.
    pub config: String,
    /// The files that it was built from: rules, playbook, prompt.
    pub assets: Vec<SourceFile>,
    /// The built task; `None` for what lives in [`Stream`].
    pub task: Option<Arc<dyn AnyTask>>,
}

/// One filled port.
pub struct PlanInput {
    pub port: String,
    /// Several are lists, joined in order.
    pub from: Vec<Reference>,
    /// Taken item by item.
    pub each: bool,
    /// Whether the port takes `null`. An item of `each` that is `null` skips the run of a port that does not.
    pub nullable: bool,
}

/// `node` or `node.field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub node: usize,
    pub field: Option<String>,
}

/// Sources, and the folds and sinks that share their pass.
pub struct Stream {
    pub sources: Vec<StreamSource>,
    pub folds: Vec<StreamFold>,
    pub sinks: Vec<StreamSink>,
}

impl Stream {
    /// The fields of this source that anybody reads; `None` where nobody listens to it.
    pub fn wanted(&self, source: usize) -> Option<Wanted> {
        let folds = self.folds.iter().filter(|fold| fold.sources.contains(&source)).map(|fold| fold.fold.wants());
        let sinks = self.sinks.iter().filter(|sink| sink.sources.contains(&source)).map(|sink| sink.sink.wants());
        folds.chain(sinks).reduce(|mut all, more| {
            all.join(more);
            all
        })
    }
}

pub struct StreamSource {
    pub node: usize,
    pub source: Box<dyn AnySource>,
}

pub struct StreamFold {
    pub node: usize,
    pub fold: Box<dyn AnyFold>,
    /// The sources' nodes that it listens to.
    pub sources: Vec<usize>,
}

pub struct StreamSink {
    pub node: usize,
    pub sink: Box<dyn AnySink>,
    /// The sources' nodes that it listens to.
    pub sources: Vec<usize>,
}

impl Plan {
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The port and the node that a node follows: its one port that is taken item by item, if that is the whole list of
    /// another node with `each`. Then its items are known as soon as the other's are, one by one.
    pub fn followed(&self, node: usize) -> Option<(&PlanInput, usize)> {
        let mut taken = self.nodes.get(node)?.inputs.iter().filter(|port| port.each);
        let (port, None) = (taken.next()?, taken.next()) else { return None };
        let [Reference { node: producer, field: None }] = port.from[..] else { return None };
        self.nodes.get(producer)?.each.then_some((port, producer))
    }

    /// Nodes whose output is a `T`: the very type, whatever else has its name. Where one may be skipped, it may be `null`.
    pub fn yielding<T: 'static>(&self) -> impl Iterator<Item = usize> + '_ {
        let of_type = |n: &PlanNode| !n.each && n.kind.output_type.is_some_and(|of| of() == TypeId::of::<T>());
        self.nodes.iter().enumerate().filter(move |(_, n)| of_type(n)).map(|(i, _)| i)
    }

    pub fn of_role(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().enumerate().filter(move |(_, n)| n.kind.role == role).map(|(i, _)| i)
    }
}
