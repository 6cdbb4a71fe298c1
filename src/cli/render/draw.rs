//! Pictures of a graph, from a structure that knows no graph file and no plan: Mermaid, DOT and plain text.

mod ascii;

use std::fmt::Write as _;

use super::safe;

pub use ascii::ascii;

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drawing {
    pub name: String,
    pub nodes: Vec<DrawnNode>,
    /// From, to (indices into `nodes`; others are not drawn), and the port that the edge fills.
    pub edges: Vec<(usize, usize, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnNode {
    pub name: String,
    pub kind: String,
    pub role: DrawnRole,
    /// Runs once per item of a list.
    pub each: bool,
}

/// Gives a node its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrawnRole {
    Source,
    Fold,
    Sink,
    Task,
}

impl DrawnNode {
    /// The second line of a node: its kind, and that it runs per item.
    fn kind_line(&self) -> String {
        format!("{}{}", safe(&self.kind), if self.each { " (each)" } else { "" })
    }
}

impl Drawing {
    fn edges(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let count = self.nodes.len();
        self.edges
            .iter()
            .filter(move |(from, to, _)| *from < count && *to < count)
            .map(|(f, t, port)| (*f, *t, &**port))
    }
}

/// A Mermaid flowchart, as GitHub and GitLab draw it.
pub fn mermaid(drawing: &Drawing) -> String {
    let mut text = format!("---\ntitle: \"{}\"\n---\nflowchart TD\n", yaml(&drawing.name));
    for (index, node) in drawing.nodes.iter().enumerate() {
        let (open, close) = match node.role {
            DrawnRole::Source => ("([", "])"),
            DrawnRole::Fold => ("[[", "]]"),
            DrawnRole::Sink => ("[(", ")]"),
            DrawnRole::Task => ("[", "]"),
        };
        let label = format!("{}<br/>{}", entities(&safe(&node.name)), entities(&node.kind_line()));
        let _ = writeln!(text, "    n{index}{open}\"{label}\"{close}"); // writing to a string does not fail
    }
    for (from, to, port) in drawing.edges() {
        let label = if port.is_empty() { String::new() } else { format!("|\"{}\"|", entities(&safe(port))) };
        let _ = writeln!(text, "    n{from} -->{label} n{to}");
    }
    text
}

/// Graphviz DOT.
pub fn dot(drawing: &Drawing) -> String {
    let mut text = format!("digraph \"{}\" {{\n    node [shape=box];\n", quoted(&drawing.name));
    for (index, node) in drawing.nodes.iter().enumerate() {
        let shape = match node.role {
            DrawnRole::Source => ", shape=oval",
            DrawnRole::Fold => ", peripheries=2",
            DrawnRole::Sink => ", shape=cylinder",
            DrawnRole::Task => "",
        };
        let _ =
            writeln!(text, "    n{index} [label=\"{}\\n{}\"{shape}];", quoted(&node.name), quoted(&node.kind_line()));
    }
    for (from, to, port) in drawing.edges() {
        let _ = writeln!(text, "    n{from} -> n{to} [label=\"{}\"];", quoted(port));
    }
    text.push_str("}\n");
    text
}

/// Text inside the quotes of a Mermaid label: whatever could end it or be read as markup becomes a character code.
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' | '|' | '[' | ']' | '{' | '}' | '%') {
            let _ = write!(escaped, "#{};", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Text inside a double-quoted scalar of YAML.
fn yaml(text: &str) -> String {
    safe(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Text inside a quoted identifier of DOT, taken literally.
fn quoted(text: &str) -> String {
    safe(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests;
