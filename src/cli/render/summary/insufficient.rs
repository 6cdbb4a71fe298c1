//! What rules could not judge.

use super::super::text::{counted, grid, print, space};
use super::super::{Style, safe};
use crate::domain::Insufficient;

const HEAD: &str = "Insufficient data:";
/// Lines of a summary that it may take: the run record has it all.
const LINES: usize = 2;

/// `Insufficient data: orders#unusual (1 of 3 series: it takes two readings), io_wait and 5 more (…)`, in two lines at most;
/// nothing where every rule could judge.
pub fn insufficient(rules: &[Insufficient], style: Style) -> String {
    let lacking = Lacking::of(rules);
    if lacking.len() == 0 {
        return String::new();
    }
    let lines = |count| {
        let mut table = grid(style.columns());
        table.add_row([format!("{HEAD} {}", lacking.text(count))]);
        space(&mut table);
        print(&table, HEAD.len(), style, |word| (word == HEAD).then(|| anstyle::Style::new().bold()))
    };
    let mut shown = (0..=lacking.len()).rev().map(lines);
    shown.find(|printed| printed.lines().count() <= LINES).unwrap_or_else(|| lines(0))
}

/// All of it, one sentence.
pub fn all(rules: &[Insufficient]) -> String {
    let lacking = Lacking::of(rules);
    lacking.text(lacking.len())
}

/// Those that have some readings, each with what it takes, and the names of those that have none.
struct Lacking {
    few: Vec<String>,
    absent: Vec<String>,
}

impl Lacking {
    fn of(rules: &[Insufficient]) -> Lacking {
        let mut lacking = Lacking { few: Vec::new(), absent: Vec::new() };
        let names: Vec<&str> = rules.iter().filter(|rule| rule.of == 0).map(|rule| rule.rule.as_str()).collect();
        // Of a metric with several rules the one of its value is enough.
        let is_told = |name: &str| name.rsplit_once('#').is_some_and(|(metric, _)| names.contains(&metric));
        for Insufficient { rule, series, of, needs } in rules {
            let name = safe(rule).into_owned();
            let (list, item) = match of {
                0 if is_told(rule) => continue,
                0 => (&mut lacking.absent, name),
                _ => (&mut lacking.few, format!("{name} ({series} of {of} series: it takes {})", safe(needs))),
            };
            if !list.contains(&item) {
                list.push(item);
            }
        }
        lacking
    }

    fn len(&self) -> usize {
        self.few.len() + self.absent.len()
    }

    /// The first `count`: those that have some readings come first, since that they lack some is less to be expected.
    fn text(&self, count: usize) -> String {
        let Lacking { few, absent } = self;
        let few: Vec<&str> = few.iter().take(count).map(String::as_str).collect();
        let named: Vec<&str> = absent.iter().take(count.saturating_sub(few.len())).map(String::as_str).collect();
        // What is left out comes last, so it is of the kind of the last one shown.
        let more = match self.len().saturating_sub(count) {
            0 => String::new(),
            more if count == 0 => format!("{}; the run record lists them", counted(more as u64, "rule")),
            more => format!(" and {more} more"),
        };
        let last = match &named[..] {
            [] => more,
            [one] if more.is_empty() => format!("{one} (no record has what it judges)"),
            several => format!("{}{more} (nothing came that they judge)", several.join(", ")),
        };
        let separator = if few.is_empty() || named.is_empty() { "" } else { ", " };
        format!("{}{separator}{last}", few.join(", "))
    }
}
