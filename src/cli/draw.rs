use std::path::PathBuf;

use petgraph::visit::EdgeRef;

use super::exit::{Exit, Failure};
use super::render::draw::{Drawing, DrawnNode, DrawnRole, ascii, dot, mermaid};
use super::{load, terminal};
use crate::graph::Plan;
use crate::node::Role;

/// Draw a graph: its nodes, their kinds, and what flows between them.
#[derive(Debug, clap::Args)]
pub struct DrawArguments {
    graph: PathBuf,
    /// Mermaid for Markdown, DOT for Graphviz, or text for the terminal.
    #[arg(long, value_enum, default_value_t = Format::Ascii)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Ascii,
}

pub fn draw(arguments: &DrawArguments) -> Result<Exit, Failure> {
    let source = load::read(&arguments.graph)?;
    let compiled = load::compiled(&arguments.graph, &source, &[], &load::environment()?)?;
    let drawing = drawing(&compiled.plan);
    terminal::out(&match arguments.format {
        Format::Mermaid => mermaid(&drawing),
        Format::Dot => dot(&drawing),
        Format::Ascii => ascii(&drawing),
    });
    Ok(Exit::Done)
}

fn drawing(plan: &Plan) -> Drawing {
    let nodes = plan.nodes.iter().map(|node| DrawnNode {
        name: node.name.clone(),
        kind: node.kind.name.to_string(),
        role: match node.kind.role {
            Role::Source => DrawnRole::Source,
            Role::Fold => DrawnRole::Fold,
            Role::Sink => DrawnRole::Sink,
            Role::Task => DrawnRole::Task,
        },
        each: node.each,
    });
    let edges = plan.dag.edge_references().map(|e| (e.source().index(), e.target().index(), e.weight().clone()));
    Drawing { name: plan.name.clone(), nodes: nodes.collect(), edges: edges.collect() }
}
