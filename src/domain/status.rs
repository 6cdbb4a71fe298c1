use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status of a service; the discriminant is its level in anomalies (0, 1, 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Status {
    Online = 0,
    Degraded = 1,
    Offline = 2,
}

impl Status {
    pub const ALL: [Status; 3] = [Status::Online, Status::Degraded, Status::Offline];

    /// The word as telemetry and reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Degraded => "degraded",
            Status::Offline => "offline",
        }
    }

    pub fn from_word(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.word() == word)
    }

    pub fn level(self) -> u8 {
        self as u8
    }

    pub fn from_level(level: u8) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.level() == level)
    }
}

/// Service names by newest status, each list sorted. Over several hosts that report one service, its status is the
/// worst of the hosts' newest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSummary {
    pub online: Vec<String>,
    pub degraded: Vec<String>,
    pub offline: Vec<String>,
}

/// One service of the input as the records of one entity name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    pub name: String,
    /// Status in the newest record that names the service.
    pub newest: Status,
    /// Worst status in any record.
    pub worst: Status,
}
