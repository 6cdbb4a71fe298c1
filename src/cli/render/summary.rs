//! What a run found, for the person who started it: one screen, the worst first.

pub mod insufficient;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::text::{align_right, counted, duration, fix, grid, keep_whole, labelled, print, severity_look, space};
use super::{Style, safe};
use crate::domain::{
    InputRecord, ModelIdentity, Report, ReportAnomaly, RunRecord, Severity, TaskOutcome, TaskRecord, WordingRecord,
    WordingSource,
};

/// Rows of a list that are shown; the report has them all.
const SHOWN: usize = 20;
/// Width of the label of a row, and of a severity with its heading.
const LABEL: usize = 9;
const SEVERITY: usize = 8;
/// Below this a sentence does not get a column of its own.
const SENTENCE: usize = 34;

/// The summary of a finished run. `written_to` says where the report and the run record went.
pub fn summary(report: &Report, record: &RunRecord, written_to: &[String], style: Style) -> String {
    let rows = |rows: Vec<(&'static str, String)>| {
        labelled(rows, LABEL, style, |label| (!label.is_empty()).then(|| anstyle::Style::new().bold()))
    };
    let mut first = vec![("Read", read(&record.inputs))];
    if let Some(late @ 1..) = record.window.as_ref().map(|window| window.late) {
        first.push(("Late", format!("{} of windows that were closed already: left out", counted(late, "record"))));
    }
    first.push(("Insights", insights(report, record)));
    let mut printed = rows(first);
    printed.push('\n');
    printed.push_str(&anomalies(&report.anomalies, incidents(&report.anomalies, record), style));
    if record.window.is_none() {
        printed.push_str(&insufficient::insufficient(&record.insufficient, style));
    }
    printed.push('\n');
    printed.push_str(&recommendations(report, style));
    printed.push('\n');
    let mut last = vec![("Services", services(report))];
    if let Some(error) = &record.error {
        last.push(("Failed", safe(error).into_owned()));
    }
    if !report.recommendations.is_empty() {
        last.push(("Wording", wording(report, record)));
    }
    let unfinished: Vec<&TaskRecord> = record.tasks.iter().filter(|task| task.outcome != TaskOutcome::Done).collect();
    if !unfinished.is_empty() {
        last.push(("Missing", tasks(&unfinished)));
    }
    if !written_to.is_empty() {
        last.push(("Written", written_to.iter().map(|place| safe(place)).collect::<Vec<_>>().join("\n")));
    }
    let took = record.ended.map_or_else(String::new, |ended| format!(", {}", duration(record.started, ended)));
    last.push(("Run", format!("{}{took}", safe(&record.run))));
    printed + &rows(last)
}

/// What was wrong with the inputs: a line for each kind of fault, with the first place.
pub fn faults(inputs: &[InputRecord]) -> String {
    let mut lines = String::new();
    for input in inputs {
        let place = if input.format == "json" { "element" } else { "line" };
        for fault in &input.faults {
            let (code, what) = (safe(&fault.code), safe(&fault.what));
            lines.push_str(&format!("note: {}: {code}: {what}", path(input)));
            if fault.count > 1 {
                lines.push_str(&format!(", {} times", fault.count));
            }
            if let Some(example) = fault.examples.first() {
                let first = if fault.count > 1 { ", first at" } else { ", at" };
                // What is of the whole input has no place in it.
                if example.row > 0 {
                    lines.push_str(&format!("{first} {place} {}", example.row));
                }
                lines.push_str(&format!(": {}", safe(&shorten(&example.detail, 120))));
            }
            lines.push('\n');
        }
    }
    lines
}

fn path(input: &InputRecord) -> Cow<'_, str> {
    if input.path == "-" { "standard input".into() } else { safe(&input.path) }
}

/// A line per source.
pub(super) fn read(inputs: &[InputRecord]) -> String {
    let mut lines = Vec::new();
    for input in inputs {
        let mut line = format!("{}: {}", path(input), counted(input.records, "record"));
        if input.entities > 0 {
            line.push_str(&format!(" of {}", counted(input.entities, "host")));
        }
        if let (Some(first), Some(last)) = (input.first, input.last) {
            line.push_str(&if first == last { format!(", {first}") } else { format!(", {first} to {last}") });
        }
        if input.bad > 0 {
            line.push_str(&format!("; {} left out", counted(input.bad, "bad record")));
        }
        if !input.faults.is_empty() {
            // Each with its code and its first place goes to standard error, and all into the run record.
            let kinds = counted(input.faults.len() as u64, "kind");
            line.push_str(&format!("; {kinds} of fault noted"));
        }
        lines.push(line);
    }
    if lines.is_empty() { "nothing".to_string() } else { lines.join("\n") }
}

/// Name and figure of each, with the coverage where it is not whole.
fn insights(report: &Report, record: &RunRecord) -> String {
    let one = |(name, figure): (&String, &Option<crate::domain::Figure>)| {
        let figure = figure.map_or_else(|| "no data".to_string(), |figure| figure.to_string());
        let coverage = record.coverage.iter().find(|c| c.insight == *name && c.records < c.of && c.records > 0);
        let coverage = coverage.map_or_else(String::new, |c| format!(" (in {} of {} records)", c.records, c.of));
        format!("{} {figure}{coverage}", safe(name))
    };
    report.insights.0.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// In how many incidents the anomalies are, where that is fewer.
fn incidents(list: &[ReportAnomaly], record: &RunRecord) -> Option<usize> {
    let of_names: HashMap<&str, &str> = record
        .incidents
        .iter()
        .flat_map(|incident| incident.anomalies.iter().map(move |name| (name.as_str(), incident.id.as_str())))
        .collect();
    // `None` where a plan did not see one of them.
    let ids: Option<HashSet<&str>> =
        list.iter().map(|anomaly| of_names.get(anomaly.metric.as_str()).copied()).collect();
    ids.map(|ids| ids.len()).filter(|count| *count < list.len())
}

fn anomalies(list: &[ReportAnomaly], incidents: Option<usize>, style: Style) -> String {
    if list.is_empty() {
        return format!("{} none\n", style.bold("Anomalies:"));
    }
    let by_severity: Vec<String> = Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| (list.iter().filter(|a| a.severity == severity).count(), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {}", severity.word()))
        .collect();
    let incidents = incidents.map_or_else(String::new, |count| format!(", in {}", counted(count as u64, "incident")));
    let mut printed = format!("{} {}{incidents}\n", style.bold("Anomalies:"), by_severity.join(", "));
    printed.push_str(&anomaly_table(list, style));
    if let Some(more) = list.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        printed.push_str(&format!("… and {more} more in the report\n"));
    }
    printed
}

/// Five columns where the sentence finds room, else two: the figures above their sentence.
fn anomaly_table(list: &[ReportAnomaly], style: Style) -> String {
    let cells: Vec<[String; 5]> = list
        .iter()
        .take(SHOWN)
        .map(|a| {
            let (metric, description) = (safe(&a.metric).into_owned(), safe(&a.description).into_owned());
            [a.severity.word().to_string(), metric, a.value.to_string(), a.threshold.to_string(), description]
        })
        .collect();
    let heads = ["severity", "metric", "value", "threshold", "description"];
    let widest = |column: usize| {
        let cells =
            cells.iter().filter_map(|row| row.get(column)).map(|cell| unicode_width::UnicodeWidthStr::width(&**cell));
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let figures: usize = (1..4).map(|column| widest(column) + 2).sum();
    let mut table = grid(style.columns());
    if usize::from(style.columns()) >= SEVERITY + 2 + figures + SENTENCE {
        table.set_header(heads);
        for row in cells {
            table.add_row(row);
        }
        keep_whole(&mut table, 1..4);
        align_right(&mut table, 2..4);
    } else {
        for [severity, metric, value, threshold, description] in cells {
            table.add_row([severity, format!("{metric}: {value}, threshold {threshold}\n{description}")]);
        }
    }
    space(&mut table);
    fix(&mut table, 0, SEVERITY);
    print(&table, SEVERITY, style, severity_look)
}

fn recommendations(report: &Report, style: Style) -> String {
    let list = &report.recommendations;
    if list.is_empty() {
        return format!("{} none\n", style.bold("Recommendations:"));
    }
    let numbers: Vec<String> = (1..=list.len().min(SHOWN)).map(|n| format!("{n}.")).collect();
    let width = numbers.last().map_or(0, String::len);
    let rows = numbers.iter().zip(list).map(|(number, r)| {
        let benefit = safe(&r.benefit_estimate);
        (number.as_str(), format!("{}\nTarget: {}\nBenefit: {benefit}", safe(&r.action), safe(&r.target)))
    });
    let mut printed = format!("{} {}\n", style.bold("Recommendations:"), list.len());
    printed.push_str(&labelled(rows, width, style, |_| None));
    if let Some(more) = list.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        printed.push_str(&format!("… and {more} more in the report\n"));
    }
    printed
}

fn services(report: &Report) -> String {
    let summary = &report.service_status_summary;
    let lists = [("offline", &summary.offline), ("degraded", &summary.degraded), ("online", &summary.online)];
    let shown: Vec<String> = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(status, names)| {
            let mut listed = names.iter().take(SHOWN).map(|name| safe(name)).collect::<Vec<_>>().join(", ");
            if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                listed.push_str(&format!(" and {more} more"));
            }
            format!("{status}: {listed}")
        })
        .collect();
    if shown.is_empty() { "the records name none".to_string() } else { shown.join("; ") }
}

/// How many sentences come from whom, and why the model's were not taken where they were not.
fn wording(report: &Report, record: &RunRecord) -> String {
    let by = |source| record.wordings.iter().filter(|w| w.source == source).count();
    let (by_model, remembered) = (by(WordingSource::Model), by(WordingSource::Remembered));
    let by_template = report.recommendations.len().saturating_sub(by_model + remembered);
    let mut parts = Vec::new();
    if by_model > 0 {
        let names: Vec<String> =
            answerers(record).iter().map(|who| format!("{} ({})", safe(&who.model), safe(&who.provider))).collect();
        let names = if names.is_empty() { "a model".to_string() } else { names.join(" and ") };
        parts.push(format!("{by_model} by {names}"));
    }
    if remembered > 0 {
        parts.push(format!("{remembered} as in earlier windows"));
    }
    if by_template > 0 {
        parts.push(format!("{by_template} by templates"));
    }
    let mut lines = vec![parts.join(", ")];
    match &record.model {
        None if by_template > 0 => lines[0].push_str(", since no model was asked"), // `lines` was made with one
        _ => lines.extend(limited(&record.wordings.iter().filter_map(rejection).collect::<Vec<_>>())),
    }
    lines.join("\n")
}

/// The models that answered: the first, and those that stood in for it.
fn answerers(record: &RunRecord) -> Vec<&ModelIdentity> {
    let answered = || record.calls.iter().filter(|call| call.outcome == "ok");
    let all_stood_in = answered().next().is_some() && answered().all(|call| call.stand_in.is_some());
    let mut names: Vec<&ModelIdentity> = record.model.iter().filter(|_| !all_stood_in).collect();
    for stand_in in answered().filter_map(|call| call.stand_in.as_ref()) {
        if !names.contains(&stand_in) {
            names.push(stand_in);
        }
    }
    names
}

/// Why a template had to word it.
fn rejection(wording: &WordingRecord) -> Option<String> {
    if wording.source != WordingSource::Template {
        return None;
    }
    let why = wording.rejected.last().map_or("no draft came", String::as_str);
    Some(format!("{}: {}", safe(&wording.recommendation), safe(&shorten(why, 160))))
}

fn tasks(unfinished: &[&TaskRecord]) -> String {
    let one = |task: &&TaskRecord| {
        let item = task.item.map_or_else(String::new, |item| format!("[{item}]"));
        let why = task.error.as_deref().map_or_else(String::new, |error| format!(": {}", safe(&shorten(error, 160))));
        let tries = counted(u64::from(task.attempts), "attempt");
        format!("{}{item} {} after {tries}{why}", safe(&task.node), task.outcome.word())
    };
    limited(&unfinished.iter().map(one).collect::<Vec<_>>()).join("\n")
}

/// The first few lines, and how many there are beyond.
fn limited(lines: &[String]) -> Vec<String> {
    const FEW: usize = 5;
    let mut shown: Vec<String> = lines.iter().take(FEW).cloned().collect();
    if lines.len() > FEW {
        shown.push(format!("… and {} more in the run record", lines.len() - FEW));
    }
    shown
}

fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", &text[..at]), // a boundary: char_indices gave it
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests;
