//! What rules could not judge, in two lines at most: the run record has it all.

use super::super::text::{counted, grid, print, space};
use super::super::{Style, safe};
use crate::domain::Insufficient;

const HEAD: &str = "Insufficient data:";
/// Lines that it may take.
const LINES: usize = 2;

/// `Insufficient data: orders#unusual (1 of 3 series: it takes two readings), io_wait and 5 more (…)`; nothing where every
/// rule could judge.
pub fn insufficient(rules: &[Insufficient], style: Style) -> String {
    let mut few: Vec<String> = Vec::new();
    for Insufficient { rule, series, of, needs } in rules.iter().filter(|rule| rule.of > 0) {
        let item = format!("{} ({series} of {of} series: it takes {})", safe(rule), safe(needs));
        if !few.contains(&item) {
            few.push(item);
        }
    }
    let absent = absent(rules);
    if few.is_empty() && absent.is_empty() {
        return String::new();
    }
    // As many as fit; those that have some readings first, since that is less to be expected.
    let all = few.len() + absent.len();
    let mut shown = (0..=all).rev().map(|count| lines(&few, &absent, count, style));
    shown.find(|printed| printed.lines().count() <= LINES).unwrap_or_else(|| lines(&few, &absent, 0, style))
}

/// Rules that no record has anything for. Of a metric with several rules the one of its value is enough.
fn absent(rules: &[Insufficient]) -> Vec<String> {
    let names: Vec<&str> = rules.iter().filter(|rule| rule.of == 0).map(|rule| rule.rule.as_str()).collect();
    let is_told = |name: &str| name.rsplit_once('#').is_some_and(|(metric, _)| names.contains(&metric));
    let mut absent: Vec<String> = Vec::new();
    for name in names.iter().filter(|name| !is_told(name)) {
        let name = safe(name).into_owned();
        if !absent.contains(&name) {
            absent.push(name);
        }
    }
    absent
}

/// The first `count` of all.
fn lines(few: &[String], absent: &[String], count: usize, style: Style) -> String {
    let parts: Vec<String> = few.iter().take(count).cloned().collect();
    let named: Vec<&str> = absent.iter().take(count.saturating_sub(few.len())).map(String::as_str).collect();
    // Those that are left out come last, so they are of the kind of the last one shown.
    let more = match (few.len() + absent.len()).saturating_sub(count) {
        0 => String::new(),
        more if count == 0 => format!("{}; the run record lists them", counted(more as u64, "rule")),
        more => format!(" and {more} more"),
    };
    let last = match &named[..] {
        [] => more,
        [one] if more.is_empty() => format!("{one} (no record has what it judges)"),
        several => format!("{}{more} (no record has what they judge)", several.join(", ")),
    };
    let separator = if parts.is_empty() || named.is_empty() { "" } else { ", " };
    let text = format!("{}{separator}{last}", parts.join(", "));
    let mut table = grid(style.columns());
    table.add_row([format!("{HEAD} {text}")]);
    space(&mut table);
    print(&table, HEAD.len(), style, |word| (word == HEAD).then(|| anstyle::Style::new().bold()))
}
