//! A metric's table as it is written, and the rules that it stands for.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::super::unusual::Direction;
use super::aspects::{WrittenSensitivity, WrittenStale, WrittenUnusual};
use super::sense::{self, senseless};
use super::units::Band;
use super::{Label, Limits, Override, Quantity, Rule, pattern, refuse};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::domain::{Aspect, Bands, Figure, Span};

/// Bands and times stand in every table of their own: `flatten` would widen every span to the whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[metrics.cpu_usage]`")]
pub struct WrittenRule {
    label: Option<Label>,
    unit: Option<String>,
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<Span>>,
    clear: Option<Spanned<Band>>,
    below: Option<Spanned<WrittenLimits>>,
    rate: Option<Spanned<WrittenRate>>,
    counter: Option<Spanned<WrittenCounter>>,
    stale: Option<Spanned<WrittenStale>>,
    unusual: Option<Spanned<WrittenUnusual>>,
    #[serde(default, rename = "override")]
    overrides: Vec<WrittenOverride>,
    pub hours: Option<Spanned<String>>,
}

/// From where on what is judged is an anomaly.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of bands, such as `{ low = 1, high = 2 }`")]
pub struct WrittenLimits {
    pub low: Option<Spanned<Band>>,
    pub medium: Option<Spanned<Band>>,
    pub high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    pub lasts: Option<Spanned<Span>>,
    pub clear: Option<Spanned<Band>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `{ medium = 2, high = 5, per = \"1m\" }`")]
struct WrittenRate {
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<Span>>,
    clear: Option<Spanned<Band>>,
    per: Option<Span>,
    #[serde(default)]
    direction: Direction,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `{ high = 1000, per = \"1s\" }`")]
struct WrittenCounter {
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<Span>>,
    clear: Option<Spanned<Band>>,
    per: Option<Span>,
}

/// What holds for some entities instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[[metrics.cpu_usage.override]]`")]
pub struct WrittenOverride {
    entity: Spanned<String>,
    #[serde(default)]
    off: bool,
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<Span>>,
    clear: Option<Spanned<Band>>,
    below: Option<Spanned<WrittenLimits>>,
    rate: Option<Spanned<WrittenLimits>>,
    counter: Option<Spanned<WrittenLimits>>,
    stale: Option<Spanned<WrittenStale>>,
    unusual: Option<Spanned<WrittenSensitivity>>,
}

/// Takes the limits out of any of the tables.
macro_rules! limits {
    ($table:expr) => {
        WrittenLimits {
            low: $table.low,
            medium: $table.medium,
            high: $table.high,
            lasts: $table.lasts,
            clear: $table.clear,
        }
    };
}

/// Where nothing is written, change is counted by the minute and counters by the second.
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

impl WrittenLimits {
    pub fn is_empty(&self) -> bool {
        let WrittenLimits { low, medium, high, lasts, clear } = self;
        [low, medium, high, clear].iter().all(|band| band.is_none()) && lasts.is_none()
    }

    /// `for` or `clear` without a band that it could be of: which, and where.
    fn without_bands(&self) -> Option<(&'static str, Range<usize>)> {
        let WrittenLimits { low, medium, high, lasts, clear } = self;
        let lasts = lasts.as_ref().map(|lasts| ("for", lasts.span()));
        let found = lasts.or_else(|| clear.as_ref().map(|clear| ("clear", clear.span())));
        found.filter(|_| [low, medium, high].iter().all(|band| band.is_none()))
    }
}

impl WrittenRule {
    /// The rules of a metric of this name. What is wrong with them goes to `faults`.
    pub fn rules(self, name: &Spanned<String>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Vec<Rule> {
        let mut table = Table::new(name, self.label, self.unit.clone(), source, faults);
        let others = [self.below.is_some(), self.rate.is_some(), self.counter.is_some()];
        let has_others = others.contains(&true) || self.stale.is_some() || self.unusual.is_some();
        table.above(limits!(self), has_others, "`below`, `rate`, `counter`, `stale` or `unusual = true`");
        table.below(self.below);
        if let Some(rate) = self.rate {
            let (span, rate) = (rate.span(), rate.into_inner());
            let per = rate.per.map_or(MINUTE, |per| per.0);
            let quantity = Quantity::Rate { per: micros(per), direction: rate.direction };
            table.add(Aspect::Rate, quantity, Some(per), limits!(rate), span);
        }
        if let Some(counter) = self.counter {
            let (span, counter) = (counter.span(), counter.into_inner());
            let per = counter.per.map_or(SECOND, |per| per.0);
            table.add(Aspect::Counter, Quantity::Counter { per: micros(per) }, Some(per), limits!(counter), span);
        }
        if let Some(stale) = self.stale {
            table.add(Aspect::Stale, stale.get_ref().quantity(), None, stale.get_ref().limits(), stale.span());
        }
        if let Some(unusual) = self.unusual {
            let (quantity, limits) = (unusual.get_ref().quantity(), unusual.get_ref().limits());
            table.add(Aspect::Unusual, quantity, None, limits, unusual.span());
        }
        table.instead_of_all(self.overrides);
        table.rules
    }
}

/// The rules of one table as they come together.
pub struct Table<'a> {
    name: &'a Spanned<String>,
    label: Label,
    unit: Option<String>,
    /// Whether it has bands that rise, so that others need a suffix.
    is_plain: bool,
    source: &'a SourceFile,
    faults: &'a mut Vec<Diagnostic>,
    pub rules: Vec<Rule>,
}

impl<'a> Table<'a> {
    pub fn new(
        name: &'a Spanned<String>,
        label: Option<Label>,
        unit: Option<String>,
        source: &'a SourceFile,
        faults: &'a mut Vec<Diagnostic>,
    ) -> Table<'a> {
        let label = label.unwrap_or_default();
        Table { name, label, unit, is_plain: false, source, faults, rules: Vec::new() }
    }

    /// Bands that rise, which a table has that has no `others`: the keys that may stand for them.
    pub fn above(&mut self, limits: WrittenLimits, has_others: bool, others: &str) {
        self.is_plain = !has_others || !limits.is_empty();
        let name = self.name.get_ref();
        let fault = match limits.without_bands() {
            Some((key, at)) => {
                let message = format!("`{key}` of `{name}` has no bands beside it that it could be of");
                let help = "add `low`, `medium` or `high` beside it, or move it into the table whose bands are meant, as in \
                            `rate = { high = 5, for = \"2m\" }`; `unusual` and `stale` take neither `for` nor `clear`";
                refuse(self.source, at, message, help)
            }
            None if self.is_plain && limits.is_empty() => {
                let help = format!("add `low`, `medium` or `high`, or {others}");
                refuse(self.source, self.name.span(), format!("the rule of `{name}` judges nothing"), help)
            }
            None => {
                if self.is_plain {
                    self.add(Aspect::Above, Quantity::Value, None, limits, self.name.span());
                }
                return;
            }
        };
        self.faults.push(fault);
    }

    pub fn below(&mut self, below: Option<Spanned<WrittenLimits>>) {
        if let Some(below) = below {
            let (span, below) = (below.span(), below.into_inner());
            self.add(Aspect::Below, Quantity::Value, None, below, span);
        }
    }

    pub fn add(
        &mut self,
        aspect: Aspect,
        quantity: Quantity,
        per: Option<Duration>,
        limits: WrittenLimits,
        span: Range<usize>,
    ) {
        let per = |unit: &String| per.map_or_else(|| unit.clone(), |per| format!("{unit}/{}", in_words(per)));
        let unit = match aspect {
            Aspect::Stale => Some("s".to_string()),
            Aspect::Unusual => None,
            Aspect::Flapping => Some(per(&String::new())),
            Aspect::Rate | Aspect::Counter => Some(per(self.unit.as_ref().unwrap_or(&String::new()))),
            Aspect::Above | Aspect::Below => self.unit.clone(),
        };
        let limits = self.limits((aspect, quantity), unit.as_deref(), limits, span);
        let suffix = Some(Aspect::word(aspect))
            .filter(|_| !matches!(aspect, Aspect::Above) && (aspect != Aspect::Below || self.is_plain));
        self.rules.push(Rule {
            metric: self.name.get_ref().clone(),
            aspect,
            quantity,
            suffix,
            condition: None,
            label: self.label.clone(),
            unit,
            metric_unit: self.unit.clone(),
            limits,
            overrides: Vec::new(),
            hours: None,
        });
    }

    /// Limits in the unit of their rule, held to their order.
    fn limits(
        &mut self,
        (aspect, quantity): (Aspect, Quantity),
        unit: Option<&str>,
        written: WrittenLimits,
        span: Range<usize>,
    ) -> Limits {
        let before = self.faults.len();
        let mut figure = |band: Option<Spanned<Band>>| -> Option<Spanned<Figure>> {
            let band = band?;
            match band.get_ref().figure(unit) {
                Ok(figure) => Some(Spanned::new(band.span(), figure)),
                Err((message, help)) => {
                    self.faults.push(refuse(self.source, band.span(), message, help));
                    None
                }
            }
        };
        let [low, medium, high] = [written.low, written.medium, written.high].map(&mut figure);
        let clear = figure(written.clear);
        let [low, medium, high] = [low, medium, high].map(|figure| figure.map(Spanned::into_inner));
        let bands = Bands { low, medium, high };
        if self.faults.len() == before {
            let of = match aspect {
                Aspect::Above => format!("`{}`", self.name.get_ref()),
                other => format!("`{}` of `{}`", other.word(), self.name.get_ref()),
            };
            let unit = if aspect == Aspect::Stale { " s" } else { "" };
            let falls = aspect == Aspect::Below;
            let found = sense::order(self.source, &of, (falls, unit), &bands, clear.as_ref(), span.clone());
            let always =
                bands.lowest().and_then(|(_, lowest)| sense::band(&of, &quantity, lowest)).map(|why| (why, span));
            let clear = clear.as_ref();
            let never = || clear.and_then(|at| Some((sense::clear(&of, &quantity, *at.get_ref())?, at.span())));
            let senseless =
                always.or_else(never).map(|((message, help), at)| senseless(self.source, at, message, help));
            self.faults.extend(found.or(senseless));
        }
        let lasts = written.lasts.map(|span| span.into_inner().0);
        Limits { bands, lasts, clear: clear.map(Spanned::into_inner) }
    }

    /// What holds for some entities instead, the first that names one; then all is there that can be held together.
    pub fn instead_of_all(&mut self, overrides: Vec<WrittenOverride>) {
        let before = self.faults.len();
        let places: Vec<Range<usize>> = overrides.iter().map(|written| written.entity.span()).collect();
        sense::shadowed(overrides.iter().map(|written| &written.entity), self.source, self.faults);
        overrides.into_iter().for_each(|written| self.instead(written));
        if self.faults.len() == before {
            self.faults.extend(sense::apart(&self.rules, self.name, &places, self.source));
        }
    }

    /// Of each rule that the override has a table for, else what holds for all.
    fn instead(&mut self, written: WrittenOverride) {
        let span = written.entity.span();
        let Some(entity) = pattern(&written.entity, self.source, self.faults) else { return };
        let plain = limits!(written);
        let own = (!plain.is_empty()).then(|| Spanned::new(span.clone(), plain));
        let mut tables = [
            (Aspect::Above, own),
            (Aspect::Below, written.below),
            (Aspect::Rate, written.rate),
            (Aspect::Counter, written.counter),
            (Aspect::Stale, written.stale.map(|table| Spanned::new(table.span(), table.get_ref().limits()))),
            (Aspect::Unusual, written.unusual.map(|table| Spanned::new(table.span(), table.get_ref().limits()))),
        ];
        if written.off == tables.iter().any(|(_, table)| table.is_some()) {
            let message = if written.off { "an override that is off has limits" } else { "the override says nothing" };
            let help = "give it bands, or `off = true` where nothing is judged";
            self.faults.push(refuse(self.source, span, message, help));
            return;
        }
        for at in 0..self.rules.len() {
            let Some(Rule { aspect, quantity, unit, limits: all, .. }) = self.rules.get(at) else { continue };
            let (aspect, quantity, unit) = (*aspect, *quantity, unit.clone());
            let mut limits = Some(all.clone()).filter(|_| !written.off);
            let table = tables.iter_mut().find(|(of, _)| *of == aspect).and_then(|(_, table)| table.take());
            if let Some(table) = table {
                let at = table.span();
                limits = Some(self.limits((aspect, quantity), unit.as_deref(), table.into_inner(), at));
            }
            if let Some(rule) = self.rules.get_mut(at) {
                rule.overrides.push(Override { entity: entity.clone(), limits });
            }
        }
        for (aspect, table) in tables {
            if let Some(table) = table {
                let what = if aspect == Aspect::Above { "bands".to_string() } else { format!("`{}`", aspect.word()) };
                let message = format!("`{}` has no {what} to override", self.name.get_ref());
                self.faults.push(refuse(
                    self.source,
                    table.span(),
                    message,
                    "write for all entities first, then the override",
                ));
            }
        }
    }
}

pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// `s`, `min`, `h`, `day`; with a number where it is not one of them.
fn in_words(per: Duration) -> String {
    let seconds = per.as_secs_f64();
    match per.as_secs() {
        _ if per.subsec_nanos() > 0 => format!("{seconds} s"),
        1 => "s".to_string(),
        60 => "min".to_string(),
        3600 => "h".to_string(),
        86_400 => "day".to_string(),
        whole if whole % 3600 == 0 => format!("{} h", whole / 3600),
        whole if whole % 60 == 0 => format!("{} min", whole / 60),
        whole => format!("{whole} s"),
    }
}
