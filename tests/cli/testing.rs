//! `agent test`: what passes, what fails, and how it is told.

use std::collections::BTreeMap;
use std::fs;

use crate::sandbox::{Sandbox, walk};

/// All files of the project and the state directory, with their bytes.
fn files(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [sandbox.at(""), sandbox.state()].iter().filter(|folder| folder.is_dir()) {
        walk(folder, &mut |path| drop(files.insert(path.display().to_string(), fs::read(path).unwrap())));
    }
    files
}

#[test]
fn the_tests_of_the_shipped_graphs_pass_and_leave_no_trace() {
    let sandbox = Sandbox::new();
    let before = files(&sandbox);
    let first = sandbox.agent(&["test", "graphs/"]).exits(0);
    assert_eq!(first.stderr, "");
    let graphs: Vec<String> = before.keys().filter(|path| path.ends_with(".test.toml")).cloned().collect();
    for graph in ["alert", "default", "follow", "host", "listen", "nab", "poll", "prometheus", "store"] {
        assert!(graphs.iter().any(|path| path.ends_with(&format!("graphs/{graph}.test.toml"))), "{graph}");
        assert!(first.stdout.contains(&format!("graphs/{graph}.test.toml\n")), "{}", first.stdout);
    }
    assert!(first.stdout.ends_with(" tests, all passed\n"), "{}", first.stdout);
    assert_eq!(files(&sandbox), before, "nothing is written");
    // The environment takes no part, and several at a time change nothing.
    let other = [("LLM_BASE_URL", "http://127.0.0.1:9/v1"), ("LLM_MODEL", "m"), ("ALERT_URL", "http://127.0.0.1:9/")];
    let again = sandbox.agent_with(&other, &["test", "graphs/"]).exits(0);
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(sandbox.agent(&["test", "-q", "graphs/"]).exits(0).stdout, "");
}

/// What a person may well change by mistake.
#[test]
fn the_tests_of_the_shipped_graphs_notice_changes() {
    for (file, from, to, tests) in [
        (
            "graphs/rules/infrastructure.toml",
            "low = 70\nmedium = 80\nhigh = 90",
            "low = 71\nmedium = 80\nhigh = 90",
            "default",
        ),
        ("graphs/rules/infrastructure.toml", "medium = 85\nhigh = 92", "medium = 85\nhigh = 93", "default"),
        ("graphs/rules/infrastructure.toml", "offline = \"high\"", "offline = \"medium\"", "prometheus"),
        ("graphs/rules/host.toml", "low = 80\nmedium = 90\nhigh = 95", "low = 78\nmedium = 90\nhigh = 95", "host"),
        ("graphs/alert.toml", "expected_every = \"10m\"", "expected_every = \"20m\"", "alert"),
        ("graphs/follow.toml", "grace = \"5s\"", "grace = \"0s\"", "follow"),
        ("graphs/listen.toml", "every = \"1m\"", "every = \"2m\"", "listen"),
        ("graphs/default.toml", "kind = \"draft\"", "kind = \"draft\"\nmax_tokens = 5", "default"),
    ] {
        let sandbox = Sandbox::new();
        let graph = format!("graphs/{tests}.toml");
        sandbox.agent(&["test", &graph]).exits(0);
        sandbox.edit(file, from, to);
        let ran = sandbox.agent(&["test", "-q", &graph]);
        assert_eq!(ran.code, Some(1), "{file}: {to}: {ran:#?}");
        assert!(ran.stdout.contains("AG0501") || ran.stdout.contains("AG0503"), "{file}: {to}: {}", ran.stdout);
    }
}

/// Tests beside the host graph, which has windows and no model.
fn run(tests: &str) -> (i32, String) {
    let sandbox = Sandbox::new();
    sandbox.write("graphs/host.test.toml", tests);
    let ran = sandbox.agent(&["test", "graphs/host.toml"]);
    (ran.code.unwrap(), ran.stdout + &ran.stderr)
}

#[test]
fn failures_say_what_came_and_where_it_was_expected() {
    let (code, told) = run(r#"
[[test]]
name = "passes"
every = "1s"
series = [{ metric = "cpu_usage", values = "20x5" }]
expect = { no_anomalies = true }

[[test]]
name = "anomalies"
every = "1s"

[[test.series]]
entity = "web-1"
metric = "cpu_usage"
values = "20x5 85x5 20x5"

[[test.series]]
entity = "web-1"
metric = "memory_usage"
values = "85x15"

[[test.expect.anomalies]]
name = "cpu_usage@web-1"
severity = "high"
value = 84
tolerance = 0.5
since = 2024-01-01T00:00:06Z
opened = "2024-01-01T00:00:00Z"
escalated = 2024-01-01T00:00:05Z
resolved = "never"

[[test.expect.anomalies]]
name = "cpu_usage@web1"

[[test]]
name = "parts"
every = "1s"
series = [{ metric = "cpu_usage", values = "85x5 95x5" }]

[test.expect]
no_anomalies = true
report = { anomalies = [] }
values = { report = { insights = {} }, "plan.recommendation" = [] }

[[test.expect.windows]]
start = 2024-01-01T00:00:00Z
no_report = true

[test.expect.windows.report]
insights = { max_cpu_usage = 80, max_cpu = 85 }
anomalies = [{ metric = "cpu_usage", severity = "high" }]

[[test.expect.windows]]
start = 2024-01-01T00:00:20Z

[[test]]
name = "endings"
input = "default.toml"
expect = { fails = "AG0106" }

[[test]]
name = "no ending"
input = "default.toml"
expect = { no_anomalies = true }
"#);
    assert_eq!(code, 1);
    insta::assert_snapshot!(told);
}

#[test]
fn tests_that_cannot_be_run_say_why() {
    let (code, told) = run(r#"
[[test]]
name = "nothing expected"
series = [{ metric = "cpu_usage", values = "20" }]
expect = { more_anomalies = true }

[[test]]
name = "nothing fed"
expect = { no_anomalies = true }

[[test]]
name = "series"
series = [
    { metric = "cpu_usage", values = "20 7O" },
    { service = "db", values = "online of" },
    { metric = "cpu_usage", service = "db", values = "1" },
    { node = "telemtry", metric = "cpu_usage", values = "1" },
    { metric = "disk_usage", values = "1x3" },
    { metric = "disk_usage", start = 2024-01-01T00:02:00Z, values = "1" },
]
expect = { no_anomalies = true }

[[test]]
name = "given"
series = [{ metric = "cpu_usage", values = "20" }]
given = { insights = { timestamp = 2024-01-01T00:00:00Z }, telemetry = [], anomalies = {}, pln = 1 }
expect = { no_anomalies = true }

[[test]]
name = "no windows"
graph = "default.toml"
until = 2024-01-01T00:02:00Z
series = [{ metric = "cpu_usage", values = "80" }]
expect = { anomalies = [{ name = "cpu_usage", opened = 2024-01-01T00:00:00Z, resolved = "never" }] }

[[test]]
name = "no such node"
series = [{ metric = "cpu_usage", values = "20" }]
expect = { values = { "rport.insights" = {} } }

[[test]]
name = "no such graph"
graph = "hosts.toml"
expect = { no_anomalies = true }

[[test]]
name = "a graph that does not compile"
set = ["anomalies.rules=none.toml"]
expect = { no_anomalies = true }

[[test]]
name = "no such override"
set = ["anomaly.rules=none.toml"]
expect = { no_anomalies = true }

[[test]]
name = "no cassette"
cassette = "none.json"
series = [{ metric = "cpu_usage", values = "20" }]
expect = { no_anomalies = true }

[[test]]
name = "fed twice"
input = "../fixtures/fleet.csv"
series = [{ metric = "cpu_usage", values = "20" }]
expect = { no_anomalies = true }

[[test]]
name = "no file"
input = "../fixtures/none.csv"
expect = { no_anomalies = true }
"#);
    assert_eq!(code, 1);
    insta::assert_snapshot!(told);
}

#[test]
fn files_that_cannot_be_read_are_told_of_before_anything_is_run() {
    let (code, told) = run(r#"
[[test]]
name = "one"
sries = []
expect = { no_anomalies = 1, anomalies = [{ name = "x", severity = "bad", resolved = "soon" }] }

[[test]]
start = "yesterday"
"#);
    assert_eq!(code, 78);
    insta::assert_snapshot!(told);
}

#[test]
fn tests_are_found_and_chosen() {
    let sandbox = Sandbox::new();
    let one = sandbox.agent(&["test", "graphs/poll.toml"]).exits(0).stdout;
    assert_eq!(sandbox.agent(&["test", "graphs/poll.test.toml", "graphs/poll.toml"]).exits(0).stdout, one, "each once");
    let ran = sandbox.agent(&["test", "graphs", "--filter", "episode"]).exits(0).stdout;
    assert!(ran.contains("graphs/host.test.toml\n") && !ran.contains("poll"), "{ran}");
    fs::create_dir(sandbox.at("empty")).unwrap();
    sandbox.write("graphs/lonely.toml", "");
    sandbox.write("graphs/none.test.toml", "");
    let mut told = String::new();
    for arguments in [
        &["empty"][..],
        &["graphs/lonely.toml"],
        &["graphs/nothing.toml"],
        &["graphs/none.test.toml"],
        &["graphs", "--filter", "no such test"],
    ] {
        let ran = sandbox.agent(&[&["test"], arguments].concat()).exits(2);
        assert_eq!(ran.stdout, "");
        told.push_str(&ran.stderr);
    }
    insta::assert_snapshot!(told);
}

/// Whatever the help tells is tried here, or in the tests of the shipped graphs.
#[test]
fn the_help_describes_every_key() {
    let help = Sandbox::new().agent(&["test", "--help"]).exits(0).stdout;
    for key in "name graph set env cassette series input start every until given expect entity metric service node delay \
                no_anomalies anomalies more_anomalies severity value tolerance since opened escalated resolved report record \
                values windows no_report fails contains about within length absent"
        .split_whitespace()
    {
        assert!(help.contains(key), "{key}");
    }
    let manual = include_str!("../../src/cli/test/manual.txt");
    assert!(help.contains(manual.trim_end()), "no line is wrapped: {help}");
    // Its example passes.
    let example: Vec<&str> =
        manual.lines().skip_while(|l| *l != "  [[test]]").take_while(|l| l.is_empty() || l.starts_with("  ")).collect();
    let (code, told) = run(&example.join("\n"));
    assert!(code == 0 && told.contains("a busy processor"), "{told}");
}

#[test]
fn results_are_written_as_junit() {
    let sandbox = Sandbox::new();
    sandbox.edit("graphs/rules/host.toml", "medium = 90\nhigh = 95", "medium = 92\nhigh = 95");
    let ran = sandbox.agent(&["test", "graphs/host.toml", "graphs/poll.toml", "--junit", "out.xml"]).exits(1);
    let failed = ran.stdout.matches("  FAILED  ").count();
    let written = sandbox.read("out.xml");
    assert!(failed > 0 && written.matches("<failure type=\"AG0501\" message=").count() == failed, "{written}");
    assert!(written.contains(&format!(" failures=\"{failed}\" errors=\"0\"")), "{written}");
    assert!(written.contains("<testcase classname=\"graphs/poll.test.toml\" name=\""), "{written}");
    let ran = sandbox.agent(&["test", "graphs/poll.toml", "--junit", "none/out.xml"]).exits(1);
    assert!(ran.stderr.contains("AG0505") && ran.stdout.contains("all passed"), "{ran:#?}");
}

/// With rules of its own; the live graph of `ingest.listen`, a minute a window.
fn live(rules: &str, more: &str, tests: &str) {
    let sandbox = Sandbox::new();
    let graph = sandbox.read("graphs/listen.toml").replace("rules/infrastructure.toml", "rules/own.toml") + more;
    sandbox.write("graphs/own.toml", &graph);
    sandbox.write("graphs/rules/own.toml", rules);
    sandbox.write("graphs/own.test.toml", tests);
    sandbox.agent(&["test", "graphs/own.toml"]).exits(0);
}

#[test]
fn what_has_to_last_and_what_has_to_clear() {
    live(
        "[metrics.cpu_usage]\nlow = 70\nhigh = 90\nfor = '2m'\nclear = 50\n",
        "",
        r#"
[[test]]
name = "opens once it has lasted, escalates, and is over below `clear`"
every = "30s"
series = [{ metric = "cpu_usage", values = "40x2 75x8 95x6 60x2 49x2" }]

[[test.expect.anomalies]]
name = "cpu_usage"
severity = "high"
since = 2024-01-01T00:01:00Z
opened = 2024-01-01T00:03:00Z
escalated = 2024-01-01T00:05:00Z
resolved = 2024-01-01T00:09:00Z

[[test]]
name = "one value below begins the count anew"
every = "30s"
series = [{ metric = "cpu_usage", values = "75x4 40 75x4 40" }]
expect = { no_anomalies = true }
"#,
    );
}

#[test]
fn the_clock_goes_on_when_all_is_silent() {
    let completeness =
        "[nodes.completeness]\nkind = 'completeness'\ninputs = { telemetry = 'telemetry' }\nexpected_every = '10s'\n";
    live(
        "[metrics.cpu_usage]\nlow = 70\n",
        completeness,
        r#"
[[test]]
name = "silence is told of as long as the clock goes on"
every = "10s"
until = 2024-01-01T00:05:30Z
series = [{ entity = "web-1", metric = "cpu_usage", values = "40x12" }]

[[test.expect.anomalies]]
name = "missing_records@web-1"
severity = "high"
value = 100
opened = 2024-01-01T00:02:00Z
resolved = "never"

[[test.expect.windows]]
start = 2024-01-01T00:04:00Z
record = { window = { closed_by = "idle" }, episodes = { absent = true } }
values = { completeness = { expected = 6, received = 0 } }

[[test]]
name = "without, the last window with records is the last"
every = "10s"
series = [{ entity = "web-1", metric = "cpu_usage", values = "40x12" }]

[test.expect]
no_anomalies = true

[[test.expect.windows]]
start = 2024-01-01T00:01:00Z
record = { window = { closed_by = "idle", partial = false } }

[[test]]
name = "the clock may stop early"
every = "10s"
until = 2024-01-01T00:01:55Z
series = [{ entity = "web-1", metric = "cpu_usage", values = "40x12" }]

[[test.expect.windows]]
start = 2024-01-01T00:01:00Z
record = { window = { closed_by = "drain", partial = true } }
"#,
    );
}

#[test]
fn several_sources_are_fed_by_name() {
    let sandbox = Sandbox::new();
    let more = "\n[nodes.fleet]\nkind = \"ingest.file\"\npath = \"../fixtures/fleet.ndjson\"\n\n\
                [nodes.of_fleet]\nkind = \"detect\"\ninputs = { telemetry = \"fleet\" }\nrules = \"rules/infrastructure.toml\"\n";
    sandbox.write("graphs/two.toml", &(sandbox.read("graphs/default.toml") + more));
    sandbox.write(
        "graphs/two.test.toml",
        r#"
[[test]]
name = "a file for one and series for the other"
input = { fleet = "../fixtures/fleet.ndjson" }
series = [{ node = "telemetry", metric = "io_wait", values = "1x3" }]

[test.expect]
more_anomalies = true
anomalies = [{ name = "cpu_usage@web-1", value = 95.1 }]
values = { anomalies = { length = 0 }, of_fleet = { length = 7 } }
"#,
    );
    sandbox.agent(&["test", "graphs/two.toml"]).exits(0);
    sandbox.edit("graphs/two.test.toml", "node = \"telemetry\", ", "");
    let told = sandbox.agent(&["test", "graphs/two.toml"]).exits(1).stdout;
    assert!(told.contains("the graph has several sources: telemetry, fleet"), "{told}");
}

/// `agent check graphs/*.toml` meets the files of tests too.
#[test]
fn test_files_are_checked_beside_their_graphs() {
    let sandbox = Sandbox::new();
    let ran = sandbox.agent(&["check", "graphs/default.toml", "graphs/default.test.toml"]).exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "graphs/default.toml: ok, 8 nodes");
    let tests = sandbox.read("graphs/default.test.toml").matches("[[test]]").count();
    assert_eq!(lines[1..], [format!("graphs/default.test.toml: ok, {tests} tests")]);
    sandbox.write("graphs/host.test.toml", "[[test]]\nname = 'a'\nseries = 3\nexpect = { no_anomalies = true }\n");
    let said = sandbox.agent(&["check", "graphs/host.test.toml"]).exits(78).stderr;
    assert!(said.contains("`series` cannot be the number `3`"), "{said}");
    sandbox.write(
        "graphs/host.test.toml",
        "[[test]]\nname = 'a'\ngraph = 'gone.toml'\nexpect = { no_anomalies = true }\n",
    );
    let said = sandbox.agent(&["check", "graphs/host.test.toml"]).exits(78).stderr;
    assert!(said.contains("gone.toml"), "{said}");
}

#[test]
fn a_test_that_contradicts_itself_or_looks_at_a_stream_is_refused() {
    let sandbox = Sandbox::new();
    let begin = "[[test]]\nname = \"t\"\ngraph = \"default.toml\"\n[[test.series]]\nmetric = \"cpu_usage\"\nvalues = \"40x5\"\n";
    let refused = [
        (
            "[test.expect]\nno_anomalies = true\n[[test.expect.anomalies]]\nname = \"cpu_usage\"\n",
            "no anomaly is expected here",
        ),
        ("[test.expect]\nno_anomalies = true\nmore_anomalies = true\n", "no anomaly is expected here"),
        ("[test.expect.values]\ntelemetry = []\n", "`telemetry` is a source"),
        (
            "[test.given]\n\"plan.recommendations\" = []\n[test.expect]\nno_anomalies = true\n",
            "`plan = { recommendations = … }`",
        ),
    ];
    for (expects, says) in refused {
        sandbox.write("graphs/x.test.toml", &format!("{begin}{expects}"));
        let ran = sandbox.agent(&["test", "graphs/x.test.toml"]);
        assert!(ran.code != Some(0), "{expects}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(says), "{expects}: {}{}", ran.stdout, ran.stderr);
    }
}
