//! Which anomalies belong together. Two are related when their times touch and they are of one entity, or of one service
//! on whatever entities; an incident is all that is related, directly or through others. The time of an anomaly is the
//! stretch around its worst record: from the first record to the last it may be days, in which little else was wrong.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::unionfind::UnionFind;
use serde::{Deserialize, Serialize};

use super::report_order;
use crate::domain::{Anomaly, Incident, Severity, Stretch, Timestamp, Wait};

/// How an incident began. The less is the older.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub since: Timestamp,
    /// Of the incident.
    pub id: String,
    /// Name of the anomaly that likely came first.
    pub first: String,
}

impl Origin {
    /// Of the incident that begins with this anomaly; its id is that of the anomaly's episode.
    fn of(anomaly: &Anomaly) -> Origin {
        let since = anomaly.stretch.from;
        let id = match &anomaly.episode {
            Some(episode) => episode.id.clone(),
            None => format!("{}/{}", anomaly.name, since.label()),
        };
        Origin { since, id, first: anomaly.name.clone() }
    }
}

/// The incidents, oldest first, each with its anomalies in the order in which they likely began. The names of `anomalies`
/// differ. Times touch where they overlap or lie at most `together` apart. `known` says of anomalies, by name, of which
/// incident they were before: these stay together, and of several incidents that meet the oldest goes on.
///
/// In each group of one entity or one service a sweep in the order of time joins neighbours; so it takes n log n.
pub fn incidents<'a>(
    anomalies: &'a [Anomaly],
    together: Wait,
    known: &HashMap<String, Origin>,
) -> Vec<(Incident, Vec<&'a Anomaly>)> {
    let mut groups: BTreeMap<usize, Vec<&Anomaly>> = BTreeMap::new();
    for (anomaly, label) in anomalies.iter().zip(labels(anomalies, together.micros(), known)) {
        groups.entry(label).or_default().push(anomaly);
    }
    let mut incidents: Vec<(Incident, Vec<&Anomaly>)> =
        groups.into_values().filter_map(|group| incident(group, known)).collect();
    incidents.sort_by(|(a, _), (b, _)| (a.since, &a.id).cmp(&(b.since, &b.id)));
    incidents
}

/// What two anomalies must share to be related.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Bond<'a> {
    /// Or both have none.
    Entity(Option<&'a str>),
    Service(&'a str),
    /// They are of one incident already, whatever their times; or one is how the incident of the other began.
    Incident(&'a str),
}

/// A number for each anomaly: the same for those that belong together.
fn labels(anomalies: &[Anomaly], together: i64, known: &HashMap<String, Origin>) -> Vec<usize> {
    let begins: Vec<Origin> = anomalies.iter().map(Origin::of).collect();
    let mut bonds = Vec::new();
    for (at, (anomaly, begins)) in anomalies.iter().zip(&begins).enumerate() {
        let Stretch { from, to } = anomaly.stretch;
        let known = known.get(&anomaly.name).map(|origin| Bond::Incident(&origin.id));
        let own = [Bond::Entity(anomaly.entity.as_deref()), Bond::Incident(&begins.id)];
        let service = anomaly.service.as_deref().map(Bond::Service);
        bonds.extend(own.into_iter().chain(service).chain(known).map(|bond| (bond, from, to, at)));
    }
    bonds.sort_unstable();
    let mut sets = UnionFind::<usize>::new(anomalies.len());
    let mut before: Option<(Bond<'_>, Timestamp, usize)> = None;
    for (bond, from, to, at) in bonds {
        let reached = match before {
            Some((of, reached, other)) if of == bond => {
                let apart = from.micros().saturating_sub(reached.micros());
                if matches!(bond, Bond::Incident(_)) || apart <= together {
                    sets.union(other, at);
                }
                reached.max(to)
            }
            _ => to,
        };
        before = Some((bond, reached, at));
    }
    sets.into_labeling()
}

/// `None` for no anomalies.
fn incident<'a>(mut group: Vec<&'a Anomaly>, known: &HashMap<String, Origin>) -> Option<(Incident, Vec<&'a Anomaly>)> {
    group.sort_by(|a, b| by_likely_start(a, b));
    let oldest = group.iter().filter_map(|anomaly| known.get(&anomaly.name)).min().cloned();
    let Origin { since, id, first } = oldest.or_else(|| group.first().map(|first| Origin::of(first)))?;
    let sorted = |names: BTreeSet<&str>| names.into_iter().map(str::to_string).collect();
    let incident = Incident {
        id,
        severity: group.iter().map(|anomaly| anomaly.severity).max().unwrap_or(Severity::Low),
        since,
        until: group.iter().map(|anomaly| anomaly.stretch.to).max().unwrap_or(since).max(since),
        entities: sorted(group.iter().filter_map(|anomaly| anomaly.entity.as_deref()).collect()),
        services: sorted(group.iter().filter_map(|anomaly| anomaly.service.as_deref()).collect()),
        first,
        anomalies: group.iter().map(|anomaly| anomaly.name.clone()).collect(),
    };
    Some((incident, group))
}

/// What began earlier. Of equal times a service before a metric, since a failure shows in figures rather than the other
/// way round; then the worse.
fn by_likely_start(a: &Anomaly, b: &Anomaly) -> Ordering {
    let start = |anomaly: &Anomaly| (anomaly.stretch.from, anomaly.service.is_none());
    start(a).cmp(&start(b)).then_with(|| report_order(a, b))
}

#[cfg(test)]
mod tests;
