//! What the model said, out of any chat-completions reply. Lenient: a field of another type than is usual counts as
//! absent, since providers differ in all but the few fields that are read here.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::complaint::Complaint;
use super::exchange::Answer;
use super::retry;
use crate::port::ModelError;

/// The part of a reply that is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    pub text: String,
    pub finish_reason: Option<String>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "lenient")]
    choices: Vec<Choice>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Usage,
}

#[derive(Debug, Default, Deserialize)]
struct Choice {
    #[serde(default, deserialize_with = "lenient")]
    message: Message,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    /// A string, a list of chunks, or null.
    #[serde(default)]
    content: Value,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens: u64,
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// # Errors
/// `Declined` for an error of any shape, a redirect or a refusal; `Transport` for what is no reply at all.
pub(super) fn read(answer: &Answer) -> Result<Said, ModelError> {
    let status = answer.meant_status();
    if status != 200 {
        let mut complaint = Complaint::read(&answer.body).unwrap_or_default();
        if answer.status == 200 && complaint.message.is_empty() {
            complaint.message = "the reply broke off with an error".to_string();
        }
        let mut why = declined(status, complaint);
        if let Some(asked) = retry::asked_too_long(answer) {
            why.push_str("; ");
            why.push_str(&asked);
        }
        return Err(ModelError::Declined(why.into()));
    }
    let body: Body = match &answer.body {
        Value::Object(_) => Body::deserialize(&answer.body).unwrap_or_default(),
        Value::String(_) => {
            let kind = answer.headers.get("content-type").map_or("text", String::as_str);
            return Err(ModelError::Transport(match kind.contains("json") {
                true => "the answer calls itself JSON and cannot be read as such".into(),
                false => format!("the answer is not JSON but {kind}").into(),
            }));
        }
        _ => Body::default(),
    };
    let Some(choice) = body.choices.into_iter().next() else {
        return Err(match Complaint::read(&answer.body) {
            Some(complaint) => ModelError::Declined(declined(200, complaint).into()),
            None => ModelError::Transport("the answer holds no reply".into()),
        });
    };
    let text = text_of(&choice.message.content);
    if let (true, Some(refusal)) = (text.is_empty(), choice.message.refusal.filter(|r| !r.is_empty())) {
        let refusal = Complaint::read(&Value::String(refusal)).unwrap_or_default();
        return Err(ModelError::Declined(format!("the model refused: {}", refusal.message).into()));
    }
    match choice.finish_reason.as_deref() {
        Some("content_filter") => Err(ModelError::Declined("the content filter stopped the reply".into())),
        _ => Ok(Said {
            text,
            finish_reason: choice.finish_reason.filter(|reason| !reason.is_empty()),
            prompt_tokens: body.usage.prompt_tokens,
            completion_tokens: body.usage.completion_tokens,
        }),
    }
}

/// The text of the content; the thinking that some models send beside it is none of it.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => {
            let texts = chunks.iter().filter_map(|chunk| match chunk.get("type").and_then(Value::as_str) {
                Some("text" | "output_text") | None => chunk.get("text").unwrap_or(chunk).as_str(),
                Some(_) => None,
            });
            texts.collect()
        }
        _ => String::new(),
    }
}

fn declined(status: u16, complaint: Complaint) -> String {
    let why = match complaint.message.as_str() {
        "" => "no explanation",
        message => message,
    };
    let remedy = match status {
        300..=399 => "; redirects are not followed: check the base URL",
        401 | 403 => "; check the key",
        400 if complaint.is_about_key() => "; check the key",
        402 => "; the account has no quota left",
        404 => "; check the base URL and the model's name",
        429 if complaint.is_about_quota() => "; the account has no quota left",
        429 => "; too many requests, at the last try too",
        _ => "",
    };
    format!("status {status}: {why}{remedy}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// `text|finish_reason|prompt+completion`, or the error.
    fn check(status: u16, body: Value) -> String {
        match read(&Answer { status, headers: BTreeMap::new(), body }) {
            Ok(said) => format!(
                "{}|{}|{}+{}",
                said.text,
                said.finish_reason.unwrap_or_default(),
                said.prompt_tokens,
                said.completion_tokens
            ),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn any_reply_is_read_or_is_a_typed_error() {
        let says =
            |message: Value, reason: Value| json!({ "choices": [{ "message": message, "finish_reason": reason }] });
        let cases = [
            (
                json!({ "choices": [{ "message": { "content": "a" }, "finish_reason": "stop" }],
                        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "x": null } }),
                "a|stop|3+2",
            ),
            (json!({ "choices": [{ "message": { "content": "a" } }], "usage": { "prompt_tokens": 0.5 } }), "a||0+0"),
            (json!({ "choices": [{ "message": { "content": "a" }, "finish_reason": 7 }], "usage": [] }), "a||0+0"),
            (
                says(
                    json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "no" }] },
                                        { "type": "text", "text": "{\"a\"" }, ":1}", { "text": "!" }] }),
                    json!("stop"),
                ),
                "{\"a\":1}!|stop|0+0",
            ),
            (says(json!({ "content": null, "tool_calls": [] }), json!("tool_calls")), "|tool_calls|0+0"),
            (says(json!({ "content": "", "reasoning": "…" }), json!("length")), "|length|0+0"),
            (says(json!(null), json!(null)), "||0+0"),
            (
                says(json!({ "content": null, "refusal": "I can't\nhelp" }), json!("stop")),
                "the endpoint declined: the model refused: I can't help",
            ),
            (says(json!({ "content": "yes", "refusal": null }), json!("eos")), "yes|eos|0+0"),
            (
                says(json!({ "content": "x" }), json!("content_filter")),
                "the endpoint declined: the content filter stopped the reply",
            ),
            (
                says(json!({ "content": "x" }), json!("error")),
                "the endpoint declined: status 502: the reply broke off with an error",
            ),
            (
                json!({ "choices": [{ "error": { "code": 503, "message": "gone" }, "message": { "content": "x" } }] }),
                "the endpoint declined: status 503: gone",
            ),
            (
                json!({ "choices": null, "error": { "code": "429", "message": "slow" } }),
                "the endpoint declined: status 429: slow; too many requests, at the last try too",
            ),
            (json!({ "choices": [] }), "the endpoint could not be used: the answer holds no reply"),
            (json!({ "choices": "none" }), "the endpoint could not be used: the answer holds no reply"),
            (json!([]), "the endpoint could not be used: the answer holds no reply"),
            (json!({ "error": { "message": "upstream" } }), "the endpoint declined: status 200: upstream"),
            (json!({ "error": { "code": 502, "message": "upstream" } }), "the endpoint declined: status 502: upstream"),
            (json!("data: {}\n\n"), "the endpoint could not be used: the answer is not JSON but text"),
        ];
        for (body, expected) in cases {
            assert_eq!(check(200, body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn an_error_says_what_to_do() {
        for (status, body, expected) in [
            (
                401,
                json!({ "error": { "message": "Incorrect API key" } }),
                "status 401: Incorrect API key; check the key",
            ),
            (404, json!(""), "status 404: no explanation; check the base URL and the model's name"),
            (301, json!("<title>Moved</title>"), "status 301: Moved; redirects are not followed: check the base URL"),
            (
                429,
                json!({ "error": { "message": "You exceeded your quota", "code": "insufficient_quota" } }),
                "status 429: You exceeded your quota; the account has no quota left",
            ),
            (
                402,
                json!({ "error": "Insufficient Balance" }),
                "status 402: Insufficient Balance; the account has no quota left",
            ),
            (
                400,
                json!([{ "error": { "code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT" } }]),
                "status 400: API key not valid.; check the key",
            ),
            (503, json!({ "message": "overloaded" }), "status 503: overloaded"),
        ] {
            assert_eq!(check(status, body), format!("the endpoint declined: {expected}"));
        }
    }

    #[test]
    fn what_stands_in_the_headers_is_told_where_it_is_the_cause() {
        let check = |status, (header, value): (&str, &str), body, expected: &str| {
            let headers = BTreeMap::from([(header.to_string(), value.to_string())]);
            assert_eq!(read(&Answer { status, headers, body }).unwrap_err().to_string(), expected);
        };
        let busy = "the endpoint declined: status 429: no explanation; too many requests, at the last try too";
        let long =
            |asked: &str| format!("{busy}; the endpoint asks to wait {asked}, and no wait here is longer than 20 s");
        check(429, ("retry-after", "3600"), json!(""), &long("3600 s"));
        check(429, ("retry-after-ms", "60000"), json!(""), &long("60 s"));
        check(
            429,
            ("retry-after", "Thu, 01 Jan 2026 01:00:00 GMT"),
            json!(""),
            &long("until Thu, 01 Jan 2026 01:00:00 GMT"),
        );
        check(429, ("retry-after", "20"), json!(""), busy);
        check(429, ("retry-after", "soon"), json!(""), busy);
        let unusable = "the endpoint could not be used: the answer";
        check(200, ("content-type", "text/html"), json!("<p>"), &format!("{unusable} is not JSON but text/html"));
        let json = format!("{unusable} calls itself JSON and cannot be read as such");
        check(200, ("content-type", "application/json; charset=utf-8"), json!("{\"choices\":"), &json);
    }

    proptest::proptest! {
        /// Whatever comes back, it is a reply or an error.
        #[test]
        fn nothing_that_comes_back_panics(status in 100u16..600, body in r#"(<[a-z]{0,5}>|[\[{"]|"(choices|message|content|error|detail|loc|code|text|type)":|[\[\]{},:"é<>0-9\u{202e} ]|null|\PC){0,40}"#) {
            let answer = Answer::new(status, BTreeMap::new(), body.as_bytes());
            let _ = read(&answer);
            let sent = json!({ "seed": 1, "response_format": {} });
            let _ = crate::io::llm::ladder::rejected_field(&answer, &sent);
        }
    }

    /// Exchanges recorded from real endpoints, kept outside the repository: beside it, or where `AGENT_WIRE` says.
    #[test]
    fn recorded_exchanges_of_real_endpoints_are_read() {
        let folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
        let beside = folders.map(|folder| folder.join("shared/data/wire/responses.ndjson")).find(|path| path.is_file());
        let named = std::env::var_os("AGENT_WIRE").map(std::path::PathBuf::from);
        let Some(text) = named.or(beside).and_then(|path| std::fs::read_to_string(path).ok()) else {
            println!("skipped: there are no recorded exchanges");
            return;
        };
        let (mut replies, mut declined, mut streams, mut others) = (0, 0, 0, 0);
        for line in text.lines() {
            let exchange: Value = serde_json::from_str(line).unwrap();
            let (json, raw) = (&exchange["response_json"], exchange["response_text"].as_str().unwrap_or_default());
            let body = if json.is_null() { raw.to_string() } else { json.to_string() };
            let status = exchange["status"].as_u64().unwrap() as u16;
            let kind = exchange["headers"]["content-type"].as_str().unwrap_or_default();
            let headers = BTreeMap::from([("content-type".to_string(), kind.to_string())]);
            let answer = Answer::new(status, headers, body.as_bytes());
            let sent = json!({ "seed": 1, "response_format": {}, "temperature": 0, "max_tokens": 1, "stream": false });
            assert_eq!(crate::io::llm::ladder::rejected_field(&answer, &sent), None, "{body}");
            let choice = &json["choices"][0];
            match read(&answer) {
                Ok(said) => {
                    let content = &choice["message"]["content"];
                    // No text but where none was sent: those called tools.
                    assert_eq!(said.text.is_empty(), content.as_str().is_none_or(str::is_empty) && !content.is_array());
                    assert!(!said.text.is_empty() || choice["message"]["tool_calls"].is_array(), "{body}");
                    if let Some(text) = content.as_str() {
                        assert_eq!(said.text, text);
                    }
                    let reason = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty());
                    assert_eq!(said.finish_reason.as_deref(), reason, "{body}");
                    let usage = |key: &str| json["usage"][key].as_u64().unwrap_or(0);
                    let counted = (usage("prompt_tokens"), usage("completion_tokens"));
                    assert_eq!((said.prompt_tokens, said.completion_tokens), counted, "{body}");
                    replies += 1;
                }
                Err(ModelError::Declined(why)) => {
                    assert!(
                        why.text.starts_with(&format!("status {status}: ")) && !why.text.contains("no explanation"),
                        "{why}"
                    );
                    assert_ne!(status, 200, "{body}");
                    declined += 1;
                }
                Err(ModelError::Transport(why)) if kind.contains("event-stream") => {
                    assert!(why.text.contains("text/event-stream"), "{why}");
                    streams += 1;
                }
                Err(ModelError::Transport(why)) => {
                    assert!(json.get("choices").is_none(), "{why}: {body}");
                    others += 1;
                }
                Err(other) => panic!("{other}: {body}"),
            }
        }
        println!("{replies} replies, {declined} declined, {streams} streams (not asked for here), {others} no replies");
        assert!(replies > declined + streams + others);
    }
}
