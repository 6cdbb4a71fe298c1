//! A metric's table as it is written, and the rules that it stands for.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Direction, Label, Quantity, Rule, refuse};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::domain::{Aspect, Bands, Figure, Severity, Span};

/// Bands and times stand in every table of their own: `flatten` would widen every span to the whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    label: Option<Label>,
    unit: Option<String>,
    low: Option<Figure>,
    medium: Option<Figure>,
    high: Option<Figure>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    clear: Option<Spanned<Figure>>,
    below: Option<Spanned<WrittenBelow>>,
    rate: Option<Spanned<WrittenRate>>,
    counter: Option<Spanned<WrittenCounter>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBelow {
    low: Option<Figure>,
    medium: Option<Figure>,
    high: Option<Figure>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    clear: Option<Spanned<Figure>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRate {
    low: Option<Figure>,
    medium: Option<Figure>,
    high: Option<Figure>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    clear: Option<Spanned<Figure>>,
    per: Option<Span>,
    #[serde(default)]
    direction: Direction,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCounter {
    low: Option<Figure>,
    medium: Option<Figure>,
    high: Option<Figure>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    clear: Option<Spanned<Figure>>,
    per: Option<Span>,
}

/// From where on what is judged is an anomaly.
struct Limits {
    bands: Bands,
    lasts: Option<Duration>,
    clear: Option<Spanned<Figure>>,
}

/// Takes the limits out of any of the tables.
macro_rules! limits {
    ($table:expr) => {
        Limits {
            bands: Bands { low: $table.low, medium: $table.medium, high: $table.high },
            lasts: $table.lasts.map(|span| span.0),
            clear: $table.clear,
        }
    };
}

/// Where nothing is written, change is counted by the minute and counters by the second.
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

impl WrittenRule {
    /// The rules of a metric of this name. What is wrong with them goes to `faults`.
    pub fn rules(self, name: &Spanned<String>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Vec<Rule> {
        let metric = name.get_ref();
        let plain = limits!(self);
        let has_others = self.below.is_some() || self.rate.is_some() || self.counter.is_some();
        let is_plain = plain.bands.lowest().is_some() || plain.lasts.is_some() || plain.clear.is_some() || !has_others;
        let (label, unit) = (self.label.unwrap_or_default(), self.unit);
        let mut rules = Vec::new();
        let mut add = |aspect, quantity, per: Option<Duration>, limits: Limits, span: Range<usize>| {
            faults.extend(fault(source, metric, aspect, &limits, span));
            let suffix = Some(Aspect::word(aspect))
                .filter(|_| !matches!(aspect, Aspect::Above) && (aspect != Aspect::Below || is_plain));
            let per = |unit: &String| per.map_or_else(|| unit.clone(), |per| format!("{unit}/{}", in_words(per)));
            rules.push(Rule {
                metric: metric.clone(),
                aspect,
                quantity,
                suffix,
                label: label.clone(),
                unit: unit.as_ref().map(per),
                bands: limits.bands,
                lasts: limits.lasts,
                clear: limits.clear.map(Spanned::into_inner),
            });
        };
        if is_plain {
            add(Aspect::Above, Quantity::Value, None, plain, name.span());
        }
        if let Some(below) = self.below {
            let (span, below) = (below.span(), below.into_inner());
            add(Aspect::Below, Quantity::Value, None, limits!(below), span);
        }
        if let Some(rate) = self.rate {
            let (span, rate) = (rate.span(), rate.into_inner());
            let per = rate.per.map_or(MINUTE, |per| per.0);
            let quantity = Quantity::Rate { per: micros(per), direction: rate.direction };
            add(Aspect::Rate, quantity, Some(per), limits!(rate), span);
        }
        if let Some(counter) = self.counter {
            let (span, counter) = (counter.span(), counter.into_inner());
            let per = counter.per.map_or(SECOND, |per| per.0);
            add(Aspect::Counter, Quantity::Counter { per: micros(per) }, Some(per), limits!(counter), span);
        }
        rules
    }
}

fn micros(span: Duration) -> i64 {
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

/// Why limits cannot be applied, and what to do.
fn fault(source: &SourceFile, metric: &str, aspect: Aspect, limits: &Limits, span: Range<usize>) -> Option<Diagnostic> {
    let falls = aspect == Aspect::Below;
    let of = match aspect {
        Aspect::Above => format!("`{metric}`"),
        other => format!("`{}` of `{metric}`", other.word()),
    };
    let bands = &limits.bands;
    let set: Vec<(Severity, Figure)> = Severity::ALL.into_iter().filter_map(|s| Some((s, bands.get(s)?))).collect();
    let Some((_, lowest)) = set.first() else {
        let message = format!("the rule of {of} has no band");
        return Some(refuse(source, span, message, "add at least one of `low`, `medium` and `high`"));
    };
    let beyond = |a: &Figure, b: &Figure| if falls { a < b } else { a > b };
    let disorder = set.windows(2).find_map(|pair| match pair {
        [(milder, lower), (worse, higher)] if !beyond(higher, lower) => Some((milder, lower, worse, higher)),
        _ => None,
    });
    if let Some((milder, lower, worse, higher)) = disorder {
        let (verb, than) = if falls { ("fall", "less") } else { ("rise", "greater") };
        let message =
            format!("the bands of {of} do not {verb}: {} is {lower}, {} is {higher}", milder.word(), worse.word());
        let help = format!(
            "make `{}` {than} than `{}`; a value that equals a band has reached it",
            worse.word(),
            milder.word()
        );
        return Some(refuse(source, span, message, help));
    }
    let clear = limits.clear.as_ref().filter(|clear| beyond(clear.get_ref(), lowest))?;
    let (side, bound) = if falls { ("below", "more") } else { ("above", "less") };
    let message = format!("`clear` of {of} is {}, {side} its lowest band {lowest}", clear.get_ref());
    let end = if falls { "above" } else { "below" };
    let help = format!("an episode ends {end} `clear`: make it {lowest} or {bound}");
    Some(refuse(source, clear.span(), message, help))
}
