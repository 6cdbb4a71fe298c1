use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of something that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// There was nothing worth telling.
    Quiet,
    Delivered,
    /// It could not be delivered, and was put into a file.
    DeadLettered,
}

/// What a task sent to the world, and what came of it. Holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub task: String,
    /// Scheme and host of the receiver; the rest of an address may be a secret.
    pub endpoint: String,
    /// By which the receiver can tell a repetition.
    pub key: String,
    pub outcome: DeliveryOutcome,
    /// Requests that were sent, of this try of the task.
    pub attempts: u32,
    /// Why it could not be delivered.
    pub reason: Option<String>,
    /// The file that it was put into.
    pub dead_letter: Option<String>,
}
