use std::time::Instant;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::domain::{Batch, InputRecord, NO_ENTITY, NO_STATUS, Position};
use crate::io::ingest::trial;
use crate::node::{Next, PATIENCE, Wanted};

const QUERIES: &str = "queries = { cpu_usage = 'cpu' }";

fn source(text: &str) -> Result<IngestPrometheus, Vec<String>> {
    let mut source: IngestPrometheus = trial::build(text)?;
    source.pace = trial::PACE;
    Ok(source)
}

fn reader(text: &str, from: Option<&str>) -> Box<dyn Reader> {
    let wanted = Wanted { metrics: ["cpu_usage", "memory_usage"].map(String::from).into() };
    let from = from.map(|text| Position(text.to_string()));
    source(text).unwrap().open(&Pass { from: from.as_ref(), ..Pass::anew("telemetry", &wanted) }).unwrap()
}

fn matrix(series: Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "status": "success", "data": { "resultType": "matrix", "result": series } }))
}

/// One series of host `a` that has the number of the step as its value, whatever is asked for.
fn counting(request: &Request) -> ResponseTemplate {
    let of = |name: &str| request.url.query_pairs().find(|(key, _)| key == name).unwrap().1.parse::<f64>().unwrap();
    let (start, end, step) = (of("start"), of("end"), of("step"));
    let steps = ((end - start) / step).round() as i64;
    let values: Vec<Value> = (0..=steps)
        .map(|i| json!([start + i as f64 * step, ((start + i as f64 * step) / step).round().to_string()]))
        .collect();
    matrix(json!([{ "metric": { "instance": "a" }, "values": values }]))
}

fn serve(answer: impl wiremock::Respond + 'static) -> (Runtime, MockServer) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(MockServer::start());
    runtime.block_on(Mock::given(path("/api/v1/query_range")).respond_with(answer).mount(&server));
    (runtime, server)
}

fn value_of(batch: &Batch, metric: &str) -> Vec<f64> {
    batch.metrics.iter().find(|m| &*m.name == metric).map(|m| m.values.clone()).unwrap_or_default()
}

#[test]
fn the_config_is_checked() {
    let plain = source(&format!("url = 'http://localhost:9090'\n{QUERIES}")).unwrap();
    assert_eq!(plain.endpoint.as_str(), "http://localhost:9090/api/v1/query_range");
    assert!(plain.is_live() && plain.can_be_reread());
    let prefixed =
        source(&format!("url = 'https://x/prom/'\n{QUERIES}\nstart = '1h'\nend = '2026-01-01T00:00:00Z'")).unwrap();
    assert_eq!(prefixed.endpoint.path(), "/prom/api/v1/query_range");
    assert!(!prefixed.is_live());
    for (text, expected) in [
        (format!("url = 'localhost:9090'\n{QUERIES}"), "g.toml:1:7: AG0005: only http and https are read"),
        (
            format!("url = 'http://me:geheim@x'\n{QUERIES}"),
            "g.toml:1:7: AG0005: a URL with a credential in it is shown in too many places",
        ),
        (
            "url = 'http://x'".to_string(),
            "g.toml:1:7: AG0005: nothing is asked of it: neither `queries` nor `statuses` has an entry",
        ),
        (
            "url = 'http://x'\nqueries = { timestamp = 'x' }".to_string(),
            "g.toml:2:13: AG0005: `timestamp` cannot be the name of a metric",
        ),
        (
            format!("url = 'http://x'\n{QUERIES}\nstep = '0s'"),
            "g.toml:3:8: AG0005: `step` cannot be zero or a part of a millisecond",
        ),
        (
            format!("url = 'http://x'\n{QUERIES}\nend = '2026-01-01T00:00:00Z'"),
            "g.toml:3:7: AG0005: `end` needs a `start`",
        ),
        (
            format!("url = 'http://x'\n{QUERIES}\nusername = 'me'"),
            "g.toml:1:7: AG0005: for this `url`: `username` needs a `password_env`",
        ),
    ] {
        assert_eq!(source(&text).err().unwrap(), [expected], "{text}");
    }
}

#[test]
fn a_span_of_the_past_is_read_to_its_end_in_pieces() {
    let (runtime, server) = serve(counting);
    let text = format!(
        "url = '{}'\n{QUERIES}\nstep = '10s'\nstart = '2026-01-01T00:00:00Z'\nend = '2026-01-01T04:00:05Z'",
        server.uri()
    );
    let (batches, record) = trial::read_all(reader(&text, None));
    let times: Vec<i64> = batches.iter().flat_map(|batch| batch.times.clone()).collect();
    assert_eq!(times.len(), 4 * 360 + 1);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 10_000_000), "no step is missed or read twice");
    assert_eq!(
        (record.first, record.last),
        (Timestamp::parse("2026-01-01T00:00:00Z"), Timestamp::parse("2026-01-01T04:00:00Z"))
    );
    assert_eq!((record.records, record.faults.len(), record.format.as_str()), (1441, 0, "prometheus"));
    assert_eq!(runtime.block_on(server.received_requests()).unwrap().len(), 3, "500 steps at a time");
}

#[test]
fn a_live_source_goes_on_where_it_stopped() {
    let (_runtime, server) = serve(counting);
    let text = format!("url = '{}'\n{QUERIES}\nstep = '100ms'\ndelay = '0s'", server.uri());
    let mut first = reader(&text, None);
    let mut times = Vec::new();
    while times.len() < 5 {
        let begun = Instant::now();
        let next = first.next().unwrap();
        assert!(begun.elapsed() < PATIENCE * 10, "{:?}", begun.elapsed());
        if let Next::Batch(batch) = next {
            times.extend(batch.times.clone());
            assert_eq!(
                value_of(&batch, "cpu_usage"),
                batch.times.iter().map(|t| (*t / 100_000) as f64).collect::<Vec<_>>()
            );
        }
    }
    let position = first.position().unwrap();
    drop(first);
    std::thread::sleep(std::time::Duration::from_millis(350));
    let mut second = reader(&text, Some(&position.0));
    while times.len() < 12 {
        if let Next::Batch(batch) = second.next().unwrap() {
            times.extend(batch.times);
        }
    }
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 100_000), "{times:?}");
}

#[test]
fn an_outage_is_waited_out_and_told_of() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(MockServer::builder().start());
    let mount = |answer: ResponseTemplate, times: u64| {
        let mock = Mock::given(method("GET")).respond_with(answer).up_to_n_times(times);
        runtime.block_on(mock.mount(&server));
    };
    mount(ResponseTemplate::new(503), 2);
    runtime.block_on(Mock::given(method("GET")).respond_with(counting).mount(&server));
    let text = format!("url = '{}'\n{QUERIES}\nstep = '100ms'\ndelay = '0s'", server.uri());
    let mut reader = reader(&text, None);
    let batch = trial::until_batch(&mut *reader);
    assert!(!batch.is_empty());
    let record = reader.record();
    assert_eq!(record.faults.iter().map(|f| (f.code.as_str(), f.count)).collect::<Vec<_>>(), [("AG0130", 1)]);
    let told = &record.faults[0].examples[0].detail;
    assert!(
        told.contains("it answers 503 Service Unavailable; back after") && told.contains("2 failed tries"),
        "{told}"
    );
    // The server dies, and with it connections that were kept.
    let last = *batch.times.last().unwrap();
    let address = *server.address();
    runtime.block_on(async { drop(server) });
    let away = Instant::now();
    while away.elapsed() < std::time::Duration::from_millis(500) {
        assert!(!matches!(reader.next().unwrap(), Next::End));
    }
    let listener = std::net::TcpListener::bind(address);
    let Ok(listener) = listener else { return println!("skipped: the port was taken meanwhile") };
    let server = runtime.block_on(MockServer::builder().listener(listener).start());
    runtime.block_on(Mock::given(method("GET")).respond_with(counting).mount(&server));
    let mut times = vec![last];
    while times.len() < 5 {
        times.extend(trial::until_batch(&mut *reader).times);
    }
    assert_eq!(reader.record().faults[0].count, 2);
    let records = reader.record().records;
    assert!(records >= 5 && reader.record().entities == 1);
    assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == 100_000), "what was missed is read later: {times:?}");
}

#[test]
fn what_is_refused_at_first_ends_the_run_and_later_does_not() {
    let parse_error = ResponseTemplate::new(400).set_body_json(
        json!({ "status": "error", "errorType": "bad_data", "error": "1:5: parse error: unexpected end of input" }),
    );
    let (runtime, server) = serve(parse_error.clone());
    let text = format!("url = '{}'\n{QUERIES}\nstep = '100ms'\ndelay = '0s'", server.uri());
    let fault = trial::until_fault(reader(&text, None));
    assert_eq!(
        fault,
        format!(
            "AG0131: {}/api/v1/query_range: the query of `cpu_usage`: 1:5: parse error: unexpected end of input",
            server.uri()
        )
    );
    for (answer, expected) in [
        (
            ResponseTemplate::new(200).set_body_string("<html>hello"),
            "AG0132: {}/api/v1/query_range: what answers there is no Prometheus",
        ),
        (
            ResponseTemplate::new(404).set_body_string("404 page not found\n"),
            "AG0131: {}/api/v1/query_range: it answers 404 Not Found: 404 page not found",
        ),
        (
            ResponseTemplate::new(401).set_body_string("<html>"),
            "AG0131: {}/api/v1/query_range: it answers 401 Unauthorized",
        ),
        (
            ResponseTemplate::new(302).insert_header("location", "https://elsewhere.example/login"),
            "AG0131: {}/api/v1/query_range: the server sends us on to https://elsewhere.example",
        ),
    ] {
        runtime.block_on(server.reset());
        runtime.block_on(Mock::given(method("GET")).respond_with(answer).mount(&server));
        assert_eq!(trial::until_fault(reader(&text, None)), expected.replace("{}", &server.uri()));
    }
    // Later one query that is refused costs that query only.
    runtime.block_on(server.reset());
    runtime.block_on(Mock::given(query_param("query", "bad")).respond_with(parse_error).mount(&server));
    runtime.block_on(Mock::given(query_param("query", "cpu")).respond_with(counting).mount(&server));
    let text = text.replace("{ cpu", "{ memory_usage = 'bad', cpu");
    let from = Timestamp::from_micros(now().micros() - 1_000_000).unwrap().to_string();
    let mut reader = reader(&text, Some(&from));
    assert!(!value_of(&trial::until_batch(&mut *reader), "cpu_usage").is_empty());
    let faults = reader.record().faults;
    assert_eq!(faults[0].code, "AG0131");
    assert!(faults[0].examples[0].detail.contains("the query of `memory_usage`"), "{faults:?}");
}

#[test]
fn a_finite_source_gives_up() {
    let (_runtime, server) = serve(ResponseTemplate::new(500).set_body_string("no"));
    let text =
        format!("url = '{}'\n{QUERIES}\nstart = '2026-01-01T00:00:00Z'\nend = '2026-01-01T00:01:00Z'", server.uri());
    let fault = trial::until_fault(reader(&text, None));
    assert!(
        fault.contains("AG0130") && fault.contains("tried 5 times: it answers 500 Internal Server Error: no"),
        "{fault}"
    );
    let (_runtime, server) = serve(matrix(json!([])));
    let text = text.replace(text.split('\'').nth(1).unwrap(), &server.uri());
    assert!(trial::until_fault(reader(&text, None)).contains("has no record for what it was asked"));
}

#[test]
fn a_credential_is_sent_and_never_shown() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(MockServer::start());
    let answers = |name: &'static str, value: &'static str| {
        runtime.block_on(Mock::given(header(name, value)).respond_with(counting).mount(&server));
    };
    answers("authorization", "Bearer token-0123456789");
    answers("authorization", "Basic bWU6cGFzcyB3b3JkIDEyMw=="); // me:pass word 123
    let echo = |request: &Request| {
        let sent = request.headers.get("authorization").map(|v| v.to_str().unwrap().to_string());
        ResponseTemplate::new(403).set_body_string(format!("not you: {sent:?}"))
    };
    runtime.block_on(Mock::given(method("GET")).respond_with(echo).mount(&server));
    let text = format!("url = '{}'\n{QUERIES}\nstep = '100ms'\ndelay = '0s'", server.uri());
    let variables = Environment::from_pairs([
        ("PROM_TOKEN", "token-0123456789"),
        ("PROM_PASSWORD", "pass word 123"),
        ("PROM_WRONG", "wrong-0123456789"),
    ]);
    let wanted = Wanted::default();
    let open = |access: &str| {
        source(&format!("{text}\n{access}")).unwrap().open_with(&Pass::anew("telemetry", &wanted), &variables)
    };
    for access in ["token_env = 'PROM_TOKEN'", "username = 'me'\npassword_env = 'PROM_PASSWORD'"] {
        assert!(!trial::until_batch(&mut *open(access).unwrap()).is_empty());
    }
    let fault = trial::until_fault(open("token_env = 'PROM_WRONG'").unwrap());
    assert!(fault.contains("403 Forbidden: not you") && !fault.contains("wrong-0123"), "{fault}");
    let fault = open("token_env = 'PROM_MISSING'").err().unwrap();
    assert_eq!(fault.to_string(), "AG0133: the variable PROM_MISSING is not set");
}

/// Strings by name, as TOML.
fn toml_text(table: &toml::Table) -> String {
    table.iter().map(|(name, query)| format!("{name} = '''{}'''\n", query.as_str().unwrap())).collect()
}

/// Debian's `prometheus` and `prometheus-node-exporter`: this machine as they see it.
#[test]
fn a_real_prometheus_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (exporter_port, port) = (trial::free_port(), trial::free_port());
    let exporter =
        trial::start("prometheus-node-exporter", &[format!("--web.listen-address=127.0.0.1:{exporter_port}")]);
    let Some(_exporter) = exporter else { return println!("skipped: prometheus-node-exporter is not installed") };
    let scrapes = format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 400ms }}\nscrape_configs:\n  - job_name: node\n    static_configs: [{{ targets: ['127.0.0.1:{exporter_port}'] }}]\n  - job_name: gone\n    static_configs: [{{ targets: ['127.0.0.1:1'] }}]\n"
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, scrapes).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", folder.path().join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let Some(prometheus) = trial::start("prometheus", &arguments) else {
        return println!("skipped: prometheus is not installed");
    };
    // Asked at once, before it listens: that is an outage like any other.
    let begin = now();
    let text = format!(
        "url = 'http://127.0.0.1:{port}'\nstep = '500ms'\ndelay = '1s'\nrequest_timeout = '5s'\n\
         queries = {{ cpu_usage = '100 - avg by (instance) (rate(node_cpu_seconds_total{{mode=\"idle\"}}[2s])) * 100', \
         memory_usage = '100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)' }}\n\
         statuses = {{ node = 'up{{job=\"node\"}}', gone = 'up{{job=\"gone\"}}' }}"
    );
    let mut live = reader(&text, None);
    let (mut batches, deadline) = (Vec::new(), Instant::now() + std::time::Duration::from_secs(30));
    let complete = |batches: &[Batch]| {
        batches.iter().flat_map(|b| value_of(b, "cpu_usage")).filter(|v| v.is_finite()).count() >= 5
    };
    while !complete(&batches) {
        assert!(Instant::now() < deadline, "{:?}", live.record());
        if let Next::Batch(batch) = live.next().unwrap() {
            batches.push(batch);
        }
    }
    let (_, last) = (live.position(), live.record().last.unwrap());
    let names: BTreeMap<String, usize> = batches
        .iter()
        .flat_map(|b| b.entity.iter().map(|e| b.entities[*e as usize].to_string()))
        .fold(BTreeMap::new(), |mut all, name| {
            *all.entry(name).or_default() += 1;
            all
        });
    assert_eq!(
        names.keys().cloned().collect::<Vec<_>>(),
        ["127.0.0.1:1".to_string(), format!("127.0.0.1:{exporter_port}")]
    );
    assert!(batches.iter().all(|b| b.entity.iter().all(|e| *e != NO_ENTITY)));
    for batch in &batches {
        assert!(value_of(batch, "cpu_usage").iter().all(|v| v.is_nan() || (-1.0..=101.0).contains(v)), "{batch:?}");
        assert!(value_of(batch, "memory_usage").iter().all(|v| v.is_nan() || (0.0..=100.0).contains(v)));
        for (service, level) in [("node", 0), ("gone", 2)] {
            let column = batch.services.iter().find(|s| &*s.name == service);
            assert!(column.is_none_or(|s| s.levels.iter().all(|l| *l == level || *l == NO_STATUS)), "{batch:?}");
        }
    }
    // The same span again, as a backfill: the same records.
    let past = format!("{text}\nstart = '{begin}'\nend = '{last}'");
    let (again, record) = trial::read_all(reader(&past, None));
    let rows = |batches: &[Batch]| -> Vec<String> {
        let row = |b: &Batch, i: usize| {
            let cells =
                b.metrics.iter().filter(|m| !m.values[i].is_nan()).map(|m| format!("{}={:?}", m.name, m.values[i]));
            format!("{} {} {:?}", b.times[i], b.entities[b.entity[i] as usize], cells.collect::<Vec<_>>())
        };
        batches.iter().flat_map(|b| (0..b.len()).map(move |i| row(b, i))).collect()
    };
    let (live_rows, again_rows) = (rows(&batches), rows(&again));
    assert!(again_rows.ends_with(&live_rows), "{live_rows:#?} {again_rows:#?}");
    assert_eq!(record.bad, 0);
    // The queries of the shipped graph are good PromQL.
    let graph = std::fs::read_to_string("graphs/prometheus.toml").unwrap();
    let graph: toml::Table = graph.parse().unwrap();
    let asked = graph["nodes"]["telemetry"].as_table().unwrap();
    let table = |key: &str| format!("[{key}]\n{}", toml_text(asked[key].as_table().unwrap()));
    let shipped = format!(
        "url = 'http://127.0.0.1:{port}'\nstep = '500ms'\nstart = '{begin}'\nend = '{last}'\n{}{}",
        table("queries"),
        table("statuses")
    );
    let (batches_of_shipped, _) = trial::read_all(reader(&shipped, None));
    assert!(batches_of_shipped.iter().flat_map(|b| value_of(b, "memory_usage")).any(|v| v > 0.0));
    // It dies and comes back on the same data: an outage, and what it kept is read.
    drop(prometheus);
    let away = Instant::now();
    while away.elapsed() < std::time::Duration::from_secs(1) {
        live.next().unwrap();
    }
    let _prometheus = trial::start("prometheus", &arguments).unwrap();
    let before = live.record().records;
    while live.record().records < before + 4 {
        assert!(Instant::now() < deadline + std::time::Duration::from_secs(30), "{:?}", live.record());
        live.next().unwrap();
    }
    let record: InputRecord = live.record();
    let outages = record.faults.iter().find(|f| f.code == "AG0130").unwrap();
    assert!(outages.count >= 1 && outages.examples.iter().any(|e| e.detail.contains("connection")), "{outages:?}");
    while Timestamp::parse(&live.position().unwrap().0).unwrap() <= last {
        assert!(Instant::now() < deadline + std::time::Duration::from_secs(60), "{:?}", live.position());
        live.next().unwrap();
    }
}
