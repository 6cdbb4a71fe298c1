//! What was kept: reports, anomalies, episodes, series and their measurements.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::{Asked, InPath, Limit, paging};
use super::document::{Describing, Needs, Operation, Routes};
use super::problem::Problem;
use super::{App, ask};
use crate::domain::{Severity, Span, Timestamp};
use crate::port::{
    AnomalyFilter, Bucket, EpisodeFilter, Group, KeptAnomaly, KeptEpisode, KeptReport, Page, ReportFilter, Sample,
    Selection, Series, SeriesKind,
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
    /// Of the report of this number.
    report: Option<i64>,
    /// Of the episode of this id.
    episode: Option<String>,
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

/// Which series, and which of their values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    graph: Option<String>,
    /// Host, device or sensor; empty: of records that name none.
    entity: Option<String>,
    /// A field, or a service.
    metric: Option<String>,
    kind: Option<SeriesKind>,
    /// At or after.
    from: Option<Timestamp>,
    /// Before.
    to: Option<Timestamp>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Aggregates {
    graph: Option<String>,
    /// Host, device or sensor; empty: of records that name none.
    entity: Option<String>,
    /// A field, or a service.
    metric: Option<String>,
    kind: Option<SeriesKind>,
    /// At or after.
    from: Option<Timestamp>,
    /// Before.
    to: Option<Timestamp>,
    /// How long each span is, such as `1m` or `1h`.
    every: Span,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ranked {
    /// The attribute of entities to group by, such as `zone`.
    by: String,
    graph: Option<String>,
    metric: Option<String>,
}

/// Groups of entities, the one with the highest mean first.
#[derive(Debug, Serialize, JsonSchema)]
struct Ranking {
    items: Vec<Group>,
}

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
    let describe = |d: &mut Describing<'_>| list::<Which, Series>(d, "listSeries", "Series of measurements, by number");
    routes.mount("/v1/series", describe, get(series));
    let describe = |d: &mut Describing<'_>| {
        list::<Which, Sample>(d, "listMeasurements", "Measurements as they came: by series, oldest first")
    };
    routes.mount("/v1/measurements", describe, get(measurements));
    let describe = |d: &mut Describing<'_>| {
        list::<Aggregates, Bucket>(
            d,
            "listAggregates",
            "Measurements joined into spans of time: by series, oldest first",
        )
    };
    routes.mount("/v1/aggregates", describe, get(aggregates));
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("rank", Needs::Read, "Groups of entities by the mean of their values, the highest first");
        let operation = d.query::<Ranked>(operation);
        d.answers::<Ranking>(operation, 200, "application/json", "All groups.")
    };
    routes.mount("/v1/ranking", describe, get(ranking));
}

async fn reports(State(app): State<App>, Asked(asked): Asked<Reports>) -> Answered<Page<KeptReport>> {
    let Reports { graph, from, to, limit, cursor } = asked;
    let (filter, paging) = (ReportFilter { graph, key: None, from, to }, paging(limit, cursor));
    ask(&app, move |archive| archive.reports(&filter, &paging)).await.map(Json)
}

async fn report(State(app): State<App>, InPath(id): InPath<i64>) -> Answered<KeptReport> {
    let found = ask(&app, move |archive| archive.report(id)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no report {id}")))
}

async fn anomalies(State(app): State<App>, Asked(asked): Asked<Anomalies>) -> Answered<Page<KeptAnomaly>> {
    let Anomalies { graph, from, to, severity, entity, metric, report, episode, limit, cursor } = asked;
    let paging = paging(limit, cursor);
    let filter = AnomalyFilter { graph, report, severity, entity, metric, episode, from, to };
    ask(&app, move |archive| archive.anomalies(&filter, &paging)).await.map(Json)
}

async fn episodes(State(app): State<App>, Asked(asked): Asked<Episodes>) -> Answered<Page<KeptEpisode>> {
    let Episodes { graph, from, to, severity, entity, metric, open, limit, cursor } = asked;
    let paging = paging(limit, cursor);
    let filter = EpisodeFilter { graph, severity, entity, metric, open, from, to };
    ask(&app, move |archive| archive.episodes(&filter, &paging)).await.map(Json)
}

async fn series(State(app): State<App>, Asked(asked): Asked<Which>) -> Answered<Page<Series>> {
    let Which { graph, entity, metric, kind, from, to, limit, cursor } = asked;
    let (selection, paging) = (Selection { graph, entity, metric, kind, from, to }, paging(limit, cursor));
    ask(&app, move |archive| archive.series(&selection, &paging)).await.map(Json)
}

async fn measurements(State(app): State<App>, Asked(asked): Asked<Which>) -> Answered<Page<Sample>> {
    let Which { graph, entity, metric, kind, from, to, limit, cursor } = asked;
    let (selection, paging) = (Selection { graph, entity, metric, kind, from, to }, paging(limit, cursor));
    ask(&app, move |archive| archive.measurements(&selection, &paging)).await.map(Json)
}

async fn aggregates(State(app): State<App>, Asked(asked): Asked<Aggregates>) -> Answered<Page<Bucket>> {
    let Aggregates { graph, entity, metric, kind, from, to, every, limit, cursor } = asked;
    let (selection, paging) = (Selection { graph, entity, metric, kind, from, to }, paging(limit, cursor));
    let step = i64::try_from(every.0.as_micros()).unwrap_or(i64::MAX).max(1);
    ask(&app, move |archive| archive.aggregates(&selection, step, &paging)).await.map(Json)
}

async fn ranking(State(app): State<App>, Asked(asked): Asked<Ranked>) -> Answered<Ranking> {
    let Ranked { by, graph, metric } = asked;
    let selection = Selection { graph, metric, ..Selection::default() };
    let items = ask(&app, move |archive| archive.ranking(&by, &selection)).await?;
    Ok(Json(Ranking { items }))
}
