use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A finite number as a report states it: rounded to nine significant digits, so that its bytes depend neither on
/// the order of additions nor on the number of threads. Serialises as a JSON integer where it is one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Figure(f64);

impl Figure {
    pub const ZERO: Figure = Figure(0.0);

    /// `None` when `value` is not finite: no such number may cross from the stream part into a report.
    pub fn new(value: f64) -> Option<Figure> {
        if !value.is_finite() {
            return None;
        }
        if value.fract() == 0.0 && value.abs() < 1e9 {
            return Some(Figure(value + 0.0)); // it has nine digits at most; `+ 0.0` drops -0.0
        }
        // Rounding in decimal is exact this way; figures are few, so the detour through text costs little.
        let rounded: f64 = format!("{value:.8e}").parse().ok()?;
        // Rounding up may leave the range (1.7976931348e308); the unrounded value is still true.
        Some(Figure(if rounded.is_finite() { rounded } else { value } + 0.0))
    }

    /// A count as a figure.
    pub fn count(value: u64) -> Figure {
        Figure::new(value as f64).unwrap_or(Figure::ZERO) // every u64 is finite as f64
    }

    pub fn get(self) -> f64 {
        self.0
    }

    #[must_use]
    pub fn negative(self) -> Figure {
        Figure(0.0 - self.0) // never -0.0
    }

    fn as_integer(self) -> Option<i64> {
        (self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0).then_some(self.0 as i64)
    }
}

/// Plain decimal notation without grouping, as in JSON.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_integer() {
            Some(integer) if serializer.is_human_readable() => serializer.serialize_i64(integer),
            _ => serializer.serialize_f64(self.0), // a format that names no types has one for all
        }
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        let found = serde::de::Unexpected::Float(value);
        Figure::new(value).ok_or_else(|| serde::de::Error::invalid_value(found, &"a finite number"))
    }
}

impl JsonSchema for Figure {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Figure".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_nine_significant_digits_and_serialises_integers_as_such() {
        let text = |v: f64| serde_json::to_string(&Figure::new(v).unwrap()).unwrap();
        assert_eq!(text(156.01799999999997), "156.018");
        assert_eq!(text(99.0), "99");
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(1.0 / 3.0), "0.333333333");
        assert_eq!(text(1_234_567_891_234.0), "1234567890000");
        assert!(Figure::new(f64::INFINITY).is_none());
        assert!(Figure::new(f64::MAX).is_some());
    }
}
