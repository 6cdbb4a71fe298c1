//! What the kinds say of themselves: their ports, their config's schema, and the schema of graph files, with which
//! editors complete and check them.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::file::{Head, Wiring};
use super::types::Type;
use crate::node::{Kind, Role};

/// A port of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    pub name: String,
    pub ty: Type,
    pub required: bool,
}

/// The ports of a kind, in the order of its input type.
pub fn ports(kind: &Kind, generator: &mut SchemaGenerator) -> Vec<Port> {
    if let Some(name) = kind.stream_port {
        return vec![Port { name: name.to_string(), ty: Type::Stream, required: true }];
    }
    let Some(input) = kind.input else { return Vec::new() };
    let schema = input(generator);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| {
            let schema = Schema::try_from(property.clone()).ok()?;
            Some(Port { name: name.clone(), ty: Type::of(schema), required: required.contains(&name.as_str()) })
        })
        .collect()
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator()
}

/// JSON Schema of one node of this kind: the keys that every node has and the kind's own.
pub fn kind_schema(kind: &Kind) -> Schema {
    let mut generator = generator();
    let mut schema = (kind.config)(&mut generator);
    let mut wiring = generator.subschema_for::<Wiring>();
    let mut properties = object(&mut wiring, "properties");
    properties.extend(object(&mut schema, "properties"));
    properties.insert("kind".into(), json!({ "const": kind.name }));
    let mut required = vec![json!("kind")];
    if let Some(Value::Array(more)) = schema.get("required") {
        required.extend(more.iter().cloned());
    }
    if kind.role != Role::Task {
        for key in ["each", "timeout", "retry", "on_error"] {
            properties.remove(key);
        }
    }
    if let (false, Some(on_error)) = (kind.has_fallback, properties.get_mut("on_error")) {
        drop_choice(on_error, "fallback");
    }
    // Port names, so that an editor completes them; their types are the compiler's to prove.
    let inputs = properties.remove("inputs");
    let ports = ports(kind, &mut generator);
    if let (false, Some(Value::Object(mut inputs))) = (ports.is_empty(), inputs) {
        let reference = inputs.remove("additionalProperties").unwrap_or_default();
        let named: Map<String, Value> = ports.iter().map(|p| (p.name.clone(), reference.clone())).collect();
        let needed: Vec<&str> = ports.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        inputs.insert("additionalProperties".into(), json!(false));
        inputs.insert("properties".into(), Value::Object(named));
        inputs.insert("required".into(), json!(needed));
        properties.insert("inputs".into(), Value::Object(inputs));
        if !needed.is_empty() {
            required.push(json!("inputs"));
        }
    }
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), Value::Array(required));
    schema.insert("type".into(), json!("object"));
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

/// JSON Schema of graph files.
pub fn file_schema(kinds: &[&'static Kind]) -> Schema {
    let mut schema = generator().into_root_schema_for::<Head>();
    let nodes: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            json!({
                "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] },
                "then": kind_schema(kind).to_value(),
            })
        })
        .collect();
    let names: Vec<&str> = kinds.iter().map(|k| k.name).collect();
    let node = json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "enum": names } },
        "allOf": nodes,
    });
    let mut properties = object(&mut schema, "properties");
    properties.insert(
        "nodes".into(),
        json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]+$" },
            "additionalProperties": node,
        }),
    );
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), json!(["nodes"]));
    schema.insert("title".into(), json!("Graph file of agent"));
    schema
}

/// Takes a value out of an enum, however its schema is written.
fn drop_choice(schema: &mut Value, choice: &str) {
    for list in ["oneOf", "anyOf", "enum"] {
        if let Some(Value::Array(choices)) = schema.get_mut(list) {
            choices.retain(|c| c != choice && c.get("const").is_none_or(|c| c != choice));
        }
    }
}

fn object(schema: &mut Schema, key: &str) -> Map<String, Value> {
    match schema.remove(key) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
