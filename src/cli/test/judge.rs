//! Holds what came to what a test expects.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, to_value};
use toml::Spanned;

use super::Case;
use super::anomalies;
use super::file::{Expect, ExpectedWindow};
use super::json::Json;
use super::play::{Played, Seen};
use super::stage::Faults;
use super::subset::mismatches;
use crate::diagnostic::Diagnostic;
use crate::domain::Report;

/// What is not as expected, in the order of the file.
pub fn judge(case: &Case<'_>, played: &Played) -> Faults {
    let expect = case.test().expect.get_ref();
    let mut faults = endings(case, played);
    if faults.is_empty() {
        faults.extend(anomalies::judge(case, played));
        faults.extend(whole(case, expect, played));
        for window in &expect.windows {
            faults.extend(of_window(case, window, played));
        }
    }
    faults.sort_by_key(|fault| fault.place.as_ref().map(|(_, span)| span.start));
    faults
}

/// Whether the runs ended as they should.
fn endings(case: &Case<'_>, played: &Played) -> Faults {
    let mut faults = played.fault.iter().chain(played.seen.iter().filter_map(|seen| seen.fault.as_ref()));
    let Some(code) = &case.test().expect.get_ref().fails else {
        let told = |fault: &Diagnostic| {
            let failure = case.failure(case.test().name.span(), format!("the run failed: {fault}"));
            failure.maybe_help(fault.help.clone())
        };
        return faults.map(told).collect();
    };
    if faults.clone().any(|fault| fault.code.id == code.get_ref()) {
        return Vec::new();
    }
    let instead = faults.next().map_or("it did not fail".to_string(), |fault| format!("it failed with {fault}"));
    vec![case.failure(code.span(), format!("the run does not fail with {}: {instead}", code.get_ref()))]
}

/// What is expected of the one window that tells of something.
fn whole(case: &Case<'_>, expect: &Expect, played: &Played) -> Faults {
    let Expect { report, record, values, .. } = expect;
    let places = report.iter().chain(record).map(Spanned::span).chain(values.keys().map(Spanned::span));
    let Some(place) = places.min_by_key(|place| place.start) else { return Vec::new() };
    let told: Vec<&Seen> = played.seen.iter().filter(|seen| seen.has_report()).collect();
    let seen = match (told.as_slice(), played.seen.as_slice()) {
        ([one], _) => *one,
        ([], [one]) => one,
        ([], _) => return vec![case.failure(place, "no window has a report")],
        (several, _) => {
            let message = format!("{} windows have a report: which one is meant?", several.len());
            let help = format!("write it below `[[test.expect.windows]]` with one of: {}", starts(several));
            return vec![case.failure(place, message).help(help)];
        }
    };
    parts(case, (report, record, values), seen, played)
}

fn of_window(case: &Case<'_>, window: &Spanned<ExpectedWindow>, played: &Played) -> Faults {
    let ExpectedWindow { start, no_report, report, record, values } = window.get_ref();
    let wanted = start.get_ref().0;
    let Some(seen) = played.seen.iter().find(|seen| seen.start == Some(wanted)) else {
        let windows: Vec<&Seen> = played.seen.iter().filter(|seen| seen.start.is_some()).collect();
        let help = match windows.as_slice() {
            [] => "the graph has no windows: write what you expect below `[test.expect]`".to_string(),
            windows => format!("windows start at: {}", starts(windows)),
        };
        return vec![case.failure(start.span(), format!("no window starts at {wanted}")).help(help)];
    };
    let mut faults = Vec::new();
    if let Some(none) = no_report.as_ref().filter(|none| *none.get_ref() == seen.has_report()) {
        let message = if seen.has_report() { "the window has a report" } else { "the window has no report" };
        faults.push(case.failure(none.span(), message));
    }
    faults.extend(parts(case, (report, record, values), seen, played));
    faults
}

fn starts(windows: &[&Seen]) -> String {
    windows.iter().filter_map(|seen| Some(seen.start?.to_string())).collect::<Vec<_>>().join(", ")
}

/// Report, run record and nodes' values, as far as something is expected of them.
type Parts<'a> = (&'a Option<Spanned<Json>>, &'a Option<Spanned<Json>>, &'a BTreeMap<Spanned<String>, Spanned<Json>>);

fn parts(case: &Case<'_>, (report, record, values): Parts<'_>, seen: &Seen, played: &Played) -> Faults {
    let mut faults = Vec::new();
    let mut compare =
        |path: &str, expected: &Spanned<Json>, actual: Option<&Value>| {
            faults.extend(mismatches(path, expected, actual).into_iter().map(|mismatch| {
                case.failure(placed(mismatch.span, expected), mismatch.message).maybe_help(mismatch.help)
            }));
        };
    if let Some(expected) = report {
        let reports = played.plan.yielding::<Report>();
        let made = reports.filter_map(|node| seen.values.get(node)?.as_ref()).next();
        compare("report", expected, made);
    }
    if let Some(expected) = record {
        compare("record", expected, to_value(&seen.record).ok().as_ref());
    }
    for (path, expected) in values {
        let mut names = path.get_ref().split('.');
        let node = names.next().and_then(|name| played.plan.find(name));
        let value = node.and_then(|node| seen.values.get(node)?.as_ref());
        compare(path.get_ref(), expected, value.and_then(|value| names.try_fold(value, |value, name| value.get(name))));
    }
    faults
}

/// A table below a header has the place of its header only.
fn placed(span: Range<usize>, expected: &Spanned<Json>) -> Range<usize> {
    if span.is_empty() { expected.span() } else { span }
}
