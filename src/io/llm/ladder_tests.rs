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
        ("openai", 400, json!({ "error": { "message": "context exceeded", "code": "context_length_exceeded" } }), None),
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
        ("custom", 200, json!({ "error": { "code": 400, "message": "temperature must be 1" } }), Some("temperature")),
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
