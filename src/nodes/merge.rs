use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::one_per_series;
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Note, Recommendation, Report, ReportAnomaly, ReportRecommendation, Summary};
use crate::node::{Assets, Cx, Task, TaskError};

/// Puts the report together.
///
/// Anomalies are brought into the order of the report: severity, then |value − threshold| / |threshold|, both falling,
/// then name. There is one per name: where several nodes found the same one, the first in this order; and none of an
/// episode that is over, which the run record tells of. Recommendations
/// keep theirs, those of one id together; an item that was skipped is left out, and so is one that another plan has made
/// word for word. A graph without a playbook leaves that input out: its reports have an empty list.
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
    /// `null` stands for an item that was skipped. Without this input there are none.
    #[serde(default)]
    pub recommendations: Option<Vec<Option<Recommendation>>>,
}

pub struct Merge;

impl Task for Merge {
    const KIND: &'static str = "merge";
    const VERSION: u32 = 3;
    type Config = Config;
    type Input = Input;
    type Output = Report;

    fn new(_config: Config, _assets: &Assets<'_>) -> Result<Merge, Vec<Diagnostic>> {
        Ok(Merge)
    }

    async fn run(&self, input: Input, cx: &Cx) -> Result<Report, TaskError> {
        input.anomalies.iter().filter_map(|anomaly| anomaly.episode.clone()).for_each(|e| cx.note(Note::Episode(e)));
        Ok(report(input))
    }
}

fn report(input: Input) -> Report {
    let Input { summary, anomalies, recommendations } = input;
    let mut distinct: IndexMap<String, Vec<ReportRecommendation>> = IndexMap::new();
    for made in recommendations.into_iter().flatten().flatten().map(recommendation) {
        let of_its_id = distinct.entry(made.id.clone()).or_default();
        if !of_its_id.contains(&made) {
            of_its_id.push(made);
        }
    }
    Report {
        timestamp: summary.timestamp,
        insights: summary.insights,
        anomalies: one_per_series(anomalies).into_iter().map(anomaly).collect(),
        recommendations: distinct.into_values().flatten().collect(),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Episode, Figure, Language, Phase, Severity};

    /// An anomaly as JSON, of a graph's edge.
    fn anomaly(name: &str, severity: Severity, value: f64, threshold: f64) -> serde_json::Value {
        let threshold = Figure::new(threshold).unwrap();
        let description = format!("About {name}.");
        json!(Anomaly { threshold, description, ..Anomaly::example(name, value, severity) })
    }

    fn recommendation(id: &str) -> serde_json::Value {
        json!({
            "id": id, "target": "cache", "severity": "low", "anomalies": [], "parameters": { "replicas": 3, "drain": true },
            "facts": [], "slots": { "action": "Do {x}.", "benefit_estimate": "Saves {y}." },
            "words": { "action": "Do it.", "benefit_estimate": "Saves some." }, "wording": "template",
            "others": [],
        })
    }

    fn input(anomalies: serde_json::Value, recommendations: serde_json::Value) -> Input {
        serde_json::from_value(json!({
            "summary": {
                "timestamp": "2023-10-01T12:30:00Z",
                "insights": { "max_cpu_usage": 99, "average_latency_ms": null },
                "services": { "online": ["db"], "degraded": [], "offline": ["cache"] },
                "coverage": [{ "insight": "max_cpu_usage", "metric": "cpu_usage", "records": 1, "of": 1 }],
            },
            "anomalies": anomalies,
            "recommendations": recommendations,
        }))
        .unwrap()
    }

    #[test]
    fn the_report_is_what_its_parts_say() {
        let mut input = input(
            json!([anomaly("cpu@a", Severity::High, 95.0, 90.0)]),
            json!([recommendation("restart:cache"), null, recommendation("add-nodes:cache")]),
        );
        // From text: `json!` sorts, an edge of a graph does not.
        input.summary.insights = serde_json::from_str(r#"{"max_cpu_usage":99,"average_latency_ms":null}"#).unwrap();
        let got = report(input);
        insta::assert_snapshot!(serde_json::to_string_pretty(&got).unwrap(), @r#"
        {
          "timestamp": "2023-10-01T12:30:00Z",
          "insights": {
            "max_cpu_usage": 99,
            "average_latency_ms": null
          },
          "anomalies": [
            {
              "metric": "cpu@a",
              "value": 95,
              "threshold": 90,
              "severity": "high",
              "description": "About cpu@a."
            }
          ],
          "recommendations": [
            {
              "id": "restart:cache",
              "action": "Do it.",
              "target": "cache",
              "parameters": {
                "drain": true,
                "replicas": 3
              },
              "benefit_estimate": "Saves some."
            },
            {
              "id": "add-nodes:cache",
              "action": "Do it.",
              "target": "cache",
              "parameters": {
                "drain": true,
                "replicas": 3
              },
              "benefit_estimate": "Saves some."
            }
          ],
          "service_status_summary": {
            "online": [
              "db"
            ],
            "degraded": [],
            "offline": [
              "cache"
            ]
          }
        }
        "#);
    }

    #[test]
    fn without_recommendations_the_report_has_an_empty_list() {
        let mut input = input(json!([anomaly("cpu@a", Severity::High, 95.0, 90.0)]), json!([]));
        input.recommendations = None;
        let got = serde_json::to_value(report(input)).unwrap();
        assert_eq!((&got["recommendations"], &got["anomalies"][0]["metric"]), (&json!([]), &json!("cpu@a")));
    }

    #[test]
    fn anomalies_of_several_detectors_are_brought_into_one_order() {
        let names = |anomalies| {
            let report = report(input(anomalies, json!([])));
            report.anomalies.into_iter().map(|a| a.metric).collect::<Vec<_>>()
        };
        assert_eq!(
            names(json!([
                anomaly("low", Severity::Low, 900.0, 1.0),
                anomaly("low tie b", Severity::Low, 99.0, 90.0),
                anomaly("low tie a", Severity::Low, 0.11, 0.10),
                anomaly("high near b", Severity::High, 11.0, 10.0),
                anomaly("medium", Severity::Medium, 2.0, 1.0),
                anomaly("high near a", Severity::High, 11.0, 10.0),
                anomaly("high below zero", Severity::High, -5.0, -10.0),
                anomaly("high at zero", Severity::High, 0.0, 0.0),
                anomaly("high huge", Severity::High, 1.7e308, -1.7e308),
            ])),
            [
                "high at zero",
                "high huge",
                "high below zero",
                "high near a",
                "high near b",
                "medium",
                "low",
                "low tie a",
                "low tie b"
            ]
        );
    }

    #[tokio::test]
    async fn what_is_over_is_in_the_run_record_alone() {
        let of = |name: &str, phase| {
            let anomaly = Anomaly::example(name, 95.0, Severity::High);
            let since = anomaly.first.time;
            let episode = Episode { id: name.into(), phase, since, worst_severity: Severity::High, windows: 2 };
            Anomaly { episode: Some(episode), ..anomaly }
        };
        let found = json!([of("cpu@a", Phase::Ongoing), of("cpu@b", Phase::Resolved)]);
        let cx = Cx::new("report".into(), Language::En, None);
        let report = Merge.run(input(found, json!([])), &cx).await.unwrap();
        assert_eq!(report.anomalies.iter().map(|a| a.metric.as_str()).collect::<Vec<_>>(), ["cpu@a"]);
        let note = |note| match note {
            Note::Episode(episode) => (episode.id, episode.phase),
            other => panic!("{other:?}"),
        };
        let noted: Vec<(String, Phase)> = cx.take_notes().into_iter().map(note).collect();
        assert_eq!(noted, [("cpu@a".to_string(), Phase::Ongoing), ("cpu@b".to_string(), Phase::Resolved)]);
    }

    #[test]
    fn one_series_that_several_detectors_found_is_one_anomaly() {
        let found = json!([
            anomaly("cpu@a", Severity::Medium, 85.0, 80.0),
            anomaly("cpu@b", Severity::Medium, 85.0, 80.0),
            anomaly("cpu@a", Severity::High, 85.0, 84.0),
        ]);
        let report = report(input(found, json!([])));
        let got: Vec<_> = report.anomalies.iter().map(|a| (a.metric.as_str(), a.threshold.get())).collect();
        assert_eq!(got, [("cpu@a", 84.0), ("cpu@b", 80.0)]);
    }
}
