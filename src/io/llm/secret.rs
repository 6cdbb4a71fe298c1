use std::fmt;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, codes};

/// A credential. It has no readable form but [`Secret::expose`], which only the network calls.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Stands wherever a credential stood.
const HIDDEN: &str = "***";

/// Servers without keys are given placeholders such as `none`, which occur in any text. What is shorter than this
/// is taken for one, and not looked for.
const SHORTEST: usize = 8;

impl Secret {
    /// A value that a header can carry, without the white space around it.
    ///
    /// # Errors
    /// AG0204, naming the variable and never the value.
    pub fn parse(variable: &str, raw: &str) -> Result<Secret, Diagnostic> {
        let value = raw.trim();
        let problem = match value.chars().find(|c| !c.is_ascii_graphic()) {
            None if value.is_empty() => "is empty",
            None => return Ok(Secret(value.to_string())),
            Some(c) if c.is_control() => "has a line break or another control character in it",
            Some(' ') => "has a space in it",
            Some(_) => "has a character outside visible ASCII in it",
        };
        Err(Diagnostic::new(codes::model::KEY, format!("{variable} {problem}"))
            .help(format!("set {variable} to the key alone")))
    }

    /// A password, which may hold anything.
    pub(in crate::io) fn any(raw: &str) -> Secret {
        Secret(raw.to_string())
    }

    pub(in crate::io) fn expose(&self) -> &str {
        &self.0
    }

    /// For a person who wants to know which key it is: how long it is, and its last two characters where that tells
    /// nothing of the rest.
    pub fn hint(&self) -> (usize, Option<&str>) {
        const LONG: usize = 16;
        (self.0.len(), if self.0.len() < LONG { None } else { self.0.get(self.0.len() - 2..) })
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.len() >= SHORTEST && (text.contains(&self.0) || text.contains(&self.in_json()))
    }

    pub(in crate::io) fn scrub(&self, text: &str) -> String {
        if !self.is_in(text) {
            return text.to_string();
        }
        text.replace(&self.0, HIDDEN).replace(&self.in_json(), HIDDEN)
    }

    /// As it stands inside a JSON string.
    fn in_json(&self) -> String {
        self.0.replace('\\', "\\\\").replace('"', "\\\"")
    }

    /// Keys and strings at any depth, in place: an answer may be large.
    pub(super) fn scrub_json(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.is_in(text) => *text = self.scrub(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_json(item)),
            Value::Object(entries) => {
                if entries.keys().any(|key| self.is_in(key)) {
                    *entries =
                        std::mem::take(entries).into_iter().map(|(key, value)| (self.scrub(&key), value)).collect();
                }
                entries.values_mut().for_each(|value| self.scrub_json(value));
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_header_can_carry_is_a_key() {
        for good in ["sk-0123456789", "  sk-0123456789\n", "x", "a\"b\\c"] {
            assert_eq!(Secret::parse("KEY", good).unwrap().0, good.trim());
        }
        for bad in ["", "   ", "sk-1\nsk-2", "Bearer sk-12345678", "sk-\u{7f}12345678", "clé-12345678"] {
            let error = Secret::parse("MY_KEY", bad).unwrap_err();
            assert_eq!(error.code, codes::model::KEY);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("MY_KEY") && !shown.contains("12345678"), "{shown}");
        }
    }

    #[test]
    fn a_key_does_not_print_and_is_found_in_any_text() {
        let key = Secret::parse("KEY", "sk-\"0123\\456").unwrap();
        assert_eq!(format!("{key} {key:?}"), "*** ***");
        assert!(key.is_in(&json!({ "echo": "sk-\"0123\\456" }).to_string()));
        let mut echo = json!({ "a": [{ "sk-\"0123\\456": "<sk-\"0123\\456>" }, 1] });
        key.scrub_json(&mut echo);
        assert_eq!(echo, json!({ "a": [{ "***": "<***>" }, 1] }));
        assert_eq!(key.hint(), (12, None));
        assert_eq!(Secret::parse("KEY", "sk-0123456789abcdef").unwrap().hint(), (19, Some("ef")));
        let placeholder = Secret::parse("KEY", "none").unwrap();
        assert_eq!(placeholder.scrub("none at all"), "none at all");
    }
}
