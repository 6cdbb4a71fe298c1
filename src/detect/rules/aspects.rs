//! Tables of aspects whose bands are not written in the unit of their metric: silence, the unusual, and how often a status
//! changes.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::super::judge::SERVICE_STATUS;
use super::super::unusual::{ALERT, Direction, Season, Settings};
use super::units::Band;
use super::written::{Table, WrittenLimits, micros};
use super::{Quantity, Rule, refuse};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::domain::{Aspect, Figure, Severity, Span};

/// Silence is judged for a day, or for twice as long as the highest band.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Changes of a status are counted over so long where nothing is written.
const QUARTER: Duration = Duration::from_secs(15 * 60);

/// `stale = { medium = "5m", high = "30m" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of lengths of time, such as `{ medium = \"5m\", high = \"30m\" }`")]
pub struct WrittenStale {
    low: Option<Spanned<Span>>,
    medium: Option<Spanned<Span>>,
    high: Option<Spanned<Span>>,
}

impl WrittenStale {
    pub fn limits(&self) -> WrittenLimits {
        let band = |length: &Option<Spanned<Span>>| {
            length.as_ref().map(|length| Spanned::new(length.span(), Band::plain(seconds(length.get_ref().0))))
        };
        let [low, medium, high] = [&self.low, &self.medium, &self.high].map(band);
        WrittenLimits { low, medium, high, ..WrittenLimits::default() }
    }

    pub fn quantity(&self) -> Quantity {
        let lengths = [&self.low, &self.medium, &self.high].into_iter().flatten().map(|length| length.get_ref().0);
        let longest = lengths.max().unwrap_or_default().saturating_mul(2);
        Quantity::Silence { until: micros(longest.max(DAY)) }
    }
}

fn seconds(length: Duration) -> Figure {
    Figure::new(length.as_secs_f64()).unwrap_or(Figure::ZERO) // a length of time is finite
}

/// `unusual = true`, or a table.
#[derive(Debug, Default)]
pub struct WrittenUnusual {
    judged: Judged,
    settings: Settings,
}

/// From which score on, and how bad that is.
#[derive(Debug, Clone, Copy)]
struct Judged {
    severity: Severity,
    sensitivity: Sensitivity,
}

impl Default for Judged {
    fn default() -> Judged {
        Judged { severity: Severity::Medium, sensitivity: Sensitivity::Normal }
    }
}

/// How surprising a value must be: [`ALERT`] is normal; with low sensitivity a surprise must be twice as great, with high
/// sensitivity half of it is enough.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sensitivity {
    Low,
    #[default]
    Normal,
    High,
}

impl Judged {
    fn limits(self) -> WrittenLimits {
        let score = match self.sensitivity {
            Sensitivity::Low => 0.67,
            Sensitivity::Normal => ALERT,
            Sensitivity::High => 0.33,
        };
        let band = Figure::new(score).map(|score| Spanned::new(0..0, Band::plain(score)));
        let mut limits = WrittenLimits::default();
        match self.severity {
            Severity::Low => limits.low = band,
            Severity::Medium => limits.medium = band,
            Severity::High => limits.high = band,
        }
        limits
    }
}

impl WrittenUnusual {
    pub fn limits(&self) -> WrittenLimits {
        self.judged.limits()
    }

    pub fn quantity(&self) -> Quantity {
        Quantity::Unusual(self.settings)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnusualTable {
    severity: Option<Severity>,
    #[serde(default)]
    sensitivity: Sensitivity,
    #[serde(default)]
    direction: Direction,
    #[serde(default)]
    season: Season,
}

impl<'de> Deserialize<'de> for WrittenUnusual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = WrittenUnusual;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`true` or a table such as `{ severity = \"low\", sensitivity = \"high\" }`, or leave it out where nothing \
                     unusual is to be found",
                )
            }

            fn visit_bool<E: de::Error>(self, is_judged: bool) -> Result<WrittenUnusual, E> {
                let wrong = || E::invalid_value(de::Unexpected::Bool(false), &self);
                is_judged.then(WrittenUnusual::default).ok_or_else(wrong)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenUnusual, A::Error> {
                let table = UnusualTable::deserialize(MapAccessDeserializer::new(map))?;
                let UnusualTable { severity, sensitivity, direction, season } = table;
                let judged = Judged { severity: severity.unwrap_or(Severity::Medium), sensitivity };
                Ok(WrittenUnusual { judged, settings: Settings { direction, season } })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// What of it an override may say: direction and season are those of all entities.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as `{ severity = \"low\", sensitivity = \"high\" }`; `off = true` of the override switches it off"
)]
pub struct WrittenSensitivity {
    severity: Option<Severity>,
    #[serde(default)]
    sensitivity: Sensitivity,
}

impl WrittenSensitivity {
    pub fn limits(&self) -> WrittenLimits {
        Judged { severity: self.severity.unwrap_or(Severity::Medium), sensitivity: self.sensitivity }.limits()
    }
}

/// `flapping = { medium = 4, high = 10, within = "15m" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `{ medium = 4, high = 10, within = \"15m\" }`")]
pub struct WrittenFlapping {
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    clear: Option<Spanned<Band>>,
    within: Option<Span>,
}

/// The rule of how often the status of a service changes. What is wrong with it goes to `faults`.
pub fn flapping(written: Spanned<WrittenFlapping>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Option<Rule> {
    let (span, written) = (written.span(), written.into_inner());
    let name = Spanned::new(span.clone(), "status".to_string());
    let WrittenFlapping { low, medium, high, clear, within } = written;
    let within = within.map_or(QUARTER, |within| within.0);
    let quantity = Quantity::Changes { within: micros(within) };
    let least = [&low, &medium, &high]
        .into_iter()
        .flatten()
        .find(|band| band.get_ref().figure(None).is_ok_and(|changes| changes.get() < 1.0));
    if let Some(band) = least {
        let message = "a status that does not change would be flapping";
        faults.push(refuse(source, band.span(), message, "write how many changes it takes, 1 or more"));
    }
    let mut table = Table::new(&name, None, None, source, faults);
    table.add(Aspect::Flapping, quantity, Some(within), WrittenLimits { low, medium, high, clear, lasts: None }, span);
    table.rules.pop().map(|rule| Rule { metric: SERVICE_STATUS.to_string(), ..rule })
}
