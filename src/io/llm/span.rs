//! What OpenTelemetry is told of a call: one span of kind CLIENT for each request to an endpoint with all its tries, by the
//! semantic conventions for generative AI. Where nobody traces, nothing is done.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use reqwest::Url;
use serde_json::json;

use super::dialect;
use super::exchange::{Answer, FailureKind, Outcome};
use crate::domain::ModelIdentity;
use crate::io::otel::{Sink, bounded, event};
use crate::port::{ModelError, ModelReply, ModelRequest};

/// Names and ids that an endpoint made up are cut to this many characters.
const LONGEST_NAME: usize = 200;

/// What the latest answer says of itself.
#[derive(Debug, Default)]
struct Heard {
    id: Option<String>,
    model: Option<String>,
    status: u16,
}

/// Where the call of the current context hears answers.
type Ear = Arc<Mutex<Heard>>;

/// Asks, within a span where the current context has one.
pub(super) async fn chat(
    identity: &ModelIdentity,
    request: &ModelRequest,
    ask: impl Future<Output = Result<ModelReply, ModelError>>,
) -> Result<ModelReply, ModelError> {
    let Some((sink, parent)) = Sink::current() else { return ask.await };
    let mut attributes = asked(identity, request);
    if sink.content {
        attributes.extend(prompts(request));
    }
    let name = format!("chat {}", identity.model);
    let cx = sink.start(SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes), &parent);
    let (ear, open) = (Ear::default(), Open(cx.clone()));
    let result = ask.with_context(cx.with_value(ear.clone())).await;
    let heard = std::mem::take(&mut *ear.lock().unwrap_or_else(PoisonError::into_inner));
    let span = cx.span();
    span.set_attributes(heard_of(&heard));
    match &result {
        Ok(reply) => {
            span.set_attributes(replied(reply));
            if sink.content {
                span.set_attribute(KeyValue::new("gen_ai.output.messages", message_of(reply)));
            }
        }
        Err(error) => {
            span.set_attribute(KeyValue::new("error.type", kind_of(error, heard.status)));
            // Some endpoints quote the prompt in their complaints.
            let why = if sink.content { bounded(&error.to_string()) } else { String::new() };
            span.set_status(Status::error(why));
        }
    }
    span.end();
    drop(open);
    result
}

/// The span of a call that has not ended: dropped where its task gave up waiting.
struct Open(Context);

impl Drop for Open {
    fn drop(&mut self) {
        let span = self.0.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new("error.type", "abandoned"));
            span.set_status(Status::error(""));
            span.end();
        }
    }
}

/// Hears an answer for the span of the call that is going on.
pub(super) fn answered(answer: &Answer) {
    let text = |key: &str| answer.body.get(key)?.as_str().map(named);
    Context::map_current(|cx| {
        if let Some(ear) = cx.get::<Ear>() {
            *ear.lock().unwrap_or_else(PoisonError::into_inner) =
                Heard { id: text("id"), model: text("model"), status: answer.meant_status() };
        }
    });
}

/// Notes a turn that the call took.
pub(super) fn noted(what: &'static str, key: &'static str, value: &str) {
    event(what, || [KeyValue::new(key, value.to_string())]);
}

/// Notes that the request is sent once more, and why.
pub(super) fn tries_again(outcome: &Outcome, tried: u32, wait: Duration) {
    event("retry", || {
        let why = match outcome {
            Outcome::Response(answer) => answer.meant_status().to_string(),
            Outcome::Error(failure) => word(failure.kind).to_string(),
        };
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        [
            KeyValue::new("error.type", why),
            KeyValue::new("http.request.resend_count", i64::from(tried)),
            KeyValue::new("agent.wait_ms", wait),
        ]
    });
}

fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Timeout | FailureKind::Deadline | FailureKind::TooLate | FailureKind::Abandoned => "timeout",
        FailureKind::Connect => "connect",
        FailureKind::Reset => "reset",
        FailureKind::TooLarge => "too_large",
    }
}

fn asked(identity: &ModelIdentity, request: &ModelRequest) -> Vec<KeyValue> {
    let traced = dialect::named(&identity.provider).and_then(|dialect| dialect.traced_name);
    let provider = traced.map_or_else(|| identity.provider.clone(), str::to_string);
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", "chat"),
        KeyValue::new("gen_ai.provider.name", provider),
        KeyValue::new("gen_ai.request.model", identity.model.clone()),
        KeyValue::new("gen_ai.request.max_tokens", i64::from(request.max_tokens)),
        KeyValue::new("gen_ai.output.type", "json"),
        KeyValue::new("agent.task", request.asked_by.clone()),
    ];
    if let Ok(url) = Url::parse(&identity.base_url) {
        let host = url.host_str().map(|host| KeyValue::new("server.address", host.to_string()));
        let port = url.port_or_known_default().map(|port| KeyValue::new("server.port", i64::from(port)));
        attributes.extend(host.into_iter().chain(port));
    }
    attributes
}

fn prompts(request: &ModelRequest) -> [KeyValue; 2] {
    let text = |text: &str| json!([{ "type": "text", "content": bounded(text) }]);
    let messages = json!([{ "role": "user", "parts": text(&request.user) }]);
    [
        KeyValue::new("gen_ai.system_instructions", text(&request.system).to_string()),
        KeyValue::new("gen_ai.input.messages", messages.to_string()),
    ]
}

fn heard_of(heard: &Heard) -> Vec<KeyValue> {
    let Heard { id, model, status } = heard;
    let mut attributes = Vec::new();
    attributes.extend(id.clone().map(|id| KeyValue::new("gen_ai.response.id", id)));
    attributes.extend(model.clone().map(|model| KeyValue::new("gen_ai.response.model", model)));
    attributes.extend((*status != 0).then(|| KeyValue::new("http.response.status_code", i64::from(*status))));
    attributes
}

fn replied(reply: &ModelReply) -> Vec<KeyValue> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("gen_ai.usage.input_tokens", count(reply.prompt_tokens)),
        KeyValue::new("gen_ai.usage.output_tokens", count(reply.completion_tokens)),
        KeyValue::new("agent.attempts", i64::from(reply.attempts)),
    ];
    let reasons = |reason: &String| Value::Array(Array::String(vec![StringValue::from(named(reason))]));
    let reasons = reply.finish_reason.as_ref().map(reasons);
    attributes.extend(reasons.map(|reasons| KeyValue::new("gen_ai.response.finish_reasons", reasons)));
    attributes
}

fn message_of(reply: &ModelReply) -> String {
    let parts = json!([{ "type": "text", "content": bounded(&reply.text) }]);
    let reason = reply.finish_reason.as_deref().map_or_else(String::new, named);
    json!([{ "role": "assistant", "parts": parts, "finish_reason": reason }]).to_string()
}

/// The status where the endpoint answered, else what broke.
fn kind_of(error: &ModelError, status: u16) -> String {
    match error {
        ModelError::Timeout(_) => "timeout".to_string(),
        ModelError::Transport(_) => "transport".to_string(),
        ModelError::Declined(_) if status >= 300 => status.to_string(),
        ModelError::Declined(_) => "declined".to_string(),
        ModelError::Budget(_) => "budget".to_string(),
        ModelError::Replay(_) => "replay".to_string(),
    }
}

fn named(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}
