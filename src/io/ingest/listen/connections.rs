//! Connections: how many there may be, how long a request may take to come over one, and how they end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::timely::Timely;

/// How long requests that are being served may take when the server stops.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes that a connection may hold unread, its request's head among them.
const BUFFER: usize = 64 << 10;
/// Connections that are turned away at the same time; those beyond are closed without an answer.
const TURNED_AWAY: usize = 64;
/// How long turning one away may take, or hearing the rest of a request that was refused.
pub const TURNING_AWAY: Duration = Duration::from_secs(1);
/// How long accepting pauses when the system has no more of something.
const PAUSE: Duration = Duration::from_millis(200);

pub type Request = http::Request<Incoming>;
pub type Response = http::Response<Full<Bytes>>;

/// How much is borne with.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at the same time.
    pub connections: u32,
    /// How long the head of a request may take to arrive, from the end of the one before, and how long its answer to
    /// be read.
    pub request: Duration,
}

/// Answers requests until it is told to stop, and then ends those that are being served.
pub async fn serve<F>(
    socket: TcpListener,
    bounds: Bounds,
    answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
    stopped: oneshot::Receiver<()>,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("cannot listen: {error}"),
    };
    let connections = Arc::new(Semaphore::new(bounds.connections as usize));
    let (stop, told) = watch::channel(());
    let accepting = accept(listener, bounds, connections.clone(), &answer, told);
    tokio::select! {
        () = accepting => {}
        _ = stopped => {} // dropped means the same
    }
    drop(stop);
    let _ = timeout(FAREWELL, connections.acquire_many(bounds.connections)).await; // all are given back: all have ended
}

async fn accept<F>(
    listener: tokio::net::TcpListener,
    bounds: Bounds,
    connections: Arc<Semaphore>,
    answer: &(impl Fn(Request) -> F + Clone + Send + Sync + 'static),
    told: watch::Receiver<()>,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut warned = false;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}; it is tried again");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // an answer that comes later is as good
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            let connection = converse(stream, bounds.request, answer.clone(), told.clone());
            tokio::spawn(async move {
                connection.await;
                drop(permit);
            });
            continue;
        }
        if !std::mem::replace(&mut warned, true) {
            let most = bounds.connections;
            tracing::warn!("{most} connections are open, as many as `max_connections` permits; others are turned away");
        }
        if let Ok(permit) = turned_away.clone().try_acquire_owned() {
            tokio::spawn(async move {
                let _ = timeout(TURNING_AWAY, turn_away(stream)).await; // who does not listen is not waited for
                drop(permit);
            });
        }
    }
}

/// Whether accepting failed for what the other side did.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection.
async fn converse<F>(stream: TcpStream, limit: Duration, answer: impl Fn(Request) -> F, mut told: watch::Receiver<()>)
where
    F: Future<Output = Response>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        Box::pin(async move { Ok::<_, Infallible>(answered.await) })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limit).max_buf_size(BUFFER);
    let mut connection = builder.serve_connection(TokioIo::new(Timely::new(stream, limit)), service);
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
        _ = told.changed() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            return explain(connection.await);
        }
    };
    if ended.is_err() {
        return explain(ended);
    }
    let stream = connection.into_parts().io.into_inner().into_inner();
    tokio::select! {
        _ = timeout(TURNING_AWAY, part(stream)) => {}
        _ = told.changed() => {} // no stop waits for it
    }
}

/// What became of a connection concerns its client only.
fn explain(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!("a connection broke off: {error}");
    }
}

/// Ends a connection over which all was answered. A request may have been refused before it was there; what is sent after
/// a connection was closed resets it, and then the answer may be lost.
async fn part(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Says that there are too many. A client that is not asking yet would take the answer for a fault, so it is waited
/// for.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    const BODY: &str = "{\"error\":\"too many connections\"}\n";
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{BODY}"
    );
    let mut unread = [0; 4096];
    if stream.read(&mut unread).await? == 0 {
        return Ok(());
    }
    stream.write_all(answer.as_bytes()).await?;
    part(stream).await
}
