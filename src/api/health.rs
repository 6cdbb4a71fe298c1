//! Whether the server is well, what it has done, and what it offers.

use std::fmt::Write;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;

use super::board::Counts;
use super::document::{Describing, Needs, Routes};
use super::problem::Problem;
use super::{App, ask};
use crate::port::{Paging, RunFilter};

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// `ok`.
    status: String,
}

pub fn mount(routes: &mut Routes) {
    let alive = |d: &mut Describing<'_>| {
        let operation = d.get("healthz", Needs::Nothing, "Whether the server is alive");
        d.answers::<Health>(operation, 200, "application/json", "It is.")
    };
    routes.mount("/healthz", alive, get(async || axum::Json(Health { status: "ok".to_string() })));
    let ready = |d: &mut Describing<'_>| {
        let operation = d.get("readyz", Needs::Nothing, "Whether graphs run and the store can be read");
        d.answers::<Health>(operation, 200, "application/json", "They do, and it can.")
    };
    routes.mount("/readyz", ready, get(readyz));
    let metrics = |d: &mut Describing<'_>| {
        let operation = d.get("metrics", Needs::Read, "Metrics of the server itself, as Prometheus reads them");
        d.answers::<String>(operation, 200, "text/plain", "The text format, version 0.0.4.")
    };
    routes.mount("/metrics", metrics, get(self::metrics));
}

/// The document itself is no part of what it describes.
pub fn described(document: Bytes) -> Router<App> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    Router::new().route("/openapi.json", get(async move || (json, document).into_response()))
}

async fn readyz(State(app): State<App>) -> Result<axum::Json<Health>, Problem> {
    let stopped = app.board.graphs().iter().find_map(|graph| Some((graph.name.clone(), graph.snapshot().error?)));
    if let Some((name, why)) = stopped {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the graph `{name}` does not run: {why}")));
    }
    let one = Paging { limit: Some(1), after: None };
    ask(&app, move |archive| archive.runs(&RunFilter::default(), &one).map(drop)).await?;
    Ok(axum::Json(Health { status: "ok".to_string() }))
}

/// A metric: its name, what it is, whether it only rises, and how it is read.
type Metric = (&'static str, &'static str, &'static str, fn(&Counts) -> Option<f64>);

const METRICS: &[Metric] = &[
    ("agent_runs_total", "Runs that have ended.", "counter", |c| Some(c.runs as f64)),
    ("agent_failed_runs_total", "Runs that have failed.", "counter", |c| Some(c.failed_runs as f64)),
    ("agent_reports_total", "Reports that were made.", "counter", |c| Some(c.reports as f64)),
    ("agent_records_total", "Records that were read.", "counter", |c| Some(c.records as f64)),
    ("agent_bad_records_total", "Records that could not be used.", "counter", |c| Some(c.bad_records as f64)),
    ("agent_late_records_total", "Records too late for their window.", "counter", |c| Some(c.late_records as f64)),
    ("agent_episodes_opened_total", "Episodes that have begun.", "counter", |c| Some(c.episodes_opened as f64)),
    ("agent_episodes_resolved_total", "Episodes that are over.", "counter", |c| Some(c.episodes_resolved as f64)),
    ("agent_model_calls_total", "Calls of a model.", "counter", |c| Some(c.model_calls as f64)),
    ("agent_model_cache_hits_total", "Answers that were kept from earlier.", "counter", |c| {
        Some(c.model_cache_hits as f64)
    }),
    ("agent_prompt_tokens_total", "Tokens that were sent to models.", "counter", |c| Some(c.prompt_tokens as f64)),
    ("agent_completion_tokens_total", "Tokens that models sent.", "counter", |c| Some(c.completion_tokens as f64)),
    ("agent_model_cost_total", "What models cost, in the currency of the prices.", "counter", |c| Some(c.model_cost)),
    ("agent_samples_stored_total", "Values that went to stores.", "counter", |c| Some(c.samples_stored as f64)),
    ("agent_window_lag_seconds", "From the end of the newest window to its report.", "gauge", |c| c.lag_seconds),
];

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = String::new();
    let graphs: Vec<(String, Counts)> =
        app.board.graphs().iter().map(|graph| (label(&graph.name), graph.snapshot().counts)).collect();
    // Writing to a string does not fail.
    for (name, help, kind, value) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (graph, counts) in &graphs {
            if let Some(value) = value(counts) {
                let _ = writeln!(text, "{name}{{graph=\"{graph}\"}} {value}");
            }
        }
    }
    let (name, version) = ("agent_build_info", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "# HELP {name} This program.\n# TYPE {name} gauge\n{name}{{version=\"{version}\"}} 1");
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// A name as the value of a label.
fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
