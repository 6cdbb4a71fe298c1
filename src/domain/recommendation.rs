use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Episode, Figure, Language, Phase, Severity, Status, Timestamp};

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactValue {
    Number(Figure),
    Time(Timestamp),
    /// An identifier of the input (host, service, metric) or a word of the playbook; never free text of telemetry.
    Name(String),
    /// Of a service; written in the run's language.
    Status(Status),
}

/// One statement that a sentence may use, as the slot `{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Name of the slot: `cpu_usage.value`, `replicas`.
    pub name: String,
    pub value: FactValue,
    /// Unit that is written after the number; `None` for counts, times and names.
    pub unit: Option<String>,
    /// Host or service that the fact is about.
    pub subject: String,
    /// When it was measured; `None` for what is computed.
    pub time: Option<Timestamp>,
    /// What it is, in the run's language, for the model's prompt.
    pub meaning: String,
}

/// The two sentences of a recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub action: String,
    pub benefit_estimate: String,
}

/// Who worded a recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WordingSource {
    Template,
    Model,
    /// A model, in an earlier window of the same episodes; the slots have this window's facts.
    Remembered,
}

/// A parameter of an action, computed by a formula of the playbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Parameter {
    Number(Figure),
    Flag(bool),
    Text(String),
}

/// What to do about one cause, decided. Wording may replace `slots` and `words`, nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recommendation {
    /// Stable and speaking: `scale-out:api_gateway`.
    pub id: String,
    /// Host or service of the input.
    pub target: String,
    pub severity: Severity,
    /// Names of the anomalies that it answers, worst first.
    pub anomalies: Vec<String>,
    /// Id of the incident that those are part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The episodes that those are part of; empty where the whole input is one window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub episodes: Vec<Episode>,
    pub parameters: BTreeMap<String, Parameter>,
    pub facts: Vec<Fact>,
    /// The sentences with slots: `… peaked at {cpu_usage.value} …`. A plan fills in the playbook's template.
    pub slots: Words,
    /// The sentences as published: `slots` with every slot filled.
    pub words: Words,
    pub wording: WordingSource,
    /// Other services, hosts and metrics of the run that are called by a plain word (`cache`), which a wording must not
    /// name: of letters only, in lower case, sorted, each once, the first 50. Not for the model.
    pub others: Vec<String>,
}

impl Recommendation {
    /// The key of its wording from window to window: the same as long as it answers the same episodes.
    pub fn wording_key(&self, language: Language) -> String {
        let mut episodes: Vec<&str> = self.episodes.iter().map(|episode| episode.id.as_str()).collect();
        episodes.sort_unstable();
        format!("wording {} {} {}", language.code(), self.id, episodes.join(" "))
    }

    /// Whether there is something to say that was not said in an earlier window: one of its episodes opened or escalated,
    /// or it has none.
    pub fn is_news(&self) -> bool {
        let is_new = |episode: &Episode| matches!(episode.phase, Phase::Opened | Phase::Escalated);
        self.episodes.is_empty() || self.episodes.iter().any(is_new)
    }
}
