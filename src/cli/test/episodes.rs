//! The anomalies that a test's runs have found, each once, with what became of it from window to window.

use indexmap::IndexMap;

use super::play::{Played, Seen};
use crate::domain::{Anomaly, Completeness, Phase, Severity, Timestamp};

/// An anomaly; with windows, an episode of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub name: String,
    /// The worst of all windows.
    pub severity: Severity,
    /// The value that was farthest from its threshold when it was worst.
    pub value: f64,
    /// Time of the first record.
    pub since: Timestamp,
    /// Start of the window in which it opened; `None` without windows. The others likewise.
    pub opened: Option<Timestamp>,
    pub escalated: Option<Timestamp>,
    pub resolved: Option<Timestamp>,
    distance: f64,
}

/// In the order in which they were found.
pub fn found(played: &Played) -> Vec<Found> {
    let mut all: IndexMap<String, Found> = IndexMap::new();
    for seen in &played.seen {
        for anomaly in anomalies(played, seen) {
            let id = anomaly.episode.as_ref().map_or_else(|| anomaly.name.clone(), |episode| episode.id.clone());
            let new = one(&anomaly, seen);
            match all.get_mut(&id) {
                Some(known) => known.join(new),
                None => drop(all.insert(id, new)),
            }
        }
    }
    all.into_values().collect()
}

/// What all nodes of a run have found that find anomalies.
fn anomalies(played: &Played, seen: &Seen) -> Vec<Anomaly> {
    let value = |node: usize| seen.values.get(node)?.clone();
    let lists = played.plan.yielding::<Vec<Anomaly>>().filter_map(value);
    let lists = lists.filter_map(|list| serde_json::from_value::<Vec<Anomaly>>(list).ok());
    let shares = played.plan.yielding::<Completeness>().filter_map(value);
    let shares = shares.filter_map(|share| serde_json::from_value::<Completeness>(share).ok());
    lists.chain(shares.map(|share| share.anomalies)).flatten().collect()
}

fn one(anomaly: &Anomaly, seen: &Seen) -> Found {
    let phase = anomaly.episode.as_ref().map(|episode| episode.phase);
    let when = |wanted: Phase| seen.start.filter(|_| phase == Some(wanted));
    Found {
        name: anomaly.name.clone(),
        severity: anomaly.severity,
        value: anomaly.value.get(),
        since: anomaly.episode.as_ref().map_or(anomaly.first.time, |episode| episode.since),
        opened: when(Phase::Opened),
        escalated: when(Phase::Escalated),
        resolved: when(Phase::Resolved),
        distance: (anomaly.value.get() - anomaly.threshold.get()).abs(),
    }
}

impl Found {
    /// Takes what another window, or another node, says of the same.
    fn join(&mut self, other: Found) {
        if (other.severity, other.distance) > (self.severity, self.distance) {
            (self.severity, self.value, self.distance) = (other.severity, other.value, other.distance);
        }
        self.since = self.since.min(other.since);
        self.opened = self.opened.or(other.opened);
        self.escalated = self.escalated.or(other.escalated);
        self.resolved = self.resolved.or(other.resolved);
    }

    /// As a list of what was found has it.
    pub fn line(&self) -> String {
        let Found { name, severity, value, since, .. } = self;
        format!("`{name}`, {} at {value}, since {since}", severity.word())
    }
}
