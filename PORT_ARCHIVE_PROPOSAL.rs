//! What was kept of earlier runs, for those who ask later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Report, RunRecord, Severity, Timestamp};

/// The things that are kept, newest first. Every method blocks; errors are lower-case fragments that say why.
pub trait Archive: Send + Sync {
    /// # Errors
    /// The store cannot be read.
    fn reports(&self, asked: &ReportsAsked, page: &PageAsked) -> Answer<Page<KeptReport>>;
    /// # Errors
    /// The store cannot be read.
    fn report(&self, id: i64) -> Answer<Option<KeptReport>>;
    /// # Errors
    /// The store cannot be read.
    fn anomalies(&self, asked: &AnomaliesAsked, page: &PageAsked) -> Answer<Page<KeptAnomaly>>;
    /// # Errors
    /// The store cannot be read.
    fn episodes(&self, asked: &EpisodesAsked, page: &PageAsked) -> Answer<Page<KeptEpisode>>;
    /// # Errors
    /// The store cannot be read.
    fn series(&self, asked: &SeriesAsked, page: &PageAsked) -> Answer<Page<KeptSeries>>;
    /// Values of a series, oldest first, at most so many; those that are left out are said.
    ///
    /// # Errors
    /// The store cannot be read.
    fn measurements(&self, series: i64, asked: &TimesAsked, most: u32) -> Answer<Option<Points>>;
    /// # Errors
    /// The store cannot be read.
    fn runs(&self, asked: &RunsAsked, page: &PageAsked) -> Answer<Page<KeptRun>>;
    /// # Errors
    /// The store cannot be read.
    fn run(&self, id: &str) -> Answer<Option<RunRecord>>;
}

pub type Answer<T> = Result<T, String>;

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageAsked {
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended: its `next`.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The `cursor` that goes on from here; `null` at the end.
    pub next: Option<String>,
}

/// Which times: from the first, up to but not including the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimesAsked {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// Join values into spans of so many microseconds, which begin at multiples of it; `None`: as they came.
    pub every: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportsAsked {
    pub graph: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnomaliesAsked {
    pub graph: Option<String>,
    /// Of the worst moment.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// This or worse.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpisodesAsked {
    pub graph: Option<String>,
    /// Of the time since when.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// This or worse.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    /// Not over yet, or over.
    pub open: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesAsked {
    pub graph: Option<String>,
    pub entity: Option<String>,
    pub metric: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsAsked {
    pub graph: Option<String>,
    pub status: Option<String>,
    /// Of the start.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A report and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptReport {
    pub id: i64,
    pub graph: String,
    pub run: String,
    /// Of its window; `null` where the whole input was one.
    pub window_start: Option<Timestamp>,
    pub window_end: Option<Timestamp>,
    pub report: Report,
}

/// An anomaly of a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptAnomaly {
    /// Of the report that tells of it.
    pub report: i64,
    pub graph: String,
    pub run: String,
    /// As in `cpu_usage@web-1`.
    pub name: String,
    pub metric: String,
    pub entity: Option<String>,
    pub service: Option<String>,
    pub severity: Severity,
    pub value: f64,
    pub threshold: f64,
    pub unit: Option<String>,
    pub first: Timestamp,
    pub worst: Timestamp,
    pub last: Timestamp,
    pub episode: Option<String>,
    pub description: String,
}

/// The same trouble from window to window, as of the newest that tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptEpisode {
    pub graph: String,
    pub id: String,
    /// `opened`, `ongoing`, `escalated` or `resolved`.
    pub phase: String,
    pub since: Timestamp,
    /// The end of the newest window that tells of it.
    pub told: Timestamp,
    pub worst_severity: Severity,
    pub windows: u64,
}

/// A series of measurements.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptSeries {
    pub id: i64,
    pub graph: String,
    pub entity: Option<String>,
    /// A field of the records, or a service.
    pub metric: String,
    /// `metric` or `status`.
    pub kind: String,
    pub unit: Option<String>,
    pub count: u64,
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub first: Timestamp,
    pub last: Timestamp,
    pub last_value: f64,
}

/// Values of a series.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Points {
    pub series: i64,
    pub points: Vec<Point>,
    /// There are more: ask for a shorter time or longer spans.
    pub truncated: bool,
}

/// A value, or several joined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Point {
    /// When it was, or when the span began.
    pub time: Timestamp,
    pub count: u64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptRun {
    pub id: String,
    pub graph: String,
    /// `done` or `failed`.
    pub status: String,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub window_start: Option<Timestamp>,
    pub window_end: Option<Timestamp>,
}
