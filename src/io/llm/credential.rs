//! What looks like a credential, in texts that are about to be recorded. By shape alone: whose it is is not known.

use serde_json::Value;

/// Prefixes of keys that providers hand out; what follows is random.
const PREFIXES: &[&str] = &[
    "sk-",
    "sk_live_",
    "rk_live_",
    "gsk_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AIza",
    "hf_",
    "nvapi-",
    "pplx-",
    "r8_",
];

/// Names that stand before a credential, in lower case, with every `-`, `_` and space left out.
const NAMES: &[&str] = &[
    "apikey",
    "xapikey",
    "accesstoken",
    "authtoken",
    "secretkey",
    "clientsecret",
    "password",
    "passwd",
    "authorization",
];

/// Shorter ones are words and placeholders.
const SHORTEST: usize = 16;

/// What kind of credential is in the value, at any depth; `None` where there is none.
pub(super) fn in_json(value: &Value) -> Option<&'static str> {
    match value {
        Value::String(text) => in_text(text),
        Value::Array(items) => items.iter().find_map(in_json),
        Value::Object(entries) => entries.iter().find_map(|(key, value)| {
            let named = value.as_str().filter(|text| is_named(key) && is_random(text));
            named.map(|_| "a credential under its name").or_else(|| in_text(key)).or_else(|| in_json(value))
        }),
        _ => None,
    }
}

fn in_text(text: &str) -> Option<&'static str> {
    if text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let mut start = None;
    // Words of what keys are made of, and what stands before each.
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (is_of_key(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                let (before, word) = (text.get(..from).unwrap_or_default(), text.get(from..at).unwrap_or_default());
                if let Some(kind) = kind_of(before, word) {
                    return Some(kind);
                }
            }
            _ => {}
        }
    }
    None
}

/// `=` and `:` end a word: they stand between a name and its value.
fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/')
}

fn kind_of(before: &str, word: &str) -> Option<&'static str> {
    if is_jwt(word) {
        return Some("a JSON web token");
    }
    let has_prefix = |prefix: &str| word.strip_prefix(prefix).is_some_and(is_random);
    if PREFIXES.iter().any(|prefix| has_prefix(prefix)) {
        return Some("the key of a provider");
    }
    if !is_random(word) {
        return None;
    }
    let before = before.trim_end_matches(['"', '\'', '\\', '<', ' ']);
    let is_bearer =
        before.len() >= 6 && before.get(before.len() - 6..).is_some_and(|w| w.eq_ignore_ascii_case("bearer"));
    if is_bearer {
        return Some("a Bearer token");
    }
    let name = before.strip_suffix(['=', ':'])?.trim_end_matches(['"', '\'', '\\', ' ']);
    let name = name.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' '))).next()?;
    let ends = |count: usize| name.rsplit(' ').take(count).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    (is_named(&ends(1)) || is_named(&ends(2))).then_some("a credential under its name")
}

fn is_named(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|known| name.ends_with(known))
}

/// Long, and not words: a stretch of letters and digits that is longer than words are, with digits among them.
fn is_random(text: &str) -> bool {
    let mixed = |part: &str| {
        part.len() >= 10 && part.bytes().any(|b| b.is_ascii_digit()) && part.bytes().any(|b| b.is_ascii_alphabetic())
    };
    text.len() >= SHORTEST && text.split(|c: char| !c.is_ascii_alphanumeric()).any(mixed)
}

/// Three parts in base64, of which the first two are JSON objects: `{"` is `eyJ`.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.trim_end_matches('.').split('.').collect();
    matches!(parts[..], [head, claims, signature]
        if head.starts_with("eyJ") && claims.starts_with("eyJ") && head.len() > 8 && claims.len() > 8 && signature.len() > 8)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Put together here, so that no scanner takes this file for a leak.
    fn random() -> String {
        ["a8Kd93jx", "Qw71LmP0", "zT5v"].concat()
    }

    #[test]
    fn what_looks_like_a_credential_is_found_wherever_it_stands() {
        let random = random();
        let jwt = format!("{}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N");
        for text in [
            format!("Authorization: Bearer {random}"),
            format!("curl -H 'authorization: bearer {random}'"),
            format!("the key is sk-{random}."),
            format!("sk-proj-{random}"),
            format!("sk-ant-api03-{random}-{random}"),
            format!("use gsk_{random}, please"),
            format!("AKIA{}", random.to_uppercase()),
            format!("https://x.example/v1?api_key={random}&x=1"),
            format!("API-Key: \"{random}\""),
            format!("api key: {random}"),
            format!("{{\\\"openai_api_key\\\": \\\"{random}\\\"}}"),
            format!("password={random}"),
            jwt,
            "-----BEGIN RSA PRIVATE KEY-----\nMII".to_string(),
        ] {
            assert!(in_text(&text).is_some(), "{text}");
            assert!(in_json(&json!({ "choices": [{ "message": { "content": text } }] })).is_some(), "{text}");
            assert!(in_json(&json!({ text: 1 })).is_some());
        }
        assert!(in_json(&json!({ "error": { "apiKey": random } })).is_some());
    }

    #[test]
    fn what_telemetry_and_providers_write_is_none() {
        for text in [
            "sk-web-server-frontend-production.internal",
            "task-scheduler-2024-production-eu-west-1",
            "ask-2023-10-01T12:00:00Z",
            "Bearer authentication failed",
            "Bearer token is missing; see https://example.com/docs/authentication/v1/bearer-tokens",
            "Incorrect API key provided: sk-abc**************xyz.",
            "api_key=YOUR_API_KEY",
            "api_key: none",
            "password: ***",
            "the key: web-1, web-2",
            "eyJ.eyJ.x",
            "{cpu_usage.value} of api_gateway at 2024-03-13T14:30:00Z",
            "scale-out:api_gateway/20240313T063000Z",
        ] {
            assert_eq!(in_text(text), None, "{text}");
        }
        assert_eq!(in_json(&json!({ "max_tokens": 400, "api_key": "none", "id": "chatcmpl-9aB3dE5fG7hJ9kL1" })), None);
    }

    #[test]
    fn the_cassettes_of_the_repository_hold_none() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cassettes");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(in_json(&serde_json::from_str(&text).unwrap()), None);
            read += 1;
        }
        assert!(read > 0);
    }
}
