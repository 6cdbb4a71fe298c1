//! The HTTP side: from a request to an answer, once its records are in the spool.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::check::{Checked, Unreadable, check, gunzip, mistake};
use super::connections::{Bounds, FAREWELL, Request, Response, TURNING_AWAY, serve};
use super::spool::Spool;
use crate::domain::Fault;
use crate::io::decode::Schema;
use crate::io::ingest::tally;

/// Bytes of requests that are worked on at the same time, in KiB; at least two of the largest fit in.
const IN_FLIGHT: usize = 64 << 10;
/// Requests that wait to be written; each holds a part of the above.
const WAITING: usize = 1024;
/// Seconds after which a client that was put off may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Bytes of a refused request that are read so that its connection can go on.
const REST: u64 = 1 << 20;
/// Threads that answer.
const THREADS: usize = 2;

/// What a server is told.
pub struct Terms {
    /// Of the URL.
    pub path: String,
    pub schema: Schema,
    pub max_body: u64,
    pub max_spool: u64,
    pub max_requests_per_second: Option<u32>,
    pub max_connections: u32,
    /// How long the head of a request may take to arrive, and how long its body.
    pub request_timeout: Duration,
    /// The fingerprint of the token that clients must show.
    pub token: Option<blake3::Hash>,
}

/// What could not be accepted so far, for the run record.
#[derive(Default)]
pub struct Rejected {
    pub bad: u64,
    pub faults: Vec<Fault>,
}

/// Answers until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub rejected: Arc<Mutex<Rejected>>,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// # Errors
    /// What the system says of the socket or a thread.
    pub fn start(socket: TcpListener, terms: Terms, spool: Arc<Spool>) -> io::Result<Server> {
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("agent-listen")
            .enable_all()
            .build()?;
        let (entries, waiting) = mpsc::sync_channel(WAITING);
        let rejected = Arc::new(Mutex::new(Rejected::default()));
        let largest = usize::try_from(terms.max_body >> 10).unwrap_or(usize::MAX / 4) + 1;
        let bounds = Bounds { connections: terms.max_connections, request: terms.request_timeout };
        let desk = Arc::new(Desk {
            in_flight: Semaphore::new((2 * largest).clamp(IN_FLIGHT, Semaphore::MAX_PERMITS)),
            allowance: terms.max_requests_per_second.map(|rate| Mutex::new(Allowance::new(rate))),
            rejected: rejected.clone(),
            spool: spool.clone(),
            entries,
            terms,
        });
        let (stop, stopped) = oneshot::channel();
        let writer = thread::Builder::new().name("agent-spool".into()).spawn(move || write(&waiting, &spool))?;
        let server = thread::Builder::new().name("agent-http".into()).spawn(move || {
            runtime.block_on(serve(socket, bounds, move |request| answer(desk.clone(), request), stopped));
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Server { address, rejected, stop: Some(stop), threads: vec![server, writer] })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody listens any more where the server has ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a panic of a thread has been printed
        }
    }
}

/// Lines of one request, and whom to tell that they are safe.
struct Entry {
    lines: Vec<u8>,
    done: oneshot::Sender<Result<(), String>>,
}

/// Puts everything that waits into the spool with one write.
fn write(waiting: &mpsc::Receiver<Entry>, spool: &Spool) {
    loop {
        let first = match waiting.recv_timeout(Duration::from_secs(3600)) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let more = std::iter::from_fn(|| waiting.try_recv().ok()).take(WAITING);
        let (mut lines, mut done) = (first.lines, vec![first.done]);
        for entry in more {
            lines.extend_from_slice(&entry.lines);
            done.push(entry.done);
        }
        let written = spool.append(&lines).map_err(|error| error.to_string());
        if let Err(why) = &written {
            tracing::error!("cannot keep what was received: {why}");
        }
        for done in done {
            let _ = done.send(written.clone()); // who asked may have hung up
        }
    }
}

/// What the requests have in common.
struct Desk {
    terms: Terms,
    spool: Arc<Spool>,
    entries: mpsc::SyncSender<Entry>,
    in_flight: Semaphore,
    allowance: Option<Mutex<Allowance>>,
    rejected: Arc<Mutex<Rejected>>,
}

/// Requests that may come now: as many as a second's may come at once.
struct Allowance {
    rate: f64,
    left: f64,
    since: Instant,
}

impl Allowance {
    fn new(rate: u32) -> Allowance {
        let rate = f64::from(rate.max(1));
        Allowance { rate, left: rate, since: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        self.left = (self.left + self.rate * (now - self.since).as_secs_f64()).min(self.rate);
        self.since = now;
        let permitted = self.left >= 1.0;
        self.left -= f64::from(u8::from(permitted));
        permitted
    }
}

async fn answer(desk: Arc<Desk>, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    let response = respond(&desk, &head, &mut body).await;
    // Who is told to go on only when somebody reads (`Expect`) has not sent anything, and need not.
    match head.headers.contains_key(header::EXPECT) || !read_out(&mut body).await {
        true if !body.is_end_stream() => with(header::CONNECTION, HeaderValue::from_static("close"), response),
        _ => response,
    }
}

/// Whether the rest of a request that was refused early is not long and arrives soon. Then its connection goes on, as the
/// client expects; a request is not over before it was read.
async fn read_out(body: &mut Incoming) -> bool {
    if body.size_hint().lower() > REST {
        return false;
    }
    let mut left = REST;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(TURNING_AWAY, rest).await.unwrap_or(false)
}

async fn respond(desk: &Desk, head: &Parts, body: &mut Incoming) -> Response {
    let path = head.uri.path();
    if head.method == Method::GET && path == "/healthz" {
        return reply(StatusCode::OK, json!({ "status": "ok" }));
    }
    if path != desk.terms.path {
        return refuse(StatusCode::NOT_FOUND, &format!("records are taken at {}", desk.terms.path));
    }
    if head.method != Method::POST {
        let refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "records are sent by POST");
        return with(header::ALLOW, HeaderValue::from_static("POST"), refused);
    }
    desk.receive(&head.headers, body).await.unwrap_or_else(|refused| refused)
}

impl Desk {
    async fn receive(&self, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Response> {
        self.admit(headers)?;
        let packed =
            match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
                None | Some(b"identity") => false,
                Some(b"gzip" | b"x-gzip") => true,
                Some(_) => return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the only encoding is gzip")),
            };
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.terms.max_body) {
            return Err(self.too_long());
        }
        let _in_flight = self.make_room(length.filter(|_| !packed))?;
        let body = self.read(body, packed).await?;
        let mistake = mistake(&body);
        let checked = check(body, &self.terms.schema)
            .map_err(|why| refuse(StatusCode::BAD_REQUEST, &format!("the array is not well-formed: {why}")))?;
        self.keep(checked, mistake).await
    }

    /// Who may send, and whether now.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Response> {
        if let Some(token) = &self.terms.token {
            let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
            // Hashes are compared in constant time.
            if !shown.is_some_and(|shown| blake3::hash(shown.trim_ascii()) == *token) {
                let refused = refuse(StatusCode::UNAUTHORIZED, "a bearer token is needed, and this is not the one");
                return Err(with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"), refused));
            }
        }
        let allowance = self.allowance.as_ref().map(|a| a.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if allowance.is_some_and(|mut allowance| !allowance.take(Instant::now())) {
            return Err(put_off("too many requests in a second"));
        }
        if self.spool.size() >= self.terms.max_spool {
            return Err(put_off(
                "more was received than windows have closed over yet; if it stays so, raise `max_spool`",
            ));
        }
        Ok(())
    }

    /// Memory for a body, whose length is the largest where it is not known.
    fn make_room(&self, length: Option<u64>) -> Result<SemaphorePermit<'_>, Response> {
        let length = u32::try_from((length.unwrap_or(self.terms.max_body) >> 10) + 1).unwrap_or(u32::MAX);
        self.in_flight.try_acquire_many(length).map_err(|_| put_off("too many requests at the same time"))
    }

    async fn read(&self, body: &mut Incoming, packed: bool) -> Result<Vec<u8>, Response> {
        let most = usize::try_from(self.terms.max_body).unwrap_or(usize::MAX);
        let read = tokio::time::timeout(self.terms.request_timeout, Limited::new(body, most).collect()).await;
        let read = read.map_err(|_| refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
        let bytes = read.map_err(|error| match error.is::<LengthLimitError>() {
            true => self.too_long(),
            // Nobody is left to hear of it.
            false => refuse(StatusCode::BAD_REQUEST, "the body broke off"),
        })?;
        let bytes = bytes.to_bytes();
        if !packed {
            return Ok(bytes.into());
        }
        gunzip(&bytes, self.terms.max_body).map_err(|why| match why {
            Unreadable::TooLong => self.too_long(),
            Unreadable::Damaged(why) => refuse(StatusCode::BAD_REQUEST, &format!("the body is no gzip: {why}")),
        })
    }

    fn too_long(&self) -> Response {
        let most = self.terms.max_body;
        refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body may have {most} bytes; send the records in parts"))
    }

    /// Answers once the records are safe.
    async fn keep(&self, mut checked: Checked, mistake: Option<&str>) -> Result<Response, Response> {
        if checked.bad > 0 {
            let mut rejected = self.rejected.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            rejected.bad += checked.bad;
            checked.faults.iter().for_each(|fault| tally::add(&mut rejected.faults, fault.clone(), None));
        }
        let mut said = json!({ "accepted": checked.records, "bad": checked.bad, "lines": checked.bad_lines() });
        if checked.records == 0 {
            let none = "there is no record in it that can be used";
            said["error"] = mistake.map_or(none.to_string(), |mistake| format!("{none}: {mistake}")).into();
            return Err(reply(StatusCode::UNPROCESSABLE_ENTITY, said));
        }
        let (done, safe) = oneshot::channel();
        let entry = Entry { lines: std::mem::take(&mut checked.lines), done };
        self.entries.try_send(entry).map_err(|_| put_off("too many requests at the same time"))?;
        match safe.await {
            Ok(Ok(())) => Ok(reply(StatusCode::ACCEPTED, said)),
            Ok(Err(why)) => Err(unavailable(&format!("the records could not be kept: {why}"))),
            Err(_) => Err(unavailable("the program is stopping")),
        }
    }
}

fn reply(status: StatusCode, body: Value) -> Response {
    let mut response = Response::new(format!("{body}\n").into());
    *response.status_mut() = status;
    with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"), response)
}

fn with(name: HeaderName, value: HeaderValue, mut response: Response) -> Response {
    response.headers_mut().insert(name, value);
    response
}

fn refuse(status: StatusCode, why: &str) -> Response {
    reply(status, json!({ "error": why }))
}

fn put_off(why: &str) -> Response {
    with(header::RETRY_AFTER, RETRY_AFTER, refuse(StatusCode::TOO_MANY_REQUESTS, why))
}

fn unavailable(why: &str) -> Response {
    with(header::RETRY_AFTER, RETRY_AFTER, refuse(StatusCode::SERVICE_UNAVAILABLE, why))
}
