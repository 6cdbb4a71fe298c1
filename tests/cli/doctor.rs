//! `agent doctor` and `agent models`, against servers on this machine that answer as providers do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::endpoint::request;
use crate::sandbox::{Ran, Sandbox};

const KEY: &str = "sk-doctor-0123456789-k7";

/// What a request gets: a status and a body.
type Answer = fn(line: &str, head: &[String], body: &Value) -> (u16, Value);

/// A server that answers so for as long as the test runs; gives its base URL.
fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || respond(stream, answer));
        }
    });
    url
}

fn respond(mut stream: TcpStream, answer: Answer) {
    let Some((head, body)) = request(&stream) else { return };
    let line = head[0].trim_end_matches(" HTTP/1.1").to_string();
    let (status, body) = answer(&line, &head, &serde_json::from_slice(&body).unwrap_or_default());
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let _ = write!(stream, "{head}connection: close\r\nretry-after-ms: 1\r\n\r\n{body}");
}

/// What a server of plain HTTP does with the first bytes of TLS.
fn plain_http() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.read(&mut buffer); // until the client has had enough
        }
    });
    url
}

fn says(content: &str) -> (u16, Value) {
    let message = json!({ "role": "assistant", "content": content });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    (200, json!({ "choices": [choice], "usage": { "prompt_tokens": 96, "completion_tokens": 9 } }))
}

fn lists(names: &[&str]) -> (u16, Value) {
    let data: Vec<Value> = names.iter().map(|name| json!({ "id": name, "object": "model" })).collect();
    (200, json!({ "object": "list", "data": data }))
}

fn refuses(status: u16, message: &str) -> (u16, Value) {
    (status, json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } }))
}

/// As LM Studio does, with a model that has no seed.
fn studio(line: &str, _: &[String], body: &Value) -> (u16, Value) {
    match (line, body["response_format"]["type"].as_str()) {
        ("GET /v1/models", _) => lists(&["qwen3-8b", "gemma-3-4b", "text-embedding-nomic"]),
        (_, Some("json_object")) => (400, json!({ "error": "'response_format.type' must be 'json_schema' or 'text'" })),
        _ if body.get("temperature").is_some() => refuses(400, "Unsupported value: 'temperature' must be 1."),
        (_, Some("json_schema")) => says("{\"answer\":\"yes\"}"),
        _ => says("Yes."),
    }
}

/// The terminal without what differs from one time to the next.
fn shown(sandbox: &Sandbox, url: &str, variables: &[(&str, &str)], arguments: &[&str], code: i32) -> String {
    let ran = sandbox.agent_with(variables, arguments).exits(code);
    assert!(!format!("{ran:?}").contains("0123456789"), "{ran:?}");
    let Ran { stdout, stderr, .. } = ran;
    // Numbers of errors are the system's.
    let text = format!("{stdout}{stderr}")
        .replace(" (os error 111)", "")
        .replace(url, "[url]")
        .replace(url.trim_end_matches("/v1"), "[url]");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut words: Vec<&str> = line.split(' ').collect();
        for at in 1..words.len() {
            if words[at].trim_end_matches(':') == "ms" && words[at - 1].parse::<u64>().is_ok() {
                words[at - 1] = "[n]";
            }
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}

fn doctor(url: &str, more: &[(&str, &str)], code: i32) -> String {
    let own = [("LLM_BASE_URL", url), ("LLM_MODEL", "qwen3-8b"), ("LLM_API_KEY", KEY)];
    let overridden = |name: &str| more.iter().any(|(other, _)| *other == name);
    let variables: Vec<(&str, &str)> =
        own.into_iter().filter(|(name, _)| !overridden(name)).chain(more.iter().copied()).collect();
    shown(&Sandbox::new(), url, &variables, &["doctor"], code)
}

#[test]
fn what_is_usable_is_told_with_why_and_what_it_supports() {
    insta::assert_snapshot!(doctor(&serve(studio), &[], 0));
}

#[test]
fn without_a_model_it_says_how_to_configure_one() {
    insta::assert_snapshot!(shown(&Sandbox::new(), "[none]", &[], &["doctor"], 1));
}

#[test]
fn every_trouble_has_a_remedy() {
    let mut told = Vec::new();
    let mut add = |name: &str, url: &str, more: &[(&str, &str)]| {
        told.push(format!("# {name}\n{}\n", doctor(url, more, 1)));
    };
    add("wrong key", &serve(|_, _, _| refuses(401, "Incorrect API key provided")), &[]);
    let unlocked: Answer = |_, _, _| refuses(401, "Authentication required");
    add("no key", &serve(unlocked), &[("LLM_API_KEY", "")]);
    let unknown: Answer = |line, _, body| match line {
        "GET /v1/models" => lists(&["qwen3-8b-instruct", "gemma-3-4b", "a", "b", "c", "d"]),
        _ => refuses(404, &format!("The model `{}` does not exist", body["model"].as_str().unwrap())),
    };
    add("unknown model", &serve(unknown), &[]);
    let elsewhere = serve(|_, _, _| (404, json!({ "detail": "Not Found" })));
    add("wrong path", &elsewhere, &[("LLM_BASE_URL", elsewhere.trim_end_matches("/v1"))]);
    let poor: Answer = |_, _, _| refuses(402, "Insufficient Balance");
    add("no money", &serve(poor), &[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    add("nothing listens", &format!("http://{nobody}/v1"), &[]);
    add("TLS where there is none", &plain_http().replace("http", "https"), &[]);
    let loading: Answer = |line, _, _| match line {
        "GET /v1/models" => lists(&["qwen3-8b"]),
        _ => refuses(503, "Loading model"),
    };
    add("loading", &serve(loading), &[]);
    let prose: Answer = |line, _, _| match line {
        "GET /v1/models" => lists(&["qwen3-8b"]),
        _ => says("Yes, it works!"),
    };
    add("no JSON", &serve(prose), &[]);
    let thinking: Answer = |_, _, _| {
        let (status, mut body) = says("");
        body["choices"][0]["finish_reason"] = json!("length");
        (status, body)
    };
    add("all tokens thought away", &serve(thinking), &[]);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn settings_that_cannot_be_are_told_with_what_the_endpoint_lists() {
    let url = serve(studio);
    let told = shown(&Sandbox::new(), &url, &[("LLM_BASE_URL", &url)], &["doctor"], 1);
    insta::assert_snapshot!(told, @r"
    not usable: AG0201: custom has no default model
      help: set LLM_MODEL to its name; the endpoint lists `gemma-3-4b`, `qwen3-8b`, `text-embedding-nomic`
    ");
    let told = shown(&Sandbox::new(), "[none]", &[("LLM_PROVIDER", "mistrl")], &["doctor"], 1);
    assert!(told.contains("AG0201") && told.contains("did you mean `mistral`?"), "{told}");
}

#[test]
fn fallbacks_are_tried_too() {
    let (first, second) = (serve(studio), serve(|_, _, _| refuses(401, "no")));
    let fallbacks = format!("{second}#other");
    let told = doctor(&first, &[("LLM_FALLBACKS", &fallbacks)], 1).replace(&second, "[second]");
    let (one, other) = told.split_once("\nfallback 1\n").unwrap();
    assert!(one.starts_with("the first endpoint\n") && one.contains("\n  usable: runs get json_schema"), "{told}");
    assert!(other.contains("other (LLM_FALLBACKS)") && other.contains("not usable: status 401"), "{told}");
    assert!(other.contains("\n  LLM_FALLBACKS=[second]#other\n"), "{told}");
}

#[test]
fn json_is_for_programs_and_a_file_may_stand_for_the_environment() {
    let sandbox = Sandbox::new();
    let url = serve(studio);
    sandbox.write("other.env", &format!("LLM_BASE_URL={url}\nLLM_MODEL=gemma-3-4b\nLLM_API_KEY={KEY}\n"));
    let ran = sandbox.agent(&["doctor", "--env-file", "other.env", "--format", "json"]).exits(0);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let endpoint = &told["endpoints"][0];
    assert_eq!(told["usable"], true);
    assert_eq!(endpoint["model"], json!({ "value": "gemma-3-4b", "by": "LLM_MODEL" }));
    assert_eq!(endpoint["key"], json!({ "variable": "LLM_API_KEY", "length": KEY.len(), "ends_with": "k7" }));
    assert_eq!((&endpoint["models"], &endpoint["lists_model"]), (&json!(3), &json!(true)));
    assert_eq!((&endpoint["rung"], &endpoint["refused"]), (&json!("json_schema"), &json!(["temperature"])));
    let rungs: Vec<(&str, &str)> = endpoint["rungs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rung| (rung["rung"].as_str().unwrap(), rung["result"].as_str().unwrap()))
        .collect();
    assert_eq!(rungs, [("json_schema", "ok"), ("json_object", "refused"), ("prompt", "ignored")]);
    assert_eq!(endpoint["rungs"][0]["attempts"], 2);
    assert_eq!(endpoint["rungs"][0]["prompt_tokens"], 96);
    assert!(!ran.stdout.contains(KEY));
    // The lines that it prints make the same choices.
    let lines: Vec<&str> = told["environment"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let lines = lines.join("\n").replace('…', KEY);
    sandbox.write("again.env", &lines);
    let again = sandbox.agent(&["doctor", "--env-file", "again.env", "--format", "json"]).exits(0);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    for chosen in ["model", "base_url", "key"] {
        assert_eq!(again["endpoints"][0][chosen]["value"], endpoint[chosen]["value"]);
    }

    let none = sandbox.agent(&["doctor", "--format", "json"]).exits(1);
    let none: Value = serde_json::from_str(&none.stdout).unwrap();
    assert_eq!((&none["usable"], &none["endpoints"]), (&json!(false), &json!([])));
    let missing = sandbox.agent(&["doctor", "--env-file", "none.env"]).exits(2);
    assert!(missing.stderr.contains("AG0202") && missing.stderr.contains("none.env"), "{missing:?}");
}

#[test]
fn models_are_listed_and_filtered() {
    let (sandbox, url) = (Sandbox::new(), serve(studio));
    let place = [("LLM_BASE_URL", url.as_str())]; // no model is named yet
    let listed = |arguments: &[&str], code| {
        let ran = sandbox.agent_with(&place, &[&["models"], arguments].concat()).exits(code);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    assert_eq!(listed(&[], 0), "gemma-3-4b\nqwen3-8b\ntext-embedding-nomic\n");
    assert_eq!(listed(&["E", "3-"], 0), "gemma-3-4b\nqwen3-8b\n");
    assert_eq!(listed(&["gpt"], 1), "none of 3 fits\n");
    let told: Value = serde_json::from_str(&listed(&["qwen", "--format", "json"], 0)).unwrap();
    assert_eq!(told, json!({ "provider": "custom", "base_url": url, "model": null, "models": ["qwen3-8b"] }));

    let closed = serve(|line, head, _| match line {
        "GET /v1/models" if head.iter().any(|line| line == &format!("authorization: Bearer {KEY}")) => {
            lists(&["\u{1b}[31mred"])
        }
        _ => refuses(401, "no key"),
    });
    let with_key = [("LLM_BASE_URL", closed.as_str()), ("LLM_API_KEY", KEY)];
    assert_eq!(sandbox.agent_with(&with_key, &["models"]).exits(0).stdout, "\\u{1b}[31mred\n");
    let refused = sandbox.agent_with(&with_key[..1], &["models"]).exits(1);
    assert!(refused.stderr.contains("AG0222") && refused.stderr.contains("status 401: no key"), "{refused:?}");
    let nothing = sandbox.agent(&["models"]).exits(1);
    assert!(nothing.stderr.contains("AG0201") && nothing.stderr.contains("agent doctor"), "{nothing:?}");
}
