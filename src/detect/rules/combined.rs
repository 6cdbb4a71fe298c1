//! Rules over several metrics of one record: conditions and ratios. Each judges a column of its own, derived before.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::super::derived::{Derived, Node, Operator};
use super::hours::hours;
use super::sense::{self, senseless};
use super::units::Band;
use super::written::{Table, WrittenLimits, WrittenOverride};
use super::{Label, Limits, Override, Quantity, Rule, condition, pattern, refuse};
use crate::diagnostic::{Diagnostic, SourceFile, inside};
use crate::domain::{Aspect, Bands, Figure, Severity, Span};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[conditions.overload]`")]
pub struct WrittenCondition {
    when: Spanned<String>,
    severity: Severity,
    label: Option<Label>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    hours: Option<Spanned<String>>,
    #[serde(default, rename = "override")]
    overrides: Vec<WrittenInstead>,
}

/// What holds for some entities instead, of a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[[conditions.overload.override]]`")]
struct WrittenInstead {
    entity: Spanned<String>,
    #[serde(default)]
    off: bool,
    severity: Option<Severity>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[ratios.error_share]`")]
pub struct WrittenRatio {
    of: Spanned<String>,
    to: Spanned<String>,
    label: Option<Label>,
    unit: Option<String>,
    low: Option<Spanned<Band>>,
    medium: Option<Spanned<Band>>,
    high: Option<Spanned<Band>>,
    #[serde(rename = "for")]
    lasts: Option<Spanned<Span>>,
    clear: Option<Spanned<Band>>,
    below: Option<Spanned<WrittenLimits>>,
    hours: Option<Spanned<String>>,
    #[serde(default, rename = "override")]
    overrides: Vec<WrittenOverride>,
}

/// The conditions and ratios of a file.
pub struct Combined {
    pub conditions: BTreeMap<Spanned<String>, WrittenCondition>,
    pub ratios: BTreeMap<Spanned<String>, WrittenRatio>,
}

impl Combined {
    /// The rules, and the columns that they judge: the ratios first, since conditions may name them. `metrics` are the
    /// names that have a table of their own. What is wrong goes to `faults`.
    pub fn rules(
        self,
        metrics: &[String],
        zone: &TimeZone,
        source: &SourceFile,
        faults: &mut Vec<Diagnostic>,
    ) -> (Vec<Rule>, Vec<Derived>) {
        let (mut rules, mut derived): (Vec<Rule>, Vec<Derived>) = Default::default();
        let ratios: Vec<String> = self.ratios.keys().map(|name| name.get_ref().clone()).collect();
        let conditions: Vec<String> = self.conditions.keys().map(|name| name.get_ref().clone()).collect();
        faults.extend(self.ratios.keys().filter_map(|name| taken(name, &[metrics], source)));
        faults.extend(self.conditions.keys().filter_map(|name| taken(name, &[metrics, &ratios], source)));
        for (name, ratio) in self.ratios {
            for part in [&ratio.of, &ratio.to] {
                if ratios.contains(part.get_ref()) || conditions.contains(part.get_ref()) {
                    let message = format!("`{}` is no metric of a record", part.get_ref());
                    faults.push(refuse(source, part.span(), message, "name two metrics that records have"));
                }
            }
            if ratio.of.get_ref() == ratio.to.get_ref() {
                let message = format!("the ratio of `{}` to itself is always 1", ratio.to.get_ref());
                faults.push(senseless(source, ratio.to.span(), message, "name the metric that it is a share of"));
            }
            derived.push(Derived { name: name.get_ref().clone(), node: ratio.node() });
            let hours = hours(ratio.hours.as_ref(), zone, source, faults);
            let of_ratio = ratio.rules(&name, source, faults);
            rules.extend(of_ratio.into_iter().map(|rule| Rule { hours: hours.clone(), ..rule }));
        }
        for (name, written) in self.conditions {
            let text = written.when.get_ref();
            match condition::parse(text) {
                Ok(node) => {
                    faults.extend(names_condition(&node, &written.when, &conditions, source));
                    if let Some(holds) = sense::constant(&node) {
                        let (always, all) = if holds { ("always holds", "all") } else { ("never holds", "no") };
                        let message = format!("the condition {always}: {all} values of its metrics fulfil it");
                        let help = "mend the comparisons, or write `||` for `&&` or the other way round";
                        faults.push(senseless(source, written.when.span(), message, help));
                    }
                    derived.push(Derived { name: name.get_ref().clone(), node });
                }
                Err(flaw) => {
                    let at = inside(source, &written.when, &flaw.at);
                    faults.push(refuse(source, at, flaw.message, flaw.help));
                }
            }
            let hours = hours(written.hours.as_ref(), zone, source, faults);
            rules.push(Rule { hours, ..written.rule(name.into_inner(), source, faults) });
        }
        (rules, derived)
    }
}

/// A name stands for one thing.
fn taken(name: &Spanned<String>, others: &[&[String]], source: &SourceFile) -> Option<Diagnostic> {
    let found = others.iter().any(|others| others.contains(name.get_ref()));
    let message = format!("there is another rule of the name `{}`", name.get_ref());
    found.then(|| refuse(source, name.span(), message, "give it a name of its own: anomalies go by it"))
}

fn names_condition(
    node: &Node,
    when: &Spanned<String>,
    conditions: &[String],
    source: &SourceFile,
) -> Option<Diagnostic> {
    let mut names = Default::default();
    node.gather(&mut names);
    let name = names.into_iter().find(|name| conditions.contains(name))?;
    let at = when.get_ref().find(&name).map_or(when.span(), |at| inside(source, when, &(at..at + name.len())));
    let message = format!("`{name}` is a condition, not a metric");
    Some(refuse(source, at, message, "write out what it says, in parentheses"))
}

impl WrittenCondition {
    fn rule(self, name: String, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Rule {
        sense::shadowed(self.overrides.iter().map(|written| &written.entity), source, faults);
        let overrides = self.overrides.iter();
        let overrides = overrides.filter_map(|written| written.check(&self, source, faults)).collect();
        Rule {
            metric: name,
            aspect: Aspect::Above,
            quantity: Quantity::Value,
            suffix: None,
            condition: Some(self.when.into_inner()),
            label: self.label.unwrap_or_default(),
            unit: None,
            metric_unit: None,
            limits: holds(self.severity, self.lasts),
            overrides,
            hours: None,
        }
    }
}

impl WrittenInstead {
    fn check(&self, all: &WrittenCondition, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Option<Override> {
        let says = self.severity.is_some() || self.lasts.is_some();
        if self.off == says {
            let message = if self.off { "an override that is off has limits" } else { "the override says nothing" };
            let help = "give it `severity` or `for`, or `off = true` where nothing is judged";
            faults.push(refuse(source, self.entity.span(), message, help));
        }
        let limits = || holds(self.severity.unwrap_or(all.severity), self.lasts.or(all.lasts));
        Some(Override { entity: pattern(&self.entity, source, faults)?, limits: (!self.off).then(limits) })
    }
}

/// Limits of a column that is 1 where a condition holds.
fn holds(severity: Severity, lasts: Option<Span>) -> Limits {
    let mut bands = Bands::default();
    let one = Some(Figure::count(1));
    match severity {
        Severity::Low => bands.low = one,
        Severity::Medium => bands.medium = one,
        Severity::High => bands.high = one,
    }
    Limits { bands, lasts: lasts.map(|span| span.0), clear: None }
}

impl WrittenRatio {
    fn node(&self) -> Node {
        let metric = |name: &Spanned<String>| Node::Metric(name.get_ref().clone());
        let share = Node::binary(Operator::Divide, metric(&self.of), metric(&self.to));
        if self.unit.as_deref() == Some("%") {
            return Node::binary(Operator::Multiply, share, Node::Number(100.0));
        }
        share
    }

    fn rules(self, name: &Spanned<String>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Vec<Rule> {
        let WrittenRatio { label, unit, low, medium, high, lasts, clear, below, overrides, .. } = self;
        let mut table = Table::new(name, label, unit, source, faults);
        table.above(WrittenLimits { low, medium, high, lasts, clear }, below.is_some(), "`below`");
        table.below(below);
        table.instead_of_all(overrides);
        table.rules
    }
}
