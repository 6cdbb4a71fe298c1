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
                json!({ "error": { "message": "Does not match the schema", "code": "json_validate_failed", "failed_generation": "x" } }),
                None,
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
            ("custom", 501, json!({ "error": "response_format is not implemented" }), Some("response_format")),
            (
                "gemini",
                400,
                json!([{ "error": { "code": 400, "message": "Invalid value at 'generation_config.response_schema'" } }]),
                Some("response_format"),
            ),
            ("custom", 429, json!({ "error": { "message": "temperature" } }), None),
            (
                "vllm",
                400,
                json!({ "object": "error", "message": "'max_tokens' is too large: 400. This model's maximum context length is 256 tokens", "code": 400 }),
                None,
            ),
            ("vllm", 400, json!({ "error": { "message": "System role not supported" } }), Some("system role")),
            ("custom", 400, json!({ "error": "Unrecognized request argument: stream" }), Some("stream")),
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
                let fields = ["response_format", "max_tokens", "max_completion_tokens", "seed", "random_seed"];
                let others = ["temperature", "stream", SYSTEM];
                let Some(next) = fields.iter().chain(&others).find_map(|field| {
                    let answer = Answer { status: 400, headers: BTreeMap::new(), body: json!({ "error": field }) };
                    features.without_rejected(&answer, &sent).map(|(_, next)| next)
                }) else {
                    break;
                };
                features = next;
                steps += 1;
            }
            assert!((1..=8).contains(&steps), "{}: {steps}", dialect.name);
            let keys: Vec<String> = features.body("m", &request()).as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["messages", "model"], "{}", dialect.name);
        }
    }

    proptest::proptest! {
        /// Whatever an endpoint answers, each exchange but the last takes something away.
        #[test]
        fn no_endpoint_is_asked_without_end(
            at in 0..dialect::DIALECTS.len(),
            answers in proptest::collection::vec((
                proptest::sample::select(vec![200u16, 400, 422, 429, 500]),
                "(\\{\"error\":\"|\\{\"error\":\\{\"code\":\"json_validate_failed\",\"message\":\"|\\{\"choices\":\\[\\{\"message\":\\{\"content\":\")?((response_format|max_tokens|max_completion_tokens|seed|random_seed|temperature|stream|system role|schema|no) ?){0,4}(\"\\}\\}\\]\\}|\"\\}\\}|\"\\})?",
            ), 40),
        ) {
            let mut features = Features::of(&dialect::DIALECTS[at]);
            let schema = json!({ "required": ["action"] });
            let mut exchanges = 0;
            for (status, body) in answers {
                exchanges += 1;
                let sent = features.body("m", &request());
                let answer = Answer::new(status, BTreeMap::new(), body.as_bytes());
                if let Some((_, fewer)) = features.without_rejected(&answer, &sent) {
                    features = fewer;
                    continue;
                }
                let said = super::super::reply::read(&answer);
                match features.on_lower_rung() {
                    Some(lower) if is_miss(&answer, &said, &schema) => features = lower,
                    _ => break,
                }
            }
            proptest::prop_assert!(exchanges <= 9, "{exchanges}");
        }
    }

    #[test]
    fn memory_is_shared_or_each_tasks_own() {
        let initial = Features::of(dialect::named("custom").unwrap());
        for shared in [true, false] {
            let memory = Memory::new(initial.clone(), shared);
            memory.rejected("a", "response_format", Output::JsonSchema);
            memory.rejected("a", "response_format", Output::JsonSchema); // another task, at the same time
            assert_eq!(memory.features("a").output, Output::JsonObject);
            assert_eq!(memory.features("b").output == Output::JsonObject, shared);
        }
    }

    #[test]
    fn a_rung_is_left_after_two_misses_in_a_row() {
        let memory = Memory::new(Features::of(dialect::named("custom").unwrap()), true);
        let reply = |rung, is_miss| {
            memory.replied("a", rung, is_miss);
            memory.features("a").output
        };
        use Output::{JsonObject, JsonSchema, Prompt};
        assert_eq!(reply(JsonSchema, true), JsonSchema);
        assert_eq!(reply(JsonObject, true), JsonSchema, "of another rung");
        assert_eq!(reply(JsonSchema, false), JsonSchema, "one bad draft is no proof");
        assert_eq!(reply(JsonSchema, true), JsonSchema);
        assert_eq!(reply(JsonSchema, true), JsonObject);
        assert_eq!(reply(JsonSchema, false), JsonObject, "sent before that was known");
        assert_eq!(reply(JsonObject, true), JsonObject);
        assert_eq!(reply(JsonObject, true), Prompt);
        assert_eq!(reply(Prompt, true), Prompt);
    }

    #[test]
    fn a_miss_ended_by_itself_and_holds_no_object_of_the_schema() {
        let schema = json!({ "type": "object", "required": ["action"] });
        let check = |text: &str, finish_reason: Option<&str>, expected: bool| {
            let answer = Answer { status: 200, headers: BTreeMap::new(), body: json!({}) };
            let finish_reason = finish_reason.map(String::from);
            let said = Ok(Said { text: text.into(), finish_reason, ..Said::default() });
            assert_eq!(is_miss(&answer, &said, &schema), expected, "{text}");
        };
        check("<think>{so} {\"a\": 1}</think>{\"action\":\"a\"} I think", Some("end_turn"), false);
        check("I think", Some("STOP"), true);
        for good in ["{\"action\":\"a\"}", "```json\n{\"action\": 1, \"b\": {}}\n```", "Here: {\"action\":\"a\"}."] {
            check(good, Some("stop"), false);
        }
        for bad in ["", "Sure!", "{\"act\":\"a\"}", "{\"action\":\"a\"", "[\"action\"]", "}{", "null"] {
            check(bad, Some("stop"), true);
            check(bad, Some("eos"), true);
            check(bad, None, true);
            check(bad, Some("length"), false);
            check(bad, Some("tool_calls"), false);
        }
        let failed = |code: &str| Answer {
            status: 400,
            headers: BTreeMap::new(),
            body: json!({ "error": { "message": "no", "code": code } }),
        };
        let declined = Err(ModelError::Declined("no".into()));
        assert!(is_miss(&failed("json_validate_failed"), &declined, &schema));
        assert!(!is_miss(&failed("other"), &declined, &schema));
    }
}
