use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;
use crate::domain::ModelIdentity;

const OTHER: &str = "sk-another-secret-4567";

/// The variables of a first endpoint and of one behind it.
fn two(first: &MockServer, second: &MockServer, more: &[(&str, &str)]) -> Environment {
    let fallbacks = format!("{}#stand-in", url(second));
    let own = [("LLM_FALLBACKS", fallbacks.as_str()), ("LLM_FALLBACKS_API_KEY", OTHER)];
    environment(&url(first), &[more, &own].concat())
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn stand_in(reply: &ModelReply) -> Option<String> {
    reply.stand_in.as_ref().map(|ModelIdentity { provider, model, .. }| format!("{model} of {provider}"))
}

#[tokio::test]
async fn the_next_endpoint_answers_for_one_that_cannot() {
    let slow = || says("late").set_delay(Duration::from_secs(30));
    for (failure, tries) in [
        (rejects(401, json!({ "error": "no such key" })), 1),
        (rejects(429, json!({ "error": { "message": "no money", "code": "insufficient_quota" } })), 1),
        (rejects(503, json!({ "error": "down" })), 3),
        (ResponseTemplate::new(429).set_body_string("").insert_header("retry-after", "3600"), 1),
        (ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), 1),
        (slow(), 1), // it is not waited for a second time while somebody else may answer
    ] {
        let (first, second) = (server(vec![failure; 4]).await, server(vec![says("ok")]).await);
        let connected = connect(&two(&first, &second, &[("LLM_TIMEOUT", "0.3")]), Mode::Live).unwrap();
        let model = connected.model.as_ref().unwrap();
        assert_eq!(model.identity().model, "m");
        let reply = ask(&connected, "w[0]", "facts").await.unwrap();
        assert_eq!((action(&reply).as_str(), stand_in(&reply).as_deref()), ("ok", Some("stand-in of custom")));
        assert_eq!((asked(&first).await, asked(&second).await), (tries, 1));
        let request = &second.received_requests().await.unwrap()[0];
        assert_eq!(request.headers["authorization"], format!("Bearer {OTHER}"), "not the key of the first");
        assert_eq!(request.body_json::<Value>().unwrap()["model"], "stand-in");
    }
}

#[tokio::test]
async fn the_first_answers_where_it_can() {
    let (first, second) = (server(vec![says("ok")]).await, server(vec![]).await);
    let connected = connect(&two(&first, &second, &[]), Mode::Live).unwrap();
    let reply = ask(&connected, "w[0]", "facts").await.unwrap();
    assert_eq!((stand_in(&reply), asked(&second).await), (None, 0));
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_left_alone() {
    let no = || rejects(401, json!({ "error": "no" }));
    // Two failures and an answer, then three failures in a row.
    let first = server(vec![no(), no(), says("first"), no(), no(), no(), says("never asked for")]).await;
    let second = server((0..9).map(|n| says(&n.to_string())).collect()).await;
    let connected = connect(&two(&first, &second, &[]), Mode::Live).unwrap();
    let mut actions = Vec::new();
    for item in 0..9 {
        actions.push(action(&ask(&connected, &format!("w[{item}]"), "facts").await.unwrap()));
    }
    assert_eq!(actions, ["0", "1", "first", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(asked(&first).await, 6);
}

#[tokio::test]
async fn when_all_fail_the_error_tells_of_each() {
    let (first, second) =
        (server(vec![rejects(401, json!("no"))]).await, server(vec![rejects(400, json!({ "error": "bad" }))]).await);
    let connected = connect(&two(&first, &second, &[]), Mode::Live).unwrap();
    let error = ask(&connected, "w[0]", "facts").await.unwrap_err();
    let expected = "m of custom: the endpoint declined: status 401: \"no\"; check the key; \
                    stand-in of custom: the endpoint declined: status 400: bad";
    assert_eq!(error, ModelError::Declined(expected.into()).after(2));
}

#[tokio::test]
async fn the_deadline_is_one_for_all_endpoints() {
    let slow = || says("late").set_delay(Duration::from_secs(30));
    let (first, second) = (server(vec![slow(), slow()]).await, server(vec![slow(), slow()]).await);
    let limits = [("LLM_TIMEOUT", "0.3"), ("LLM_DEADLINE", "0.5")];
    let connected = connect(&two(&first, &second, &limits), Mode::Live).unwrap();
    let started = Instant::now();
    for _ in 0..3 {
        let error = ask(&connected, "w[0]", "facts").await.unwrap_err();
        assert!(matches!(&error, ModelError::Timeout(why) if why.text.contains("LLM_DEADLINE")), "{error}");
    }
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!((asked(&first).await, asked(&second).await), (1, 1));
}

/// Answers this share of its tasks, by their numbers, and declines the others.
async fn partial(answers: fn(usize) -> bool) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let user = body["messages"][1]["content"].as_str().unwrap().to_string();
        match answers(user.trim_start_matches("facts ").parse().unwrap()) {
            true => says(&format!("{} on {}", body["model"].as_str().unwrap(), user)),
            false => rejects(400, json!({ "error": "not this one" })),
        }
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}

#[tokio::test]
async fn a_recording_with_fallbacks_replays_to_the_same_replies_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (partial(|n| n % 3 == 0).await, partial(|n| n % 3 == 1).await);
    let environment = two(&first, &second, &[]);
    let mut texts = Vec::new();
    for at_once in [true, false] {
        let path = folder.path().join(format!("{at_once}.json"));
        let run = |connected: Connected| async move {
            let asker: Vec<String> = (0..12).map(|n| format!("w[{n}]")).collect();
            let user: Vec<String> = (0..12).map(|n| format!("facts {n}")).collect();
            let asks = asker.iter().zip(&user).map(|(asker, user)| ask(&connected, asker, user));
            let got = if at_once {
                futures_util::future::join_all(asks).await
            } else {
                let mut got = Vec::new();
                for ask in asks {
                    got.push(ask.await);
                }
                got
            };
            (got, connected.finish().unwrap())
        };
        let mode = Mode::Record { path: path.clone(), spool: None, resume: false };
        let (recorded, _) = run(connect(&environment, mode).unwrap()).await;
        let whose: Vec<Option<String>> = recorded.iter().map(|r| r.as_ref().ok().and_then(stand_in)).collect();
        assert_eq!(whose[..2], [None, Some("stand-in of custom".to_string())]);
        assert!(recorded[2].is_err() && recorded[11].is_err());
        let (mut replayed, unused) =
            run(connect(&Environment::default(), Mode::Replay { path: path.clone() }).unwrap()).await;
        assert_eq!(unused, Vec::<String>::new());
        // A base URL is not recorded.
        for (replayed, recorded) in replayed.iter_mut().zip(&recorded) {
            if let (Ok(ModelReply { stand_in: Some(replayed), .. }), Ok(ModelReply { stand_in: Some(recorded), .. })) =
                (replayed, recorded)
            {
                replayed.base_url = recorded.base_url.clone();
            }
        }
        assert_eq!(replayed, recorded);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(KEY) && !text.contains(OTHER));
        texts.push(text);
    }
    assert_eq!(texts[0], texts[1], "whichever task was faster");
}

#[tokio::test]
async fn the_key_of_a_fallback_is_not_recorded_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let (first, second) = (server(vec![says("a")]).await, server(vec![]).await);
    let mode = Mode::Record { path: path.clone(), spool: None, resume: false };
    let recording = connect(&two(&first, &second, &[]), mode).unwrap();
    ask(&recording, "w[0]", &format!("the other key is {OTHER}")).await.unwrap();
    assert_eq!(recording.finish().unwrap_err().code, crate::diagnostic::codes::model::LEAK);
    assert!(!path.exists());
}
