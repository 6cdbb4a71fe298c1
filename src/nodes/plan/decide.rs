//! Which actions answer a set of anomalies, on what, with which parameters and facts. A function of its arguments.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::{
    Anomaly, Aspect, Fact, FactValue, Figure, Incident, Language, Parameter, Recommendation, ServiceState, Severity,
    WordingSource, Words,
};
use crate::wording::fill;

use super::book::{Action, Assumption, Book, Cause, Sentences, Target};
use super::facts;
use super::formula::{Machine, Variables};
use super::others;

/// The recommendations, most urgent first, each of one host. The names of the anomalies differ.
///
/// An anomaly is answered as a whole, from its first record to its last: an action is done once, however often there was a
/// reason. So it may answer anomalies of several incidents, which only say when each was worst.
pub fn decide(
    book: &Book,
    machine: &Machine,
    incidents: &[(Incident, Vec<&Anomaly>)],
    language: Language,
) -> Vec<Recommendation> {
    let anomalies = || incidents.iter().flat_map(|(_, anomalies)| anomalies.iter().copied());
    let ids = |(incident, anomalies): &'_ (Incident, Vec<&Anomaly>)| {
        anomalies.iter().map(|anomaly| (anomaly.name.clone(), incident.id.clone())).collect::<Vec<_>>()
    };
    let ids: HashMap<String, String> = incidents.iter().flat_map(ids).collect();
    let names = others::plain_names(anomalies());
    let mut decided: Vec<Decided> = Vec::new();
    for (entity, mut anomalies) in by_entity(anomalies()) {
        anomalies.sort_by(|a, b| by_urgency(a, b));
        let services = services(&anomalies);
        let metrics = anomalies.iter().copied().filter(|a| a.service.is_none()).collect();
        let host = Host { book, machine, language, incidents: &ids, entity, services: &services, metrics, anomalies };
        host.decide(&mut decided);
    }
    decided.sort_by(|a, b| {
        let by_urgency = a.urgency.compare(&b.urgency).then(b.covered.cmp(&a.covered));
        by_urgency.then(a.position.cmp(&b.position)).then_with(|| a.recommendation.id.cmp(&b.recommendation.id))
    });
    for Decided { recommendation, .. } in &mut decided {
        recommendation.others = others::beside(recommendation, &names);
    }
    distinct(decided.into_iter().map(|d| d.recommendation).collect())
}

fn by_entity<'a>(anomalies: impl Iterator<Item = &'a Anomaly>) -> BTreeMap<Option<&'a str>, Vec<&'a Anomaly>> {
    let mut groups: BTreeMap<Option<&str>, Vec<&Anomaly>> = BTreeMap::new();
    for anomaly in anomalies {
        groups.entry(anomaly.entity.as_deref()).or_default().push(anomaly);
    }
    groups
}

/// How much an anomaly presses: severity, then how far beyond the threshold in relation to it.
struct Urgency {
    severity: Severity,
    excess: f64,
}

impl Urgency {
    /// The more urgent comes first.
    fn compare(&self, other: &Urgency) -> Ordering {
        other.severity.cmp(&self.severity).then(other.excess.total_cmp(&self.excess))
    }
}

fn by_urgency(a: &Anomaly, b: &Anomaly) -> Ordering {
    urgency(a).compare(&urgency(b)).then_with(|| a.name.cmp(&b.name))
}

fn urgency(anomaly: &Anomaly) -> Urgency {
    let (value, threshold) = (anomaly.value.get(), anomaly.threshold.get());
    let excess = if value == threshold { 0.0 } else { ((value - threshold) / threshold).abs() };
    Urgency { severity: anomaly.severity, excess }
}

struct Decided {
    recommendation: Recommendation,
    urgency: Urgency,
    covered: usize,
    /// Of the action in the playbook.
    position: usize,
}

/// The services that a host's records name, sorted by name; of conflicting statements the worse.
fn services(anomalies: &[&Anomaly]) -> Vec<ServiceState> {
    let mut services: BTreeMap<&str, ServiceState> = BTreeMap::new();
    for state in anomalies.iter().flat_map(|anomaly| &anomaly.services) {
        let known = services.entry(&state.name).or_insert_with(|| state.clone());
        known.newest = known.newest.max(state.newest);
        known.worst = known.worst.max(state.worst);
    }
    services.into_values().collect()
}

/// Ids name anomalies' answers everywhere, so no two are equal. They only are for names that themselves hold `:` or `@`,
/// and for an action with several triggers, when these are of different times.
fn distinct(mut recommendations: Vec<Recommendation>) -> Vec<Recommendation> {
    let mut seen = BTreeSet::new();
    for recommendation in &mut recommendations {
        let id = recommendation.id.clone();
        let mut number = 1;
        while !seen.insert(recommendation.id.clone()) {
            number += 1;
            recommendation.id = format!("{id}#{number}");
        }
    }
    recommendations
}

/// One host, or the records that name none, with its anomalies, most urgent first.
struct Host<'a> {
    book: &'a Book,
    machine: &'a Machine,
    language: Language,
    /// Their ids by the names of anomalies.
    incidents: &'a HashMap<String, String>,
    entity: Option<&'a str>,
    services: &'a [ServiceState],
    anomalies: Vec<&'a Anomaly>,
    /// Those that are not of services: no more than there are rules, while a host may have any number of services.
    metrics: Vec<&'a Anomaly>,
}

impl<'a> Host<'a> {
    /// Actions in the playbook's order: each answers what is not yet answered.
    fn decide(&self, decided: &mut Vec<Decided>) {
        let mut answered: HashSet<&str> = HashSet::new();
        for (position, action) in self.book.actions.iter().enumerate() {
            for subject in self.anomalies.iter().filter(|a| action.trigger.iter().any(|cause| cause.matches(a))) {
                if answered.contains(subject.name.as_str()) {
                    continue;
                }
                let service = self.service(action, subject);
                let mut covered = self.covered(action, subject, service);
                covered.retain(|a| !answered.contains(a.name.as_str()));
                if let Some(recommendation) = self.answer(action, subject, service, &covered) {
                    answered.extend(covered.iter().map(|a| a.name.as_str()));
                    let Some(worst) = covered.first() else { continue }; // never empty: the subject is in it
                    let urgency = urgency(worst);
                    decided.push(Decided { recommendation, urgency, covered: covered.len(), position });
                }
            }
        }
    }

    /// What `action` answers when `subject` triggers it, most urgent first: every anomaly of its metrics in the same
    /// time, and one service at most, since it is done to one.
    fn covered(&self, action: &Action, subject: &'a Anomaly, service: Option<&'a Anomaly>) -> Vec<&'a Anomaly> {
        if action.is_catch_all() {
            return vec![subject];
        }
        let is_covered = |a: &&Anomaly| action.covers.iter().any(|cause| cause.matches(a)) && overlap(a, subject);
        let mut covered: Vec<&Anomaly> = self.metrics.iter().copied().chain(service).filter(is_covered).collect();
        covered.sort_by(|a, b| by_urgency(a, b));
        covered
    }

    /// `None` when the action's condition does not hold or a figure that its sentence needs cannot be computed; then
    /// the anomalies go on to the next action.
    fn answer(
        &self,
        action: &Action,
        subject: &Anomaly,
        service: Option<&Anomaly>,
        covered: &[&'a Anomaly],
    ) -> Option<Recommendation> {
        if action.when.as_ref().is_some_and(|when| !when.holds(self.machine, &self.situation(subject, service))) {
            return None;
        }
        let target = self.target(action, subject, service);
        let subject = self.entity.unwrap_or(target);
        let beside = self.entity.filter(|entity| *entity != target);
        let mut facts = vec![self.name("target", target, subject)];
        facts.extend(beside.map(|host| self.name("host", host, subject)));
        let mut variables = Variables::new();
        for (cause, anomaly) in causes(action, service, covered) {
            facts::add_numbers(&mut variables, cause.prefix(), anomaly);
            facts.extend(facts::measured(cause, anomaly, subject, self.language));
        }
        self.assume(&mut variables);
        let used = self.book.assumptions.iter().filter(|assumption| action.assumes.contains(&assumption.name));
        facts.extend(used.map(|assumption| assumed(assumption, target)));
        let mut parameters = self.compute(action, &mut variables, &mut facts, target);
        parameters.extend(beside.map(|host| ("host".to_string(), Parameter::Text(host.to_string()))));
        let (slots, words) = words(&action.sentences, &facts, self.language)?;
        Some(Recommendation {
            id: id(action, target, beside, covered),
            target: target.to_string(),
            severity: covered.iter().map(|a| a.severity).max()?,
            anomalies: covered.iter().map(|a| a.name.clone()).collect(),
            incident: covered.first().and_then(|worst| self.incidents.get(&worst.name)).cloned(),
            episodes: covered.iter().filter_map(|a| a.episode.clone()).collect(),
            parameters,
            facts,
            slots,
            words,
            wording: WordingSource::Template,
            others: Vec::new(),
        })
    }

    /// The service that an action is about: the one that triggers it; else, if the action covers services, one that was
    /// not online in the trigger's time. It may be answered already: a service that failed over is still where errors
    /// come from.
    fn service(&self, action: &Action, subject: &'a Anomaly) -> Option<&'a Anomaly> {
        if subject.service.is_some() {
            return Some(subject);
        }
        if !action.covers.iter().any(|cause| matches!(cause, Cause::Service(_))) {
            return None;
        }
        let rank = |name: &str| action.prefer.iter().position(|glob| matches(glob, name)).unwrap_or(usize::MAX);
        let then = self.anomalies.iter().copied().filter(|a| overlap(a, subject));
        // Most urgent first, and of equals the first wins.
        then.filter_map(|a| Some((rank(a.service.as_deref()?), a))).min_by_key(|(rank, _)| *rank).map(|(_, a)| a)
    }

    /// What conditions see of the same time: the anomaly of each metric, answered or not, and the service in question.
    fn situation(&self, subject: &Anomaly, service: Option<&Anomaly>) -> Variables {
        let mut variables = Variables::new();
        self.assume(&mut variables);
        let then = |anomaly: &&&Anomaly| overlap(anomaly, subject);
        for anomaly in self.metrics.iter().rev().filter(|anomaly| anomaly.aspect.is_above()).filter(then) {
            facts::add_numbers(&mut variables, &anomaly.metric, anomaly);
        }
        let worst = || self.anomalies.iter().find(|a| a.service.is_some() && overlap(a, subject)).copied();
        if let Some(service) = service.or_else(worst) {
            facts::add_numbers(&mut variables, Cause::Service(None).prefix(), service);
        }
        variables
    }

    fn assume(&self, variables: &mut Variables) {
        for assumption in &self.book.assumptions {
            variables.insert(format!("assumed.{}", assumption.name), assumption.value.get());
        }
    }

    /// A host or service of the input.
    fn target<'b>(&'b self, action: &Action, subject: &Anomaly, service: Option<&'b Anomaly>) -> &'b str {
        let about_service = action.target == Target::Service || subject.service.is_some();
        if let (Some(entity), false) = (self.entity, about_service) {
            return entity;
        }
        if let Some(name) = service.and_then(|anomaly| anomaly.service.as_deref()) {
            return name;
        }
        let preferred = || action.prefer.iter().find_map(|glob| self.services.iter().find(|s| matches(glob, &s.name)));
        let then = |name: &str| {
            self.anomalies.iter().any(|a| a.service.as_deref() == Some(name) && overlap(a, subject)) // not online then
        };
        // Sorted by name, and of equals the first wins.
        let worst = || self.services.iter().rev().max_by_key(|s| (then(&s.name), s.newest, s.worst));
        preferred().or_else(worst).map(|s| s.name.as_str()).or(self.entity).unwrap_or("host")
    }

    /// Parameters and projections that can be computed: as variables, facts and parameters.
    fn compute(
        &self,
        action: &Action,
        variables: &mut Variables,
        facts: &mut Vec<Fact>,
        target: &str,
    ) -> BTreeMap<String, Parameter> {
        let mut parameters = BTreeMap::new();
        for computed in &action.computed {
            let Some(figure) = computed.formula.number(self.machine, variables) else { continue };
            variables.insert(computed.fact.clone(), figure.get());
            facts.push(figure_fact(&computed.fact, figure, computed.unit.as_ref(), target, &computed.meaning));
            if let Some(name) = &computed.parameter {
                parameters.insert(name.clone(), Parameter::Number(figure));
            }
        }
        parameters
    }

    fn name(&self, name: &str, value: &str, subject: &str) -> Fact {
        let meaning = match (self.language, name) {
            (Language::En, "host") => "host that it runs on",
            (Language::En, _) => "what the action is applied to",
            (Language::Fr, "host") => "hôte qui l'exécute",
            (Language::Fr, _) => "ce à quoi l'action s'applique",
        };
        Fact {
            name: name.into(),
            value: FactValue::Name(value.into()),
            unit: None,
            subject: subject.into(),
            time: None,
            meaning: meaning.into(),
        }
    }
}

/// Whether there is a moment that lies from the first to the last record of both. Without one they have no common cause. Not
/// by the stretches around the worst records: of trouble that comes again and again, each metric is at its worst at another time.
fn overlap(a: &Anomaly, b: &Anomaly) -> bool {
    a.first.time <= b.last.time && b.first.time <= a.last.time
}

/// The worst covered anomaly of each cause of the action; of a service the one that it is about.
fn causes<'a, 'b>(
    action: &'b Action,
    service: Option<&'a Anomaly>,
    covered: &[&'a Anomaly],
) -> Vec<(&'b Cause, &'a Anomaly)> {
    let mut causes: Vec<(&Cause, &Anomaly)> = Vec::new();
    for cause in &action.covers {
        let known = causes.iter().any(|(other, _)| other.prefix() == cause.prefix());
        let worst = match cause {
            Cause::Service(_) => service,
            Cause::Any | Cause::Metric(_) => covered.iter().copied().find(|a| cause.matches(a)),
        };
        causes.extend(worst.filter(|_| !known).map(|anomaly| (cause, anomaly)));
    }
    causes
}

fn assumed(assumption: &Assumption, target: &str) -> Fact {
    let name = format!("assumed.{}", assumption.name);
    figure_fact(&name, assumption.value, assumption.unit.as_ref(), target, &assumption.meaning)
}

fn figure_fact(name: &str, figure: Figure, unit: Option<&String>, subject: &str, meaning: &str) -> Fact {
    Fact {
        name: name.into(),
        value: FactValue::Number(figure),
        unit: unit.cloned(),
        subject: subject.into(),
        time: None,
        meaning: meaning.into(),
    }
}

/// `scale-out:api_gateway`, `restart:cache@web-1`; of the action that takes what is left also the metric.
fn id(action: &Action, target: &str, host: Option<&str>, covered: &[&Anomaly]) -> String {
    let mut id = action.id.clone();
    if let (true, Some(anomaly)) = (action.is_catch_all(), covered.first()) {
        id = match anomaly.aspect {
            Aspect::Above => format!("{id}.{}", anomaly.metric),
            other => format!("{id}.{}.{}", anomaly.metric, other.word()),
        };
    }
    id = format!("{id}:{target}");
    host.map_or(id.clone(), |host| format!("{id}@{host}"))
}

/// The template with slots and filled. An addition that cannot be filled is left out, a benefit that cannot be is
/// replaced; without its action a recommendation says nothing.
fn words(sentences: &Sentences, facts: &[Fact], language: Language) -> Option<(Words, Words)> {
    let mut action = sentences.action.clone();
    let there = |prefix: &str| facts.iter().any(|f| f.name == prefix || f.name == format!("{prefix}.value"));
    for (_, text) in sentences.also.iter().filter(|(prefix, _)| there(prefix)) {
        if fill(text, facts, language).is_ok() {
            action.push(' ');
            action.push_str(text);
        }
    }
    let filled = fill(&action, facts, language).ok()?;
    let benefit = [&sentences.benefit_estimate, &sentences.no_estimate];
    let (slots, benefit) = benefit.into_iter().find_map(|text| Some((text, fill(text, facts, language).ok()?)))?;
    Some((Words { action, benefit_estimate: slots.clone() }, Words { action: filled, benefit_estimate: benefit }))
}

/// Whether a name fits a glob, in which `*` stands for any text. Case does not count.
fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.to_lowercase(), name.to_lowercase());
    let Some((first, rest)) = glob.split_once('*') else { return glob == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(last) = parts.pop() else { return true }; // `split` gives one part at least
    for part in parts {
        match name.find(part).and_then(|at| name.get(at + part.len()..)) {
            Some(after) => name = after,
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, name, expected) in [
            ("*", "", true),
            ("*gateway*", "api_gateway", true),
            ("*gateway*", "API-Gateway-2", true),
            ("*gateway", "api_gateway", true),
            ("gateway*", "api_gateway", false),
            ("api*way", "api_gateway", true),
            ("a*a", "a", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "ab", false),
            ("cache", "cache", true),
            ("cache", "cache2", false),
            ("", "", true),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }
}
