use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::Status;

/// Which fields of a record mean what. A nested field is written with dots: `content.energy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schema {
    /// The field with the time: ISO 8601 text, or a number of seconds, milliseconds, microseconds or nanoseconds
    /// since 1970.
    pub timestamp: String,
    /// Fields that may name the host, device or sensor; the first of these that a record has counts.
    pub entity: Vec<String>,
    /// The object that holds the statuses of services by name; in CSV the prefix of their columns
    /// (`service_status.database`).
    pub statuses: String,
    /// Metrics that are to be known by another name: `field = "metric"`.
    pub rename: BTreeMap<String, String>,
    /// Words for a status beside `online`, `degraded` and `offline`: `up = "online"`.
    pub status_words: BTreeMap<String, Status>,
}

impl Default for Schema {
    fn default() -> Schema {
        Schema {
            timestamp: "timestamp".to_string(),
            entity: ["host", "hostname", "instance", "device", "entity"].map(String::from).to_vec(),
            statuses: "service_status".to_string(),
            rename: BTreeMap::new(),
            status_words: BTreeMap::new(),
        }
    }
}
