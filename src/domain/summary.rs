use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Figure, ServiceSummary, Timestamp};

/// How the values of a metric become one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stat {
    /// Arithmetic mean over the records that have the metric.
    Mean,
    Min,
    Max,
    Sum,
    /// Number of records that have the metric.
    Count,
    /// Value of the newest record; over several entities the smallest of their newest.
    Newest,
}

/// Figures by name, in the order in which the graph lists them; `None` when not one record has the metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Insights(pub IndexMap<String, Option<Figure>>);

impl Insights {
    /// The insights of the infrastructure report, which are the default of the `insights` node.
    pub const DEFAULT: [(&'static str, &'static str, Stat); 5] = [
        ("average_latency_ms", "latency_ms", Stat::Mean),
        ("max_cpu_usage", "cpu_usage", Stat::Max),
        ("max_memory_usage", "memory_usage", Stat::Max),
        ("error_rate", "error_rate", Stat::Mean),
        ("uptime_seconds", "uptime_seconds", Stat::Newest),
    ];

    /// The schema of an object with exactly these figures.
    pub fn schema<'a>(names: impl IntoIterator<Item = &'a str>) -> Schema {
        let names: Vec<&str> = names.into_iter().collect();
        let properties: serde_json::Map<String, serde_json::Value> =
            names.iter().map(|n| (n.to_string(), serde_json::json!({ "type": ["number", "null"] }))).collect();
        json_schema!({
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": false,
        })
    }
}

/// The schema names the default insights; [`super::Report::schema`] puts a graph's own in their place.
impl JsonSchema for Insights {
    fn schema_name() -> Cow<'static, str> {
        "Insights".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Insights::schema(Insights::DEFAULT.map(|(name, _, _)| name))
    }
}

/// How much of the input stands behind one insight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    pub insight: String,
    pub metric: String,
    /// Records that have the metric.
    pub records: u64,
    /// All records of the window.
    pub of: u64,
}

/// What the `insights` node says of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Time of the newest record.
    pub timestamp: Timestamp,
    pub insights: Insights,
    pub services: ServiceSummary,
    pub coverage: Vec<Coverage>,
}
