//! The wires of a graph: references resolved, cycles refused, and both ends of every edge of one type.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Range;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use schemars::SchemaGenerator;
use toml::Spanned;

use super::file::{OnError, OneOrMany, WrittenNode};
use super::plan::{PlanInput, Reference};
use super::schema::Port;
use super::types::Type;
use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean};
use crate::node::{Kind, Role};

/// What the compiler knows of a node before its types are.
pub struct Candidate<'w, 'a> {
    pub written: &'w WrittenNode<'a>,
    /// `None` when the kind is not known, which is reported already.
    pub kind: Option<&'static Kind>,
    pub ports: Vec<Port>,
}

/// The wired graph, as far as it could be resolved.
pub struct Wires {
    pub inputs: Vec<Vec<PlanInput>>,
    /// What others see of each node; `None` after an error upstream.
    pub outputs: Vec<Option<Type>>,
    pub dag: DiGraph<usize, String>,
}

pub struct Wiring<'w, 'a> {
    source: &'w SourceFile,
    nodes: &'w [Candidate<'w, 'a>],
    generator: &'w mut SchemaGenerator,
    faults: Vec<Diagnostic>,
    /// Nodes with a fault of their own: what they give is not known, and nothing downstream is blamed for it.
    broken: BTreeSet<usize>,
    /// Place of each reference in the file, as (node, port).
    places: BTreeMap<(usize, String), Range<usize>>,
}

/// Resolves and checks all wires.
pub fn wire<'w, 'a>(
    source: &'w SourceFile,
    nodes: &'w [Candidate<'w, 'a>],
    generator: &'w mut SchemaGenerator,
) -> (Wires, Vec<Diagnostic>) {
    let mut wiring =
        Wiring { source, nodes, generator, faults: Vec::new(), broken: BTreeSet::new(), places: BTreeMap::new() };
    let inputs: Vec<Vec<PlanInput>> = (0..nodes.len())
        .map(|node| {
            let before = wiring.faults.len();
            let inputs = wiring.resolve(node);
            if wiring.faults.len() > before || nodes[node].written.wiring.is_none() {
                wiring.broken.insert(node);
            }
            inputs
        })
        .collect();
    let mut dag = DiGraph::new();
    let at: Vec<NodeIndex> = (0..nodes.len()).map(|node| dag.add_node(node)).collect();
    for (node, ports) in inputs.iter().enumerate() {
        for input in ports {
            for reference in &input.from {
                dag.add_edge(at[reference.node], at[node], input.port.clone()); // both are indices of `nodes`
            }
        }
    }
    let mut wires = Wires { inputs, outputs: vec![None; nodes.len()], dag };
    match toposort(&wires.dag, None) {
        Err(_) => wiring.report_cycles(&wires.dag),
        Ok(order) => {
            for node in order.into_iter().map(NodeIndex::index) {
                wiring.check(node, &mut wires);
            }
        }
    }
    (wires, wiring.faults)
}

impl Wiring<'_, '_> {
    /// The references of one node. Unknown names are reported and left out.
    fn resolve(&mut self, node: usize) -> Vec<PlanInput> {
        let Candidate { written, kind, ports } = &self.nodes[node]; // an index of `nodes`
        let Some(wiring) = &written.wiring else { return Vec::new() };
        let each = wiring.each.as_ref().map(|e| e.get_ref().0.as_slice()).unwrap_or_default();
        let mut inputs = Vec::new();
        for (port, references) in &wiring.inputs {
            let from: Vec<Reference> =
                references.get_ref().0.iter().filter_map(|text| self.reference(text, references.span())).collect();
            self.places.insert((node, port.get_ref().clone()), references.span());
            let known = ports.iter().find(|p| p.name == *port.get_ref());
            match (kind, known) {
                (Some(kind), None) => self.unknown_port(kind, ports, port),
                (_, Some(known)) => self.filled(known, references, &from),
                (None, None) => {}
            }
            let each = each.contains(port.get_ref());
            if !from.is_empty() {
                inputs.push(PlanInput { port: port.get_ref().clone(), from, each, nullable: false });
            }
        }
        if let Some(spanned) = &wiring.each {
            for port in each.iter().filter(|e| !wiring.inputs.keys().any(|k| k.get_ref() == *e)) {
                self.faults.push(
                    Diagnostic::new(
                        codes::graph::UNKNOWN_PORT,
                        format!("`each` names `{port}`, which is no filled port"),
                    )
                    .at(self.source, spanned.span())
                    .help("name a port that stands in this node's `inputs`"),
                );
            }
        }
        if let Some(kind) = kind {
            self.keys_of_tasks(written, kind);
        }
        for port in ports.iter().filter(|p| p.required) {
            if !wiring.inputs.keys().any(|k| *k.get_ref() == port.name) {
                self.faults.push(
                    Diagnostic::new(
                        codes::graph::MISSING_INPUT,
                        format!("node `{}` lacks its input `{}`", written.name, port.name),
                    )
                    .at(self.source, written.span.clone())
                    .label(format!("takes {}", port.ty))
                    .help(format!("add `inputs = {{ {} = \"node\" }}`", port.name)),
                );
            }
        }
        inputs
    }

    /// A port must be filled with something, and a stream with each of its sources once.
    fn filled(&mut self, port: &Port, references: &Spanned<OneOrMany>, from: &[Reference]) {
        let name = &port.name;
        if references.get_ref().0.is_empty() {
            self.faults.push(
                Diagnostic::new(codes::graph::MISSING_INPUT, format!("the list of input `{name}` names no node"))
                    .at(self.source, references.span())
                    .label(format!("takes {}", port.ty))
                    .help(match port.required {
                        true => format!("write `{name} = \"node\"`"),
                        false => format!("write `{name} = \"node\"`, or leave it out: the port is optional"),
                    }),
            );
        }
        let twice = from.iter().enumerate().find(|(at, reference)| from.iter().take(*at).any(|r| r == *reference));
        if let (Type::Stream, Some((_, reference))) = (&port.ty, twice) {
            let source = &self.nodes[reference.node].written.name; // an index of `nodes`
            self.faults.push(
                Diagnostic::new(codes::graph::WRONG_TYPE, format!("`{name}` lists `{source}` more than once"))
                    .at(self.source, references.span())
                    .help("name each source once: its records would count once per mention"),
            );
        }
    }

    /// What the engine does only for tasks, or only for kinds with a stand-in, is refused elsewhere, not ignored.
    fn keys_of_tasks(&mut self, written: &WrittenNode<'_>, kind: &Kind) {
        let mut refuse = |key: &str, code, message: String, help: &str| {
            if let Some(place) = written.place(key) {
                self.faults.push(Diagnostic::new(code, message).at(self.source, place).help(help));
            }
        };
        if kind.role != Role::Task {
            let help =
                "delete it: sources, folds and sinks are one pass over the input, which fails or succeeds as a whole";
            refuse("each", codes::graph::UNKNOWN_PORT, "only tasks can run once per item".to_string(), help);
            for key in ["timeout", "retry", "on_error"] {
                let message = format!("`{key}` is for tasks, and `{}` is none", kind.name);
                refuse(key, codes::graph::UNKNOWN_KEY, message, help);
            }
        } else if !kind.has_fallback && written.wiring.as_ref().is_some_and(|w| w.on_error == OnError::Fallback) {
            let message = format!("`{}` has nothing to fall back to", kind.name);
            refuse("on_error", codes::graph::WRONG_TYPE, message, "write \"fail\" or \"skip\"");
        }
    }

    fn unknown_port(&mut self, kind: &Kind, ports: &[Port], port: &Spanned<String>) {
        let names = || ports.iter().map(|p| p.name.as_str());
        let help = match did_you_mean(port.get_ref(), names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if ports.is_empty() => format!("`{}` takes no inputs", kind.name),
            None => format!("its ports are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.faults.push(
            Diagnostic::new(codes::graph::UNKNOWN_PORT, format!("`{}` has no port `{}`", kind.name, port.get_ref()))
                .at(self.source, port.span())
                .help(help),
        );
    }

    fn reference(&mut self, text: &str, span: Range<usize>) -> Option<Reference> {
        // A node whose name has a dot is refused already, where it is named.
        if let Some(node) = self.nodes.iter().position(|n| n.written.name == text) {
            return Some(Reference { node, field: None });
        }
        let (name, field) = text.split_once('.').map_or((text, None), |(n, f)| (n, Some(f.to_string())));
        if let Some(node) = self.nodes.iter().position(|n| n.written.name == name) {
            return Some(Reference { node, field });
        }
        let names: Vec<&str> = self.nodes.iter().map(|n| n.written.name.as_str()).collect();
        let help = match did_you_mean(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the nodes are: {}", names.join(", ")),
        };
        self.faults.push(
            Diagnostic::new(codes::graph::UNKNOWN_NODE, format!("no node is named `{name}`"))
                .at(self.source, span)
                .help(help),
        );
        None
    }

    /// Types of one node, after those of everything upstream.
    fn check(&mut self, node: usize, wires: &mut Wires) {
        let Candidate { written, kind, ports } = &self.nodes[node]; // an index of `nodes`
        let (Some(kind), Some(wiring)) = (kind, &written.wiring) else { return };
        let mut skips_items = false;
        let mut sound = !self.broken.contains(&node);
        // `wires` has an entry for every node, and `at` runs over its inputs.
        for at in 0..wires.inputs[node].len() {
            let input = &wires.inputs[node][at];
            let Some(port) = ports.iter().find(|p| p.name == input.port) else { continue };
            let several = input.from.len() > 1;
            for reference in &input.from {
                match self.produced(node, &input.port, reference, wires) {
                    None => sound = false,
                    Some(produced) => {
                        let fits = fits(&port.ty, &produced, input.each, several);
                        skips_items |= fits == Fit::SkipsNull;
                        if fits == Fit::No {
                            sound = false;
                            self.mismatch(node, input, port, &produced, reference);
                        }
                    }
                }
            }
            wires.inputs[node][at].nullable = matches!(port.ty, Type::Nullable(_));
        }
        let output = match kind.output {
            None if kind.role == Role::Sink => Type::Nothing,
            None => Type::Stream,
            Some(schema) => Type::of(schema(self.generator)),
        };
        let skips = wiring.on_error == OnError::Skip;
        let output = match wires.inputs[node].iter().any(|i| i.each) {
            true if skips || skips_items => Type::List(Box::new(output.nullable())),
            true => Type::List(Box::new(output)),
            false if skips && kind.role == Role::Task => output.nullable(),
            false => output,
        };
        wires.outputs[node] = sound.then_some(output);
    }

    /// Type of what a reference refers to; `None` when it is wrong, here or upstream.
    fn produced(&mut self, node: usize, port: &str, reference: &Reference, wires: &Wires) -> Option<Type> {
        let whole = wires.outputs[reference.node].clone()?;
        let Some(field) = &reference.field else { return Some(whole) };
        if let Some(ty) = whole.field(field, self.generator) {
            return Some(ty);
        }
        let fields = whole.fields(self.generator);
        let help = match did_you_mean(field, fields.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if fields.is_empty() => format!("it is {whole}, which has no fields"),
            None => format!("its fields are: {}", fields.join(", ")),
        };
        let name = &self.nodes[reference.node].written.name;
        self.faults.push(
            Diagnostic::new(codes::graph::UNKNOWN_PORT, format!("the output of `{name}` has no field `{field}`"))
                .at(self.source, self.place(node, port))
                .help(help),
        );
        None
    }

    fn mismatch(&mut self, node: usize, input: &PlanInput, port: &Port, produced: &Type, reference: &Reference) {
        let producer = &self.nodes[reference.node].written;
        let takes = match (input.each, input.from.len() > 1) {
            (true, _) => format!("list of {} (because of `each`)", port.ty),
            (false, true) => format!("lists of one type, to join them as {}", port.ty),
            (false, false) => port.ty.to_string(),
        };
        let help = match produced {
            Type::List(item) if !input.each && port.ty.takes(item) => {
                format!("to run once per item, add `each = \"{}\"`", input.port)
            }
            Type::Nullable(_) if producer.wiring.as_ref().is_some_and(|w| w.on_error == OnError::Skip) => format!(
                "`{}` may be skipped (`on_error = \"skip\"`), and this port cannot do without: use \"fail\" or \"fallback\" there",
                producer.name
            ),
            _ => "refer to another node or to a field of it (`node.field`)".to_string(),
        };
        let message = format!("`{}` gives {produced}, but port `{}` takes {takes}", producer.name, input.port);
        self.faults.push(
            Diagnostic::new(codes::graph::TYPE_MISMATCH, message)
                .at(self.source, self.place(node, &input.port))
                .help(help),
        );
    }

    fn place(&self, node: usize, port: &str) -> Range<usize> {
        self.places.get(&(node, port.to_string())).cloned().unwrap_or(0..0)
    }

    fn report_cycles(&mut self, dag: &DiGraph<usize, String>) {
        for component in kosaraju_scc(dag) {
            let loops = component.len() > 1 || component.iter().any(|&n| dag.contains_edge(n, n));
            let Some(&start) = component.iter().min() else { continue };
            if !loops {
                continue;
            }
            let path = cycle_through(dag, start, &component);
            let names: Vec<&str> = path.iter().map(|n| self.nodes[n.index()].written.name.as_str()).collect();
            self.faults.push(
                Diagnostic::new(codes::graph::CYCLE, format!("the graph has a cycle: {}", names.join(" → ")))
                    .at(self.source, self.nodes[start.index()].written.span.clone())
                    .help("remove one of these edges"),
            );
        }
    }
}

#[derive(PartialEq)]
enum Fit {
    Yes,
    /// Yes, and items that are `null` are skipped.
    SkipsNull,
    No,
}

fn fits(port: &Type, produced: &Type, each: bool, several: bool) -> Fit {
    let yes = |fits: bool| if fits { Fit::Yes } else { Fit::No };
    match (produced, each) {
        (Type::List(item), true) => match item.as_ref() {
            item if port.takes(item) => Fit::Yes,
            Type::Nullable(inner) if port.takes(inner) => Fit::SkipsNull,
            _ => Fit::No,
        },
        (_, true) => Fit::No,
        (Type::List(_) | Type::Stream, false) => yes(port.takes(produced)),
        (_, false) => yes(!several && port.takes(produced)),
    }
}

/// A closed walk from `start` within its component, shortest first: breadth-first search back to the start.
fn cycle_through(dag: &DiGraph<usize, String>, start: NodeIndex, component: &[NodeIndex]) -> Vec<NodeIndex> {
    let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = dag.neighbors(node).filter(|n| component.contains(n)).collect();
        next.sort();
        for neighbour in next {
            if neighbour == start {
                let mut path = vec![start, node];
                while let Some(&last) = path.last()
                    && last != start
                    && let Some(&before) = came_from.get(&last)
                {
                    path.push(before);
                }
                if path.last() != Some(&start) {
                    path.push(start);
                }
                path.reverse();
                return path;
            }
            if let Entry::Vacant(unseen) = came_from.entry(neighbour) {
                unseen.insert(node);
                queue.push_back(neighbour);
            }
        }
    }
    vec![start, start]
}
