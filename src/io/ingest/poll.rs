//! The kind `ingest.poll`.

mod address;
mod body;
mod fresh;
mod rounds;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use self::address::Address;
use self::fresh::Seen;
use self::rounds::{Rounds, State};
use super::remote::{Access, Caller, Pace, Remote, Terms, check_access, shown};
use super::times::{Period, Start, now};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::Wait;
use crate::io::decode::Schema;
use crate::io::llm::Environment;
use crate::node::{Assets, Pass, Reader, Source};

/// Reads telemetry from an HTTP API by asking it again and again.
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.poll"
/// url = "https://api.example.com/v1/measurements?since={last_time}"
/// every = "30s"
/// records = "data.items"             # where the records are in the answer
/// next = "links.next"                # where the address of the next page is
/// token_env = "API_TOKEN"            # or username = "…" and password_env = "…"; the names of variables
///
/// [nodes.telemetry.headers]
/// X-Tenant = "${TENANT}"
///
/// [nodes.telemetry.schema]           # as in ingest.file
/// timestamp = "measured_at"
/// ```
///
/// An answer is JSON: an array of records, one record, or one a line; or anything with such an array or record under the
/// path `records`. Records are read as `ingest.file` reads NDJSON, with the same `schema`.
///
/// An answer may have further pages: under the path `next` the address of the next one, absolute or relative; under
/// `cursor.from` a text or number that is sent back as the parameter `cursor.param`; else an address in the header
/// `Link: <…>; rel="next"`. A page of another server is not asked for. With `cursor.keep = true` the last cursor is where
/// the next round begins, for APIs that hand out what has come since; else each round begins at the first page.
///
/// `{last_time}` in the `url` stands for the newest time seen so far, in ISO 8601; `{last_seconds}` and `{last_millis}` for
/// the same since 1970; at first for `start`. `overlap` moves it back, for records that arrive late.
///
/// With `only_new = true` (the default) a record counts if it is newer than the newest of its entity in the rounds before,
/// so an API may give again what it gave: a record that arrives later than a newer one of its entity is left out. With
/// `only_new = false` every record of every answer counts. Records of a round are handed on in the order of their times.
/// The server is asked with `If-None-Match` and `If-Modified-Since` where it gave an `ETag` or `Last-Modified`; 304 means
/// that nothing is new.
///
/// The server down, an error (also 4xx, once it has answered), no answer in time: it is asked again for ever, with pauses
/// that grow to a minute, or as long as its `Retry-After` says, an hour at most; the log and the run record tell of the
/// outage (AG0130). An answer longer than 16 MiB counts as an error. At the very first round a refusal, an answer without
/// records under `records`, and records none of which can be used end the run. A redirect is followed within the server,
/// never to another. A consumer that is slow asks later; what the API does not keep is lost.
///
/// An API that gives in one round what came since the last is waited for one and a half times as long as its records were
/// held back before windows close by the clock, whatever `idle` of `[window]` says, once it has done so. `grace` is needed
/// where its entities are behind each other by more than an answer: records of a round are in the order of their times.
///
/// After a restart it goes on with what is newer than what it had; so it can be read again if `only_new` holds and the API
/// still gives the records. With `once = true` it asks for one round and is done.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What to ask for.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// How often; `"30s"` by default.
    #[serde(default = "half_a_minute")]
    pub every: Period,
    /// Ask for one round only: a finite input.
    #[serde(default)]
    pub once: bool,
    /// Path of the records in the answer, with dots; left out, the answer is the records.
    #[serde(default)]
    pub records: Option<String>,
    /// Path of the next page's address.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub next: Option<Spanned<String>>,
    /// Pages by a cursor.
    #[serde(default)]
    pub cursor: Option<Cursor>,
    /// Most pages of a round.
    #[serde(default = "hundred")]
    pub max_pages: u32,
    /// Leave out what is not newer than the newest of its entity.
    #[serde(default = "yes")]
    pub only_new: bool,
    /// What `{last_time}` is at first: a length of time before now, or a moment in ISO 8601; by default `every` ago.
    #[serde(default)]
    pub start: Option<Start>,
    /// How far `{last_time}` is moved back; `"0s"` by default.
    #[serde(default)]
    pub overlap: Option<Wait>,
    /// Headers to send.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: BTreeMap<Spanned<String>, String>,
    /// For basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// Name of the variable with the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Name of the variable with a bearer token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// How long one answer may take; `"30s"` by default.
    #[serde(default = "half_a_minute")]
    pub request_timeout: Period,
    /// Which fields mean what.
    #[serde(default)]
    pub schema: Schema,
}

/// Pages by a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Path of the cursor in an answer.
    pub from: String,
    /// The parameter of the address that it is sent back as.
    pub param: String,
    /// Begin the next round with the last cursor, not at the first page.
    #[serde(default)]
    pub keep: bool,
}

fn half_a_minute() -> Period {
    Period(Duration::from_secs(30))
}

fn hundred() -> u32 {
    100
}

fn yes() -> bool {
    true
}

impl Config {
    fn access(&self) -> Access<'_> {
        Access {
            username: self.username.as_deref(),
            password_env: self.password_env.as_deref(),
            token_env: self.token_env.as_deref(),
        }
    }

    /// The headers of every request.
    fn header_map(&self, assets: &Assets<'_>) -> Result<HeaderMap, Diagnostic> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"))]);
        for (name, value) in &self.headers {
            let refuse = |what: &str| {
                let what = format!("{what}, of the header `{}`", name.get_ref());
                Diagnostic::new(codes::graph::WRONG_TYPE, what).at(assets.source(), name.span())
            };
            let key: HeaderName = name.get_ref().parse().map_err(|_| refuse("a name that no request can carry"))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| refuse("a value that no request can carry"))?;
            value.set_sensitive(true); // a variable may have brought a credential
            headers.insert(key, value);
        }
        Ok(headers)
    }
}

/// The source.
pub struct IngestPoll {
    config: Config,
    address: Address,
    headers: HeaderMap,
    reads: String,
    pace: Pace,
}

impl Source for IngestPoll {
    const KIND: &'static str = "ingest.poll";
    const VERSION: u32 = 1;
    type Config = Config;

    fn new(config: Config, assets: &Assets<'_>) -> Result<IngestPoll, Vec<Diagnostic>> {
        let address = Address::parse(&config.url, assets);
        let headers = config.header_map(assets);
        let mut faults: Vec<Diagnostic> = address.as_ref().err().cloned().into_iter().collect();
        faults.extend(headers.as_ref().err().cloned());
        faults.extend(check_access(&config.access(), &config.url, assets).err());
        if let (Some(next), Some(_)) = (&config.next, &config.cursor) {
            let what = "`next` and `cursor` exclude each other";
            faults.push(Diagnostic::new(codes::graph::WRONG_TYPE, what).at(assets.source(), next.span()));
        }
        match (address, headers) {
            (Ok(address), Ok(headers)) if faults.is_empty() => {
                let reads = shown(&address.first());
                Ok(IngestPoll { config, address, headers, reads, pace: Pace::default() })
            }
            _ => Err(faults),
        }
    }

    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        // What is wrong with `.env` is told when the run begins.
        self.open_with(pass, &Environment::load().0)
    }

    fn can_be_reread(&self) -> bool {
        self.config.only_new
    }

    fn is_live(&self) -> bool {
        !self.config.once
    }
}

impl IngestPoll {
    fn open_with(&self, pass: &Pass<'_>, variables: &Environment) -> Result<Box<dyn Reader>, Diagnostic> {
        let config = self.config.clone();
        let headers = self.headers.clone();
        let caller =
            Caller::new(&self.address.first(), &config.access(), variables, headers, config.request_timeout.0)?;
        let start = config.start.unwrap_or(Start::Ago(Wait(config.every.0)));
        let state = pass.from.and_then(|position| State::read(&position.0));
        let state = state.unwrap_or_else(|| State { seen: Seen::since(start.resolve(now())), ..State::default() });
        let schema = config.schema.clone();
        let rounds = Rounds { caller, address: self.address.clone(), config, state };
        let terms = Terms {
            reads: self.reads.clone(),
            format: "json",
            schema: &schema,
            live: self.is_live(),
            help: "name the path of the records under `records`, and their time under `schema = { timestamp = \"…\" }`",
            pace: self.pace,
        };
        Ok(Box::new(Remote::new(rounds, pass, terms)?))
    }
}

#[cfg(test)]
mod tests;
