//! What came out of one run and not of the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::outcome::{
    AnomalyChange, Change, Effects, IncidentChange, IncidentState, InsightChange, Level, Presence,
    RecommendationChange, Setting, Turn, WordingChange,
};
use super::told::Told;
use crate::domain::{
    Incident, Note, Report, ReportAnomaly, ReportRecommendation, RunStatus, ServiceSummary, Severity, WordingRecord,
    WordingSource,
};

pub fn effects(before: &Told, after: &Told) -> Effects {
    let mut effects = Effects { incidents: incidents(before, after), ..Effects::default() };
    let pairs = pairs(before, after);
    if pairs.is_empty() && (before.reports.len(), after.reports.len()) != (0, 0) || differ_in_end(before, after) {
        effects.unknown = unknown(before, after);
    }
    let wordings = Wordings::of(before, after);
    for (a, b) in pairs {
        compare(a, b, &wordings, &mut effects);
    }
    effects
}

/// The reports of the same node; where each run has one only, these.
fn pairs<'a>(before: &'a Told, after: &'a Told) -> Vec<(&'a Report, &'a Report)> {
    let named: Vec<_> = before.reports.iter().filter_map(|(node, a)| Some((a, after.reports.get(node)?))).collect();
    match (named.is_empty(), before.reports.values().next(), after.reports.values().next()) {
        (true, Some(a), Some(b)) if before.reports.len() == 1 && after.reports.len() == 1 => vec![(a, b)],
        _ => named,
    }
}

fn differ_in_end(before: &Told, after: &Told) -> bool {
    let [a, b] = [before, after].map(|told| told.side());
    (a.status, &a.error) != (b.status, &b.error)
}

/// Why reports cannot be compared.
fn unknown(before: &Told, after: &Told) -> Option<String> {
    let why = |told: &Told| {
        let side = told.side();
        let report = if told.reports.is_empty() { "made no report" } else { "made another report" };
        match (side.status, side.error) {
            (RunStatus::Failed, Some(error)) => format!("run {} failed: {error}", side.run),
            (RunStatus::Running, _) => format!("run {} has not ended", side.run),
            _ => format!("run {} {report}", side.run),
        }
    };
    let lacking =
        [before, after].into_iter().filter(|told| told.side().status != RunStatus::Done || told.reports.is_empty());
    let reasons: Vec<String> = lacking.map(why).collect();
    Some(if reasons.is_empty() { "no node makes a report in both".to_string() } else { reasons.join("; ") })
}

fn compare(a: &Report, b: &Report, wordings: &Wordings<'_>, effects: &mut Effects) {
    effects.timestamp = effects.timestamp.take().or(Change::of(a.timestamp, b.timestamp));
    let names: BTreeSet<&String> = a.insights.0.keys().chain(b.insights.0.keys()).collect();
    for name in names {
        let [before, after] = [a, b].map(|report| report.insights.0.get(name).copied());
        if before != after {
            let (before, after) = (before.flatten(), after.flatten());
            effects.insights.push(InsightChange { insight: name.clone(), before, after });
        }
    }
    effects.anomalies.extend(anomalies(&a.anomalies, &b.anomalies));
    effects.statuses.extend(statuses(&a.service_status_summary, &b.service_status_summary));
    recommendations(a, b, wordings, effects);
    let order = |names: [Vec<&str>; 2]| {
        let [mut a, mut b] = names;
        let differs = a != b;
        a.sort_unstable();
        b.sort_unstable();
        differs && a == b
    };
    if order([a, b].map(|report| report.anomalies.iter().map(|x| x.metric.as_str()).collect())) {
        effects.reordered.push("anomalies");
    }
    if order([a, b].map(|report| report.recommendations.iter().map(|x| x.id.as_str()).collect())) {
        effects.reordered.push("recommendations");
    }
}

/// The worst first, as the reports have them.
fn anomalies(before: &[ReportAnomaly], after: &[ReportAnomaly]) -> Vec<AnomalyChange> {
    // Two detectors may tell of one metric: then they are matched in their order.
    let mut old: HashMap<&str, Vec<&ReportAnomaly>> = HashMap::new();
    before.iter().rev().for_each(|anomaly| old.entry(&anomaly.metric).or_default().push(anomaly));
    let level = |a: &ReportAnomaly| Level { severity: a.severity, value: a.value, threshold: a.threshold };
    let mut changes: Vec<AnomalyChange> = Vec::new();
    for anomaly in after {
        let earlier = old.get_mut(anomaly.metric.as_str()).and_then(Vec::pop).map(level);
        let now = level(anomaly);
        let Some(what) = turn(earlier, now) else { continue };
        changes.push(AnomalyChange { anomaly: anomaly.metric.clone(), what, before: earlier, after: Some(now) });
    }
    let is_left =
        |a: &&ReportAnomaly| old.get(a.metric.as_str()).is_some_and(|left| left.iter().any(|b| std::ptr::eq(*a, *b)));
    let gone = before.iter().filter(is_left).map(|anomaly| AnomalyChange {
        anomaly: anomaly.metric.clone(),
        what: Turn::Removed,
        before: Some(level(anomaly)),
        after: None,
    });
    changes.extend(gone.collect::<Vec<_>>());
    changes
}

fn turn(before: Option<Level>, after: Level) -> Option<Turn> {
    let Some(before) = before else { return Some(Turn::Added) };
    // A rule that judges downwards has values at or below its thresholds.
    let below = [before, after].iter().any(|level| level.value.get() < level.threshold.get());
    let further = if below { after.value.get() < before.value.get() } else { after.value.get() > before.value.get() };
    match (before.severity.cmp(&after.severity), before.value == after.value) {
        _ if before == after => None,
        (std::cmp::Ordering::Less, _) => Some(Turn::Worse),
        (std::cmp::Ordering::Greater, _) => Some(Turn::Milder),
        (_, true) => Some(Turn::Changed),
        (_, false) => Some(if further { Turn::Worse } else { Turn::Milder }),
    }
}

fn incidents(before: &Told, after: &Told) -> Vec<IncidentChange> {
    let of = |told: &'_ Told| -> BTreeMap<String, Incident> {
        let found = told.notes.iter().filter_map(|note| match note {
            Note::Incident(incident) => Some((incident.id.clone(), incident.clone())),
            _ => None,
        });
        found.collect()
    };
    let state = |i: &Incident| IncidentState { severity: i.severity, until: i.until, anomalies: i.anomalies.clone() };
    let (old, new) = (of(before), of(after));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |id: &String| {
        let (before, after) = (old.get(id).map(state), new.get(id).map(state));
        let what = match (&before, &after) {
            (a, b) if a == b => return None,
            (None, _) => Turn::Added,
            (_, None) => Turn::Removed,
            (Some(a), Some(b)) => by_severity(a.severity, b.severity),
        };
        Some(IncidentChange { incident: id.clone(), what, before, after })
    };
    ids.into_iter().filter_map(change).collect()
}

fn by_severity(before: Severity, after: Severity) -> Turn {
    match before.cmp(&after) {
        std::cmp::Ordering::Less => Turn::Worse,
        std::cmp::Ordering::Greater => Turn::Milder,
        std::cmp::Ordering::Equal => Turn::Changed,
    }
}

fn statuses(before: &ServiceSummary, after: &ServiceSummary) -> Vec<Setting> {
    let of = |summary: &'_ ServiceSummary| -> BTreeMap<String, String> {
        let lists = [("online", &summary.online), ("degraded", &summary.degraded), ("offline", &summary.offline)];
        lists.into_iter().flat_map(|(word, names)| names.iter().map(move |n| (n.clone(), word.to_string()))).collect()
    };
    let (old, new) = (of(before), of(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let setting = |n: &String| Setting { key: n.clone(), before: old.get(n).cloned(), after: new.get(n).cloned() };
    names.into_iter().map(setting).filter(|setting| setting.before != setting.after).collect()
}

fn recommendations(a: &Report, b: &Report, wordings: &Wordings<'_>, effects: &mut Effects) {
    let change = |id: &str, what| RecommendationChange {
        recommendation: id.to_string(),
        what,
        target: None,
        parameters: BTreeMap::new(),
    };
    let of = |report: &'_ Report, id: &str| report.recommendations.iter().find(|r| r.id == id).cloned();
    for new in &b.recommendations {
        let Some(old) = of(a, &new.id) else {
            effects.recommendations.push(change(&new.id, Presence::Added));
            continue;
        };
        let keys: BTreeSet<&String> = old.parameters.keys().chain(new.parameters.keys()).collect();
        let parameter = |key: &&String| {
            let values = Change::of(old.parameters.get(*key).cloned(), new.parameters.get(*key).cloned());
            values.map(|change| ((*key).clone(), change))
        };
        let parameters: BTreeMap<_, _> = keys.iter().filter_map(parameter).collect();
        let target = Change::of(old.target.clone(), new.target.clone());
        if target.is_some() || !parameters.is_empty() {
            let changed = change(&new.id, Presence::Changed);
            effects.recommendations.push(RecommendationChange { target, parameters, ..changed });
        } else {
            effects.wording.extend(wordings.changes(&old, new));
        }
    }
    let gone = a.recommendations.iter().filter(|old| of(b, &old.id).is_none());
    effects.recommendations.extend(gone.map(|old| change(&old.id, Presence::Removed)));
}

/// What tells why a sentence is another one.
struct Wordings<'a> {
    before: &'a Told,
    after: &'a Told,
}

impl<'a> Wordings<'a> {
    fn of(before: &'a Told, after: &'a Told) -> Wordings<'a> {
        Wordings { before, after }
    }

    fn changes(&self, old: &ReportRecommendation, new: &ReportRecommendation) -> Vec<WordingChange> {
        let pairs =
            [("action", &old.action, &new.action), ("benefit_estimate", &old.benefit_estimate, &new.benefit_estimate)];
        let differing = pairs.into_iter().filter(|(_, before, after)| before != after);
        let change = |(sentence, before, after): (&'static str, &String, &String)| WordingChange {
            recommendation: new.id.clone(),
            sentence,
            before: before.clone(),
            after: after.clone(),
            because: self.because(&new.id),
        };
        differing.map(change).collect()
    }

    fn because(&self, id: &str) -> String {
        let [a, b] = [self.before, self.after].map(|told| record(told, id));
        let source = |record: Option<&WordingRecord>| record.map_or(WordingSource::Template, |record| record.source);
        let why_not = |record: Option<&WordingRecord>| {
            let why = record.and_then(|record| record.rejected.last());
            why.map_or("no model was asked".to_string(), |why| format!("the model's words were not used: {why}"))
        };
        let name = |told: &Told| told.model().map_or("a model".to_string(), |model| model.model.clone());
        match (source(a), source(b)) {
            (WordingSource::Template, WordingSource::Template) => "the template has other words or figures".to_string(),
            (WordingSource::Template, _) => format!("worded by {}, no more by the template", name(self.after)),
            (_, WordingSource::Template) => format!("worded by the template: {}", why_not(b)),
            _ if self.before.model() != self.after.model() => {
                format!("worded by {}, no more by {}", name(self.after), name(self.before))
            }
            _ if self.before.prompts.get(id) != self.after.prompts.get(id) => {
                format!("{} was asked otherwise", name(self.after))
            }
            _ => format!("{} answered the same question otherwise", name(self.after)),
        }
    }
}

fn record<'a>(told: &'a Told, id: &str) -> Option<&'a WordingRecord> {
    told.notes.iter().rev().find_map(|note| match note {
        Note::Wording(record) if record.recommendation == id => Some(record),
        _ => None,
    })
}
