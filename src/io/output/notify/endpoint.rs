//! Where alerts are posted: an address that is a secret, and tries within limits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use tokio::time::{Instant, sleep, timeout_at};

use crate::io::http::{self, cause, is_local};

/// To reach the receiver at all.
const CONNECT: Duration = Duration::from_secs(5);
/// For one try; the receivers of alerts answer in a fraction of it.
const TRY: Duration = Duration::from_secs(10);
/// The longest pause of our own between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes, and how much a message quotes, in characters.
const LONGEST_BODY: usize = 64 << 10;
const QUOTED: usize = 120;
/// Parts of an address that are shorter are words such as `services`, and no secrets.
const SHORTEST_SECRET: usize = 8;

/// One address to post to. Shows scheme and host, and nothing else of it.
pub struct Endpoint {
    url: Url,
    /// Parts of the address that must not be shown, longest first.
    secrets: Vec<String>,
    /// Built at the first request, and kept so that connections are.
    client: OnceLock<Result<Client, String>>,
    limits: Limits,
    /// The last alert could not be delivered.
    failing: AtomicBool,
}

/// How long a receiver that did not take the last alert is waited for: windows must not pile up behind it.
const FAILING: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Tries after the first.
    pub retries: u32,
    /// For all tries and the pauses between them.
    pub deadline: Duration,
    /// The pause after the first try; it doubles.
    pub first_pause: Duration,
}

/// How posting ended.
#[derive(Debug)]
pub struct Posted {
    /// Requests that were sent.
    pub attempts: u32,
    /// Why it was given up; `None` when it was delivered.
    pub failure: Option<String>,
}

/// Why one try failed.
enum Trouble {
    /// Another may help; the receiver may have said how long to wait.
    Passing(String, Option<Duration>),
    Lasting(String),
}

impl Endpoint {
    /// # Errors
    /// Why the address cannot be used, without quoting it.
    pub fn new(url: &str, limits: Limits) -> Result<Endpoint, &'static str> {
        let url = Url::parse(url.trim()).map_err(|_| "it is no URL")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("it is no http or https URL");
        }
        let whole = [url.as_str(), url.path()];
        let parts = url.path().split('/').chain(url.query()).chain(url.password()).chain([url.username()]);
        let values = url.query_pairs().map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
        let mut secrets: Vec<String> = whole.into_iter().chain(parts).map(String::from).chain(values).collect();
        secrets.retain(|part| part.len() >= SHORTEST_SECRET);
        secrets.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Ok(Endpoint { url, secrets, client: OnceLock::new(), limits, failing: AtomicBool::new(false) })
    }

    /// Scheme and host.
    pub fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    #[cfg(test)]
    pub fn hurry(&mut self) {
        self.limits.first_pause = Duration::from_millis(2);
    }

    /// Posts a JSON body until it is taken, refused for good, or the limits are reached. A receiver that did not take the
    /// last one is tried once and briefly, until it takes one.
    pub async fn post(&self, body: &[u8], key: &str) -> Posted {
        let mut limits = self.limits;
        if self.failing.load(Ordering::Relaxed) {
            limits = Limits { retries: 0, deadline: limits.deadline.min(FAILING), ..limits };
        }
        let posted = self.post_within(limits, body, key).await;
        self.failing.store(posted.failure.is_some(), Ordering::Relaxed);
        posted
    }

    async fn post_within(&self, limits: Limits, body: &[u8], key: &str) -> Posted {
        let Limits { retries, deadline, first_pause } = limits;
        let end = Instant::now() + deadline;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let until = end.min(Instant::now() + TRY);
            let tried = timeout_at(until, self.once(body, key)).await;
            let tried = tried.unwrap_or_else(|_| Err(Trouble::Passing("it did not answer in time".to_string(), None)));
            let (why, asked) = match tried {
                Ok(()) => return Posted { attempts, failure: None },
                Err(Trouble::Lasting(why)) => return Posted { attempts, failure: Some(why) },
                Err(Trouble::Passing(why, asked)) => (why, asked),
            };
            let wait = asked.unwrap_or_else(|| http::pause(attempts, first_pause, LONGEST_PAUSE, key));
            let why_stop = if attempts > retries {
                Some(format!("given up after {attempts} tries"))
            } else if Instant::now() + wait >= end {
                let asks = if asked.is_some() { "it asks to wait beyond" } else { "given up at" };
                Some(format!("{asks} the deadline of {deadline:?}"))
            } else {
                None
            };
            if let Some(stop) = why_stop {
                return Posted { attempts, failure: Some(format!("{why}; {stop}")) };
            }
            tracing::info!(key, attempts, "{} did not take an alert, and is tried again: {why}", self.shown());
            sleep(wait).await;
        }
    }

    async fn once(&self, body: &[u8], key: &str) -> Result<(), Trouble> {
        let client = self.client.get_or_init(|| self.build()).as_ref().map_err(|why| Trouble::Lasting(why.clone()))?;
        let key = HeaderValue::from_str(key).map_err(|_| Trouble::Lasting("its key is no header value".to_string()))?;
        let request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(HeaderName::from_static("idempotency-key"), key)
            .body(body.to_vec());
        let mut answer = request.send().await.map_err(|error| {
            let what = if error.is_connect() { "no connection" } else { "the connection broke" };
            Trouble::Passing(self.scrub(&format!("{what}: {}", cause(&error))), None)
        })?;
        let mut said = Vec::new();
        // Read to its end, so that the connection can be used again. What breaks here does not matter: the status is in.
        while let Ok(Some(chunk)) = answer.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() > LONGEST_BODY {
                break;
            }
        }
        self.judge(&answer, &said)
    }

    fn build(&self) -> Result<Client, String> {
        let mut builder = http::client().redirect(redirect::Policy::none()).connect_timeout(CONNECT);
        if is_local(&self.url) {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| format!("no HTTP client: {}", cause(&error)))
    }

    /// 409 too: receivers that know the key answer so while they still work on the first request.
    fn judge(&self, answer: &Response, said: &[u8]) -> Result<(), Trouble> {
        let header = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            408 | 409 | 425 | 429 | 500..=599 => {
                let asked = header(RETRY_AFTER)
                    .and_then(|text| http::retry_after(text, self.limits.deadline, jiff::Timestamp::now()));
                Err(Trouble::Passing(self.describe(answer, said), asked))
            }
            300..=399 => {
                let to = header(LOCATION).and_then(|to| self.url.join(to).ok());
                let to = to.map_or("elsewhere".to_string(), |to| to.origin().ascii_serialization());
                Err(Trouble::Lasting(format!("it sends us on to {to}, and redirects are not followed")))
            }
            _ => Err(Trouble::Lasting(self.describe(answer, said))),
        }
    }

    /// The status, and the beginning of the text.
    fn describe(&self, answer: &Response, said: &[u8]) -> String {
        let said = self.scrub(&String::from_utf8_lossy(said));
        let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let status = format!("it answers {}", answer.status());
        match said.chars().filter(|c| !c.is_control()).take(QUOTED).collect::<String>() {
            said if said.is_empty() || said.starts_with('<') => status,
            said => format!("{status}: {said}"),
        }
    }

    fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_string(), |text, secret| text.replace(secret, "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { retries: 1, deadline: Duration::from_secs(1), first_pause: Duration::from_millis(1) };

    #[test]
    fn only_scheme_and_host_are_shown() {
        let url = "https://user:passwort@hooks.example.com:8443/services/T000/SECRETTOKEN?key=abcdefgh#x";
        let endpoint = Endpoint::new(url, LIMITS).unwrap();
        assert_eq!(endpoint.shown(), "https://hooks.example.com:8443");
        let echo =
            format!("POST {url} is bad: /services/T000/SECRETTOKEN, SECRETTOKEN, key=abcdefgh, abcdefgh, passwort");
        let scrubbed = endpoint.scrub(&echo);
        for part in ["SECRETTOKEN", "abcdefgh", "passwort"] {
            assert!(!scrubbed.contains(part), "{scrubbed}");
        }
        for bad in ["", "hooks.example.com/x", "ftp://example.com/x", "file:///etc/passwd", "http://"] {
            assert!(Endpoint::new(bad, LIMITS).is_err(), "{bad}");
        }
    }
}
