//! Runs: those that were, and one now.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asked::{Asked, InPath, Limit, paging};
use super::document::{Describing, Needs, Routes};
use super::problem::Problem;
use super::{App, Ran, Refused, ask};
use crate::domain::{Report, RunStatus, Timestamp};
use crate::port::{KeptRun, Page, RunFilter};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Runs {
    graph: Option<String>,
    status: Option<RunStatus>,
    /// Began at or after.
    from: Option<Timestamp>,
    /// Began before.
    to: Option<Timestamp>,
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The graph to run.
    graph: String,
}

/// A run that has ended.
#[derive(Debug, Serialize, JsonSchema)]
struct RunNow {
    run: String,
    /// `null` where the graph makes none.
    report: Option<Report>,
}

/// The journal of a run.
#[derive(Debug, Serialize, JsonSchema)]
struct Journal {
    /// An object per event: `at`, and `event` with one key that names it.
    events: Vec<Value>,
}

/// The input of a run: JSON, NDJSON or CSV. An empty one: the graph reads what it names.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Input(#[allow(dead_code, reason = "only its schema is wanted")] String);

pub fn mount(routes: &mut Routes) {
    let list = |d: &mut Describing<'_>| {
        let operation = d.get("listRuns", Needs::Read, "Runs that have ended, newest first");
        let operation = d.query::<Runs>(operation);
        d.answers::<Page<KeptRun>>(operation, 200, "application/json", "A page of them.")
    };
    routes.mount("/v1/runs", list, get(runs));
    let begin = |d: &mut Describing<'_>| {
        let operation = d.post("run", Needs::Run, "Run a graph now, with the body for its input");
        let operation = d.query::<Which>(operation);
        let operation = d.body::<Input>(operation, "application/octet-stream");
        d.answers::<RunNow>(operation, 200, "application/json", "The run has ended.")
            .problem(404, "No graph of this name is served.")
            .problem(413, "The body is too long.")
            .problem(422, "The graph cannot be run so, or the input cannot be used.")
            .problem(429, "Too many runs at a time; Retry-After says when to come again.")
    };
    routes.mount("/v1/runs", begin, axum::routing::post(run_now));
    let one = |d: &mut Describing<'_>| {
        let operation = d.get("getRun", Needs::Read, "A run record");
        let operation = d.path::<String>(operation, "id", "The run's id.");
        d.answers::<KeptRun>(operation, 200, "application/json", "All that is known of the run.")
    };
    routes.mount("/v1/runs/{id}", one, get(run));
    let journal = |d: &mut Describing<'_>| {
        let operation = d.get("getRunEvents", Needs::Read, "The journal of a run");
        let operation = d.path::<String>(operation, "id", "The run's id.");
        d.answers::<Journal>(operation, 200, "application/json", "Its events, oldest first.")
    };
    routes.mount("/v1/runs/{id}/events", journal, get(events));
}

async fn runs(State(app): State<App>, Asked(asked): Asked<Runs>) -> Result<Json<Page<KeptRun>>, Problem> {
    let Runs { graph, status, from, to, limit, cursor } = asked;
    let paging = paging(limit, cursor);
    ask(&app, move |archive| archive.runs(&RunFilter { graph, status, from, to }, &paging)).await.map(Json)
}

async fn run(State(app): State<App>, InPath(id): InPath<String>) -> Result<Json<KeptRun>, Problem> {
    let found = ask(&app, move |archive| archive.run(&id)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("no run of this id is kept"))
}

async fn events(State(app): State<App>, InPath(id): InPath<String>) -> Result<Json<Journal>, Problem> {
    let found = apart(&app, move |app| app.runner.events(&id)).await?;
    let events = found.ok_or_else(|| Problem::not_found("no journal of this run is kept"))?;
    Ok(Json(Journal { events }))
}

async fn run_now(
    State(app): State<App>,
    Asked(which): Asked<Which>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RunNow>, Problem> {
    let body = body?;
    if app.board.graph(&which.graph).is_none() {
        return Err(Problem::not_found("no graph of this name is served"));
    }
    let Ok(permit) = app.running.clone().try_acquire_owned() else {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "as many runs as may be are going on"));
    };
    let ran = apart(&app, move |app| {
        let _permit = permit; // until the run ends, whether anybody waits for it or not
        let input = (!body.is_empty()).then_some(body.as_ref());
        app.runner.run(&which.graph, input)
    });
    match ran.await? {
        Ok(Ran { run, report }) => Ok(Json(RunNow { run, report })),
        Err(Refused::Asked(why) | Refused::Failed(why)) => Err(Problem::of(StatusCode::UNPROCESSABLE_ENTITY, &why)),
    }
}

/// Away from the threads that answer.
async fn apart<T: Send + 'static>(app: &App, work: impl FnOnce(&App) -> T + Send + 'static) -> Result<T, Problem> {
    let app = app.clone();
    let done = tokio::task::spawn_blocking(move || work(&app)).await;
    done.map_err(|panic| Problem::unavailable(&panic.to_string()))
}
