//! Types of ports and outputs, read off their JSON Schemas.
//!
//! One generator serves a whole compile, so that a named Rust type is one `$ref` wherever it occurs and two types of
//! one name get two.

use std::fmt;

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// The type of a value on an edge.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Batches of records; never a JSON value.
    Stream,
    /// What a sink gives: no port takes it.
    Nothing,
    List(Box<Type>),
    /// May be `null`: optional, or skipped.
    Nullable(Box<Type>),
    /// Anything else, by its schema without annotations; a named type is its `$ref`.
    Plain(Value),
}

impl Type {
    pub fn of(schema: Schema) -> Type {
        let mut schema = schema;
        Strip.transform(&mut schema);
        Type::read(schema.to_value())
    }

    fn read(schema: Value) -> Type {
        let Value::Object(object) = schema else { return Type::Plain(schema) };
        if let Some(Value::Array(choices)) = object.get("anyOf")
            && object.len() == 1
            && let [inner, null] = choices.as_slice()
            && null.get("type").and_then(Value::as_str) == Some("null")
        {
            return Type::read(inner.clone()).nullable();
        }
        if let Some(Value::Array(names)) = object.get("type")
            && let [inner, null] = names.as_slice()
            && null == "null"
        {
            let mut bare = object.clone();
            bare.insert("type".into(), inner.clone());
            return Type::read(Value::Object(bare)).nullable();
        }
        if object.get("type").and_then(Value::as_str) == Some("array")
            && let Some(items) = object.get("items")
        {
            return Type::List(Box::new(Type::read(items.clone())));
        }
        Type::Plain(Value::Object(object))
    }

    pub fn nullable(self) -> Type {
        match self {
            Type::Nullable(_) => self,
            other => Type::Nullable(Box::new(other)),
        }
    }

    /// Whether a port of this type takes a value of type `produced`: they are equal, or the port is optional where
    /// the value is not.
    pub fn takes(&self, produced: &Type) -> bool {
        match (self, produced) {
            (Type::Nullable(port), Type::Nullable(value)) => port.takes(value),
            (Type::Nullable(port), value) => port.takes(value),
            (Type::List(port), Type::List(value)) => port.takes(value),
            (Type::Nothing, _) | (_, Type::Nothing) => false,
            (port, value) => port == value,
        }
    }

    /// Type of a field of an object type, `None` where it has none of that name.
    pub fn field(&self, name: &str, generator: &SchemaGenerator) -> Option<Type> {
        match self {
            Type::Nullable(inner) => inner.field(name, generator).map(Type::nullable),
            Type::Plain(schema) => {
                let properties = properties(schema, generator)?;
                Some(Type::of(Schema::try_from(properties.get(name)?.clone()).ok()?))
            }
            Type::Stream | Type::Nothing | Type::List(_) => None,
        }
    }

    /// Names of the fields of an object type.
    pub fn fields(&self, generator: &SchemaGenerator) -> Vec<String> {
        match self {
            Type::Nullable(inner) => inner.fields(generator),
            Type::Plain(schema) => {
                properties(schema, generator).map(|p| p.keys().cloned().collect()).unwrap_or_default()
            }
            Type::Stream | Type::Nothing | Type::List(_) => Vec::new(),
        }
    }

    /// Name of the Rust type behind a named type.
    pub fn name(&self) -> Option<&str> {
        match self {
            Type::Plain(schema) => schema.get("$ref")?.as_str()?.rsplit('/').next(),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Stream => write!(f, "a stream of records"),
            Type::Nothing => write!(f, "nothing (it only writes)"),
            // An item may be null, the list itself may not.
            Type::List(inner) if matches!(**inner, Type::Nullable(_)) => write!(f, "list of ({inner})"),
            Type::List(inner) => write!(f, "list of {inner}"),
            Type::Nullable(inner) => write!(f, "{inner} or null"),
            Type::Plain(schema) => match (self.name(), schema.get("type").and_then(Value::as_str)) {
                (Some(name), _) => write!(f, "{name}"),
                (None, Some(name)) => write!(f, "{name}"),
                (None, None) => write!(f, "any value"),
            },
        }
    }
}

fn properties<'a>(schema: &'a Value, generator: &'a SchemaGenerator) -> Option<&'a Map<String, Value>> {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => generator.definitions().get(reference.rsplit('/').next()?)?,
        None => schema,
    };
    schema.get("properties")?.as_object()
}

/// Removes annotations. By way of `transform_subschemas`, since a property may be *named* `title`.
struct Strip;

impl Transform for Strip {
    fn transform(&mut self, schema: &mut Schema) {
        for annotation in ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"] {
            schema.remove(annotation);
        }
        transform_subschemas(self, schema);
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Outer {
        /// A described field.
        inner: Vec<Inner>,
        title: Option<f64>,
        maybe: Option<Inner>,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Inner {
        a: u32,
    }

    #[test]
    fn types_are_read_off_schemas_and_compared() {
        let mut generator = SchemaGenerator::default();
        let mut of = |schema: fn(&mut SchemaGenerator) -> Schema| Type::of(schema(&mut generator));
        let outer = of(|g| g.subschema_for::<Outer>());
        let inner = of(|g| g.subschema_for::<Inner>());
        let inners = of(|g| g.subschema_for::<Vec<Inner>>());
        let optional = of(|g| g.subschema_for::<Vec<Option<Inner>>>());
        assert_eq!(outer.to_string(), "Outer");
        assert_eq!(optional.to_string(), "list of (Inner or null)");
        assert_eq!(inners.clone().nullable().to_string(), "list of Inner or null");
        assert_eq!(outer.field("inner", &generator), Some(inners.clone()));
        assert_eq!(outer.field("maybe", &generator), Some(inner.clone().nullable()));
        assert_eq!(outer.field("title", &generator).unwrap().to_string(), "number or null");
        assert_eq!(outer.field("nope", &generator), None);
        assert!(optional.takes(&inners) && !inners.takes(&optional) && optional.takes(&optional));
        assert!(!inner.takes(&inners) && !Type::Stream.takes(&inner));
    }
}
