use std::collections::BTreeMap;

use serde::Deserialize;

/// What Prometheus answers to a range query. Keys that nobody reads are ignored: servers that speak its protocol add
/// their own.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub data: Option<Data>,
    /// What is wrong with the query.
    pub error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Data {
    pub result: Vec<Series>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Series {
    pub metric: BTreeMap<String, String>,
    /// Seconds since the epoch, and the value as text. A series of histograms has none.
    #[serde(default)]
    pub values: Vec<(f64, String)>,
}

impl Answer {
    pub fn read(body: &[u8]) -> Option<Answer> {
        serde_json::from_slice(body).ok()
    }
}
