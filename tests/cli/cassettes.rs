//! Recording and replaying: the same bytes, and never a key.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, SIGN, STUBBORN};
use crate::journal::{check, put};
use crate::sandbox::{Sandbox, events};

const GRAPH: &str = "graphs/default.toml";
const KEY: &str = "sk-loopback-7f3a9c21d4";

/// A sandbox whose `tape.json` and `output.json` come from a recorded run.
fn recorded() -> Sandbox {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let ran = sandbox.agent_with(&endpoint.variables(), &["run", GRAPH, "--record", "tape.json"]).exits(0);
    assert!(ran.stdout.contains("by loopback-1 (custom)\n"), "all of them: {}", ran.stdout);
    sandbox
}

fn cassette(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.read("tape.json")).unwrap()
}

fn put_cassette(sandbox: &Sandbox, cassette: &Value) {
    sandbox.write("tape.json", &serde_json::to_string_pretty(cassette).unwrap());
}

#[test]
fn a_recording_and_its_replays_write_the_same_bytes() {
    let sandbox = recorded();
    let report = sandbox.read("output.json");
    let recommendations = report.matches("\"action\": \"").count();
    assert!(recommendations > 3 && report.matches(SIGN).count() == recommendations, "the model words all: {report}");
    let interactions = cassette(&sandbox)["interactions"].as_array().unwrap().len();
    let stubborn = usize::from(report.contains(STUBBORN));
    assert_eq!(interactions, recommendations + stubborn, "one of them is asked for twice");

    // Without any variable and with the endpoint gone.
    for arguments in [&["--no-journal"][..], &[]] {
        std::fs::remove_file(sandbox.at("output.json")).unwrap();
        let ran = sandbox.agent(&[&["run", GRAPH, "--replay", "tape.json"], arguments].concat()).exits(0);
        assert!(sandbox.read("output.json") == report);
        assert!(ran.stdout.contains("by loopback-1 (custom)") && ran.stderr.is_empty(), "{ran:#?}");
    }
    // Variables of another endpoint change nothing.
    let other = [("LLM_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_MODEL", "other"), ("LLM_API_KEY", KEY)];
    sandbox.agent_with(&other, &["run", GRAPH, "--replay", "tape.json"]).exits(0);
    assert!(sandbox.read("output.json") == report);
}

#[test]
fn the_shipped_cassette_words_the_default_report() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q", "--output", "templates.json"]).exits(0);
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "fixtures/cassettes/default.json"]).exits(0);
    assert_eq!(ran.stderr, "", "nothing is left over");
    assert!(ran.stdout.contains(" by synthetic-wordings (custom)\n"), "a model words all: {}", ran.stdout);
    let header = &serde_json::from_str::<Value>(&sandbox.read("fixtures/cassettes/default.json")).unwrap()["header"];
    assert_eq!(header["label"], "synthetic");

    // Its words differ from the templates', and nothing else does.
    let read = |path: &str| serde_json::from_str::<Value>(&sandbox.read(path)).unwrap();
    let (mut worded, mut planned) = (read("output.json"), read("templates.json"));
    assert_ne!(worded, planned);
    for report in [&mut worded, &mut planned] {
        for recommendation in report["recommendations"].as_array_mut().unwrap() {
            for words in ["action", "benefit_estimate"] {
                recommendation.as_object_mut().unwrap().remove(words).unwrap();
            }
        }
    }
    assert_eq!(worded, planned);
}

#[test]
fn a_replay_that_was_cut_short_resumes_to_the_same_bytes() {
    let sandbox = recorded();
    let report = sandbox.read("output.json");
    sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(0);
    let replayed = sandbox.state().join("runs").join(sandbox.runs().last().unwrap());
    let journal = std::fs::read_to_string(replayed.join("events.ndjson")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    for count in (1..lines.len()).step_by(4) {
        let prefix = lines[..count].concat();
        let id = put(&sandbox, count, &prefix);
        check(&sandbox, &id, &prefix, &report);
    }
}

#[test]
fn a_request_that_was_not_recorded_fails_the_replay_with_a_difference() {
    let sandbox = recorded();
    let report = sandbox.read("output.json");
    sandbox.edit("prompts/recommendation.md", "two plain sentences", "two short sentences");
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(1);
    assert!(ran.stderr.contains("AG0310"), "{}", ran.stderr);
    let shown = ran.stderr.replace("\n  │ ", "\n");
    for part in [
        "does not have this request of `wording[",
        "differs at:\n  messages[0].content\n    recorded: …",
        "two plain sentences",
        "\n    asked:    …",
        "two short sentences",
        "`recommendation.md of wording` has changed since: record the run again",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(sandbox.read("output.json") == report, "the old report stays");

    let sandbox = recorded();
    let mut tape = cassette(&sandbox);
    let gone = tape["interactions"].as_array_mut().unwrap().remove(1);
    put_cassette(&sandbox, &tape);
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "tape.json", "-q"]).exits(1);
    let asked_by = gone["asked_by"].as_str().unwrap();
    assert!(ran.stderr.contains(&format!("does not have this request of `{asked_by}`")), "{}", ran.stderr);
}

#[test]
fn a_cassette_knows_its_graph_and_says_when_it_is_replayed_with_another() {
    let sandbox = recorded();
    let (tape, graph) = (cassette(&sandbox), sandbox.read(GRAPH));
    assert_eq!(tape["header"]["graph"]["file"], "default.toml");
    assert!(!tape["header"].to_string().contains(sandbox.at("").to_str().unwrap()), "{}", tape["header"]);
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(0);
    assert!(!ran.stderr.contains("recorded with"), "{}", ran.stderr);
    // Another name, and a comment: what is asked is the same.
    std::fs::write(sandbox.at("graphs/other.toml"), format!("# another one\n{graph}")).unwrap();
    let unlike = "note: the cassette was recorded with the graph `default.toml`, and this is `other.toml`\n";
    let ran = sandbox.agent(&["run", "graphs/other.toml", "--replay", "tape.json"]).exits(0);
    assert!(ran.stderr.contains(unlike), "{}", ran.stderr);
    let ran = sandbox.agent(&["replay", "tape.json", "--graph", "graphs/other.toml"]).exits(0);
    assert!(ran.stdout.starts_with(&format!("{unlike}the same: ")), "{}", ran.stdout);
    sandbox.edit(GRAPH, "[nodes.", "# a comment\n[nodes.");
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(0);
    assert!(ran.stderr.contains("the graph `default.toml` is not what it was"), "{}", ran.stderr);
}

#[test]
fn what_a_replay_leaves_over_is_said_and_changes_nothing() {
    let sandbox = recorded();
    let report = sandbox.read("output.json");
    let mut tape = cassette(&sandbox);
    let mut surplus = tape["interactions"][0].clone();
    surplus["asked_by"] = json!("wording[99]");
    surplus["request"]["model"] = json!("another");
    tape["interactions"].as_array_mut().unwrap().push(surplus);
    put_cassette(&sandbox, &tape);
    let ran = sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(0);
    insta::assert_snapshot!(ran.stderr, @"note: the cassette has an interaction that nothing asked for: POST /chat/completions of `wording[99]` (status 200)");
    assert!(sandbox.read("output.json") == report);
}

#[test]
fn a_cassette_that_cannot_be_used_is_refused_before_anything_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.json", "");
    sandbox.write("old.json", r#"{"header":{"version":99},"interactions":[]}"#);
    let endpoint = Endpoint::start(Duration::ZERO);
    let check = |variables: &[(&str, &str)], flags: &[&str], code: &str| {
        let ran = sandbox.agent_with(variables, &[&["run", GRAPH], flags].concat()).exits(1);
        assert!(ran.stderr.starts_with(code) && !sandbox.at("output.json").exists(), "{flags:?}: {}", ran.stderr);
    };
    check(&[], &["--replay", "none.json"], "AG0206");
    check(&[], &["--replay", "empty.json"], "AG0206");
    check(&[], &["--replay", "old.json"], "AG0207");
    check(&[], &["--record", "tape.json"], "AG0205");
    check(&endpoint.variables(), &["--record", "none/tape.json"], "AG0208");
    assert_eq!(endpoint.asked(), [], "nothing is paid for");
}

#[test]
fn the_key_is_sent_and_stands_nowhere_else() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let with_key = [&endpoint.variables()[..], &[("LLM_API_KEY", KEY)]].concat();
    let mut streams = Vec::new();
    for flags in
        [&["--record", "tape.json", "-vv"][..], &["-v", "--run-record", "run.json"], &["--output", "/none/o.json"]]
    {
        let ran = sandbox.agent_with(&with_key, &[&["run", GRAPH], flags].concat());
        streams.extend([ran.stdout, ran.stderr]);
    }
    let refused =
        [("LLM_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_MODEL", "m"), ("LLM_API_KEY", KEY), ("LLM_DEADLINE", "1")];
    let ran = sandbox.agent_with(&refused, &["run", GRAPH, "-vv"]).exits(0);
    streams.extend([ran.stdout, ran.stderr]);

    let asked = endpoint.asked();
    let bearer = format!("Bearer {KEY}");
    assert!(asked.len() > 10 && asked.iter().all(|a| a.authorization.as_deref() == Some(&bearer)));
    assert!(sandbox.runs().len() == 4 && streams.iter().any(|s| s.contains("loopback-1")));
    assert!(streams.iter().all(|text| !text.contains(KEY)), "{streams:#?}");
    assert_eq!(sandbox.files_with(KEY), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_key_inside_a_prompt_is_not_recorded() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let with_key = [&endpoint.variables()[..], &[("LLM_API_KEY", KEY)]].concat();
    let prompt = sandbox.read("prompts/recommendation.md");
    sandbox.edit("prompts/recommendation.md", "You word", &format!("{KEY} You word"));
    let ran = sandbox.agent_with(&with_key, &["run", GRAPH, "--record", "tape.json"]).exits(1);
    assert!(ran.stderr.contains("AG0210") && !sandbox.at("tape.json").exists(), "{}", ran.stderr);
    assert!(!ran.stderr.contains(KEY) && !ran.stdout.contains(KEY));
    let record = std::fs::read_to_string(sandbox.run_folder().join("run.json")).unwrap();
    assert!(record.contains("\"status\": \"done\""), "the report was written, and the record says so: {record}");
    let journal = std::fs::read_to_string(sandbox.run_folder().join("events.ndjson")).unwrap();
    assert_eq!(events(&journal).last().unwrap().1["status"], "done");
    assert!(prompt != sandbox.read("prompts/recommendation.md"));
}

#[test]
fn what_looks_like_a_credential_is_not_recorded() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let foreign = ["gsk_", "4f9Kd0aB31xY", "77cQz2LmN8"].concat();
    let report = {
        sandbox.agent_with(&endpoint.variables(), &["run", GRAPH, "-q"]).exits(0);
        sandbox.read("output.json")
    };
    sandbox.edit("prompts/recommendation.md", "You word", &format!("api_key={foreign} You word"));
    let ran = sandbox.agent_with(&endpoint.variables(), &["run", GRAPH, "--record", "tape.json"]).exits(1);
    assert!(ran.stderr.contains("AG0210") && ran.stderr.contains("the key of a provider"), "{}", ran.stderr);
    assert!(!sandbox.at("tape.json").exists() && !ran.stderr.contains(&foreign) && !ran.stdout.contains(&foreign));
    assert!(sandbox.read("output.json") == report, "the report is there all the same");
    let spool = std::fs::read_to_string(
        sandbox.state().join("runs").join(sandbox.runs().last().unwrap()).join("cassette.ndjson"),
    );
    assert!(!spool.unwrap().contains(&foreign));
}
