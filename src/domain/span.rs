use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

/// A length of time as people write it, not zero: `250ms`, `30s`, `1m 30s`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let parsed = Wait::parse(text).filter(|wait| !wait.0.is_zero()).map(|wait| Span(wait.0));
        parsed.ok_or_else(|| "it is not a length of time above zero, such as 30s, 1m 30s or 1d".to_string())
    }
}

/// A length of time that may be zero: `0s`, `5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Default)]
pub struct Wait(pub Duration);

impl Wait {
    /// The one place where lengths of time are read, in files and on the command line. A day has 24 hours here and a week
    /// seven days; months and years have no length.
    pub fn parse(text: &str) -> Option<Wait> {
        let with_days = || text.parse::<jiff::Span>().ok()?.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok();
        let parsed = text.parse::<jiff::SignedDuration>().ok().or_else(with_days)?;
        Duration::try_from(parsed).ok().map(Wait)
    }

    /// Whole microseconds, up to some 290,000 years.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

/// Reads either of the two, and says of anything else what it should be.
struct Length {
    may_be_zero: bool,
}

impl de::Visitor<'_> for Length {
    type Value = Wait;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let above = if self.may_be_zero { "" } else { " above zero" };
        write!(f, "a length of time{above}, such as \"30s\", \"1m 30s\" or \"1d\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Wait, E> {
        let parsed = Wait::parse(text).filter(|wait| self.may_be_zero || !wait.0.is_zero());
        parsed.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Length { may_be_zero: false }).map(|wait| Span(wait.0))
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Length { may_be_zero: true })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_units_up_to_weeks() {
        for (text, seconds) in [
            ("0s", Some(0.0)),
            ("250ms", Some(0.25)),
            ("1m 30s", Some(90.0)),
            ("1h30m", Some(5400.0)),
            ("1d", Some(86_400.0)),
            ("2d 12h", Some(216_000.0)),
            ("1 week", Some(604_800.0)),
            ("P1DT1H", Some(90_000.0)),
            ("1mo", None),
            ("1y", None),
            ("-5m", None),
            ("-1d", None),
            ("5", None),
            ("5 bananas", None),
            ("", None),
        ] {
            assert_eq!(Wait::parse(text).map(|wait| wait.0.as_secs_f64()), seconds, "{text}");
        }
        assert!("0s".parse::<Span>().is_err() && "1d".parse::<Span>().is_ok());
    }
}
