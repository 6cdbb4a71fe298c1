//! What changes, as it changes: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::board::Told;
use super::document::{Describing, Needs, Routes};

/// So that a listener knows that the connection is alive.
const BEAT: Duration = Duration::from_secs(15);

pub fn mount(routes: &mut Routes) {
    let describe = |d: &mut Describing<'_>| {
        let operation = d.get("listen", Needs::Read, "What changes, as it changes");
        let what =
            "Server-sent events; the data of each is JSON. The event `behind` says that some were missed: look anew.";
        d.answers::<Told>(operation, 200, "text/event-stream", what)
    };
    routes.mount("/v1/events", describe, get(listen));
}

async fn listen(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let listening = (app.board.listen(), app.drain.clone());
    let told = stream::unfold(listening, |(mut told, drain)| async {
        let heard = tokio::select! {
            heard = told.recv() => heard,
            () = drain.cancelled() => return None,
        };
        let event = match heard {
            // Our own types always serialise.
            Ok(what) => Event::default().event(name(&what)).json_data(&what).unwrap_or_default(),
            Err(RecvError::Lagged(_)) => Event::default().event("behind").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (told, drain)))
    });
    Sse::new(told).keep_alive(KeepAlive::new().interval(BEAT))
}

fn name(what: &Told) -> &'static str {
    match what {
        Told::Node { .. } => "node",
        Told::Read { .. } => "read",
        Told::Report { .. } => "report",
        Told::Began { .. } => "began",
        Told::Ended { .. } => "ended",
    }
}
