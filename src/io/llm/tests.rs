//! The whole way from a request to a reply, against servers on this machine.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::diagnostic::{Code, codes};
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

fn says(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "x",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7 },
    }))
}

fn rejects(status: u16, body: Value) -> ResponseTemplate {
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

/// A server that always gives what the request's user message says: `{"user": …}` and the number of such requests so far.
async fn echo() -> MockServer {
    let server = MockServer::start().await;
    let seen: Mutex<Vec<String>> = Mutex::default();
    let reply = move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        if body.get("response_format").is_some_and(|f| f["type"] == "json_schema") {
            return rejects(400, json!({ "error": { "message": "response_format.type is not supported" } }));
        }
        let user = body["messages"][1]["content"].as_str().unwrap().to_string();
        let mut seen = seen.lock().unwrap();
        seen.push(user.clone());
        says(&format!("{user} #{}", seen.iter().filter(|s| **s == user).count()))
    };
    Mock::given(any()).respond_with(reply).mount(&server).await;
    server
}

fn url(server: &MockServer) -> String {
    format!("{}/v1", server.uri())
}

async fn ask(connected: &Connected, asked_by: &str, user: &str) -> Result<ModelReply, ModelError> {
    connected.model.as_ref().unwrap().complete(&request(asked_by, user)).await
}

/// What comes of one live request to a server that gives these answers, and the bodies that it got.
async fn live(more: &[(&str, &str)], answers: Vec<ResponseTemplate>) -> (Result<ModelReply, ModelError>, Vec<Value>) {
    let server = server(answers).await;
    let connected = connect(&environment(&url(&server), more), Mode::Live).unwrap();
    let got = ask(&connected, "w[0]", "facts").await;
    let sent = server.received_requests().await.unwrap();
    for request in &sent {
        assert_eq!(request.url.path(), "/v1/chat/completions");
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(request.headers["content-type"], "application/json");
    }
    if let Err(error) = &got {
        assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    }
    (got, sent.iter().map(|r| r.body_json().unwrap()).collect())
}

fn text_and_attempts(got: Result<ModelReply, ModelError>) -> (String, u32) {
    let reply = got.unwrap();
    (reply.text, reply.attempts)
}

#[tokio::test]
async fn a_request_is_answered() {
    let (got, sent) = live(&[], vec![says("{\"action\":\"é\"}")]).await;
    let reply = got.unwrap();
    assert_eq!((reply.text.as_str(), reply.attempts), ("{\"action\":\"é\"}", 1));
    assert_eq!((reply.prompt_tokens, reply.completion_tokens), (11, 7));
    assert_eq!(reply.finish_reason.as_deref(), Some("stop"));
    assert_eq!(sent[0]["model"], "m");
    assert_eq!(sent[0]["messages"][1]["content"], "facts");
    assert_eq!(sent[0]["response_format"]["json_schema"]["name"], "draft");
}

#[tokio::test]
async fn a_rejected_feature_is_left_out_and_that_is_remembered() {
    let about = |field: &str| json!({ "error": { "message": format!("{field} is not supported") } });
    let server = server(vec![
        rejects(400, about("response_format.type json_schema")),
        rejects(500, about("response_format")),
        rejects(422, json!({ "detail": [{ "loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted" }] })),
        says("one"),
        says("two"),
    ])
    .await;
    let connected = connect(&environment(&url(&server), &[]), Mode::Live).unwrap();
    assert_eq!(text_and_attempts(ask(&connected, "w[0]", "facts").await), ("one".into(), 4));
    assert_eq!(text_and_attempts(ask(&connected, "w[1]", "facts").await), ("two".into(), 1));
    let sent: Vec<Value> = server.received_requests().await.unwrap().iter().map(|r| r.body_json().unwrap()).collect();
    let kinds: Vec<Option<&str>> = sent.iter().map(|b| b["response_format"]["type"].as_str()).collect();
    assert_eq!(kinds, [Some("json_schema"), Some("json_object"), None, None, None]);
    assert_eq!((&sent[2]["max_tokens"], &sent[3]["max_completion_tokens"]), (&json!(200), &json!(200)));
    assert!(sent[3].get("max_tokens").is_none());
    assert_eq!(sent[3], sent[4]);
}

#[tokio::test]
async fn mistrals_refusal_of_an_unknown_key_is_understood() {
    let refusal =
        json!({ "detail": [{ "type": "extra_forbidden", "loc": ["body", "random_seed"], "msg": "no", "input": 1 }] });
    let (got, sent) = live(&[("LLM_PROVIDER", "mistral")], vec![rejects(422, refusal), says("ok")]).await;
    assert_eq!(text_and_attempts(got), ("ok".into(), 2));
    assert_eq!(sent[0]["random_seed"], 1);
    assert!(sent[1].get("random_seed").is_none() && sent[1].get("seed").is_none());
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    let busy = || rejects(429, json!({ "message": "Requests rate limit exceeded" }));
    assert_eq!(text_and_attempts(live(&[], vec![busy(), says("ok")]).await.0), ("ok".into(), 2));
    let broken = || ResponseTemplate::new(503).set_body_string("<h1>Sorry</h1>").insert_header("retry-after-ms", "1");
    assert_eq!(text_and_attempts(live(&[], vec![broken(), broken(), says("ok")]).await.0), ("ok".into(), 3));
    let (got, sent) = live(&[], vec![broken(), broken(), broken(), says("late")]).await;
    assert_eq!(got, Err(ModelError::Declined("status 503: Sorry".into())));
    assert_eq!(sent.len(), 3);
    let hidden = ResponseTemplate::new(200).set_body_json(json!({ "error": { "code": 502, "message": "up" } }));
    assert_eq!(
        text_and_attempts(live(&[], vec![hidden.insert_header("retry-after-ms", "1"), says("ok")]).await.0),
        ("ok".into(), 2)
    );
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let started = Instant::now();
    let busy = ResponseTemplate::new(429).set_body_string("").insert_header("retry-after", "0.7");
    assert_eq!(text_and_attempts(live(&[], vec![busy, says("ok")]).await.0), ("ok".into(), 2));
    assert!(started.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn what_cannot_pass_is_not_tried_again() {
    let quota = json!({ "error": { "message": "You exceeded your quota", "code": "insufficient_quota" } });
    let cases = [
        (rejects(429, quota), "status 429: You exceeded your quota; the account has no quota left"),
        (
            rejects(401, json!({ "error": { "message": format!("Incorrect API key provided: {KEY}") } })),
            "status 401: Incorrect API key provided: ***; check the key",
        ),
        (
            rejects(404, json!({ "error": "model \"m\" not found" })),
            "status 404: model \"m\" not found; check the base URL and the model's name",
        ),
        (
            ResponseTemplate::new(307).insert_header("location", "/elsewhere"),
            "status 307: no explanation; redirects are not followed: check the base URL",
        ),
    ];
    for (answer, expected) in cases {
        let (got, sent) = live(&[], vec![answer, says("never")]).await;
        assert_eq!(got, Err(ModelError::Declined(expected.into())));
        assert_eq!(sent.len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_reply_is_an_error() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>hi</html>", "text/html");
    let expected = ModelError::Transport("the answer is not JSON but text/html".into());
    assert_eq!(live(&[], vec![page]).await.0, Err(expected));
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (4 << 20) + 1]);
    let expected = ModelError::Transport("the answer is longer than 4 MiB".into());
    assert_eq!(live(&[], vec![huge]).await.0, Err(expected));
    let long = ResponseTemplate::new(200).set_body_string(format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)));
    assert!(matches!(live(&[], vec![long]).await.0, Err(ModelError::Transport(_))));
}

#[tokio::test]
async fn slowness_is_bounded_by_call_and_by_run() {
    let slow = || says("late").set_delay(Duration::from_secs(30));
    let started = Instant::now();
    let (got, sent) = live(&[("LLM_TIMEOUT", "0.1")], vec![slow(), slow(), slow()]).await;
    let expected = "the endpoint took longer than 100ms (LLM_TIMEOUT), at try 3";
    assert_eq!(got, Err(ModelError::Timeout(expected.into())));
    assert_eq!(sent.len(), 3);
    assert!(started.elapsed() < Duration::from_secs(5));

    let started = Instant::now();
    let server = server(vec![slow(), says("never asked for")]).await;
    let connected = connect(&environment(&url(&server), &[("LLM_DEADLINE", "0.2")]), Mode::Live).unwrap();
    for _ in 0..2 {
        let expected = "the 200ms for all calls of the run are used up (LLM_DEADLINE)";
        assert_eq!(ask(&connected, "w[0]", "facts").await, Err(ModelError::Timeout(expected.into())));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(5));

    let patient = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let started = Instant::now();
    let (got, _) = live(&[("LLM_DEADLINE", "5")], vec![patient, says("never asked for")]).await;
    assert!(matches!(got, Err(ModelError::Timeout(_))), "{got:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "it is not waited for what cannot come in time");
}

/// A server that does this with each connection, by its number.
fn raw_server(serve: impl Fn(usize, std::net::TcpStream) + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            serve(number, stream);
        }
    });
    url
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    let url = raw_server(|number, mut stream| {
        let mut buffer = [0; 8192];
        let _ = stream.read(&mut buffer);
        let body = r#"{"choices":[{"message":{"content":"ok"}}]}"#;
        let _ = match number {
            0 => Ok(()),                                                             // closes without a word
            1 => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{{"), // and within the body
            _ => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        };
    });
    let connected = connect(&environment(&url, &[]), Mode::Live).unwrap();
    assert_eq!(text_and_attempts(ask(&connected, "w[0]", "facts").await), ("ok".into(), 3));

    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let connected = connect(&environment(&nobody, &[]), Mode::Live).unwrap();
    let error = ask(&connected, "w[0]", "facts").await.unwrap_err();
    assert!(matches!(&error, ModelError::Transport(why) if why.starts_with("no connection: ")), "{error}");
}

#[tokio::test]
async fn no_more_requests_run_at_one_time_than_permitted() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (running.clone(), most.clone());
    let url = raw_server(move |_, mut stream| {
        let (running, most) = counters.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(60));
            running.fetch_sub(1, Ordering::SeqCst);
            let body = r#"{"choices":[{"message":{"content":"ok"}}]}"#;
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        });
    });
    let connected = connect(&environment(&url, &[("LLM_CONCURRENCY", "2")]), Mode::Live).unwrap();
    let all = futures_util::future::join_all((0..6).map(|_| ask(&connected, "w[0]", "facts"))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

fn record_to(path: &Path) -> Mode {
    Mode::Record { path: path.to_path_buf(), spool: None, resume: false }
}

fn replay_from(path: &Path) -> Connected {
    connect(&Environment::default(), Mode::Replay { path: path.to_path_buf() }).unwrap()
}

/// The tasks of a run: each asks for the same facts, then for its own; all at once, or one after the other.
async fn run(connected: &Connected, at_once: bool) -> Vec<Result<ModelReply, ModelError>> {
    let task = |item: usize| async move {
        let asker = format!("w[{item}]");
        [ask(connected, &asker, "same").await, ask(connected, &asker, &format!("own {item}")).await]
    };
    if at_once {
        futures_util::future::join_all((0..11).map(task)).await.into_iter().flatten().collect()
    } else {
        let mut all = Vec::new();
        for item in (0..11).rev() {
            all.splice(0..0, task(item).await);
        }
        all
    }
}

#[tokio::test]
async fn a_replay_gives_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cassette.json");
    let server = echo().await;
    let recording = connect(&environment(&url(&server), &[("LLM_LABEL", "synthetic")]), record_to(&path)).unwrap();
    let recorded = run(&recording, true).await;
    assert!(recorded.iter().all(Result::is_ok), "{recorded:?}");
    assert_eq!(recorded[0].as_ref().unwrap().attempts, 2, "each task finds out for itself what is rejected");
    recording.finish().unwrap();
    drop(server);

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(KEY) && !text.to_lowercase().contains("authorization") && !text.contains("127.0.0.1"));
    assert!(text.contains("\"label\": \"synthetic\""));
    for at_once in [true, false] {
        let replay = replay_from(&path);
        assert_eq!(run(&replay, at_once).await, recorded, "equal requests get the reply of their own task");
        assert_eq!(replay.finish().unwrap(), Vec::<String>::new());
    }
    let identity = replay_from(&path).model.unwrap().identity();
    assert_eq!((identity.provider.as_str(), identity.model.as_str()), ("custom", "m"));
}

#[tokio::test]
async fn two_recordings_of_one_run_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for at_once in [true, false] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(|request: &Request| {
                let body: Value = request.body_json().unwrap();
                match body["response_format"]["type"].as_str() {
                    Some("json_schema") => rejects(400, json!({ "error": "response_format" })),
                    _ => says(body["messages"][1]["content"].as_str().unwrap()),
                }
            })
            .mount(&server)
            .await;
        let path = folder.path().join(format!("{at_once}.json"));
        let recording = connect(&environment(&url(&server), &[]), record_to(&path)).unwrap();
        assert!(run(&recording, at_once).await.iter().all(Result::is_ok));
        recording.finish().unwrap();
        texts.push(std::fs::read_to_string(&path).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn equal_requests_of_one_task_are_replayed_in_order_and_errors_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cassette.json");
    let slow = || says("late").set_delay(Duration::from_secs(9));
    let server = server(vec![
        says("first"),
        says("second"),
        rejects(401, json!({ "error": { "message": format!("bad key {KEY}") } })),
        rejects(429, json!({ "message": "slow down" })),
        says("third"),
        slow(),
        slow(),
    ])
    .await;
    let more = [("LLM_TIMEOUT", "1"), ("LLM_DEADLINE", "1.5")];
    let recording = connect(&environment(&url(&server), &more), record_to(&path)).unwrap();
    let mut recorded = Vec::new();
    for _ in 0..6 {
        recorded.push(ask(&recording, "w[0]", "facts").await);
    }
    recording.finish().unwrap();
    let texts: Vec<&str> = recorded.iter().flatten().map(|r| r.text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    let errors: Vec<String> = recorded.iter().filter_map(|r| r.as_ref().err()).map(|e| e.to_string()).collect();
    assert!(errors[0].ends_with("bad key ***; check the key"), "{errors:?}");
    assert!(errors.iter().skip(1).all(|e| e.contains("LLM_DEADLINE")), "{errors:?}");

    let started = Instant::now();
    let replay = replay_from(&path);
    for expected in recorded {
        assert_eq!(ask(&replay, "w[0]", "facts").await, expected);
    }
    assert!(started.elapsed() < Duration::from_secs(1), "nothing is waited for");
    let error = ask(&replay, "w[0]", "facts").await.unwrap_err();
    assert!(matches!(&error, ModelError::Replay(why) if why.contains("asked once more")), "{error}");
    assert_eq!(replay.finish().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_replay_says_what_is_missing_and_what_is_left_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cassette.json");
    let server = server(vec![says("a"), says("b")]).await;
    let recording = connect(&environment(&url(&server), &[]), record_to(&path)).unwrap();
    for item in 0..2 {
        ask(&recording, &format!("w[{item}]"), &format!("the CPU is at 8{item} %")).await.unwrap();
    }
    recording.finish().unwrap();

    let replay = replay_from(&path);
    let error = ask(&replay, "w[1]", "the CPU is at 87 %").await.unwrap_err();
    let ModelError::Replay(text) = &error else { panic!("{error:?}") };
    assert_eq!(
        text,
        "the cassette does not have this request of `w[1]`; the nearest one, of `w[0]`, differs at:\n  \
         messages[1].content\n    recorded: the CPU is at 80 %\n    asked:    the CPU is at 87 %\n\
         the graph, its files or the input are not those of the recording: record the run again"
    );
    assert_eq!(text_and_attempts(ask(&replay, "v", "the CPU is at 80 %").await).0, "a", "renamed tasks replay too");
    assert_eq!(replay.finish().unwrap(), ["POST /chat/completions of `w[1]` (status 200)"]);
}

#[tokio::test]
async fn a_killed_recording_goes_on_and_asks_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cassette.json");
    let spool = folder.path().join("cassette.ndjson");
    let server = server(vec![says("a"), says("b"), says("c")]).await;
    let mode = |resume| Mode::Record { path: path.clone(), spool: Some(spool.clone()), resume };
    let environment = environment(&url(&server), &[]);
    let first = connect(&environment, mode(false)).unwrap();
    ask(&first, "w[0]", "done").await.unwrap();
    ask(&first, "w[1]", "half").await.unwrap();
    drop(first); // killed: no cassette is written
    assert!(!path.exists());
    let mut torn = std::fs::OpenOptions::new().append(true).open(&spool).unwrap();
    torn.write_all(b"{\"asked_by\":\"w[1]\",\"meth").unwrap();

    let second = connect(&environment, mode(true)).unwrap();
    assert_eq!(text_and_attempts(ask(&second, "w[1]", "half").await), ("b".into(), 1));
    assert_eq!(text_and_attempts(ask(&second, "w[1]", "rest").await), ("c".into(), 1));
    second.finish().unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 3);

    let replay = replay_from(&path);
    for (asker, user, text) in [("w[0]", "done", "a"), ("w[1]", "half", "b"), ("w[1]", "rest", "c")] {
        assert_eq!(text_and_attempts(ask(&replay, asker, user).await).0, text);
    }
    assert_eq!(replay.finish().unwrap(), Vec::<String>::new());

    let other = Environment::from_pairs([("LLM_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_MODEL", "other")]);
    let error = connect(&other, mode(true)).unwrap_err();
    assert_eq!(error.code, codes::model::SPOOL);
    assert!(error.message.ends_with("the run was started with m of custom, not other of custom"), "{error}");
    std::fs::write(&spool, "{}\n").unwrap();
    assert_eq!(connect(&environment, mode(true)).unwrap_err().code, codes::model::SPOOL);
    assert!(connect(&environment, mode(false)).is_ok(), "a new run starts anew");
}

#[tokio::test]
async fn a_key_in_a_prompt_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, spool) = (folder.path().join("cassette.json"), folder.path().join("cassette.ndjson"));
    let server = server(vec![says("a")]).await;
    let mode = Mode::Record { path: path.clone(), spool: Some(spool.clone()), resume: false };
    let recording = connect(&environment(&url(&server), &[]), mode).unwrap();
    ask(&recording, "w[0]", &format!("our key is {KEY}")).await.unwrap();
    let error = recording.finish().unwrap_err();
    assert_eq!(error.code, codes::model::LEAK);
    assert!(!error.message.contains(KEY) && !path.exists());
    assert!(!std::fs::read_to_string(&spool).unwrap().contains(KEY));
}

#[tokio::test]
async fn a_dead_endpoint_still_gives_a_cassette() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cassette.json");
    let environment = environment("http://127.0.0.1:9/v1", &[("LLM_DEADLINE", "0.4")]);
    let recording = connect(&environment, record_to(&path)).unwrap();
    let recorded = ask(&recording, "w[0]", "facts").await;
    assert!(recorded.is_err());
    recording.finish().unwrap();
    assert_eq!(ask(&replay_from(&path), "w[0]", "facts").await, recorded);
}

#[test]
fn a_mode_that_cannot_be_is_a_diagnostic() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Environment::default();
    let connected = connect(&nothing, Mode::Live).unwrap();
    assert!(connected.model.is_none());
    assert_eq!(
        connected.notice.as_deref(),
        Some("no model is configured (.env.example says how): templates word the recommendations")
    );
    assert_eq!(connected.finish().unwrap(), Vec::<String>::new());

    let check = |environment: &Environment, mode: Mode, expected: &Code| {
        assert_eq!(connect(environment, mode).unwrap_err().code, expected);
    };
    let here: PathBuf = folder.path().join("c.json");
    check(&nothing, record_to(&here), codes::model::NO_PROVIDER);
    check(&nothing, Mode::Replay { path: here.clone() }, codes::model::CASSETTE);
    let configured = environment("http://127.0.0.1:9/v1", &[]);
    check(&configured, record_to(&folder.path().join("none/c.json")), codes::model::CASSETTE_UNWRITABLE);
    let header = json!({ "version": 1, "provider": "p", "model": "m", "dialect": "klingon" });
    std::fs::write(&here, json!({ "header": header, "interactions": [] }).to_string()).unwrap();
    check(&nothing, Mode::Replay { path: here }, codes::model::CASSETTE);
}

/// Start-up stays in milliseconds: connecting builds no HTTP client.
#[test]
fn connecting_touches_neither_network_nor_certificates() {
    let started = Instant::now();
    for _ in 0..20 {
        connect(&environment("https://api.mistral.ai/v1", &[]), Mode::Live).unwrap();
    }
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

/// Every variable that is read is in `.env.example`, and only those.
#[test]
fn the_example_file_lists_every_variable() {
    let text = include_str!("../../../.env.example");
    let mut read: Vec<&str> = DIALECTS
        .iter()
        .flat_map(|d| d.key_variables.iter().chain(d.base_url_variables).copied().chain(d.headers.iter().map(|h| h.1)))
        .chain(["LLM_PROVIDER", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "LLM_TIMEOUT", "LLM_DEADLINE"])
        .chain(["LLM_CONCURRENCY", "LLM_LABEL"])
        .collect();
    read.sort_unstable();
    read.dedup();
    for name in &read {
        assert!(text.contains(name), "{name} is not in .env.example");
    }
    for line in text.lines().filter(|line| line.starts_with('#') && line.contains('=') && !line.starts_with("# ")) {
        let name = line.trim_start_matches('#').split('=').next().unwrap();
        assert!(read.contains(&name), "{name} is not read");
    }
    for dialect in DIALECTS {
        assert!(text.contains(dialect.name), "{} is not in .env.example", dialect.name);
    }
    // Without its comment signs it is a file that can be read.
    let plain: String = text
        .lines()
        .filter(|l| !l.starts_with("# "))
        .map(|l| l.trim_start_matches('#'))
        .fold(String::new(), |text, line| text + line + "\n");
    for pair in dotenvy::from_read_iter(plain.as_bytes()) {
        pair.unwrap();
    }
}
