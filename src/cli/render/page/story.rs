//! What is told, and in which order: how bad, what, where, since when, what to do; then the rest.

use std::collections::{BTreeMap, HashMap};

use super::Page;
use super::words::{Words, moment, number_of, words};
use crate::detect::SERVICE_STATUS;
use crate::domain::{
    Anomaly, Figure, Incident, InputRecord, ReportAnomaly, ReportRecommendation, RunRecord, Severity, Status,
    TaskOutcome, Timestamp, WordingSource,
};
use crate::wording::{count, elapsed, number, quantity, status_word};

/// The facts of a page, sorted.
pub struct Story<'a> {
    pub words: &'static Words,
    pub worst: Option<Severity>,
    /// How bad it is, in a few words.
    pub headline: String,
    /// What a person wants to know first: a term, and what there is to say.
    pub first: Vec<(&'static str, First<'a>)>,
    /// The worst first.
    pub groups: Vec<Group<'a>>,
    /// Recommendations that answer none of these anomalies, as far as is known, with their numbers.
    pub others: Vec<(usize, &'a ReportRecommendation)>,
}

/// What stands beside a term.
pub enum First<'a> {
    Prose(&'a str),
    Names(Vec<&'a str>),
    Time(Timestamp),
}

/// Anomalies that belong together, in the order of the report, and what to do about them.
pub struct Group<'a> {
    /// `None` where nothing is known to belong together.
    pub incident: Option<&'a Incident>,
    pub anomalies: Vec<&'a ReportAnomaly>,
    pub recommendations: Vec<(usize, &'a ReportRecommendation)>,
}

impl<'a> Story<'a> {
    pub fn of(page: &Page<'a>) -> Story<'a> {
        let words = words(page.language);
        let (groups, others) = groups(page);
        let worst = page.report.anomalies.iter().map(|anomaly| anomaly.severity).max();
        let headline = headline(page, worst, groups.iter().filter(|group| group.incident.is_some()).count());
        let first = groups.first().map(|group| first(page, words, group)).unwrap_or_default();
        Story { words, worst, headline, first, groups, others }
    }
}

fn groups<'a>(page: &Page<'a>) -> (Vec<Group<'a>>, Vec<(usize, &'a ReportRecommendation)>) {
    let incidents = page.known.record.iter().flat_map(|record| &record.incidents);
    let of_names: HashMap<&str, &Incident> =
        incidents.flat_map(|incident| incident.anomalies.iter().map(move |name| (name.as_str(), incident))).collect();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut of_anomalies: HashMap<&str, usize> = HashMap::new();
    for anomaly in &page.report.anomalies {
        let incident = of_names.get(anomaly.metric.as_str()).copied();
        let place = *places.entry(incident.map(|incident| incident.id.as_str())).or_insert_with(|| {
            groups.push(Group { incident, anomalies: Vec::new(), recommendations: Vec::new() });
            groups.len() - 1
        });
        of_anomalies.insert(&anomaly.metric, place);
        groups.get_mut(place).into_iter().for_each(|group| group.anomalies.push(anomaly));
    }
    let mut others = Vec::new();
    for (at, made) in page.report.recommendations.iter().enumerate() {
        let answers = page.known.answers.get(&made.id).into_iter().flatten();
        let place = answers.filter_map(|name| of_anomalies.get(name.as_str())).min();
        match place.and_then(|place| groups.get_mut(*place)) {
            Some(group) => group.recommendations.push((at + 1, made)),
            None => others.push((at + 1, made)),
        }
    }
    (groups, others)
}

fn headline(page: &Page<'_>, worst: Option<Severity>, incidents: usize) -> String {
    let words = words(page.language);
    let Some(worst) = worst else { return words.all_clear.to_string() };
    let anomalies = number_of(page.report.anomalies.len(), words.anomaly, page.language);
    let severity = words.severity(worst);
    match incidents {
        0 => format!("{severity}{} {anomalies}", words.colon),
        several => {
            let incidents = number_of(several, words.in_incidents, page.language);
            format!("{severity}{} {anomalies} {incidents}", words.colon)
        }
    }
}

fn first<'a>(page: &Page<'a>, words: &'static Words, group: &Group<'a>) -> Vec<(&'static str, First<'a>)> {
    let mut first = Vec::new();
    let Some(worst) = group.anomalies.first() else { return first };
    first.push((words.what, First::Prose(&worst.description)));
    let places = match group.incident {
        Some(incident) => incident.entities.iter().chain(&incident.services).map(String::as_str).collect(),
        None => found(page, &worst.metric).and_then(|found| found.entity.as_deref()).into_iter().collect::<Vec<_>>(),
    };
    if !places.is_empty() {
        first.push((words.place, First::Names(places)));
    }
    let since = group.incident.map(|incident| incident.since);
    if let Some(since) = since.or_else(|| found(page, &worst.metric).map(since_of)) {
        first.push((words.since, First::Time(since)));
    }
    let of_group = group.recommendations.first().map(|(_, made)| *made);
    let action = of_group.or_else(|| page.report.recommendations.first());
    match action {
        Some(made) => first.push((words.to_do, First::Prose(&made.action))),
        None => first.push((words.to_do, First::Prose(words.no_action))),
    }
    first
}

/// The anomaly as it was found. Several detectors may have found one; the report has the worst.
pub fn found<'a>(page: &Page<'a>, name: &str) -> Option<&'a Anomaly> {
    let reported = page.report.anomalies.iter().find(|anomaly| anomaly.metric == name)?;
    let is_it = |found: &&Anomaly| {
        found.name == name && found.value == reported.value && found.severity == reported.severity && !found.is_over()
    };
    page.known.anomalies.iter().find(is_it)
}

/// When its episode began, or where there is none the stretch around its worst record.
pub fn since_of(anomaly: &Anomaly) -> Timestamp {
    anomaly.episode.as_ref().map_or(anomaly.stretch.from, |episode| episode.since)
}

/// The worst value of an anomaly and the band that it reached, in words where they are the levels of a status.
pub fn figures(page: &Page<'_>, anomaly: &ReportAnomaly) -> [String; 2] {
    let found = found(page, &anomaly.metric);
    let looks_like = anomaly.metric.starts_with(&format!("{SERVICE_STATUS}.")) && !anomaly.metric.contains('#');
    let is_status = found.map_or(looks_like, Anomaly::is_status);
    [anomaly.value, anomaly.threshold].map(|figure| {
        let level = Status::ALL.into_iter().find(|status| is_status && f64::from(status.level()) == figure.get());
        let unit = found.and_then(|found| found.unit.as_deref());
        level.map_or_else(|| quantity(figure, unit, page.language), |s| status_word(s, page.language).to_string())
    })
}

/// The recommendations that answer an anomaly, by number.
pub fn answers(page: &Page<'_>, name: &str) -> Vec<usize> {
    let is_answer = |id: &str| page.known.answers.get(id).is_some_and(|names| names.iter().any(|n| n == name));
    let made = page.report.recommendations.iter().enumerate();
    made.filter(|(_, made)| is_answer(&made.id)).map(|(at, _)| at + 1).collect()
}

/// What is told of the run: a term, and sentences in plain text.
pub struct Told {
    pub term: &'static str,
    pub lines: Vec<Line>,
}

/// A line of plain text; `name` stands before it and is shown as a name.
pub struct Line {
    pub name: Option<String>,
    pub text: String,
    /// What stands behind it: of the input, as it is.
    pub raw: Option<String>,
}

impl Line {
    fn plain(text: String) -> Line {
        Line { name: None, text, raw: None }
    }

    fn of(name: &str, text: String) -> Line {
        Line { name: Some(name.to_string()), text, raw: None }
    }
}

/// What was read and what was wrong with it, what could not be judged, who worded, and which run it was.
pub fn told(page: &Page<'_>) -> Vec<Told> {
    let Some(record) = &page.known.record else { return Vec::new() };
    let (w, language) = (words(page.language), page.language);
    let mut told = vec![Told { term: w.read, lines: inputs(page, record) }];
    let faults: Vec<Line> = record
        .inputs
        .iter()
        .flat_map(|input| &input.faults)
        .map(|fault| {
            let mut text = format!("{}{}", fault.what, times(fault.count, page));
            let mut raw = None;
            if let Some(example) = fault.examples.first().filter(|example| example.row > 0) {
                text.push_str(&format!("; {} {}{}", w.first_at, example.row, w.colon));
                raw = Some(example.detail.chars().take(160).collect());
            }
            Line { raw, ..Line::of(&fault.code, text) }
        })
        .collect();
    if !faults.is_empty() {
        told.push(Told { term: w.faults, lines: faults });
    }
    let mut gaps = Vec::new();
    if let Some(window) = record.window.as_ref().filter(|window| window.late + window.carried > 0 || window.partial) {
        if window.partial {
            gaps.push(Line::plain(w.partial.to_string()));
        }
        if window.late > 0 {
            gaps.push(Line::plain(format!("{} {}", count(window.late, language), w.late)));
        }
        if window.carried > 0 {
            gaps.push(Line::plain(format!("{} {}", count(window.carried, language), w.carried)));
        }
    }
    for completeness in record.completeness.iter().filter(|c| c.received < c.expected) {
        let (came, due) = (count(completeness.received, language), count(completeness.expected, language));
        gaps.push(Line::plain(w.came.replace("{came}", &came).replace("{due}", &due)));
    }
    if !gaps.is_empty() {
        told.push(Told { term: w.missing, lines: gaps });
    }
    let lacking = record.insufficient.iter().map(|rule| {
        let text = match rule.of {
            0 => w.nothing_to_judge.to_string(),
            of => format!("{} ({}/{})", rule.needs, count(rule.series, language), count(of, language)),
        };
        Line::of(&rule.rule, text)
    });
    let lacking: Vec<Line> = lacking.collect();
    if !lacking.is_empty() {
        told.push(Told { term: w.not_judged, lines: lacking });
    }
    let unfinished = record.tasks.iter().filter(|task| task.outcome != TaskOutcome::Done);
    let unfinished: Vec<Line> =
        unfinished.map(|task| Line::of(&task.node, task.error.clone().unwrap_or_default())).collect();
    if !unfinished.is_empty() {
        told.push(Told { term: w.unfinished, lines: unfinished });
    }
    if !page.report.recommendations.is_empty() {
        told.push(Told { term: w.wording, lines: vec![Line::plain(wording(page, record))] });
    }
    let took = record.ended.and_then(|ended| {
        let micros = ended.micros().saturating_sub(record.started.micros());
        Figure::new((micros as f64 / 1e4).round() / 100.0)
    });
    let took = took.map_or_else(String::new, |seconds| elapsed(seconds, language));
    told.push(Told { term: w.run, lines: vec![Line::of(&record.run, took)] });
    told
}

fn inputs(page: &Page<'_>, record: &RunRecord) -> Vec<Line> {
    let (w, language) = (words(page.language), page.language);
    let of = |input: &InputRecord| {
        let mut parts = vec![number_of(input.records as usize, w.record, language)];
        if input.entities > 0 {
            parts.push(number_of(input.entities as usize, w.host, language));
        }
        if let (Some(first), Some(last)) = (input.first, input.last) {
            parts.push(w.span(&moment(first, language), &moment(last, language)));
        }
        if input.bad > 0 {
            parts.push(number_of(input.bad as usize, w.bad_record, language));
        }
        let path = if input.path == "-" { w.stdin } else { &input.path };
        Line::of(path, parts.join(", "))
    };
    record.inputs.iter().map(of).collect()
}

fn times(times: u64, page: &Page<'_>) -> String {
    if times > 1 { format!(" ({}\u{a0}×)", count(times, page.language)) } else { String::new() }
}

fn wording(page: &Page<'_>, record: &RunRecord) -> String {
    let w = words(page.language);
    let by = |source| record.wordings.iter().filter(|wording| wording.source == source).count();
    let (model, earlier) = (by(WordingSource::Model), by(WordingSource::Remembered));
    let template = page.report.recommendations.len().saturating_sub(model + earlier);
    let who = record.model.as_ref().map_or_else(String::new, |who| format!(" ({}, {})", who.model, who.provider));
    let mut parts = Vec::new();
    let mut some = |count: usize, text: String| parts.extend((count > 0).then_some(text));
    some(model, format!("{model} {}{who}", w.by_model));
    some(earlier, format!("{earlier} {}", w.by_earlier));
    some(template, format!("{template} {}", w.by_template));
    parts.join(", ")
}

/// Name, figure, and how much of the input stands behind it, where that is known and not all.
pub fn insights<'a>(page: &'a Page<'_>) -> impl Iterator<Item = (&'a str, String, Option<String>)> {
    let (w, language) = (words(page.language), page.language);
    let coverage = move |name: &str| {
        let record = page.known.record.as_ref()?;
        let of = record.coverage.iter().find(|coverage| coverage.insight == name)?;
        let share = match of.records {
            0 => w.no_record.to_string(),
            records if records == of.of => number_of(of.of as usize, w.all_records, language),
            records => {
                w.some_records.replace("{some}", &count(records, language)).replace("{all}", &count(of.of, language))
            }
        };
        Some(share)
    };
    page.report.insights.0.iter().map(move |(name, figure)| {
        let figure = figure.map_or_else(|| w.no_data.to_string(), |figure| number(figure, language));
        (name.as_str(), figure, coverage(name))
    })
}
