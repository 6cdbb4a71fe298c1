//! What goes on now: graphs, their nodes, and the services that they report on.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::asked::{Asked, InPath};
use super::board::GraphNow;
use super::document::{Describing, Needs, Routes};
use super::problem::Problem;
use crate::domain::{ServiceSummary, Timestamp};

/// The graphs that are served.
#[derive(Debug, Serialize, JsonSchema)]
struct Graphs {
    items: Vec<GraphNow>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this graph; where it is left out, of the newest report of all.
    graph: Option<String>,
}

/// Services by their newest status.
#[derive(Debug, Serialize, JsonSchema)]
struct Services {
    graph: String,
    /// Of the newest record of the report that tells it.
    time: Timestamp,
    services: ServiceSummary,
}

pub fn mount(routes: &mut Routes) {
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("listGraphs", Needs::Read, "The graphs that are served, and what their nodes do now");
        d.answers::<Graphs>(operation, 200, "application/json", "All of them.")
    };
    routes.mount("/v1/graphs", describe, get(graphs));
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("getGraph", Needs::Read, "A graph, and what its nodes do now");
        let operation = d.path::<String>(operation, "name", "The graph's name.");
        d.answers::<GraphNow>(operation, 200, "application/json", "The graph.")
    };
    routes.mount("/v1/graphs/{name}", describe, get(graph));
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("getServices", Needs::Read, "Services by their newest status");
        let operation = d.query::<Which>(operation);
        d.answers::<Services>(operation, 200, "application/json", "As the newest report has them.")
            .problem(404, "There is no report yet.")
    };
    routes.mount("/v1/services", describe, get(services));
}

async fn graphs(State(app): State<App>) -> Json<Graphs> {
    Json(Graphs { items: app.board.graphs().iter().map(|graph| graph.snapshot()).collect() })
}

async fn graph(State(app): State<App>, InPath(name): InPath<String>) -> Result<Json<GraphNow>, Problem> {
    let found = app.board.graph(&name).map(|graph| Json(graph.snapshot()));
    found.ok_or_else(|| Problem::not_found("no graph of this name is served"))
}

async fn services(State(app): State<App>, Asked(which): Asked<Which>) -> Result<Json<Services>, Problem> {
    let found = app.board.newest(which.graph.as_deref());
    let newest = found.ok_or_else(|| Problem::not_found("there is no report yet"))?;
    Ok(Json(Services { graph: newest.graph, time: newest.time, services: newest.services }))
}
