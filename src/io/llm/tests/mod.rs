//! The whole way from a request to a reply, against servers on this machine.

mod dialects;
mod fallback;
mod live;
mod settings;
mod tape;

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::port::{ModelError, ModelReply, ModelRequest};

const KEY: &str = "sk-very-secret-0123";

fn request(asked_by: &str, user: &str) -> ModelRequest {
    ModelRequest {
        asked_by: asked_by.into(),
        system: "You word recommendations.".into(),
        user: user.into(),
        schema_name: "draft".into(),
        schema: json!({ "type": "object", "properties": { "action": { "type": "string" } }, "required": ["action"] }),
        max_tokens: 200,
    }
}

/// A reply of the schema, with this action.
fn says(action: &str) -> ResponseTemplate {
    writes(&json!({ "action": action }).to_string())
}

fn writes(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "x",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7 },
    }))
}

fn rejects(status: u16, body: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body).insert_header("retry-after-ms", "1")
}

fn environment(base_url: &str, more: &[(&str, &str)]) -> Environment {
    let own = [("LLM_BASE_URL", base_url), ("LLM_MODEL", "m"), ("LLM_API_KEY", KEY)];
    Environment::from_pairs(more.iter().chain(&own).copied())
}

/// A server that gives these answers in turn, then 418.
async fn server(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let answers = Mutex::new(VecDeque::from(answers));
    Mock::given(any())
        .respond_with(move |_: &Request| answers.lock().unwrap().pop_front().unwrap_or(ResponseTemplate::new(418)))
        .mount(&server)
        .await;
    server
}

fn url(server: &MockServer) -> String {
    format!("{}/v1", server.uri())
}

async fn ask(connected: &Connected, asked_by: &str, user: &str) -> Result<ModelReply, ModelError> {
    connected.model.as_ref().unwrap().complete(&request(asked_by, user)).await
}

fn action(reply: &ModelReply) -> String {
    let read: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
    read["action"].as_str().unwrap().to_string()
}

fn text_and_attempts(got: Result<ModelReply, ModelError>) -> (String, u32) {
    let reply = got.unwrap();
    (action(&reply), reply.attempts)
}
