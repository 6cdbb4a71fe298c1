//! One window of a live run in a line: what happened, in the order in which one asks.

use super::text::counted;
use super::{Style, safe};
use crate::domain::{ClosedBy, Report, RunRecord, Severity};

/// Anomalies that are named; the report has them all.
const NAMED: usize = 3;

/// The line of a window. Without a report nothing came in it.
pub fn line(report: Option<&Report>, record: &RunRecord, style: Style) -> String {
    let Some(window) = &record.window else { return String::new() };
    let mut line = format!("{} – {}", window.span.start, time_of_day(&window.span.end.to_string()));
    let records: u64 = record.inputs.iter().map(|input| input.records).sum();
    let mut parts = vec![if records == 0 { "no records".to_string() } else { counted(records, "record") }];
    if window.partial {
        parts.push("partial".to_string());
    }
    if window.closed_by == ClosedBy::Idle {
        parts.push("closed by time".to_string());
    }
    if window.late > 0 {
        parts.push(format!("{} too late", counted(window.late, "record")));
    }
    if let Some(error) = &record.error {
        parts.push(format!("failed: {}", safe(error)));
    }
    if let Some(report) = report {
        parts.push(anomalies(report, style));
        if !report.recommendations.is_empty() {
            parts.push(counted(report.recommendations.len() as u64, "recommendation"));
        }
    }
    line.push_str("  ");
    line.push_str(&parts.join(", "));
    line.push('\n');
    line
}

fn anomalies(report: &Report, style: Style) -> String {
    let named = report.anomalies.iter().take(NAMED).map(|anomaly| {
        let text = format!("{} {} {}", safe(&anomaly.metric), anomaly.value, anomaly.severity.word());
        if anomaly.severity == Severity::High { style.bold(&text).to_string() } else { text }
    });
    let mut named: Vec<String> = named.collect();
    if let Some(more @ 1..) = report.anomalies.len().checked_sub(NAMED) {
        named.push(format!("{more} more"));
    }
    if named.is_empty() { "no anomaly".to_string() } else { named.join("; ") }
}

/// `12:00:05Z` of `2023-10-01T12:00:05Z`.
fn time_of_day(time: &str) -> &str {
    time.split_once('T').map_or(time, |(_, time)| time)
}
