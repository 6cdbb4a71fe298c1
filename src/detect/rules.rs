//! The rules file: one table per metric of what is judged of it, and how bad each status of a service is.

mod aspects;
mod combined;
mod condition;
mod hours;
mod sense;
mod units;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use glob::Pattern;
use serde::Deserialize;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, SourceFile, codes, decode_file};
use crate::domain::{Aspect, Bands, Figure, Language, Severity, Status};
use aspects::WrittenFlapping;
use combined::{Combined, WrittenCondition, WrittenRatio};
pub use hours::{Hours, Maintenance};
use hours::{WrittenMaintenance, hours};
use written::WrittenRule;

use super::derived::Derived;
use super::unusual::{self, Direction};

/// A checked rules file.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// By metric, then by aspect.
    metrics: Vec<Rule>,
    /// Each may be made of those before it.
    derived: Vec<Derived>,
    status: Bands,
    /// How often the status of a service changes.
    flapping: Option<Rule>,
    maintenance: Vec<Maintenance>,
}

/// What is judged of one metric, or of a column that is derived from several.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub metric: String,
    pub aspect: Aspect,
    pub quantity: Quantity,
    /// What follows the series in an anomaly's name: `rate` of `cpu_usage@web-1#rate`.
    pub suffix: Option<&'static str>,
    /// What must hold, where it is a condition over several metrics; then `metric` is its name.
    pub condition: Option<String>,
    pub label: Label,
    /// Of what is judged: `%`, and `%/min` of its rate.
    pub unit: Option<String>,
    /// Of the metric itself.
    pub metric_unit: Option<String>,
    pub limits: Limits,
    /// What holds for some entities instead: for each the first that names it.
    pub overrides: Vec<Override>,
    /// When it judges; `None`: always.
    pub hours: Option<Hours>,
}

/// From where on what is judged is an anomaly, and until where.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// At least one is set, and they rise; below a value they fall.
    pub bands: Bands,
    /// How long values must stay at or beyond the lowest band before there is an anomaly; `None`: one is enough.
    pub lasts: Option<Duration>,
    /// An episode goes on while a value reaches this; not beyond the lowest band, which it is where nothing is written.
    pub clear: Option<Figure>,
}

/// What holds for the entities that a pattern names.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    pub entity: Pattern,
    /// `None`: they are not judged.
    pub limits: Option<Limits>,
}

impl Override {
    /// The place of the first that names an entity; none names records without one.
    pub fn place(all: &[Override], entity: Option<&str>) -> Option<usize> {
        all.iter().position(|one| entity.is_some_and(|entity| one.entity.matches(entity)))
    }
}

impl Rule {
    /// Names the rule within its file: `cpu_usage`, `cpu_usage#rate`.
    pub fn name(&self) -> String {
        self.suffix.map_or_else(|| self.metric.clone(), |suffix| format!("{}#{suffix}", self.metric))
    }

    /// How it judges what is unusual, if it does.
    pub fn unusual(&self) -> Option<unusual::Settings> {
        match self.quantity {
            Quantity::Unusual(settings) => Some(settings),
            _ => None,
        }
    }
}

/// What a rule makes of the readings of a series before it judges them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    Value,
    /// The change from reading to reading, per so many microseconds.
    Rate {
        per: i64,
        direction: Direction,
    },
    /// The same of a counter, which only goes down where it is reset.
    Counter {
        per: i64,
    },
    /// The seconds since the reading before, and at the end those since the last one.
    Silence {
        /// No longer judged after so many microseconds.
        until: i64,
    },
    /// How unusual it is, from 0 to 1.
    Unusual(unusual::Settings),
    /// How often the value changed in the last microseconds.
    Changes {
        within: i64,
    },
}

/// What sentences call a metric: a noun phrase, in French with its article.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of `en` and `fr`")]
pub struct Label {
    en: Option<String>,
    fr: Option<String>,
}

impl Label {
    /// `None` where the rule has no word of this language.
    pub fn get(&self, language: Language) -> Option<&str> {
        match language {
            Language::En => self.en.as_deref(),
            Language::Fr => self.fr.as_deref(),
        }
    }
}

impl Rules {
    /// # Errors
    /// Every fault of the file: TOML syntax alone; else unknown keys and wrong types; else bands that cannot be applied.
    pub fn parse(source: &SourceFile) -> Result<Rules, Vec<Diagnostic>> {
        let file: File = decode_file(source)?;
        let mut faults = Vec::new();
        let is_empty = file.metrics.is_empty() && file.conditions.is_empty() && file.ratios.is_empty();
        if is_empty && file.status.as_ref().is_none_or(|s| s.is_empty()) {
            faults.push(refuse(source, 0..0, "the file has no rule", "add a table such as `[metrics.cpu_usage]`"));
        }
        let zone = hours::zone(file.zone.as_ref(), source, &mut faults);
        let names: Vec<String> = file.metrics.keys().map(|name| name.get_ref().clone()).collect();
        let combined = Combined { conditions: file.conditions, ratios: file.ratios };
        let mut metrics = Vec::new();
        for (name, written) in file.metrics {
            let hours = hours(written.hours.as_ref(), &zone, source, &mut faults);
            let rules = written.rules(&name, source, &mut faults);
            metrics.extend(rules.into_iter().map(|rule| Rule { hours: hours.clone(), ..rule }));
        }
        let (rules, derived) = combined.rules(&names, &zone, source, &mut faults);
        metrics.extend(rules);
        let windows = file.maintenance.into_iter();
        let maintenance = windows.filter_map(|window| window.check(&zone, source, &mut faults)).collect();
        let mut status = file.status.unwrap_or_default();
        if let (Some(degraded), Some(offline)) = (&status.degraded, &status.offline)
            && offline.get_ref() < degraded.get_ref()
        {
            let message = "`offline` is milder than `degraded`";
            faults.push(refuse(source, offline.span(), message, "give `offline` at least the severity of `degraded`"));
        }
        let flapping = status.flapping.take().and_then(|written| aspects::flapping(written, source, &mut faults));
        if !faults.is_empty() {
            return Err(faults);
        }
        metrics.sort_by(|a, b| (&a.metric, a.aspect).cmp(&(&b.metric, b.aspect)));
        Ok(Rules { metrics, derived, status: status.bands(), flapping, maintenance })
    }

    /// The rules of metrics, sorted by metric and aspect.
    pub fn metrics(&self) -> &[Rule] {
        &self.metrics
    }

    /// The columns that are made of others before rules judge them, in the order in which they are made.
    pub fn derived(&self) -> &[Derived] {
        &self.derived
    }

    /// When some entities are not judged.
    pub fn maintenance(&self) -> &[Maintenance] {
        &self.maintenance
    }

    /// Whether a name is that of a derived column: then no field of a record is meant.
    pub fn is_derived(&self, name: &str) -> bool {
        self.derived.iter().any(|derived| derived.name == name)
    }

    /// The metrics of records that the rules need.
    pub fn wanted(&self) -> BTreeSet<String> {
        let mut wanted: Vec<String> = self.metrics.iter().map(|rule| rule.metric.clone()).collect();
        self.derived.iter().for_each(|derived| derived.node.gather(&mut wanted));
        wanted.into_iter().filter(|name| !self.is_derived(name)).collect()
    }

    /// The places of a metric's rules in [`Rules::metrics`].
    pub fn of(&self, metric: &str) -> Range<usize> {
        let begin = self.metrics.partition_point(|rule| rule.metric.as_str() < metric);
        let rules = self.metrics.get(begin..).unwrap_or_default();
        begin..begin + rules.iter().take_while(|rule| rule.metric == metric).count()
    }

    /// The place of the rule that judges this aspect of a metric.
    pub fn position(&self, metric: &str, aspect: Aspect) -> Option<usize> {
        self.of(metric).find(|at| self.metrics.get(*at).is_some_and(|rule| rule.aspect == aspect))
    }

    /// The rule that judges this aspect of a metric.
    pub fn rule(&self, metric: &str, aspect: Aspect) -> Option<&Rule> {
        self.metrics.get(self.position(metric, aspect)?)
    }

    /// The level (1 degraded, 2 offline) from which on a status has each severity. Where both statuses have one
    /// severity, it begins at degraded. All are unset where the file has no `[status]`.
    pub fn status(&self) -> &Bands {
        &self.status
    }

    /// What is judged of how often the status of a service changes.
    pub fn flapping(&self) -> Option<&Rule> {
        self.flapping.as_ref()
    }

    /// Whether silence is judged.
    pub fn expects_readings(&self) -> bool {
        self.metrics.iter().any(|rule| rule.aspect == Aspect::Stale)
    }
}

/// As written. No `flatten`: it would widen every span to the whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    metrics: BTreeMap<Spanned<String>, WrittenRule>,
    #[serde(default)]
    conditions: BTreeMap<Spanned<String>, WrittenCondition>,
    #[serde(default)]
    ratios: BTreeMap<Spanned<String>, WrittenRatio>,
    status: Option<WrittenStatus>,
    /// Of all hours, and of times without an offset.
    zone: Option<Spanned<String>>,
    #[serde(default)]
    maintenance: Vec<WrittenMaintenance>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[status]`")]
struct WrittenStatus {
    degraded: Option<Spanned<Severity>>,
    offline: Option<Spanned<Severity>>,
    flapping: Option<Spanned<WrittenFlapping>>,
}

impl WrittenStatus {
    fn is_empty(&self) -> bool {
        self.degraded.is_none() && self.offline.is_none() && self.flapping.is_none()
    }

    fn bands(&self) -> Bands {
        let mut bands = Bands::default();
        // The worse first, so that a severity that both have begins at the milder.
        for (severity, status) in [(&self.offline, Status::Offline), (&self.degraded, Status::Degraded)] {
            let slot = match severity.as_ref().map(|s| *s.get_ref()) {
                Some(Severity::Low) => &mut bands.low,
                Some(Severity::Medium) => &mut bands.medium,
                Some(Severity::High) => &mut bands.high,
                None => continue,
            };
            *slot = Some(Figure::count(status.level().into()));
        }
        bands
    }
}

/// A pattern of entities' names.
fn pattern(text: &Spanned<String>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Option<Pattern> {
    let found = Pattern::new(text.get_ref());
    if text.get_ref().is_empty() {
        let help = "write a name or a pattern: `*` stands for any characters";
        faults.push(sense::senseless(source, text.span(), "the pattern is empty: it names no entity", help));
    }
    if let Err(error) = &found {
        let message = format!("`{}` is no pattern: {}", text.get_ref(), error.msg);
        let help = "`*` stands for any characters, `?` for one, `[ab]` for one of those";
        faults.push(refuse(source, text.span(), message, help));
    }
    found.ok()
}

pub(super) fn refuse(
    source: &SourceFile,
    span: Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    Diagnostic::new(codes::graph::RULES, message).at(source, span).help(help)
}

#[cfg(test)]
mod tests;
