//! Incidents that are not over, from window to window.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::detect::Origin;
use crate::domain::{Anomaly, Incident, Note, Timestamp};
use crate::node::Cx;

/// Episodes that a window does not mention are silent, or gone for good without a word: the latest so many are kept.
const UNMENTIONED: usize = 1_000;

/// What later windows must know: which episodes are of which incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Open(Vec<Known>);

/// An incident, and each of its open episodes with the time of the latest window that mentioned it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    origin: Origin,
    episodes: BTreeMap<String, Timestamp>,
}

impl Open {
    /// What the window before kept. Where the whole input is one window there is none.
    pub fn recall(cx: &Cx) -> Open {
        let kept = cx.window.as_ref().and_then(|_| cx.recall(&key(cx)));
        kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Of which incidents the anomalies of this window are, by name.
    pub fn origins(&self, mentions: &[Mention]) -> HashMap<String, Origin> {
        let of_episodes: HashMap<&str, &Origin> =
            self.0.iter().flat_map(|known| known.episodes.keys().map(|id| (id.as_str(), &known.origin))).collect();
        let mut origins: HashMap<String, Origin> = HashMap::new();
        for mention in mentions.iter().filter(|mention| !mention.is_over) {
            let Some(&origin) = of_episodes.get(mention.episode.as_str()) else { continue };
            let oldest = origins.entry(mention.anomaly.clone()).or_insert_with(|| origin.clone());
            if origin < oldest {
                oldest.clone_from(origin);
            }
        }
        origins
    }

    /// As a window leaves it that found these incidents. An episode of which it says nothing stays where it is, and goes
    /// along where its incident was joined to another.
    fn next(self, mentions: &[Mention], incidents: &[Incident], now: Timestamp) -> Open {
        let of_names: HashMap<&str, &Incident> =
            incidents.iter().flat_map(|of| of.anomalies.iter().map(move |name| (name.as_str(), of))).collect();
        let those = |is_over| mentions.iter().filter(move |mention| mention.is_over == is_over);
        // Over only where nobody says that it goes on.
        let mut mentioned: HashMap<&str, Option<&Incident>> = those(true).map(|m| (m.episode.as_str(), None)).collect();
        mentioned.extend(those(false).map(|m| (m.episode.as_str(), of_names.get(m.anomaly.as_str()).copied())));
        let mut open: BTreeMap<Origin, BTreeMap<String, Timestamp>> = BTreeMap::new();
        for (id, incident) in &mentioned {
            let Some(incident) = incident else { continue };
            open.entry(origin(incident)).or_default().insert(id.to_string(), now);
        }
        let mut silent = Vec::new();
        for Known { origin: before, episodes } in self.0 {
            let joined = episodes.keys().find_map(|id| mentioned.get(id.as_str()).copied().flatten());
            let origin = joined.map_or(before, origin);
            let left = episodes.into_iter().filter(|(id, _)| !mentioned.contains_key(id.as_str()));
            silent.extend(left.map(|(id, seen)| (seen, origin.clone(), id)));
        }
        silent.sort();
        for (seen, origin, id) in silent.into_iter().rev().take(UNMENTIONED) {
            open.entry(origin).or_default().insert(id, seen);
        }
        Open(open.into_iter().map(|(origin, episodes)| Known { origin, episodes }).collect())
    }

    /// Keeps what the next window must know; where the whole input is one, there is none.
    pub fn keep(self, mentions: &[Mention], incidents: &[Incident], cx: &Cx) {
        let Some(window) = &cx.window else { return };
        let was_open = !self.0.is_empty();
        let open = self.next(mentions, incidents, window.span.start);
        // Also where nothing has changed: what was kept long ago may have made room for other things.
        if (was_open || !open.0.is_empty())
            && let Ok(value) = serde_json::to_string(&open)
        {
            cx.note(Note::Keep { key: key(cx), value });
        }
    }
}

fn key(cx: &Cx) -> String {
    format!("{}/incidents", cx.task)
}

fn origin(incident: &Incident) -> Origin {
    Origin { since: incident.since, id: incident.id.clone(), first: incident.first.clone() }
}

/// What a window says of an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its name; several nodes may have found anomalies of one name.
    anomaly: String,
    episode: String,
    is_over: bool,
}

pub fn mentions(found: &[Anomaly]) -> Vec<Mention> {
    let mention = |anomaly: &Anomaly| {
        let episode = anomaly.episode.as_ref()?.id.clone();
        Some(Mention { anomaly: anomaly.name.clone(), episode, is_over: anomaly.is_over() })
    };
    found.iter().filter_map(mention).collect()
}

#[cfg(test)]
mod tests;
