//! How a batch of spans gets to the collector: our HTTP client under the exporter of the OTLP crate, which encodes and
//! tries again. All of it runs on the thread of the batch processor.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use tokio::runtime::Runtime;

use super::settings::Settings;
use crate::diagnostic::{Diagnostic, codes};
use crate::io::http::{self, cause, is_local};
use crate::io::llm::Secret;

/// More than a collector has to say.
const LONGEST_ANSWER: usize = 64 << 10;

/// What became of batches, so that a collector that is down is told of once, not for every batch.
pub(super) struct Deliveries {
    /// Host and port.
    to: String,
    /// Whether the present outage was told of.
    told: AtomicBool,
    /// Why the latest exchange failed.
    why: Mutex<String>,
}

impl Deliveries {
    pub fn to(settings: &Settings) -> Deliveries {
        let port = settings.url.port_or_known_default().unwrap_or_default();
        let to = format!("{}:{port}", settings.url.host_str().unwrap_or_default());
        Deliveries { to, told: AtomicBool::new(false), why: Mutex::default() }
    }

    pub fn failed(&self, why: &str) {
        let code = codes::run::UNDELIVERED;
        if self.told.swap(true, Ordering::Relaxed) {
            tracing::debug!("spans are not delivered to {}: {why}", self.to);
        } else {
            let (id, to) = (code.id, &self.to);
            tracing::warn!("{id}: spans are not delivered to {to}: {why}; the run goes on as without them");
        }
    }

    fn note(&self, why: String) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// The OTLP exporter, whose failures are told of.
pub(super) struct Exporter {
    otlp: Otlp,
    deliveries: Arc<Deliveries>,
}

impl Exporter {
    /// # Errors
    /// AG0340: the URL is none of those that a request can have.
    pub fn new(settings: Settings, deliveries: Arc<Deliveries>) -> Result<Exporter, Diagnostic> {
        let Settings { url, headers, timeout, .. } = settings;
        let (local, plain) = (is_local(&url), url.scheme() == "http");
        let sender = Sender { local, plain, headers, timeout, parts: OnceLock::new(), deliveries: deliveries.clone() };
        let otlp = Otlp::builder()
            .with_http()
            .with_http_client(sender)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(timeout)
            .build();
        // Its error may quote the URL, and that a password.
        let unusable = |_| Diagnostic::new(codes::run::TELEMETRY, "the endpoint for spans is no URL that can be used");
        Ok(Exporter { otlp: otlp.map_err(unusable)?, deliveries })
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("to", &self.deliveries.to).finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.otlp.export(batch).await;
        match &result {
            Ok(()) => {
                self.deliveries.told.store(false, Ordering::Relaxed);
                tracing::debug!(spans, "spans delivered");
            }
            Err(error) => {
                let why = std::mem::take(&mut *self.deliveries.why.lock().unwrap_or_else(PoisonError::into_inner));
                self.deliveries.failed(if why.is_empty() { "they cannot be sent" } else { &why });
                tracing::debug!(spans, %error, "spans lost");
            }
        }
        result
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.otlp.shutdown() // lets go of the client on the thread that may wait for it
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// One exchange with the collector, without redirects and within the time.
struct Sender {
    local: bool,
    plain: bool,
    headers: Vec<(String, Secret)>,
    timeout: Duration,
    /// Built at the first batch.
    parts: OnceLock<Result<Parts, String>>,
    deliveries: Arc<Deliveries>,
}

struct Parts {
    client: Client,
    /// `None` when it is being let go of.
    runtime: Option<Runtime>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // a name that is still being looked up is not waited for
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("to", &self.deliveries.to).finish_non_exhaustive()
    }
}

impl Sender {
    fn build(&self) -> Result<Parts, String> {
        // No connection is kept: between batches nobody would notice that it was closed.
        let mut client = http::client().redirect(redirect::Policy::none()).pool_max_idle_per_host(0);
        if self.local {
            client = client.no_proxy();
        }
        if self.plain && self.local {
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|e| format!("no HTTP client: {}", cause(&e)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Parts { client, runtime: Some(runtime.map_err(|e| e.to_string())?) })
    }

    fn send(&self, request: ::http::Request<Bytes>) -> Result<::http::Response<Bytes>, String> {
        let Parts { client, runtime } = self.parts.get_or_init(|| self.build()).as_ref().map_err(String::clone)?;
        let Some(runtime) = runtime else { return Err("it is over".to_string()) };
        let exchange = async {
            let late = |_| format!("no answer within {:?} (OTEL_EXPORTER_OTLP_TIMEOUT)", self.timeout);
            tokio::time::timeout(self.timeout, self.exchange(client, request)).await.map_err(late)?
        };
        runtime.block_on(exchange)
    }

    async fn exchange(
        &self,
        client: &Client,
        request: ::http::Request<Bytes>,
    ) -> Result<::http::Response<Bytes>, String> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| "its URL cannot be used".to_string())?;
        let mut sent = client.request(head.method, url).headers(head.headers);
        for (name, value) in &self.headers {
            // Both were tried when the settings were read.
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.expose()))
            {
                value.set_sensitive(true);
                sent = sent.header(name, value);
            }
        }
        let broken = |e: reqwest::Error| self.scrub(&cause(&e));
        let mut response = sent.body(body).send().await.map_err(broken)?;
        let mut answer = ::http::Response::builder().status(response.status());
        if let Some(wait) = response.headers().get("retry-after") {
            answer = answer.header("retry-after", wait);
        }
        let mut said = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            said.extend_from_slice(&chunk);
            if said.len() > LONGEST_ANSWER {
                return Err(format!("the answer is longer than {} KiB", LONGEST_ANSWER >> 10));
            }
        }
        answer.body(said.into()).map_err(|e| e.to_string())
    }

    fn scrub(&self, text: &str) -> String {
        self.headers.iter().fold(text.to_string(), |text, (_, value)| value.scrub(&text))
    }
}

#[async_trait]
impl HttpClient for Sender {
    /// Blocks: the batch processor polls on a thread of its own, without a runtime.
    async fn send_bytes(&self, request: ::http::Request<Bytes>) -> Result<::http::Response<Bytes>, HttpError> {
        let answer = self.send(request);
        self.deliveries.note(match &answer {
            Ok(answer) if answer.status().is_success() => String::new(),
            Ok(answer) => format!("it answers {}", answer.status().as_u16()),
            Err(why) => why.clone(),
        });
        answer.map_err(HttpError::from)
    }
}
