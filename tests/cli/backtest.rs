//! `agent backtest`: the rules of a graph over history.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

const GRAPH: &str = "graphs/default.toml";
const FLEET: &str = "fixtures/fleet.csv";

fn backtest(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.agent(&[&["backtest"], arguments].concat())
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let ran = backtest(sandbox, &[arguments, &["--format", "json"]].concat()).exits(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn rule<'a>(backtest: &'a Value, name: &str) -> &'a Value {
    let rules = backtest["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["rule"] == name).unwrap_or_else(|| panic!("{name}: {backtest:#}"))
}

fn micros(time: &Value) -> i64 {
    agent::domain::Timestamp::parse(time.as_str().unwrap()).unwrap().micros()
}

/// A graph of rules over records, with nothing behind its folds.
fn graph(sandbox: &Sandbox, rules: &str, more: &str) {
    sandbox.write("rules.toml", rules);
    let graph = "[nodes.telemetry]\nkind = 'ingest.file'\npath = 'history.csv'\n\
                 [nodes.anomalies]\nkind = 'detect'\ninputs = { telemetry = 'telemetry' }\nrules = 'rules.toml'\n";
    sandbox.write("ops.toml", &format!("{more}\n{graph}"));
}

#[test]
fn the_table_says_how_often_when_and_how_long_and_nothing_is_kept() {
    let sandbox = Sandbox::new();
    let ran = backtest(&sandbox, &[GRAPH, "--input", FLEET]).exits(0);
    insta::assert_snapshot!("backtest_fleet", sandbox.redact(&ran.stdout));
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    assert!(!sandbox.at("output.json").exists() && !sandbox.state().exists());
}

#[test]
fn figures_are_those_that_one_counts_in_the_records() {
    let sandbox = Sandbox::new();
    let found = json(&sandbox, &[GRAPH, "--input", FLEET]);
    let text = sandbox.read(FLEET);
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = header.iter().position(|name| *name == "cpu_usage").unwrap();
    // Of one host: runs of readings at or above 70, each to the first reading below it.
    let (mut runs, mut counts, mut was_up) = (Vec::<[i64; 2]>::new(), [0u64; 3], false);
    for line in lines.filter(|line| line[1] == "web-1" && !line[column].is_empty()) {
        let time = agent::domain::Timestamp::parse(line[0]).unwrap().micros();
        let value: f64 = line[column].parse().unwrap();
        let is_up = value >= 70.0;
        match (was_up, is_up) {
            (false, true) => runs.push([time, time]),
            (true, _) => runs.last_mut().unwrap()[1] = time,
            (false, false) => {}
        }
        was_up = is_up;
        if is_up {
            counts[usize::from(value >= 80.0) + usize::from(value >= 90.0)] += 1;
        }
    }
    assert!(!runs.is_empty() && counts.iter().all(|count| *count > 0), "{runs:?} {counts:?}");
    let cpu = rule(&found, "cpu_usage");
    let series = cpu["series"].as_array().unwrap().iter().find(|s| s["series"] == "cpu_usage@web-1").unwrap();
    let episodes = series["episodes"].as_array().unwrap();
    let got: Vec<[i64; 2]> = episodes.iter().map(|e| [micros(&e["since"]), micros(&e["until"])]).collect();
    assert_eq!(got, runs);
    assert_eq!(["low", "medium", "high"].map(|s| series["firing"]["records"][s].as_u64().unwrap()), counts);
    let seconds: i64 = runs.iter().map(|[since, until]| (until - since) / 1_000_000).sum();
    assert_eq!(series["firing"]["seconds"].as_i64().unwrap(), seconds);
    let covered = (micros(&found["to"]) - micros(&found["from"])) / 1_000_000;
    let share = series["firing"]["share"].as_f64().unwrap();
    assert!((share - seconds as f64 / covered as f64).abs() < 1e-8);
    assert_eq!(rule(&found, "disk_usage")["firing"]["episodes"], 0);
}

#[test]
fn the_order_of_the_records_and_the_length_of_windows_change_no_episode() {
    let sandbox = Sandbox::new();
    let text = sandbox.read(FLEET);
    let (header, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_by_key(|row| row.split(',').nth(1).unwrap().to_string()); // stable: one host after the other
    sandbox.write("by_host.csv", &format!("{header}\n{}\n", rows.join("\n")));
    let rules = |arguments: &[&str]| {
        let found = json(&sandbox, arguments);
        assert_eq!(found["late"], 0);
        found["rules"].clone()
    };
    let expected = rules(&[GRAPH, "--input", FLEET]);
    assert_eq!(rules(&[GRAPH, "--input", "by_host.csv"]), expected);
    assert_eq!(rules(&[GRAPH, "--input", FLEET, "--every", "5m"]), expected);
    // The windows of the graph are kept to, also where records come too late for them: of two hosts all but the 6 records
    // each of the last hour.
    sandbox.edit(GRAPH, "[nodes.telemetry]", "[window]\nevery = \"1h\"\n\n[nodes.telemetry]");
    let told = backtest(&sandbox, &[GRAPH, "--input", "by_host.csv"]).exits(0).stdout;
    assert!(told.contains("\nLate       108 records out of order"), "{told}");
    sandbox.edit(GRAPH, "[window]\nevery = \"1h\"\n\n", "");
    let read = sandbox.agent_reading(
        std::fs::read(sandbox.at("by_host.csv")).unwrap().as_slice(),
        &["backtest", GRAPH, "--input", "-", "--every", "1m", "--format", "json"],
    );
    let found: Value = serde_json::from_str(&read.exits(0).stdout).unwrap();
    assert_eq!((&found["rules"], &found["windows"]["chosen_by"]), (&expected, &Value::from("flag")));
}

/// What is said of a graph with windows is what it reports when it runs.
#[test]
fn episodes_are_those_of_the_reports_of_the_windows() {
    let sandbox = Sandbox::new();
    sandbox.edit(GRAPH, "[nodes.telemetry]", "[window]\nevery = \"1h\"\n\n[nodes.telemetry]");
    sandbox.edit(GRAPH, "../output.json", "../reports/{window}.json");
    sandbox.agent(&["run", GRAPH, "--input", FLEET, "--offline", "-q"]).exits(0);
    let mut reported = BTreeMap::new();
    for entry in std::fs::read_dir(sandbox.at("reports")).unwrap() {
        let path = entry.unwrap().path();
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let start = agent::domain::Timestamp::parse(&dated(path.file_stem().unwrap().to_str().unwrap())).unwrap();
        for anomaly in report["anomalies"].as_array().unwrap() {
            reported.insert((start.micros(), anomaly["metric"].as_str().unwrap().to_string()), ());
        }
    }
    let found = json(&sandbox, &[GRAPH, "--input", FLEET]);
    assert_eq!(found["windows"]["chosen_by"], "graph");
    assert_eq!(found["windows"]["every_seconds"], 3600);
    let series = found["rules"].as_array().unwrap().iter().flat_map(|rule| rule["series"].as_array().unwrap());
    let mut told = BTreeMap::new();
    for series in series {
        for episode in series["episodes"].as_array().unwrap() {
            let (since, until) = (micros(&episode["since"]), micros(&episode["until"]));
            let hour = 3_600_000_000;
            let mut start = since.div_euclid(hour) * hour;
            // An open episode ends with a record, another with the beginning of the window that ends it.
            while start < until || (start == until && episode["open"] == true) {
                told.insert((start, series["series"].as_str().unwrap().to_string()), ());
                start += hour;
            }
        }
    }
    assert!(reported.len() > 10);
    // The rules have no `clear`, and every host sends something in every hour: no episode is open without being listed.
    assert_eq!(told.keys().collect::<Vec<_>>(), reported.keys().collect::<Vec<_>>());
}

/// `2024-05-06T08:00:00Z` of `20240506T080000Z`.
fn dated(label: &str) -> String {
    let part = |range| label.get(range).unwrap();
    format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13), part(13..15))
}

#[test]
fn other_rules_add_and_remove() {
    let sandbox = Sandbox::new();
    let text = sandbox.read("graphs/rules/infrastructure.toml");
    sandbox.write("same.toml", &text);
    let same = backtest(&sandbox, &[GRAPH, "--input", FLEET, "--compare", "same.toml"]).exits(0);
    assert!(same.stdout.ends_with("\nWith same.toml nothing changes\n"), "{}", same.stdout);
    let cpu = "[metrics.cpu_usage]";
    let (before, after) = text.split_once(cpu).unwrap();
    let after = after.replacen("low = 70", "low = 85", 1).replacen("medium = 80", "medium = 87", 1);
    let latency = "[metrics.latency_ms]";
    let (between, rest) = after.split_once(latency).unwrap();
    let rest =
        rest.replacen("low = 200", "low = 2000", 1).replacen("medium = 250", "", 1).replacen("high = 300", "", 1);
    sandbox.write(
        "other.toml",
        &format!("{before}{cpu}{between}{latency}{rest}\n[metrics.uptime_seconds]\nlow = 600000\n"),
    );
    let arguments = [GRAPH, "--input", FLEET, "--compare", "other.toml"];
    let told = backtest(&sandbox, &arguments).exits(0).stdout;
    let (_, compared) = told.split_once("\nWith ").unwrap();
    insta::assert_snapshot!("backtest_compare", compared);
    let found = json(&sandbox, &arguments);
    for change in found["comparison"]["by_rule"].as_array().unwrap() {
        let count = |what: &str| {
            let changes = change["changes"].as_array().unwrap().iter();
            changes.filter(|c| c["what"].as_array().unwrap().iter().any(|w| w == what)).count() as u64
        };
        let episodes = |side: &str| change[side]["episodes"].as_u64().unwrap();
        assert_eq!(episodes("before") + count("added"), episodes("after") + count("removed"), "{change:#}");
    }
}

#[test]
fn a_csv_of_times_without_a_zone_and_one_value() {
    let sandbox = Sandbox::new();
    let mut csv = "timestamp,value\n".to_string();
    for row in 0..288 {
        let (hour, minute) = (row / 12, row % 12 * 5);
        let value = if (100..=110).contains(&row) { 81.5 } else { 20.0 };
        csv.push_str(&format!("2014-04-01 {hour:02}:{minute:02}:00,{value:?}\n"));
    }
    sandbox.write("history.csv", &csv);
    graph(&sandbox, "[metrics.value]\nhigh = 80", "name = 'nab'");
    let found = json(&sandbox, &["ops.toml"]);
    let value = rule(&found, "value");
    assert_eq!(value["series"].as_array().unwrap().len(), 1);
    let series = &value["series"][0];
    assert_eq!((&series["series"], &series["entity"]), (&Value::from("value"), &Value::Null));
    let episode = &series["episodes"][0];
    assert_eq!([&episode["since"], &episode["until"]], ["2014-04-01T08:20:00Z", "2014-04-01T09:15:00Z"]);
    assert_eq!((&episode["records"]["high"], &found["inputs"][0]["records"]), (&Value::from(11), &Value::from(288)));
}

#[test]
fn aspects_completeness_and_what_was_given_up() {
    let sandbox = Sandbox::new();
    let mut csv = "timestamp,host,load\n".to_string();
    for minute in 0..4000 {
        let load = if minute == 100 { 9 } else { 1 };
        csv.push_str(&format!("{},a,{load}\n", 1_700_000_000 + minute * 60));
        // Goes away for good while something is wrong with it.
        if minute < 50 {
            csv.push_str(&format!("{},b,{}\n", 1_700_000_000 + minute * 60, if minute < 40 { 1 } else { 7 }));
        }
    }
    sandbox.write("history.csv", &csv);
    let completeness = "[window]\nevery = '10m'\n[nodes.completeness]\nkind = 'completeness'\n\
                        inputs = { telemetry = 'telemetry' }\nexpected_every = '1m'\n";
    graph(&sandbox, "[metrics.load]\nmedium = 5\nrate = { high = 6, direction = 'up' }", completeness);
    let found = json(&sandbox, &["ops.toml"]);
    let rate = rule(&found, "load#rate");
    assert_eq!(rate["series"][0]["series"], "load@a#rate");
    assert_eq!(rule(&found, "load")["firing"]["episodes"], 2);
    let series = rule(&found, "load")["series"].as_array().unwrap();
    let gone = &series.iter().find(|s| s["entity"] == "b").unwrap()["episodes"][0];
    // The end of the window of its last record: nothing is known of it since.
    assert_eq!((&gone["open"], &gone["records"]["medium"]), (&Value::from(false), &Value::from(10)));
    assert!(micros(&gone["until"]) < micros(&found["from"]) + 3_600_000_000, "{gone:#}");
    let missing = rule(&found, "missing_records");
    assert_eq!((&missing["node"], &missing["firing"]["episodes"]), (&Value::from("completeness"), &Value::from(1)));
    // Expected for a day, and forgotten then.
    let hours = missing["firing"]["seconds"].as_f64().unwrap() / 3600.0;
    assert!((23.0..25.0).contains(&hours), "{hours}");
}

/// Windows without records are passed over: the gap is judged when the next reading comes, and told as the time in which
/// it was too long.
#[test]
fn silence_is_told_from_when_it_is_too_long_to_the_next_reading() {
    let sandbox = Sandbox::new();
    let begin = 1_700_000_040; // a whole minute
    let rows = |minutes: std::ops::Range<i64>, host: &str| -> String {
        minutes.map(|minute| format!("{},{host},1\n", begin + minute * 60)).collect()
    };
    let minute = |minute: i64| agent::domain::Timestamp::nearest((begin + minute * 60) * 1_000_000).to_string();
    graph(&sandbox, "[metrics.load]\nstale = { medium = '5m', high = '30m' }", "");
    let csv = format!("timestamp,host,load\n{}{}{}", rows(0..100, "a"), rows(112..200, "a"), rows(260..300, "a"));
    let check = |csv: &str, arguments: &[&str], expected: &[(i64, i64, bool, &str, u64)]| {
        sandbox.write("history.csv", csv);
        let found = json(&sandbox, &[&["ops.toml"], arguments].concat());
        let series = rule(&found, "load#stale")["series"].as_array().unwrap();
        let episodes = series.iter().flat_map(|series| series["episodes"].as_array().unwrap());
        let told = episodes.map(|e| {
            let text = |key: &str| e[key].as_str().unwrap().to_string();
            (text("since"), text("until"), e["open"] == true, text("severity"), e["value"].as_u64().unwrap())
        });
        let expected = expected.iter().map(|(since, until, open, severity, value)| {
            (minute(*since), minute(*until), *open, severity.to_string(), *value)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{arguments:?}");
    };
    // The last reading before is of the minutes 99 and 199.
    let gaps = [(104, 112, false, "medium", 780), (204, 260, false, "high", 3660)];
    check(&csv, &[], &gaps);
    check(&csv, &["--every", "10m"], &gaps);
    // As others go on sending, the silence of one is judged in every window.
    let both = csv + &rows(0..300, "b");
    check(&both, &[], &gaps);
    check(&both, &["--every", "10m"], &gaps);
    // One that does not come back is open, as long as it is judged.
    let gone = format!("timestamp,host,load\n{}{}", rows(0..10, "a"), rows(0..60, "b"));
    check(&gone, &[], &[(14, 59, true, "high", 3000)]);
    let table = backtest(&sandbox, &["ops.toml"]).exits(0).stdout;
    assert!(table.contains("\nload#stale      1  2023-11-14 22:28  open\n"), "{table}");
}

/// A rule that nothing could be judged by is not one that never fired.
#[test]
fn a_rule_that_had_nothing_to_judge_is_said_to_lack_data() {
    let sandbox = Sandbox::new();
    let rules = "[metrics.load]\nlow = 50\nunusual = { season = 'none' }\n[metrics.fans]\nlow = 1\nrate = { low = 1 }\n\
                 [metrics.seldom]\nlow = 9\nrate = { low = 1 }\n[status]\noffline = 'high'\nflapping = { low = 2 }";
    graph(&sandbox, rules, "");
    let history = |rows: u64| {
        let row = |at: u64| format!("{},{},{}\n", 1_700_000_000 + at * 60, at % 7, if at == 3 { "1" } else { "" });
        sandbox.write("history.csv", &format!("timestamp,load,seldom\n{}", (0..rows).map(row).collect::<String>()));
    };
    let lacking = |found: &Value| -> Vec<(String, u64)> {
        let rules = found["rules"].as_array().unwrap().iter().filter(|rule| !rule["insufficient"].is_null());
        let mut rules: Vec<(String, u64)> = rules
            .map(|rule| (rule["rule"].as_str().unwrap().to_string(), rule["insufficient"]["of"].as_u64().unwrap()))
            .collect();
        rules.sort();
        rules
    };
    let expected = [
        ("fans", 0),
        ("fans#rate", 0),
        ("load#unusual", 1),
        ("seldom#rate", 1),
        ("service_status", 0),
        ("service_status#flapping", 0),
    ];
    let expected = expected.map(|(rule, of)| (rule.to_string(), of));
    history(40);
    assert_eq!(lacking(&json(&sandbox, &["ops.toml"])), expected);
    assert_eq!(lacking(&json(&sandbox, &["ops.toml", "--every", "1h"])), expected);
    let told = backtest(&sandbox, &["ops.toml"]).exits(0).stdout;
    let (_, told) = told.split_once("Rules").unwrap();
    insta::assert_snapshot!(format!("Rules{told}"), @r"
    Rules      0 of 8 would have fired, in 0 episodes
    Never      load, seldom
    Unjudged   insufficient data: load#unusual (1 of 1 series: it takes more than 50 readings),
               seldom#rate (1 of 1 series: it takes two readings at different times), fans,
               service_status (nothing came that they judge)
    ");
    // Enough for one of them in the end.
    history(60);
    let enough: Vec<_> = expected.into_iter().filter(|(rule, _)| rule != "load#unusual").collect();
    assert_eq!(lacking(&json(&sandbox, &["ops.toml"])), enough);
    sandbox.write("history.csv", "timestamp,load,service_status.cache\n1700000000,1,online\n");
    let found = json(&sandbox, &["ops.toml"]);
    assert!(lacking(&found).iter().all(|(rule, _)| !rule.starts_with("service_status")), "{found:#}");
}

#[test]
fn a_chart_has_a_panel_for_each_of_the_series_that_fired_longest() {
    let sandbox = Sandbox::new();
    let draw = || {
        backtest(&sandbox, &[GRAPH, "--input", FLEET, "--chart", "chart.svg"]).exits(0);
        sandbox.read("chart.svg")
    };
    let svg = draw();
    assert_eq!(svg, draw());
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g ").count(), 6);
    let at = svg.find(">io_wait@db-1 (%)<").unwrap();
    let panel = &svg[at..at + svg[at..].find("</g>").unwrap()];
    assert_eq!(panel.matches("stroke-dasharray").count(), 3, "three bands: {panel}");
    assert_eq!(panel.matches("opacity=\"0.25\"").count(), 1, "one episode: {panel}");
    assert!(panel.contains(">12:00</text>") && !svg.contains("NaN") && !svg.contains("inf\""), "{panel}");
    // Each reading that is unusual has a mark at its value, since it is too short to be seen as a span.
    let found = json(&sandbox, &["graphs/nab.toml", "--chart", "chart.svg"]);
    let episodes = rule(&found, "value#unusual")["firing"]["episodes"].as_u64().unwrap();
    assert_eq!((episodes, sandbox.read("chart.svg").matches("<circle ").count()), (6, 6));
    assert!(!svg.contains("<circle "));
    let unwritable = backtest(&sandbox, &[GRAPH, "--input", FLEET, "--chart", "no/such/folder.svg"]).exits(1);
    assert!(unwritable.stderr.contains("AG0401"), "{}", unwritable.stderr);
}

const NAB: &str = "graphs/nab.toml";

/// The lines of `--scores` over a file, without the header.
fn scores(sandbox: &Sandbox, history: &str) -> Vec<String> {
    backtest(sandbox, &[NAB, "--input", history, "--scores", "scores.csv"]).exits(0);
    let text = sandbox.read("scores.csv");
    let mut lines = text.lines().map(str::to_string);
    assert_eq!(lines.next().unwrap(), "timestamp,value,anomaly_score");
    lines.collect()
}

/// Time, value and score of a line.
fn cells(line: &str) -> (i64, Option<f64>, Option<f64>) {
    let cells: Vec<&str> = line.split(',').collect();
    let [time, value, score] = cells[..] else { panic!("{line}") };
    (micros(&Value::from(time)), value.parse().ok(), score.parse().ok())
}

#[test]
fn scores_are_a_line_for_each_row_and_know_nothing_of_later_rows() {
    let sandbox = Sandbox::new();
    let history = "fixtures/requests.csv";
    let text = sandbox.read(history);
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let scored = scores(&sandbox, history);
    assert_eq!(scored.len(), rows.len());
    for (line, row) in scored.iter().zip(&rows) {
        let (time, value) = row.split_once(',').unwrap();
        let (scored, stated, score) = cells(line);
        let time = format!("{}Z", time.replace(' ', "T"));
        assert_eq!((scored, stated), (micros(&Value::from(time)), value.parse().ok()), "{row}");
        assert!((0.0..1.0).contains(&score.unwrap()), "{line}");
    }
    assert!(scored.iter().filter(|line| cells(line).2 > Some(0.0)).count() > 10);
    for length in [1, 51, 400, 1000] {
        sandbox.write("prefix.csv", &format!("timestamp,value\n{}\n", rows[..length].join("\n")));
        assert_eq!(scores(&sandbox, "prefix.csv"), scored[..length]);
    }
    // Nor of the unit of the values.
    let scale = |row: &&str| {
        let (time, value) = row.split_once(',').unwrap();
        format!("{time},{}\n", value.parse::<f64>().unwrap() * 1024.0)
    };
    sandbox.write("scaled.csv", &format!("timestamp,value\n{}", rows.iter().map(scale).collect::<String>()));
    let of = |lines: &[String]| lines.iter().map(|line| cells(line).2).collect::<Vec<_>>();
    assert_eq!(of(&scores(&sandbox, "scaled.csv")), of(&scored));
}

/// The threshold on the score is the rule's: what the report counts are the rows that reach it.
#[test]
fn a_score_of_a_half_is_where_anomalies_begin() {
    let sandbox = Sandbox::new();
    let scored = scores(&sandbox, "fixtures/requests.csv");
    let alerts: Vec<(i64, Option<f64>, Option<f64>)> =
        scored.iter().map(|line| cells(line)).filter(|(_, _, score)| *score >= Some(0.5)).collect();
    assert!(alerts.len() > 3, "{alerts:?}");
    sandbox.agent(&["run", NAB, "-q"]).exits(0);
    let journal = std::fs::read_to_string(sandbox.run_folder().join("events.ndjson")).unwrap();
    let (_, cut) = crate::sandbox::events(&journal).into_iter().find(|(name, _)| name == "cut").unwrap();
    let anomaly = &cut["values"]["anomalies"][0];
    assert_eq!(anomaly["name"], "value#unusual");
    let reached = &anomaly["reached"];
    assert_eq!((&reached["low"], &reached["medium"], &reached["high"]), (&0.into(), &alerts.len().into(), &0.into()));
    let worst = alerts.iter().max_by(|a, b| a.2.partial_cmp(&b.2).unwrap()).unwrap();
    for (sample, alert) in [("first", &alerts[0]), ("worst", worst), ("last", &alerts[alerts.len() - 1])] {
        let sample = &anomaly[sample];
        let cut_off = (alert.2.unwrap() * 1000.0).floor() / 1000.0;
        assert_eq!((micros(&sample["time"]), sample["value"].as_f64()), (alert.0, Some(cut_off)), "{anomaly:#}");
    }
    // Reckoned again from what the anomaly states.
    let figure = |name: &str| anomaly["evidence"]["unusual"][name].as_f64().unwrap();
    let (surprise, peak) = (figure("surprise"), figure("peak"));
    let score = surprise / (surprise + 0.125 + 0.075 * peak);
    assert!((score - worst.2.unwrap()).abs() < 1e-8, "{score} {worst:?}");
    assert_eq!(Some(figure("value")), worst.1);
}

#[test]
fn equal_times_and_empty_cells_keep_their_lines() {
    let sandbox = Sandbox::new();
    let mut csv = "timestamp,value\n".to_string();
    for row in 0..200 {
        let (hour, value) = (row / 2, if row == 150 { "90".to_string() } else { (20 + row % 5).to_string() });
        let value = if row % 40 == 39 { String::new() } else { value };
        csv.push_str(&format!("2014-04-{:02} {:02}:00:00,{value}\n", 1 + hour / 24, hour % 24));
    }
    sandbox.write("twice.csv", &csv);
    let scored = scores(&sandbox, "twice.csv");
    assert_eq!(scored.len(), 200);
    assert_eq!(scored[39], "2014-04-01T19:00:00Z,,");
    assert_eq!(scored.iter().filter(|line| line.ends_with("Z,,")).count(), 5);
    let alerts: Vec<usize> = (0..200).filter(|row| cells(&scored[*row]).2 >= Some(0.5)).collect();
    assert_eq!(alerts, [150]);
}

#[test]
fn bad_rows_have_lines_with_their_text_and_change_no_score() {
    let sandbox = Sandbox::new();
    let row = |row: i64| {
        let value = if row == 150 { 90 } else { 20 + row % 5 };
        format!("2014-04-{:02} {:02}:00:00,{value}", 1 + row / 24, row % 24)
    };
    let good: Vec<String> = (0..200).map(row).collect();
    sandbox.write("good.csv", &format!("timestamp,value\n{}\n", good.join("\n")));
    let expected = scores(&sandbox, "good.csv");
    // A time that is none, a cell too many, an empty time; blank lines are no rows.
    let mut rows = good.clone();
    let bad =
        [(200, ",5"), (160, "2014-04-07 15:30:00,6,7"), (60, "\"no\ntime\",3"), (60, "soon,\"3\""), (0, "never,1")];
    for (at, text) in bad {
        rows.insert(at, format!("{text}\n"));
    }
    sandbox.write("bad.csv", &format!("timestamp,value\n{}\n", rows.join("\n")));
    let scored = backtest(&sandbox, &[NAB, "--input", "bad.csv", "--scores", "scores.csv"]).exits(0);
    let read = scored.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(read.contains("5 bad records left out"), "{read}");
    let text = sandbox.read("scores.csv");
    let mut lines: Vec<String> = Vec::new();
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record.unwrap();
        lines.push(record.iter().collect::<Vec<_>>().join("|"));
    }
    assert_eq!(lines.len(), 205);
    for (at, text) in
        [(0, "never,1"), (61, "soon,\"3\""), (62, "\"no\ntime\",3"), (163, "2014-04-07 15:30:00,6,7"), (204, ",5")]
    {
        assert_eq!(lines[at], format!("{text}||"), "{at}");
    }
    let others: Vec<String> =
        lines.iter().filter(|line| !line.ends_with("||")).map(|line| line.replace('|', ",")).collect();
    assert_eq!(others, expected);
    // Of lines and of elements, and of several files one after the other.
    let json =
        |row: &str| row.split_once(',').map(|(t, v)| format!("{{\"timestamp\":\"{t}\",\"value\":{v}}}")).unwrap();
    let (first, second): (Vec<String>, Vec<String>) =
        (good[..3].iter().map(|r| json(r)).collect(), good[3..5].iter().map(|r| json(r)).collect());
    sandbox.write("in-1.ndjson", &format!("{}\n{{\"value\":1}}\n", first.join("\n")));
    sandbox.write("in-2.ndjson", &format!("oops\n{}\n", second.join("\n")));
    sandbox.write("in.json", &format!("[{}, 7, {}]", first.join(","), second.join(",")));
    for (input, bad) in [("in-*.ndjson", vec!["\"{\"\"value\"\":1}\",,", "oops,,"]), ("in.json", vec!["7,,"])] {
        let set = "telemetry.max_bad_ratio=0.5";
        backtest(&sandbox, &[NAB, "--input", input, "--scores", "scores.csv", "--set", set]).exits(0);
        let text = sandbox.read("scores.csv");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        let expected: Vec<&str> = expected[..3]
            .iter()
            .map(String::as_str)
            .chain(bad)
            .chain(expected[3..5].iter().map(String::as_str))
            .collect();
        assert_eq!(lines, expected, "{input}");
    }
}

/// What a rule would fire at is counted where it judges: not by night, and not in a maintenance.
#[test]
fn times_and_shares_are_of_the_hours_in_which_a_rule_judges() {
    let sandbox = Sandbox::new();
    // Two days, a record a minute; too high from 09:30 of the first day on.
    let row = |minute: i64| {
        let time = agent::domain::Timestamp::nearest((1_704_067_200 + minute * 60) * 1_000_000);
        format!("{time},{}\n", if minute >= 570 { 90 } else { 10 })
    };
    sandbox.write("history.csv", &format!("timestamp,load\n{}", (0..=2880).map(row).collect::<String>()));
    let rules = "[metrics.load]\nhigh = 80\nhours = '08:00-10:00'\n";
    graph(&sandbox, rules, "");
    let found = json(&sandbox, &["ops.toml"]);
    let firing = &rule(&found, "load")["firing"];
    let figures =
        |firing: &Value| ["enabled_seconds", "seconds", "longest_seconds"].map(|k| firing[k].as_i64().unwrap());
    // Half an hour of the first day, and two hours of the second, of two hours each.
    assert_eq!(figures(firing), [14_400, 9000, 9000], "{firing:#}");
    assert_eq!(firing["share"].as_f64(), Some(0.625));
    let table = backtest(&sandbox, &["ops.toml"]).exits(0).stdout;
    assert!(
        table.contains("total, longest, share: of the time in which the rule judges, within its hours and outside"),
        "{table}"
    );
    let paused = "[[maintenance]]\nfrom = 2024-01-02T09:00:00Z\nto = 2024-01-02T12:00:00Z\n";
    graph(&sandbox, &format!("{rules}{paused}"), "");
    let found = json(&sandbox, &["ops.toml"]);
    assert_eq!(figures(&rule(&found, "load")["firing"]), [10_800, 5400, 5400]);
    graph(&sandbox, "[metrics.load]\nhigh = 80\n", "");
    let table = backtest(&sandbox, &["ops.toml"]).exits(0).stdout;
    assert!(!table.contains("in which the rule judges"), "{table}");
}

/// One record of fifty years ago makes no windows of half a day.
#[test]
fn a_hole_in_the_history_does_not_choose_the_windows() {
    let sandbox = Sandbox::new();
    graph(&sandbox, "[metrics.load]\nhigh = 80\n", "");
    let rows: String =
        (0..200).map(|at| format!("{},{}\n", 1_704_067_200 + at * 60, if at == 50 { 90 } else { 1 })).collect();
    for (before, count) in [("", 200), ("100000000,1\n", 201)] {
        sandbox.write("history.csv", &format!("timestamp,load\n{before}{rows}"));
        let found = json(&sandbox, &["ops.toml"]);
        assert_eq!(found["windows"]["every_seconds"], 60);
        assert_eq!(found["windows"]["count"], count);
        assert_eq!(rule(&found, "load")["firing"]["seconds"], 60);
    }
}

#[test]
fn a_comparison_names_new_rules_that_judge_nothing_or_never_fire() {
    let sandbox = Sandbox::new();
    graph(&sandbox, "[metrics.load]\nhigh = 80\n[metrics.old]\nhigh = 5", "");
    sandbox.write("history.csv", "timestamp,load\n1700000000,1\n1700000060,90\n1700000120,1\n");
    let same = "[metrics.load]\nhigh = 80\nbelow = { low = -5 }\n[metrics.fans]\nlow = 1\n";
    sandbox.write("other.toml", same);
    let told = backtest(&sandbox, &["ops.toml", "--compare", "other.toml"]).exits(0).stdout;
    let (_, told) = told.split_once("\nWith ").unwrap();
    for said in [
        "other.toml no episode changes\n",
        "\nNew        load#below: new, and would never have fired\n",
        "\nGone       old: never fired before either\n",
        "\nUnjudged   insufficient data: fans ",
    ] {
        assert!(told.contains(said), "{said:?}: {told}");
    }
    sandbox.write("other.toml", &same.replace("high = 80", "high = 95"));
    let told = backtest(&sandbox, &["ops.toml", "--compare", "other.toml"]).exits(0).stdout;
    assert!(told.contains("removed: load\n") && told.contains("\nUnjudged   insufficient data: fans"), "{told}");
}

#[test]
fn a_live_graph_is_tried_on_a_file() {
    let sandbox = Sandbox::new();
    for graph in ["graphs/host.toml", "graphs/follow.toml", "graphs/listen.toml"] {
        let found = json(&sandbox, &[graph, "--input", FLEET]);
        assert_eq!(found["inputs"][0]["records"], 180, "{graph}");
        assert!(rule(&found, "cpu_usage")["firing"]["episodes"].as_u64().unwrap() > 0, "{graph}");
        let refused = backtest(&sandbox, &[graph]).exits(2).stderr;
        assert!(refused.contains("is a live source, and a backtest needs history that ends"), "{refused}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_read() {
    let sandbox = Sandbox::new();
    let check = |arguments: &[&str], code: i32, said: &str| {
        let ran = backtest(&sandbox, arguments).exits(code);
        assert!(ran.stderr.replace("\n  │", "").contains(said), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    };
    check(&[GRAPH, "--scores", "scores.csv"], 2, "AG0330");
    assert!(!sandbox.at("scores.csv").exists());
    check(&[GRAPH, "--input", "-"], 2, "a graph without [window] needs --every");
    check(&[GRAPH, "--input", "-", "--every", "1m", "--chart", "c.svg"], 2, "--chart has to read the history twice");
    check(&[GRAPH, "--input", ""], 2, "--input needs a path");
    check(&[GRAPH, "--input", "nowhere.json"], 1, "nowhere.json");
    check(&[GRAPH, "--every", "soon"], 2, "not a length of time");
    check(&[GRAPH, "--every", "-1d"], 2, "");
    backtest(&sandbox, &[GRAPH, "--input", FLEET, "--every", "1d"]).exits(0);
    check(
        &[GRAPH, "--compare", "nowhere.toml"],
        78,
        "cannot read `nowhere.toml`, the rules of --compare: there is no such file",
    );
    check(&["nowhere.toml"], 78, "AG0002");
    sandbox.write("none.toml", "[nodes.telemetry]\nkind = 'ingest.file'\npath = 'fixtures/fleet.csv'\n");
    check(&["none.toml"], 2, "no node that finds anomalies");
    graph(&sandbox, "[metrics.value]\nhigh = 80", "");
    let twice = "[nodes.again]\nkind = 'detect'\ninputs = { telemetry = 'telemetry' }\nrules = 'rules.toml'\n";
    sandbox.write("ops.toml", &(sandbox.read("ops.toml") + twice));
    check(&["ops.toml", "--input", FLEET, "--compare", "rules.toml"], 2, "--compare needs one detect node");
    // Two nodes with rules of one name are told apart.
    let told = backtest(&sandbox, &["ops.toml", "--input", FLEET]).exits(0).stdout;
    assert!(told.contains("again: value") && told.contains("anomalies: value"), "{told}");
}

#[test]
fn the_manual_and_the_schema_of_what_is_printed() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!("backtest_help", backtest(&sandbox, &["--help"]).exits(0).stdout);
    let schema: Value = serde_json::from_str(&sandbox.agent(&["schema", "backtest"]).exits(0).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let found = json(&sandbox, &[GRAPH, "--input", FLEET, "--compare", "graphs/rules/host.toml"]);
    let faults: Vec<String> = validator.iter_errors(&found).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new());
    let mut wrong = found.clone();
    wrong["rules"][0]["firing"]["episodes"] = Value::from("many");
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn no_output_may_be_a_file_that_was_read() {
    let sandbox = Sandbox::new();
    let history = "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,2\n";
    sandbox.write("h.csv", history);
    let rules = sandbox.read("graphs/rules/nab.toml");
    let overwriting = [
        ["--scores", "h.csv"],
        ["--scores", "./h.csv"],
        ["--chart", "h.csv"],
        ["--scores", "graphs/rules/nab.toml"],
        ["--scores", "-"],
    ];
    for flags in overwriting {
        let ran = sandbox.agent(&[&["backtest", "graphs/nab.toml", "--input", "h.csv"], &flags[..]].concat()).exits(2);
        assert!(ran.stderr.contains("AG0315") && ran.stderr.contains("help:"), "{}", ran.stderr);
    }
    let twice = ["backtest", "graphs/nab.toml", "--input", "h.csv", "--scores", "o", "--chart", "o"];
    sandbox.agent(&twice).exits(2);
    sandbox.agent(&["run", "graphs/nab.toml", "--input", "h.csv", "--output", "./h.csv"]).exits(2);
    assert_eq!((sandbox.read("h.csv"), sandbox.read("graphs/rules/nab.toml")), (history.to_string(), rules));
}
