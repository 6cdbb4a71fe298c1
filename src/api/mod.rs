//! The API: what was kept, and what is going on, over HTTP. It reads through [`Archive`] and looks on as a
//! [`Watcher`](crate::engine::Watcher); what it is asked to do, a [`Runner`] does.
//!
//! ```text
//!   request ─► limits ─► headers ─► who may ([`auth`]) ─► route ─┬─► Archive   reports, anomalies, measurements, runs
//!                                                              ├─► Board     graphs and what their nodes do now
//!                                                              └─► Runner    run a graph
//! ```
//!
//! [`document`] describes every route from the value that mounts it; `/openapi.json` is that description.

mod asked;
pub mod auth;
mod board;
mod document;
mod events;
mod health;
mod kept;
mod newest;
mod now;
mod problem;
mod runs;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use serde_json::Value;

use self::auth::Guard;
use crate::diagnostic::Diagnostic;
use crate::domain::Report;
use crate::engine::Cancel;
use crate::port::{Archive, ReadError};

pub use board::{Board, GraphBoard, Told};
pub use server::{Limits, Listening, listen};

/// Does what the API is asked to do.
pub trait Runner: Send + Sync {
    /// Runs a graph to its end, with this input in place of its own, where one is given. Blocks.
    ///
    /// # Errors
    /// Why there is no report: first what is wrong with the request, then what went wrong.
    fn run(&self, graph: &str, input: Option<&[u8]>) -> Result<Ran, Refused>;

    /// The journal of a run, a JSON value per event; `None` where no such run is kept.
    fn events(&self, run: &str) -> Option<Vec<Value>>;
}

/// A run that has ended.
pub struct Ran {
    pub run: String,
    /// `None` where the graph makes none.
    pub report: Option<Report>,
}

/// Why a run did not come to its end.
pub enum Refused {
    /// There is no such graph, or it cannot take this input.
    Asked(Vec<Diagnostic>),
    /// The run failed.
    Failed(Vec<Diagnostic>),
}

/// What requests are answered from.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    pub archive: Arc<dyn Archive>,
    pub board: Arc<Board>,
    pub runner: Arc<dyn Runner>,
    /// Who may ask.
    pub guard: Guard,
    /// Runs that may go on at a time.
    pub running: Arc<tokio::sync::Semaphore>,
    /// Cancelled when the server is to end: whoever listens is let go.
    pub drain: Cancel,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub fn new(parts: Parts) -> App {
        App(Arc::new(parts))
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let (router, document) = routes(Some(app.guard.clone()));
    // It was made from strings and numbers, which always serialise.
    let document = Bytes::from(serde_json::to_vec_pretty(&document).unwrap_or_default());
    let router = router.merge(health::described(document));
    router.fallback(server::nothing_here).method_not_allowed_fallback(server::not_so).with_state(app)
}

/// The OpenAPI document.
pub fn document() -> Value {
    routes(None).1
}

fn routes(guard: Option<Guard>) -> (Router<App>, Value) {
    let mut routes = document::Routes::new(guard);
    health::mount(&mut routes);
    newest::mount(&mut routes);
    kept::mount(&mut routes);
    now::mount(&mut routes);
    runs::mount(&mut routes);
    events::mount(&mut routes);
    routes.finish()
}

/// Asks the archive something, away from the threads that answer.
async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&dyn Archive) -> crate::port::Answer<T> + Send + 'static,
) -> Result<T, problem::Problem> {
    let app = app.clone();
    let answer = tokio::task::spawn_blocking(move || question(app.archive.as_ref())).await;
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ReadError::Cursor)) => {
            Err(problem::Problem::bad_request("this `cursor` was not given out by this list"))
        }
        Ok(Err(ReadError::Store(why))) => Err(problem::Problem::unavailable(&why.to_string())),
        Err(panic) => Err(problem::Problem::unavailable(&panic.to_string())),
    }
}
