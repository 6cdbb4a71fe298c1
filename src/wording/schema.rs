//! The schema of what a model is asked for: in full for the check here, reduced to what every endpoint takes for the
//! request.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

// How long a sentence may be depends on the planned one; the schema does not say. Requests carry this description.
/// What a model is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// What to do, on which target and with which parameters. Slots instead of figures.
    #[schemars(length(min = 1))]
    pub action: String,
    /// What it should bring, with its assumption. Slots instead of figures.
    #[schemars(length(min = 1))]
    pub benefit_estimate: String,
}

/// The schema that requests carry: [`portable`] of [`Wording`]'s.
pub fn wording_schema() -> Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| portable(schemars::schema_for!(Wording).as_value()));
    SCHEMA.clone()
}

/// What of a reply does not fit the full schema, as sentences. Empty when it fits.
pub fn misfits(reply: &Value) -> Vec<String> {
    static FULL: LazyLock<Option<jsonschema::Validator>> =
        LazyLock::new(|| jsonschema::validator_for(schemars::schema_for!(Wording).as_value()).ok());
    match FULL.as_ref() {
        Some(validator) => validator.iter_errors(reply).map(|error| misfit(&error)).collect(),
        None => vec!["the schema of the answer cannot be checked".to_string()], // a test checks that it can
    }
}

fn misfit(error: &jsonschema::ValidationError<'_>) -> String {
    let place = match error.instance_path().to_string() {
        path if path.is_empty() => "the answer".to_string(),
        path => format!("`{}`", path.trim_start_matches('/')),
    };
    // Without the value itself, which is as long as the model pleased.
    format!("{place} does not fit the schema: {}", error.masked())
}

/// A JSON Schema reduced to what all endpoints accept: every object closed and all its properties required,
/// references inlined, and no keyword beyond the structural ones (no lengths, formats, titles, `$schema`). It accepts
/// all that the schema itself accepts with all properties present.
pub fn portable(schema: &Value) -> Value {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    reduce(schema, definitions, 16) // schemas nest less deeply than this unless they refer to themselves
}

fn reduce(schema: &Value, definitions: &Map<String, Value>, depth: usize) -> Value {
    let Some(deeper) = depth.checked_sub(1) else { return json!({}) };
    let Some(schema) = schema.as_object() else { return json!({}) };
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| definitions.get(r.strip_prefix("#/$defs/")?));
    if let Some(target) = target {
        return reduce(target, definitions, deeper);
    }
    let mut reduced = Map::new();
    for keyword in ["type", "enum", "description"] {
        if let Some(value) = schema.get(keyword) {
            reduced.insert(keyword.into(), value.clone());
        }
    }
    if let Some(value) = schema.get("const") {
        reduced.insert("enum".into(), json!([value]));
    }
    if let Some(items) = schema.get("items") {
        reduced.insert("items".into(), reduce(items, definitions, deeper));
    }
    if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        reduced.insert("anyOf".into(), choices.iter().map(|choice| reduce(choice, definitions, deeper)).collect());
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        reduced.insert("required".into(), properties.keys().cloned().collect());
        let properties = properties.iter().map(|(name, p)| (name.clone(), reduce(p, definitions, deeper)));
        reduced.insert("properties".into(), Value::Object(properties.collect()));
        reduced.insert("additionalProperties".into(), false.into());
    }
    Value::Object(reduced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Recommendation, Report, RunRecord};

    #[test]
    fn the_schema_of_a_request_is_small_and_exact() {
        let mut schema = wording_schema();
        for field in ["action", "benefit_estimate"] {
            let description = schema["properties"][field].as_object_mut().unwrap().remove("description");
            assert!(description.is_some_and(|d| d.as_str().unwrap().contains("Slots")));
        }
        schema.as_object_mut().unwrap().remove("description");
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": { "action": { "type": "string" }, "benefit_estimate": { "type": "string" } },
                "required": ["action", "benefit_estimate"],
                "additionalProperties": false,
            })
        );
    }

    /// Walks schemas only, not maps of names: a property may be called `title`.
    fn assert_portable(schema: &Value) {
        for (keyword, value) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "type" | "enum" | "description" | "required" => {}
                "additionalProperties" => assert_eq!(value, false),
                "items" => assert_portable(value),
                "anyOf" => value.as_array().unwrap().iter().for_each(assert_portable),
                "properties" => {
                    let properties = value.as_object().unwrap();
                    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                    assert_eq!(schema["required"], json!(names));
                    assert_eq!(schema["additionalProperties"], false);
                    properties.values().for_each(assert_portable);
                }
                other => panic!("`{other}` in {schema}"),
            }
        }
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Recursive {
        title: Option<u32>,
        format: Option<Box<Recursive>>,
    }

    #[test]
    fn every_type_reduces_to_the_portable_subset() {
        for schema in [
            schemars::schema_for!(Wording),
            schemars::schema_for!(Recommendation),
            schemars::schema_for!(Report),
            schemars::schema_for!(RunRecord),
            schemars::schema_for!(Recursive),
        ] {
            assert_portable(&portable(schema.as_value()));
        }
        let recursive = portable(schemars::schema_for!(Recursive).as_value());
        assert_eq!(recursive["required"], json!(["format", "title"]));
    }

    #[test]
    fn the_full_schema_is_checked_here() {
        let check = |reply: Value, misfit: &str| {
            let found = misfits(&reply).join("; ");
            assert!(if misfit.is_empty() { found.is_empty() } else { found.contains(misfit) }, "{reply}: {found}");
        };
        check(json!({ "action": "x", "benefit_estimate": "é".repeat(4000) }), "");
        check(json!({ "action": "", "benefit_estimate": "x" }), "`action` does not fit");
        check(json!({ "action": "x" }), "benefit_estimate");
        check(json!({ "action": ["x"], "benefit_estimate": "x" }), "`action` does not fit");
        check(json!({ "action": "x", "benefit_estimate": "x", "target": "db" }), "target");
        check(json!(["x"]), "the answer does not fit");
    }
}
