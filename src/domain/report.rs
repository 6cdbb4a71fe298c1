use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

use super::{Figure, Insights, Parameter, ServiceSummary, Severity, Timestamp};

/// The operations report: exactly these keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Time of the newest record, not of the clock.
    pub timestamp: Timestamp,
    /// Figures over the records; `null` only when not one record has the metric.
    pub insights: Insights,
    /// Worst first: severity, then relative distance from the threshold, then metric.
    pub anomalies: Vec<ReportAnomaly>,
    /// Most urgent first.
    pub recommendations: Vec<ReportRecommendation>,
    /// Each service under its newest status.
    pub service_status_summary: ServiceSummary,
}

/// One series that reached a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportAnomaly {
    /// The metric, and the entity where records name one: `cpu_usage@web-1`.
    pub metric: String,
    /// The worst value.
    pub value: Figure,
    /// The band that it reached.
    pub threshold: Figure,
    pub severity: Severity,
    /// A full sentence.
    pub description: String,
}

/// One concrete action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRecommendation {
    pub id: String,
    pub action: String,
    /// Host or service of the input.
    pub target: String,
    pub parameters: BTreeMap<String, Parameter>,
    pub benefit_estimate: String,
}

impl Report {
    /// The JSON Schema of a report with these insights (in this order), self-contained.
    pub fn schema<'a>(insights: impl IntoIterator<Item = &'a str>) -> Schema {
        let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.root_schema_for::<Report>();
        if let Some(slot) = schema.pointer_mut("/$defs/Insights") {
            *slot = Insights::schema(insights).to_value();
        }
        schema
    }
}
