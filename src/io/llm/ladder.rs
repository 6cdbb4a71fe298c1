//! What is asked of an endpoint, and what is still asked after it rejected something. Each rejection leaves one
//! feature out or steps down one rung, so there is an end.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::complaint::Complaint;
use super::dialect::{Dialect, Output};
use super::exchange::Answer;
use crate::port::ModelRequest;

/// The optional parts of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Features {
    output: Output,
    token_limit: Option<&'static str>,
    token_limit_otherwise: Option<&'static str>,
    seed: Option<&'static str>,
    temperature: bool,
}

/// Any fixed number does.
const SEED: u32 = 1;

/// Words by which an endpoint speaks of the wanted form of the reply without naming the field.
const OUTPUT_WORDS: [&str; 8] = [
    "json_schema",
    "json_object",
    "json_validate_failed",
    "structured output",
    "structured outputs",
    "json mode",
    "grammar",
    "schema",
];

impl Features {
    pub fn of(dialect: &Dialect) -> Features {
        Features {
            output: dialect.output,
            token_limit: Some(dialect.token_limit),
            token_limit_otherwise: dialect.token_limit_otherwise,
            seed: dialect.seed,
            temperature: true,
        }
    }

    /// The body of the request. Equal requests under equal features are equal bodies.
    pub fn body(&self, model: &str, request: &ModelRequest) -> Value {
        // In the prompt on every rung: some servers hold the reply to the schema without showing it to the model.
        let system = format!(
            "{}\n\nReply with one JSON object and nothing else. It must match this JSON Schema:\n{}",
            request.system.trim_end(),
            request.schema
        );
        let mut body = json!({
            "model": model,
            "messages": [
                { "role": "system", "content": system },
                { "role": "user", "content": request.user },
            ],
            "stream": false,
        });
        let mut set = |key: &str, value: Value| {
            if let Some(entries) = body.as_object_mut() {
                entries.insert(key.to_string(), value);
            }
        };
        match self.output {
            Output::JsonSchema => set("response_format", {
                let schema = json!({ "name": request.schema_name, "strict": true, "schema": request.schema });
                json!({ "type": "json_schema", "json_schema": schema })
            }),
            Output::JsonObject => set("response_format", json!({ "type": "json_object" })),
            Output::Prompt => {}
        }
        if let Some(field) = self.token_limit {
            set(field, json!(request.max_tokens));
        }
        if let Some(field) = self.seed {
            set(field, json!(SEED));
        }
        if self.temperature {
            set("temperature", json!(0));
        }
        body
    }

    /// What to send instead, when the answer rejects a feature of the body that was sent.
    pub fn without_rejected(&self, answer: &Answer, sent: &Value) -> Option<Features> {
        let field = rejected_field(answer, sent)?;
        let mut next = self.clone();
        if field == "response_format" {
            next.output = match self.output {
                Output::JsonSchema => Output::JsonObject,
                Output::JsonObject | Output::Prompt => Output::Prompt,
            };
        } else if field == "temperature" {
            next.temperature = false;
        } else if self.seed == Some(field) {
            next.seed = None;
        } else if self.token_limit == Some(field) {
            next.token_limit = next.token_limit_otherwise.take();
        }
        (next != *self).then_some(next)
    }
}

/// The field of the request that the answer rejects, if it is one that can be left out.
///
/// 400 and 422 are rejections. Some servers fall over a field with a 500, which counts only when the field is named:
/// other 500s pass by themselves.
pub(super) fn rejected_field(answer: &Answer, sent: &Value) -> Option<&'static str> {
    const FIELDS: [&str; 6] =
        ["response_format", "max_completion_tokens", "max_tokens", "random_seed", "seed", "temperature"];
    let status = answer.meant_status();
    if !matches!(status, 400 | 422 | 500) {
        return None;
    }
    let complaint = Complaint::read(&answer.body)?;
    let sent_fields = || FIELDS.into_iter().filter(|field| sent.get(field).is_some());
    if let Some(param) = &complaint.param
        && let Some(field) = sent_fields().find(|field| position(param, field).is_some())
    {
        return Some(field);
    }
    let named = sent_fields().filter_map(|field| Some((position(&complaint.message, field)?, field))).min();
    if let Some((_, field)) = named {
        return Some(field);
    }
    let about_output = || {
        OUTPUT_WORDS
            .iter()
            .any(|word| complaint.has_code(word) || position(&complaint.message.to_ascii_lowercase(), word).is_some())
    };
    (status != 500 && sent.get("response_format").is_some() && about_output()).then_some("response_format")
}

/// Where `word` stands in the text, not as part of a longer name.
fn position(text: &str, word: &str) -> Option<usize> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

/// What was learnt of the endpoint in this run. Shared by all tasks of a live run. While a run is recorded or
/// replayed each task has its own: else its requests would depend on which task asked first.
#[derive(Debug)]
pub(super) struct Memory {
    initial: Features,
    shared: bool,
    learnt: Mutex<BTreeMap<String, Features>>,
}

impl Memory {
    pub fn new(initial: Features, shared: bool) -> Memory {
        Memory { initial, shared, learnt: Mutex::default() }
    }

    pub fn features(&self, asked_by: &str) -> Features {
        let learnt = self.learnt.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        learnt.get(self.key(asked_by)).unwrap_or(&self.initial).clone()
    }

    /// Replaces `before` by `after`, unless another task has learnt something meanwhile; gives what counts now.
    pub fn learn(&self, asked_by: &str, before: &Features, after: Features) -> Features {
        let mut learnt = self.learnt.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let current = learnt.entry(self.key(asked_by).to_string()).or_insert_with(|| self.initial.clone());
        if current == before {
            *current = after;
        }
        current.clone()
    }

    fn key<'a>(&self, asked_by: &'a str) -> &'a str {
        if self.shared { "" } else { asked_by }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect;
    use super::*;

    fn request() -> ModelRequest {
        ModelRequest {
            asked_by: "wording[0]".into(),
            system: "You word.".into(),
            user: "Facts.".into(),
            schema_name: "draft".into(),
            schema: json!({ "type": "object" }),
            max_tokens: 300,
        }
    }

    fn body(provider: &str) -> Value {
        Features::of(dialect::named(provider).unwrap()).body("m", &request())
    }

    #[test]
    fn a_dialect_shapes_the_request() {
        let openai = body("openai");
        assert_eq!(openai["max_completion_tokens"], 300);
        assert_eq!(openai["response_format"]["json_schema"]["strict"], true);
        assert_eq!((&openai["seed"], &openai["temperature"]), (&json!(1), &json!(0)));
        assert!(openai.get("max_tokens").is_none());
        assert!(openai["messages"][0]["content"].as_str().unwrap().ends_with("JSON Schema:\n{\"type\":\"object\"}"));
        let mistral = body("mistral");
        assert_eq!((&mistral["max_tokens"], &mistral["random_seed"]), (&json!(300), &json!(1)));
        assert!(mistral.get("seed").is_none() && mistral.get("max_completion_tokens").is_none());
        assert_eq!(body("deepseek")["response_format"], json!({ "type": "json_object" }));
        assert!(body("anthropic").get("response_format").is_none());
        assert!(body("custom").get("seed").is_none());
    }

    /// Which field each recorded way of objecting is about.
    #[test]
    fn a_rejection_names_its_field() {
        let cases = [
            (
                "openai",
                400,
                json!({ "error": { "message": "Unsupported parameter: 'max_completion_tokens' is not supported. Use 'max_tokens'.", "param": "max_completion_tokens" } }),
                Some("max_completion_tokens"),
            ),
            (
                "openai",
                400,
                json!({ "error": { "message": "Unsupported value: 'temperature' does not support 0 with this model.", "param": null } }),
                Some("temperature"),
            ),
            (
                "openai",
                400,
                json!({ "error": { "message": "Invalid schema for response_format 'draft': seed is odd", "param": "response_format" } }),
                Some("response_format"),
            ),
            ("openai", 400, json!({ "error": { "message": "This model does not exist", "param": "model" } }), None),
            (
                "openai",
                400,
                json!({ "error": { "message": "context exceeded", "code": "context_length_exceeded" } }),
                None,
            ),
            (
                "mistral",
                422,
                json!({ "detail": [{ "type": "extra_forbidden", "loc": ["body", "random_seed"], "msg": "Extra inputs are not permitted", "input": 1 }] }),
                Some("random_seed"),
            ),
            ("vllm", 422, json!({ "detail": [{ "loc": ["body", "seed"], "msg": "no" }] }), Some("seed")),
            ("custom", 422, json!({ "detail": [{ "loc": ["body", "seed"], "msg": "no" }] }), None),
            (
                "lmstudio",
                400,
                json!({ "error": "'response_format.type' must be 'json_schema' or 'text'" }),
                Some("response_format"),
            ),
            (
                "groq",
                400,
                json!({ "error": { "message": "Failed to generate", "code": "json_validate_failed", "failed_generation": "x" } }),
                Some("response_format"),
            ),
            (
                "gemini",
                400,
                json!([{ "error": { "code": 400, "message": "Unknown name \"temperature\": Cannot find field." } }]),
                Some("temperature"),
            ),
            (
                "llama-server",
                400,
                json!({ "error": { "code": 400, "message": "Failed to parse grammar" } }),
                Some("response_format"),
            ),
            (
                "custom",
                500,
                json!({ "error": { "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type')}]" } }),
                Some("response_format"),
            ),
            ("custom", 500, json!({ "error": { "message": "grammar worker died" } }), None),
            ("custom", 429, json!({ "error": { "message": "temperature" } }), None),
            (
                "custom",
                200,
                json!({ "error": { "code": 400, "message": "temperature must be 1" } }),
                Some("temperature"),
            ),
        ];
        for (provider, status, answer, expected) in cases {
            let answer = Answer { status, headers: BTreeMap::new(), body: answer };
            assert_eq!(rejected_field(&answer, &body(provider)), expected, "{provider} {}", answer.body);
        }
    }

    #[test]
    fn every_rejection_takes_something_away_and_there_is_an_end() {
        for dialect in dialect::DIALECTS {
            let mut features = Features::of(dialect);
            let mut steps = 0;
            loop {
                let sent = features.body("m", &request());
                let fields =
                    ["response_format", "max_tokens", "max_completion_tokens", "seed", "random_seed", "temperature"];
                let Some(next) = fields.iter().find_map(|field| {
                    let answer = Answer { status: 400, headers: BTreeMap::new(), body: json!({ "error": field }) };
                    features.without_rejected(&answer, &sent)
                }) else {
                    break;
                };
                features = next;
                steps += 1;
            }
            assert!((1..=6).contains(&steps), "{}: {steps}", dialect.name);
            let keys: Vec<String> = features.body("m", &request()).as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["messages", "model", "stream"], "{}", dialect.name);
        }
    }

    #[test]
    fn memory_is_shared_or_each_tasks_own() {
        let initial = Features::of(dialect::named("custom").unwrap());
        let lower = Features { output: Output::Prompt, ..initial.clone() };
        for shared in [true, false] {
            let memory = Memory::new(initial.clone(), shared);
            assert_eq!(memory.learn("a", &initial, lower.clone()), lower);
            assert_eq!(memory.features("a"), lower);
            assert_eq!(memory.features("b") == lower, shared);
        }
    }
}
