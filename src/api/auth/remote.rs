//! A set of keys that changes while the server runs: read again when a token names an unknown key, and from time to time.
//! What was read last stays until something better is read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Client, Url, header, redirect};
use tokio::time::Instant;

use super::jwks;
use super::keys::{Algorithm, Keys};
use crate::io::http::{self, cause, is_local};

/// To reach the issuer; and for all of its answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// The largest set, in bytes.
const LARGEST: usize = 256 << 10;

/// Where a set lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Address(Url),
}

impl Place {
    /// A URL is read over TLS, or from this machine; anything without `://` is a file.
    ///
    /// # Errors
    /// Why the URL is not one to trust keys from.
    pub fn parse(text: &str) -> Result<Place, &'static str> {
        if !text.contains("://") {
            return Ok(Place::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|_| "it is no URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL of public keys needs no name and no password");
        }
        match url.scheme() {
            "https" => Ok(Place::Address(url)),
            "http" if is_local(&url) => Ok(Place::Address(url)),
            "http" => Err("over plain http anybody on the way can put in keys; write https"),
            _ => Err("it is no https URL and no path of a file"),
        }
    }

    /// Without what may be a credential.
    pub fn shown(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Address(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

/// How often a set is read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At the most, whatever tokens say.
    pub at_most: Duration,
    /// When nothing calls for it.
    pub anyway: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { at_most: Duration::from_secs(30), anyway: Duration::from_secs(600) }
    }
}

/// A set of keys and what was read of it last.
pub struct Remote {
    place: Place,
    algorithm: Algorithm,
    pace: Pace,
    /// Built at the first request: it reads the system's certificates.
    client: OnceLock<Result<Client, String>>,
    kept: Mutex<Kept>,
    /// One reads, the others wait for it.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct Kept {
    keys: Option<Arc<Keys>>,
    read: Option<Instant>,
    tried: Option<Instant>,
}

impl Remote {
    pub fn new(place: Place, algorithm: Algorithm, pace: Pace) -> Arc<Remote> {
        let (client, kept, reading) = (OnceLock::new(), Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(Remote { place, algorithm, pace, client, kept, reading })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The keys as they are known; reads them where there are none yet, and has them read where they are old.
    pub async fn keys(self: &Arc<Remote>) -> Option<Arc<Keys>> {
        let kept = self.kept();
        if kept.keys.is_none() {
            self.reread().await;
            return self.kept().keys;
        }
        if kept.read.is_none_or(|read| read.elapsed() > self.pace.anyway) && self.may_try() {
            tokio::spawn(self.clone().read());
        }
        kept.keys
    }

    /// Other keys than these, where there are some now: a token names one that is not among them.
    pub async fn newer_than(self: &Arc<Remote>, known: &Arc<Keys>) -> Option<Arc<Keys>> {
        let other = || self.kept().keys.filter(|keys| !Arc::ptr_eq(keys, known));
        if let Some(keys) = other() {
            return Some(keys);
        }
        self.reread().await;
        other()
    }

    /// Reads the set now, without anybody's tokens.
    ///
    /// # Errors
    /// Why there are no keys.
    pub async fn load(&self) -> Result<Arc<Keys>, String> {
        self.note(|kept| kept.tried = Some(Instant::now()));
        let text = match &self.place {
            Place::File(path) => file(path)?,
            Place::Address(url) => self.fetch(url).await?,
        };
        let keys = Arc::new(jwks::read(self.algorithm, &text)?);
        self.note(|kept| (kept.keys, kept.read) = (Some(keys.clone()), Some(Instant::now())));
        Ok(keys)
    }

    /// On a task of its own: a caller that hangs up must not end what others wait for.
    async fn reread(self: &Arc<Remote>) {
        if self.may_try() || self.reading.try_lock().is_err() {
            let _ = tokio::spawn(self.clone().read()).await; // fails only when the process ends
        }
    }

    async fn read(self: Arc<Remote>) {
        let _one = self.reading.lock().await;
        if !self.may_try() {
            return; // who held the lock has just tried
        }
        if let Err(why) = self.load().await {
            let what = if self.kept().keys.is_some() { "those read last stay" } else { "no token is let in" };
            tracing::warn!("the keys of {} cannot be read, {what}: {why}", self.place.shown());
        }
    }

    fn may_try(&self) -> bool {
        self.kept().tried.is_none_or(|tried| tried.elapsed() >= self.pace.at_most)
    }

    fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, String> {
        let client = self.client.get_or_init(|| build(url)).as_ref().map_err(String::clone)?;
        let request = client.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(|error| cause(&error))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("it answers with {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err("it is larger than 256 KiB".to_string());
            }
        }
        Ok(body)
    }
}

fn build(url: &Url) -> Result<Client, String> {
    let builder = http::client().redirect(redirect::Policy::none()).connect_timeout(CONNECT).timeout(ANSWER);
    let builder = if is_local(url) { builder.no_proxy() } else { builder.https_only(true) };
    builder.build().map_err(|error| cause(&error))
}

/// # Errors
/// Why the file cannot be read, as a lower-case fragment.
pub fn file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > LARGEST { Err("it is larger than 256 KiB".to_string()) } else { Ok(bytes) }
}
