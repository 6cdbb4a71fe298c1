//! Standard error as lines of JSON.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The lines, each of which has to be an object with time, level, target, message and fields.
fn lines(stderr: &str) -> Vec<Value> {
    let line = |line: &str| -> Value {
        let read: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let keys: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["fields", "level", "message", "target", "time"], "{line}");
        let time = read["time"].as_str().unwrap();
        assert!(agent::domain::Timestamp::parse(time).is_some() && !read["message"].as_str().unwrap().is_empty());
        read
    };
    stderr.lines().map(line).collect()
}

fn has<'a>(lines: &'a [Value], level: &str, part: &str) -> &'a Value {
    let is_it = |line: &&Value| line["level"] == level && line["message"].as_str().unwrap().contains(part);
    lines.iter().find(is_it).unwrap_or_else(|| panic!("no {level} `{part}`: {lines:#?}"))
}

#[test]
fn a_collector_sees_nothing_but_json() {
    let sandbox = Sandbox::new();
    sandbox.write(".env", "this is no line\n");
    let bad = format!("{}\nnot json \u{1b}[31m\n", sandbox.read("fixtures/fleet.ndjson").lines().next().unwrap());
    sandbox.write("fixtures/fleet.ndjson", &bad);
    // A warning of the program, a note of the input, an error of the log, and the summary, which goes where a report does not.
    let arguments =
        ["run", "graphs/alert.toml", "--offline", "--log-format", "json", "--set", "telemetry.max_bad_ratio=1"];
    let more = ["--output", "-", "--set", "alert.retries=0", "--set", "alert.when=\"always\"", "-v"];
    let away = ("ALERT_URL", "http://127.0.0.1:9/services/SECRETTOKEN0123");
    let set = [away, ("AGENT_KEEP_RUNS", "many")];
    let ran = sandbox.agent_with(&set, &[&arguments[..], &more].concat()).exits(0);
    let lines = lines(&ran.stderr);
    has(&lines, "WARN", "AG0202: line 1 of ");
    has(&lines, "WARN", "AGENT_KEEP_RUNS is no whole number: `many`");
    let run = &sandbox.runs()[0];
    assert_eq!(has(&lines, "INFO", "run started")["fields"]["graph"], "alert");
    for (level, message) in [("INFO", "run ended"), ("INFO", "AG01"), ("ERROR", "AG0402")] {
        assert_eq!(has(&lines, level, message)["fields"]["run"], run.as_str(), "{message}");
    }
    let lost = has(&lines, "ERROR", "AG0402");
    assert_eq!((&lost["target"], &lost["fields"]["node"]), (&"agent::io::output::notify".into(), &"alert".into()));
    assert!(!ran.stderr.contains("SECRETTOKEN") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

#[test]
fn what_ends_a_command_is_a_line_too() {
    let sandbox = Sandbox::new();
    let json = [("AGENT_LOG_FORMAT", "json")];
    let ran = sandbox.agent_with(&json, &["check", "nowhere.toml"]).exits(78);
    let fault = &lines(&ran.stderr)[0];
    assert_eq!((&fault["level"], fault["fields"]["help"].is_string()), (&"ERROR".into(), true), "{fault}");
    assert_eq!(fault["message"].as_str().unwrap().split(':').next(), fault["fields"]["code"].as_str());
    let ran = sandbox.agent_with(&json, &["run", "--nonsense"]).exits(2);
    has(&lines(&ran.stderr), "ERROR", "--nonsense");
    // Help is asked for, and no log.
    assert!(sandbox.agent_with(&json, &["--help"]).exits(0).stdout.starts_with("Turns operations telemetry"));
    let ran = sandbox.agent_with(&[("AGENT_LOG_FORMAT", "xml")], &["check", "graphs/default.toml"]).exits(2);
    assert!(ran.stderr.contains("AGENT_LOG_FORMAT is neither `text` nor `json`: `xml`"), "{}", ran.stderr);
}

/// RUST_LOG goes before -q and -v, from wherever it is set.
#[test]
fn what_is_logged_is_chosen_by_rust_log() {
    let sandbox = Sandbox::new();
    let run = |variables: &[(&str, &str)]| {
        let ran = sandbox.agent_with(variables, &["run", "graphs/default.toml", "--offline", "-q"]).exits(0);
        ran.stderr
    };
    assert_eq!(run(&[]), "");
    assert!(run(&[("RUST_LOG", "info")]).contains("run started"));
    assert!(run(&[("RUST_LOG", "a=b=c")]).starts_with("warning: RUST_LOG is left out, `a=b=c`: "));
    sandbox.write("agent.toml", "RUST_LOG = 'agent=info'\n");
    assert!(run(&[]).contains("run started"));
    assert_eq!(run(&[("RUST_LOG", "error")]), "");
}

/// A run for each window: each line of a window says which.
#[test]
fn runs_of_windows_are_told_apart() {
    let sandbox = Sandbox::new();
    let graph = sandbox.read("graphs/alert.toml");
    sandbox.write("graphs/alert.toml", &format!("{graph}\n[window]\nevery = \"10m\"\n"));
    let set = [("ALERT_URL", "http://127.0.0.1:9/"), ("AGENT_LOG_FORMAT", "json"), ("RUST_LOG", "agent=info")];
    let arguments = ["run", "graphs/alert.toml", "--offline", "--output", "-", "--set", "alert.retries=0"];
    let ran = sandbox.agent_with(&set, &arguments).exits(0);
    let lines = lines(&ran.stderr);
    let started: Vec<&Value> = lines.iter().filter(|line| line["message"] == "run started").collect();
    assert!(started.len() > 2, "{lines:#?}");
    for line in &started {
        let label = line["fields"]["window"].as_str().unwrap();
        assert!(label.starts_with("20240506T") && label.ends_with('Z'), "{line}");
    }
    // What is shown of a window says the same as what the log says of its run.
    let run = &started[1]["fields"]["run"];
    let shown: Vec<&Value> = lines.iter().filter(|l| l["target"] == "agent" && l["fields"]["run"] == *run).collect();
    assert!(!shown.is_empty(), "{lines:#?}");
    assert!(shown.iter().all(|line| line["fields"]["window"] == started[1]["fields"]["window"]), "{shown:#?}");
    assert!(ran.stdout.lines().all(|line| line.starts_with('{')), "reports only: {}", ran.stdout);
}
