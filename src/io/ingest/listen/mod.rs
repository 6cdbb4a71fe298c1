//! The kind `ingest.listen`.

mod check;
mod connections;
mod server;
mod spool;
#[cfg(test)]
mod tests;
mod timely;

use std::net::TcpListener;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::{JsonSchema, Schema as JsonSchemaText, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::tally;
use super::times::Period;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::{InputRecord, Position};
use crate::io::atomic::write_atomic;
use crate::io::decode::{Feed, Format, Limits, Options, Schema, Strand};
use crate::io::llm::Environment;
use crate::node::{Assets, Next, PATIENCE, Pass, Reader, Source};
use server::{Server, Terms};
use spool::{More, Place, Spool};

/// Into so many segments the largest spool is cut; the oldest is deleted as a whole.
const SEGMENTS: u64 = 16;
/// Bytes of a segment, at least and at most.
const SEGMENT: (u64, u64) = (64 << 10, 16 << 20);
/// Name of the file in the source's folder that says where it listens.
const ADDRESS: &str = "listen.addr";

/// Takes telemetry that is sent to it by HTTP: `POST` of NDJSON or of a JSON array. A live source.
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.listen"
/// address = "127.0.0.1:8471"
/// token_env = "AGENT_LISTEN_TOKEN"
/// ```
///
/// ```sh
/// curl --data-binary @telemetry.ndjson -H "Authorization: Bearer $AGENT_LISTEN_TOKEN" http://127.0.0.1:8471/
/// ```
///
/// Records are as `ingest.file` describes them (`agent kinds ingest.file`). A body is records one a line, an array, or
/// one object; with `Content-Encoding: gzip` it is unpacked. The answers:
///
/// - **202** The records are safe. The body says how many, and which lines or elements could not be used:
///   `{"accepted": 2, "bad": 1, "lines": [{"line": 2, "code": "AG0108", "what": "…", "detail": "…"}]}`
/// - **422** None could be used; the body says the same. **400** An array that is not well-formed, or no gzip.
/// - **429** with `Retry-After`: more than `max_spool` waits to be worked on, or too many requests came at once or
///   within a second. Nothing of the body was taken. **503** The disk is full or fails, or the program is stopping.
/// - **401** The token is missing or wrong. **413** The body is longer than `max_body`. **415** Another encoding.
/// - **408** The body took longer than `request_timeout` to arrive. A connection over which no whole head of a request came
///   in that time, or whose client does not read the answer in that time, is closed, also one that is kept open between two
///   requests: send again over a new one.
/// - **503** with `Retry-After`, and the connection is closed: `max_connections` are open, or kept open, already. While
///   very many are turned away so, further ones are closed without an answer.
///
/// What is refused before it was all there is read first, up to 1 MiB and for a second, so that its connection can be used
/// again; where it is longer or slower the answer says `Connection: close`.
///
/// `GET /healthz` answers 200 without a token.
///
/// Safe means that the records are in a file (the spool, in the state of the graph) and are read again after the process
/// was killed, until what they went into is done; then the file is deleted. They survive the process; with
/// `sync = true`, where each write is forced to the disk, also the machine. Many requests share one write. A client that got no
/// answer cannot know; if it sends again, records that were kept count twice. In a run that keeps no state (`--no-journal`)
/// records are in memory only.
///
/// Senders may buffer. One that posts every 20 s what it held back is waited for 30 s before windows close by the clock,
/// whatever `idle` of `[window]` says, once a first such post has come. Where several send at different times, the newest
/// record of all says what time it is: `grace` must be as long as the longest that one of them holds records back, or
/// what it sends is late; a node for each sender (a port of its own) needs none.
///
/// The spool keeps records until the report of their window is safe, so it must hold a window with its grace: at 1,000
/// records of 100 bytes a second an hour takes 360 MB. When it is full, because the run is slow or `max_spool` too small,
/// clients are put off, and windows close by the clock meanwhile, `grace` after their end, so that it empties itself; what
/// clients send again goes into the next window. Memory stays as it is. There is no
/// TLS: listen on the loopback or behind a proxy, and set a token where others can reach the address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen. With port 0 the system chooses one; it is in the log, and in the file `listen.addr` beside the
    /// spool.
    #[serde(default = "address")]
    pub address: String,
    /// Path of the URL that takes records.
    #[serde(default = "root")]
    pub path: String,
    /// Name of the environment variable that holds the token which clients must show.
    #[serde(default)]
    pub token_env: Option<String>,
    /// Longest body, unpacked.
    #[serde(default = "max_body")]
    pub max_body: Size,
    /// How much may wait to be worked on before clients are put off.
    #[serde(default = "max_spool")]
    pub max_spool: Size,
    /// Requests that are answered in a second; any number by default.
    #[serde(default)]
    pub max_requests_per_second: Option<u32>,
    /// Connections that may be open at the same time. A busy one takes a file descriptor and up to 64 KiB beside its body.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 1))]
    pub max_connections: NonZeroU16,
    /// How long the head of a request, and then its body, may take to arrive, and its answer to be read; `"30s"` by default.
    #[serde(default = "half_a_minute")]
    pub request_timeout: Period,
    /// Whether each write is forced to the disk, so that records also survive the machine.
    #[serde(default)]
    pub sync: bool,
    /// Which fields mean what.
    #[serde(default)]
    pub schema: Schema,
}

fn address() -> String {
    "127.0.0.1:8471".to_string()
}

fn root() -> String {
    "/".to_string()
}

fn max_body() -> Size {
    Size(8 << 20)
}

fn max_spool() -> Size {
    Size(256 << 20)
}

fn max_connections() -> NonZeroU16 {
    const { NonZeroU16::new(512).unwrap() }
}

fn half_a_minute() -> Period {
    Period(Duration::from_secs(30))
}

/// A number of bytes, as a number or with a unit: `"8 MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

impl serde::Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{} MiB", self.0 >> 20))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.get(digits.len()..).unwrap_or_default().trim();
        let shift = match unit {
            "B" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            "GiB" => Some(30),
            _ => None,
        };
        let size = digits.trim().parse::<u64>().ok().zip(shift).and_then(|(n, shift)| n.checked_mul(1 << shift));
        let expected = "a size below 1024 GiB such as \"512 KiB\", \"8 MiB\" or \"1 GiB\"";
        let wrong = || de::Error::invalid_value(de::Unexpected::Str(&text), &expected);
        size.filter(|size| (1..1 << 40).contains(size)).map(Size).ok_or_else(wrong)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaText {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)$" })
    }
}

/// The source.
pub struct IngestListen {
    config: Config,
}

impl Source for IngestListen {
    const KIND: &'static str = "ingest.listen";
    const VERSION: u32 = 1;
    type Config = Config;

    fn new(config: Config, _: &Assets<'_>) -> Result<IngestListen, Vec<Diagnostic>> {
        if !config.path.starts_with('/') {
            let what = format!("the path of a URL begins with `/`, and `{}` does not", config.path);
            return Err(vec![Diagnostic::new(input::ADDRESS, what).help("`path = \"/\"` takes records at the root")]);
        }
        Ok(IngestListen { config })
    }

    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        let (environment, _) = Environment::load(); // what is wrong in `.env` has been said
        Ok(Box::new(Listener::open(&self.config, pass, &|name| environment.get(name).map(str::to_string))?))
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// Reads what the server puts into the spool.
struct Listener {
    node: String,
    path: String,
    feed: Feed,
    strand: Strand,
    segment: u64,
    spool: Arc<Spool>,
    server: Server,
    max_spool: u64,
    /// Whether the spool is in memory, where nobody comes back for it.
    fleeting: bool,
}

impl Listener {
    fn open(
        config: &Config,
        pass: &Pass<'_>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Listener, Diagnostic> {
        let token = config.token_env.as_deref().map(|name| token(name, variable)).transpose()?;
        let from = pass.from.and_then(|from| serde_json::from_str::<Place>(&from.0).ok()).unwrap_or_default();
        let segment = (config.max_spool.0 / SEGMENTS).clamp(SEGMENT.0, SEGMENT.1);
        let spool =
            Spool::open(pass.folder, from, segment, config.sync).map_err(|error| unusable(pass.folder, &error))?;
        let spool = Arc::new(spool);
        let open = config.token_env.is_none();
        let socket = bind(&config.address)?;
        let terms = Terms {
            path: config.path.clone(),
            schema: config.schema.clone(),
            max_body: config.max_body.0,
            max_spool: config.max_spool.0,
            max_requests_per_second: config.max_requests_per_second,
            max_connections: config.max_connections.get().into(),
            request_timeout: config.request_timeout.0,
            token,
        };
        let server = Server::start(socket, terms, spool.clone()).map_err(|error| refuse(&config.address, &error))?;
        tracing::info!("listening on http://{}{}", server.address, config.path);
        if open && !server.address.ip().is_loopback() {
            tracing::warn!("whoever reaches {} can send records; `token_env` asks for a token", server.address);
        }
        match pass.folder {
            None => tracing::warn!("no state is kept: records that are received are lost with the process"),
            Some(folder) => write_atomic(&folder.join(ADDRESS), server.address.to_string().as_bytes())
                .map_err(|error| unusable(pass.folder, &error))?,
        }
        let (wanted, limits) = (pass.wanted, Limits::default());
        let format = Some(Format::Ndjson);
        let mut feed = Feed::new(&Options { format, schema: &config.schema, wanted, max_bad_ratio: 1.0, limits });
        let mark = crate::io::decode::Mark { offset: from.offset, rows: from.rows, format };
        let strand = feed.resume(&config.address, false, mark, &[])?;
        Ok(Listener {
            node: pass.node.to_string(),
            path: format!("http://{}{}", server.address, config.path),
            feed,
            strand,
            segment: from.segment,
            spool,
            server,
            max_spool: config.max_spool.0,
            fleeting: pass.folder.is_none(),
        })
    }

    fn place(&self) -> Place {
        let mark = self.strand.mark();
        Place { segment: self.segment, offset: mark.offset, rows: mark.rows }
    }
}

/// The fingerprint of the token.
fn token(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<blake3::Hash, Diagnostic> {
    let value = variable(name);
    match value.as_deref().map(str::trim).filter(|value| !value.is_empty()) {
        Some(value) => Ok(blake3::hash(value.as_bytes())),
        None => Err(Diagnostic::new(input::TOKEN, format!("the environment variable `{name}` is not set"))
            .help("set it to the token that clients show, or take `token_env` out to let everybody send")),
    }
}

fn bind(address: &str) -> Result<TcpListener, Diagnostic> {
    TcpListener::bind(address).map_err(|error| refuse(address, &error))
}

fn refuse(address: &str, error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process listens there".to_string(),
        std::io::ErrorKind::AddrNotAvailable => "it is no address of this machine".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        _ => error.to_string(),
    };
    Diagnostic::new(input::ADDRESS, format!("cannot listen on `{address}`: {why}")).help(input::ADDRESS.remedy)
}

fn unusable(folder: Option<&Path>, error: &std::io::Error) -> Diagnostic {
    let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
    Diagnostic::new(input::SPOOL, format!("the spool in `{folder}` cannot be used: {error}")).help(input::SPOOL.remedy)
}

impl Reader for Listener {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let since = Instant::now();
        loop {
            if let Some(batch) = self.feed.take(&mut self.strand, false)? {
                if self.fleeting {
                    self.spool.release(self.place());
                }
                return Ok(Next::Batch(batch));
            }
            let patience = PATIENCE.saturating_sub(since.elapsed());
            let block = Limits::default().block as u64;
            let more = self.spool.more(self.segment, self.strand.arrived(), block, patience);
            match more.map_err(|error| unusable(None, &error))? {
                More::Bytes(bytes) => self.feed.push(&mut self.strand, &bytes),
                More::Segment(next) => {
                    self.segment = next;
                    self.strand = self.feed.strand(self.strand.name(), false);
                }
                More::Nothing => return Ok(Next::Idle),
            }
        }
    }

    fn position(&self) -> Option<Position> {
        let place = if self.fleeting { None } else { serde_json::to_string(&self.place()).ok() };
        place.map(Position)
    }

    fn release(&mut self, position: &Position) {
        if let Ok(place) = serde_json::from_str(&position.0) {
            self.spool.release(place);
        }
    }

    fn is_full(&self) -> bool {
        self.spool.size() >= self.max_spool
    }

    fn record(&self) -> InputRecord {
        let mut record = self.feed.record();
        let rejected = self.server.rejected.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        record.bad += rejected.bad;
        rejected.faults.iter().for_each(|fault| tally::add(&mut record.faults, fault.clone(), None));
        let format = Format::Ndjson.name().to_string();
        InputRecord { node: self.node.clone(), path: self.path.clone(), format, ..record }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.feed.bytes(), None)
    }
}
