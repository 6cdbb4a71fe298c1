//! A journal cut off after every event, as a crash there would leave it, and resumed.

use std::fs;

use crate::sandbox::{Ran, Sandbox, events, tasks};

const GRAPH: &str = "graphs/default.toml";

/// Makes the folder of a run whose journal is this.
pub fn put(sandbox: &Sandbox, number: usize, journal: &str) -> String {
    let id = format!("20240101-000000-{number:04x}");
    let folder = sandbox.state().join("runs").join(&id);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("events.ndjson"), journal).unwrap();
    id
}

fn journal(sandbox: &Sandbox, id: &str) -> String {
    fs::read_to_string(sandbox.state().join("runs").join(id).join("events.ndjson")).unwrap()
}

/// Resumes and asserts that the report is there again and that nothing was done twice.
pub fn check(sandbox: &Sandbox, id: &str, whole: &str, report: &str) {
    let before = events(whole);
    let finished = tasks(&before, "task_ended");
    if !finished.contains(&"output".to_string()) {
        let _ = fs::remove_file(sandbox.at("output.json")); // at that moment it was not there yet
    }
    sandbox.agent(&["resume", id, "-q"]).exits(0);
    assert!(sandbox.read("output.json") == report, "the report of {id}");
    let all = journal(sandbox, id);
    let continued = events(all.strip_prefix(whole).expect("whole lines stay, a torn one goes"));
    assert_eq!(continued[0].0, "resumed");
    assert_eq!(continued.last().unwrap().1["status"], "done");
    let again = tasks(&continued, "task_started");
    assert!(again.iter().all(|task| !finished.contains(task)), "{id}: {finished:?} then {again:?}");
    let cut = |events: &[(String, serde_json::Value)]| events.iter().any(|(name, _)| name == "cut");
    assert!(cut(&before) != cut(&continued), "{id}: the stream part runs until its cut is journaled, and no more");
}

#[test]
fn a_crash_after_any_event_resumes_to_the_same_bytes() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    let report = sandbox.read("output.json");
    let full = journal(&sandbox, &sandbox.runs()[0]);
    let lines: Vec<&str> = full.split_inclusive('\n').collect();
    let steps = tasks(&events(&full), "task_ended");
    assert!(steps.len() > 10 && lines.len() > 2 * steps.len(), "the graph has many steps: {steps:?}");
    for count in 1..lines.len() {
        let prefix = lines[..count].concat();
        // Every third crash tore the line that came next.
        let torn = if count % 3 == 0 { &lines[count][..lines[count].len() / 2] } else { "" };
        let id = put(&sandbox, count, &format!("{prefix}{torn}"));
        check(&sandbox, &id, &prefix, &report);
    }
    // With its last event the run is done.
    let id = put(&sandbox, lines.len(), &full);
    let refused = sandbox.agent(&["resume", &id]).exits(1);
    assert!(refused.stderr.contains("AG0314") && refused.stderr.contains("is done already"), "{}", refused.stderr);
    let listed = sandbox.agent(&["runs"]).stdout;
    let line = listed.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("  done "), "its record was never written, but its journal tells: {line}");
}

#[test]
fn a_resumed_run_can_crash_and_be_resumed_again() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    let report = sandbox.read("output.json");
    let full = journal(&sandbox, &sandbox.runs()[0]);
    let half = full.split_inclusive('\n').take(full.lines().count() / 2).collect::<String>();
    let id = put(&sandbox, 0, &half);
    sandbox.agent(&["resume", &id, "-q"]).exits(0);
    let resumed = journal(&sandbox, &id);
    let lines: Vec<&str> = resumed.split_inclusive('\n').collect();
    for count in (half.lines().count() + 1..lines.len()).step_by(5) {
        let prefix = lines[..count].concat();
        let id = put(&sandbox, count, &prefix);
        check(&sandbox, &id, &prefix, &report);
    }
}

#[test]
fn a_failed_run_goes_on_once_its_cause_is_mended() {
    let sandbox = Sandbox::new();
    let failed = sandbox.agent(&["run", GRAPH, "-q", "--output", "later/report.json"]).exits(1);
    let id = sandbox.runs()[0].clone();
    assert!(failed.stderr.contains("AG0401") && failed.stderr.contains(&format!("`agent resume {id}`")), "{failed:?}");
    assert!(sandbox.agent(&["runs"]).stdout.contains("  failed "));
    let before = journal(&sandbox, &id);
    fs::create_dir(sandbox.at("later")).unwrap();
    sandbox.agent(&["resume", &id, "-q"]).exits(0);
    let continued = journal(&sandbox, &id);
    let continued = events(continued.strip_prefix(&before).unwrap());
    assert_eq!(tasks(&continued, "task_started"), ["output"], "all else was finished");
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    assert!(sandbox.read("later/report.json") == sandbox.read("output.json"));
    assert!(sandbox.agent(&["runs"]).stdout.lines().all(|line| !line.contains("  failed ")));
}

#[test]
fn a_run_can_be_resumed_from_another_folder() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q", "--input", "fixtures/sample.json", "--output", "sample-report.json"]).exits(0);
    let report = sandbox.read("sample-report.json");
    let full = journal(&sandbox, &sandbox.runs()[0]);
    let id = put(&sandbox, 0, full.lines().next().map(|line| format!("{line}\n")).unwrap().as_str());
    fs::remove_file(sandbox.at("sample-report.json")).unwrap();
    let elsewhere = sandbox.at("fixtures");
    let ran: Ran = sandbox.command(&["resume", &id]).current_dir(elsewhere).output().unwrap().into();
    ran.exits(0);
    assert!(sandbox.read("sample-report.json") == report);
}

#[test]
fn old_runs_are_deleted_and_no_journal_leaves_nothing() {
    let sandbox = Sandbox::new();
    let sample = ["run", GRAPH, "-q", "--input", "fixtures/sample.json"];
    for _ in 0..4 {
        sandbox.agent_with(&[("AGENT_KEEP_RUNS", "2")], &sample).exits(0);
    }
    assert_eq!(sandbox.runs().len(), 2);
    sandbox.write("graphs/other.toml", &sandbox.read(GRAPH));
    for _ in 0..3 {
        sandbox.agent_with(&[("AGENT_KEEP_RUNS", "2")], &["run", "graphs/other.toml", "-q"]).exits(0);
    }
    assert_eq!(sandbox.runs().len(), 4, "two of each graph");
    let kept = sandbox.runs();
    let ran = sandbox.agent(&[&sample[..], &["--no-journal"]].concat()).exits(0);
    assert!(ran.stderr.is_empty() && sandbox.runs() == kept);
    let ran = sandbox.agent_with(&[("AGENT_KEEP_RUNS", "abc")], &sample).exits(0);
    assert_eq!(ran.stderr, "warning: AGENT_KEEP_RUNS is no whole number: `abc`; 50 runs of each graph are kept\n");
}

#[test]
fn a_state_directory_that_cannot_be_used_costs_the_journal_only() {
    let sandbox = Sandbox::new();
    let file = sandbox.at("file");
    fs::write(&file, "").unwrap();
    let variables = [("AGENT_STATE_DIR", file.to_str().unwrap())];
    let ran = sandbox.agent_with(&variables, &["run", GRAPH]).exits(0);
    assert!(sandbox.at("output.json").exists());
    assert!(ran.stderr.contains("warning: no journal is kept ("), "{}", ran.stderr);
    let ran = sandbox.agent_with(&variables, &["runs"]).exits(1);
    assert!(ran.stderr.starts_with("AG0304"), "{}", ran.stderr);
}

#[test]
fn a_synced_journal_changes_no_byte_and_a_slip_in_the_setting_is_told() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    let report = sandbox.read("output.json");
    fs::remove_file(sandbox.at("output.json")).unwrap();
    sandbox.agent_with(&[("AGENT_JOURNAL", "synced")], &["run", GRAPH, "-q"]).exits(0);
    assert!(sandbox.read("output.json") == report);
    let half =
        journal(&sandbox, &sandbox.runs()[1]).lines().take(9).map(|line| format!("{line}\n")).collect::<String>();
    fs::remove_file(sandbox.at("output.json")).unwrap();
    let id = put(&sandbox, 0, &half);
    sandbox.agent_with(&[("AGENT_JOURNAL", "synced")], &["resume", &id, "-q"]).exits(0);
    assert!(sandbox.read("output.json") == report);
    for arguments in [&["run", GRAPH][..], &["resume", &id]] {
        let ran = sandbox.agent_with(&[("AGENT_JOURNAL", "sync")], arguments).exits(2);
        assert!(ran.stderr.contains("AGENT_JOURNAL is neither `synced` nor `unsynced`: `sync`"), "{}", ran.stderr);
    }
}
