//! Bands with a unit, `"90 %"` or `"1.5 GiB"`, in the unit of their rule.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::Figure;

/// A figure as a band is written: a number, or a number with a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    figure: Figure,
    unit: Option<String>,
}

/// What is wrong with a band, and what to do.
pub type Misfit = (String, String);

impl Band {
    /// In the unit of its rule, whatever that is.
    pub fn plain(figure: Figure) -> Band {
        Band { figure, unit: None }
    }

    /// In the unit of a rule.
    ///
    /// # Errors
    /// A unit that is not known, or measures something else.
    pub fn figure(&self, unit: Option<&str>) -> Result<Figure, Misfit> {
        let Some(own) = self.unit.as_deref().filter(|own| Some(*own) != unit) else { return Ok(self.figure) };
        let written = format!("{} {own}", self.figure);
        let Some(from) = Unit::parse(own) else {
            return Err((format!("the unit of `{written}` is not known"), KNOWN.to_string()));
        };
        let wanted = unit.map_or(Some(Unit::RATIO), Unit::parse).filter(|wanted| wanted.measures == from.measures);
        let Some(wanted) = wanted else {
            return Err(match unit {
                None => (
                    format!("`{written}` has a unit, and the rule has none"),
                    format!("add `unit = \"{own}\"` if records state it in that"),
                ),
                Some(unit) => (
                    format!("`{written}` does not convert to `{unit}`, the unit of the rule"),
                    "time converts to time, bytes to bytes, % to a share of 1".to_string(),
                ),
            });
        };
        let converted = Figure::new(self.figure.get() * from.size / wanted.size);
        converted.ok_or_else(|| (format!("`{written}` is too large"), "write a smaller one".to_string()))
    }
}

const KNOWN: &str = "ns, µs, ms, s, min, h and day convert, B to PB, KiB to PiB and %, each also per time as in `MB/s`; \
                     any other unit must be that of the rule";

#[derive(Debug, Clone, Copy, PartialEq)]
struct Unit {
    measures: (Measures, Option<Measures>),
    /// In nanoseconds, bytes or hundredths; per nanosecond where it is of a speed.
    size: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measures {
    Time,
    Bytes,
    Share,
}

impl Unit {
    /// Of plain numbers: 0.05 is 5 %.
    const RATIO: Unit = Unit { measures: (Measures::Share, None), size: 100.0 };

    fn parse(text: &str) -> Option<Unit> {
        let Some((above, below)) = text.split_once('/') else {
            let (measures, size) = simple(text)?;
            return Some(Unit { measures: (measures, None), size });
        };
        let (measures, size) = simple(above)?;
        let (times, below) = split(below.trim());
        let (per, length) = simple(below).filter(|(per, _)| *per == Measures::Time)?;
        let times: f64 = if times.is_empty() { 1.0 } else { times.parse().ok()? };
        Some(Unit { measures: (measures, Some(per)), size: size / (times * length) })
    }
}

fn simple(word: &str) -> Option<(Measures, f64)> {
    use Measures::{Bytes, Share, Time};
    Some(match word.trim() {
        "ns" => (Time, 1.0),
        "us" | "µs" | "μs" => (Time, 1e3),
        "ms" => (Time, 1e6),
        "s" => (Time, 1e9),
        "min" => (Time, 60e9),
        "h" => (Time, 3600e9),
        "day" | "days" | "d" => (Time, 86_400e9),
        "B" => (Bytes, 1.0),
        "kB" | "KB" => (Bytes, 1e3),
        "MB" => (Bytes, 1e6),
        "GB" => (Bytes, 1e9),
        "TB" => (Bytes, 1e12),
        "PB" => (Bytes, 1e15),
        "KiB" => (Bytes, 1024.0),
        "MiB" => (Bytes, 1_048_576.0),
        "GiB" => (Bytes, 1_073_741_824.0),
        "TiB" => (Bytes, 1_099_511_627_776.0),
        "PiB" => (Bytes, 1_125_899_906_842_624.0),
        "%" => (Share, 1.0),
        _ => return None,
    })
}

/// The number that a text begins with, and the rest.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number, rest.trim_start())
}

impl<'de> Deserialize<'de> for Band {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Band;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 90, or in quotes one with a unit such as \"250 ms\"")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Band, E> {
                let figure = Figure::new(value).ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))?;
                Ok(Band { figure, unit: None })
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Band, E> {
                self.visit_f64(value as f64)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Band, E> {
                self.visit_f64(value as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Band, E> {
                let (number, unit) = split(text.trim());
                match number.parse().ok().and_then(Figure::new).filter(|_| !unit.is_empty()) {
                    Some(figure) => Ok(Band { figure, unit: Some(unit.to_string()) }),
                    None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_to_that_of_the_rule() {
        let band = |value: f64, unit: &str| Band { figure: Figure::new(value).unwrap(), unit: Some(unit.to_string()) };
        for (value, unit, wanted, expected) in [
            (90.0, "%", Some("%"), 90.0),
            (5.0, "%", None, 0.05),
            (250.0, "ms", Some("s"), 0.25),
            (2.0, "min", Some("ms"), 120_000.0),
            (7.0, "µs", Some("ns"), 7000.0),
            (1.5, "GiB", Some("MB"), 1610.61274),
            (1.0, "TB", Some("GB"), 1000.0),
            (1.0, "MB/s", Some("kB/min"), 60_000.0),
            (1.0, "GB/day", Some("GB/12 h"), 0.5),
            (40.0, "°C", Some("°C"), 40.0),
            (3.0, "°C/min", Some("°C/min"), 3.0),
        ] {
            assert_eq!(band(value, unit).figure(wanted).map(Figure::get), Ok(expected), "{value} {unit}");
        }
        for (unit, wanted, message) in [
            ("mz", Some("ms"), "the unit of `1 mz` is not known"),
            ("°C", None, "the unit of `1 °C` is not known"),
            ("ms", None, "`1 ms` has a unit, and the rule has none"),
            ("ms", Some("MB"), "`1 ms` does not convert to `MB`, the unit of the rule"),
            ("MB", Some("MB/s"), "`1 MB` does not convert to `MB/s`, the unit of the rule"),
            ("%", Some("°C"), "`1 %` does not convert to `°C`, the unit of the rule"),
        ] {
            assert_eq!(band(1.0, unit).figure(wanted).unwrap_err().0, message);
        }
    }
}
