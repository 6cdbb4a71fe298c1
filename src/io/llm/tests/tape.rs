use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;
use crate::diagnostic::codes;

fn record_to(path: &Path) -> Mode {
    Mode::Record { path: path.to_path_buf(), spool: None, resume: false }
}

fn replay_from(path: &Path) -> Connected {
    connect(&Environment::default(), Mode::Replay { path: path.to_path_buf() }).unwrap()
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

/// Also where tasks find out by themselves what the endpoint rejects, or ignores.
#[tokio::test]
async fn two_recordings_of_one_run_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for ignores in [false, true] {
        let mut texts = Vec::new();
        for at_once in [true, false] {
            let server = MockServer::start().await;
            let respond = move |request: &Request| {
                let body: Value = request.body_json().unwrap();
                match body["response_format"]["type"].as_str() {
                    Some("json_schema") if ignores => writes("I would rather not."),
                    Some("json_schema") => rejects(400, json!({ "error": "response_format" })),
                    _ => says(body["messages"][1]["content"].as_str().unwrap()),
                }
            };
            Mock::given(any()).respond_with(respond).mount(&server).await;
            let path = folder.path().join(format!("{ignores}-{at_once}.json"));
            let recording = connect(&environment(&url(&server), &[]), record_to(&path)).unwrap();
            let recorded = run(&recording, at_once).await;
            assert!(recorded.iter().all(Result::is_ok));
            recording.finish().unwrap();
            let replay = replay_from(&path);
            assert_eq!(run(&replay, !at_once).await, recorded);
            assert_eq!(replay.finish().unwrap(), Vec::<String>::new());
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
        assert_eq!(texts[0], texts[1]);
    }
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
    let texts: Vec<String> = recorded.iter().flatten().map(action).collect();
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

/// A task that is dropped in the middle of a call, as the engine does when a node's own `timeout` is over.
#[tokio::test]
async fn a_task_that_stopped_waiting_stops_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, spool) = (folder.path().join("cassette.json"), folder.path().join("cassette.ndjson"));
    let slow = || says("late").set_delay(Duration::from_secs(9));
    let server = server(vec![slow(), says("b"), says("c")]).await;
    let environment = environment(&url(&server), &[]);
    let mode = |resume| Mode::Record { path: path.clone(), spool: Some(spool.clone()), resume };
    let first = connect(&environment, mode(false)).unwrap();
    let soon = Duration::from_millis(300);
    tokio::time::timeout(soon, ask(&first, "w[0]", "facts")).await.unwrap_err();
    assert_eq!(text_and_attempts(ask(&first, "w[1]", "facts").await).0, "b");
    first.finish().unwrap();
    let replay = replay_from(&path);
    tokio::time::timeout(soon, ask(&replay, "w[0]", "facts")).await.unwrap_err();
    assert_eq!(text_and_attempts(ask(&replay, "w[1]", "facts").await).0, "b");
    assert_eq!(replay.finish().unwrap(), Vec::<String>::new());

    let second = connect(&environment, mode(true)).unwrap();
    assert_eq!(text_and_attempts(ask(&second, "w[0]", "facts").await).0, "c", "cut short, so it is asked again");
    second.finish().unwrap();
    assert_eq!(text_and_attempts(ask(&replay_from(&path), "w[0]", "facts").await).0, "c");
}
