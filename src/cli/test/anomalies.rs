//! Holds the anomalies that were found to those that a test expects.

use toml::Spanned;

use super::Case;
use super::episodes::{Found, found};
use super::file::{Expect, ExpectedAnomaly};
use super::json::Moment;
use super::play::Played;
use super::stage::Faults;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::domain::{Figure, Timestamp};

pub fn judge(case: &Case<'_>, played: &Played) -> Faults {
    let Expect { no_anomalies, anomalies, more_anomalies, .. } = case.test().expect.get_ref();
    let mut left: Vec<Found> = found(played);
    let mut faults = Vec::new();
    if let Some(none) = no_anomalies {
        if *none.get_ref() == left.is_empty() {
            return faults;
        }
        let message = match left.as_slice() {
            [] => "there are no anomalies".to_string(),
            [one] => format!("there is an anomaly: {}", one.line()),
            several => format!("there are {} anomalies", several.len()),
        };
        let fault = case.failure(none.span(), message);
        return vec![if left.len() > 1 { fault.help(lines(&left)) } else { fault }];
    }
    let all = left.clone();
    for expected in anomalies {
        let candidates = (0..left.len()).filter(|at| left.get(*at).is_some_and(|f| is_named(expected, f)));
        let compared = candidates.filter_map(|at| Some((at, differences(case, expected.get_ref(), left.get(at)?))));
        match compared.min_by_key(|(at, faults)| (faults.len(), *at)) {
            Some((at, differences)) => {
                left.remove(at);
                faults.extend(differences);
            }
            None => faults.push(missing(case, expected.get_ref(), &all)),
        }
    }
    if !anomalies.is_empty() && !more_anomalies {
        faults.extend(left.iter().map(|found| {
            let place = anomalies.last().map_or(0..0, |last| last.get_ref().name.span());
            let message = format!("there is an anomaly that is not expected: {}", found.line());
            case.failure(place, message).help("add it to `anomalies`, or write `more_anomalies = true` under `expect`")
        }));
    }
    faults
}

fn is_named(expected: &Spanned<ExpectedAnomaly>, found: &Found) -> bool {
    *expected.get_ref().name.get_ref() == found.name
}

fn lines(found: &[Found]) -> String {
    found.iter().map(Found::line).collect::<Vec<_>>().join("; ")
}

fn missing(case: &Case<'_>, expected: &ExpectedAnomaly, all: &[Found]) -> Diagnostic {
    let name = expected.name.get_ref();
    let same = all.iter().filter(|found| found.name == *name).count();
    let message = match same {
        0 => format!("there is no anomaly `{name}`"),
        1 => format!("there is only one anomaly `{name}`"),
        _ => format!("there are only {same} anomalies `{name}`"),
    };
    let near = did_you_mean(name, all.iter().map(|found| found.name.as_str())).filter(|near| near != name);
    let help = match (near, all) {
        (Some(near), _) => format!("did you mean `{near}`? There are: {}", lines(all)),
        (None, []) => "there are none at all".to_string(),
        (None, _) => format!("there are: {}", lines(all)),
    };
    case.failure(expected.name.span(), message).help(help)
}

/// What of an anomaly is not as expected.
fn differences(case: &Case<'_>, expected: &ExpectedAnomaly, found: &Found) -> Faults {
    let name = &found.name;
    let mut faults = Vec::new();
    let mut differ = |span, what: String| faults.push(case.failure(span, format!("`{name}` {what}")));
    if let Some(severity) = expected.severity.as_ref().filter(|severity| *severity.get_ref() != found.severity) {
        let (is, wanted) = (found.severity.word(), severity.get_ref().word());
        differ(severity.span(), format!("is of {is} severity, not {wanted}: its worst value is {}", found.value));
    }
    if let Some(value) = &expected.value {
        let (wanted, tolerance) = (*value.get_ref(), expected.tolerance);
        let is_same = Figure::new(wanted) == Figure::new(found.value) || (wanted - found.value).abs() <= tolerance;
        let within = if tolerance > 0.0 { format!(" within {tolerance}") } else { String::new() };
        if !is_same {
            differ(value.span(), format!("has the value {}, not {wanted}{within}", found.value));
        }
    }
    if let Some(since) = expected.since.as_ref().filter(|since| since.get_ref().0 != found.since) {
        differ(since.span(), format!("is there since {}, not {}", found.since, since.get_ref().0));
    }
    let opened = expected.opened.as_ref().map(|time| (Moment::At(time.get_ref().0), time.span()));
    let of = |moment: &Spanned<Moment>| (*moment.get_ref(), moment.span());
    for (what, wanted, is) in [
        ("opened", opened, found.opened),
        ("escalated", expected.escalated.as_ref().map(of), found.escalated),
        ("resolved", expected.resolved.as_ref().map(of), found.resolved),
    ] {
        let Some((wanted, span)) = wanted else { continue };
        if let Some(told) = told(what, wanted, is) {
            differ(span, told);
        }
    }
    faults
}

/// What is wrong with the time of a change.
fn told(what: &str, wanted: Moment, is: Option<Timestamp>) -> Option<String> {
    match (wanted, is) {
        (Moment::Never, None) => None,
        (Moment::At(wanted), Some(is)) if wanted == is => None,
        (Moment::Never, Some(is)) => Some(format!("{what} in the window of {is}")),
        (Moment::At(wanted), Some(is)) => Some(format!("{what} in the window of {is}, not in that of {wanted}")),
        (Moment::At(wanted), None) => Some(format!("never {what}, neither in the window of {wanted} nor in another")),
    }
}
