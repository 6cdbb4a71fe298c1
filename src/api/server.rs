//! The HTTP side: limits, headers, and an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::problem::Problem;

/// What a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// How long an answer may take, but for streams of events.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { body: 64 << 20, time: Duration::from_secs(120) }
    }
}

/// An open port.
pub struct Listening {
    socket: TcpListener,
    pub address: SocketAddr,
}

/// Opens a port.
///
/// # Errors
/// What the system says.
pub async fn listen(address: SocketAddr) -> io::Result<Listening> {
    let socket = TcpListener::bind(address).await?;
    Ok(Listening { address: socket.local_addr()?, socket })
}

impl Listening {
    /// Answers until `end`, and then to the end what was begun.
    ///
    /// # Errors
    /// What the system says of the port.
    pub async fn serve(
        self,
        router: Router,
        limits: Limits,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let time = limits.time;
        let timed = move |request: Request, next: Next| async move {
            match tokio::time::timeout(time, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long").into_response(),
            }
        };
        let router = router.layer(DefaultBodyLimit::max(limits.body)).layer(from_fn(timed)).layer(from_fn(safe));
        axum::serve(self.socket, router).with_graceful_shutdown(end).await
    }
}

/// What browsers are told about every answer.
const HEADERS: &[(HeaderName, &str)] = &[
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

async fn safe(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }
    response
}

/// For paths without a route.
pub async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this path; /openapi.json lists what there is")
}

/// For methods that a path does not take; axum adds which ones it takes.
pub async fn not_so(method: Method, _: HeaderMap) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path does not take {method}"))
}
