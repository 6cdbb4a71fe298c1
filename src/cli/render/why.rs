//! Why an anomaly is in a report: from the rule over the records to the sentence.

mod judged;
mod surprise;
mod terms;

use self::judged::{figures, margins, reached, records, rule, samples};
pub use self::terms::Background;
use self::terms::{end, lasted};
use super::text::labelled;
use super::{Style, safe};
use crate::domain::{Anomaly, Episode, Incident, InputRecord, Phase};

/// Wide enough for a sentence to be read, whatever the terminal: the page is often kept in a file.
const PAGE: Style = Style { color: false, width: 100 };
const LABEL: usize = 9;
/// Other anomalies of an incident that are named; the run record has them all.
const NAMED: usize = 10;

/// Where an anomaly stands, now that its run has gone as far as it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Reported,
    /// A later node did not hand it on to the report.
    LeftOut,
    /// Its episode is over, so it is no part of the report.
    Over,
    /// The run has written none.
    NoReport,
}

/// What an anomaly is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What records say.
    Readings,
    /// That records come at all.
    Arrivals,
}

/// The page of `anomaly`. `background` is what its node was told, `inputs` the sources whose records it
/// was found in, `incidents` those that it is part of: one of each plan.
pub fn why(
    anomaly: &Anomaly,
    basis: Basis,
    place: Place,
    background: &Background,
    inputs: &[InputRecord],
    incidents: &[&Incident],
) -> String {
    let page = |rows: Vec<(&'static str, String)>| labelled(rows, LABEL, PAGE, |_| None);
    let remark = match place {
        Place::Reported => "",
        Place::LeftOut => " (not in the report: a later node of the graph left it out)",
        Place::Over => " (not in the report: the episode is over)",
        Place::NoReport => " (the run has no report)",
    };
    let mut printed = format!("{}: {}{remark}\n\n", safe(&anomaly.name), anomaly.severity.word());
    let judged = rule(anomaly, basis, background, inputs);
    printed.push_str(&page(vec![("Rule", judged), ("Records", records(anomaly, basis, inputs))]));
    printed.push('\n');
    printed.push_str(&samples(anomaly, basis, place, background));
    printed.push('\n');
    if let Some(margins) = margins(anomaly) {
        printed.push_str(&margins);
        printed.push('\n');
    }
    let mut rows = figures(anomaly, basis, background);
    rows.push(reached(anomaly));
    rows.extend(lasted(anomaly, background).map(|lasted| ("Lasted", lasted)));
    rows.extend(anomaly.episode.as_ref().map(|of| ("Episode", episode(of, basis, end(anomaly, background)))));
    rows.extend(incidents.iter().map(|of| ("Incident", incident(of, &anomaly.name))));
    rows.push(("Sentence", safe(&anomaly.description).into_owned()));
    printed.push_str(&page(rows));
    printed
}

fn episode(episode: &Episode, basis: Basis, end: Option<String>) -> String {
    let windows = if episode.windows == 1 { "1 window".to_string() } else { format!("{} windows", episode.windows) };
    let (phase, worst) = (episode.phase.word(), episode.worst_severity.word());
    let of = match basis {
        Basis::Readings => "with records of it",
        Basis::Arrivals => "in which records were due",
    };
    let over = end.filter(|_| episode.phase == Phase::Resolved).map(|end| format!("\n{end}"));
    format!("{phase}, since {}, {windows} {of}, {worst} at worst{}", episode.since, over.unwrap_or_default())
}

/// Which one, what else is part of it, and what likely came first.
fn incident(of: &Incident, name: &str) -> String {
    let first = safe(&of.first);
    let first = match () {
        () if of.first == name => "this likely came first".to_string(),
        () if of.anomalies.contains(&of.first) => format!("{first} likely came first"),
        () => format!("{first}, now over or silent, likely came first"),
    };
    let others: Vec<&str> = of.anomalies.iter().map(String::as_str).filter(|other| *other != name).collect();
    let mut listed = others.iter().take(NAMED).map(|other| safe(other)).collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = others.len().checked_sub(NAMED) {
        listed.push_str(&format!(" and {more} more"));
    }
    let beside = match others.is_empty() {
        true if of.first == name => "nothing else is part of it".to_string(),
        true => first,
        false => format!("with {listed}\n{first}"),
    };
    format!("{}, from {} to {}\n{beside}", safe(&of.id), of.since, of.until)
}

#[cfg(test)]
mod tests;
