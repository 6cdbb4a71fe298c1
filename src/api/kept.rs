//! What was kept: reports, anomalies, episodes, series and their measurements.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use super::asked::{Asked, InPath, Limit, page};
use super::document::{Describing, Needs, Operation, Routes};
use super::problem::Problem;
use super::{App, ask};
use crate::domain::{Severity, Span, Timestamp};
use crate::port::{
    AnomaliesAsked, EpisodesAsked, KeptAnomaly, KeptEpisode, KeptReport, KeptSeries, Page, Points, ReportsAsked,
    SeriesAsked, TimesAsked,
};

type Answered<T> = Result<Json<T>, Problem>;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reports {
    graph: Option<String>,
    /// Reports whose newest record is not older.
    from: Option<Timestamp>,
    /// Reports whose newest record is older.
    to: Option<Timestamp>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Anomalies {
    graph: Option<String>,
    /// Worst moment at or after.
    from: Option<Timestamp>,
    /// Worst moment before.
    to: Option<Timestamp>,
    /// This or worse.
    severity: Option<Severity>,
    entity: Option<String>,
    metric: Option<String>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Episodes {
    graph: Option<String>,
    /// Began at or after.
    from: Option<Timestamp>,
    /// Began before.
    to: Option<Timestamp>,
    /// This or worse, at its worst.
    severity: Option<Severity>,
    entity: Option<String>,
    metric: Option<String>,
    /// `true`: not over yet; `false`: over.
    open: Option<bool>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AllSeries {
    graph: Option<String>,
    entity: Option<String>,
    metric: Option<String>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Measurements {
    /// At or after.
    from: Option<Timestamp>,
    /// Before.
    to: Option<Timestamp>,
    /// Join values into spans of this length, such as `1m` or `1h`; without it they come as they were measured.
    every: Option<Span>,
}

/// Points of one answer at most.
const POINTS: u32 = 10_000;

pub fn mount(routes: &mut Routes) {
    fn list<Q: JsonSchema, T: JsonSchema>(d: &mut Describing<'_>, id: &str, summary: &str) -> Operation {
        let operation = d.get(id, Needs::Read, summary);
        let operation = d.query::<Q>(operation);
        d.answers::<Page<T>>(operation, 200, "application/json", "A page of them.")
    }
    routes.mount(
        "/v1/reports",
        |d| list::<Reports, KeptReport>(d, "listReports", "Reports, newest first"),
        get(reports),
    );
    let one = |d: &mut Describing<'_>| {
        let operation = d.get("getReport", Needs::Read, "A report");
        let operation = d.path::<i64>(operation, "id", "The report's `id`.");
        d.answers::<KeptReport>(operation, 200, "application/json", "The report and where it comes from.")
    };
    routes.mount("/v1/reports/{id}", one, get(report));
    let describe = |d: &mut Describing<'_>| {
        list::<Anomalies, KeptAnomaly>(d, "listAnomalies", "Anomalies of reports, newest first")
    };
    routes.mount("/v1/anomalies", describe, get(anomalies));
    let describe = |d: &mut Describing<'_>| list::<Episodes, KeptEpisode>(d, "listEpisodes", "Episodes, newest first");
    routes.mount("/v1/episodes", describe, get(episodes));
    let describe =
        |d: &mut Describing<'_>| list::<AllSeries, KeptSeries>(d, "listSeries", "Series of measurements, by number");
    routes.mount("/v1/series", describe, get(series));
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("listMeasurements", Needs::Read, "Measurements of a series, oldest first");
        let operation = d.path::<i64>(operation, "id", "The series' `id`.");
        let operation = d.query::<Measurements>(operation);
        d.answers::<Points>(operation, 200, "application/json", "The measurements, raw or joined.")
    };
    routes.mount("/v1/series/{id}/measurements", describe, get(measurements));
}

async fn reports(State(app): State<App>, Asked(asked): Asked<Reports>) -> Answered<Page<KeptReport>> {
    let Reports { graph, from, to, limit, cursor } = asked;
    let page = page(limit, cursor);
    ask(&app, move |archive| archive.reports(&ReportsAsked { graph, from, to }, &page)).await.map(Json)
}

async fn report(State(app): State<App>, InPath(id): InPath<i64>) -> Answered<KeptReport> {
    let found = ask(&app, move |archive| archive.report(id)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no report {id}")))
}

async fn anomalies(State(app): State<App>, Asked(asked): Asked<Anomalies>) -> Answered<Page<KeptAnomaly>> {
    let Anomalies { graph, from, to, severity, entity, metric, limit, cursor } = asked;
    let page = page(limit, cursor);
    let asked = AnomaliesAsked { graph, from, to, severity, entity, metric };
    ask(&app, move |archive| archive.anomalies(&asked, &page)).await.map(Json)
}

async fn episodes(State(app): State<App>, Asked(asked): Asked<Episodes>) -> Answered<Page<KeptEpisode>> {
    let Episodes { graph, from, to, severity, entity, metric, open, limit, cursor } = asked;
    let page = page(limit, cursor);
    let asked = EpisodesAsked { graph, from, to, severity, entity, metric, open };
    ask(&app, move |archive| archive.episodes(&asked, &page)).await.map(Json)
}

async fn series(State(app): State<App>, Asked(asked): Asked<AllSeries>) -> Answered<Page<KeptSeries>> {
    let AllSeries { graph, entity, metric, limit, cursor } = asked;
    let page = page(limit, cursor);
    ask(&app, move |archive| archive.series(&SeriesAsked { graph, entity, metric }, &page)).await.map(Json)
}

async fn measurements(
    State(app): State<App>,
    InPath(id): InPath<i64>,
    Asked(asked): Asked<Measurements>,
) -> Answered<Points> {
    let every = asked.every.map(|every| i64::try_from(every.0.as_micros()).unwrap_or(i64::MAX).max(1));
    let asked = TimesAsked { from: asked.from, to: asked.to, every };
    let found = ask(&app, move |archive| archive.measurements(id, &asked, POINTS)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no series {id}")))
}
