//! The list of node kinds and the manual of one.

use std::fmt::Write;

use schemars::SchemaGenerator;
use serde_json::Value;

use super::Style;
use super::text::{grid, keep_whole, print, space};
use crate::graph::{Type, kind_schema, ports};
use crate::node::{Kind, Role};

/// All kinds: name, role and the first sentence of the manual, which wraps.
pub fn list(kinds: &[&'static Kind], style: Style) -> String {
    let mut table = grid(style.columns());
    table.set_header(["kind", "role", "what it does"]);
    for kind in kinds {
        table.add_row([kind.name, role(kind.role), &first_sentence(&manual(&kind_schema(kind).to_value()))]);
    }
    space(&mut table);
    keep_whole(&mut table, 0..2);
    print(&table, 0, style, |_| None)
}

/// The manual of a kind: what it does, its inputs, its output, its keys.
pub fn page(kind: &'static Kind) -> String {
    let schema = kind_schema(kind).to_value();
    let mut generator = SchemaGenerator::default();
    let mut page = format!("{} ({})\n\n{}\n", kind.name, role(kind.role), manual(&schema));
    let ports = ports(kind, &mut generator);
    if !ports.is_empty() {
        page.push_str("\nInputs\n");
        for port in &ports {
            let optional = if port.required { "" } else { " (optional)" };
            let _ = writeln!(page, "  {}: {}{optional}", port.name, port.ty);
        }
    }
    page.push_str("\nOutput\n");
    match kind.output {
        None => page.push_str("  a stream of records\n"),
        Some(output) => {
            let ty = Type::of(output(&mut generator));
            let _ = writeln!(page, "  {ty}");
            for field in ty.fields(&generator) {
                if let Some(of) = ty.field(&field, &generator) {
                    let _ = writeln!(page, "    .{field}: {of}");
                }
            }
        }
    }
    let own = (kind.config)(&mut generator).to_value();
    let is_own = |key: &str| own.get("properties").is_some_and(|p| p.get(key).is_some());
    for (heading, whose) in [("Keys", true), ("Keys of every task", false)] {
        let mut lines = String::new();
        keys(&schema, "", &|key| is_own(key) == whose && !matches!(key, "kind" | "inputs"), &mut lines);
        if !lines.is_empty() {
            let _ = write!(page, "\n{heading}\n{lines}");
        }
    }
    page
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Fold => "fold",
        Role::Sink => "sink",
        Role::Task => "task",
    }
}

/// The doc comment of the kind's config, which its schema carries.
fn manual(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_string()
}

fn first_sentence(manual: &str) -> String {
    let paragraph: Vec<&str> = manual.lines().take_while(|line| !line.trim().is_empty()).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => paragraph,
    }
}

/// A line for each key of a table and of the tables in it: name, whether it is needed, what it means.
fn keys(schema: &Value, prefix: &str, wanted: &dyn Fn(&str) -> bool, lines: &mut String) {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if !wanted(key) {
            continue;
        }
        let is_table = property.get("properties").is_some();
        let need = match (required.contains(&key.as_str()), property.get("default")) {
            (true, _) => " (required)".to_string(),
            // The default of a table is told by its keys.
            (false, Some(default)) if !default.is_null() && !is_table => format!(" (default {default})"),
            (false, _) => String::new(),
        };
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        let _ = writeln!(lines, "  {prefix}{key}{need}: {about}");
        for (word, meaning) in words(property) {
            let _ = writeln!(lines, "    \"{word}\": {meaning}");
        }
        if is_table {
            keys(property, &format!("{prefix}{key}."), &|_| true, lines);
        }
    }
}

/// The words that a key takes, where each has a meaning of its own.
fn words(property: &Value) -> Vec<(&str, &str)> {
    let choices = property.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let word = |choice| {
        let choice: &Value = choice;
        Some((choice.get("const")?.as_str()?, choice.get("description")?.as_str()?))
    };
    choices.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_where_it_ends() {
        let check = |manual: &str, first: &str| assert_eq!(first_sentence(manual), first);
        check("One.", "One.");
        check("One a\nline. Two.\n\nThree.", "One a line.");
        check("It is\n\n- a list", "It is");
        check("Reads v1.2 files. More.", "Reads v1.2 files.");
        check("", "");
    }
}
