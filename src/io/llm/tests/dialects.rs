//! One endpoint for each row of the table of providers, that accepts and refuses what this one does: by its documentation,
//! its source or recorded exchanges. None of them was asked.

use serde_json::Value;

use super::*;

type Refusal = (u16, Value);

/// How a provider takes a request: why it refuses it, or the message that it answers.
struct Provider {
    /// `LLM_PROVIDER`; with `custom` too, all is learnt.
    name: &'static str,
    refuses: fn(&Value) -> Option<Refusal>,
    answers: fn(&Value) -> Value,
    /// Exchanges that the first request takes, by its own row and as an endpoint of which nothing is known.
    exchanges: (u32, u32),
    /// What is sent in the end: the rung, the field of the token limit, the seed's.
    accepted: (Option<&'static str>, &'static str, Option<&'static str>),
}

const GOOD: &str = "{\"action\":\"ok\"}";

fn rung(body: &Value) -> Option<&str> {
    body["response_format"]["type"].as_str()
}

fn has(body: &Value, field: &str) -> bool {
    body.get(field).is_some()
}

fn openai_error(status: u16, message: &str, param: Option<&str>) -> Option<Refusal> {
    let error = json!({ "message": message, "type": "invalid_request_error", "param": param, "code": null });
    Some((status, json!({ "error": error })))
}

fn nothing(_: &Value) -> Option<Refusal> {
    None
}

fn reply(message: Value, finish_reason: &str) -> Value {
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish_reason, "logprobs": null });
    json!({ "id": "x", "object": "chat.completion", "model": "m", "choices": [choice],
            "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 } })
}

fn plain(_: &Value) -> Value {
    reply(json!({ "role": "assistant", "content": GOOD, "refusal": null, "annotations": [] }), "stop")
}

/// In prose, unless it is held to the schema by what it heeds.
fn prose_unless(body: &Value, heeded: &[&str]) -> Value {
    let held = rung(body).is_some_and(|rung| heeded.contains(&rung));
    let content = if held { GOOD } else { "Sure! I would act at once." };
    reply(json!({ "role": "assistant", "content": content }), "stop")
}

const PROVIDERS: &[Provider] = &[
    // A reasoning model: the newer limit only, no temperature.
    Provider {
        name: "openai",
        refuses: |body| {
            if has(body, "max_tokens") {
                return openai_error(
                    400,
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                    Some("max_tokens"),
                );
            }
            has(body, "temperature").then_some(())?;
            openai_error(
                400,
                "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
                Some("temperature"),
            )
        },
        answers: plain,
        exchanges: (2, 3),
        accepted: (Some("json_schema"), "max_completion_tokens", Some("seed")),
    },
    Provider {
        name: "azure",
        refuses: |body| {
            has(body, "max_tokens").then_some(())?;
            openai_error(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model.",
                Some("max_tokens"),
            )
        },
        answers: |_| {
            let filter = json!({ "hate": { "filtered": false, "severity": "safe" } });
            let mut body = plain(&json!({}));
            body["choices"][0]["content_filter_results"] = filter.clone();
            body["prompt_filter_results"] = json!([{ "prompt_index": 0, "content_filter_results": filter }]);
            body
        },
        exchanges: (1, 2),
        accepted: (Some("json_schema"), "max_completion_tokens", Some("seed")),
    },
    // Refuses every key that it does not know. The content is a list of chunks.
    Provider {
        name: "mistral",
        refuses: |body| {
            let unknown = ["seed", "user", "max_completion_tokens", "logprobs", "stream_options", "service_tier"];
            let field = unknown.into_iter().find(|field| has(body, field))?;
            let detail = json!({ "type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted", "input": 1 });
            Some((422, json!({ "detail": [detail] })))
        },
        answers: |_| {
            let thinking =
                json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "{\"action\":\"no\"}" }] });
            reply(
                json!({ "role": "assistant", "content": [thinking, { "type": "text", "text": GOOD }], "tool_calls": null }),
                "stop",
            )
        },
        exchanges: (1, 1),
        accepted: (Some("json_schema"), "max_tokens", Some("random_seed")),
    },
    Provider {
        name: "ollama",
        refuses: nothing,
        answers: |body| {
            // It does not read the newer limit: the reply would have no end.
            assert!(has(body, "max_tokens"));
            let mut answer = prose_unless(body, &["json_schema", "json_object"]);
            answer["choices"][0]["message"]["reasoning"] = json!("Let me think.");
            answer["system_fingerprint"] = json!("fp_ollama");
            answer
        },
        exchanges: (1, 1),
        accepted: (Some("json_schema"), "max_tokens", Some("seed")),
    },
    // Its chat template knows no system message.
    Provider {
        name: "vllm",
        refuses: |body| {
            let has_system = body["messages"][0]["role"] == "system";
            let error = json!({ "message": "System role not supported None", "type": "BadRequestError", "param": null, "code": 400 });
            has_system.then(|| (400, json!({ "error": error })))
        },
        answers: |body| {
            let mut answer = prose_unless(body, &["json_schema", "json_object"]);
            answer["prompt_logprobs"] = Value::Null;
            answer["kv_transfer_params"] = Value::Null;
            answer["choices"][0]["stop_reason"] = Value::Null;
            answer
        },
        exchanges: (2, 2),
        accepted: (Some("json_schema"), "max_tokens", Some("seed")),
    },
    Provider {
        name: "llama-server",
        refuses: nothing,
        answers: |body| {
            let mut answer = prose_unless(body, &["json_schema", "json_object"]);
            answer["timings"] = json!({ "prompt_n": 11, "predicted_per_second": 34.5 });
            answer
        },
        exchanges: (1, 1),
        accepted: (Some("json_schema"), "max_tokens", Some("seed")),
    },
    Provider {
        name: "llama-cpp-python",
        refuses: |body| {
            if rung(body) != Some("json_schema") {
                return None;
            }
            let message = "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}]";
            Some((
                500,
                json!({ "error": { "message": message, "type": "internal_server_error", "param": null, "code": null } }),
            ))
        },
        answers: |body| prose_unless(body, &["json_object"]),
        exchanges: (1, 2),
        accepted: (Some("json_object"), "max_tokens", Some("seed")),
    },
    Provider {
        name: "lmstudio",
        refuses: |body| {
            let refused = !matches!(rung(body), None | Some("json_schema" | "text"));
            refused.then(|| (400, json!({ "error": "'response_format.type' must be 'json_schema' or 'text'" })))
        },
        answers: |body| prose_unless(body, &["json_schema"]),
        exchanges: (1, 1),
        accepted: (Some("json_schema"), "max_tokens", Some("seed")),
    },
    // A model without json_schema.
    Provider {
        name: "groq",
        refuses: |body| {
            (rung(body) == Some("json_schema")).then_some(())?;
            let message = "This model does not support response format `json_schema`. See supported models at https://console.groq.com/docs/structured-outputs#supported-models";
            Some((400, json!({ "error": { "message": message, "type": "invalid_request_error" } })))
        },
        answers: |body| {
            let mut answer = prose_unless(body, &["json_object"]);
            answer["usage"]["prompt_time"] = json!(0.0042);
            answer["service_tier"] = json!("on_demand");
            answer["x_groq"] = json!({ "id": "req" });
            answer
        },
        exchanges: (2, 2),
        accepted: (Some("json_object"), "max_completion_tokens", Some("seed")),
    },
    // Routed to a model that ignores what it does not know.
    Provider {
        name: "openrouter",
        refuses: nothing,
        answers: |body| {
            let mut answer = prose_unless(body, &["json_object"]);
            answer["choices"][0]["native_finish_reason"] = json!("completed");
            answer["service_tier"] = json!("provisioned");
            answer
        },
        exchanges: (2, 2),
        accepted: (Some("json_object"), "max_tokens", Some("seed")),
    },
    Provider {
        name: "together",
        refuses: nothing,
        answers: |body| {
            let mut answer = prose_unless(body, &["json_schema", "json_object"]);
            answer["choices"][0]["finish_reason"] = json!("eos");
            answer["choices"][0]["seed"] = json!(1);
            answer["prompt"] = json!([]);
            answer
        },
        exchanges: (1, 1),
        accepted: (Some("json_schema"), "max_tokens", Some("seed")),
    },
    // Errors are an array; a model without a schema of its own and with a fixed temperature.
    Provider {
        name: "gemini",
        refuses: |body| {
            let message = ["seed", "temperature"]
                .into_iter()
                .find(|field| has(body, field))
                .map(|field| format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field."))?;
            Some((400, json!([{ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT" } }])))
        },
        answers: |_| {
            let google = json!({ "google": { "thought_signature": "abc" } });
            reply(json!({ "role": "assistant", "content": GOOD, "extra_content": google }), "stop")
        },
        exchanges: (2, 2),
        accepted: (Some("json_schema"), "max_tokens", None),
    },
    // It ignores `response_format`; the model follows the prompt, in a fence.
    Provider {
        name: "anthropic",
        refuses: nothing,
        answers: |body| {
            let prompt = body["messages"][0]["content"].as_str().unwrap();
            assert!(prompt.contains("JSON Schema") && prompt.contains("\"action\""), "all that it goes by");
            reply(json!({ "role": "assistant", "content": format!("```json\n{GOOD}\n```") }), "stop")
        },
        exchanges: (1, 1),
        accepted: (None, "max_tokens", None),
    },
    Provider {
        name: "deepseek",
        refuses: |body| {
            (rung(body) == Some("json_schema")).then_some(())?;
            openai_error(400, "This response_format type is unavailable now", None)
        },
        answers: |body| {
            assert!(body["messages"].to_string().contains("JSON"), "it asks for the word");
            let mut answer = prose_unless(body, &["json_object"]);
            answer["choices"][0]["message"]["reasoning_content"] = json!("Hm.");
            answer["usage"]["prompt_cache_hit_tokens"] = json!(0);
            answer
        },
        exchanges: (1, 2),
        accepted: (Some("json_object"), "max_tokens", None),
    },
    // A proxy before a model without json_schema; its codes are strings.
    Provider {
        name: "litellm",
        refuses: |body| {
            (rung(body) == Some("json_schema")).then_some(())?;
            let message = "litellm.BadRequestError: DeepseekException - This response_format type is unavailable now. Received Model Group=m";
            Some((400, json!({ "error": { "message": message, "type": null, "param": null, "code": "400" } })))
        },
        answers: |body| prose_unless(body, &["json_object"]),
        exchanges: (2, 2),
        accepted: (Some("json_object"), "max_tokens", None),
    },
];

/// Asks the provider twice under that name, and gives the exchanges of each and the bodies.
async fn drive(provider: &Provider, name: &str) -> (u32, u32, Vec<Value>) {
    let server = MockServer::start().await;
    let (refuses, answers) = (provider.refuses, provider.answers);
    let respond = move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        match refuses(&body) {
            Some((status, refusal)) => ResponseTemplate::new(status).set_body_json(refusal),
            None => ResponseTemplate::new(200).set_body_json(answers(&body)),
        }
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let connected = connect(&environment(&url(&server), &[("LLM_PROVIDER", name)]), Mode::Live).unwrap();
    let mut attempts = Vec::new();
    for item in 0..4 {
        let reply = ask(&connected, &format!("w[{item}]"), "facts").await.unwrap();
        assert!(reply.text.contains(GOOD), "{name}: {}", reply.text);
        assert!(reply.prompt_tokens >= 11 && reply.completion_tokens >= 7, "{name}");
        attempts.push(reply.attempts);
    }
    let sent = server.received_requests().await.unwrap().iter().map(|r| r.body_json().unwrap()).collect();
    (attempts[0], attempts[3], sent)
}

#[tokio::test]
async fn every_row_of_the_table_answers_the_request_that_it_accepts() {
    for provider in PROVIDERS {
        let (first, later, sent) = drive(provider, provider.name).await;
        assert_eq!((first, later), (provider.exchanges.0, 1), "{}", provider.name);
        let last = sent.last().unwrap();
        let limit = ["max_tokens", "max_completion_tokens"].into_iter().find(|field| has(last, field)).unwrap();
        let seed = ["seed", "random_seed"].into_iter().find(|field| has(last, field));
        assert_eq!((rung(last), limit, seed), provider.accepted, "{}", provider.name);
        assert_eq!(last[limit], 200, "{}", provider.name);
    }
}

#[tokio::test]
async fn an_unknown_endpoint_starts_conservative_and_learns() {
    for provider in PROVIDERS {
        let (first, later, sent) = drive(provider, "custom").await;
        assert_eq!((first, later), (provider.exchanges.1, 1), "{}", provider.name);
        assert!(sent[0].get("seed").is_none() && has(&sent[0], "max_tokens"), "{}", provider.name);
        assert_eq!(rung(&sent[0]), Some("json_schema"), "{}", provider.name);
    }
}

#[test]
fn every_provider_has_its_row_here() {
    let mut here: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).chain(["custom"]).collect();
    let mut table: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    here.sort_unstable();
    table.sort_unstable();
    assert_eq!(here, table);
}

#[tokio::test]
async fn a_schema_goes_beside_json_object_where_that_is_how_it_is_held() {
    for (name, beside) in [("llama-cpp-python", true), ("deepseek", false)] {
        let server = server(vec![says("ok")]).await;
        let connected = connect(&environment(&url(&server), &[("LLM_PROVIDER", name)]), Mode::Live).unwrap();
        ask(&connected, "w[0]", "facts").await.unwrap();
        let body: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
        assert_eq!(rung(&body), Some("json_object"));
        assert_eq!(has(&body["response_format"], "schema"), beside, "{name}");
    }
}

/// Two requests in a row that json_schema did not hold, and it is not asked for any more; one is forgiven.
#[tokio::test]
async fn an_endpoint_that_ignores_the_schema_is_found_out_and_one_bad_draft_is_not_held_against_it() {
    let prose = || writes("I would add a cache.");
    let failed = || {
        rejects(
            400,
            json!({ "error": { "message": "Generated JSON does not match the expected schema.",
        "type": "invalid_request_error", "code": "json_validate_failed", "failed_generation": "{\"a\":" } }),
        )
    };
    for miss in [&prose as &dyn Fn() -> ResponseTemplate, &failed] {
        let server = server(vec![
            miss(),
            says("a"), // the same request, one rung lower
            says("b"), // on the first rung again, and held: forgiven
            miss(),
            says("c"),
            miss(),
            says("d"), // the second in a row
            says("e"),
        ])
        .await;
        let connected = connect(&environment(&url(&server), &[]), Mode::Live).unwrap();
        let mut got = Vec::new();
        for item in 0..5 {
            got.push(text_and_attempts(ask(&connected, &format!("w[{item}]"), "facts").await));
        }
        assert_eq!(got, [("a", 2), ("b", 1), ("c", 2), ("d", 2), ("e", 1)].map(|(text, n)| (text.to_string(), n)));
        let bodies: Vec<Value> =
            server.received_requests().await.unwrap().iter().map(|r| r.body_json().unwrap()).collect();
        let rungs: Vec<&str> = bodies.iter().filter_map(rung).collect();
        let (schema, object) = ("json_schema", "json_object");
        assert_eq!(rungs, [schema, object, schema, schema, object, schema, object, object]);
    }
}

/// What cannot write JSON at all is given back as it is, after a bounded number of exchanges.
#[tokio::test]
async fn a_model_without_json_costs_two_exchanges_more_until_that_is_known() {
    let server = server((0..12).map(|_| writes("No.")).collect()).await;
    let connected = connect(&environment(&url(&server), &[]), Mode::Live).unwrap();
    let mut attempts = Vec::new();
    for item in 0..5 {
        let reply = ask(&connected, &format!("w[{item}]"), "facts").await.unwrap();
        assert_eq!(reply.text, "No.");
        assert_eq!(reply.prompt_tokens, 11 * u64::from(reply.attempts), "all of them are paid for");
        attempts.push(reply.attempts);
    }
    assert_eq!(attempts, [3, 3, 2, 1, 1]);
}

/// The ways in which providers say no, and what becomes of them.
#[tokio::test]
async fn every_refusal_is_a_typed_error_after_as_many_tries_as_it_is_worth() {
    let filtered = json!({ "error": { "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": { "code": "ResponsibleAIPolicyViolation", "content_filter_result": { "jailbreak": { "filtered": true } } } } });
    let busy = "; too many requests, at the last try too";
    let cases: Vec<(&str, u16, Value, usize, String)> = vec![
        ("azure", 400, filtered, 1, "status 400: The response was filtered due to the prompt triggering Azure OpenAI's content management policy.".into()),
        ("azure", 404, json!({ "error": { "code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist." } }), 1,
            "status 404: The API deployment for this resource does not exist.; check the base URL and the model's name".into()),
        ("mistral", 400, json!({ "object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": null, "code": "1500" }), 1,
            "status 400: Invalid model: x".into()),
        ("mistral", 429, json!({ "message": "Requests rate limit exceeded" }), 3, format!("status 429: Requests rate limit exceeded{busy}")),
        ("mistral", 401, json!({ "detail": "Unauthorized" }), 1, "status 401: Unauthorized; check the key".into()),
        ("ollama", 404, json!({ "error": { "message": "model 'm' not found", "type": "not_found_error", "param": null, "code": null } }), 1,
            "status 404: model 'm' not found; check the base URL and the model's name".into()),
        ("vllm", 400, json!({ "error": { "message": "This model's maximum context length is 256 tokens. However, you requested 400 output tokens (max_tokens).", "type": "BadRequestError", "param": null, "code": 400 } }), 1,
            "status 400: This model's maximum context length is 256 tokens. However, you requested 400 output tokens (max_tokens).".into()),
        ("llama-server", 400, json!({ "error": { "code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error" } }), 1,
            "status 400: the request exceeds the available context size, try increasing it".into()),
        ("llama-server", 503, json!({ "error": { "code": 503, "message": "Loading model", "type": "unavailable_error" } }), 3, "status 503: Loading model".into()),
        ("openrouter", 200, json!({ "error": { "code": 402, "message": "Insufficient credits", "metadata": {} }, "user_id": "u" }), 1,
            "status 402: Insufficient credits; the account has no quota left".into()),
        ("openrouter", 200, json!({ "error": { "code": 502, "message": "Provider returned error", "metadata": { "raw": "upstream" } } }), 3,
            "status 502: Provider returned error: upstream".into()),
        ("gemini", 400, json!([{ "error": { "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT" } }]), 1,
            "status 400: API key not valid. Please pass a valid API key.; check the key".into()),
        ("anthropic", 529, json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), 3, "status 529: Overloaded".into()),
        ("deepseek", 402, json!({ "error": { "message": "Insufficient Balance", "type": "unknown_error", "param": null, "code": "invalid_request_error" } }), 1,
            "status 402: Insufficient Balance; the account has no quota left".into()),
        ("deepseek", 200, reply(json!({ "content": "" }), "insufficient_system_resource"), 3, "status 502: the reply broke off with an error".into()),
        ("litellm", 429, json!({ "error": { "message": "litellm.RateLimitError: slow", "type": "throttling_error", "param": null, "code": "429" } }), 3,
            format!("status 429: litellm.RateLimitError: slow{busy}")),
        ("litellm", 400, json!({ "error": { "message": "litellm.BadRequestError: Invalid model name passed in model=x", "type": "invalid_request_error", "param": null, "code": "400" } }), 1,
            "status 400: litellm.BadRequestError: Invalid model name passed in model=x".into()),
        ("lmstudio", 400, json!({ "error": "Model not loaded" }), 1, "status 400: Model not loaded".into()),
        ("openai", 429, json!({ "error": { "message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "param": null, "code": "insufficient_quota" } }), 1,
            "status 429: You exceeded your current quota, please check your plan and billing details.; the account has no quota left".into()),
    ];
    for (name, status, body, tries, expected) in cases {
        let mut answer = ResponseTemplate::new(status).set_body_json(&body);
        if tries > 1 {
            // LiteLLM's name for what the provider behind it asks.
            let header = if name == "litellm" { "llm_provider-retry-after" } else { "retry-after" };
            answer = answer.insert_header(header, "0.001");
        }
        let server = server(vec![answer; 4]).await;
        let connected = connect(&environment(&url(&server), &[("LLM_PROVIDER", name)]), Mode::Live).unwrap();
        let got = ask(&connected, "w[0]", "facts").await;
        assert_eq!(got, Err(ModelError::Declined(expected.into()).after(tries as u32)), "{name}");
        assert_eq!(server.received_requests().await.unwrap().len(), tries, "{name}: {body}");
    }
}
