//! The one place that touches the network: sends a request once, within the limits, and keeps of what comes back only
//! what may be recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, Url, redirect};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::dialect::Auth;
use super::endpoint::{Endpoint, Limits};
use super::exchange::{Answer, Failure, FailureKind, KEPT_HEADERS, Outcome};
use super::limiter::Limiter;
use super::secret::Secret;
use crate::io::http::{self, cause, is_local};

/// More than any wording takes by far.
const LONGEST_BODY: usize = 4 << 20;

/// An endpoint, reached over HTTP, for one run.
#[derive(Clone)]
pub(super) struct Network {
    limits: Limits,
    key: Option<(Auth, Secret)>,
    headers: Vec<(&'static str, Secret)>,
    /// On this machine: no proxy stands between.
    local: bool,
    /// Spoken to in the clear: the system's certificates, which take long to read, are of no use.
    plain: bool,
    /// A replay builds requests and sends none.
    closed: bool,
    /// Built at the first request: reading the system's certificates takes longer than a run without a model.
    client: Arc<OnceLock<Result<Client, String>>>,
    /// Started with the first exchange.
    apart: Arc<OnceLock<Result<Apart, String>>>,
    limiter: Arc<Limiter>,
    first_call: FirstCall,
}

/// The thread on which exchanges are: whatever an endpoint sends, and however fast, the run's own timers go on, and the
/// run gets on with its work meanwhile.
struct Apart(Option<Runtime>);

impl Apart {
    fn start() -> Result<Apart, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("endpoint").enable_all().build();
        runtime.map(|runtime| Apart(Some(runtime))).map_err(|e| format!("no thread can be had: {e}"))
    }

    fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Apart {
    /// It may be dropped where nobody may wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

type Exchanges = JoinSet<Result<Answer, Failure>>;
type Admission = oneshot::Receiver<Instant>;

/// When the first call of the run was made, by whichever endpoint: the deadline is counted from there.
pub(super) type FirstCall = Arc<OnceLock<Instant>>;

impl Network {
    pub fn new(endpoint: &Endpoint, closed: bool, first_call: FirstCall) -> Network {
        let url = Url::parse(&endpoint.base_url).ok();
        Network {
            limits: endpoint.limits,
            key: endpoint.key.clone().map(|key| (endpoint.dialect.auth, key)),
            headers: endpoint.headers.clone(),
            local: url.as_ref().is_some_and(is_local),
            plain: url.as_ref().is_some_and(|url| url.scheme() == "http" && is_local(url)),
            closed,
            client: Arc::default(),
            apart: Arc::default(),
            limiter: Arc::new(Limiter::new(endpoint.limits.concurrency, endpoint.limits.rates)),
            first_call,
        }
    }

    /// The same endpoint for another run: with a deadline of its own, over the same connections, and within the same
    /// minute.
    pub fn for_another_run(&self, first_call: FirstCall) -> Network {
        Network { first_call, ..self.clone() }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The client that builds requests.
    ///
    /// # Errors
    /// Why there is none: the system's certificates cannot be read.
    pub fn client(&self) -> Result<&Client, String> {
        self.client.get_or_init(|| self.build_client()).as_ref().map_err(String::clone)
    }

    fn build_client(&self) -> Result<Client, String> {
        let mut builder = http::client().redirect(redirect::Policy::none());
        if self.local || self.closed {
            builder = builder.no_proxy();
        }
        if self.plain || self.closed {
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|e| format!("no HTTP client: {}", cause(&e)))
    }

    /// Waits, then sends the request once. Ends within the time for one exchange, and within that of the whole run.
    pub async fn send(&self, request: Request, wait: Duration) -> Outcome {
        self.try_send(request, wait).await.map_or_else(Outcome::Error, Outcome::Response)
    }

    async fn try_send(&self, request: Request, wait: Duration) -> Result<Answer, Failure> {
        let client = match self.client() {
            Ok(client) if !self.closed => client,
            Ok(_) => return Err(self.failure(FailureKind::Connect, "the network is closed during a replay")),
            Err(why) => return Err(self.failure(FailureKind::Connect, &why)),
        };
        let Limits { timeout, deadline, .. } = self.limits;
        let end = *self.first_call.get_or_init(Instant::now) + deadline;
        let used_up = |kind| {
            let detail = format!("the {deadline:?} for all calls of the run are used up (LLM_DEADLINE)");
            Failure { kind, detail }
        };
        if Instant::now() >= end {
            return Err(used_up(FailureKind::TooLate));
        }
        if Instant::now() + wait >= end {
            let detail = format!("the {deadline:?} for all calls of the run (LLM_DEADLINE) end before another try");
            return Err(Failure { kind: FailureKind::TooLate, detail });
        }
        if !wait.is_zero() {
            sleep(wait).await; // which gives way to others even for no time
        }
        let (mut exchanges, admission) = self.exchange_apart(client, request)?;
        let Ok(admitted) = timeout_at(end, admission).await else {
            return Err(used_up(FailureKind::TooLate));
        };
        let until = end.min(admitted.unwrap_or_else(|_| Instant::now()) + timeout); // one that ended says how
        match timeout_at(until, exchanges.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(_) => Err(self.failure(FailureKind::Reset, "the exchange did not come to its end, which is a bug")),
            Err(_) if until == end => Err(used_up(FailureKind::Deadline)),
            Err(_) => {
                let detail = format!("the endpoint took longer than {timeout:?} (LLM_TIMEOUT)");
                Err(Failure { kind: FailureKind::Timeout, detail })
            }
        }
    }

    /// An exchange on its own thread, given up when this is dropped; and when it was admitted. It waits there for its turn, so
    /// that the next request is on its way whatever the run is busy with.
    fn exchange_apart(&self, client: &Client, request: Request) -> Result<(Exchanges, Admission), Failure> {
        let apart = self.apart.get_or_init(Apart::start).as_ref();
        let handle = match apart.map(Apart::handle) {
            Ok(Some(handle)) => handle,
            Ok(None) => return Err(self.failure(FailureKind::Connect, "the thread of the endpoint has ended")),
            Err(why) => return Err(self.failure(FailureKind::Connect, why)),
        };
        let (mut exchanges, network, client) = (JoinSet::new(), self.clone(), client.clone());
        let (tell, admission) = oneshot::channel();
        let exchange = async move {
            let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
            let admitted = network.limiter.admit(body).await;
            let _ = tell.send(Instant::now()); // who does not wait any more ends this, too
            let answer = network.exchange(&client, request).await;
            if let Ok(answer) = &answer {
                admitted.settle(answer);
            }
            answer
        };
        exchanges.spawn_on(exchange, handle);
        Ok((exchanges, admission))
    }

    async fn exchange(&self, client: &Client, mut request: Request) -> Result<Answer, Failure> {
        self.authorize(&mut request);
        let response = client.execute(request).await.map_err(|e| {
            if e.is_connect() {
                self.failure(FailureKind::Connect, &format!("no connection: {}", cause(&e)))
            } else {
                self.failure(FailureKind::Reset, &format!("the connection broke: {}", cause(&e)))
            }
        })?;
        let status = response.status().as_u16();
        let headers = KEPT_HEADERS.iter().filter_map(|name| {
            let value = String::from_utf8_lossy(response.headers().get(*name)?.as_bytes()).into_owned();
            Some((name.to_string(), self.scrub(&value)))
        });
        let headers: BTreeMap<String, String> = headers.collect();
        let mut answer = Answer::new(status, headers, &self.body(response).await?);
        if let Some((_, key)) = &self.key {
            key.scrub_json(&mut answer.body);
        }
        Ok(answer)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_BODY => {
                    let detail = format!("the answer is longer than {} MiB", LONGEST_BODY >> 20);
                    return Err(Failure { kind: FailureKind::TooLarge, detail });
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(e) => {
                    let detail = format!("the connection broke within the answer: {}", cause(&e));
                    return Err(self.failure(FailureKind::Reset, &detail));
                }
            }
        }
    }

    /// Credentials are put in here and nowhere before, so that nothing above can show them.
    fn authorize(&self, request: &mut Request) {
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        let key = self.key.as_ref().map(|(auth, key)| match auth {
            Auth::Bearer => ("authorization", format!("Bearer {}", key.expose())),
            Auth::ApiKey => ("api-key", key.expose().to_string()),
        });
        let others = self.headers.iter().map(|(name, value)| (*name, value.expose().to_string()));
        for (name, value) in key.into_iter().chain(others) {
            // A Secret is visible ASCII, so it is a header value.
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    fn failure(&self, kind: FailureKind, detail: &str) -> Failure {
        Failure { kind, detail: self.scrub(detail) }
    }

    fn scrub(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_string(), |(_, key)| key.scrub(text))
    }
}
