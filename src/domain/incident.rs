use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Severity, Timestamp};

/// Anomalies that belong together: of one host or one service, at the same time, by the stretch around the worst record of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// The name of `first`, and the start: `cpu_usage@web-1/20231001T120000Z`. The same from window to window.
    pub id: String,
    /// The highest of its anomalies.
    pub severity: Severity,
    /// When the stretch of `first` began.
    pub since: Timestamp,
    /// When the latest stretch of its anomalies ended.
    pub until: Timestamp,
    /// The hosts, devices or sensors of its anomalies, sorted by name.
    pub entities: Vec<String>,
    /// The services that its anomalies are of, sorted by name.
    pub services: Vec<String>,
    /// Name of the anomaly that likely came first. In a later window it may be over, and then is none of `anomalies`.
    pub first: String,
    /// Names, in the order in which their stretches began.
    pub anomalies: Vec<String>,
}
