use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::report_order;
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Recommendation, Report, ReportAnomaly, ReportRecommendation, Summary};
use crate::node::{Assets, Cx, Task, TaskError};

/// Puts the report together.
///
/// Anomalies are brought into the order of the report: severity, then |value − threshold| / |threshold|, both falling,
/// then name. Recommendations keep theirs; an item that was skipped is left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "merge")]
pub struct Config {}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Figures, service statuses and the time of the newest record.
    pub summary: Summary,
    pub anomalies: Vec<Anomaly>,
    /// `null` stands for an item that was skipped.
    pub recommendations: Vec<Option<Recommendation>>,
}

pub struct Merge;

impl Task for Merge {
    const KIND: &'static str = "merge";
    const VERSION: u32 = 1;
    type Config = Config;
    type Input = Input;
    type Output = Report;

    fn new(_config: Config, _assets: &Assets<'_>) -> Result<Merge, Vec<Diagnostic>> {
        Ok(Merge)
    }

    async fn run(&self, input: Input, _cx: &Cx) -> Result<Report, TaskError> {
        Ok(report(input))
    }
}

fn report(input: Input) -> Report {
    let Input { summary, mut anomalies, recommendations } = input;
    anomalies.sort_by(report_order);
    Report {
        timestamp: summary.timestamp,
        insights: summary.insights,
        anomalies: anomalies.into_iter().map(anomaly).collect(),
        recommendations: recommendations.into_iter().flatten().map(recommendation).collect(),
        service_status_summary: summary.services,
    }
}

fn anomaly(anomaly: Anomaly) -> ReportAnomaly {
    let Anomaly { name, value, threshold, severity, description, .. } = anomaly;
    ReportAnomaly { metric: name, value, threshold, severity, description }
}

fn recommendation(recommendation: Recommendation) -> ReportRecommendation {
    let Recommendation { id, target, parameters, words, .. } = recommendation;
    ReportRecommendation { id, action: words.action, target, parameters, benefit_estimate: words.benefit_estimate }
}
