//! What rules would have found in history: a line for each rule and its worst series, and what other rules change.

use std::collections::BTreeSet;

use super::summary::{insufficient, read};
use super::text::{align_right, counted, grid, keep_whole, labelled, print, space};
use super::{Style, safe};
use crate::cli::backtest::outcome::{
    Backtest, Change, ChosenBy, Comparison, Episode, EpisodeChange, Firing, RuleChange, RuleFirings,
};
use crate::domain::{Figure, Insufficient, Timestamp};

/// Series of a rule that are shown, and changes of rules; JSON has them all.
const SERIES: usize = 5;
const CHANGES: usize = 20;
const LABEL: usize = 9;
/// From this width on a line has room for everything.
const WIDE: usize = 116;

/// The table. Its times are in UTC.
pub fn table(backtest: &Backtest, style: Style) -> String {
    let bold = |label: &str| (!label.is_empty()).then(|| anstyle::Style::new().bold());
    let mut head = vec![("Read", read(&backtest.inputs)), ("Windows", windows(backtest))];
    if backtest.late > 0 {
        let late = counted(backtest.late, "record");
        head.push(("Late", format!("{late} out of order, of windows that were closed already: left out")));
    }
    let (fired, quiet): (Vec<_>, Vec<_>) = backtest.rules.iter().partition(|rule| rule.firing.episodes > 0);
    let episodes: u64 = fired.iter().map(|rule| rule.firing.episodes).sum();
    let of = backtest.rules.len();
    head.push(("Rules", format!("{} of {of} would have fired, in {}", fired.len(), counted(episodes, "episode"))));
    let name = |rule: &&RuleFirings| name(backtest.rules.iter().map(|r| (&*r.node, &*r.rule)), &rule.node, &rule.rule);
    let (idle, quiet): (Vec<_>, Vec<_>) = quiet.into_iter().partition(|rule| rule.insufficient.is_some());
    if !quiet.is_empty() {
        head.push(("Never", quiet.iter().map(name).collect::<Vec<_>>().join(", ")));
    }
    if !idle.is_empty() {
        let lacking = |rule: &&RuleFirings| Some(Insufficient { rule: name(rule), ..rule.insufficient.clone()? });
        let idle: Vec<Insufficient> = idle.iter().filter_map(lacking).collect();
        head.push(("Unjudged", format!("insufficient data: {}", insufficient::all(&idle))));
    }
    let mut printed = labelled(head, LABEL, style, bold);
    if !fired.is_empty() {
        let rows: Vec<Row> = fired.iter().flat_map(|rule| rows(rule, name(rule))).collect();
        if style.width >= WIDE {
            printed.push_str(&firings(&rows, "rule", &[Part::When, Part::Long, Part::Bad], style));
        } else {
            printed.push_str(&firings(&rows, "when", &[Part::When], style));
            printed.push_str(&firings(&rows, "how long, records", &[Part::Long, Part::Bad], style));
        }
        if fired.iter().any(|rule| rule.firing.open > 0) {
            printed.push_str("\nopen: the history ends before the episode does\n");
        }
        let whole = seconds_between(backtest.from, backtest.to);
        let of_series = |rule: &&RuleFirings| rule.series.iter().any(|series| series.firing.enabled_seconds < whole);
        if fired.iter().any(|rule| rule.firing.enabled_seconds < whole || of_series(rule)) {
            printed.push_str("\ntotal, longest, share: of the time in which the rule judges, within its hours and outside maintenance\n");
        }
    }
    if let Some(comparison) = &backtest.comparison {
        printed.push_str(&compared(comparison, style));
    }
    printed
}

fn windows(backtest: &Backtest) -> String {
    let windows = &backtest.windows;
    let why = match windows.chosen_by {
        ChosenBy::Graph => "of [window] of the graph",
        ChosenBy::Flag => "of --every",
        ChosenBy::Data => "chosen by how often records come; --every sets another",
    };
    format!("{} with records, each {} long: {why}", windows.count, span(windows.every_seconds))
}

/// The rule's name, with its node where two nodes have a rule of that name.
fn name<'a>(all: impl Iterator<Item = (&'a str, &'a str)>, node: &str, rule: &str) -> String {
    let nodes: BTreeSet<&str> = all.filter(|(_, other)| *other == rule).map(|(node, _)| node).collect();
    if nodes.len() > 1 { safe(&format!("{node}: {rule}")).into_owned() } else { safe(rule).into_owned() }
}

/// A line of the table; one without figures is a note.
struct Row {
    name: String,
    firing: Option<Firing>,
}

/// A rule and its worst series, which come indented. One series that is called as the rule is the same line.
fn rows(rule: &RuleFirings, name: String) -> Vec<Row> {
    let is_the_rule = matches!(&rule.series[..], [one] if one.series == rule.rule);
    let mut rows = vec![Row { name, firing: Some(rule.firing) }];
    if is_the_rule {
        return rows;
    }
    let series = rule.series.iter().take(SERIES);
    rows.extend(series.map(|s| {
        let short = s.series.strip_prefix(&s.metric).unwrap_or(&s.series);
        let short = short.strip_suffix(rule.rule.strip_prefix(&s.metric).unwrap_or("")).unwrap_or(short);
        let short = short.strip_prefix(['@', '.']).filter(|short| !short.is_empty());
        Row { name: format!("- {}", safe(short.unwrap_or("no entity"))), firing: Some(s.firing) }
    }));
    if let Some(more) = rule.series.len().checked_sub(SERIES).filter(|more| *more > 0) {
        rows.push(Row { name: format!("- and {more} more"), firing: None });
    }
    rows
}

/// Columns that belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    When,
    Long,
    Bad,
}

fn firings(rows: &[Row], title: &str, parts: &[Part], style: Style) -> String {
    let mut table = grid(style.columns());
    let mut heads = vec![title];
    for part in parts {
        heads.extend_from_slice(match part {
            Part::When => &["fired", "first", "last"][..],
            Part::Long => &["total", "longest", "share"],
            Part::Bad => &["high", "medium", "low"],
        });
    }
    let columns = heads.len();
    table.set_header(heads);
    for Row { name, firing } in rows {
        let mut cells = vec![name.clone()];
        for part in parts.iter().filter(|_| firing.is_some()) {
            let firing = firing.unwrap_or_default();
            cells.extend(match part {
                Part::When => {
                    let last = firing.last.map(minute).unwrap_or_default();
                    let last = if firing.open > 0 { "open".to_string() } else { last };
                    [firing.episodes.to_string(), firing.first.map(minute).unwrap_or_default(), last]
                }
                Part::Long => {
                    let share = firing.share.map_or("-".to_string(), |share| format!("{:.1}%", share.get() * 100.0));
                    [span(firing.seconds), span(firing.longest_seconds), share]
                }
                Part::Bad => [firing.records.high, firing.records.medium, firing.records.low].map(|n| n.to_string()),
            });
        }
        cells.resize(columns, String::new());
        table.add_row(cells);
    }
    space(&mut table);
    keep_whole(&mut table, 1..columns);
    let times = if parts.first() == Some(&Part::When) { 2..4 } else { 0..0 };
    align_right(&mut table, (1..columns).filter(|at| !times.contains(at)));
    format!("\n{}", print(&table, 0, style, |_| None))
}

/// What other rules add and remove.
fn compared(comparison: &Comparison, style: Style) -> String {
    let rules = safe(&comparison.rules.to_string_lossy()).into_owned();
    let changed: Vec<&RuleChange> = comparison.by_rule.iter().filter(|rule| !rule.changes.is_empty()).collect();
    let all = || comparison.by_rule.iter().map(|r| (&*r.node, &*r.rule));
    let unseen = unseen(comparison, |rule| name(all(), &rule.node, &rule.rule), style);
    if changed.is_empty() {
        let what = if unseen.is_empty() { "nothing changes" } else { "no episode changes" };
        return format!("\nWith {rules} {what}\n{unseen}");
    }
    let mut table = grid(style.columns());
    table.set_header(["rule", "fired", "", "added", "removed", "longer", "shorter", "worse", "milder", "total"]);
    for rule in &changed {
        let count = |change| rule.changes.iter().filter(|c| c.what.contains(&change)).count().to_string();
        table.add_row([
            name(all(), &rule.node, &rule.rule),
            rule.before.episodes.to_string(),
            format!("> {}", rule.after.episodes),
            count(Change::Added),
            count(Change::Removed),
            count(Change::Longer),
            count(Change::Shorter),
            count(Change::Worse),
            count(Change::Milder),
            difference(rule),
        ]);
    }
    space(&mut table);
    keep_whole(&mut table, 1..10);
    align_right(&mut table, (1..10).filter(|at| *at != 2));
    let mut printed = format!("\nWith {rules}\n\n{}\n", print(&table, 0, style, |_| None));
    let changes: Vec<&EpisodeChange> = changed.iter().flat_map(|rule| &rule.changes).collect();
    for change in changes.iter().take(CHANGES) {
        printed.push_str(&line(change));
    }
    if let Some(more) = changes.len().checked_sub(CHANGES).filter(|more| *more > 0) {
        printed.push_str(&format!("… and {more} more; --format json has them all\n"));
    }
    printed + &unseen
}

/// The rules that no episode tells of: new ones that never fire, those that lack data, and those that are gone.
fn unseen(comparison: &Comparison, name: impl Fn(&RuleChange) -> String, style: Style) -> String {
    let is_quiet = |rule: &&RuleChange| rule.changes.is_empty() && rule.after.episodes == 0;
    let quiet = || comparison.by_rule.iter().filter(is_quiet);
    let list = |names: Vec<String>| names.join(", ");
    let never = list(quiet().filter(|r| r.is_new && r.insufficient.is_none()).map(&name).collect());
    let gone = list(quiet().filter(|r| r.is_gone).map(&name).collect());
    let lacking = |rule: &RuleChange| Some(Insufficient { rule: name(rule), ..rule.insufficient.clone()? });
    let idle: Vec<Insufficient> = comparison.by_rule.iter().filter_map(lacking).collect();
    let idle = if idle.is_empty() { String::new() } else { format!("insufficient data: {}", insufficient::all(&idle)) };
    let new = if never.is_empty() { never } else { format!("{never}: new, and would never have fired") };
    let gone = if gone.is_empty() { gone } else { format!("{gone}: never fired before either") };
    let rows = [("New", new), ("Gone", gone), ("Unjudged", idle)].into_iter().filter(|(_, text)| !text.is_empty());
    let rows: Vec<(&str, String)> = rows.collect();
    if rows.is_empty() { String::new() } else { format!("\n{}", labelled(rows, LABEL, style, |_| None)) }
}

/// How much longer or shorter the rule would have been firing.
fn difference(rule: &RuleChange) -> String {
    let more = rule.after.seconds.get() - rule.before.seconds.get();
    let sign = if more < 0.0 { "-" } else { "+" };
    if more == 0.0 {
        "same".to_string()
    } else {
        format!("{sign}{}", span(Figure::new(more.abs()).unwrap_or(Figure::ZERO)))
    }
}

/// `longer   cpu_usage@web-1: 2023-10-01 12:00 to 13:00, low; now to 13:30, medium`.
fn line(change: &EpisodeChange) -> String {
    let what = change.what.iter().map(|what| what.word()).collect::<Vec<_>>().join(" and ");
    let told = |episode: &Episode| {
        let until = if episode.open { "open".to_string() } else { minute(episode.until) };
        format!("{} to {until}, {}", minute(episode.since), episode.severity.word())
    };
    let told = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{}\n  now {}", told(before), told(after)),
        (one, other) => one.as_ref().or(other.as_ref()).map(told).unwrap_or_default(),
    };
    format!("{what}: {}\n  {told}\n", safe(&change.series))
}

fn seconds_between(from: Timestamp, to: Timestamp) -> Figure {
    Figure::new(to.micros().saturating_sub(from.micros()) as f64 / 1e6).unwrap_or(Figure::ZERO)
}

/// `2023-10-01 12:30`.
fn minute(time: Timestamp) -> String {
    let text = time.to_string().replacen('T', " ", 1);
    text.get(..16).unwrap_or(&text).to_string()
}

/// Two units at most: `45s`, `1h30m`, `12d04h`.
fn span(seconds: Figure) -> String {
    let (seconds, whole) = (seconds.get(), seconds.get().round() as u64);
    let two = |great: u64, unit: char, small: u64, of: char| match small {
        0 => format!("{great}{unit}"),
        _ => format!("{great}{unit}{small:02}{of}"),
    };
    match whole {
        _ if seconds > 0.0 && seconds < 1.0 => format!("{:.0}ms", (seconds * 1000.0).max(1.0)),
        0..60 => format!("{whole}s"),
        60..3_600 => two(whole / 60, 'm', whole % 60, 's'),
        3_600..86_400 => two(whole / 3_600, 'h', whole / 60 % 60, 'm'),
        _ => two(whole / 86_400, 'd', whole / 3_600 % 24, 'h'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_name_two_units_at_most() {
        let shown = |seconds: f64| span(Figure::new(seconds).unwrap());
        let seconds = [0.0, 0.25, 1.0, 59.0, 60.0, 90.0, 3_600.0, 5_400.0, 86_399.0, 86_400.0, 1_051_200.0];
        let expected = ["0s", "250ms", "1s", "59s", "1m", "1m30s", "1h", "1h30m", "23h59m", "1d", "12d04h"];
        assert_eq!(seconds.map(shown), expected.map(str::to_string));
    }
}
