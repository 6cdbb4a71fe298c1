use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LINK,
};
use serde::{Deserialize, Serialize};

use super::address::{Address, linked, with_parameter};
use super::fresh::{Seen, sort};
use super::{Config, Cursor, body};
use crate::diagnostic::{Code, codes::input};
use crate::io::ingest::remote::{Caller, Reply, Round, Service, Step, Trouble};

/// Bytes of answers after which no further page is asked for.
const LARGEST_ROUND: u64 = 64 << 20;

/// Where reading goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub seen: Seen,
    /// Where the next round begins, of `cursor.keep`.
    pub cursor: Option<String>,
    /// How the server tells whether its first page has changed.
    pub version: Option<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// Fingerprint of the address, which may hold a credential.
    url: String,
    etag: Option<String>,
    modified: Option<String>,
}

impl State {
    pub fn read(position: &str) -> Option<State> {
        serde_json::from_str(position).ok()
    }

    fn write(&self) -> String {
        // Texts and numbers; nothing of it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Asks the API, round after round.
pub(super) struct Rounds {
    pub caller: Caller,
    pub address: Address,
    pub config: Config,
    pub state: State,
}

/// What the pages of a round hold.
#[derive(Default)]
struct Pages {
    records: Vec<Vec<u8>>,
    bytes: u64,
    notes: Vec<(&'static Code, String)>,
    version: Option<Version>,
    cursor: Option<String>,
    /// There are more pages, which were not asked for.
    more: bool,
}

impl Service for Rounds {
    async fn ask(&mut self) -> Result<Round, Trouble> {
        let begun = Instant::now();
        let pages = self.pages().await?;
        let keep = self.config.cursor.as_ref().is_some_and(|cursor| cursor.keep);
        let wait = match pages {
            Some(Pages { more: true, .. }) if keep => Duration::ZERO,
            _ => self.config.every.0.saturating_sub(begun.elapsed()),
        };
        let wait = (!self.config.once).then_some(wait);
        let Some(Pages { records, bytes, notes, version, cursor, .. }) = pages else {
            return Ok(Round { wait, ..Round::default() }); // nothing has changed
        };
        let mut state = self.state.clone();
        let mut steps = Vec::new();
        // Apart, since a large round takes longer than whoever waits for it would.
        let (schema, seen, only_new) = (self.config.schema.clone(), state.seen.clone(), self.config.only_new);
        let sorted = tokio::task::spawn_blocking(move || sort(&records, &schema, &seen, only_new));
        for part in sorted.await.map_err(|error| Trouble::passing(format!("its answer was not read: {error}")))? {
            state.seen = part.seen;
            steps.push(Step { lines: part.lines, position: state.write() });
        }
        state.version = version;
        state.cursor = cursor.filter(|_| keep).or(state.cursor);
        let position = Some(state.write());
        self.state = state;
        Ok(Round { steps, position, notes, bytes, wait })
    }
}

impl Rounds {
    /// All pages of a round; `None` where the first has not changed.
    async fn pages(&mut self) -> Result<Option<Pages>, Trouble> {
        let overlap = self.config.overlap.map_or(0, |overlap| overlap.micros());
        let first = self.state.seen.last(overlap).and_then(|time| self.address.fill(time));
        let mut url = first.unwrap_or_else(|| self.address.first());
        if let (Some(Cursor { param, keep: true, .. }), Some(cursor)) = (&self.config.cursor, &self.state.cursor) {
            url = with_parameter(&url, param, cursor);
        }
        let mut pages = Pages::default();
        let mut sent =
            self.state.version.as_ref().filter(|version| version.url == fingerprint(&url)).map(Version::headers);
        for page in 1.. {
            let reply = self.caller.get(url.clone(), sent.take().unwrap_or_default()).await?;
            if page == 1 && reply.status == 304 {
                return Ok(None);
            }
            if !reply.is_success() {
                return Err(self.caller.refused(&reply));
            }
            if page == 1 {
                pages.version = Version::of(&url, &reply);
            }
            let found = body::records(&reply.body, self.config.records.as_deref())
                .map_err(|why| self.caller.lasting(input::UNEXPECTED, &why, "correct `url` or `records`"))?;
            let empty = found.is_empty();
            pages.bytes += reply.body.len() as u64;
            pages.records.extend(found);
            let Some(next) = self.next(&url, &reply, empty, &mut pages) else { break };
            if page >= self.config.max_pages || pages.bytes > LARGEST_ROUND {
                pages.more = true;
                pages.notes.push((input::PAGE_LIMIT, format!("after {page} pages, {} bytes", pages.bytes)));
                break;
            }
            url = next;
        }
        Ok(Some(pages))
    }

    /// The page after this one.
    fn next(&self, url: &Url, reply: &Reply, empty: bool, pages: &mut Pages) -> Option<Url> {
        let next = if let Some(Cursor { from, param, keep }) = &self.config.cursor {
            let cursor = body::text(&reply.body, from)?;
            let next = with_parameter(url, param, &cursor);
            pages.cursor = Some(cursor);
            // A feed gives a cursor also where nothing follows yet.
            if *keep && empty {
                return None;
            }
            next
        } else {
            let link = || {
                let links = reply.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
                links.filter_map(linked).next().map(String::from)
            };
            let next = match &self.config.next {
                Some(path) => body::text(&reply.body, path.get_ref()),
                None => link(),
            };
            url.join(&next?).ok()?
        };
        if !self.caller.is_ours(&next) {
            let to = next.origin().ascii_serialization();
            pages.notes.push((input::REFUSED, format!("the next page is at {to}, which is another server")));
            return None;
        }
        (next != *url).then_some(next)
    }
}

impl Version {
    fn of(url: &Url, reply: &Reply) -> Option<Version> {
        let header = |name: HeaderName| reply.headers.get(name).and_then(|value| value.to_str().ok()).map(String::from);
        let (etag, modified) = (header(ETAG), header(LAST_MODIFIED));
        (etag.is_some() || modified.is_some()).then(|| Version { url: fingerprint(url), etag, modified })
    }

    fn headers(&self) -> HeaderMap {
        let pairs = [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.modified)];
        let pairs =
            pairs.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_ref()?).ok()?)));
        pairs.collect()
    }
}

fn fingerprint(url: &Url) -> String {
    blake3::hash(url.as_str().as_bytes()).to_hex().to_string()
}
