//! The newest report of each graph. Asked for most of all, so it is kept as the bytes of its answer.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use super::App;
use super::asked::Asked;
use super::board::Newest;
use super::document::{Needs, Routes};
use super::problem::Problem;
use crate::domain::Report;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this graph; where it is left out, the newest of all.
    graph: Option<String>,
}

pub fn mount(routes: &mut Routes) {
    let describe = |d: &mut super::document::Describing<'_>| {
        let operation = d.get("newestReport", Needs::Read, "The newest report");
        let operation = d.query::<Which>(operation);
        d.answers::<Report>(
            operation,
            200,
            "application/json",
            "The report. `etag` names it: the same with `if-none-match` is a 304.",
        )
        .empty(304, "It is the one that the client has.")
        .problem(404, "There is no report yet.")
    };
    routes.mount("/v1/reports/newest", describe, get(newest));
}

async fn newest(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(which): Asked<Which>,
) -> Result<Response<Body>, Problem> {
    let found = app.board.newest(which.graph.as_deref());
    let Some(Newest { tag, text, .. }) = found else {
        return Err(Problem::not_found("there is no report yet"));
    };
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => text.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(response)
}
