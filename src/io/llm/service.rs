//! The tower service under async-openai: one request in, with its tries; one outcome out.
//!
//! async-openai builds requests and decodes JSON. What it would do beyond that is wrong for endpoints other than
//! OpenAI's (it drops the status of errors it does not know, and retries by OpenAI's rules only), so every answer goes up
//! through it as an empty 200, and beside it with its real status, headers and body: decoded once, however long.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::{Request, Response};
use serde_json::Value;

use super::exchange::{Answer, Failure, FailureKind, Outcome};
use super::network::Network;
use super::retry;
use super::span;
use super::tape::{Asked, Tape};
use crate::port::BoxFuture;

/// The endpoint, or the recording that stands for it.
pub(super) struct Wire {
    pub network: Network,
    /// One for all endpoints of a run.
    pub tape: Arc<Mutex<Tape>>,
    /// Which of the run's endpoints this is, the first being 0.
    pub place: usize,
    /// Whether another endpoint is asked when this one fails.
    pub hands_over: bool,
    /// Start of every URL.
    pub base_url: String,
}

/// What came in the end.
#[derive(Debug)]
pub(super) struct Answered {
    pub answer: Answer,
    /// Exchanges it took.
    pub tries: u32,
}

/// Why there is no answer; travels through async-openai as a boxed error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("{failure}")]
    Failed { failure: Failure, tries: u32 },
    #[error("{0}")]
    NotRecorded(String),
    #[error("{0}")]
    Unsendable(String),
}

/// One request of a task.
#[derive(Clone)]
pub(super) struct Requests {
    pub wire: Arc<Wire>,
    pub asked_by: Arc<str>,
    /// Its body. async-openai sends the text of this value.
    pub body: Arc<Value>,
    /// Its answer, when it is there.
    pub answered: Arc<Mutex<Option<Answered>>>,
}

impl tower::Service<HttpRequestFactory> for Requests {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let Requests { wire, asked_by, body, answered } = self.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            let answer =
                wire.answer(&asked_by, body, request).await.map_err(|stopped| OpenAIError::Boxed(stopped.into()))?;
            *answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            Ok(http::Response::new("null").into())
        })
    }
}

impl Wire {
    /// The answer after as many tries as it takes and is allowed.
    async fn answer(&self, asked_by: &str, body: Arc<Value>, request: Request) -> Result<Answered, Stopped> {
        let url = request.url().as_str();
        let asked = Asked {
            asked_by: asked_by.to_string(),
            endpoint: self.place,
            method: request.method().to_string(),
            path: url.strip_prefix(&self.base_url).unwrap_or(request.url().path()).to_string(),
            request: body,
        };
        let mut wait = Duration::ZERO;
        let mut tried = 0;
        let mut before = None;
        loop {
            tried += 1;
            let outcome = self.exchange(&asked, &request, wait).await?;
            if let Outcome::Error(Failure { kind: kind @ FailureKind::TooLate, detail }) = &outcome {
                let detail = before.as_ref().map_or_else(|| detail.clone(), |before| retry::too_late(before, detail));
                return Err(Stopped::Failed { failure: Failure { kind: *kind, detail }, tries: tried - 1 });
            }
            if tried < retry::TRIES && retry::may_pass(&outcome, &asked.request, self.hands_over) {
                let now = jiff::Timestamp::now();
                let seed = format!("{asked_by}\n{}", asked.request);
                wait = retry::wait(&outcome, tried, self.network.limits().backoff, &seed, now);
                tracing::debug!(asked_by, tried, ?wait, "trying again");
                span::tries_again(&outcome, tried, wait);
                before = Some(outcome);
                continue;
            }
            return match outcome {
                Outcome::Response(answer) => Ok(Answered { answer, tries: tried }),
                Outcome::Error(failure) => Err(Stopped::Failed { failure, tries: tried }),
            };
        }
    }

    /// One exchange, from the tape if that has it: then nothing is waited for.
    async fn exchange(&self, asked: &Asked, request: &Request, wait: Duration) -> Result<Outcome, Stopped> {
        match self.with_tape(|tape| tape.recorded(asked)).map_err(Stopped::NotRecorded)? {
            None => {}
            Some(Outcome::Error(Failure { kind: FailureKind::Abandoned, .. })) => {
                // The task has to give up again, by its own timeout; it must not hang where it has none any more.
                tokio::time::sleep(self.network.limits().deadline).await;
                let why = format!("`{}` gave up waiting here when it was recorded, and does not now", asked.asked_by);
                return Err(Stopped::NotRecorded(why));
            }
            Some(outcome) => return Ok(outcome),
        }
        // Bodies of bytes can be cloned; async-openai makes no other for JSON.
        let request = request.try_clone().ok_or_else(|| Stopped::Unsendable("the request is a stream".to_string()))?;
        let waiting = Waiting { wire: self, asked };
        let outcome = self.network.send(request, wait).await;
        std::mem::forget(waiting); // two references: nothing leaks
        self.with_tape(|tape| tape.keep(asked, &outcome));
        Ok(outcome)
    }

    pub fn with_tape<T>(&self, f: impl FnOnce(&mut Tape) -> T) -> T {
        locked(&self.tape, f)
    }
}

pub(super) fn locked<T>(tape: &Mutex<Tape>, f: impl FnOnce(&mut Tape) -> T) -> T {
    f(&mut tape.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Records that a task stopped waiting, when it is dropped: the engine drops a task whose time is up.
struct Waiting<'a> {
    wire: &'a Wire,
    asked: &'a Asked,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let detail = "the task did not wait for the answer".to_string();
        let outcome = Outcome::Error(Failure { kind: FailureKind::Abandoned, detail });
        self.wire.with_tape(|tape| tape.keep(self.asked, &outcome));
    }
}
