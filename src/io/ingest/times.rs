//! Times and lengths of time as configs write them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

use crate::domain::{Timestamp, Wait};

/// A length of time that something is repeated after: at least a millisecond, and whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Period(pub Duration);

impl Period {
    /// In milliseconds, up to some 290 million years.
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX).max(1)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        let Wait(length) = Wait::deserialize(deserializer)?;
        if length.is_zero() || length.subsec_nanos() % 1_000_000 != 0 {
            let expected = "a whole number of milliseconds, at least one, such as \"250ms\" or \"30s\"";
            return Err(D::Error::invalid_value(Unexpected::Other("zero or a part of a millisecond"), &expected));
        }
        Ok(Period(length))
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Where a source begins: so long before now, or at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Ago(Wait),
    At(Timestamp),
}

impl Start {
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Start::Ago(span) => Timestamp::from_micros(now.micros().saturating_sub(span.micros())).unwrap_or(now),
            Start::At(time) => time,
        }
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Start, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = Wait::parse(&text).map(Start::Ago);
        let expected = "a length of time before now such as \"1h\", or a time such as 2024-01-01T00:00:00Z";
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &expected);
        span.or_else(|| Timestamp::parse(&text).map(Start::At)).ok_or_else(wrong)
    }
}

impl JsonSchema for Start {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Start".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    use crate::port::Clock;
    crate::io::files::WallClock.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_relative_or_absolute() {
        let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
        let start = |text: &str| serde_json::from_value::<Start>(text.into()).map(|s| s.resolve(now).to_string());
        assert_eq!(start("1h 30m").unwrap(), "2026-01-01T10:30:00Z");
        assert_eq!(start("0s").unwrap(), "2026-01-01T12:00:00Z");
        assert_eq!(start("2025-12-31T23:00:00+01:00").unwrap(), "2025-12-31T22:00:00Z");
        assert!(start("yesterday").unwrap_err().to_string().contains("expected a length of time before now"));
        assert!(start("-5m").is_err());
    }
}
