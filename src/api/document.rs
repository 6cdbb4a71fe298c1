//! The routes as data: each is mounted and described from the same value, so that the OpenAPI document cannot tell of
//! another API than the one that answers.

use axum::Router;
use axum::routing::MethodRouter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::App;
use super::auth::{Guard, Role};
use super::problem::Problem;

/// Where schemas with names stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// What a caller must be allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody may ask.
    Nothing,
    Read,
    Run,
}

impl Needs {
    fn role(self) -> Option<Role> {
        match self {
            Needs::Nothing => None,
            Needs::Read => Some(Role::Read),
            Needs::Run => Some(Role::Run),
        }
    }
}

/// Routes and what is said of them.
pub struct Routes {
    /// `None` where only the description is wanted.
    guard: Option<Guard>,
    router: Router<App>,
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

/// One operation.
pub struct Operation {
    method: &'static str,
    needs: Needs,
    description: Map<String, Value>,
}

impl Routes {
    pub fn new(guard: Option<Guard>) -> Routes {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
        let generator = settings.for_serialize().into_generator();
        Routes { guard, router: Router::new(), generator, paths: Map::new() }
    }

    /// Mounts an operation. `id` names it for generated clients.
    pub fn mount(
        &mut self,
        path: &str,
        operation: impl FnOnce(&mut Describing<'_>) -> Operation,
        handler: MethodRouter<App>,
    ) {
        let mut describing = Describing { generator: &mut self.generator };
        let Operation { method, needs, mut description } = operation(&mut describing);
        let problem = self.generator.subschema_for::<Problem>().to_value();
        let answers = description.entry("responses").or_insert_with(|| json!({}));
        if let Some(answers) = answers.as_object_mut() {
            let content = json!({ "application/problem+json": { "schema": problem } });
            let mut usual = vec![("400", "The request makes no sense."), ("503", "The server cannot answer now.")];
            if needs != Needs::Nothing {
                usual.extend([("401", "No valid token came."), ("403", "The token does not have the role.")]);
                usual.push(("429", "Too many requests; Retry-After says when to come again."));
            }
            if path.contains('{') {
                usual.push(("404", "There is no such thing."));
            }
            for (status, what) in usual {
                answers.entry(status).or_insert_with(|| json!({ "description": what, "content": content }));
            }
        }
        if let Some(role) = needs.role() {
            description.insert("security".into(), json!([{ "bearer": [role.word()] }, {}]));
        }
        let entry = self.paths.entry(path.to_string()).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(method.to_string(), Value::Object(description));
        }
        let router = std::mem::take(&mut self.router);
        // A method that the path does not take is refused to everybody alike.
        let handler = match (&self.guard, needs.role()) {
            (Some(guard), Some(role)) => handler.route_layer(guard.requires(role)),
            _ => handler,
        };
        self.router = router.route(path, handler);
    }

    /// The router, and the document as JSON.
    pub fn finish(self) -> (Router<App>, Value) {
        let Routes { router, mut generator, paths, .. } = self;
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "agent",
                "version": "1",
                "description": "Reports on operations telemetry, what stands behind them, and what is going on now. \
                    Times are RFC 3339 in UTC. Errors are application/problem+json.",
                "license": { "name": "MIT", "identifier": "MIT" },
            },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "schemas": generator.take_definitions(true),
                "securitySchemes": {
                    "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                },
            },
        });
        (router, document)
    }
}

/// What an operation is described with.
pub struct Describing<'a> {
    generator: &'a mut SchemaGenerator,
}

impl Describing<'_> {
    pub fn get(&mut self, id: &str, needs: Needs, summary: &str) -> Operation {
        operation("get", id, needs, summary)
    }

    pub fn post(&mut self, id: &str, needs: Needs, summary: &str) -> Operation {
        operation("post", id, needs, summary)
    }

    /// The fields of a struct as parameters of the query.
    pub fn query<T: JsonSchema>(&mut self, mut operation: Operation) -> Operation {
        let schema = T::json_schema(self.generator).to_value();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        for (name, mut schema) in properties {
            let required = required.contains(&name.as_str());
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "required": required, "schema": bare(schema) });
            if let (Some(description), Some(parameter)) = (description, parameter.as_object_mut()) {
                parameter.insert("description".into(), description);
            }
            operation.parameter(parameter);
        }
        operation
    }

    /// A parameter of the path.
    pub fn path<T: JsonSchema>(&mut self, mut operation: Operation, name: &str, what: &str) -> Operation {
        let schema = self.generator.subschema_for::<T>().to_value();
        operation
            .parameter(json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema }));
        operation
    }

    /// What comes in the body.
    pub fn body<T: JsonSchema>(&mut self, mut operation: Operation, media: &str) -> Operation {
        let schema = self.generator.subschema_for::<T>().to_value();
        operation
            .description
            .insert("requestBody".into(), json!({ "required": true, "content": { media: { "schema": schema } } }));
        operation
    }

    /// The answer when all goes well.
    pub fn answers<T: JsonSchema>(&mut self, operation: Operation, status: u16, media: &str, what: &str) -> Operation {
        let schema = self.generator.subschema_for::<T>().to_value();
        operation.answer(status, what, json!({ media: { "schema": schema } }))
    }
}

impl Operation {
    fn parameter(&mut self, parameter: Value) {
        let all = self.description.entry("parameters").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(parameter);
        }
    }

    /// Another answer that is none of the usual problems.
    pub fn empty(self, status: u16, what: &str) -> Operation {
        let mut operation = self;
        let all = operation.description.entry("responses").or_insert_with(|| json!({}));
        if let Some(all) = all.as_object_mut() {
            all.insert(status.to_string(), json!({ "description": what }));
        }
        operation
    }

    /// A problem that not every operation may have.
    pub fn problem(self, status: u16, what: &str) -> Operation {
        let schema = json!({ "$ref": format!("#{SCHEMAS}/Problem") });
        self.answer(status, what, json!({ "application/problem+json": { "schema": schema } }))
    }

    fn answer(mut self, status: u16, what: &str, content: Value) -> Operation {
        let all = self.description.entry("responses").or_insert_with(|| json!({}));
        if let Some(all) = all.as_object_mut() {
            all.insert(status.to_string(), json!({ "description": what, "content": content }));
        }
        self
    }
}

fn operation(method: &'static str, id: &str, needs: Needs, summary: &str) -> Operation {
    let mut description = Map::new();
    description.insert("operationId".into(), json!(id));
    description.insert("summary".into(), json!(summary));
    Operation { method, needs, description }
}

/// A parameter that may be left out is of its type when it is there.
fn bare(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    if let Some(Value::Array(choices)) = schema.get("anyOf")
        && let [inner, null] = choices.as_slice()
        && null["type"] == "null"
    {
        return inner.clone();
    }
    if let Some(Value::Array(types)) = schema.get("type")
        && let [inner, null] = types.as_slice()
        && null == "null"
    {
        let inner = inner.clone();
        schema.insert("type".into(), inner);
    }
    schema.remove("default");
    Value::Object(schema)
}
