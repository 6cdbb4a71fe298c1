use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aspect, Bands, Figure, Timestamp};

/// What series looked like, in few points each: enough to draw them, and no more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Charts {
    /// The worst first: by the band reached, then by how far beyond it, then by name.
    pub series: Vec<ChartSeries>,
    /// Series that had values too, and are not among these.
    pub left_out: u64,
}

/// One series in buckets of equal length, those without a value left out. The lists have one place per bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartSeries {
    /// As its anomalies are named, without what an aspect adds: `cpu_usage@web-1`, `service_status.cache`.
    pub name: String,
    /// The metric; `service_status` of a service.
    pub metric: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// What sentences call the metric, in the language of the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The thresholds that its values are held to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<ChartBands>,
    /// When bucket 0 begins; it is the first that has a value.
    pub start: Timestamp,
    /// Length of a bucket, in microseconds: a power of two.
    pub width_micros: u64,
    /// Numbers of the buckets, rising.
    pub at: Vec<u64>,
    pub least: Vec<Figure>,
    pub greatest: Vec<Figure>,
    pub mean: Vec<Figure>,
    /// Records that have a value.
    pub records: Vec<u64>,
}

/// Thresholds of a rule that judges values as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartBands {
    /// `above` or `below`.
    pub aspect: Aspect,
    pub bands: Bands,
    /// Not every value beyond them counts: they must last, or some times are not judged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChartBucket {
    /// Beginning and end, in microseconds since the epoch.
    pub from: i64,
    pub to: i64,
    pub least: Figure,
    pub greatest: Figure,
    pub mean: Figure,
}

impl ChartSeries {
    /// The buckets, in the order of time; as many as all lists have.
    pub fn buckets(&self) -> impl Iterator<Item = ChartBucket> {
        let width = i64::try_from(self.width_micros).unwrap_or(i64::MAX);
        let figures = self.least.iter().zip(&self.greatest).zip(&self.mean);
        self.at.iter().zip(figures).map(move |(at, ((least, greatest), mean))| {
            let at = i64::try_from(*at).unwrap_or(i64::MAX);
            let from = self.start.micros().saturating_add(at.saturating_mul(width));
            let to = from.saturating_add(width);
            ChartBucket { from, to, least: *least, greatest: *greatest, mean: *mean }
        })
    }
}
