//! JSON values as a test file writes them in TOML, each with its place.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use crate::domain::Timestamp;

/// What the TOML library calls the one key of a date when it hands it on as a table.
const DATE: &str = "$__toml_private_datetime";

/// A value with the places of what is inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// Anything that has nothing inside; a date is its ISO 8601 text in UTC.
    Plain(Value),
    List(Vec<Spanned<Json>>),
    /// In the order of the library, which is by name.
    Table(Vec<(String, Spanned<Json>)>),
}

impl Json {
    pub fn value(&self) -> Value {
        match self {
            Json::Plain(value) => value.clone(),
            Json::List(items) => items.iter().map(|item| item.get_ref().value()).collect(),
            Json::Table(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.get_ref().value())).collect())
            }
        }
    }

    /// The one entry of a table that has no other.
    pub fn only(&self) -> Option<(&str, &Spanned<Json>)> {
        match self {
            Json::Table(entries) => match entries.as_slice() {
                [(key, value)] => Some((key, value)),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Plain(value) => value.as_f64(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a value")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
                let number = serde_json::Number::from_f64(value);
                let wrong = || E::invalid_value(Unexpected::Float(value), &"a number that JSON has");
                number.map(|n| Json::Plain(n.into())).ok_or_else(wrong)
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == DATE {
                        let text: String = map.next_value()?;
                        let time = Timestamp::parse(&text).map_or(text, |time| time.to_string());
                        return Ok(Json::Plain(time.into()));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Json::Table(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A moment, as a TOML date or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Json::deserialize(deserializer)? {
            Json::Plain(Value::String(text)) => text,
            other => other.value().to_string(),
        };
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"a time such as 2024-01-01T00:00:00Z");
        Timestamp::parse(&text).map(Time).ok_or_else(wrong)
    }
}

/// A moment, or that it never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    Never,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Json::deserialize(deserializer)? {
            Json::Plain(Value::String(text)) => text,
            other => other.value().to_string(),
        };
        if text == "never" {
            return Ok(Moment::Never);
        }
        let expected = "a time such as 2024-01-01T00:00:00Z, or \"never\"";
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &expected);
        Timestamp::parse(&text).map(Moment::At).ok_or_else(wrong)
    }
}
