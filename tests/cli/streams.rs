//! What goes to which stream, and what the flags of a run do.

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox, repository};

const GRAPH: &str = "graphs/default.toml";

#[test]
fn the_report_of_the_repository_is_what_the_first_command_writes() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH]).exits(0);
    let committed = std::fs::read_to_string(repository().join("output.json")).unwrap();
    assert!(
        sandbox.read("output.json") == committed,
        "output.json is out of date: run `agent run graphs/default.toml --offline` and look at what changed"
    );
    sandbox.agent(&["run", GRAPH, "-q", "--offline", "--output", "again.json"]).exits(0);
    assert!(sandbox.read("again.json") == committed);
}

#[test]
fn the_terminal_gets_a_summary_and_the_reason_for_templates() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["run", GRAPH, "--input", "fixtures/sample.json"]).exits(0);
    insta::assert_snapshot!(ran.stderr, @"note: no model is configured (.env.example says how): templates word the recommendations");
    for line in [
        "Read       fixtures/sample.json: 1 record, 2023-10-01T12:00:00Z\n",
        "Anomalies: 3 medium, in 1 incident\n",
        "Services   degraded: api_gateway; online: cache, database\n",
        "by templates, since no model was asked\n",
        "Written    output.json\n",
        &format!("Run        {}, ", sandbox.runs()[0]),
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "no colour where no terminal is");
}

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["run", GRAPH, "--input", "fixtures/dirty.ndjson", "--output", "-"]).exits(0);
    let report: Value = serde_json::from_str(&ran.stdout).expect("nothing but the report");
    assert!(report["insights"].is_object() && !sandbox.at("output.json").exists());
    assert!(ran.stderr.contains("Anomalies: ") && ran.stderr.contains("note: fixtures/dirty.ndjson: AG0108: "));
    assert!(!ran.stderr.contains("Written "), "{}", ran.stderr);
    sandbox.agent(&["run", GRAPH, "--input", "fixtures/dirty.ndjson", "-q"]).exits(0);
    assert!(sandbox.read("output.json") == ran.stdout, "the same bytes as in a file");
}

#[test]
fn every_kind_of_fault_is_noted_once() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["run", GRAPH, "--offline", "--input", "fixtures/dirty.ndjson"]).exits(0);
    insta::assert_snapshot!(ran.stderr);
    assert!(!ran.stdout.contains("AG01"), "{}", ran.stdout);
}

#[test]
fn quiet_says_nothing_that_went_well() {
    let sandbox = Sandbox::new();
    let quiet = |arguments: &[&str]| {
        let ran = sandbox.agent(&[&["run", GRAPH, "-q"], arguments].concat()).exits(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{arguments:?}");
    };
    quiet(&[]);
    quiet(&["--input", "fixtures/dirty.ndjson"]);
    let ran = sandbox.agent(&["run", GRAPH, "-q", "--output", "-"]).exits(0);
    assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok() && ran.stderr.is_empty());
}

#[test]
fn verbose_logs_to_standard_error() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["run", GRAPH, "-v", "--output", "-"]).exits(0);
    assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok());
    assert!(ran.stderr.contains(" INFO ") && ran.stderr.contains("run started") && !ran.stderr.contains(" DEBUG "));
    let ran = sandbox.agent(&["run", GRAPH, "-vv", "--offline"]).exits(0);
    assert!(ran.stderr.contains("task started"), "{}", ran.stderr);
}

#[test]
fn a_dash_reads_standard_input() {
    let sandbox = Sandbox::new();
    let input = std::fs::read(sandbox.at("fixtures/sample.json")).unwrap();
    let ran = sandbox.agent_reading(&input, &["run", GRAPH, "--input", "-", "--output", "-"]).exits(0);
    sandbox.agent(&["run", GRAPH, "-q", "--input", "fixtures/sample.json"]).exits(0);
    assert!(ran.stdout == sandbox.read("output.json"));
    assert!(ran.stderr.contains("Read       standard input: 1 record"), "{}", ran.stderr);
    let empty = sandbox.agent_reading(b"", &["run", GRAPH, "--input", "-"]).exits(1);
    assert!(empty.stderr.contains("AG0102") && empty.stderr.contains("standard input"), "{}", empty.stderr);
}

#[test]
fn paths_of_flags_are_those_of_the_current_folder() {
    let sandbox = Sandbox::new();
    let fixtures = sandbox.at("fixtures");
    let arguments = ["run", "../graphs/default.toml", "-q", "--input", "sample.json", "--output", "mine.json"];
    let ran: Ran = sandbox.command(&arguments).current_dir(&fixtures).output().unwrap().into();
    ran.exits(0);
    assert!(sandbox.at("fixtures/mine.json").exists() && !sandbox.at("output.json").exists());
    // What looks like a variable is a part of the name.
    std::fs::copy(sandbox.at("fixtures/sample.json"), sandbox.at("${HOME}.json")).unwrap();
    sandbox.agent(&["run", GRAPH, "-q", "--input", "${HOME}.json", "--output", "it's \"${X}\".json"]).exits(0);
    assert!(sandbox.read("it's \"${X}\".json") == sandbox.read("fixtures/mine.json"));
}

#[test]
fn set_overrides_any_key_of_any_node() {
    let sandbox = Sandbox::new();
    sandbox.write("strict.toml", "[metrics.memory_usage]\nhigh = 10\n");
    let sets = ["--set", "anomalies.rules=../strict.toml", "--set", "telemetry.path=../fixtures/sample.json"];
    let ran = sandbox.agent(&[&["run", GRAPH, "--output", "-"][..], &sets].concat()).exits(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let anomalies: Vec<&str> =
        report["anomalies"].as_array().unwrap().iter().map(|a| a["metric"].as_str().unwrap()).collect();
    assert_eq!(anomalies, ["memory_usage"]);
    assert_eq!(report["anomalies"][0]["threshold"], 10);
    let ran = sandbox.agent(&["run", GRAPH, "--set", "telemetri.path=x"]).exits(2);
    assert!(ran.stderr.contains("AG0017") && ran.stderr.contains("did you mean `telemetry`?"), "{}", ran.stderr);
}

#[test]
fn the_run_record_lies_where_it_was_asked_for_too() {
    let sandbox = Sandbox::new();
    let input = ["run", GRAPH, "--input", "fixtures/dirty.ndjson"];
    let ran = sandbox.agent(&[&input[..], &["--run-record", "record.json"]].concat()).exits(0);
    assert!(ran.stdout.contains("record.json\n"), "{}", ran.stdout);
    let kept = std::fs::read_to_string(sandbox.run_folder().join("run.json")).unwrap();
    assert!(sandbox.read("record.json") == kept);
    let record: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!((&record["status"], &record["inputs"][0]["bad"]), (&"done".into(), &4.into()));
    let codes: Vec<&str> =
        record["inputs"][0]["faults"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    for code in codes {
        assert!(ran.stderr.contains(&format!("{code}: ")), "{code} is noted: {}", ran.stderr);
    }
    // Also of a run that failed, and without a journal; where it cannot be written the report still is.
    sandbox.agent(&["run", GRAPH, "--input", "none.json", "--no-journal", "--run-record", "failed.json"]).exits(1);
    let failed: Value = serde_json::from_str(&sandbox.read("failed.json")).unwrap();
    assert!(failed["status"] == "failed" && failed["error"].as_str().unwrap().contains("none.json"), "{failed}");
    let ran = sandbox.agent(&[&input[..], &["--run-record", "none/record.json"]].concat()).exits(0);
    assert!(ran.stderr.contains("warning: cannot write ") && sandbox.at("output.json").exists(), "{}", ran.stderr);
}

#[test]
fn a_setting_of_the_model_that_is_wrong_costs_the_model_only() {
    let sandbox = Sandbox::new();
    let report = |variables: &[(&str, &str)], warning: &str| {
        let ran = sandbox.agent_with(variables, &["run", GRAPH, "--output", "-"]).exits(0);
        assert!(ran.stderr.starts_with("warning: ") && ran.stderr.contains(warning), "{}", ran.stderr);
        ran.stdout
    };
    let committed = std::fs::read_to_string(repository().join("output.json")).unwrap();
    assert!(report(&[("LLM_PROVIDER", "opnai")], "AG0201") == committed);
    assert!(report(&[("OPENAI_API_KEY", "two words")], "AG0204") == committed);
    let nobody = [("LLM_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_MODEL", "m"), ("LLM_CONCURRENCY", "16")];
    let ran = sandbox.agent_with(&nobody, &["run", GRAPH]).exits(0);
    assert!(sandbox.read("output.json") == committed, "a dead endpoint leaves the templates");
    let reason = "the endpoint could not be used: ";
    let unwrapped = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ran.stdout.contains(" by templates\n") && unwrapped.contains(reason), "{}", ran.stdout);
}

/// Telemetry with what the scanner takes, what it hands over and what is bad; large enough for blocks of several threads.
fn telemetry(lines: usize) -> String {
    let statuses = ["online", "degr\\u0061ded", "offline", "strange"];
    let line = |at: usize| {
        let time = format!("2024-01-{:02}T{:02}:{:02}:{:02}Z", 1 + at / 86_400, at / 3600 % 24, at / 60 % 60, at % 60);
        let status = statuses[at / 997 % 3 + usize::from(at.is_multiple_of(1009))];
        match at % 701 {
            0 => "{\"timestamp\":".to_string(),
            1 => format!("{{ \"cpu_usage\": \"much\", \"timestamp\": \"{time}\" }}"),
            2 => format!("{{\"timestamp\":\"{time}\",\"cpu_usage\":1e400}}"),
            _ => format!(
                "{{\"timestamp\":\"{time}\",\"cpu_usage\":{}.{},\"latency_ms\":{},\"note\":\"a\\n{at}\",\
                 \"service_status\":{{\"c\\u0061che\":\"{status}\"}}}}",
                at % 90,
                at % 10,
                80 + at % 200
            ),
        }
    };
    (0..lines).map(|at| line(at) + "\n").collect()
}

#[test]
fn threads_and_the_scanner_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("many.ndjson", &telemetry(30_000));
    let run = |variables: &[(&str, &str)]| {
        let arguments = ["run", GRAPH, "--offline", "--input", "many.ndjson", "--output", "-"];
        let ran = sandbox.agent_with(variables, &arguments).exits(0);
        // The name and the time of the run are its own.
        let said: Vec<String> = ran.stderr.lines().filter(|line| !line.starts_with("Run ")).map(String::from).collect();
        (ran.stdout, said)
    };
    let usual = run(&[]);
    assert!(usual.1.iter().any(|line| line.contains("AG01")), "{:?}", usual.1);
    for variables in [
        [("AGENT_SCANNER", "off"), ("AGENT_THREADS", "1")],
        [("AGENT_SCANNER", "off"), ("AGENT_THREADS", "3")],
        [("AGENT_SCANNER", "on"), ("AGENT_THREADS", "1")],
    ] {
        assert!(run(&variables) == usual, "{variables:?}");
    }
}
