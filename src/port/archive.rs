//! What was kept of earlier runs, for those who ask later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Phase, Report, RunRecord, RunStatus, Severity, Timestamp, WindowSpan};

pub type Answer<T> = Result<T, ReadError>;

/// What is kept. Every method blocks, and every error is a [`ReadError`].
#[allow(clippy::missing_errors_doc, reason = "the errors are all the same")]
pub trait Archive: Send + Sync {
    /// Newest first, as are anomalies, episodes and runs.
    fn reports(&self, filter: &ReportFilter, paging: &Paging) -> Answer<Page<KeptReport>>;
    fn report(&self, id: i64) -> Answer<Option<KeptReport>>;
    fn anomalies(&self, filter: &AnomalyFilter, paging: &Paging) -> Answer<Page<KeptAnomaly>>;
    fn episodes(&self, filter: &EpisodeFilter, paging: &Paging) -> Answer<Page<KeptEpisode>>;
    fn runs(&self, filter: &RunFilter, paging: &Paging) -> Answer<Page<KeptRun>>;
    fn run(&self, id: &str) -> Answer<Option<KeptRun>>;
    /// By number.
    fn series(&self, selection: &Selection, paging: &Paging) -> Answer<Page<Series>>;
    /// By series, oldest first.
    fn measurements(&self, selection: &Selection, paging: &Paging) -> Answer<Page<Sample>>;
    /// The same joined into spans of `step` microseconds, which begin at multiples of it.
    fn aggregates(&self, selection: &Selection, step: i64, paging: &Paging) -> Answer<Page<Bucket>>;
    /// Entities by an attribute, the one with the highest mean first.
    fn ranking(&self, attribute: &str, selection: &Selection) -> Answer<Vec<Group>>;
}

/// Why something cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// What the asker gave as the place to go on from was not given out by this list.
    Cursor,
    /// AG0411.
    Store(Diagnostic),
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Paging {
    /// Items at most; without it 100.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; absent where this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A report as it was kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptReport {
    pub id: i64,
    pub graph: String,
    /// What it is of: the start of its window, or its run.
    pub key: String,
    pub run: String,
    /// Of its newest record.
    pub time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpan>,
    /// As it was written.
    #[schemars(with = "Report")]
    pub report: Box<RawValue>,
}

/// Which reports; what is not given is not asked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReportFilter {
    pub graph: Option<String>,
    /// Of this window or run.
    pub key: Option<String>,
    /// Whose newest record is of this time or later.
    pub from: Option<Timestamp>,
    /// Whose newest record is before this time.
    pub to: Option<Timestamp>,
}

/// An anomaly of a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptAnomaly {
    /// Id of its report.
    pub report: i64,
    /// In its report; 0 is the worst.
    pub place: i64,
    pub graph: String,
    pub name: String,
    pub metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    pub severity: Severity,
    pub value: f64,
    pub threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub first: Timestamp,
    pub worst: Timestamp,
    pub last: Timestamp,
    /// Id of the episode, in a graph with windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    pub description: String,
    /// All that is known of it; absent where the graph gave the store the report only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Anomaly>")]
    pub facts: Option<Box<RawValue>>,
}

/// Which anomalies, by the time of their worst record.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AnomalyFilter {
    pub graph: Option<String>,
    pub report: Option<i64>,
    /// That bad or worse.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    pub episode: Option<String>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// The same trouble of one series, as of the newest window that tells of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptEpisode {
    pub graph: String,
    pub id: String,
    pub metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    pub phase: Phase,
    /// Time of its first record.
    pub since: Timestamp,
    /// End of the newest window that tells of it.
    pub told: Timestamp,
    pub worst_severity: Severity,
    pub windows: i64,
}

/// Which episodes: those that lasted at some time of `from` to `to`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EpisodeFilter {
    pub graph: Option<String>,
    /// That bad or worse, at their worst.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    /// `false`: only those that are over; `true`: only the others.
    pub open: Option<bool>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptRun {
    pub id: String,
    pub graph: String,
    pub status: RunStatus,
    pub started: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Of the records that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpan>,
    /// In lists absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RunRecord>")]
    pub record: Option<Box<RawValue>>,
}

/// Which runs, by the time when they started.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunFilter {
    pub graph: Option<String>,
    pub status: Option<RunStatus>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeriesKind {
    /// Figures of a metric.
    Metric,
    /// The status of a service: 0 online, 1 degraded, 2 offline.
    Status,
}

/// A series, with what is known of all its values; also of those that are not kept any more.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    pub id: i64,
    pub graph: String,
    /// Host, device or sensor; empty where records name none.
    pub entity: String,
    /// The field, or the service.
    pub metric: String,
    pub kind: SeriesKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub count: i64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    pub first: Timestamp,
    pub last: Timestamp,
    pub last_value: f64,
}

/// Which series, and which of their values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Selection {
    pub graph: Option<String>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    pub kind: Option<SeriesKind>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// Id of the series.
    pub series: i64,
    pub entity: String,
    pub metric: String,
    pub time: Timestamp,
    pub value: f64,
}

/// What is known of the values of a series in some time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bucket {
    /// Id of the series.
    pub series: i64,
    pub entity: String,
    pub metric: String,
    /// Of the bucket, which may begin before the time that was asked for: its values do not.
    pub start: Timestamp,
    pub count: i64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

/// The entities that have one value of an attribute in common, such as the sensors of a zone.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// The attribute's value.
    pub group: String,
    pub entities: i64,
    pub count: i64,
    /// Over all values of all entities.
    pub mean: f64,
}
