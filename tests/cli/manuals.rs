//! The commands that tell: of kinds, graphs, codes, runs and anomalies.

use std::collections::BTreeSet;
use std::process::Command;

use agent::diagnostic::codes;

use crate::sandbox::{Ran, Sandbox, repository, walk};

const GRAPH: &str = "graphs/default.toml";

fn printed(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox.agent(arguments).exits(0);
    assert_eq!(ran.stderr, "", "{arguments:?}");
    ran.stdout
}

#[test]
fn check_compiles_without_running() {
    let sandbox = Sandbox::new();
    assert_eq!(printed(&sandbox, &["check", GRAPH]), "graphs/default.toml: ok, 8 nodes\n");
    assert!(!sandbox.at("output.json").exists() && sandbox.runs().is_empty());
}

#[test]
fn every_graph_of_the_repository_compiles() {
    let sandbox = Sandbox::new();
    let mut graphs: Vec<String> = std::fs::read_dir(sandbox.at("graphs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml") && !name.ends_with(".test.toml"))
        .collect();
    graphs.sort();
    for name in ["default.toml", "follow.toml", "listen.toml"] {
        assert!(graphs.iter().any(|graph| graph == name), "{graphs:?}");
    }
    for graph in graphs {
        let path = format!("graphs/{graph}");
        assert!(printed(&sandbox, &["check", &path]).starts_with(&format!("{path}: ok, ")));
    }
}

#[test]
fn draw_in_three_formats() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!("draw_ascii", printed(&sandbox, &["draw", GRAPH]));
    insta::assert_snapshot!("draw_mermaid", printed(&sandbox, &["draw", GRAPH, "--format", "mermaid"]));
    insta::assert_snapshot!("draw_dot", printed(&sandbox, &["draw", GRAPH, "--format", "dot"]));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let sandbox = Sandbox::new();
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let drawn = printed(&sandbox, &["draw", GRAPH, "--format", "mermaid"]);
    assert!(readme.contains(&format!("```mermaid\n{drawn}```\n")), "the picture of the default graph: {drawn}");
    sandbox.write("ops.toml", "[nodes.telemetry]\nkind = \"ingest.file\"\npth = \"telemetry.json\"\n");
    let told = sandbox.agent(&["check", "ops.toml"]).exits(78).stderr;
    let (_, unknown_key) = told.split_once("\n\nAG0003").unwrap();
    assert!(readme.contains(&format!("```text\nAG0003{unknown_key}```\n")), "the example of a fault: {unknown_key}");
}

#[test]
fn kinds_are_listed_with_whole_sentences() {
    let listed = printed(&Sandbox::new(), &["kinds"]);
    insta::assert_snapshot!(listed);
    assert!(listed.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn the_manual_of_a_kind() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(printed(&sandbox, &["kinds", "detect"]));
    for line in printed(&sandbox, &["kinds"]).lines().skip(1).filter(|line| !line.starts_with(' ')) {
        let name = line.split_whitespace().next().unwrap();
        let page = printed(&sandbox, &["kinds", name]);
        assert!(page.starts_with(&format!("{name} (")) && page.contains("\nOutput\n"), "{page}");
        assert_eq!(page.contains("\n  each: "), page.starts_with(&format!("{name} (task)")), "{page}");
    }
    let page = printed(&sandbox, &["kinds", "ingest.file"]);
    for line in [
        "  path (required): ",
        "  max_bad_ratio (default 0.1): ",
        "  schema.timestamp (default \"timestamp\"): ",
        "    \"csv\": ",
    ] {
        assert!(page.contains(&format!("\n{line}")), "{line}: {page}");
    }
}

#[test]
fn runs_are_listed_newest_first() {
    let sandbox = Sandbox::new();
    assert_eq!(printed(&sandbox, &["runs"]), "no runs are kept\n");
    for _ in 0..3 {
        sandbox.agent(&["run", GRAPH, "-q", "--input", "fixtures/sample.json"]).exits(0);
    }
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    let listed = printed(&sandbox, &["runs"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["run", "started", "graph", "status", "high", "medium", "low", "took"]);
    let ids: Vec<&str> = rows[1..].iter().map(|row| row[0]).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((ids.len(), &ids), (4, &sorted));
    assert_eq!(rows[1][2..7], ["infrastructure", "done", "5", "3", "4"], "the last one, also within one second");
    assert_eq!(rows[2][2..7], ["infrastructure", "done", "0", "3", "0"]);
}

#[test]
fn why_goes_from_the_rule_to_the_sentence() {
    let sandbox = Sandbox::new();
    sandbox.agent(&["run", GRAPH, "-q"]).exits(0);
    insta::assert_snapshot!(printed(&sandbox, &["why", "last", "cpu_usage"]));
    let service = printed(&sandbox, &["why", &sandbox.runs()[0], "service_status.api_gateway"]);
    assert!(service.contains("status of the service api_gateway") && service.contains("2 (offline)"), "{service}");

    // Every anomaly of the report has a page with its own figures.
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("output.json")).unwrap();
    for anomaly in report["anomalies"].as_array().unwrap() {
        let name = anomaly["metric"].as_str().unwrap();
        let page = printed(&sandbox, &["why", "last", name]);
        assert!(page.starts_with(&format!("{name}: {}\n", anomaly["severity"].as_str().unwrap())), "{page}");
        assert!(page.contains(&format!("  {}", anomaly["value"])), "{page}");
        let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>().join(" ");
        assert!(words(&page).contains(&words(anomaly["description"].as_str().unwrap())), "{page}");
    }

    let ran = sandbox.agent(&["why", "last", "cpu_usge"]).exits(2);
    insta::assert_snapshot!(sandbox.redact(&ran.stderr), @r#"
    AG0317 (agent explain AG0317)

      × run [run] has no anomaly `cpu_usge`
      help: did you mean `cpu_usage`?
    "#);
    // The journal and the texts that are kept beside it have all that it needs.
    std::fs::remove_file(sandbox.at(GRAPH)).unwrap();
    let without = printed(&sandbox, &["why", "last", "cpu_usage"]);
    assert!(without.contains("Rule       cpu_usage (graphs/rules/infrastructure.toml)\n"), "{without}");
}

#[test]
fn why_tells_which_input_an_anomaly_is_from() {
    let sandbox = Sandbox::new();
    let more = "\n[nodes.fleet]\nkind = \"ingest.file\"\npath = \"../fixtures/fleet.ndjson\"\n\n\
                [nodes.of_fleet]\nkind = \"detect\"\ninputs = { telemetry = \"fleet\" }\nrules = \"rules/infrastructure.toml\"\n";
    sandbox.write("graphs/two.toml", &(sandbox.read(GRAPH) + more));
    sandbox.edit("graphs/two.toml", "anomalies = \"anomalies\", rec", "anomalies = [\"anomalies\", \"of_fleet\"], rec");
    sandbox.agent(&["run", "graphs/two.toml", "-q"]).exits(0);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("output.json")).unwrap();
    let names = report["anomalies"].as_array().unwrap().iter().map(|a| a["metric"].as_str().unwrap());
    let of_fleet = names.clone().find(|name| name.contains('@')).expect("an anomaly of a host");
    let page = printed(&sandbox, &["why", "last", of_fleet]);
    assert!(page.contains("in fixtures/fleet.ndjson state it for "), "{page}");
    assert!(page.contains("the value of the report"), "{page}");
    let page = printed(&sandbox, &["why", "last", "cpu_usage"]);
    assert!(page.contains("240 of the 240 in fixtures/infrastructure.json state it"), "{page}");
}

#[test]
fn why_says_that_a_run_failed_and_runs_are_listed_by_graph() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.json", "nonsense\n");
    sandbox.agent(&["run", "graphs/default.toml", "--offline", "--input", "bad.json"]).exits(1);
    let ran = sandbox.agent(&["why", "last", "cpu_usage"]).exits(2);
    assert!(ran.stderr.contains("the run failed before any was found"), "{}", ran.stderr);
    let listed = |arguments: &[&str]| sandbox.agent(arguments).exits(0).stdout.lines().count();
    assert_eq!((listed(&["runs"]), listed(&["runs", "infrastructure"])), (2, 2));
    assert_eq!(sandbox.agent(&["runs", "other"]).exits(0).stdout, "no runs are kept\n");
}

#[test]
fn why_says_when_an_anomaly_is_not_in_the_report() {
    let sandbox = Sandbox::new();
    let more = "\n[nodes.fleet]\nkind = \"ingest.file\"\npath = \"../fixtures/fleet.ndjson\"\n\n\
                [nodes.apart]\nkind = \"detect\"\ninputs = { telemetry = \"fleet\" }\nrules = \"rules/infrastructure.toml\"\n";
    sandbox.write("graphs/two.toml", &(sandbox.read(GRAPH) + more));
    sandbox.agent(&["run", "graphs/two.toml", "-q"]).exits(0);
    let ran = sandbox.agent(&["why", "last", "none"]).exits(2);
    let apart = ran.stderr.split([' ', ',', '\n']).find(|word| word.contains('@')).expect("an anomaly of a host");
    let page = printed(&sandbox, &["why", "last", apart]);
    let first = page.lines().next().unwrap();
    assert!(first.ends_with("(not in the report: a later node of the graph left it out)"), "{page}");
    assert!(!page.contains("the value of the report"), "{page}");
    // Nor is anything in a report that is not there yet.
    std::fs::remove_file(sandbox.run_folder().join("report.json")).unwrap();
    let page = printed(&sandbox, &["why", "last", "cpu_usage"]);
    assert!(page.lines().next().unwrap().ends_with("(the run has no report)"), "{page}");
}

#[test]
fn every_code_has_a_page() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(printed(&sandbox, &["explain", "AG0003"]));
    assert_eq!(printed(&sandbox, &["explain", "ag0003"]), printed(&sandbox, &["explain", "AG0003"]));
    let listed = printed(&sandbox, &["explain"]);
    let ids: Vec<&str> = listed.lines().map(|line| &line[..6]).collect();
    assert!(ids.iter().copied().eq(codes::all().map(|code| code.id)));
    for id in ids {
        let page = printed(&sandbox, &["explain", id]);
        assert!(
            page.starts_with(&format!("{id}: ")) && page.contains("\nCause ") && page.contains("\nRemedy "),
            "{page}"
        );
    }
}

/// `AG` and four digits, wherever they stand.
fn codes_in(text: &str) -> BTreeSet<String> {
    let places = text.match_indices("AG").map(|(at, _)| text[at..].chars().take(6).collect::<String>());
    places.filter(|code| code.len() == 6 && code[2..].bytes().all(|b| b.is_ascii_digit())).collect()
}

#[test]
fn every_code_that_a_text_mentions_is_one() {
    let known: BTreeSet<String> = codes::all().map(|code| code.id.to_string()).collect();
    let mut mentioned = BTreeSet::new();
    for part in ["src", "graphs", "prompts"] {
        walk(&repository().join(part), &mut |path| {
            let text = std::fs::read_to_string(path).unwrap();
            // Tests of views make codes up.
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            if !path.ends_with("tests.rs") && !path.components().any(|c| c.as_os_str() == "tests") {
                let unknown: Vec<String> = codes_in(text).difference(&known).cloned().collect();
                assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
                mentioned.extend(codes_in(text));
            }
        });
    }
    assert_eq!(mentioned, known, "the registry itself is among the files");
    for path in ["ARCHITECTURE.md", "README.md"] {
        let text = std::fs::read_to_string(repository().join(path)).unwrap_or_default();
        assert!(codes_in(&text).is_subset(&known), "{path}");
    }
}

/// A code that nothing raises is a page for nobody.
#[test]
fn every_code_is_raised_somewhere() {
    let mut source = String::new();
    walk(&repository().join("src"), &mut |path| {
        if !path.to_str().unwrap().replace('\\', "/").contains("src/diagnostic/codes/") {
            source += &std::fs::read_to_string(path).unwrap();
        }
    });
    for area in ["graph", "input", "model", "run", "output"] {
        let file = repository().join(format!("src/diagnostic/codes/{area}.rs"));
        let declared = std::fs::read_to_string(file).unwrap();
        for line in declared.lines().filter(|line| line.contains(" = \"AG")) {
            let name = line.trim().split(' ').next().unwrap();
            let used = source.contains(&format!("{area}::{name}"));
            assert!(used, "{area}::{name} is never raised");
        }
    }
}

#[test]
fn completions_are_scripts_that_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&sandbox, &["completions", shell]);
        for word in ["resume", "why", "no-journal", "fail-on"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    sandbox.write("agent.bash", &printed(&sandbox, &["completions", "bash"]));
    if let Ok(checked) = Command::new("bash").arg("-n").arg(sandbox.at("agent.bash")).status() {
        assert!(checked.success());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let gone = |arguments: &[&str]| {
        let mut child = sandbox.command(arguments).spawn().unwrap();
        drop(child.stdout.take()); // long before the first write
        Ran::from(child.wait_with_output().unwrap())
    };
    for arguments in [&["completions", "bash"][..], &["schema", "graph"], &["explain"], &["run", GRAPH, "--offline"]] {
        assert_eq!(gone(arguments).exits(0).stderr, "", "{arguments:?}");
    }
    // Nor is it for the report itself, which is what `| head` asks for.
    assert_eq!(gone(&["run", GRAPH, "-q", "--output", "-"]).exits(0).stderr, "");
    assert!(sandbox.agent(&["runs"]).stdout.lines().skip(1).all(|line| line.contains("  done ")));
}

#[test]
fn help_names_every_command_and_every_command_has_help() {
    let sandbox = Sandbox::new();
    let help = printed(&sandbox, &["--help"]);
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|c| !c.is_empty()))
        .collect();
    assert_eq!(
        commands,
        [
            "run",
            "serve",
            "backtest",
            "check",
            "test",
            "draw",
            "eval",
            "kinds",
            "schema",
            "render",
            "runs",
            "resume",
            "why",
            "config",
            "query",
            "export",
            "doctor",
            "models",
            "token",
            "diff",
            "replay",
            "explain",
            "completions",
            "help"
        ]
    );
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(printed(&sandbox, &[command, "--help"]).contains(&format!("Usage: agent {command}")));
    }
    insta::assert_snapshot!(printed(&sandbox, &["run", "--help"]));
    assert_eq!(printed(&sandbox, &["--version"]), format!("agent {}\n", env!("CARGO_PKG_VERSION")));
}

/// Without a network, a variable or a server.
#[test]
fn every_shipped_graph_is_in_order() {
    let sandbox = Sandbox::new();
    let mut graphs: Vec<String> = std::fs::read_dir(sandbox.at("graphs"))
        .unwrap()
        .map(|entry| format!("graphs/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|path| path.ends_with(".toml") && !path.ends_with(".test.toml"))
        .collect();
    graphs.sort();
    assert!(graphs.len() >= 4, "{graphs:?}");
    for graph in graphs {
        let told = sandbox.agent(&["check", &graph]).exits(0).stdout;
        assert!(told.starts_with(&format!("{graph}: ok, ")), "{told}");
    }
}
