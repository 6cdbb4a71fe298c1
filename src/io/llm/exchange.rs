//! One HTTP exchange in the form in which it is recorded. What is decided later is decided from this form alone, live
//! too, so that a replay decides the same.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What came of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Response(Answer),
    Error(Failure),
}

/// What an endpoint answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub status: u16,
    /// Those of [`KEPT_HEADERS`], by lower-case name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The object or array, or anything else as a string of its text.
    pub body: Value,
}

/// Headers that mean something to us; no other is kept or recorded, since any other may hold a credential.
pub(super) const KEPT_HEADERS: [&str; 5] =
    ["content-type", "retry-after", "retry-after-ms", "llm_provider-retry-after", "x-request-id"];

/// Deeper bodies are kept as text: serde_json reads 128 levels, and a cassette adds its own.
const DEEPEST: usize = 100;

impl Answer {
    pub fn new(status: u16, headers: BTreeMap<String, String>, body: &[u8]) -> Answer {
        // JSON has no byte order mark, and some servers write one.
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        let body = match serde_json::from_slice(body) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) if depth(&json) <= DEEPEST => json,
            _ => text(),
        };
        Answer { status, headers, body }
    }

    /// The status that the answer amounts to: some gateways answer 200 and put the error and its status in the body, or
    /// beside a reply that broke off.
    pub fn meant_status(&self) -> u16 {
        if self.status != 200 {
            return self.status;
        }
        let body = self.body.get(0).unwrap_or(&self.body);
        let choice = body.get("choices").and_then(|choices| choices.get(0));
        let error = choice.unwrap_or(body).get("error");
        let code = error.and_then(|error| error.get("code")).and_then(|code| match code {
            Value::String(digits) => digits.parse().ok(),
            number => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        });
        let broke_off = || match choice?.get("finish_reason")?.as_str()? {
            // Its own error, and its servers' lack of resources.
            "error" | "insufficient_system_resource" => Some(502),
            _ => None,
        };
        code.filter(|code| (400..600).contains(code)).or_else(broke_off).unwrap_or(self.status)
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub kind: FailureKind,
    /// A lower-case fragment.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FailureKind {
    /// One exchange took too long.
    Timeout,
    /// The time for all exchanges of the run is used up; nothing was awaited any longer.
    Deadline,
    /// Nothing was sent: that time is used up already, or would be before another try.
    TooLate,
    /// No connection came about.
    Connect,
    /// The connection broke.
    Reset,
    /// The answer was longer than anything that is asked for.
    TooLarge,
    /// The task did not wait for the end: its node's own `timeout` was shorter.
    Abandoned,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer::new(status, BTreeMap::new(), body.as_bytes())
    }

    #[test]
    fn a_body_is_json_only_when_it_reads_back() {
        assert_eq!(answer(200, "{\"a\":1}").body, json!({ "a": 1 }));
        assert_eq!(answer(200, "\u{feff}{\"a\":1}").body, json!({ "a": 1 }));
        assert_eq!(answer(200, "\u{feff}\u{feff}{}").body, json!("\u{feff}{}"));
        for text in ["", "oops", "\"oops\"", "1", "{\"a\":1", "{\"a\":1e999}"] {
            assert_eq!(answer(200, text).body, json!(text));
        }
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(answer(200, &deep).body, json!(deep));
        assert_eq!(Answer::new(200, BTreeMap::new(), b"\xff\xfe").body, json!("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn an_error_inside_a_200_has_its_own_status() {
        for (status, body, meant) in [
            (200, r#"{"error":{"code":429,"message":"slow down"}}"#, 429),
            (200, r#"{"error":{"code":"429"}}"#, 429),
            (200, r#"[{"error":{"code":503}}]"#, 503),
            (200, r#"{"error":{"code":42}}"#, 200),
            (200, r#"{"error":{"code":"oops"}}"#, 200),
            (200, r#"{"error":{"code":500},"choices":[]}"#, 500),
            (200, r#"{"error":{"code":500},"choices":null}"#, 500),
            (200, r#"{"error":{"code":500},"choices":[{"message":{"content":"a"}}]}"#, 200),
            (200, r#"{"choices":[{"error":{"code":503},"finish_reason":"error"}]}"#, 503),
            (200, r#"{"choices":[{"finish_reason":"error"}]}"#, 502),
            (200, r#"{"choices":[{"finish_reason":"insufficient_system_resource"}]}"#, 502),
            (200, r#"{"choices":[{"finish_reason":"stop"}]}"#, 200),
            (400, r#"{"error":{"code":500}}"#, 400),
            (200, "oops", 200),
        ] {
            assert_eq!(answer(status, body).meant_status(), meant, "{body}");
        }
    }
}
