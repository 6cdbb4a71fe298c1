//! Runs side by side, runs gone through again, models side by side.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, INVENTIVE, SIGN};
use crate::journal::put;
use crate::sandbox::{Sandbox, events, tasks};

const GRAPH: &str = "graphs/default.toml";
const TAPE: &str = "fixtures/cassettes/default.json";

fn run(sandbox: &Sandbox, more: &[&str]) -> String {
    let before = sandbox.runs();
    sandbox.agent(&[&["run", GRAPH, "-q"], more].concat()).exits(0);
    sandbox.runs().into_iter().find(|run| !before.contains(run)).unwrap()
}

fn shown(sandbox: &Sandbox, before: &str, after: &str) -> String {
    let ran = sandbox.agent(&["diff", before, after]).exits(0);
    assert_eq!(ran.stderr, "");
    sandbox.redact(&ran.stdout)
}

fn told(sandbox: &Sandbox, before: &str, after: &str) -> Value {
    let ran = sandbox.agent(&["diff", before, after, "--format", "json"]).exits(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Names of the parts that differ.
fn parts(of: &Value) -> Vec<String> {
    let differs = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    of.as_object().unwrap().iter().filter(|(_, value)| differs(value)).map(|(name, _)| name.clone()).collect()
}

#[track_caller]
fn check(sandbox: &Sandbox, before: &str, after: &str, causes: &[&str], effects: &[&str]) -> Value {
    let told = told(sandbox, before, after);
    assert_eq!((parts(&told["causes"]), parts(&told["effects"])), {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        (owned(causes), owned(effects))
    });
    assert_eq!(told["same"], json!(causes.is_empty() && effects.is_empty()));
    told
}

#[test]
fn runs_are_told_apart_by_cause() {
    let sandbox = Sandbox::new();
    let first = run(&sandbox, &[]);
    let again = run(&sandbox, &[]);
    check(&sandbox, &first, &again, &[], &[]);
    assert!(shown(&sandbox, &first, &again).ends_with("\nThe same went in, and the same came out.\n"));
    assert!(shown(&sandbox, "last", &again).ends_with("\nIt is the same run.\n"));

    // Other input.
    let other = run(&sandbox, &["--input", "fixtures/sample.json"]);
    insta::assert_snapshot!("diff_data", shown(&sandbox, &first, &other));

    // Other rules.
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 90", "high = 100");
    let rules = run(&sandbox, &[]);
    insta::assert_snapshot!("diff_rules", shown(&sandbox, &first, &rules));
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 100", "high = 90");

    // Settings: of the command line, and what no report depends on.
    let set = run(&sandbox, &["--set", "recommendations.max_repairs=0", "--output", "other.json"]);
    let change = check(&sandbox, &first, &set, &["output", "prompt"], &[]);
    let settings = &change["causes"]["prompt"][0]["settings"];
    assert_eq!(*settings, json!([{ "key": "max_repairs", "before": "2", "after": "0" }]));
    sandbox.edit(GRAPH, "language = \"en\"", "language = \"fr\"");
    let french = run(&sandbox, &[]);
    let change = check(&sandbox, &first, &french, &["graph"], &["wording"]);
    assert_eq!(change["causes"]["graph"], json!([{ "key": "language", "before": "\"en\"", "after": "\"fr\"" }]));
    sandbox.edit(GRAPH, "language = \"fr\"", "language = \"en\"");

    // The same file with other values, in as many bytes.
    let input = sandbox.read("fixtures/infrastructure.json");
    assert!(input.contains("99.4"));
    sandbox.write("fixtures/infrastructure.json", &input.replace("99.4", "99.3"));
    let values = run(&sandbox, &[]);
    let change = check(&sandbox, &first, &values, &["data"], &["anomalies", "insights", "recommendations"]);
    assert_eq!(
        (&change["causes"]["data"][0]["values"], &change["causes"]["data"][0]["figures"]),
        (&json!(true), &json!([]))
    );
    let cpu = &change["effects"]["anomalies"][0];
    assert_eq!(
        (&cpu["what"], &cpu["before"]["value"], &cpu["after"]["value"]),
        (&json!("milder"), &json!(99.4), &json!(99.3))
    );
}

#[test]
fn sentences_differ_by_prompt_model_or_chance() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let by = |model: &str| {
        let mut variables = endpoint.variables();
        variables.push(("LLM_MODEL", model));
        let before = sandbox.runs();
        sandbox.command(&["run", GRAPH, "-q"]).envs(variables).status().unwrap();
        sandbox.runs().into_iter().find(|run| !before.contains(run)).unwrap()
    };
    let templates = run(&sandbox, &[]);
    let cassette = run(&sandbox, &["--replay", TAPE]);
    insta::assert_snapshot!("diff_wording", shown(&sandbox, &templates, &cassette));
    let back = told(&sandbox, &cassette, &templates);
    assert_eq!(back["effects"]["wording"][0]["because"], "worded by the template: no model was asked");

    let model = by("loopback-1");
    check(&sandbox, &model, &by("loopback-1"), &[], &[]);
    let other = by("loopback-2");
    let change = check(&sandbox, &model, &other, &["model"], &[]);
    assert_eq!(change["causes"]["model"]["after"]["model"], "loopback-2");
    let invented = by(INVENTIVE);
    let change = check(&sandbox, &model, &invented, &["model"], &["wording"]);
    let because = change["effects"]["wording"][0]["because"].as_str().unwrap();
    assert!(because.starts_with("worded by the template: the model's words were not used: "), "{because}");

    // The prompt: what it says is shown, and that the sentences come of it where they differ.
    sandbox.edit("prompts/recommendation.md", "two plain sentences", "two short sentences");
    let prompted = by("loopback-1");
    insta::assert_snapshot!("diff_prompt", shown(&sandbox, &model, &prompted));
}

#[test]
fn runs_that_cannot_be_compared_say_why() {
    let sandbox = Sandbox::new();
    let done = run(&sandbox, &[]);
    sandbox.agent(&["run", GRAPH, "-q", "--output", "none/report.json"]).exits(1);
    let change = check(&sandbox, &done, "last", &["output"], &["unknown"]);
    let why = change["effects"]["unknown"].as_str().unwrap();
    assert!(why.contains(" failed: node `output` failed: "), "{why}");
    // A journal of before headers told what nodes are made of.
    let path = sandbox.state().join("runs").join(&done).join("events.ndjson");
    let journal = std::fs::read_to_string(path).unwrap();
    let (first, rest) = journal.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(first).unwrap();
    header["event"]["started"].as_object_mut().unwrap().remove("made").unwrap();
    header["event"]["started"]["nodes"]["plan"] = json!("0");
    let old = put(&sandbox, 1, &format!("{header}\n{rest}"));
    let change = check(&sandbox, &old, &done, &["program", "rules"], &[]);
    assert_eq!(change["causes"]["rules"][0]["node"], "plan");
    let ran = sandbox.agent(&["diff", "last", "nothing"]).exits(1);
    assert!(ran.stderr.starts_with("AG0301"), "{}", ran.stderr);
    // The texts may be gone: which file it was is still known.
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 90", "high = 100");
    let rules = run(&sandbox, &[]);
    std::fs::remove_dir_all(sandbox.state().join("texts")).unwrap();
    let told = shown(&sandbox, &done, &rules);
    assert!(told.contains("infrastructure.toml\n") && told.contains("the texts are not kept any more"), "{told}");
}

#[test]
fn a_run_is_gone_through_again_to_the_same_bytes() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    sandbox.agent_with(&endpoint.variables(), &["run", GRAPH, "-q"]).exits(0);
    let asked = endpoint.asked().len();
    assert!(asked > 3 && sandbox.read("output.json").contains(SIGN));
    let report = sandbox.read("output.json");
    std::fs::remove_file(sandbox.at("fixtures/infrastructure.json")).unwrap();
    std::fs::remove_file(sandbox.at("output.json")).unwrap();
    let replay = |what: &str, exit: i32| sandbox.redact(&sandbox.agent(&["replay", what]).exits(exit).stdout);
    let said = replay("last", 0);
    assert!(said.starts_with("run [run]: the same bytes\n"), "{said}");
    assert!(said.contains(&format!(" {asked} answers of the model said again\n")), "repairs too: {said}");
    assert!(!sandbox.at("output.json").exists() && endpoint.asked().len() == asked, "nothing is written or asked");
    assert_eq!(sandbox.agent(&["replay", "last", "-q"]).exits(0).stdout, "");

    // Resumed anywhere, it comes to the same too.
    let id = sandbox.runs()[0].clone();
    let folder = sandbox.state().join("runs").join(&id);
    let journal = std::fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    let cut = events(&journal).iter().position(|(name, _)| name == "cut").unwrap();
    for count in (cut + 1..lines.len()).step_by(7) {
        let resumed = put(&sandbox, count, &lines[..count].concat());
        let to = sandbox.state().join("runs").join(&resumed).join("replies.ndjson");
        std::fs::copy(folder.join("replies.ndjson"), to).unwrap();
        assert!(sandbox.agent(&["replay", &resumed]).exits(1).stderr.starts_with("AG0321"), "it has not ended");
        sandbox.agent_with(&endpoint.variables(), &["resume", &resumed, "-q"]).exits(0);
        assert!(sandbox.read("output.json") == report);
        assert!(replay(&resumed, 0).starts_with("run [run]: the same bytes\n"));
    }
    // Without what the model answered, the tasks that asked are taken as they were.
    std::fs::remove_file(folder.join("replies.ndjson")).unwrap();
    assert!(replay(&id, 0).contains("what the model answered is not kept"));
}

#[test]
fn a_run_that_comes_to_something_else_says_where() {
    let sandbox = Sandbox::new();
    let id = run(&sandbox, &["--replay", TAPE]);
    let path = sandbox.state().join("runs").join(&id).join("events.ndjson");
    let journal = std::fs::read_to_string(&path).unwrap();
    let planned = tasks(&events(&journal), "task_ended");
    assert!(planned.contains(&"plan".to_string()));
    // Somebody has edited what was decided; what follows does not follow.
    std::fs::write(&path, journal.replacen("\"replicas\":2", "\"replicas\":3", 1)).unwrap();
    let ran = sandbox.agent(&["replay", &id]).exits(1);
    let said = sandbox.redact(&ran.stdout);
    assert!(said.starts_with("run [run]: not the same\n"), "{said}");
    assert!(said.contains("the output of `plan` differs at:\n") && said.contains("parameters.replicas"), "{said}");
    assert!(said.contains("    journaled: 3\n    replayed:  2\n"), "{said}");
    // The graph has changed since: that is another run.
    std::fs::write(&path, journal).unwrap();
    sandbox.edit("graphs/rules/infrastructure.toml", "high = 90", "high = 100");
    let refused = sandbox.agent(&["replay", &id]).exits(1);
    assert!(refused.stderr.starts_with("AG0312") && refused.stderr.contains("anomalies"), "{}", refused.stderr);
}

#[test]
fn a_cassette_is_played_to_a_graph() {
    let sandbox = Sandbox::new();
    let replay = |more: &[&str], exit: i32| sandbox.agent(&[&["replay", "tape.json"], more].concat()).exits(exit);
    sandbox.write("tape.json", &sandbox.read(TAPE));
    assert!(replay(&[], 2).stderr.contains("--graph GRAPH"));
    let played = replay(&["--graph", GRAPH], 0);
    assert!(played.stdout.starts_with("the same: ") && played.stderr.is_empty(), "{played:#?}");
    assert!(!sandbox.at("output.json").exists() && sandbox.runs().is_empty(), "it leaves no trace");
    // What is asked otherwise fails with the difference, as `run --replay` does.
    let missed = replay(&["--graph", GRAPH, "--input", "fixtures/sample.json"], 1);
    assert!(missed.stderr.starts_with("AG0310") && missed.stderr.contains("differs at:"), "{}", missed.stderr);
    // Left-over exchanges are not the same.
    let mut tape: Value = serde_json::from_str(&sandbox.read("tape.json")).unwrap();
    let mut surplus = tape["interactions"][0].clone();
    surplus["asked_by"] = json!("wording[99]");
    tape["interactions"].as_array_mut().unwrap().push(surplus);
    sandbox.write("tape.json", &tape.to_string());
    let left = replay(&["--graph", GRAPH, "-q"], 1);
    assert!(left.stdout.starts_with("not the same: ") && left.stdout.contains("`wording[99]`"), "{}", left.stdout);
}

#[test]
fn models_are_compared_by_figures() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::from_millis(3)));
    let models = format!("loopback-1,{INVENTIVE}");
    let eval = |more: &[&str]| {
        let arguments = [&["eval", GRAPH, "--models", &models], more].concat();
        sandbox.agent_with(&endpoint.variables(), &arguments).exits(0)
    };
    let ran = eval(&["--runs", "2", "--format", "json"]);
    assert!(!sandbox.at("output.json").exists() && sandbox.runs().is_empty(), "it leaves no trace");
    assert_eq!(ran.stderr.lines().count(), 4, "one line a run: {}", ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let [good, bad] = [0, 1].map(|at| told["models"][at].clone());
    let figure = |score: &Value, key: &str| score[key].as_u64().unwrap();
    let count = figure(&good, "recommendations");
    assert!(count > 6 && count % 2 == 0 && figure(&bad, "recommendations") == count);
    // One recommendation is answered with a figure at first, and properly when asked again.
    assert_eq!(["first_try", "repaired", "repairs", "fallbacks"].map(|key| figure(&good, key)), [count - 2, 2, 2, 0]);
    assert_eq!(
        ["first_try", "repaired", "repairs", "fallbacks"].map(|key| figure(&bad, key)),
        [0, 0, 2 * count, count]
    );
    for (score, calls) in [(&good, count + 2), (&bad, 3 * count)] {
        assert_eq!((figure(score, "calls"), figure(score, "failed_calls")), (calls, 0));
        assert_eq!([figure(score, "prompt_tokens"), figure(score, "completion_tokens")], [700 * calls, 100 * calls]);
        assert!(figure(score, "median_ms") >= 3 && figure(score, "p95_ms") >= figure(score, "median_ms"));
        assert!(score["cost"].is_null());
    }
    assert_eq!(good["first_try_share"].as_f64().map(|share| (share * count as f64).round()), Some((count - 2) as f64));

    // A table; kept runs can be compared and gone through again.
    let table = eval(&["--keep", "-q"]);
    assert_eq!(table.stderr, "");
    let row =
        |name: &str| table.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{table:#?}"));
    let half = count / 2;
    assert!(row("loopback-1 (custom)").contains(&format!("{} of {half} (", half - 1)), "{}", table.stdout);
    assert!(row(INVENTIVE).contains(&format!("0 of {half} (0%)")), "{}", table.stdout);
    let [one, two] = &sandbox.runs()[..] else { panic!("{:?}", sandbox.runs()) };
    let told = told_parts(&sandbox, one, two);
    assert_eq!(told, (vec!["model".to_string()], vec!["wording".to_string()]));
    sandbox.agent(&["replay", one]).exits(0);
    assert!(!sandbox.at("output.json").exists());
}

fn told_parts(sandbox: &Sandbox, one: &str, two: &str) -> (Vec<String>, Vec<String>) {
    let told = told(sandbox, one, two);
    (parts(&told["causes"]), parts(&told["effects"]))
}

#[test]
fn what_cannot_be_evaluated_is_refused_before_anything_is_asked() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let refused = |variables: &[(&str, &str)], arguments: &[&str]| {
        sandbox.agent_with(variables, &[&["eval"], arguments].concat()).exits(2).stderr
    };
    assert!(refused(&[], &[GRAPH, "--models", "a"]).starts_with("AG0201"));
    let of_mistral = refused(&endpoint.variables(), &[GRAPH, "--models", "loopback-1,mistral/x"]);
    assert!(of_mistral.starts_with("AG0201") && of_mistral.contains("no key for mistral"), "{of_mistral}");
    let live = refused(&endpoint.variables(), &["graphs/follow.toml", "--models", "a"]);
    assert!(live.starts_with("AG0315") && live.contains("live source"), "{live}");
    assert!(refused(&endpoint.variables(), &[GRAPH]).contains("--models"));
    assert_eq!(endpoint.asked(), []);
}
