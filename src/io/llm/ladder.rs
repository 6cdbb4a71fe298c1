//! What is asked of an endpoint, and what is still asked after it rejected something. Each rejection leaves one
//! feature out or steps down one rung, so there is an end.
//!
//! A rejection is certain: it counts for the rest of the run at once. A *miss* is not: the reply ended by itself and
//! holds no JSON object of the schema, which an endpoint does that ignores the rung, and a model on a bad day. The request
//! that missed is sent again one rung lower; the rung is left for good after [`MISSES`] in a row on it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::complaint::Complaint;
use super::dialect::{Dialect, Output};
use super::exchange::Answer;
use super::reply::Said;
use crate::port::{ModelError, ModelRequest};

/// The optional parts of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Features {
    pub output: Output,
    /// Whether `json_object` carries the schema.
    schema_in_object: bool,
    pub token_limit: Option<&'static str>,
    token_limit_otherwise: Option<&'static str>,
    pub seed: Option<&'static str>,
    pub temperature: bool,
    stream: bool,
    /// Whether instructions have a message of their own; some chat templates know users and assistants only.
    pub system: bool,
}

/// Any fixed number does.
const SEED: u32 = 1;

/// So many misses in a row, and a rung is left for the rest of the run.
const MISSES: u32 = 2;

/// Stands for the system message among the fields that can be rejected.
const SYSTEM: &str = "system role";

/// Words by which an endpoint speaks of the wanted form of the reply without naming the field, in lower case.
const OUTPUT_WORDS: [&str; 16] = [
    "json_schema",
    "json_object",
    "json schema",
    "json mode",
    "response format",
    "structured output",
    "structured outputs",
    "structured_outputs",
    "grammar",
    "xgrammar",
    "guided_json",
    "guided decoding",
    "schema",
    "response_schema",
    "response_json_schema",
    "additionalproperties",
];

impl Features {
    pub fn of(dialect: &Dialect) -> Features {
        Features {
            output: dialect.output,
            schema_in_object: dialect.schema_in_object,
            token_limit: Some(dialect.token_limit),
            token_limit_otherwise: dialect.token_limit_otherwise,
            seed: dialect.seed,
            temperature: true,
            stream: true,
            system: true,
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
        let messages = if self.system {
            json!([{ "role": "system", "content": system }, { "role": "user", "content": request.user }])
        } else {
            json!([{ "role": "user", "content": format!("{system}\n\n{}", request.user) }])
        };
        let mut body = json!({ "model": model, "messages": messages });
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
            Output::JsonObject if self.schema_in_object => {
                set("response_format", json!({ "type": "json_object", "schema": request.schema }));
            }
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
        if self.stream {
            set("stream", json!(false));
        }
        body
    }

    /// Without the field, which an endpoint rejected where it was sent on this rung. Nothing changes where it is not
    /// sent any more, so that many tasks may learn the same.
    fn without(&self, field: &str, rung: Output) -> Features {
        let mut next = self.clone();
        match field {
            "response_format" if self.output == rung => next.output = rung.lower(),
            "temperature" => next.temperature = false,
            "stream" => next.stream = false,
            SYSTEM => next.system = false,
            _ if self.seed == Some(field) => next.seed = None,
            _ if self.token_limit == Some(field) => next.token_limit = next.token_limit_otherwise.take(),
            _ => {}
        }
        next
    }

    /// The field that the answer rejects and what to send instead.
    pub fn without_rejected(&self, answer: &Answer, sent: &Value) -> Option<(&'static str, Features)> {
        let field = rejected_field(answer, sent)?;
        let next = self.without(field, self.output);
        (next != *self).then_some((field, next))
    }

    /// One rung lower; `None` on the lowest.
    pub fn on_lower_rung(&self) -> Option<Features> {
        (self.output != Output::Prompt).then(|| Features { output: self.output.lower(), ..self.clone() })
    }
}

/// The field of the request that the answer rejects, if it is one that can be left out.
///
/// 400 and 422 are rejections. Some servers fall over a field with a 500, or have not implemented it, which counts only
/// when the field is named: other such errors pass by themselves.
pub(super) fn rejected_field(answer: &Answer, sent: &Value) -> Option<&'static str> {
    const FIELDS: [&str; 7] =
        ["response_format", "max_completion_tokens", "max_tokens", "random_seed", "seed", "temperature", "stream"];
    let status = answer.meant_status();
    if !matches!(status, 400 | 422 | 500 | 501) {
        return None;
    }
    let complaint = Complaint::read(&answer.body)?;
    // Both may name a field that is not at fault: what does not fit is the prompt, and what failed is one draft.
    if complaint.is_about_context() || is_failed_generation(&complaint) {
        return None;
    }
    let sent_fields = || FIELDS.into_iter().filter(|field| sent.get(field).is_some());
    if let Some(param) = &complaint.param
        && let Some(field) = sent_fields().find(|field| position(param, field).is_some())
    {
        return Some(field);
    }
    let message = complaint.message.to_ascii_lowercase();
    let has_system = sent.pointer("/messages/0/role").is_some_and(|role| role == "system");
    if has_system && position(&message, SYSTEM).is_some() {
        return Some(SYSTEM);
    }
    let named = sent_fields().filter_map(|field| Some((position(&complaint.message, field)?, field))).min();
    if let Some((_, field)) = named {
        return Some(field);
    }
    let about_output =
        || OUTPUT_WORDS.iter().any(|word| complaint.has_code(word) || position(&message, word).is_some());
    (status < 500 && sent.get("response_format").is_some() && about_output()).then_some("response_format")
}

/// The endpoint held the model's words to the schema, and they did not match: it says so instead of passing them on.
fn is_failed_generation(complaint: &Complaint) -> bool {
    complaint.has_code("json_validate_failed")
}

/// Whether the reply ended by itself and holds no JSON object with the properties that the schema requires.
pub(super) fn is_miss(answer: &Answer, said: &Result<Said, ModelError>, schema: &Value) -> bool {
    match said {
        Ok(said) => {
            const ENDS: [&str; 5] = ["stop", "eos", "eos_token", "end_turn", "completed"];
            let ended = |reason: &String| ENDS.iter().any(|end| reason.eq_ignore_ascii_case(end));
            said.finish_reason.as_ref().is_none_or(ended) && !holds_object_of(&said.text, schema)
        }
        Err(_) => Complaint::read(&answer.body).is_some_and(|complaint| is_failed_generation(&complaint)),
    }
}

/// Whether the text has a JSON object with the required properties, with a fence, thoughts or other words around it as
/// there may be: whoever reads the reply deals with those.
pub(super) fn holds_object_of(text: &str, schema: &Value) -> bool {
    /// Braces that are looked at; thoughts may have some.
    const STARTS: usize = 64;
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_whole = |value: &Value| {
        value
            .as_object()
            .is_some_and(|entries| required.iter().filter_map(Value::as_str).all(|name| entries.contains_key(name)))
    };
    text.match_indices('{').take(STARTS).any(|(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let first = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next();
        first.is_some_and(|first| first.is_ok_and(|value| is_whole(&value)))
    })
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
    learnt: Mutex<BTreeMap<String, Learnt>>,
}

#[derive(Debug, Clone)]
struct Learnt {
    features: Features,
    /// On the rung of these features, in a row.
    misses: u32,
}

impl Memory {
    pub fn new(initial: Features, shared: bool) -> Memory {
        Memory { initial, shared, learnt: Mutex::default() }
    }

    /// What to send first.
    pub fn features(&self, asked_by: &str) -> Features {
        self.with(asked_by, |learnt| learnt.features.clone())
    }

    /// The field was rejected on this rung.
    pub fn rejected(&self, asked_by: &str, field: &str, rung: Output) {
        self.with(asked_by, |learnt| {
            let next = learnt.features.without(field, rung);
            if next.output != learnt.features.output {
                learnt.misses = 0;
            }
            learnt.features = next;
        });
    }

    /// Whether a reply on this rung was a miss.
    pub fn replied(&self, asked_by: &str, rung: Output, is_miss: bool) {
        self.with(asked_by, |learnt| {
            if learnt.features.output != rung {
                return;
            }
            learnt.misses = if is_miss { learnt.misses + 1 } else { 0 };
            if let (MISSES.., Some(lower)) = (learnt.misses, learnt.features.on_lower_rung()) {
                *learnt = Learnt { features: lower, misses: 0 };
            }
        });
    }

    fn with<T>(&self, asked_by: &str, f: impl FnOnce(&mut Learnt) -> T) -> T {
        let mut learnt = self.learnt.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let key = if self.shared { "" } else { asked_by };
        f(learnt.entry(key.to_string()).or_insert_with(|| Learnt { features: self.initial.clone(), misses: 0 }))
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
