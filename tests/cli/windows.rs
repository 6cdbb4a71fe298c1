//! Graphs with windows: finite, followed, stopped, killed and gone on with. Values of records are powers of two, so that
//! a sum says which records are in it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::endpoint::{Endpoint, SIGN, request};
use crate::sandbox::{Ran, Sandbox, events, walk};

const LIVE: &str = "live.toml";
const INPUT: &str = "telemetry.ndjson";

/// A graph of windows of ten seconds, with a file for each and a line for each; `follows` its input where it says so.
fn graph(follow: &str) -> String {
    format!(
        r#"name = "live"

[window]
every = "10s"
idle = "1h"

[nodes.telemetry]
kind = "ingest.file"
path = "telemetry.ndjson"
{follow}

[nodes.insights]
kind = "insights"
inputs = {{ telemetry = "telemetry" }}
[nodes.insights.values]
count = {{ metric = "value", stat = "count" }}
sum = {{ metric = "value", stat = "sum" }}
max_cpu_usage = {{ metric = "cpu_usage", stat = "max" }}

[nodes.anomalies]
kind = "detect"
inputs = {{ telemetry = "telemetry" }}
rules = "rules.toml"

[nodes.plan]
kind = "plan"
inputs = {{ anomalies = "anomalies" }}
playbook = "graphs/playbooks/infrastructure.toml"

[nodes.wording]
kind = "draft"
each = "recommendation"
inputs = {{ recommendation = "plan.recommendations" }}
prompt = "prompts/recommendation.md"

[nodes.recommendations]
kind = "validate"
each = "draft"
inputs = {{ draft = "wording" }}

[nodes.report]
kind = "merge"
inputs = {{ summary = "insights", anomalies = "anomalies", recommendations = "recommendations" }}

[nodes.file]
kind = "output.file"
inputs = {{ report = "report" }}
path = "reports/{{window}}.json"

[nodes.log]
kind = "output.file"
inputs = {{ report = "report" }}
path = "reports.ndjson"
append = true
"#
    )
}

const RULES: &str = "[metrics.cpu_usage]\nlabel = { en = \"CPU usage\" }\nunit = \"%\"\n\
                     low = 70\nmedium = 80\nhigh = 90\nfor = \"20s\"\n";

/// With the graph and an empty input.
fn sandbox(follow: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(LIVE, &graph(follow));
    sandbox.write("rules.toml", RULES);
    sandbox.write(INPUT, "");
    sandbox
}

fn time_of(second: u64) -> String {
    format!("2024-01-01T00:{:02}:{:02}Z", second / 60, second % 60)
}

/// The record of a second. No two of a window have a value in common.
fn record(second: u64) -> String {
    format!("{{\"timestamp\":\"{}\",\"host\":\"web-1\",\"value\":{}}}\n", time_of(second), 1u64 << (second % 10))
}

fn records(seconds: impl IntoIterator<Item = u64>) -> String {
    seconds.into_iter().map(record).collect()
}

fn append(sandbox: &Sandbox, path: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(sandbox.at(path)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The reports by name: each window's file.
fn files(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let folder = fs::read_dir(sandbox.at("reports")).into_iter().flatten();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let reports = names.filter(|name| !name.starts_with('.')).map(|name| {
        let report = serde_json::from_str(&sandbox.read(&format!("reports/{name}"))).unwrap();
        (name.trim_end_matches(".json").to_string(), report)
    });
    reports.collect()
}

/// Asserts that every one of these records is in exactly one report, that of its window, in the files and in the lines.
/// A window that was drained has two.
#[track_caller]
fn holds(sandbox: &Sandbox, seconds: impl IntoIterator<Item = u64>) {
    let mut expected = BTreeMap::<u64, (u64, u64)>::new();
    for second in seconds {
        let (count, sum) = expected.entry(second / 10).or_default();
        (*count, *sum) = (*count + 1, *sum + (1 << (second % 10)));
    }
    let files = files(sandbox);
    let mut found = BTreeMap::<u64, (u64, u64)>::new();
    for (name, report) in &files {
        let at = |range: std::ops::Range<usize>| name[range].parse::<u64>().unwrap();
        let (count, sum) = found.entry((at(11..13) * 60 + at(13..15)) / 10).or_default();
        let of = |key: &str| report["insights"][key].as_f64().map_or(0, |figure| figure as u64);
        (*count, *sum) = (*count + of("count"), *sum + of("sum"));
    }
    assert_eq!(found, expected, "{:?}", files.keys().collect::<Vec<_>>());
    let lines: Vec<Value> =
        sandbox.read("reports.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, files.into_values().collect::<Vec<_>>(), "each report is one line, in their order");
}

/// The run records, in the order of the windows.
fn run_records(sandbox: &Sandbox) -> Vec<Value> {
    let read = |id: String| fs::read_to_string(sandbox.state().join("runs").join(id).join("run.json")).unwrap();
    let mut records: Vec<Value> =
        sandbox.runs().into_iter().map(|id| serde_json::from_str(&read(id)).unwrap()).collect();
    records.sort_by_key(|record| record["window"]["span"]["start"].to_string());
    records
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A process that is killed when a test ends early.
struct Following(Option<Child>);

impl Following {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Following {
        Following::start_with(sandbox, &[], arguments)
    }

    fn start_with(sandbox: &Sandbox, variables: &[(&str, &str)], arguments: &[&str]) -> Following {
        Following(Some(sandbox.spawn(variables, &[&["run", LIVE], arguments].concat())))
    }

    /// Starts with a pipe for its standard input.
    fn piped(sandbox: &Sandbox) -> (Following, ChildStdin) {
        let mut child = sandbox.command(&["run", LIVE, "-q"]).stdin(Stdio::piped()).spawn().unwrap();
        let pipe = child.stdin.take().unwrap();
        (Following(Some(child)), pipe)
    }

    /// SIGKILL.
    fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; waits until it has drained.
    fn stop(self) -> Ran {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.ended()
    }

    fn ended(mut self) -> Ran {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for(sandbox: &Sandbox, window: &str) {
    let path = sandbox.at(&format!("reports/20240101T{window}Z.json"));
    wait_until(&format!("the report of {window} does not come"), || path.exists());
}

#[test]
fn a_finite_input_has_a_report_for_each_window() {
    let sandbox = sandbox("");
    // Two windows without records, and one record that comes when its window has closed.
    let seconds = || (0..10).chain(40..45).chain(51..53);
    sandbox.write(INPUT, &(records(seconds()) + &record(9)));
    let ran = sandbox.agent(&["run", LIVE, "--offline"]).exits(0);
    holds(&sandbox, seconds());
    let run = |line: &str| if line.starts_with("Run  ") { "Run        [run], [time]".into() } else { line.to_string() };
    let shown: Vec<String> = (ran.stderr + &ran.stdout).lines().map(run).collect();
    insta::assert_snapshot!(shown.join("\n"));
    let windows: Vec<Value> = run_records(&sandbox).into_iter().map(|record| record["window"].clone()).collect();
    insta::assert_snapshot!(windows.iter().map(|w| format!("{w}\n")).collect::<String>());
    let gap = &run_records(&sandbox)[1];
    assert_eq!((&gap["status"], &gap["tasks"]), (&"done".into(), &Value::Array(Vec::new())), "{gap}");
    // The same again: nothing outlives the process of a finite input, and no report is changed.
    let before = files(&sandbox);
    sandbox.agent(&["run", LIVE, "--offline", "-q"]).exits(0);
    assert_eq!(files(&sandbox), before);
}

#[test]
fn a_stopped_run_reports_its_open_window_and_goes_on_behind_it() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..15));
    let live = Following::start(&sandbox, &["--offline"]);
    wait_for(&sandbox, "000000");
    let ran = live.stop().exits(0);
    assert!(ran.stderr.starts_with("stopping: open windows are reported;"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
    assert!(ran.stdout.lines().last().unwrap().contains(", partial, "), "{}", ran.stdout);
    holds(&sandbox, 0..15);
    let drained = &run_records(&sandbox)[1];
    assert_eq!((&drained["window"]["closed_by"], &drained["window"]["partial"]), (&"drain".into(), &true.into()));
    assert_eq!(drained["status"], "done");

    append(&sandbox, INPUT, &records(15..32));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000020");
    let ran = live.stop().exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    holds(&sandbox, 0..32);
    let rest: Vec<bool> =
        run_records(&sandbox).iter().map(|record| record["window"]["partial"].as_bool().unwrap()).collect();
    assert_eq!(rest, [false, true, true, false, true], "both parts of the window that was cut say so");
}

/// As `agent run live.toml | head -1` has it.
#[test]
fn a_reader_of_standard_output_that_goes_away_ends_the_run_as_a_stop_does() {
    for output in [&[][..], &["-q", "--set", "log.path=-"]] {
        let sandbox = sandbox("follow = true");
        append(&sandbox, INPUT, &records(0..15));
        let arguments = [&["run", LIVE, "--offline"], output].concat();
        let mut child = sandbox.spawn(&[], &arguments);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap(); // and closes it
        assert!(!line.is_empty());
        let live = Following(Some(child));
        wait_until("the run goes on", || fs::read_dir(sandbox.at("reports")).is_ok_and(|found| found.count() == 2));
        let ran = live.ended().exits(0);
        assert_eq!(ran.stderr, "");
        assert_eq!(run_records(&sandbox)[1]["window"]["closed_by"], "drain");
    }
    // Who prints nothing has no reader to lose.
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..15));
    let mut live = Following::start(&sandbox, &["--offline", "-q"]);
    drop(live.0.as_mut().unwrap().stdout.take());
    wait_for(&sandbox, "000000");
    append(&sandbox, INPUT, &records(15..25));
    wait_for(&sandbox, "000010");
    live.stop().exits(0);
    holds(&sandbox, 0..25);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_while_it_begins_ends_well() {
    let sandbox = sandbox("follow = true");
    fs::remove_file(sandbox.at("rules.toml")).unwrap();
    assert!(Command::new("mkfifo").arg(sandbox.at("rules.toml")).status().unwrap().success());
    append(&sandbox, INPUT, &records(0..15));
    let live = Following::start(&sandbox, &["--offline"]);
    let mut rules = OpenOptions::new().write(true).open(sandbox.at("rules.toml")).unwrap(); // waits for the reader
    let id = live.0.as_ref().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    rules.write_all(RULES.as_bytes()).unwrap();
    drop(rules);
    let ran = live.ended().exits(0);
    assert!(ran.stderr.starts_with("stopping: "), "{}", ran.stderr);
}

#[test]
fn records_of_the_second_in_which_a_run_was_stopped_are_not_lost() {
    let sandbox = sandbox("follow = true\n");
    sandbox.edit(LIVE, "idle = \"1h\"", "idle = \"1h\"\ngrace = \"5s\"");
    append(&sandbox, INPUT, &records([1, 11, 12, 13, 22, 24]));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000000");
    live.stop().exits(0);
    assert_eq!(files(&sandbox).len(), 3, "the watermark had not passed the grace of the second window");
    // Another host's record of the same second, and one of the second window that is within the grace.
    let again = format!("{{\"timestamp\":\"{}\",\"host\":\"web-2\",\"value\":1}}\n", time_of(24));
    append(&sandbox, INPUT, &(again + &record(19) + &records([25, 41])));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000024.000001");
    live.stop().exits(0);
    let counts: Vec<u64> = files(&sandbox).values().map(|r| r["insights"]["count"].as_f64().unwrap() as u64).collect();
    assert_eq!(counts, [1, 3, 2, 3, 1]);
    let late: Vec<Value> = run_records(&sandbox).into_iter().map(|record| record["window"]["late"].clone()).collect();
    assert!(late.iter().all(|late| *late == 0), "{late:?}");
    let rest = &run_records(&sandbox)[3]["window"];
    assert_eq!((&rest["carried"], &rest["partial"]), (&2.into(), &true.into()), "{rest}");
}

#[test]
fn a_killed_run_goes_on_and_every_record_is_in_one_report() {
    let sandbox = sandbox("follow = true");
    let start = || Following::start(&sandbox, &["--offline", "-q"]);
    let live = start();
    append(&sandbox, INPUT, &records(0..13));
    wait_for(&sandbox, "000000");
    live.kill(); // as soon as the first report is there

    let live = start();
    append(&sandbox, INPUT, &records(13..17));
    thread::sleep(Duration::from_millis(150));
    live.kill(); // in the middle of a window

    let live = start();
    append(&sandbox, INPUT, &records(17..25));
    live.kill(); // as soon as records are there

    let live = start();
    let half = record(26);
    append(&sandbox, INPUT, &(record(25) + &half[..20]));
    wait_for(&sandbox, "000010");
    live.kill(); // in the middle of a line

    append(&sandbox, INPUT, &(half[20..].to_string() + &records(27..45)));
    for pause in [0, 20, 40, 60, 80] {
        let live = start();
        thread::sleep(Duration::from_millis(pause));
        live.kill();
    }
    let live = start();
    append(&sandbox, INPUT, &records(45..52));
    wait_for(&sandbox, "000040");
    live.stop().exits(0);
    holds(&sandbox, 0..52);
    let states: Vec<Value> = run_records(&sandbox).into_iter().map(|record| record["status"].clone()).collect();
    assert_eq!(states, ["done"; 6], "no run is left over");
}

#[test]
fn fresh_forgets_where_it_stopped() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..25));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000010");
    live.stop().exits(0);
    holds(&sandbox, 0..25);
    let forget = || {
        fs::remove_dir_all(sandbox.at("reports")).unwrap();
        fs::remove_file(sandbox.at("reports.ndjson")).unwrap();
    };
    forget();
    append(&sandbox, INPUT, &records(25..31));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000024.000001");
    live.stop().exits(0);
    holds(&sandbox, 25..31);
    forget();
    let live = Following::start(&sandbox, &["--offline", "-q", "--fresh"]);
    wait_for(&sandbox, "000020");
    live.stop().exits(0);
    holds(&sandbox, 0..31);
}

#[test]
fn a_graph_runs_once_at_a_time() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..11));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000000");
    let ran = sandbox.agent(&["run", LIVE, "--offline"]).exits(1);
    insta::assert_snapshot!(sandbox.redact(&ran.stderr));
    assert_eq!(ran.stdout, "");
    // Another graph file is another graph.
    sandbox.write("copy.toml", &graph("follow = true").replace("reports.ndjson", "copy.ndjson"));
    let copy = Following(Some(sandbox.spawn(&[], &["run", "copy.toml", "--offline", "-q"])));
    wait_until("the copy reports nothing", || sandbox.at("copy.ndjson").exists());
    copy.stop().exits(0);
    live.stop().exits(0);
    // The lock goes with the process, however it ends.
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    live.kill();
    append(&sandbox, INPUT, &records(11..21));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000010.000001");
    live.stop().exits(0);
}

#[test]
fn without_a_journal_nothing_is_kept() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..25));
    for _ in 0..2 {
        let live = Following::start(&sandbox, &["--offline", "--no-journal"]);
        wait_for(&sandbox, "000010");
        let ran = live.stop().exits(0);
        let said = ran.stderr.lines().count() == 1 && ran.stdout.lines().last().unwrap().contains("partial");
        assert!(said, "{ran:#?}");
        holds(&sandbox, 0..25);
        assert!(!sandbox.state().exists());
        fs::remove_dir_all(sandbox.at("reports")).unwrap();
        fs::remove_file(sandbox.at("reports.ndjson")).unwrap();
    }
}

#[test]
fn a_file_that_was_rotated_while_nobody_read_it_is_read_to_its_end() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..13));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000000");
    live.kill();
    append(&sandbox, INPUT, &records(13..18));
    // The first batch is still of an open window, so this is read from the very beginning.
    fs::rename(sandbox.at(INPUT), sandbox.at("telemetry.ndjson.1")).unwrap();
    append(&sandbox, INPUT, &records(18..33));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000020");
    live.stop().exits(0);
    holds(&sandbox, 0..33);
}

#[test]
fn files_that_are_caught_up_with_make_each_others_records_no_stragglers() {
    let sandbox = sandbox("follow = true");
    sandbox.edit(LIVE, INPUT, "hosts/*.ndjson");
    fs::create_dir(sandbox.at("hosts")).unwrap();
    sandbox.write("hosts/even.ndjson", &records((0..45).step_by(2)));
    sandbox.write("hosts/odd.ndjson", &records((1..45).step_by(2)));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000030");
    live.stop().exits(0);
    holds(&sandbox, 0..45);
}

/// Read again, the lines of several files mix otherwise than at first, and those that came since lie between.
#[test]
fn records_of_several_files_are_in_one_report_each_whatever_came_while_nobody_read() {
    let sandbox = sandbox("follow = true");
    let graph = graph("follow = true").replace("path = \"telemetry.ndjson\"", "path = \"logs/*.ndjson\"");
    sandbox.write(LIVE, &graph);
    fs::create_dir(sandbox.at("logs")).unwrap();
    let put = |file: &str, seconds: &[u64]| {
        append(&sandbox, &format!("logs/{file}.ndjson"), &records(seconds.iter().copied()));
    };
    let taken = |window: &str| {
        wait_for(&sandbox, window);
        thread::sleep(Duration::from_millis(400)); // what is behind the window's end is read too
    };
    put("a", &[1]);
    put("b", &[2, 3, 12, 13]);
    let run = Following::start(&sandbox, &[]);
    taken("000000");
    run.kill();
    put("a", &[11]);
    put("c", &[14]);
    let run = Following::start(&sandbox, &[]);
    put("b", &[15]);
    thread::sleep(Duration::from_secs(1));
    run.stop();
    put("a", &[16, 21]);
    put("c", &[17, 22]);
    let run = Following::start(&sandbox, &[]);
    put("b", &[23, 31, 33]);
    taken("000020");
    // Renamed, and written on under its new name, while nobody reads.
    run.kill();
    fs::rename(sandbox.at("logs/b.ndjson"), sandbox.at("logs/z.ndjson")).unwrap();
    put("z", &[34]);
    put("b", &[35]);
    put("a", &[32]);
    let run = Following::start(&sandbox, &[]);
    put("c", &[41]);
    taken("000030");
    run.stop();
    holds(&sandbox, [1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 21, 22, 23, 31, 32, 33, 34, 35, 41]);
}

#[test]
fn a_run_that_was_killed_before_its_first_report_finds_what_was_there() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..5));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    let has_checkpoint = || {
        let folders = fs::read_dir(sandbox.state().join("live")).into_iter().flatten();
        folders.into_iter().any(|folder| folder.unwrap().path().join("checkpoint").exists())
    };
    wait_until("no checkpoint is written", has_checkpoint);
    live.kill();
    fs::rename(sandbox.at(INPUT), sandbox.at("telemetry.ndjson.1")).unwrap();
    append(&sandbox, INPUT, &records(5..13));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000000");
    live.stop().exits(0);
    holds(&sandbox, 0..13);
}

#[test]
fn a_live_source_needs_windows() {
    let sandbox = sandbox("follow = true");
    sandbox.edit(LIVE, "[window]\nevery = \"10s\"\nidle = \"1h\"\n", "");
    let ran = sandbox.agent(&["run", LIVE, "--offline"]).exits(78);
    insta::assert_snapshot!(sandbox.redact(&ran.stderr));
    sandbox.agent(&["check", LIVE]).exits(78);
    assert!(!sandbox.state().exists());
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_refused() {
    let sandbox = sandbox("follow = true");
    append(&sandbox, INPUT, &records(0..15));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000000");
    live.stop().exits(0);
    let [folder] = &fs::read_dir(sandbox.state().join("live")).unwrap().collect::<Vec<_>>()[..] else { panic!() };
    let path = folder.as_ref().unwrap().path().join("checkpoint");
    let good = fs::read(&path).unwrap();
    let mut transcript = String::new();
    for bytes in [&b""[..], &good[..good.len() / 2], &[&[77], &good[1..]].concat()] {
        fs::write(&path, bytes).unwrap();
        let ran = sandbox.agent(&["run", LIVE, "--offline"]).exits(1);
        assert_eq!(ran.stdout, "");
        transcript += &sandbox.redact(&ran.stderr);
        assert!(fs::read(&path).unwrap() == bytes, "it stays for whoever can read it");
    }
    insta::assert_snapshot!(transcript);
    holds(&sandbox, 0..15);
    fs::write(&path, &good).unwrap();
    append(&sandbox, INPUT, &records(15..21));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000014.000001");
    live.stop().exits(0);
    holds(&sandbox, 0..21);
}

#[test]
fn a_window_that_cannot_be_written_fails_alone_and_is_made_up_for() {
    let sandbox = sandbox("follow = true");
    fs::create_dir_all(sandbox.at("reports/20240101T000010Z.json")).unwrap(); // in its way
    append(&sandbox, INPUT, &records(0..35));
    let live = Following::start(&sandbox, &["--offline"]);
    wait_for(&sandbox, "000020");
    let ran = live.stop().exits(1);
    let failed: Vec<Value> = run_records(&sandbox).into_iter().filter(|record| record["status"] == "failed").collect();
    let [record] = &failed[..] else { panic!("{failed:#?}") };
    let id = record["run"].as_str().unwrap();
    let unwrapped = ran.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(
        unwrapped.contains("AG0401") && unwrapped.contains(&format!("`agent resume {id}` makes up for")),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("2024-01-01T00:00:10Z – 00:00:20Z  10 records, failed: "), "{}", ran.stdout);

    fs::remove_dir(sandbox.at("reports/20240101T000010Z.json")).unwrap();
    sandbox.agent(&["resume", id, "-q"]).exits(0);
    let counts: Vec<u64> = files(&sandbox).values().map(|r| r["insights"]["count"].as_f64().unwrap() as u64).collect();
    assert_eq!(counts, [10, 10, 10, 5]);
    assert_eq!(sandbox.read("reports.ndjson").lines().count(), 4);
    assert!(run_records(&sandbox).iter().all(|record| record["status"] == "done"));
    // The stream knows nothing of it any more.
    append(&sandbox, INPUT, &records(35..41));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_for(&sandbox, "000034.000001");
    live.stop().exits(0);
    assert_eq!(sandbox.read("reports.ndjson").lines().count(), 6);
}

#[test]
fn standard_input_is_reported_on_as_it_comes_and_to_its_end() {
    let sandbox = sandbox("follow = true");
    sandbox.edit(LIVE, INPUT, "-");
    let (live, mut pipe) = Following::piped(&sandbox);
    for second in 0..12 {
        pipe.write_all(record(second).as_bytes()).unwrap();
        pipe.flush().unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    wait_for(&sandbox, "000000"); // while the writer is still there
    pipe.write_all(records(12..24).as_bytes()).unwrap();
    pipe.write_all(record(24).trim_end().as_bytes()).unwrap(); // the end of the input ends the last line
    drop(pipe);
    let ran = live.ended().exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    holds(&sandbox, 0..25);
    let last = run_records(&sandbox).pop().unwrap();
    assert_eq!(last["window"]["closed_by"], "end", "{last}");
}

/// CPU usage of one host every five seconds: two windows that are not long enough, then an episode of `for = "20s"` opens,
/// goes on, gets worse, goes on and is over; then two quiet windows.
const EPISODE: [f64; 16] =
    [75.0, 76.0, 75.0, 77.0, 79.0, 78.0, 74.0, 72.0, 95.0, 96.0, 93.0, 91.0, 40.0, 41.0, 40.0, 41.0];

fn episode() -> String {
    let line = |(at, value): (usize, &f64)| {
        format!("{{\"timestamp\":\"{}\",\"host\":\"web-1\",\"cpu_usage\":{value}}}\n", time_of(at as u64 * 5))
    };
    EPISODE.iter().enumerate().map(line).collect()
}

/// Phases of the episode by window, and how often the model was asked in it.
fn phases(sandbox: &Sandbox) -> Vec<(String, usize)> {
    let of = |record: &Value| {
        let phases = record["episodes"].as_array().into_iter().flatten();
        let phases: Vec<&str> = phases.map(|episode| episode["phase"].as_str().unwrap()).collect();
        (phases.join(" "), record["calls"].as_array().unwrap().len())
    };
    run_records(sandbox).iter().map(of).collect()
}

#[test]
fn an_episode_asks_the_model_when_it_opens_and_escalates_only() {
    let (finite, endpoint) = (sandbox(""), Endpoint::start(Duration::ZERO));
    finite.write(INPUT, &episode());
    finite.agent_with(&endpoint.variables(), &["run", LIVE, "-q"]).exits(0);
    let expected = [("", 0), ("", 0), ("opened", 1), ("ongoing", 0), ("escalated", 1), ("ongoing", 0), ("resolved", 0)];
    let asked = endpoint.asked().len();
    let found = phases(&finite);
    let of_one: Vec<(&str, usize)> = found.iter().map(|(phase, calls)| (phase.as_str(), (*calls).min(1))).collect();
    assert_eq!(of_one, [&expected[..], &[("", 0)]].concat());
    assert_eq!(found.iter().map(|(_, calls)| calls).sum::<usize>(), asked);
    let reports: Vec<Value> = files(&finite).into_values().collect();
    let action = |report: &Value| report["recommendations"][0]["action"].as_str().unwrap_or("").to_string();
    for (report, figure) in reports[2..6].iter().zip(["79", "74", "96", "93"]) {
        let action = action(report);
        assert!(action.starts_with(SIGN) && action.contains(figure), "{figure}: {action}");
    }
    assert!(reports[..2].iter().chain(&reports[6..]).all(|report| action(report).is_empty()));
    let sources: Vec<Value> = run_records(&finite)[2..6].iter().map(|r| r["wordings"][0]["source"].clone()).collect();
    assert_eq!(sources, ["model", "remembered", "model", "remembered"]);
    // Each can be gone through again, with what was remembered then.
    for id in finite.runs() {
        let again = finite.agent(&["replay", &id]).exits(0).stdout;
        assert!(again.starts_with(&format!("run {id}: the same bytes\n")), "{again}");
    }
    assert_eq!(endpoint.asked().len(), asked);

    // Followed, and killed between any two windows: the same, and nothing is asked twice.
    let (followed, endpoint) = (sandbox("follow = true"), Endpoint::start(Duration::ZERO));
    let lines: Vec<String> = episode().lines().map(|line| format!("{line}\n")).collect();
    for (window, pair) in lines.chunks(2).enumerate() {
        append(&followed, INPUT, &pair.concat());
        if window == 0 {
            continue;
        }
        let live = Following::start_with(&followed, &endpoint.variables(), &["-q"]);
        let ended = || {
            let records = fs::read_dir(followed.state().join("runs")).into_iter().flatten();
            records.filter(|run| run.as_ref().unwrap().path().join("run.json").exists()).count() == window
        };
        wait_until("a window's run does not end", ended);
        live.kill();
    }
    assert_eq!(phases(&followed), found[..7], "its last window is open");
    assert_eq!(endpoint.asked().len(), asked);
    assert_eq!(files(&followed).into_values().collect::<Vec<_>>(), reports[..7]);
}

/// Takes alerts; the first `held` of them get no answer.
struct Hook {
    url: String,
    /// The header with the key, and the body.
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    /// While it is so alerts are refused.
    refuses: Arc<AtomicBool>,
}

impl Hook {
    fn start(held: usize) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (taken, count) = (Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
        let log: Arc<Mutex<Vec<(String, Value)>>> = taken.clone();
        let refuses = Arc::new(AtomicBool::new(false));
        let refusing = refuses.clone();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().flatten() {
                let Some((head, body)) = request(&stream) else { continue };
                let header = head.iter().find_map(|line| {
                    line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
                });
                let body: Value = serde_json::from_slice(&body).unwrap();
                if refusing.load(Ordering::Relaxed) {
                    let _ = (&stream).write_all(b"HTTP/1.1 400 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    continue;
                }
                log.lock().unwrap().push((header.unwrap().1.to_string(), body));
                if count.fetch_add(1, Ordering::Relaxed) < held {
                    kept.push(stream); // open, so that the client waits
                } else {
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                }
            }
        });
        Hook { url, taken, refuses }
    }

    fn keys(&self) -> Vec<(String, Value)> {
        let taken = self.taken.lock().unwrap();
        taken.iter().map(|(header, body)| (header.clone(), body["idempotency_key"].clone())).collect()
    }

    /// The changes of each alert.
    fn changes(&self) -> Vec<String> {
        let of = |change: &Value| format!("{} {} {}", change["anomaly"], change["phase"], change["severity"]);
        let taken = self.taken.lock().unwrap();
        let changes = taken.iter().map(|(_, body)| body["changes"].as_array().unwrap().iter().map(of));
        changes.map(|changes| changes.collect::<Vec<_>>().join(", ").replace('"', "")).collect()
    }
}

#[test]
fn an_alert_that_is_repeated_has_its_key() {
    let (sandbox, hook) = (sandbox("follow = true"), Hook::start(1));
    let alert = "\n[nodes.alert]\nkind = \"output.notify\"\ninputs = { report = \"report\" }\nwhen = \"always\"\n";
    append(&sandbox, LIVE, &format!("{alert}url = \"{}\"\n", hook.url));
    append(&sandbox, INPUT, &records(0..15));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_until("no alert comes", || hook.keys().len() == 1);
    live.kill();
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_until("the alert is not repeated", || hook.keys().len() == 2);
    live.stop().exits(0);
    let keys = hook.keys();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys[0] == keys[1] && keys[1].0 != keys[2].0, "{keys:?}");
    assert!(keys.iter().all(|(header, body)| body == header.as_str()), "{keys:?}");
    holds(&sandbox, 0..15);
    // The journal of its run says that it was taken up again.
    let id = keys[0].0.split('/').next().unwrap();
    let journal = fs::read_to_string(sandbox.state().join("runs").join(id).join("events.ndjson")).unwrap();
    assert_eq!(events(&journal).iter().filter(|(name, _)| name == "resumed").count(), 1, "{journal}");
}

const CHANGES: &str = "\n[nodes.alert]\nkind = \"output.notify\"\nwhen = \"change\"\n";

/// Records of a host, one a second, with this CPU usage.
fn usage(host: &str, seconds: std::ops::Range<u64>, value: f64) -> String {
    let line = |at| format!("{{\"timestamp\":\"{}\",\"host\":\"{host}\",\"cpu_usage\":{value}}}\n", time_of(at));
    seconds.map(line).collect()
}

#[test]
fn an_alert_tells_the_end_of_an_episode_and_not_that_its_series_is_silent() {
    let (sandbox, hook) = (sandbox("follow = true"), Hook::start(0));
    sandbox.write("rules.toml", "[metrics.cpu_usage]\nlabel = { en = \"CPU usage\" }\nhigh = 90\nclear = 50\n");
    let alert = format!("{CHANGES}inputs = {{ report = \"report\", anomalies = \"anomalies\" }}\n");
    append(&sandbox, LIVE, &format!("{alert}url = \"{}\"\n", hook.url));
    // Opens; silent while another host goes on; hovers above `clear`; silent again; below it. Killed in each of them.
    let steps = [
        ("000000", usage("web-1", 0..10, 95.0) + &usage("web-2", 10..12, 10.0)),
        ("000020", usage("web-2", 12..32, 10.0)),
        ("000030", usage("web-2", 32..42, 10.0)),
        ("000040", usage("web-1", 42..50, 60.0) + &usage("web-2", 50..52, 10.0)),
        ("000050", usage("web-2", 52..62, 10.0)),
        ("000100", usage("web-1", 62..70, 40.0) + &usage("web-2", 70..72, 10.0)),
        ("000110", usage("web-2", 72..82, 10.0)),
    ];
    let mut told = Vec::new();
    for (window, records) in steps {
        append(&sandbox, INPUT, &records);
        let live = Following::start(&sandbox, &["--offline", "-q"]);
        let has_ended =
            || run_records_so_far(&sandbox).iter().any(|record| record.contains(window) && record.contains("\"done\""));
        wait_until("the run of a window does not end", has_ended);
        live.kill();
        told.push(hook.changes().len());
    }
    assert_eq!(hook.changes(), ["cpu_usage@web-1 opened high", "cpu_usage@web-1 resolved high"], "{told:?}");
    assert_eq!(told, [1, 1, 1, 1, 1, 2, 2]);
}

/// Records of a second: a host, and what it says.
fn said(second: u64, host: &str, fields: &str) -> String {
    format!("{{\"timestamp\":\"{}\",\"host\":\"{host}\",{fields}}}\n", time_of(second))
}

#[test]
fn an_incident_keeps_its_id_when_what_came_first_is_over() {
    let sandbox = sandbox("follow = true");
    sandbox.write(
        "rules.toml",
        "[metrics.cpu_usage]\nlabel = { en = \"CPU usage\" }\nhigh = 90\n\
         [metrics.memory_usage]\nlabel = { en = \"Memory usage\" }\nhigh = 90\n\
         [status]\ndegraded = \"medium\"\noffline = \"high\"\n",
    );
    sandbox.edit(LIVE, "playbooks/infrastructure.toml\"", "playbooks/infrastructure.toml\"\ntogether = \"1s\"");
    let usage = |cpu, memory| format!("\"cpu_usage\":{cpu},\"memory_usage\":{memory}");
    let status = |word| format!("\"service_status\":{{\"cache\":\"{word}\"}}");
    let steps = [
        // CPU usage, then memory usage of one host; another host at the same time.
        ("000000", vec![said(1, "a", &usage(95, 20)), said(2, "a", &usage(95, 95)), said(3, "b", &usage(95, 20))]),
        // What came first is over.
        ("000010", vec![said(11, "a", &usage(20, 96)), said(12, "b", &usage(96, 20))]),
        // A service that fails on both makes one of the two.
        (
            "000020",
            vec![
                said(21, "a", &usage(20, 95)),
                said(22, "a", &status("offline")),
                said(23, "b", &format!("{},{}", usage(95, 20), status("offline"))),
            ],
        ),
        // It is over, and so is what the older one had; the host that was joined to it goes on with its id.
        (
            "000030",
            vec![
                said(31, "a", &format!("{},{}", usage(20, 20), status("online"))),
                said(32, "b", &format!("{},{}", usage(95, 20), status("online"))),
            ],
        ),
        // All is over, and what comes then is new.
        ("000040", vec![said(41, "a", &usage(20, 95)), said(42, "b", &usage(20, 20))]),
    ];
    let end =
        |at: &str| said(at[2..4].parse::<u64>().unwrap() * 60 + at[4..6].parse::<u64>().unwrap() + 10, "c", "\"x\":1");
    for (window, records) in steps {
        append(&sandbox, INPUT, &(records.concat() + &end(window)));
        let live = Following::start(&sandbox, &["--offline", "-q"]);
        let has_ended =
            || run_records_so_far(&sandbox).iter().any(|record| record.contains(window) && record.contains("\"done\""));
        wait_until("the run of a window does not end", has_ended);
        live.kill();
    }
    let records = run_records(&sandbox);
    let shown = |record: &Value| -> Vec<String> {
        let one = |of: &Value| {
            let names: Vec<&str> = of["anomalies"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
            format!("{}: {}", of["id"].as_str().unwrap(), names.join(" "))
        };
        record["incidents"].as_array().into_iter().flatten().map(one).collect()
    };
    let (a, b) = ("cpu_usage@a/20240101T000001Z", "cpu_usage@b/20240101T000003Z");
    let expected = [
        vec![format!("{a}: cpu_usage@a memory_usage@a"), format!("{b}: cpu_usage@b")],
        vec![format!("{a}: memory_usage@a"), format!("{b}: cpu_usage@b")],
        vec![format!("{a}: memory_usage@a cpu_usage@b service_status.cache@a service_status.cache@b")],
        vec![format!("{a}: cpu_usage@b")],
        vec!["memory_usage@a/20240101T000041Z: memory_usage@a".to_string()],
    ];
    assert_eq!(records.iter().map(shown).collect::<Vec<_>>(), expected);
    assert!(records[..4].iter().all(|record| record["incidents"][0]["first"] == "cpu_usage@a"));

    // The page of an anomaly says what it is part of.
    let run = records[1]["run"].as_str().unwrap();
    let page = sandbox.agent(&["why", run, "memory_usage@a"]).exits(0).stdout;
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let since = format!("Incident {a}, from 2024-01-01T00:00:01Z to 2024-01-01T00:00:11Z");
    assert!(words.contains(&format!("{since} cpu_usage@a, now over or silent, likely came first")), "{page}");
    let page = sandbox.agent(&["why", run, "cpu_usage@a"]).exits(0).stdout;
    assert!(page.contains("the episode is over") && !page.contains("Incident"), "{page}");
}

#[test]
fn a_window_that_is_made_up_for_tells_nothing_again() {
    let (sandbox, hook) = (sandbox("follow = true"), Hook::start(0));
    sandbox.write("rules.toml", "[metrics.cpu_usage]\nlabel = { en = \"CPU usage\" }\nhigh = 90\nclear = 50\n");
    let alert = format!(
        "{CHANGES}inputs = {{ report = \"report\", anomalies = \"anomalies\" }}\nretries = 0\n\
         dead_letter = \"no/such/folder.ndjson\"\n"
    );
    append(&sandbox, LIVE, &format!("{alert}url = \"{}\"\n", hook.url));
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    let add = |window: &str, status: &str, records: String| {
        append(&sandbox, INPUT, &records);
        let status = format!("\"status\": \"{status}\"");
        let is_it = |record: &String| record.contains(window) && record.contains(&status);
        wait_until(window, || run_records_so_far(&sandbox).iter().any(is_it));
    };
    add("000000", "done", usage("web-1", 0..12, 95.0));
    hook.refuses.store(true, Ordering::Relaxed);
    add("000010", "failed", usage("web-2", 12..22, 96.0));
    hook.refuses.store(false, Ordering::Relaxed);
    add("000020", "done", usage("web-1", 22..25, 95.0) + &usage("web-2", 25..32, 96.0));
    let told = ["cpu_usage@web-1 opened high", "cpu_usage@web-2 opened high"];
    assert_eq!(hook.changes(), told, "what could not be told is told with the next window");
    live.stop().exits(1);
    let failed = run_records(&sandbox).into_iter().find(|record| record["status"] == "failed").unwrap();
    sandbox.agent(&["resume", failed["run"].as_str().unwrap(), "-q"]).exits(0);
    assert_eq!(hook.changes(), told);
}

/// The texts of the run records that are there, each with the label of its window.
fn run_records_so_far(sandbox: &Sandbox) -> Vec<String> {
    let read = |id: String| fs::read_to_string(sandbox.state().join("runs").join(id).join("run.json")).ok();
    let record = |text: String| {
        let record: Value = serde_json::from_str(&text).ok()?;
        let start = record["window"]["span"]["start"].as_str()?.replace([':', '-'], "");
        Some(start + &text)
    };
    sandbox.runs().into_iter().filter_map(read).filter_map(record).collect()
}

#[test]
fn an_alert_of_changes_in_windows_needs_to_know_of_episodes() {
    let sandbox = sandbox("");
    append(&sandbox, LIVE, &format!("{CHANGES}inputs = {{ report = \"report\" }}\nurl = \"http://127.0.0.1:9/\"\n"));
    let ran = sandbox.agent(&["check", LIVE]).exits(78);
    insta::assert_snapshot!(sandbox.redact(&ran.stderr));
    sandbox.agent(&["run", LIVE, "--offline"]).exits(78);
    sandbox.edit(LIVE, "when = \"change\"", "when = \"anomalies\"");
    sandbox.agent(&["check", LIVE]).exits(0);
}

/// A host sends records of now for so long, four a second.
fn send_for(sandbox: &Sandbox, length: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let time = agent::domain::Timestamp::from_micros(now.as_micros() as i64).unwrap();
        append(sandbox, INPUT, &format!("{{\"timestamp\":\"{time}\",\"host\":\"web-1\",\"value\":1}}\n"));
        thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn a_source_that_falls_silent_for_good_is_one_episode_until_it_is_heard_again() {
    let sandbox = sandbox("follow = true");
    let node = "\n[nodes.completeness]\nkind = \"completeness\"\ninputs = { telemetry = \"telemetry\" }\n\
                expected_every = \"500ms\"\nlow = 0.9\n";
    let both = "anomalies = [\"anomalies\", \"completeness.anomalies\"]";
    let graph = sandbox.read(LIVE).replace("every = \"10s\"\nidle = \"1h\"", "every = \"1s\"\nidle = \"2s\"");
    sandbox.write(LIVE, &(graph.replace("anomalies = \"anomalies\"", both) + node));
    let opened = || -> Vec<String> {
        let finished = sandbox.runs().into_iter().filter_map(|id| {
            let record = fs::read_to_string(sandbox.state().join("runs").join(id).join("run.json")).ok()?;
            serde_json::from_str::<Value>(&record).ok()
        });
        let mut records: Vec<Value> = finished.collect();
        records.sort_by_key(|record| record["window"]["span"]["start"].to_string());
        let episodes = records.iter().flat_map(|record| record["episodes"].as_array().cloned().unwrap_or_default());
        episodes.map(|episode| format!("{} {}", episode["phase"].as_str().unwrap(), episode["id"])).collect()
    };
    let phases = || opened().iter().map(|line| line.split(' ').next().unwrap().to_string()).collect::<Vec<_>>();
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    send_for(&sandbox, Duration::from_millis(2500));
    wait_until("no data is no anomaly", || phases().len() >= 2);
    live.kill();
    let before = phases().len();
    thread::sleep(Duration::from_millis(1500)); // windows pass while nobody looks
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    wait_until("it does not go on", || phases().len() >= before + 3);
    send_for(&sandbox, Duration::from_millis(3500));
    wait_until("it is not over", || phases().iter().any(|phase| phase == "resolved"));
    live.stop().exits(0);
    let told = opened();
    let phases = phases();
    let (first, rest) = phases.split_first().unwrap();
    let (last, between) = rest.split_last().unwrap();
    assert_eq!((first.as_str(), last.as_str()), ("opened", "resolved"), "{told:#?}");
    assert!(between.iter().all(|phase| phase == "ongoing"), "{told:#?}");
    let ids: std::collections::BTreeSet<&str> = told.iter().map(|line| line.split(' ').next_back().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{told:#?}");
    // Windows follow one another without a gap, each once; one that is silent has a report for its anomaly's sake alone.
    let records = run_records(&sandbox);
    for pair in records.windows(2) {
        assert_eq!(pair[0]["window"]["span"]["end"], pair[1]["window"]["span"]["start"], "{pair:#?}");
    }
    let is_silent = |record: &&Value| {
        record["window"]["closed_by"] == "idle"
            && record["inputs"].as_array().unwrap().iter().all(|i| i["records"] == 0)
    };
    let silent = records.iter().filter(is_silent).filter(|record| !record["tasks"].as_array().unwrap().is_empty());
    assert!(silent.clone().count() >= 3);
    for record in silent {
        assert_eq!(record["episodes"].as_array().unwrap().len(), 1, "{record:#}");
    }
}

/// Posts to a server and gives the status of its answer.
fn post(address: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_full_spool_empties_itself_however_long_a_source_is_waited_for() {
    let sandbox = sandbox("max_spool = \"64 KiB\"");
    sandbox.edit(
        LIVE,
        "kind = \"ingest.file\"\npath = \"telemetry.ndjson\"",
        "kind = \"ingest.listen\"\naddress = \"127.0.0.1:0\"",
    );
    sandbox.edit(LIVE, "every = \"10s\"", "every = \"1s\"");
    let live = Following::start(&sandbox, &["--offline", "-q"]);
    let address = || {
        let mut found = None;
        walk(&sandbox.state(), &mut |path| {
            found = if path.ends_with("listen.addr") { fs::read_to_string(path).ok() } else { found.take() };
        });
        found
    };
    wait_until("it does not listen", || sandbox.state().exists() && address().is_some());
    let address = address().unwrap();
    let send = |count: usize| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let time = agent::domain::Timestamp::from_micros(now.as_micros() as i64).unwrap();
        let record = format!("{{\"timestamp\":\"{time}\",\"host\":\"web-1\",\"value\":1}}\n");
        post(&address, &record.repeat(count))
    };
    let mut accepted = 0;
    for _ in 0..3 {
        assert_eq!(send(2000), 202);
        accepted += 2000;
        assert_eq!(send(1), 429, "it is full");
        wait_until("it stays full", || send(1) == 202);
        accepted += 1;
    }
    live.stop().exits(0);
    let records = run_records(&sandbox);
    let of = |record: &Value| {
        record["inputs"].as_array().map_or(0, |inputs| inputs.iter().map(|i| i["records"].as_u64().unwrap()).sum())
    };
    assert_eq!(records.iter().map(of).sum::<u64>(), accepted);
    assert!(records.iter().all(|record| record["window"]["late"] == 0));
}
