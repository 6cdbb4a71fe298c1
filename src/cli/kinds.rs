use std::fmt::Write;

use schemars::SchemaGenerator;
use serde_json::Value;

use super::exit::{Exit, Failure};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::graph::{Type, kind_schema, ports};
use crate::node::{Kind, Role};

/// List the node kinds, or print the manual of one: what it does, its keys, its inputs and its output.
#[derive(Debug, clap::Args)]
pub struct KindsArguments {
    name: Option<String>,
}

pub fn kinds(arguments: &KindsArguments) -> Result<Exit, Failure> {
    let kinds = load::kinds();
    let Some(name) = &arguments.name else {
        let widest = kinds.iter().map(|k| k.name.len()).max().unwrap_or(0);
        for kind in &kinds {
            let manual = manual(kind);
            let first = manual.lines().next().unwrap_or_default();
            terminal::out(&format!("{:widest$}  {:6}  {first}\n", kind.name, role(kind.role)));
        }
        return Ok(Exit::Done);
    };
    let kind = find(&kinds, name)?;
    terminal::out(&page(kind));
    Ok(Exit::Done)
}

/// A kind by name.
///
/// # Errors
/// Exit 2: there is none.
pub fn find(kinds: &[&'static Kind], name: &str) -> Result<&'static Kind, Failure> {
    kinds.iter().find(|k| k.name == name).copied().ok_or_else(|| {
        let near = did_you_mean(name, kinds.iter().map(|k| k.name));
        let help = near.map_or("`agent kinds` lists them".to_string(), |n| format!("did you mean `{n}`?"));
        Failure::usage(
            Diagnostic::new(codes::graph::UNKNOWN_KIND, format!("no node kind is named `{name}`")).help(help),
        )
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Fold => "fold",
        Role::Task => "task",
    }
}

/// The manual: the doc comment of the kind's config, which its schema carries.
fn manual(kind: &Kind) -> String {
    let schema = kind_schema(kind);
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_string()
}

fn page(kind: &Kind) -> String {
    let mut generator = SchemaGenerator::default();
    let mut page = format!("{} ({})\n\n{}\n", kind.name, role(kind.role), manual(kind));
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
    page.push_str("\nKeys\n");
    let schema = (kind.config)(&mut generator);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        let need = match (required.contains(&key.as_str()), property.get("default")) {
            (true, _) => " (required)".to_string(),
            (false, Some(default)) if !default.is_null() => format!(" (default {default})"),
            (false, _) => String::new(),
        };
        let _ = writeln!(page, "  {key}{need}: {about}");
    }
    if kind.role == Role::Task {
        page.push_str("  each, timeout, retry, on_error: as for every task, see README.md\n");
    }
    page
}
