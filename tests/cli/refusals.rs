//! Runs that `agent resume` refuses, and what it says.

use std::fs;
use std::process::Stdio;

use crate::sandbox::{Ran, Sandbox, events};

const GRAPH: &str = "graphs/default.toml";

/// A sandbox with one run that was killed after so many events.
fn cut_short(after: usize, arguments: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let input = fs::read(sandbox.at("fixtures/sample.json")).unwrap();
    sandbox.agent_reading(&input, &[&["run", GRAPH, "-q"], arguments].concat()).exits(0);
    edit_journal(&sandbox, |journal| journal.split_inclusive('\n').take(after).collect());
    sandbox
}

fn edit_journal(sandbox: &Sandbox, edit: impl FnOnce(String) -> String) {
    let path = sandbox.run_folder().join("events.ndjson");
    fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
}

fn refusal(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox.agent(arguments).exits(1);
    assert_eq!(ran.stdout, "");
    sandbox.redact(&ran.stderr)
}

#[test]
fn a_graph_that_has_changed() {
    let sandbox = cut_short(6, &[]);
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 90", "high = 91");
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "last"]), @r#"
    AG0312 (agent explain AG0312)

      × the graph has changed since run [run] began: anomalies
      help: start a new run with `agent run`
    "#);
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 91", "high = 90");
    sandbox.edit(GRAPH, "max_repairs = 2", "max_repairs = 1");
    sandbox.edit("prompts/recommendation.md", "two plain sentences", "two sentences");
    let two = refusal(&sandbox, &["resume", "last"]);
    assert!(two.contains("recommendations, wording"), "all nodes that changed are named: {two}");
    sandbox.edit(GRAPH, "max_repairs = 1", "max_repairs = 2 # as before");
    sandbox.edit("prompts/recommendation.md", "two sentences", "two plain sentences");
    sandbox.agent(&["resume", "last"]).exits(0);
}

#[test]
fn a_run_that_is_done_and_one_that_never_was() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "last"]), @r#"
    AG0301 (agent explain AG0301)

      × no run is kept yet
      help: `agent runs` lists the runs that are kept
    "#);
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "last"]), @r#"
    AG0314 (agent explain AG0314)

      × run [run] is done already
      help: start a new run with `agent run`
    "#);
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "19990101-000000-0000"]), @r#"
    AG0301 (agent explain AG0301)

      × there is no run `19990101-000000-0000`
      help: `agent runs` lists the runs that are kept
    "#);
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "lst"]), @r#"
    AG0301 (agent explain AG0301)

      × there is no run `lst`
      help: did you mean `last`?
    "#);
}

#[test]
fn standard_input_that_was_not_read_to_its_end() {
    // However it was asked for.
    for arguments in [&["--input", "-"][..], &["--set", "telemetry.path=-"], &["--set", "telemetry.path='-'"]] {
        let sandbox = cut_short(1, arguments);
        let refused = refusal(&sandbox, &["resume", "last"]);
        assert!(refused.contains("AG0314") && refused.contains("was reading standard input"), "{refused}");
    }
    // Once the cut is journaled nothing is read any more.
    let sandbox = cut_short(3, &["--input", "-"]);
    assert_eq!(events(&fs::read_to_string(sandbox.run_folder().join("events.ndjson")).unwrap())[2].0, "cut");
    fs::remove_file(sandbox.at("output.json")).unwrap();
    sandbox.agent(&["resume", "last"]).exits(0);
    assert!(sandbox.at("output.json").exists());
    // Standard output is no reason to refuse.
    let sandbox = cut_short(1, &["--output", "-", "--input", "fixtures/sample.json"]);
    let ran = sandbox.agent(&["resume", "last", "-q"]).exits(0);
    assert!(ran.stdout.starts_with("{\n  \"timestamp\""), "{}", ran.stdout);
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_that_cannot_go_on_is_not_said_to() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(&["run", GRAPH, "--input", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take(); // open until it has ended
    let journal = || sandbox.runs().first().map(|id| sandbox.state().join("runs").join(id).join("events.ndjson"));
    while journal().and_then(|path| fs::read_to_string(path).ok()).is_none_or(|text| text.is_empty()) {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    drop(pipe);
    assert!(
        ran.stderr.contains("which cannot be read again") && !ran.stderr.contains("agent resume"),
        "{}",
        ran.stderr
    );
    let listed = sandbox.agent(&["runs"]).stdout;
    assert!(listed.contains("  interrupted ") && !listed.contains("agent resume"), "{listed}");
    assert!(refusal(&sandbox, &["resume", "last"]).contains("AG0314"));
    // One that was killed after its cut can go on.
    let sandbox = cut_short(3, &["--input", "-"]);
    fs::remove_file(sandbox.run_folder().join("run.json")).unwrap();
    let listed = sandbox.agent(&["runs"]).stdout;
    assert!(listed.contains("1 run interrupted: `agent resume RUN` continues"), "{listed}");
}

#[test]
fn a_run_whose_journal_is_gone() {
    let sandbox = cut_short(3, &[]);
    let journal = sandbox.run_folder().join("events.ndjson");
    fs::remove_file(&journal).unwrap();
    let told = refusal(&sandbox, &["resume", "last"]);
    insta::assert_snapshot!(told, @r#"
    AG0318 (agent explain AG0318)

      × the journal of run [run] is gone: its folder has no events.ndjson
      help: start a new run with `agent run`
    "#);
    assert_eq!(refusal(&sandbox, &["why", "last", "cpu_usage"]), told);
    assert!(!journal.exists(), "asking makes none");
}

#[test]
fn a_run_that_another_process_works_on() {
    let sandbox = Sandbox::new();
    // It waits for its input for as long as the pipe is open.
    let mut child = sandbox.command(&["run", GRAPH, "--input", "-", "-q"]).stdin(Stdio::piped()).spawn().unwrap();
    while sandbox.runs().is_empty() || !sandbox.run_folder().join("events.ndjson").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    insta::assert_snapshot!(refusal(&sandbox, &["resume", "last"]), @r#"
    AG0303 (agent explain AG0303)

      × another process works on the run `[run]`
    "#);
    assert!(sandbox.agent(&["runs"]).stdout.contains("  running "));
    drop(child.stdin.take());
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert!(ran.exits(1).stderr.contains("AG0102"));
}

#[test]
fn a_journal_of_another_version_or_that_does_not_fit() {
    let sandbox = cut_short(9, &[]);
    let path = sandbox.run_folder().join("events.ndjson");
    let journal = fs::read_to_string(&path).unwrap();
    let check = |edited: String| {
        assert_ne!(edited, journal);
        fs::write(&path, &edited).unwrap();
        let refused = refusal(&sandbox, &["resume", "last"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), edited, "a refused journal is not touched");
        refused
    };
    let other = journal.replace("\"started\":{\"version\":1,", "\"started\":{\"version\":2,");
    insta::assert_snapshot!(check(other.replace("\"task_ended\"", "\"task_over\"")), @r#"
    AG0313 (agent explain AG0313)

      × the journal has version 2, this program reads version 1
      help: finish the run with the program that began it, or start a new one with `agent run`
    "#);
    let mut lines: Vec<&str> = journal.lines().collect();
    let first = lines[0];
    lines.remove(2);
    insta::assert_snapshot!(check(lines.join("\n") + "\n"), @r#"
    AG0311 (agent explain AG0311)

      × the journal does not fit the graph: attempt 1 of `plan` was not due
      help: start a new run with `agent run`
    "#);
    insta::assert_snapshot!(check(journal.replace("\"attempt\":1", "\"attempt\":3")), @r#"
    AG0311 (agent explain AG0311)

      × the journal does not fit the graph: attempt 3 of `plan` was not due
      help: start a new run with `agent run`
    "#);
    insta::assert_snapshot!(check(first.to_string() + "\n{\"event\": 1}\n"), @r#"
    AG0311 (agent explain AG0311)

      × line 2 of the journal is no event of a run: expected value
      help: start a new run with `agent run`
    "#);
    insta::assert_snapshot!(check(String::new()), @r#"
    AG0314 (agent explain AG0314)

      × run [run] was killed before its journal began
      help: start a new run with `agent run`
    "#);
}
