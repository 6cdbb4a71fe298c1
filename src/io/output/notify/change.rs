//! What is new since the receiver was last told something.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Anomaly, Episode, Phase as Reached, Severity, Timestamp};

/// Episodes that no window mentions may be forgotten by what found them, which says nothing of it: the newest so many
/// are kept.
const UNMENTIONED: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Opened,
    Escalated,
    Resolved,
}

/// One anomaly of which the receiver should hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the anomaly.
    pub anomaly: String,
    /// Id of the episode; `None` where the whole input is one window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    pub phase: Phase,
    /// The worst of the episode.
    pub severity: Severity,
}

/// Episodes by id: as the windows tell of them, and as far as the receiver knows them. One that a window does not
/// mention stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    episodes: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    anomaly: String,
    since: Timestamp,
    worst: Severity,
    /// The worst that the receiver has been told; `None` while it knows nothing of the episode.
    told: Option<Severity>,
    over: bool,
}

impl Ledger {
    /// Takes in the anomalies of a window. `before` is what was kept after the former, or after later ones where a failed
    /// window is made up for; without it the end of an episode is told although nothing is known of its beginning.
    pub fn next(before: Option<Ledger>, anomalies: &[Anomaly]) -> Ledger {
        let knows_all = before.is_some();
        let mut ledger = before.unwrap_or_default();
        let mut mentioned = BTreeSet::new();
        for anomaly in anomalies {
            let Some(Episode { id, phase, since, worst_severity, .. }) = &anomaly.episode else { continue };
            let over = *phase == Reached::Resolved;
            let told = (over && !knows_all).then_some(*worst_severity);
            let new = || Entry { anomaly: anomaly.name.clone(), since: *since, worst: *worst_severity, told, over };
            let entry = ledger.episodes.entry(id.clone()).or_insert_with(new);
            entry.worst = entry.worst.max(*worst_severity);
            // Two detectors may find the same: it is over when it is for both.
            let first = mentioned.insert(id.as_str());
            entry.over = over && (first || entry.over);
        }
        ledger.episodes.retain(|_, entry| !(entry.over && entry.told.is_none()));
        ledger.forget(&mentioned);
        ledger
    }

    fn forget(&mut self, mentioned: &BTreeSet<&str>) {
        let silent = self.episodes.iter().filter(|(id, entry)| !entry.over && !mentioned.contains(id.as_str()));
        let mut silent: Vec<(Reverse<Timestamp>, String)> =
            silent.map(|(id, entry)| (Reverse(entry.since), id.clone())).collect();
        if silent.len() > UNMENTIONED {
            silent.sort();
            for (_, id) in silent.drain(UNMENTIONED..) {
                self.episodes.remove(&id);
            }
        }
    }

    /// What the receiver should hear: what it has not been told of, or less bad than it is, and what is over; by name.
    pub fn changes(&self) -> Vec<Change> {
        let change = |(id, entry): (&String, &Entry)| {
            let phase = match entry.told {
                _ if entry.over => Phase::Resolved,
                None => Phase::Opened,
                Some(told) if entry.worst > told => Phase::Escalated,
                Some(_) => return None,
            };
            Some(Change { anomaly: entry.anomaly.clone(), episode: Some(id.clone()), phase, severity: entry.worst })
        };
        self.episodes.iter().filter_map(change).collect()
    }

    /// The same, once the receiver has been told.
    #[must_use]
    pub fn told(mut self) -> Ledger {
        self.episodes.retain(|_, entry| !entry.over);
        self.episodes.values_mut().for_each(|entry| entry.told = Some(entry.worst));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cpu@a:12 opened low`: an episode since that second, and the worst of it.
    fn anomalies(text: &str) -> Vec<Anomaly> {
        let one = |text: &str| {
            let [id, phase, worst] = text.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{text}") };
            let (name, second) = id.split_once(':').unwrap();
            let since = Timestamp::parse(&format!("2024-01-01T00:00:{second}Z")).unwrap();
            let phases = [Reached::Opened, Reached::Ongoing, Reached::Escalated, Reached::Resolved];
            let phase = phases.into_iter().find(|p| p.word() == phase).unwrap();
            let worst_severity = Severity::ALL.into_iter().find(|s| s.word() == worst).unwrap();
            let episode = Episode { id: id.to_string(), phase, since, worst_severity, windows: 1 };
            Anomaly { episode: Some(episode), ..Anomaly::example(name, 99.0, Severity::Low) }
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
    }

    fn shown(changes: &[Change]) -> String {
        let one = |c: &Change| {
            format!("{} {} {}", c.episode.as_ref().unwrap(), format!("{:?}", c.phase).to_lowercase(), c.severity.word())
        };
        changes.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn changes_are_what_the_episodes_say_and_what_was_not_told_stays() {
        // Anomalies of each window, whether its alert is delivered, and what it should tell.
        let windows = [
            ("a:10 opened low, b:10 opened high", true, "a:10 opened low, b:10 opened high"),
            ("", true, ""),
            ("b:10 ongoing high", true, ""),
            ("a:10 escalated medium", false, "a:10 escalated medium"),
            ("", true, "a:10 escalated medium"),
            ("a:10 resolved medium, c:20 opened low", false, "a:10 resolved medium, c:20 opened low"),
            ("c:20 escalated high", false, "a:10 resolved medium, c:20 opened high"),
            // One that came and went without anybody hearing of it is no news.
            ("d:30 opened low", false, "a:10 resolved medium, c:20 opened high, d:30 opened low"),
            ("d:30 resolved low", false, "a:10 resolved medium, c:20 opened high"),
            // The same series again, before the end of its first episode could be told.
            ("a:40 opened low", true, "a:10 resolved medium, a:40 opened low, c:20 opened high"),
            // Of two that find the same, one is not over.
            ("b:10 resolved high, b:10 ongoing high", true, ""),
            ("b:10 ongoing high, b:10 resolved high", true, ""),
            ("b:10 resolved high", true, "b:10 resolved high"),
            ("", true, ""),
        ];
        let mut kept = Some(Ledger::default());
        for (of_window, delivered, expected) in windows {
            let ledger = Ledger::next(kept, &anomalies(of_window));
            let changes = ledger.changes();
            assert_eq!(shown(&changes), expected, "{of_window}");
            kept = Some(if delivered && !changes.is_empty() { ledger.told() } else { ledger });
            let text = serde_json::to_string(&kept).unwrap();
            kept = serde_json::from_str(&text).unwrap();
        }
    }

    #[test]
    fn without_a_memory_every_phase_is_told() {
        let ledger = Ledger::next(None, &anomalies("a:10 resolved high, b:10 ongoing low, c:10 opened low"));
        assert_eq!(shown(&ledger.changes()), "a:10 resolved high, b:10 opened low, c:10 opened low");
    }

    #[test]
    fn what_nobody_mentions_any_more_is_kept_within_a_limit() {
        let opened: Vec<Anomaly> = (0..UNMENTIONED + 5)
            .map(|n| {
                let since = Timestamp::from_micros(n as i64).unwrap();
                let (id, phase) = (format!("a{n}"), Reached::Opened);
                let episode = Episode { id, phase, since, worst_severity: Severity::Low, windows: 1 };
                Anomaly { episode: Some(episode), ..Anomaly::example("a", 99.0, Severity::Low) }
            })
            .collect();
        let all = Ledger::next(Some(Ledger::default()), &opened);
        assert_eq!(all.changes().len(), UNMENTIONED + 5, "however many a window has");
        let left = Ledger::next(Some(all.told()), &opened[..2]);
        assert_eq!(left.episodes.len(), UNMENTIONED + 2);
        assert!(left.episodes.contains_key("a0") && !left.episodes.contains_key("a2"));
    }
}
