//! Whole runs whose first endpoint does not answer.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::endpoint::{Endpoint, SIGN};
use crate::sandbox::Sandbox;

const GRAPH: &str = "graphs/default.toml";
const KEY: &str = "sk-fallback-5b1d7e9a02";

/// An address at which nobody listens.
fn nobody() -> String {
    format!("http://{}/v1", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

fn calls(sandbox: &Sandbox) -> Vec<Value> {
    let record: Value = serde_json::from_str(&sandbox.read("record.json")).unwrap();
    assert_eq!(record["model"]["model"], "first");
    record["calls"].as_array().unwrap().clone()
}

#[test]
fn a_stand_in_words_the_report_and_the_recording_replays_to_the_same_bytes() {
    let (sandbox, endpoint, nobody) = (Sandbox::new(), Endpoint::start(Duration::ZERO), nobody());
    let url = endpoint.variables()[0].1.to_string();
    let fallbacks = format!("{nobody}#second,{url}#loopback-1");
    let variables = [
        ("LLM_BASE_URL", nobody.as_str()),
        ("LLM_MODEL", "first"),
        ("LLM_API_KEY", KEY),
        ("LLM_FALLBACKS", fallbacks.as_str()),
        ("LLM_CONCURRENCY", "2"),
    ];
    let run = ["run", GRAPH, "--run-record", "record.json"];
    let ran = sandbox.agent_with(&variables, &run).exits(0);
    let live = sandbox.read("output.json");
    assert!(live.contains(SIGN) && ran.stdout.contains(" by loopback-1 (custom)\n"), "{ran:#?}");
    assert!(ran.stderr.contains("second of custom is left alone for the rest of the run"), "{ran:#?}");
    let answered = calls(&sandbox);
    assert!(answered.iter().all(|call| call["stand_in"]["model"] == "loopback-1"), "{answered:?}");
    assert!(endpoint.asked().iter().all(|asked| asked.authorization.is_none()), "the key is the first one's");

    let recorded = [&run[..], &["--record", "tape.json"]].concat();
    sandbox.agent_with(&variables, &recorded).exits(0);
    assert!(sandbox.read("output.json") == live, "the same words, recorded or not");
    drop(endpoint);
    for _ in 0..2 {
        std::fs::remove_file(sandbox.at("output.json")).unwrap();
        let ran = sandbox.agent(&[&run[..], &["--replay", "tape.json"]].concat()).exits(0);
        assert!(sandbox.read("output.json") == live && ran.stderr.is_empty(), "{ran:#?}");
        assert!(ran.stdout.contains(" by loopback-1 (custom)\n"), "{ran:#?}");
        assert_eq!(calls(&sandbox).len(), answered.len());
    }
    let tape: Value = serde_json::from_str(&sandbox.read("tape.json")).unwrap();
    assert_eq!(tape["header"]["fallbacks"][1]["model"], "loopback-1");
    assert!(sandbox.files_with(KEY).is_empty());
}

#[test]
fn without_anybody_who_answers_there_is_a_report_all_the_same() {
    let (sandbox, nobody) = (Sandbox::new(), nobody());
    let fallbacks = format!("{nobody}#second");
    let variables = [("LLM_BASE_URL", nobody.as_str()), ("LLM_MODEL", "first"), ("LLM_FALLBACKS", fallbacks.as_str())];
    sandbox.agent(&["run", GRAPH, "-q", "--offline", "--output", "offline.json"]).exits(0);
    let ran = sandbox.agent_with(&variables, &["run", GRAPH, "--run-record", "record.json"]).exits(0);
    assert!(sandbox.read("output.json") == sandbox.read("offline.json"), "{ran:#?}");
    let told = calls(&sandbox)[0]["outcome"].as_str().unwrap().to_string();
    assert!(told.contains("first of custom: ") && told.contains("second of custom: "), "{told}");
}
