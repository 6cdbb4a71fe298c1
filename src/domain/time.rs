use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: microseconds since 1970-01-01T00:00:00Z. Reads and writes as ISO 8601 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// `None` outside the years -9999 to 9999, which ISO 8601 text cannot carry.
    pub fn from_micros(micros: i64) -> Option<Timestamp> {
        jiff::Timestamp::from_microsecond(micros).ok().map(|_| Timestamp(micros))
    }

    /// The same, or the first or last moment there is.
    pub fn nearest(micros: i64) -> Timestamp {
        Timestamp(micros.clamp(jiff::Timestamp::MIN.as_microsecond(), jiff::Timestamp::MAX.as_microsecond()))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    /// As it stands in paths and ids: `20231001T120000Z`, with microseconds only where there are some.
    pub fn label(self) -> String {
        self.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }

    /// RFC 3339, or `YYYY-MM-DD HH:MM:SS` (also with `T`, with a fraction, or without seconds), taken as UTC.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp(instant.as_microsecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let instant = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Timestamp(instant.as_microsecond()))
    }

    /// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by magnitude
    /// (below 1e11, 1e14, 1e17): seconds reach the year 5138, milliseconds start in 1973.
    pub fn from_epoch(value: f64) -> Option<Timestamp> {
        let micros = match value.abs() {
            v if v < 1e11 => value * 1e6,
            v if v < 1e14 => value * 1e3,
            v if v < 1e17 => value,
            v if v < 1e20 => value / 1e3,
            _ => return None, // NaN and infinities too
        };
        Timestamp::from_micros(micros.round() as i64)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}µs", self.0), // not reachable: both constructors check the range
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = serde::de::Unexpected::Str(&text);
        Timestamp::parse(&text)
            .ok_or_else(|| serde::de::Error::invalid_value(found, &"a time such as 2024-01-01T00:00:00Z"))
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_telemetry_uses_and_writes_iso_8601() {
        for text in [
            "2023-10-01T12:00:00Z",
            "2023-10-01T14:00:00+02:00",
            "2023-10-01 12:00:00",
            "2023-10-01T12:00:00",
            "2023-10-01T12:00",
            "2023-10-01T12:00:00.000Z",
        ] {
            assert_eq!(
                Timestamp::parse(text).map(|t| t.to_string()).as_deref(),
                Some("2023-10-01T12:00:00Z"),
                "{text}"
            );
        }
        for epoch in [1696161600.0, 1696161600e3, 1696161600e6, 1696161600e9] {
            assert_eq!(Timestamp::from_epoch(epoch).map(|t| t.to_string()).as_deref(), Some("2023-10-01T12:00:00Z"));
        }
        assert_eq!(Timestamp::parse("2023-10-01T12:00:00.25Z").unwrap().to_string(), "2023-10-01T12:00:00.25Z");
        for text in ["", "yesterday", "2023-13-01T00:00:00Z", "12:00"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_epoch(f64::NAN), None);
    }
}
