//! What is new since the receiver was last told something.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::Severity;

/// Anomalies by name, as the receiver knows them.
pub type Told = BTreeMap<String, Severity>;

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
    pub phase: Phase,
    /// Of a resolved one, what it was told to be.
    pub severity: Severity,
}

/// What is there now and was not told, or worse than was told, and what is there no more; by name. An anomaly that has
/// become milder is no news.
pub fn changes(told: &Told, now: &Told) -> Vec<Change> {
    let worse = now.iter().filter_map(|(name, severity)| {
        let phase = match told.get(name) {
            None => Phase::Opened,
            Some(known) if severity > known => Phase::Escalated,
            Some(_) => return None,
        };
        Some(Change { anomaly: name.clone(), phase, severity: *severity })
    });
    let gone = told.iter().filter(|(name, _)| !now.contains_key(*name));
    let gone =
        gone.map(|(name, severity)| Change { anomaly: name.clone(), phase: Phase::Resolved, severity: *severity });
    worse.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_news_is_a_change() {
        let told = |text: &str| -> Told {
            let pair = |pair: &str| {
                let (name, severity) = pair.split_once('=').unwrap();
                (name.to_string(), Severity::ALL.into_iter().find(|s| s.word() == severity).unwrap())
            };
            text.split_whitespace().map(pair).collect()
        };
        for (before, now, expected) in [
            ("", "", ""),
            ("", "a=low", "a opened low"),
            ("a=low", "a=low", ""),
            ("a=low", "a=high", "a escalated high"),
            ("a=high", "a=low", ""),
            ("a=high", "", "a resolved high"),
            ("a=low b=medium", "b=high c=low", "b escalated high, c opened low, a resolved low"),
        ] {
            let got: Vec<String> = changes(&told(before), &told(now))
                .iter()
                .map(|c| format!("{} {} {}", c.anomaly, format!("{:?}", c.phase).to_lowercase(), c.severity.word()))
                .collect();
            assert_eq!(got.join(", "), expected, "{before} -> {now}");
        }
    }
}
