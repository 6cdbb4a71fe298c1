use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;

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

#[tokio::test]
async fn a_request_is_answered() {
    let (got, sent) = live(&[], vec![says("é")]).await;
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
    assert_eq!(got, Err(ModelError::Declined("status 503: Sorry".into()).after(3)));
    assert_eq!(sent.len(), 3);
    let hidden = ResponseTemplate::new(200).set_body_json(json!({ "error": { "code": 502, "message": "up" } }));
    assert_eq!(
        text_and_attempts(live(&[], vec![hidden.insert_header("retry-after-ms", "1"), says("ok")]).await.0),
        ("ok".into(), 2)
    );
}

#[tokio::test]
async fn every_status_that_may_pass_is_tried_again_and_no_other() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 520, 529] {
        let answers = vec![rejects(status, json!({ "error": { "message": "busy" } })), says("ok")];
        assert_eq!(text_and_attempts(live(&[], answers).await.0), ("ok".into(), 2), "{status}");
    }
    for status in [400, 401, 402, 403, 404, 405, 410, 413, 422, 451] {
        let (got, sent) = live(&[], vec![rejects(status, json!({ "error": { "message": "no" } })), says("ok")]).await;
        assert!(matches!(got, Err(ModelError::Declined(_))), "{status}: {got:?}");
        assert_eq!(sent.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_empty_account_is_asked_once() {
    let told = |message: &str, code: &str| json!({ "error": { "message": message, "type": null, "code": code } });
    for (status, body) in [
        (
            429,
            told("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"),
        ),
        (429, told("Billing hard limit has been reached", "billing_hard_limit_reached")),
        (429, json!({ "error": "Your credit balance is too low" })),
        (402, json!({ "error": "Payment required" })),
        (500, told("litellm: insufficient_quota", "500")),
    ] {
        let answer = ResponseTemplate::new(status).set_body_json(&body); // names no time to wait
        let (got, sent) = live(&[], vec![answer, says("never")]).await;
        assert!(matches!(got, Err(ModelError::Declined(_))), "{got:?}");
        assert_eq!(sent.len(), 1, "{body}");
    }
}

/// A date has whole seconds and a past one is now, so one long ago must not be waited for at all.
#[tokio::test]
async fn dates_are_waited_for_too() {
    let busy = |date: &str| ResponseTemplate::new(503).set_body_string("").insert_header("retry-after", date);
    let started = Instant::now();
    let past = busy("Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(text_and_attempts(live(&[], vec![past, says("ok")]).await.0), ("ok".into(), 2));
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    let soon = jiff::Timestamp::now() + Duration::from_millis(1900);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
    let started = Instant::now();
    assert_eq!(text_and_attempts(live(&[], vec![busy(&date), says("ok")]).await.0), ("ok".into(), 2));
    assert!(
        (Duration::from_millis(700)..Duration::from_secs(4)).contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
}

/// Nobody is waited for longer than the program's own limit, whatever is asked: the deadline decides before that.
#[tokio::test]
async fn a_wait_is_capped() {
    for asked in ["86400", "1e300", "Fri, 31 Dec 2100 23:59:59 GMT"] {
        let busy = ResponseTemplate::new(429).set_body_string("").insert_header("retry-after", asked);
        let started = Instant::now();
        let (got, sent) = live(&[("LLM_DEADLINE", "19")], vec![busy, says("never")]).await;
        assert!(matches!(&got, Err(ModelError::Timeout(why)) if why.text.contains("LLM_DEADLINE")), "{got:?}");
        assert_eq!(sent.len(), 1);
        assert!(started.elapsed() < Duration::from_secs(5), "what cannot come in time is not waited for");
    }
}

#[tokio::test]
async fn a_slow_answer_is_asked_for_again_and_a_drip_is_cut_off() {
    let slow = says("late").set_delay(Duration::from_secs(30));
    assert_eq!(text_and_attempts(live(&[("LLM_TIMEOUT", "0.3")], vec![slow, says("ok")]).await.0), ("ok".into(), 2));
    let url = raw_server(|_, mut stream| {
        let mut buffer = [0; 8192];
        let _ = stream.read(&mut buffer);
        std::thread::spawn(move || {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n");
            while stream.write_all(b" ").and_then(|()| stream.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    });
    let started = Instant::now();
    let connected = connect(&environment(&url, &[("LLM_TIMEOUT", "0.3")]), Mode::Live).unwrap();
    let error = ask(&connected, "w[0]", "facts").await.unwrap_err();
    assert!(matches!(&error, ModelError::Timeout(why) if why.text.ends_with("at try 3")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
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
        assert_eq!(got, Err(ModelError::Declined(expected.into()).after(1)));
        assert_eq!(sent.len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_reply_is_an_error() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>hi</html>", "text/html");
    let expected = ModelError::Transport("the answer is not JSON but text/html".into()).after(1);
    assert_eq!(live(&[], vec![page]).await.0, Err(expected));
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (4 << 20) + 1]);
    let expected = ModelError::Transport("the answer is longer than 4 MiB".into()).after(1);
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
    assert_eq!(got, Err(ModelError::Timeout(expected.into()).after(3)));
    assert_eq!(sent.len(), 3);
    assert!(started.elapsed() < Duration::from_secs(5));

    let started = Instant::now();
    let server = server(vec![slow(), says("never asked for")]).await;
    let connected = connect(&environment(&url(&server), &[("LLM_DEADLINE", "0.2")]), Mode::Live).unwrap();
    for sent in [1, 0] {
        let expected = "the 200ms for all calls of the run are used up (LLM_DEADLINE)";
        assert_eq!(ask(&connected, "w[0]", "facts").await, Err(ModelError::Timeout(expected.into()).after(sent)));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(5));

    let patient = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let started = Instant::now();
    let (got, _) = live(&[("LLM_DEADLINE", "5")], vec![patient, says("never asked for")]).await;
    let expected = "status 429; the endpoint asks to wait 3600 s, and the 5s for all calls of the run (LLM_DEADLINE) end \
                    before another try";
    assert_eq!(got, Err(ModelError::Timeout(expected.into()).after(1)));
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
        let body = r#"{"choices":[{"message":{"content":"{\"action\":\"ok\"}"}}]}"#;
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
    let told = |why: &str| why.starts_with("no connection: ") && why.ends_with("at try 3");
    assert!(matches!(&error, ModelError::Transport(why) if told(&why.text)), "{error}");

    // Nobody listens at the first try, and somebody at the second.
    let address = nobody.trim_start_matches("http://").trim_end_matches("/v1").to_string();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        let listener = std::net::TcpListener::bind(address).unwrap();
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            let body = r#"{"choices":[{"message":{"content":"{\"action\":\"ok\"}"}}]}"#;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    assert_eq!(text_and_attempts(ask(&connected, "w[1]", "facts").await), ("ok".into(), 2));
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
            let body = r#"{"choices":[{"message":{"content":"{\"action\":\"ok\"}"}}]}"#;
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        });
    });
    let connected = connect(&environment(&url, &[("LLM_CONCURRENCY", "2")]), Mode::Live).unwrap();
    let all = futures_util::future::join_all((0..6).map(|_| ask(&connected, "w[0]", "facts"))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_the_minute_has_no_room_for_waits_within_the_deadline_of_its_run() {
    let server = server(vec![says("one"), says("two")]).await;
    let bounds = [("LLM_REQUESTS_PER_MINUTE", "1"), ("LLM_DEADLINE", "0.3")];
    let connected = connect(&environment(&url(&server), &bounds), Mode::Live).unwrap();
    let first = connected.for_run(None, 0).unwrap();
    assert_eq!(text_and_attempts(first.complete(&request("w[0]", "facts")).await), ("one".into(), 1));
    // The runs of a live graph share the minute, and each has a deadline of its own.
    for _ in 0..2 {
        let (next, begun) = (connected.for_run(None, 0).unwrap(), Instant::now());
        let expected = "the 300ms for all calls of the run are used up (LLM_DEADLINE)";
        assert_eq!(next.complete(&request("w[0]", "facts")).await, Err(ModelError::Timeout(expected.into())));
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_has_the_price_of_its_tokens_and_no_more_than_the_budget_is_asked() {
    let prices = [("LLM_PRICE_PROMPT", "1000000"), ("LLM_PRICE_COMPLETION", "10"), ("LLM_MAX_TOKENS_PER_RUN", "400")];
    let server = server(vec![says("one"), says("two")]).await;
    let connected = connect(&environment(&url(&server), &prices), Mode::Live).unwrap();
    let reply = ask(&connected, "w[0]", "facts").await.unwrap();
    assert_eq!(reply.cost.unwrap().get(), 11.00007);
    let got = ask(&connected, "w[1]", &"facts ".repeat(60)).await;
    assert!(
        matches!(&got, Err(ModelError::Budget(why)) if why.contains("of the 400 tokens of the run 382 are left")),
        "{got:?}"
    );
    // Another run, and one that an earlier process has begun.
    let model = |spent| connected.for_run(Some(390), spent).unwrap();
    assert!(matches!(model(100).complete(&request("w[0]", "facts")).await, Err(ModelError::Budget(_))));
    assert!(model(0).complete(&request("w[0]", "facts")).await.is_ok());
}
