use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Figure, Severity, Status, Timestamp};

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
