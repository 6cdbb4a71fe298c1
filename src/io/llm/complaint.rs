//! What an endpoint objects to, out of the many shapes in which endpoints say it.

use serde_json::Value;

/// An error as far as it could be read. Holds no part of the request but what the endpoint quotes in its message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Complaint {
    /// One line of plain text; empty when the endpoint explains nothing.
    pub message: String,
    /// Code and type, as strings.
    pub codes: Vec<String>,
    /// The parameter that is at fault, where it is named apart from the message.
    pub param: Option<String>,
}

/// Longest message that is passed on, in characters.
const LONGEST: usize = 300;

impl Complaint {
    /// `None` when the body holds no error.
    pub fn read(body: &Value) -> Option<Complaint> {
        match body {
            Value::Array(items) => items.first().and_then(Complaint::read),
            Value::String(text) => Some(Complaint { message: plain(&without_markup(text)), ..Complaint::default() }),
            Value::Object(entries) => {
                if let Some(error) = entries.get("error").filter(|e| !e.is_null()) {
                    return Some(Complaint::of_error(error));
                }
                // Beside the reply that it broke off.
                let of_choice = entries.get("choices").and_then(|c| c.get(0)?.get("error")).filter(|e| !e.is_null());
                if let Some(error) = of_choice {
                    return Some(Complaint::of_error(error));
                }
                if let Some(detail) = entries.get("detail").or_else(|| entries.get("errors")) {
                    return Some(Complaint::of_detail(detail));
                }
                entries.get("message").filter(|m| m.is_string()).map(|_| Complaint::of_error(body))
            }
            _ => None,
        }
    }

    /// `"text"`, or an object with a message and more.
    fn of_error(error: &Value) -> Complaint {
        if let Some(text) = error.as_str() {
            return Complaint { message: plain(text), ..Complaint::default() };
        }
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let upstream = error.get("metadata").and_then(|m| m.get("raw")).and_then(Value::as_str);
        let message = [text("message"), upstream].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let codes = ["code", "type", "status"].into_iter().filter_map(|key| match error.get(key)? {
            Value::String(code) => Some(code.clone()),
            Value::Number(code) => Some(code.to_string()),
            _ => None,
        });
        Complaint { message: plain(&message), codes: codes.collect(), param: text("param").map(String::from) }
    }

    /// `"text"`, or a list of `{ loc: ["body", "seed"], msg }`.
    fn of_detail(detail: &Value) -> Complaint {
        let Some(items) = detail.as_array() else {
            return Complaint::of_error(detail);
        };
        let place = |item: &Value| {
            let parts = item.get("loc").and_then(Value::as_array).into_iter().flatten();
            parts.map(|part| part.as_str().map_or_else(|| part.to_string(), String::from)).collect::<Vec<_>>().join(".")
        };
        let lines = items.iter().map(|item| {
            let why = ["msg", "message"].into_iter().find_map(|key| item.get(key)?.as_str()).or(item.as_str());
            format!("{} {}", place(item), why.unwrap_or_default())
        });
        Complaint { message: plain(&lines.collect::<Vec<_>>().join("; ")), ..Complaint::default() }
    }

    pub fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code)
    }

    /// Whether it is an account without money rather than a moment of haste: trying again cannot help.
    pub fn is_about_quota(&self) -> bool {
        const CODES: [&str; 4] =
            ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"];
        const WORDS: [&str; 8] = [
            "insufficient_quota",
            "insufficient balance",
            "insufficient credit",
            "credit balance",
            "more credits",
            "billing details",
            "billing hard limit",
            "billing limit",
        ];
        // Limits by the minute often come with advice on where to pay for higher ones.
        const HASTE: [&str; 3] = ["rate limit", "try again in", "per min"];
        CODES.iter().any(|code| self.has_code(code)) || (self.says(&WORDS) && !self.says(&HASTE))
    }

    /// Whether the prompt is longer than the model reads. Such texts name the limit of the reply too.
    pub fn is_about_context(&self) -> bool {
        const CODES: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];
        const WORDS: [&str; 3] = ["context length", "context size", "context window"];
        CODES.iter().any(|code| self.has_code(code)) || self.says(&WORDS)
    }

    /// Whether the key is at fault, whatever the status: some gateways say so with a 400.
    pub fn is_about_key(&self) -> bool {
        // LiteLLM's proxy looks for a key that it does not know in its database, and says that it has none.
        const CODES: [&str; 2] = ["invalid_api_key", "no_db_connection"];
        CODES.iter().any(|code| self.has_code(code)) || self.says(&["api key", "api_key", "apikey"])
    }

    /// Whether there is no model of that name, or none that this key may use.
    pub fn is_about_model(&self) -> bool {
        const CODES: [&str; 3] = ["model_not_found", "invalid_model", "DeploymentNotFound"];
        let named = self.param.as_deref() == Some("model") || CODES.iter().any(|code| self.has_code(code));
        const WORDS: [&str; 6] =
            ["not found", "does not exist", "invalid model", "unknown model", "not a valid model", "no model"];
        named || (self.says(&["model", "deployment"]) && self.says(&WORDS))
    }

    /// Whether the message has one of these, in lower case.
    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

/// A page's title, else its text.
fn without_markup(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_string();
    }
    // ASCII case only, so that offsets stay those of the text.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = start + lower.get(start..)?.find("</title>")?;
        text.get(start..end)
    });
    if let Some(title) = title {
        return title.to_string();
    }
    let mut inside = false;
    let shown = text.chars().map(|c| match c {
        '<' => {
            inside = true;
            ' '
        }
        '>' => {
            inside = false;
            ' '
        }
        c if inside && !c.is_whitespace() => ' ',
        c => c,
    });
    shown.collect()
}

/// One line, without what a terminal would act on, of bounded length.
fn plain(text: &str) -> String {
    let harmless = |c: &char| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(harmless).collect())
        .filter(|w: &String| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_error_is_read() {
        let cases = [
            (
                json!({ "error": { "message": "No such model", "type": "invalid_request_error", "param": "model", "code": null } }),
                "No such model|invalid_request_error|model",
            ),
            (
                json!({ "object": "error", "message": "bad", "type": "invalid", "param": null, "code": "1500" }),
                "bad|1500,invalid|",
            ),
            (json!({ "message": "Requests rate limit exceeded" }), "Requests rate limit exceeded||"),
            (
                json!({ "detail": [{ "type": "extra_forbidden", "loc": ["body", "seed", 0], "msg": "Extra inputs", "input": 1 }] }),
                "body.seed.0 Extra inputs||",
            ),
            (json!({ "detail": "Not Found" }), "Not Found||"),
            (json!({ "error": "model \"x\" not found" }), "model \"x\" not found||"),
            (
                json!([{ "error": { "code": 400, "message": "m", "status": "INVALID_ARGUMENT" } }]),
                "m|400,INVALID_ARGUMENT|",
            ),
            (
                json!({ "error": { "code": 429, "message": "Provider returned error", "metadata": { "raw": "slow\u{1b}[31m" } } }),
                "Provider returned error: slow[31m|429|",
            ),
            (json!("<html>\n<head><title>502 Bad Gateway</title></head>"), "502 Bad Gateway||"),
            (json!("<p>over <b>capacity</b></p>"), "over capacity||"),
            (json!("Internal\nServer Error"), "Internal Server Error||"),
            (json!({ "error": {} }), "||"),
            (json!({ "choices": [{ "error": { "code": 502, "message": "cut" } }] }), "cut|502|"),
            (
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
                "Overloaded|overloaded_error|",
            ),
            (
                json!({ "statusCode": 401, "message": "Unauthorized. Access token is missing." }),
                "Unauthorized. Access token is missing.||",
            ),
        ];
        for (body, expected) in cases {
            let c = Complaint::read(&body).unwrap();
            assert_eq!(
                format!("{}|{}|{}", c.message, c.codes.join(","), c.param.unwrap_or_default()),
                expected,
                "{body}"
            );
        }
        for none in [json!({ "choices": [] }), json!({ "error": null, "choices": [] }), json!([]), json!(1), json!({})]
        {
            assert_eq!(Complaint::read(&none), None, "{none}");
        }
        let long = Complaint::read(&json!("é".repeat(5000))).unwrap();
        assert_eq!(long.message.chars().count(), LONGEST + 1);
    }
}
