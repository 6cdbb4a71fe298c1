//! Processes that end in the middle of a run, and what goes on from there.

use std::process::{Child, Command};
use std::time::Duration;

use crate::endpoint::{Endpoint, SIGN};
use crate::sandbox::{Ran, Sandbox, events, tasks};

const GRAPH: &str = "graphs/default.toml";
/// Two at a time, so that eight answers take more than a second.
const DELAY: Duration = Duration::from_millis(300);

/// What a run writes that nobody stops, and how many requests it makes.
fn unkilled(more: &[&str]) -> (Sandbox, usize) {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    sandbox.agent_with(&endpoint.variables(), &[&["run", GRAPH], more].concat()).exits(0);
    assert!(sandbox.read("output.json").contains(SIGN));
    (sandbox, endpoint.asked().len())
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn journal(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.run_folder().join("events.ndjson")).unwrap()
}

#[test]
fn a_killed_run_goes_on_without_asking_again_what_was_answered() {
    let (whole, requests) = unkilled(&[]);
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(DELAY));
    let mut child = sandbox.spawn(&endpoint.variables(), &["run", GRAPH]);
    endpoint.wait_for_answers(3);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(!sandbox.at("output.json").exists());
    let listed = sandbox.agent(&["runs"]).exits(0).stdout;
    assert!(listed.contains("  interrupted ") && listed.contains("agent resume RUN"), "{listed}");
    let before = journal(&sandbox);
    let finished = tasks(&events(&before), "task_ended");
    let answered = finished.iter().filter(|t| t.starts_with("wording[")).count();
    assert!(answered >= 2 && answered < requests, "{finished:?}");
    let asked_before = endpoint.asked().len();

    let ran = sandbox.agent_with(&endpoint.variables(), &["resume", "last"]).exits(0);
    assert!(sandbox.read("output.json") == whole.read("output.json"));
    assert!(ran.stdout.contains("by loopback-1 (custom)"), "{}", ran.stdout);
    let after = journal(&sandbox);
    let continued = events(after.strip_prefix(&before).expect("the journal was appended to"));
    let started = tasks(&continued, "task_started");
    assert!(started.iter().all(|task| !finished.contains(task)), "{finished:?} then {started:?}");
    assert_eq!(endpoint.asked().len() - asked_before, requests - answered, "what was answered is not asked again");
    assert!(sandbox.agent(&["runs"]).stdout.contains("  done "));
}

#[test]
fn a_killed_recording_goes_on_to_the_same_cassette() {
    let (whole, requests) = unkilled(&["--record", "tape.json"]);
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(DELAY));
    let mut child = sandbox.spawn(&endpoint.variables(), &["run", GRAPH, "--record", "tape.json"]);
    endpoint.wait_for_answers(4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!sandbox.at("tape.json").exists() && !sandbox.at("output.json").exists());
    sandbox.agent_with(&endpoint.variables(), &["resume", "last"]).exits(0);
    assert!(sandbox.read("output.json") == whole.read("output.json"));
    assert!(sandbox.read("tape.json") == whole.read("tape.json"));
    // The next call leaves when an answer comes, and not when it is kept.
    let again = endpoint.asked().len().saturating_sub(requests);
    assert!(again <= 4, "two in flight and two whose answers were not kept yet: {again}");
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_does() {
    for name in ["INT", "TERM"] {
        let (whole, _) = unkilled(&[]);
        let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(DELAY));
        let child = sandbox.spawn(&endpoint.variables(), &["run", GRAPH, "-q"]);
        endpoint.wait_for_answers(2);
        signal(&child, name);
        let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
        assert_eq!(sandbox.redact(&ran.stderr), "interrupted; `agent resume [run]` goes on from here\n");
        assert!(ran.stdout.is_empty() && !sandbox.at("output.json").exists());
        let listed = sandbox.agent(&["runs"]).stdout;
        let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[2..], ["infrastructure", "interrupted", "-", "-", "-", "-"]);
        let id = sandbox.runs().pop().unwrap();
        sandbox.agent_with(&endpoint.variables(), &["resume", &id, "-q"]).exits(0);
        assert!(sandbox.read("output.json") == whole.read("output.json"), "{name}");
    }
}
