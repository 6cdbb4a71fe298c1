//! The rule as it held for the entity when the run was made: what the bands alone do not say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::safe;
use super::judged::{bands_of, value};
use crate::detect::unusual::{Direction, Season, Settings};
use crate::detect::{Limits, Maintenance, Node, Operator, Override, Quantity, Rule, Rules};
use crate::domain::{Anomaly, Aspect, Evidence, Figure, Gap, InputRecord, Timestamp};

/// Times of maintenance that are named.
const NAMED: usize = 8;

/// What a node was told to look for, as it was when the run was made.
#[derive(Default)]
pub struct Background {
    /// The rules file, as the graph names it.
    pub file: Option<String>,
    /// `None` where there is no such file, or its text is not kept any more.
    pub rules: Option<Rules>,
    /// What the graph says of the node, by key.
    pub settings: BTreeMap<String, String>,
    /// The gaps that the node lists.
    pub gaps: Vec<Gap>,
}

impl Background {
    /// The rule that found an anomaly; `None` for the status of a service, and where it is not known.
    pub fn rule(&self, anomaly: &Anomaly) -> Option<&Rule> {
        let rules = self.rules.as_ref()?;
        match anomaly.service {
            None => rules.rule(&anomaly.metric, anomaly.aspect),
            Some(_) => rules.flapping().filter(|_| anomaly.aspect == Aspect::Flapping),
        }
    }

    /// When an entity was not judged, in microseconds.
    pub fn maintenance(&self, entity: Option<&str>) -> Vec<(i64, i64)> {
        self.rules.as_ref().map(|rules| Maintenance::of(rules.maintenance(), entity)).unwrap_or_default()
    }
}

/// The lines below the bands.
pub fn terms(anomaly: &Anomaly, background: &Background, inputs: &[InputRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rule) = background.rule(anomaly) {
        let (chosen, limits) = (chosen(anomaly, rule), limits(anomaly, rule));
        lines.extend(quantity(&rule.quantity));
        lines.extend(lasts(limits));
        lines.extend(clear(anomaly, limits));
        lines.extend(chosen.map(|chosen| instead(anomaly, rule, chosen)));
        lines.extend(rule.hours.as_ref().map(|hours| format!("judged {}", safe(&hours.to_string()))));
    } else if anomaly.service.is_none() && background.rules.is_none() && background.file.is_some() {
        let unknown = "whether there is `for`, `clear`, `hours`, an override or maintenance";
        lines.push(format!("the text of the rules is not kept any more: {unknown} is not known"));
    }
    if let Some(rules) = &background.rules {
        lines.extend(ratios(anomaly, rules));
        lines.extend(maintenance(anomaly, rules, inputs));
    }
    lines
}

/// What a node says of itself that judges by no rules file.
pub fn settings(background: &Background) -> Vec<String> {
    let keys = ["expected_every", "for", "clear", "forget_after"];
    let said = keys.iter().filter_map(|key| Some(format!("{key} = {}", safe(background.settings.get(*key)?))));
    Some(said.collect::<Vec<_>>().join(", ")).filter(|said| !said.is_empty()).into_iter().collect()
}

/// What is made of readings before they are judged.
fn quantity(quantity: &Quantity) -> Option<String> {
    let per = |micros: i64| seconds(Duration::from_micros(micros.unsigned_abs()));
    match quantity {
        Quantity::Value | Quantity::Silence { .. } | Quantity::Changes { .. } => None,
        Quantity::Rate { per: micros, direction } => {
            let what = match direction {
                Direction::Up => "a rise counts; a fall is less than 0",
                Direction::Down => "a fall counts; a rise is less than 0",
                Direction::Both => "a rise and a fall count alike",
            };
            Some(format!("per {}: {what}", per(*micros)))
        }
        Quantity::Counter { per: micros } => Some(format!(
            "per {}: a drop by more than a tenth is a reset, after which it counts from 0; a smaller one is passed over",
            per(*micros)
        )),
        Quantity::Unusual(Settings { direction, season }) => {
            let direction = match direction {
                Direction::Up => "up",
                Direction::Down => "down",
                Direction::Both => "both",
            };
            let season = match season {
                Season::None => "none",
                Season::Day => "day",
                Season::Week => "week",
            };
            Some(format!("direction {direction}, season {season}"))
        }
    }
}

fn lasts(limits: &Limits) -> Option<String> {
    let lasts = limits.lasts?;
    Some(format!(
        "for {}: only what lasts so long counts, from the first record of a stretch to its last",
        seconds(lasts)
    ))
}

/// How long it lasted, where the rule says how long it must.
pub fn lasted(anomaly: &Anomaly, background: &Background) -> Option<String> {
    let rule = background.rule(anomaly)?;
    let asked = limits(anomaly, rule).lasts?;
    let (from, to) = (anomaly.stretch.from, anomaly.stretch.to);
    let length = Duration::from_micros(to.micros().abs_diff(from.micros()));
    let of = "the stretch around the worst record";
    Some(format!("{} ({from} to {to}), {of}; `for` asks for {}", seconds(length), seconds(asked)))
}

/// What a window was without in which an episode was over; `None` where that is not known.
pub fn end(anomaly: &Anomaly, background: &Background) -> Option<String> {
    let limits = limits(anomaly, background.rule(anomaly)?);
    let (clear, of) = match limits.clear {
        Some(clear) => (clear, "`clear`"),
        None => (limits.bands.lowest()?.1, "its lowest band"),
    };
    Some(format!("nothing in this window reaches {}, {of}", value(anomaly, clear)))
}

/// What holds for the entity.
fn limits<'a>(anomaly: &Anomaly, rule: &'a Rule) -> &'a Limits {
    let chosen = chosen(anomaly, rule).and_then(|chosen| chosen.limits.as_ref());
    chosen.unwrap_or(&rule.limits)
}

fn chosen<'a>(anomaly: &Anomaly, rule: &'a Rule) -> Option<&'a Override> {
    rule.overrides.get(Override::place(&rule.overrides, anomaly.entity.as_deref())?)
}

fn clear(anomaly: &Anomaly, limits: &Limits) -> Option<String> {
    let clear = value(anomaly, limits.clear?);
    let (side, way) = if anomaly.aspect == Aspect::Below { ("above", "up") } else { ("below", "down") };
    Some(match anomaly.episode {
        Some(_) => format!("clear {clear}: an episode goes on {way} to it, and ends in a window that is {side} it"),
        None => format!("clear {clear}: of no effect where the whole input is one window"),
    })
}

/// Which override held, and what would have held else.
fn instead(anomaly: &Anomaly, rule: &Rule, chosen: &Override) -> String {
    let Limits { bands, lasts, clear } = &rule.limits;
    let bands = match rule.condition {
        Some(_) => bands.lowest().map(|(severity, _)| severity.word().to_string()).unwrap_or_default(),
        None => bands_of(anomaly, bands),
    };
    let lasts = lasts.map_or_else(String::new, |lasts| format!(", for {}", seconds(lasts)));
    let clear = clear.map_or_else(String::new, |clear| format!(", clear {}", value(anomaly, clear)));
    let pattern = safe(chosen.entity.as_str());
    match chosen.limits.as_ref() == Some(&rule.limits) {
        true => format!("the override of \"{pattern}\" changes nothing of this"),
        false => format!("this is the override of \"{pattern}\"; for all others: {bands}{lasts}{clear}"),
    }
}

/// What the ratios are that a condition names.
fn ratios(anomaly: &Anomaly, rules: &Rules) -> Vec<String> {
    let Some(Evidence::Operands(operands)) = &anomaly.evidence else { return vec![] };
    let named = |name: &str| operands.iter().any(|operand| operand.metric == name) || anomaly.metric == name;
    let said = |name: &str, node: &Node| Some(format!("{} = {}", safe(name), ratio(node)?));
    rules.derived().iter().filter(|one| named(&one.name)).filter_map(|one| said(&one.name, &one.node)).collect()
}

fn ratio(node: &Node) -> Option<String> {
    match node {
        Node::Metric(name) => Some(safe(name).into_owned()),
        Node::Number(number) => Some(number.to_string()),
        Node::Binary(Operator::Divide, of, to) => Some(format!("{} / {}", ratio(of)?, ratio(to)?)),
        Node::Binary(Operator::Multiply, of, by) => Some(format!("{} × {}", ratio(of)?, ratio(by)?)),
        _ => None,
    }
}

/// When the entity was not judged, as far as it touches the records.
fn maintenance(anomaly: &Anomaly, rules: &Rules, inputs: &[InputRecord]) -> Option<String> {
    let before = match &anomaly.evidence {
        Some(Evidence::Silence { before, .. } | Evidence::Change { before, .. }) => Some(before.time),
        _ => None,
    };
    let read = inputs.iter().flat_map(|input| [input.first, input.last]).flatten();
    let times = [anomaly.first, anomaly.worst, anomaly.newest].map(|sample| sample.time);
    let times: Vec<i64> = times.into_iter().chain(before).chain(read).map(Timestamp::micros).collect();
    let (from, to) = (times.iter().min()?, times.iter().max()?);
    let concerns =
        |one: &&Maintenance| one.span().0 <= *to && *from < one.span().1 && one.concerns(anomaly.entity.as_deref());
    let mut found: Vec<&Maintenance> = rules.maintenance().iter().filter(concerns).collect();
    found.sort_by_key(|one| one.span());
    let one = |one: &&Maintenance| {
        let (from, to) = one.span();
        let of = one.entities().map(|patterns| {
            let patterns: Vec<String> = patterns.iter().map(|of| format!("\"{}\"", safe(of.as_str()))).collect();
            format!(" ({})", patterns.join(", "))
        });
        format!("from {} to {}{}", Timestamp::nearest(from), Timestamp::nearest(to), of.unwrap_or_default())
    };
    let mut listed = found.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = found.len().checked_sub(NAMED) {
        listed.push_str(&format!(" and {more} more times"));
    }
    (!found.is_empty()).then(|| format!("not judged in maintenance {listed}"))
}

/// `90 s`.
pub fn seconds(length: Duration) -> String {
    format!("{} s", Figure::new(length.as_secs_f64()).unwrap_or(Figure::ZERO)) // a length of time is finite
}
