use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// A length of time as people write it, not zero: `250ms`, `30s`, `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A length of time that may be zero: `0s`, `5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Default)]
pub struct Wait(pub Duration);

impl Wait {
    pub fn parse(text: &str) -> Option<Wait> {
        let parsed = text.parse::<jiff::SignedDuration>().ok()?;
        Duration::try_from(parsed).ok().map(Wait)
    }

    /// Whole microseconds, up to some 290,000 years.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

fn no_length<E: de::Error>(text: &str) -> E {
    E::custom(format!("`{text}` is not a length of time such as \"30s\" or \"1m 30s\""))
}

/// A text that says what it is wanted for where it is none.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time in quotes, such as \"30s\" or \"5m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(Text)?;
        let parsed = Wait::parse(&text).filter(|wait| !wait.0.is_zero());
        parsed.map(|wait| Span(wait.0)).ok_or_else(|| no_length(&text))
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(Text)?;
        Wait::parse(&text).ok_or_else(|| no_length(&text))
    }
}

impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wait".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
