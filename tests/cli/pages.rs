//! Reports to look at: what `agent run --format` and `agent render` write.

use crate::sandbox::Sandbox;

const GRAPH: &str = "graphs/default.toml";

/// The text without its style and what differs from run to run.
fn stable(sandbox: &Sandbox, text: &str) -> String {
    let mut text = sandbox.redact(text);
    if let Some((head, rest)) = text.clone().split_once("<style>") {
        text = format!("{head}<style>…{}", &rest[rest.find("</style>").unwrap()..]);
    }
    // How long the run took stands behind its name.
    for (name, end) in [("[run]</bdi> ", "</li>"), ("`[run]` ", "\n")] {
        if let Some(at) = text.find(name) {
            let from = at + name.len();
            let to = from + text[from..].find(end).unwrap();
            text.replace_range(from..to, "…");
        }
    }
    text
}

#[test]
fn a_run_writes_its_page_beside_the_report_and_the_report_is_as_ever() {
    let sandbox = Sandbox::new();
    let run = |more: &[&str]| {
        let arguments = [&["run", GRAPH, "--offline", "--input", "fixtures/sample.json"], more].concat();
        sandbox.agent(&arguments).exits(0)
    };
    run(&[]);
    let report = sandbox.read("output.json");
    let ran = run(&["--format", "html"]);
    assert_eq!(sandbox.read("output.json"), report);
    assert!(ran.stdout.contains("output.html"), "{}", ran.stdout);
    let page = sandbox.read("output.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("class=\"line\""), "{page}");
    run(&["--format", "markdown"]);
    assert_eq!(sandbox.read("output.json"), report);
    assert!(sandbox.read("output.md").starts_with("# Operations report: `infrastructure`\n"));
    // The run with the charts is not the last any more.
    let id = sandbox.runs()[1].clone();
    let shown = sandbox.agent(&["render", &id]).exits(0);
    assert_eq!((shown.stdout, shown.stderr.as_str()), (page.clone(), ""));
    let shown = sandbox.agent(&["render", &id, "--format", "json"]).exits(0);
    assert_eq!(shown.stdout, report);
    sandbox.agent(&["render", "last", "--output", "last.html"]).exits(0);
    let without = sandbox.read("last.html");
    assert!(!without.contains("class=\"line\"") && without.contains("class=\"gauge\""));
    assert_eq!(sandbox.agent(&["replay", &id, "-q"]).exits(0).stdout, "");
}

/// The whole of a page in both languages, and the same as Markdown.
#[test]
fn pages_are_in_the_language_of_the_graph() {
    for language in ["en", "fr"] {
        let sandbox = Sandbox::new();
        sandbox.edit(GRAPH, "language = \"en\"", &format!("language = \"{language}\""));
        for (format, file) in [("html", "page.html"), ("markdown", "page.md")] {
            let output =
                ["run", GRAPH, "--offline", "-q", "--input", "fixtures/dirty.ndjson", "--format", format, "--output"];
            sandbox.agent(&[&output[..], &[file]].concat()).exits(0);
            insta::assert_snapshot!(format!("page_{format}_{language}"), stable(&sandbox, &sandbox.read(file)));
        }
        let again = sandbox.agent(&["render", "last", "--format", "markdown"]).exits(0);
        assert_eq!(stable(&sandbox, &again.stdout), stable(&sandbox, &sandbox.read("page.md")));
        assert!(!sandbox.at("output.json").exists(), "the page stands instead of the report");
    }
}

#[test]
fn standard_output_has_the_page_alone() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["run", GRAPH, "--offline", "--format", "html", "--output", "-"]).exits(0);
    assert!(ran.stdout.starts_with("<!DOCTYPE html>") && ran.stdout.ends_with("</html>\n"));
    assert!(ran.stderr.contains("Anomalies:") && !sandbox.at("output.json").exists());
    // The report is kept with the run, and a file of it is shown without what only the run knows.
    let report = sandbox.agent(&["render", "last", "--format", "json"]).exits(0).stdout;
    sandbox.write("r.json", &report);
    let shown = sandbox.agent(&["render", "r.json", "--language", "fr"]).exits(0).stdout;
    assert!(shown.contains("<html lang=\"fr\">") && shown.contains("Gravité élevée"), "{shown}");
    let piped = sandbox.agent_reading(report.as_bytes(), &["render", "-", "--format", "markdown"]).exits(0).stdout;
    assert!(piped.starts_with("# Operations report\n"), "{piped}");
}

#[test]
fn each_window_has_its_page() {
    let sandbox = Sandbox::new();
    let graph = sandbox.read(GRAPH);
    sandbox.write(GRAPH, &graph.replace("[nodes.telemetry]", "[window]\nevery = \"2d\"\n\n[nodes.telemetry]"));
    let run = |more: &[&str]| sandbox.agent(&[&["run", GRAPH, "--offline", "-q"], more].concat());
    run(&["--format", "html", "--output", "pages/{window}.html"]).exits(0);
    let mut pages: Vec<String> = std::fs::read_dir(sandbox.at("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert!(pages.len() > 1 && pages.iter().all(|page| page.ends_with("T000000Z.html")), "{pages:?}");
    assert!(pages.iter().all(|page| sandbox.read(&format!("pages/{page}")).contains("class=\"line\"")));
    let ran = run(&["--format", "html", "--output", "-"]).exits(2);
    assert!(ran.stderr.contains("cannot hold a page for each window"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let sandbox = Sandbox::new();
    let check = |arguments: &[&str], code: i32, text: &str| {
        let ran = sandbox.agent(arguments).exits(code);
        assert!(ran.stderr.contains(text) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    };
    check(&["render", "last"], 1, "no run is kept yet");
    check(&["render", "no/such.json"], 1, "AG0322");
    check(&["render", "fixtures/sample.json"], 1, "is not a report");
    sandbox.agent(&["run", GRAPH, "--offline", "-q"]).exits(0);
    check(&["render", "output.json", "--output", "output.json"], 2, "would overwrite");
    check(&["render", "output.json", "--output", "no/such/folder.html"], 1, "AG0401");
    let graph = sandbox.read(GRAPH);
    sandbox.write("graphs/bare.toml", graph.split("[nodes.report]").next().unwrap());
    check(&["run", "graphs/bare.toml", "--offline", "--format", "html"], 2, "no node of the graph makes one");
    let to_stdout = ["run", GRAPH, "--offline", "--format", "html", "--set", "output.path=-"];
    check(&to_stdout, 2, "goes to standard output");
    let unwritable = ["run", GRAPH, "--offline", "-q", "--format", "html", "--output", "no/such/folder.html"];
    check(&unwritable, 1, "AG0401");
    // A graph of its own `chart` node keeps it.
    let node = "\n[nodes.drawn]\nkind = \"chart\"\ninputs = { telemetry = \"telemetry\" }\nrules = \"rules/infrastructure.toml\"\n";
    sandbox.write("graphs/drawn.toml", &(graph + node));
    sandbox.agent(&["run", "graphs/drawn.toml", "--offline", "-q", "--no-journal"]).exits(0);
    sandbox.agent(&["run", "graphs/drawn.toml", "--offline", "-q", "--no-journal", "--format", "html"]).exits(0);
    assert!(sandbox.read("output.html").contains("class=\"line\""));
}

/// A run that was killed writes its page when it is taken up again, and nothing else in its place.
#[test]
fn a_resumed_run_writes_the_page_that_was_asked_for() {
    let sandbox = Sandbox::new();
    let node = "\n[nodes.fails]\nkind = \"output.file\"\ninputs = { report = \"report\" }\npath = \"../late/r.json\"\n";
    let graph = sandbox.read(GRAPH);
    sandbox.write(GRAPH, &(graph + node));
    // The second output node cannot write until its folder is there.
    sandbox.agent(&["run", GRAPH, "--offline", "-q", "--format", "html"]).exits(1);
    assert!(!sandbox.at("output.html").exists());
    std::fs::create_dir(sandbox.at("late")).unwrap();
    sandbox.agent(&["resume", "last", "-q"]).exits(0);
    for page in ["output.html", "late/r.html"] {
        assert!(sandbox.read(page).contains("class=\"line\""), "{page}");
    }
}
