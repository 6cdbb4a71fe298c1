use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evidence, Figure, ServiceState, Timestamp};

/// How bad an anomaly is; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
}

impl Severity {
    pub const ALL: [Severity; 3] = [Severity::Low, Severity::Medium, Severity::High];

    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// Thresholds by severity, inclusive: a value equal to a band has reached it. At least one is set and they rise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    pub low: Option<Figure>,
    pub medium: Option<Figure>,
    pub high: Option<Figure>,
}

impl Bands {
    pub fn get(&self, severity: Severity) -> Option<Figure> {
        match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
        }
    }

    /// The mildest band that is set: where an anomaly begins.
    pub fn lowest(&self) -> Option<(Severity, Figure)> {
        Severity::ALL.into_iter().find_map(|s| Some((s, self.get(s)?)))
    }
}

/// What of a metric a rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Its value, from the bands upwards.
    #[default]
    Above,
    /// Its value, from the bands downwards.
    Below,
    /// How fast it changes.
    Rate,
    /// How fast it counts up.
    Counter,
    /// How long nothing was heard of it.
    Stale,
    /// How unusual its value is for its series.
    Unusual,
    /// How often a status changes.
    Flapping,
}

impl Aspect {
    pub fn word(self) -> &'static str {
        match self {
            Aspect::Above => "above",
            Aspect::Below => "below",
            Aspect::Rate => "rate",
            Aspect::Counter => "counter",
            Aspect::Stale => "stale",
            Aspect::Unusual => "unusual",
            Aspect::Flapping => "flapping",
        }
    }

    pub fn is_above(&self) -> bool {
        *self == Aspect::Above
    }
}

/// One reading: when, where in the input (line of NDJSON or CSV, element of an array; from 1), and how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub time: Timestamp,
    pub row: u64,
    pub value: Figure,
}

/// A time in which every record of a series was at or above the lowest band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Of the first of them; where silence is judged, when it had lasted so long.
    pub from: Timestamp,
    /// Of the last of them.
    pub to: Timestamp,
}

/// Records by the highest severity that each reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub low: u64,
    pub medium: u64,
    pub high: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.low + self.medium + self.high
    }

    /// Counts so many records of one severity; those of none are not counted.
    pub fn add(&mut self, severity: Option<Severity>, times: u64) {
        match severity {
            Some(Severity::Low) => self.low += times,
            Some(Severity::Medium) => self.medium += times,
            Some(Severity::High) => self.high += times,
            None => {}
        }
    }

    pub fn join(&mut self, other: &Counts) {
        self.low += other.low;
        self.medium += other.medium;
        self.high += other.high;
    }
}

/// What became of an episode in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Opened,
    Ongoing,
    /// It reached a higher band than ever before.
    Escalated,
    /// Over: the anomaly tells what the episode was, and is no part of a report.
    Resolved,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Phase::Opened => "opened",
            Phase::Ongoing => "ongoing",
            Phase::Escalated => "escalated",
            Phase::Resolved => "resolved",
        }
    }
}

/// The same trouble of one series, from window to window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// Name of the anomaly, and the start: `cpu_usage@web-1/20231001T120000Z`.
    pub id: String,
    pub phase: Phase,
    /// Time of its first record.
    pub since: Timestamp,
    /// The highest band of all its windows.
    pub worst_severity: Severity,
    /// Windows that had records of the series since it opened, or of missing records in which some were due; this one
    /// included.
    pub windows: u64,
}

/// What a rule found for one series: one per (entity, metric) or (entity, service), with the facts behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    /// Names the anomaly everywhere: `cpu_usage`, `cpu_usage@web-1`, `service_status.cache`, `service_status.cache@web-1`,
    /// `cpu_usage@web-1#rate` of a rule that judges another aspect than the value.
    pub name: String,
    /// The metric of the rule; `service_status` for a service.
    pub metric: String,
    #[serde(default, skip_serializing_if = "Aspect::is_above")]
    pub aspect: Aspect,
    /// What had to hold, where the rule is a condition over several metrics: then `metric` is its name, and `value` is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The service, where the anomaly is one of a service.
    pub service: Option<String>,
    /// The host, device or sensor, where records name one.
    pub entity: Option<String>,
    /// The worst value (a service's worst level: 0, 1, 2); what is judged, so of a rate it is the fastest, of silence the
    /// longest, and of what is unusual the highest score.
    pub value: Figure,
    /// The band that `value` reached.
    pub threshold: Figure,
    pub severity: Severity,
    /// Unit of `value`, as the rule states it ("%", "ms"); `None` for plain numbers.
    pub unit: Option<String>,
    pub bands: Bands,
    /// Records of this entity that have the metric.
    pub records: u64,
    /// Of those, the ones at or above the lowest band, by the highest band each reached; under a rule with `for` the
    /// ones that stayed there so long.
    pub reached: Counts,
    /// Earliest record at or above the lowest band; of an episode its first one, in whatever window.
    pub first: Sample,
    /// The worst record; of equal ones the earliest.
    pub worst: Sample,
    /// Latest record at or above the lowest band.
    pub last: Sample,
    /// Around `worst`: its records are at or above the lowest band, without one below it in between. Mostly a part of the time
    /// from `first` to `last`, and what says when the trouble was.
    pub stretch: Stretch,
    /// Newest record that has the metric, whether it reached a band or not.
    pub newest: Sample,
    /// Mean over `records`.
    pub mean: Figure,
    /// Of `worst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The services that the same entity's records name, sorted by name: where there are more than 32, the ones with
    /// the worst newest status, then with the worst status ever, then the first by name.
    pub services: Vec<ServiceState>,
    /// A full sentence in the run's language.
    pub description: String,
    /// `None` where the whole input is one window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<Episode>,
}

impl Anomaly {
    /// How many services an anomaly carries at most: enough for a target, few enough that a host with very many
    /// services does not multiply its anomalies by them.
    pub const MOST_SERVICES: usize = 32;

    /// Whether it is about what the status of a service was: not of how often it changed.
    pub fn is_status(&self) -> bool {
        self.service.is_some() && self.aspect.is_above()
    }

    /// Whether it tells of an episode that is over.
    pub fn is_over(&self) -> bool {
        self.episode.as_ref().is_some_and(|episode| episode.phase == Phase::Resolved)
    }
}

#[cfg(test)]
impl Anomaly {
    /// One of `cpu_usage` on `web-1`, for tests that care about a few fields and set those.
    pub(crate) fn example(name: &str, value: f64, severity: Severity) -> Anomaly {
        let figure = |v| Figure::new(v).expect("tests use finite values");
        let time = Timestamp::parse("2024-01-01T00:00:00Z").expect("a literal time");
        let sample = Sample { time, row: 1, value: figure(value) };
        Anomaly {
            name: name.to_string(),
            metric: name.split('@').next().unwrap_or(name).to_string(),
            aspect: Aspect::Above,
            condition: None,
            service: None,
            entity: name.split('@').nth(1).map(str::to_string),
            value: figure(value),
            threshold: figure(70.0),
            severity,
            unit: Some("%".to_string()),
            bands: Bands { low: Some(figure(70.0)), medium: Some(figure(80.0)), high: Some(figure(90.0)) },
            records: 10,
            reached: Counts { low: 1, medium: 0, high: 0 },
            first: sample,
            worst: sample,
            last: sample,
            stretch: Stretch { from: time, to: time },
            newest: sample,
            mean: figure(value),
            evidence: None,
            services: Vec::new(),
            description: format!("{name} peaked."),
            episode: None,
        }
    }
}
