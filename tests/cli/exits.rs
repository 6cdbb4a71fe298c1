//! Every exit code, with what stands on the terminal beside it.

use std::fs;

use crate::endpoint::Endpoint;
use crate::sandbox::{Ran, Sandbox, repository};

const GRAPH: &str = "graphs/default.toml";

/// Runs, and gives what the terminal shows: streams that hold nothing are left out.
fn shown(sandbox: &Sandbox, arguments: &[&str], code: i32) -> String {
    let Ran { stdout, stderr, .. } = sandbox.agent(arguments).exits(code);
    assert_eq!(stdout, "", "a fault is on standard error only");
    sandbox.redact(&format!("$ agent {}\n{stderr}", arguments.join(" ")))
}

#[test]
fn fatal_input_and_output_keep_the_old_report() {
    let sandbox = Sandbox::new();
    sandbox.write("output.json", "the old report\n");
    sandbox.write("empty.json", "");
    sandbox.write("blank.json", " \n\t\n");
    sandbox.write("nothing.ndjson", "{\"cpu_usage\": 1}\nnot json\n");
    let good = "{\"timestamp\": \"2024-01-01T00:00:00Z\", \"cpu_usage\": 1}\n".repeat(8);
    sandbox.write("bad.ndjson", &format!("{good}cut off\n"));
    fs::create_dir(sandbox.at("folder")).unwrap();
    let mut transcript = Vec::new();
    for input in ["none.json", "empty.json", "blank.json", "folder", "nothing.ndjson", "bad.ndjson"] {
        transcript.push(shown(&sandbox, &["run", GRAPH, "-q", "--input", input], 1));
        assert_eq!(sandbox.read("output.json"), "the old report\n", "{input}");
    }
    for output in ["none/report.json", "folder", "output.json/report.json"] {
        transcript.push(shown(&sandbox, &["run", GRAPH, "-q", "--no-journal", "--output", output], 1));
        assert_eq!(sandbox.read("output.json"), "the old report\n", "{output}");
    }
    assert_eq!(fs::read_dir(sandbox.at("folder")).unwrap().count(), 0);
    insta::assert_snapshot!(transcript.join("\n"));

    let unreadable = sandbox.at("empty.json");
    #[cfg(unix)]
    fs::set_permissions(&unreadable, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    if fs::read(&unreadable).is_ok() {
        println!("not tried: this user may read every file");
        return;
    }
    let refused = shown(&sandbox, &["run", GRAPH, "-q", "--input", "empty.json"], 1);
    assert!(refused.contains("AG0101") && refused.contains("permission denied"), "{refused}");
    assert_eq!(sandbox.read("output.json"), "the old report\n");
}

#[test]
fn a_share_of_bad_records_that_the_graph_permits_is_noted_and_no_more() {
    let sandbox = Sandbox::new();
    let good = "{\"timestamp\": \"2024-01-01T00:00:00Z\", \"cpu_usage\": 1}\n".repeat(8);
    sandbox.write("bad.ndjson", &format!("{good}cut off\n"));
    let ran = sandbox.agent(&["run", GRAPH, "--input", "bad.ndjson", "--set", "telemetry.max_bad_ratio=0.2"]).exits(0);
    assert!(ran.stderr.contains("note: bad.ndjson: AG0108: malformed or truncated record, at line 9: "), "{ran:#?}");
    assert!(ran.stdout.contains("bad.ndjson: 8 records") && ran.stdout.contains("1 bad record left out"), "{ran:#?}");
}

#[test]
fn usage() {
    let sandbox = Sandbox::new();
    let mut transcript = Vec::new();
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["run"],
        &["run", GRAPH, "--offline", "--replay", "tape.json"],
        &["run", GRAPH, "--record", "a.json", "--replay", "b.json"],
        &["run", GRAPH, "-q", "-v"],
        &["run", GRAPH, "--fail-on", "awful"],
        &["run", GRAPH, "--set", "telemetry"],
        &["run", GRAPH, "--set", "telemetri.path=x"],
        &["run", GRAPH, "--input", ""],
        &["run", GRAPH, "--output", ""],
        &["run", GRAPH, "--record", ""],
        &["run", GRAPH, "--run-record", "-"],
        &["schema", "detect", GRAPH],
        &["schema", "reprot"],
        &["kinds", "detct"],
        &["explain", "AG003"],
    ] {
        let text = shown(&sandbox, arguments, 2);
        // The help of the whole program is not a matter of this test.
        transcript.push(if arguments.is_empty() { text.lines().take(4).collect::<Vec<_>>().join("\n") } else { text });
    }
    insta::assert_snapshot!(transcript.join("\n"));
    assert!(!sandbox.at("output.json").exists() && sandbox.runs().is_empty());
}

#[test]
fn one_flag_for_several_nodes_names_them_and_how_to_say_which() {
    let sandbox = Sandbox::new();
    let more = "\n[nodes.archive]\nkind = \"ingest.file\"\npath = \"../fixtures/sample.json\"\n\n\
                [nodes.copy]\nkind = \"output.file\"\ninputs = { report = \"report\" }\npath = \"../copy.json\"\n";
    sandbox.edit(GRAPH, "{ telemetry = \"telemetry\" }", "{ telemetry = [\"telemetry\", \"archive\"] }");
    sandbox.write(GRAPH, &(sandbox.read(GRAPH) + more));
    let input = shown(&sandbox, &["run", GRAPH, "--input", "new.json"], 2);
    let output = shown(&sandbox, &["run", GRAPH, "--output", "new.json"], 2);
    insta::assert_snapshot!(format!("{input}\n{output}"));
    sandbox.agent(&["run", GRAPH, "-q", "--set", "copy.path=../other.json"]).exits(0);
    assert!(sandbox.read("other.json") == sandbox.read("output.json") && !sandbox.at("copy.json").exists());

    sandbox.write("bare.toml", BARE);
    assert!(shown(&sandbox, &["run", "bare.toml", "--output", "new.json"], 2).contains("the graph has none"));
}

/// A graph that reports nothing.
const BARE: &str = "[nodes.telemetry]\nkind = \"ingest.file\"\npath = \"fixtures/sample.json\"\n\n\
                    [nodes.insights]\nkind = \"insights\"\ninputs = { telemetry = \"telemetry\" }\n";

#[test]
fn a_broken_graph_is_told_of_whatever_the_flags() {
    let sandbox = Sandbox::new();
    for (from, to, code) in [
        ("kind = \"ingest.file\"", "kind = \"ingest.fil\"", "AG0006"),
        ("kind = \"output.file\"", "kind = \"output.fil\"", "AG0006"),
        ("language = \"en\"", "language = \"de\"", "AG0005"),
        ("[nodes.insights]", "[nodes.insights", "AG0001"),
    ] {
        let text = sandbox.read(GRAPH).replacen(from, to, 1);
        sandbox.write("graphs/broken.toml", &text);
        for flags in [&["--input", "fixtures/sample.json"][..], &["--output", "new.json"], &["--set", "nope.path=x"]] {
            let told = shown(&sandbox, &[&["run", "graphs/broken.toml"], flags].concat(), 78);
            assert!(told.contains(code) && !told.contains("AG0315"), "{told}");
        }
    }
}

#[test]
fn a_graph_without_a_report_is_fine_until_one_is_asked_about() {
    let sandbox = Sandbox::new();
    sandbox.write("bare.toml", BARE);
    sandbox.agent(&["run", "bare.toml"]).exits(0);
    let told = shown(&sandbox, &["run", "bare.toml", "--fail-on", "low"], 2);
    assert!(told.contains("AG0315") && told.contains("no node of the graph makes one"), "{told}");
}

#[test]
fn two_nodes_do_not_write_to_one_place() {
    let sandbox = Sandbox::new();
    let more =
        "\n[nodes.copy]\nkind = \"output.file\"\ninputs = { report = \"report\" }\npath = \"./../output.json\"\n";
    sandbox.write(GRAPH, &(sandbox.read(GRAPH) + more));
    let told = shown(&sandbox, &["check", GRAPH], 78);
    assert!(told.contains("AG0005") && told.contains("`output` and `copy` both write to `output.json`"), "{told}");
    sandbox.agent(&["run", GRAPH, "-q", "--set", "copy.path=../copy.json"]).exits(0);
}

#[test]
fn a_draft_that_takes_too_long_falls_back_to_the_template() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(std::time::Duration::from_secs(5)));
    let slow = ["run", GRAPH, "-q", "--set", "wording.timeout=100ms", "--set", "wording.on_error=fallback"];
    sandbox.agent_with(&endpoint.variables(), &slow).exits(0);
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(sandbox.run_folder().join("run.json")).unwrap()).unwrap();
    let drafts = record["tasks"].as_array().unwrap().iter().filter(|task| task["node"] == "wording");
    assert!(drafts.clone().count() > 1 && drafts.clone().all(|task| task["outcome"] == "fallback"), "{record:#}");
    assert!(drafts.clone().all(|task| task["error"].as_str().unwrap().contains("its timeout of 100ms")));
    assert!(sandbox.read("output.json") == fs::read_to_string(repository().join("output.json")).unwrap());
    let told = shown(&sandbox, &["run", GRAPH, "--set", "plan.on_error=fallback"], 78);
    assert!(told.contains("AG0005") && told.contains("`plan` has nothing to fall back to"), "{told}");
}

#[test]
fn fail_on_looks_at_the_worst_anomaly() {
    let sandbox = Sandbox::new();
    for (limit, code) in [("low", 3), ("medium", 3), ("high", 0)] {
        let _ = fs::remove_file(sandbox.at("output.json"));
        let arguments = ["run", GRAPH, "--input", "fixtures/sample.json", "--fail-on", limit];
        let ran = sandbox.agent(&arguments).exits(code);
        assert!(
            ran.stdout.contains("Anomalies: 3 medium, in 1 incident\n") && sandbox.at("output.json").exists(),
            "{ran:#?}"
        );
    }
    // Nothing is found, nothing is reached.
    sandbox.write("calm.json", "{\"timestamp\": \"2024-01-01T00:00:00Z\", \"cpu_usage\": 1}");
    sandbox.agent(&["run", GRAPH, "-q", "--input", "calm.json", "--fail-on", "low"]).exits(0);
}

/// A file of the project with something replaced, and what `check` says of the graph.
fn broken(file: &str, from: &str, to: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.edit(file, from, to);
    let checked = shown(&sandbox, &["check", GRAPH], 78);
    let run = shown(&sandbox, &["run", GRAPH], 78);
    let told = |text: &str| text.split_once('\n').map(|(_, told)| told.to_string());
    assert_eq!(told(&checked), told(&run), "`check` says what `run` says");
    assert!(!sandbox.at("output.json").exists() && sandbox.runs().is_empty());
    format!("{file}: {from} → {to}\n{}", told(&run).unwrap())
}

#[test]
fn graphs_that_do_not_compile() {
    let mut transcript = Vec::new();
    for (from, to) in [
        ("[nodes.insights]", "[nodes.insights"),
        ("playbook =", "playbok ="),
        ("each = \"draft\"", "eahc = \"draft\""),
        ("kind = \"detect\"", "kind = \"detcet\""),
        ("inputs = { anomalies = \"anomalies\" }", "inputs = { anomalies = \"anomalie\" }"),
        ("inputs = { anomalies = \"anomalies\" }", ""),
        ("\"plan.recommendations\"", "\"plan.recomendations\""),
        ("recommendations = \"recommendations\"", "recommendations = \"anomalies\""),
        ("recommendation = \"plan.recommendations\"", "recommendation = \"recommendations\""),
        ("language = \"en\"", "language = \"de\""),
        ("max_repairs = 2", "max_repairs = \"two\""),
        ("rules/infrastructure.toml", "rules/none.toml"),
        ("../prompts/recommendation.md", "../prompts"),
        ("playbooks/infrastructure.toml", "${PLAYBOOK}"),
    ] {
        transcript.push(broken(GRAPH, from, to));
    }
    insta::assert_snapshot!(transcript.join("\n"));
}

#[test]
fn files_of_a_graph_that_do_not_compile() {
    let rules = "graphs/rules/infrastructure.toml";
    let playbook = "graphs/playbooks/infrastructure.toml";
    let found = [
        broken(rules, "low = 70", "low = 95"),
        broken(rules, "low = 70", "lwo = 70"),
        broken(rules, "low = 70", "low = "),
        broken(playbook, "formula = \"service_status.reached\"", "formula = \"service_status.reachd +\""),
        broken("prompts/recommendation.md", "{{ id }}", "{{ idd }}"),
    ];
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn all_graphs_are_checked_and_each_is_told_of() {
    let sandbox = Sandbox::new();
    sandbox.write("graphs/a.toml", "[nodes.a]\nkind = \"merg\"\n");
    let ran = sandbox.agent(&["check", "graphs/a.toml", GRAPH, "none.toml"]).exits(78);
    assert_eq!(ran.stdout, "graphs/default.toml: ok, 8 nodes\n");
    insta::assert_snapshot!(ran.stderr);
}
