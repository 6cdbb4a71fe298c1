//! What else of the run is called by plain words: grounding cannot tell such a name from words by its shape.

use std::collections::BTreeSet;

use crate::domain::{Anomaly, FactValue, Recommendation};

/// Longest list that a recommendation carries.
const MOST: usize = 50;

/// Every service, host and metric of the run whose name is made of words, in lower case: of letters, and of what joins
/// words (`mail-relay`; `memory_usage`, which a sentence may call memory usage).
pub fn plain_names<'a>(anomalies: impl Iterator<Item = &'a Anomaly>) -> BTreeSet<String> {
    let names = anomalies.flat_map(|anomaly| {
        let own = [Some(anomaly.metric.as_str()), anomaly.service.as_deref(), anomaly.entity.as_deref()];
        own.into_iter().flatten().chain(anomaly.services.iter().map(|service| service.name.as_str()))
    });
    names.filter(|name| name.chars().all(|c| c.is_alphabetic() || "-_".contains(c))).map(str::to_lowercase).collect()
}

/// Those of `names` that this recommendation does not speak of, sorted.
pub fn beside(recommendation: &Recommendation, names: &BTreeSet<String>) -> Vec<String> {
    let mut own = BTreeSet::from([recommendation.target.to_lowercase()]);
    for fact in &recommendation.facts {
        own.insert(fact.subject.to_lowercase());
        own.extend(fact.name.split_once('.').map(|(prefix, _)| prefix.to_lowercase()));
        if let FactValue::Name(name) = &fact.value {
            own.insert(name.to_lowercase());
        }
    }
    names.difference(&own).take(MOST).cloned().collect()
}
