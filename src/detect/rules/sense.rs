//! Whether limits are in order; and rules that are well written and yet cannot mean what they say: what they ask for holds
//! always, or never.

use std::ops::Range;

use glob::Pattern;
use toml::Spanned;

use super::super::derived::{Node, Operator};
use super::super::unusual::Direction;
use super::{Limits, Quantity, Rule, refuse};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Aspect, Bands, Figure, Severity};

pub fn senseless(
    source: &SourceFile,
    span: Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    Diagnostic::new(codes::graph::SENSELESS, message).at(source, span).help(help)
}

/// What is wrong, and what to do.
type Flaw = (String, &'static str);

/// Why limits cannot be applied, and what to do. `of` says what of; `unit` is of bands that were written in another.
pub fn order(
    source: &SourceFile,
    of: &str,
    (falls, unit): (bool, &str),
    bands: &Bands,
    clear: Option<&Spanned<Figure>>,
    span: Range<usize>,
) -> Option<Diagnostic> {
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
        let message = format!(
            "the bands of {of} do not {verb}: {} is {lower}{unit}, {} is {higher}{unit}",
            milder.word(),
            worse.word()
        );
        let help = format!(
            "make `{}` {than} than `{}`; a value that equals a band has reached it",
            worse.word(),
            milder.word()
        );
        return Some(refuse(source, span, message, help));
    }
    let clear = clear.filter(|clear| beyond(clear.get_ref(), lowest))?;
    let (side, bound) = if falls { ("below", "more") } else { ("above", "less") };
    let message = format!("`clear` of {of} is {}, {side} its lowest band {lowest}", clear.get_ref());
    let end = if falls { "above" } else { "below" };
    let help = format!("an episode ends {end} `clear`: make it {lowest} or {bound}");
    Some(refuse(source, clear.span(), message, help))
}

/// Why a band of what a rule makes of the readings would be reached by a series that does not change.
pub fn band(of: &str, quantity: &Quantity, lowest: Figure) -> Option<Flaw> {
    let help = match quantity {
        Quantity::Counter { .. } => "write bands above 0",
        Quantity::Rate { .. } if lowest < Figure::ZERO => {
            "write bands above 0, and `direction = \"down\"` where only falls are meant"
        }
        Quantity::Rate { .. } => "write bands above 0",
        _ => return None,
    };
    let flaw = format!("the lowest band of {of} is {lowest}, which a value that does not change reaches too");
    (lowest <= Figure::ZERO).then_some((flaw, help))
}

/// Why an episode would never end.
pub fn clear(of: &str, quantity: &Quantity, clear: Figure) -> Option<Flaw> {
    let never_falls_below_zero = matches!(
        quantity,
        Quantity::Rate { direction: Direction::Both, .. } | Quantity::Counter { .. } | Quantity::Changes { .. }
    );
    let flaw = format!("`clear` of {of} is {clear}, and what it judges is never below 0: no episode would end");
    (never_falls_below_zero && clear <= Figure::ZERO).then_some((flaw, "write a `clear` above 0"))
}

/// Why bands upwards and downwards leave no value between them. `places` are the entities of the overrides; else the name.
pub fn apart(rules: &[Rule], name: &Spanned<String>, places: &[Range<usize>], source: &SourceFile) -> Vec<Diagnostic> {
    let of = |aspect: Aspect| rules.iter().find(|rule| rule.aspect == aspect);
    let (Some(above), Some(below)) = (of(Aspect::Above), of(Aspect::Below)) else { return Vec::new() };
    let instead = above.overrides.iter().zip(&below.overrides).zip(places);
    let instead = instead.filter_map(|((a, b), at)| Some((a.limits.as_ref()?, b.limits.as_ref()?, at.clone())));
    let all = std::iter::once((&above.limits, &below.limits, name.span()));
    let mut faults = Vec::new();
    for (up, down, at) in all.chain(instead) {
        if let Some((message, help)) = overlap(name.get_ref(), up, down) {
            faults.push(senseless(source, at, message, help));
            if faults.len() == 1 && (up, down) == (&above.limits, &below.limits) {
                break; // overrides take what they do not say from these
            }
        }
    }
    faults
}

fn overlap(name: &str, up: &Limits, down: &Limits) -> Option<Flaw> {
    let ((_, above), (_, below)) = (up.bands.lowest()?, down.bands.lowest()?);
    if above <= below {
        let message = format!(
            "every value of `{name}` is an anomaly: it is {above} or more, or `below` has it at {below} or less"
        );
        return Some((
            message,
            "make the lowest band greater than that of `below`, so that there is room between them",
        ));
    }
    let help = "give `clear` a value between the bands and those of `below`";
    if let Some(clear) = up.clear.filter(|clear| *clear <= below) {
        let message = format!("an episode of `{name}` would end only below {clear}, where `below` begins another");
        return Some((message, help));
    }
    let clear = down.clear.filter(|clear| *clear >= above)?;
    let message =
        format!("an episode of `below` of `{name}` would end only above {clear}, where its bands begin another");
    Some((message, help))
}

/// Overrides that are never asked, since one before them names all that they name.
pub fn shadowed<'a>(
    patterns: impl Iterator<Item = &'a Spanned<String>>,
    source: &SourceFile,
    faults: &mut Vec<Diagnostic>,
) {
    let patterns: Vec<&Spanned<String>> = patterns.collect();
    for (at, pattern) in patterns.iter().enumerate() {
        let before = patterns.iter().take(at).find(|earlier| covers(earlier.get_ref(), pattern.get_ref()));
        if let Some(earlier) = before {
            let (pattern, earlier) = (*pattern, earlier.get_ref());
            let message = if earlier == pattern.get_ref() {
                format!("there is an override of `{earlier}` before this one, and the first counts")
            } else {
                format!("`{}` is never asked: `{earlier}` before it names all of it", pattern.get_ref())
            };
            let help = "the first pattern that names an entity counts: write the narrower one first, or delete one";
            faults.push(senseless(source, pattern.span(), message, help));
        }
    }
}

/// Whether every name that `narrow` stands for is one of `wide`. What cannot be told easily is not.
fn covers(wide: &str, narrow: &str) -> bool {
    // A star takes whatever stands there, also what has a meaning in a pattern; anything else must be a plain letter.
    let only_stars = !wide.contains(['?', '[']);
    let plain = !narrow.contains(['*', '?', '[']);
    wide == narrow || ((only_stars || plain) && Pattern::new(wide).is_ok_and(|wide| wide.matches(narrow)))
}

/// Combinations of values that are tried.
const MOST: usize = 10_000;

/// Whether a condition holds whatever the values are; `None` where it depends on them, or is too long to tell.
///
/// Each thing that is compared with numbers is taken for a value of its own. Whether it holds changes only at those numbers, so
/// it is enough to try them, a value between each two, and one beyond either end.
pub fn constant(condition: &Node) -> Option<bool> {
    let mut variables: Vec<Variable> = Vec::new();
    gather(condition, &mut variables);
    let points: Vec<Vec<f64>> = variables.iter_mut().map(Variable::points).collect();
    let count = points.iter().try_fold(1_usize, |all, points| all.checked_mul(points.len()))?;
    if count > MOST {
        return None;
    }
    let mut found = None;
    for at in 0..count {
        let mut rest = at;
        for (variable, points) in variables.iter_mut().zip(&points) {
            variable.value = points.get(rest % points.len()).copied()?;
            rest /= points.len();
        }
        let holds = holds(condition, &variables)?;
        if found.is_some_and(|found| found != holds) {
            return None;
        }
        found = Some(holds);
    }
    found
}

/// Something that a condition compares with numbers.
struct Variable {
    what: Node,
    numbers: Vec<f64>,
    value: f64,
}

impl Variable {
    fn points(&mut self) -> Vec<f64> {
        self.numbers.sort_by(f64::total_cmp);
        self.numbers.dedup();
        let mut points = vec![f64::NEG_INFINITY];
        for (at, number) in self.numbers.iter().enumerate() {
            points.push(*number);
            points.push(self.numbers.get(at + 1).map_or(f64::INFINITY, |next| number / 2.0 + next / 2.0));
        }
        points
    }
}

/// A comparison as one of something with a number: `3 < x` as `x > 3`, and `x < y` as `x - y < 0`.
fn comparison(node: &Node) -> Option<(Operator, Node, f64)> {
    let Node::Binary(operator, left, right) = node else { return None };
    match (number(left), number(right)) {
        (None, Some(number)) => Some((*operator, (**left).clone(), number)),
        (Some(number), None) => Some((flipped(*operator), (**right).clone(), number)),
        (Some(left), Some(right)) => Some((*operator, Node::Number(left - right), 0.0)),
        (None, None) if left == right => Some((*operator, Node::Number(0.0), 0.0)),
        (None, None) => Some((*operator, Node::binary(Operator::Subtract, (**left).clone(), (**right).clone()), 0.0)),
    }
}

/// What has no metric in it.
fn number(node: &Node) -> Option<f64> {
    match node {
        Node::Number(number) => Some(*number),
        Node::Negative(of) => Some(-number(of)?),
        Node::Binary(operator, left, right) => {
            let (left, right) = (number(left)?, number(right)?);
            match operator {
                Operator::Add => Some(left + right),
                Operator::Subtract => Some(left - right),
                Operator::Multiply => Some(left * right),
                Operator::Divide => Some(left / right).filter(|share| share.is_finite()),
                _ => None,
            }
        }
        Node::Metric(_) | Node::Not(_) => None,
    }
}

fn flipped(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
        other => other,
    }
}

fn gather(node: &Node, variables: &mut Vec<Variable>) {
    match node {
        Node::Not(of) => gather(of, variables),
        Node::Binary(Operator::And | Operator::Or, left, right) => {
            gather(left, variables);
            gather(right, variables);
        }
        node => {
            let Some((_, what, number)) = comparison(node).filter(|(_, what, _)| self::number(what).is_none()) else {
                return;
            };
            match variables.iter_mut().find(|known| known.what == what) {
                Some(known) => known.numbers.push(number),
                None => variables.push(Variable { what, numbers: vec![number], value: 0.0 }),
            }
        }
    }
}

fn holds(node: &Node, variables: &[Variable]) -> Option<bool> {
    Some(match node {
        Node::Not(of) => !holds(of, variables)?,
        Node::Binary(Operator::And, left, right) => holds(left, variables)? & holds(right, variables)?,
        Node::Binary(Operator::Or, left, right) => holds(left, variables)? | holds(right, variables)?,
        node => {
            let (operator, what, than) = comparison(node)?;
            let known = || variables.iter().find(|known| known.what == what).map(|known| known.value);
            let value = number(&what).or_else(known)?;
            match operator {
                Operator::Less => value < than,
                Operator::LessOrEqual => value <= than,
                Operator::Greater => value > than,
                Operator::GreaterOrEqual => value >= than,
                Operator::Equal => value == than,
                Operator::NotEqual => value != than,
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_that_hold_always_or_never() {
        for (text, expected) in [
            ("cpu > 80", None),
            ("cpu > 80 && cpu < 90", None),
            ("cpu > 80 && cpu < 80", Some(false)),
            ("cpu > 80 && cpu <= 80", Some(false)),
            ("cpu >= 80 && cpu <= 80", None),
            ("cpu > 80 && 50 > cpu", Some(false)),
            ("cpu > 80 || cpu < 90", Some(true)),
            ("cpu > 80 || !(cpu > 80)", Some(true)),
            ("cpu > 80 || mem < 90", None),
            ("cpu > 80 && mem < 90 && cpu < 70", Some(false)),
            ("cpu >= cpu", Some(true)),
            ("cpu != cpu", Some(false)),
            ("cpu > mem && cpu < mem", Some(false)),
            ("cpu > mem && mem > cpu", None), // not looked into
            ("cpu * 2 > 10 && cpu * 2 < 3", Some(false)),
            ("1 > 2 && cpu > 3", Some(false)),
            ("2 * 3 > -1 || cpu > 3", Some(true)),
            ("cpu == 1 && cpu == 2", Some(false)),
            ("cpu != 1 || cpu != 2", Some(true)),
            ("1 / 0 > 2 && cpu > 3", None),
        ] {
            assert_eq!(constant(&super::super::condition::parse(text).unwrap()), expected, "{text}");
        }
        let many: Vec<String> = (0..12).map(|at| format!("m{at} > 1")).collect();
        assert_eq!(constant(&super::super::condition::parse(&many.join(" && ")).unwrap()), None, "too many to try");
    }

    #[test]
    fn a_pattern_covers_another_only_where_it_certainly_does() {
        for (wide, narrow, expected) in [
            ("*", "web-1", true),
            ("*", "*", true),
            ("web-*", "web-1", true),
            ("web-*", "web-1*", true),
            ("web-*", "web-[12]", true),
            ("web-*", "web-?", true),
            ("*", "a?[b]", true),
            ("web-?", "web-1", true),
            ("web-[12]", "web-2", true),
            ("web-?", "web-?", true),
            ("web-?", "web-*", false),
            ("web-[*]", "web-*", false),
            ("web-1", "web-*", false),
            ("web-1*", "web-*", false),
            ("db-*", "web-1", false),
            ("a[", "a[", true),
            ("a[", "b", false),
        ] {
            assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
        }
    }
}
