//! What an endpoint is good for, found out with one small request for each rung of the ladder.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::client::{ChatModel, Seat};
use super::complaint::Complaint;
use super::dialect::Output;
use super::endpoint::Endpoint;
use super::exchange::{Answer, Outcome};
use super::ladder::{self, Features};
use super::network::Network;
use super::reply;
use super::service::Answered;
use super::tape::Tape;
use crate::port::{ModelError, ModelRequest};

/// What came of probing one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// The models that it lists.
    pub models: Result<Vec<String>, String>,
    /// One for each rung that was tried, best first.
    pub rungs: Vec<RungProbe>,
    /// Fields that it refused and that requests then went without, in that order.
    pub refused: Vec<&'static str>,
    /// The rung that runs get to, from where they start.
    pub rung: Option<Output>,
    /// Why no rung gave a usable reply.
    pub trouble: Option<Trouble>,
}

/// One rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RungProbe {
    pub rung: Output,
    #[serde(flatten)]
    pub result: RungResult,
    /// HTTP exchanges.
    pub attempts: u32,
    /// Of all of them together.
    pub elapsed_ms: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "snake_case")]
pub enum RungResult {
    /// The reply is a JSON object of the schema.
    Ok,
    /// The endpoint refuses the rung.
    Refused(String),
    /// There is a reply, and it is no JSON object of the schema.
    Ignored(String),
    /// It was cut at the limit of tokens, as with models that think first.
    Cut(String),
    /// There is no reply.
    Failed(String),
}

/// Why an endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// What the endpoint or the connection says.
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    Key,
    Model,
    Account,
    /// What answers there is no chat-completions endpoint.
    Place,
    /// Nothing listens there.
    Nobody,
    /// The name of the host is not known.
    Host,
    Tls,
    Slow,
    Busy,
    /// It answers, and nothing that a report could use.
    Replies,
    Other,
}

/// Asks the endpoint for its models and once on each rung, within its limits. Costs a few hundred tokens.
pub async fn probe(endpoint: Endpoint) -> Probed {
    let models = models(&endpoint).await;
    let (first_rung, name) = (endpoint.dialect.output, endpoint.model.clone());
    let mut features = Features::of(endpoint.dialect);
    let seat = Seat { hands_over: true, ..Seat::default() };
    let model = ChatModel::new(endpoint, Arc::new(Mutex::new(Tape::Off)), seat);
    let (mut rungs, mut refused, mut trouble) = (Vec::new(), Vec::new(), None);
    for rung in Output::RUNGS {
        features.output = rung;
        let (probed, found) = on_rung(&model, &name, &mut features, &mut refused).await;
        let stays = found.as_ref().is_some_and(|found| found.kind.stays());
        trouble = trouble.or(found);
        rungs.push(probed);
        if stays {
            break;
        }
    }
    let is_ok = |probed: &&RungProbe| probed.result == RungResult::Ok;
    let rung = rungs.iter().filter(|probed| probed.rung >= first_rung).find(is_ok).map(|probed| probed.rung);
    let trouble = if rung.is_some() { None } else { trouble.or_else(|| of_results(&rungs)) };
    Probed { models, rungs, refused, rung, trouble }
}

async fn on_rung(
    model: &ChatModel,
    name: &str,
    features: &mut Features,
    refused: &mut Vec<&'static str>,
) -> (RungProbe, Option<Trouble>) {
    let (rung, request, started) = (features.output, request(), Instant::now());
    let mut probed =
        RungProbe { rung, result: RungResult::Ok, attempts: 0, elapsed_ms: 0, prompt_tokens: 0, completion_tokens: 0 };
    let trouble = loop {
        let body = Arc::new(features.body(name, &request));
        let Answered { answer, tries } = match model.send(&request.asked_by, &body).await {
            Ok(answered) => answered,
            Err(error) => {
                let what = text_of(error.clone());
                probed.result = RungResult::Failed(what.clone());
                break Some(Trouble { kind: kind_without_answer(&error), what });
            }
        };
        probed.attempts += tries;
        if let Some((field, fewer)) = features.without_rejected(&answer, &body) {
            if field == "response_format" {
                let complaint = Complaint::read(&answer.body).unwrap_or_default();
                probed.result = RungResult::Refused(format!("status {}: {}", answer.meant_status(), complaint.message));
                break None;
            }
            refused.push(field);
            *features = fewer;
            continue;
        }
        let said = reply::read(&answer);
        let is_miss = ladder::is_miss(&answer, &said, &request.schema);
        match said {
            Ok(said) => {
                (probed.prompt_tokens, probed.completion_tokens) = (said.prompt_tokens, said.completion_tokens);
                if !ladder::holds_object_of(&said.text, &request.schema) {
                    let shown: String = said.text.chars().take(60).collect();
                    let ended = said.finish_reason.unwrap_or_default();
                    probed.result = match is_miss {
                        true => RungResult::Ignored(format!("the reply is no JSON of the schema: {shown:?}")),
                        false => RungResult::Cut(format!("the reply ended with {ended:?}: {shown:?}")),
                    };
                }
                break None;
            }
            Err(error) => {
                let what = text_of(error);
                if is_miss {
                    probed.result = RungResult::Ignored(what);
                    break None;
                }
                probed.result = RungResult::Failed(what.clone());
                break Some(Trouble { kind: kind_of_answer(&answer), what });
            }
        }
    };
    probed.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    (probed, trouble)
}

/// As small as a request of a run can be that uses all that one does.
fn request() -> ModelRequest {
    ModelRequest {
        asked_by: "doctor".to_string(),
        system: "You check that a connection works.".to_string(),
        user: "Set `answer` to the word yes.".to_string(),
        schema_name: "connection_check".to_string(),
        schema: json!({
            "type": "object",
            "properties": { "answer": { "type": "string" } },
            "required": ["answer"],
            "additionalProperties": false,
        }),
        max_tokens: 400,
    }
}

fn text_of(error: ModelError) -> String {
    match error {
        ModelError::Timeout(why) | ModelError::Transport(why) | ModelError::Declined(why) => why.text,
        ModelError::Budget(why) | ModelError::Replay(why) => why,
    }
}

/// Whatever the rungs have in common, when none had an error of its own.
fn of_results(rungs: &[RungProbe]) -> Option<Trouble> {
    let what = rungs.iter().rev().find_map(|probed| match &probed.result {
        RungResult::Ok => None,
        RungResult::Refused(why) | RungResult::Ignored(why) | RungResult::Cut(why) | RungResult::Failed(why) => {
            Some(why.clone())
        }
    })?;
    Some(Trouble { kind: TroubleKind::Replies, what })
}

impl TroubleKind {
    /// Whether it is the same on every rung, so that no other need be tried.
    fn stays(self) -> bool {
        !matches!(self, TroubleKind::Busy | TroubleKind::Replies | TroubleKind::Other)
    }
}

fn kind_without_answer(error: &ModelError) -> TroubleKind {
    let why = match error {
        ModelError::Timeout(_) => return TroubleKind::Slow,
        other => other.to_string().to_lowercase(),
    };
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    match () {
        () if says(&["certificate", "tls", "corrupt message", "invalidcontenttype", "handshake"]) => TroubleKind::Tls,
        () if says(&["refused"]) => TroubleKind::Nobody,
        () if says(&["lookup", "name or service not known", "nodename", "no such host", "dns"]) => TroubleKind::Host,
        () => TroubleKind::Other,
    }
}

fn kind_of_answer(answer: &Answer) -> TroubleKind {
    let complaint = Complaint::read(&answer.body).unwrap_or_default();
    match answer.meant_status() {
        401 | 403 => TroubleKind::Key,
        402 => TroubleKind::Account,
        _ if complaint.is_about_quota() => TroubleKind::Account,
        400..=499 if complaint.is_about_model() => TroubleKind::Model,
        400 if complaint.is_about_key() => TroubleKind::Key,
        200 | 300..=399 | 404 | 405 => TroubleKind::Place,
        408 | 409 | 425 | 429 | 500..=599 => TroubleKind::Busy,
        _ => TroubleKind::Other,
    }
}

/// The names of the models that the endpoint lists, sorted.
///
/// # Errors
/// Why there is no list.
pub async fn models(endpoint: &Endpoint) -> Result<Vec<String>, String> {
    let network = Network::new(endpoint, false, Arc::default());
    let request = network.client()?.get(format!("{}/models", endpoint.base_url)).build().map_err(|e| e.to_string())?;
    match network.send(request, Duration::ZERO).await {
        Outcome::Error(failure) => Err(failure.to_string()),
        Outcome::Response(answer) if answer.meant_status() == 200 => {
            listed(&answer.body).ok_or_else(|| "the answer holds no list of models".to_string())
        }
        Outcome::Response(answer) => match reply::read(&answer) {
            Err(error) => Err(text_of(error)),
            Ok(_) => Err("the answer holds no list of models".to_string()),
        },
    }
}

/// `{ "data": [{ "id": … }] }`, or under `models`, or the list alone; entries may be names, and may name themselves so.
fn listed(body: &Value) -> Option<Vec<String>> {
    let list = ["data", "models"].into_iter().find_map(|key| body.get(key)).unwrap_or(body).as_array()?;
    let name = |entry: &Value| {
        let named = || ["id", "name", "model"].into_iter().find_map(|key| entry.get(key)?.as_str());
        let name = entry.as_str().or_else(named)?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_string())
    };
    let mut names: Vec<String> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_models_come_in_several_shapes() {
        for (body, expected) in [
            (json!({ "object": "list", "data": [{ "id": "b" }, { "id": "a" }, { "id": "b" }] }), Some(vec!["a", "b"])),
            (json!([{ "id": "a", "type": "chat" }]), Some(vec!["a"])),
            (json!({ "models": [{ "name": "models/gemini", "x": 1 }, { "other": 1 }, 7] }), Some(vec!["gemini"])),
            (json!({ "data": ["a"] }), Some(vec!["a"])),
            (json!({ "data": [] }), Some(vec![])),
            (json!({ "data": "none" }), None),
            (json!("<html>"), None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(String::from).collect());
            assert_eq!(listed(&body), expected, "{body}");
        }
    }

    #[test]
    fn troubles_are_told_apart() {
        let told = |status: u16, body: Value| {
            kind_of_answer(&Answer { status, headers: std::collections::BTreeMap::new(), body })
        };
        let says = |message: &str| json!({ "error": { "message": message } });
        for (status, body, expected) in [
            (401, says("no"), TroubleKind::Key),
            (400, says("API key not valid. Please pass a valid API key."), TroubleKind::Key),
            // LiteLLM 1.106.2 without a database, asked with a wrong key.
            (
                400,
                json!({ "error": { "message": "No connected db.", "type": "no_db_connection", "param": null, "code": "400" } }),
                TroubleKind::Key,
            ),
            // The same, asked for a model that it does not have.
            (
                400,
                json!({ "error": {
                    "message": "/chat/completions: Invalid model name passed in model=missing. Call `/v1/models` to view available models for your key.",
                    "type": "invalid_request_error", "param": null, "code": "400",
                } }),
                TroubleKind::Model,
            ),
            (404, says("The model `x` does not exist or you do not have access to it."), TroubleKind::Model),
            (404, json!({ "error": "model 'x' not found, try pulling it first" }), TroubleKind::Model),
            (400, json!({ "message": "Invalid model: x", "type": "invalid_model" }), TroubleKind::Model),
            (404, json!({ "detail": "Not Found" }), TroubleKind::Place),
            (308, json!(""), TroubleKind::Place),
            (200, json!("<html>"), TroubleKind::Place),
            (402, says("pay"), TroubleKind::Account),
            (429, json!({ "error": { "code": "insufficient_quota" } }), TroubleKind::Account),
            (429, says("slow down"), TroubleKind::Busy),
            (503, says("loading"), TroubleKind::Busy),
            (400, says("what?"), TroubleKind::Other),
        ] {
            assert_eq!(told(status, body.clone()), expected, "{status} {body}");
        }
        for (why, expected) in [
            ("no connection: Connection refused (os error 111)", TroubleKind::Nobody),
            ("no connection: failed to lookup address information: Name or service not known", TroubleKind::Host),
            ("no connection: invalid peer certificate: UnknownIssuer", TroubleKind::Tls),
            ("no connection: received corrupt message of type InvalidContentType", TroubleKind::Tls),
            ("the connection broke: connection closed", TroubleKind::Other),
        ] {
            assert_eq!(kind_without_answer(&ModelError::Transport(why.into())), expected, "{why}");
        }
        assert_eq!(kind_without_answer(&ModelError::Timeout("late".into())), TroubleKind::Slow);
    }
}
