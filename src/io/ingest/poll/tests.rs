use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::domain::{Batch, Position};
use crate::io::ingest::trial;
use crate::node::{Next, PATIENCE, Wanted};

fn source(text: &str) -> Result<IngestPoll, Vec<String>> {
    let mut source: IngestPoll = trial::build(text)?;
    source.pace = trial::PACE;
    Ok(source)
}

fn reader(text: &str, from: Option<&Position>) -> Box<dyn Reader> {
    let wanted = Wanted { metrics: ["cpu".to_string(), "lastScrapeDuration".to_string()].into() };
    source(text).unwrap().open(&Pass { from, ..Pass::anew("telemetry", &wanted) }).unwrap()
}

/// A server, and its runtime.
struct Api {
    runtime: Runtime,
    server: MockServer,
}

impl Api {
    fn start() -> Api {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(MockServer::builder().start());
        Api { runtime, server }
    }

    fn on(self, mock: wiremock::MockBuilder, answer: impl Respond + 'static) -> Api {
        self.runtime.block_on(mock.respond_with(answer).mount(&self.server));
        self
    }

    fn always(answer: impl Respond + 'static) -> Api {
        Api::start().on(Mock::given(method("GET")), answer)
    }

    fn asked(&self) -> Vec<Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }

    fn uri(&self) -> String {
        self.server.uri()
    }
}

fn json(value: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(value)
}

fn record(time: i64, host: &str) -> Value {
    json!({ "timestamp": time, "host": host, "cpu": time % 100 })
}

/// `host@seconds` of each record.
fn rows(batches: &[Batch]) -> Vec<String> {
    let row = |b: &Batch, i: usize| format!("{}@{}", b.entities[b.entity[i] as usize], b.times[i] / 1_000_000);
    batches.iter().flat_map(|b| (0..b.len()).map(move |i| row(b, i))).collect()
}

/// Reads on until so many records have come.
fn until(reader: &mut dyn Reader, records: usize) -> Vec<String> {
    let mut batches = Vec::new();
    while rows(&batches).len() < records {
        batches.push(trial::until_batch(reader));
    }
    rows(&batches)
}

/// Reads on for a while.
fn for_a_while(reader: &mut dyn Reader, millis: u64) -> Vec<String> {
    let (begun, mut batches) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_millis(millis) {
        let asked = Instant::now();
        match reader.next().unwrap() {
            Next::Batch(batch) => batches.push(batch),
            Next::Idle => assert!(asked.elapsed() < PATIENCE * 10, "{:?}", asked.elapsed()),
            Next::End => panic!("it has ended"),
        }
    }
    rows(&batches)
}

#[test]
fn the_config_is_checked() {
    let plain = source("url = 'https://x/a/b?key=geheim'").unwrap();
    assert_eq!((plain.is_live(), plain.can_be_reread()), (true, true));
    assert!(!source("url = 'https://x'\nonce = true").unwrap().is_live());
    assert!(!source("url = 'https://x'\nonly_new = false").unwrap().can_be_reread());
    for (text, expected) in [
        ("url = 'ftp://x'", "g.toml:1:7: AG0005: only http and https are read"),
        (
            "url = 'https://me:geheim@x'",
            "g.toml:1:7: AG0005: a URL with a credential in it is shown in too many places",
        ),
        ("url = 'https://x?a={since}'", "g.toml:1:7: AG0005: braces that are none of the placeholders"),
        ("url = 'https://{last_millis}.example/'", "g.toml:1:7: AG0005: a placeholder where no time can stand"),
        (
            "url = 'https://x'\nnext = 'n'\ncursor = { from = 'a', param = 'b' }",
            "g.toml:2:8: AG0005: `next` and `cursor` exclude each other",
        ),
        (
            "url = 'https://x'\n[headers]\nX-Key = \"a\\nb\"",
            "g.toml:3:1: AG0005: a value that no request can carry, of the header `X-Key`",
        ),
        (
            "url = 'https://x'\ntoken_env = 'A'\nusername = 'me'",
            "g.toml:1:7: AG0005: for this `url`: `token_env` and `username` exclude each other",
        ),
    ] {
        assert_eq!(source(text).err().unwrap(), [expected], "{text}");
    }
}

#[test]
fn pages_are_followed_to_the_last() {
    let page = |items: &[i64], more: Value| {
        let records: Vec<Value> = items.iter().map(|time| record(*time, "a")).collect();
        let mut page = json!({ "data": { "items": records } });
        page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json(page)
    };
    // The newest first, as most APIs give them, and a cursor that is a number.
    let by_cursor = Api::start()
        .on(Mock::given(query_param_is_missing("cursor")), page(&[60, 50], json!({ "meta": { "next": 7 } })))
        .on(Mock::given(query_param("cursor", "7")), page(&[40, 30], json!({ "meta": { "next": "z&" } })))
        .on(Mock::given(query_param("cursor", "z&")), page(&[20], json!({ "meta": { "next": null } })));
    let by_path = Api::start()
        .on(Mock::given(path("/")), page(&[60, 50], json!({ "links": { "next": "/two" } })))
        .on(Mock::given(path("/two")), page(&[40, 30, 20], json!({ "links": { "next": "" } })));
    let by_link = Api::start();
    let link = format!("<{}/two?page=2>; rel=\"next\"", by_link.uri());
    let by_link = by_link
        .on(Mock::given(path("/")), page(&[60, 50], json!({})).insert_header("link", link.as_str()))
        .on(Mock::given(path("/two")), page(&[40, 30, 20], json!({})));
    for (api, keys) in [
        (by_cursor, "cursor = { from = 'meta.next', param = 'cursor' }"),
        (by_path, "next = 'links.next'"),
        (by_link, ""),
    ] {
        let text = format!("url = '{}'\nonce = true\nrecords = 'data.items'\n{keys}", api.uri());
        let (batches, record) = trial::read_all(reader(&text, None));
        assert_eq!(rows(&batches), ["a@20", "a@30", "a@40", "a@50", "a@60"], "{keys}");
        assert_eq!((record.records, record.faults.len(), record.path), (5, 0, format!("{}/", api.uri())));
        let text = format!("{text}\nmax_pages = 1");
        let (batches, record) = trial::read_all(reader(&text, None));
        assert_eq!(rows(&batches), ["a@50", "a@60"]);
        assert_eq!(record.faults[0].code, "AG0135");
    }
}

#[test]
fn a_page_of_another_server_is_not_asked_for() {
    let other = Api::always(json(json!([record(1, "evil")])));
    let api = Api::always(json(json!({ "items": [record(1, "a")], "next": other.uri() })));
    let text = format!("url = '{}'\nonce = true\nrecords = 'items'\nnext = 'next'", api.uri());
    let (batches, of_input) = trial::read_all(reader(&text, None));
    assert_eq!(rows(&batches), ["a@1"]);
    assert_eq!(of_input.faults[0].code, "AG0131");
    // A redirect neither; one within the server is followed.
    let away = Api::always(ResponseTemplate::new(302).insert_header("location", format!("{}/x", other.uri()).as_str()));
    let fault = trial::until_fault(reader(&format!("url = '{}'", away.uri()), None));
    assert!(
        fault.starts_with("AG0131") && fault.ends_with(&format!("the server sends us on to {}", other.uri())),
        "{fault}"
    );
    assert!(other.asked().is_empty());
    let within = Api::start()
        .on(Mock::given(path("/old")), ResponseTemplate::new(301).insert_header("location", "/new"))
        .on(Mock::given(path("/new")), json(json!([record(1, "a")])));
    let (batches, _) = trial::read_all(reader(&format!("url = '{}/old'\nonce = true", within.uri()), None));
    assert_eq!(rows(&batches), ["a@1"]);
}

#[test]
fn what_was_seen_does_not_count_again() {
    // Every answer has the last three records of two hosts, newest first; host b lags behind.
    let round = AtomicU64::new(0);
    let api = Api::always(move |_: &Request| {
        let now = 100 + i64::try_from(round.fetch_add(1, Ordering::Relaxed)).unwrap();
        json(json!([
            record(now, "a"),
            record(now - 1, "a"),
            record(now - 2, "a"),
            record(now - 9, "b"),
            record(now - 10, "b")
        ]))
    });
    let text = format!(
        "url = '{}/x?since={{last_time}}&from={{last_seconds}}'\nevery = '20ms'\nstart = '1970-01-01T00:01:00Z'",
        api.uri()
    );
    let mut first = reader(&text, None);
    assert_eq!(until(&mut *first, 5), ["b@90", "b@91", "a@98", "a@99", "a@100"]);
    assert_eq!(until(&mut *first, 4), ["b@92", "a@101", "b@93", "a@102"]);
    let asked: Vec<String> = api.asked().iter().map(|request| request.url.query().unwrap().to_string()).collect();
    assert_eq!(asked[0], "since=1970-01-01T00:01:00Z&from=60");
    assert_eq!(asked[1], "since=1970-01-01T00:01:40Z&from=100");
    assert_eq!(first.record().faults, [], "what was left out is no fault");
    // Another process goes on with what is newer.
    let position = first.position().unwrap();
    drop(first);
    let mut second = reader(&text, Some(&position));
    let rest = until(&mut *second, 4);
    assert!(rest.contains(&"b@94".to_string()) && rest.contains(&"a@103".to_string()), "{rest:?}");
    assert!(!rest.contains(&"a@102".to_string()) && !rest.contains(&"b@93".to_string()), "{rest:?}");
    // Unless every record is wanted.
    let mut all = reader(&format!("{text}\nonly_new = false"), None);
    assert_eq!(until(&mut *all, 10).len(), 10);
}

#[test]
fn a_large_round_can_be_left_anywhere() {
    let records: Vec<Value> =
        (0..30_000).rev().map(|i| record(1000 + i / 2, ["a", "b"][usize::try_from(i % 2).unwrap()])).collect();
    let api = Api::always(json(records.into()));
    let text = format!("url = '{}'\nevery = '1h'", api.uri());
    let mut whole = reader(&text, None);
    let all = until(&mut *whole, 30_000);
    let mut reader_of_first = reader(&text, None);
    let mut seen = Vec::new();
    let mut batches = 0;
    while seen.len() < 30_000 {
        seen.extend(rows(&[trial::until_batch(&mut *reader_of_first)]));
        batches += 1;
        let position = reader_of_first.position().unwrap();
        let mut next = reader(&text, Some(&position));
        let rest =
            if seen.len() < 30_000 { until(&mut *next, 30_000 - seen.len()) } else { for_a_while(&mut *next, 300) };
        assert_eq!([seen.clone(), rest].concat(), all, "after batch {batches}");
    }
    assert!(batches > 1);
}

#[test]
fn an_unchanged_answer_is_not_sent_again() {
    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    let api = Api::always(|request: &Request| {
        let sent = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_string());
        match (sent("if-none-match").as_deref(), sent("if-modified-since").as_deref()) {
            (Some("\"v1\""), Some(DATE)) => ResponseTemplate::new(304),
            (None, None) => {
                json(json!([record(5, "a")])).insert_header("etag", "\"v1\"").insert_header("last-modified", DATE)
            }
            other => ResponseTemplate::new(400).set_body_string(format!("{other:?}")),
        }
    });
    let text = format!("url = '{}'\nevery = '20ms'\nonly_new = false", api.uri());
    let mut reader_of_first = reader(&text, None);
    assert_eq!(for_a_while(&mut *reader_of_first, 400), ["a@5"]);
    assert!(api.asked().len() > 3);
    let position = reader_of_first.position().unwrap();
    let mut second = reader(&text, Some(&position));
    assert_eq!(for_a_while(&mut *second, 200), Vec::<String>::new(), "also by the next process");
    assert_eq!(second.record().faults, []);
}

#[test]
fn a_feed_goes_on_at_its_cursor() {
    let api = Api::always(|request: &Request| {
        let at = request
            .url
            .query_pairs()
            .find(|(key, _)| key == "after")
            .map_or(0, |(_, value)| value.parse::<i64>().unwrap());
        let records: Vec<Value> = (at + 1..=(at + 2).min(7)).map(|time| record(time, "a")).collect();
        json(json!({ "items": records, "after": (at + 2).min(7).to_string() }))
    });
    let text = format!(
        "url = '{}'\nevery = '20ms'\nrecords = 'items'\nmax_pages = 2\ncursor = {{ from = 'after', param = 'after', keep = true }}",
        api.uri()
    );
    let mut feed = reader(&text, None);
    let all: Vec<String> = (1..=7).map(|time| format!("a@{time}")).collect();
    assert_eq!(until(&mut *feed, 4), all[..4]);
    let position = feed.position().unwrap();
    let before = api.asked().len();
    let mut second = reader(&text, Some(&position));
    assert_eq!(for_a_while(&mut *second, 300), all[4..]);
    assert_eq!(api.asked()[before].url.query(), Some("after=4"));
}

#[test]
fn an_outage_is_waited_out_as_the_server_asks() {
    let tries = AtomicU64::new(0);
    let api = Api::always(move |_: &Request| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => json(json!([record(1, "a")])),
        1 => ResponseTemplate::new(429).insert_header("retry-after", "1"),
        2 => ResponseTemplate::new(404),
        3 => ResponseTemplate::new(200).set_body_string("<html>"),
        4 => ResponseTemplate::new(200).set_body_bytes(vec![b' '; (16 << 20) + 1]),
        5 => ResponseTemplate::new(200).set_delay(Duration::from_millis(700)),
        _ => json(json!([record(2, "a")])),
    });
    let text = format!("url = '{}'\nevery = '20ms'\nrequest_timeout = '400ms'", api.uri());
    let mut reader = reader(&text, None);
    assert_eq!(until(&mut *reader, 1), ["a@1"]);
    let begun = Instant::now();
    assert_eq!(until(&mut *reader, 1), ["a@2"]);
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    let faults = reader.record().faults;
    assert_eq!(faults.iter().map(|f| (f.code.as_str(), f.count)).collect::<Vec<_>>(), [("AG0130", 1)]);
    let told = &faults[0].examples[0].detail;
    assert!(told.contains("it answers 429 Too Many Requests; back after") && told.contains("5 failed tries"), "{told}");
}

#[test]
fn what_is_wrong_at_first_is_told_clearly() {
    let many = format!("[{}]", "x".repeat(16 << 20));
    for (answer, keys, expected) in [
        (
            json(json!({ "data": [] })),
            "records = 'items'",
            "AG0132: {}/: the answer has nothing under `items`; its keys are `data`",
        ),
        (
            ResponseTemplate::new(200).set_body_string("<html>"),
            "",
            "AG0132: {}/: the answer is no JSON: expected value at line 1 column 1",
        ),
        (ResponseTemplate::new(401), "", "AG0131: {}/: it answers 401 Unauthorized"),
        (ResponseTemplate::new(200).set_body_string(many), "", "AG0132: {}/: the answer is longer than 16 MiB"),
        (
            json(json!({ "data": [record(1, "a")] })),
            "",
            "AG0103: {}/ has no valid record; 1 could not be used, the first: record without a readable time (AG0109): no `timestamp`",
        ),
    ] {
        let api = Api::always(answer);
        let fault = trial::until_fault(reader(&format!("url = '{}'\n{keys}", api.uri()), None));
        assert_eq!(fault, expected.replace("{}", &api.uri()));
    }
    // A server that is not there yet is waited for; a finite source gives up.
    let port = trial::free_port();
    let mut live = reader(&format!("url = 'http://127.0.0.1:{port}'"), None);
    assert_eq!(for_a_while(&mut *live, 300), Vec::<String>::new());
    assert!(live.record().faults[0].examples[0].detail.contains("no connection: "), "{:?}", live.record());
    let fault = trial::until_fault(reader(&format!("url = 'http://127.0.0.1:{port}'\nonce = true"), None));
    assert!(fault.contains("AG0130") && fault.contains("tried 5 times"), "{fault}");
    let api = Api::always(json(json!([])));
    assert!(trial::until_fault(reader(&format!("url = '{}'\nonce = true", api.uri()), None)).contains("AG0103"));
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let api = Api::start()
        .on(
            Mock::given(header("authorization", "Bearer token-0123456789")).and(header("x-tenant", "tenant-1")),
            json(json!([record(1, "a")])),
        )
        .on(
            Mock::given(method("GET")),
            ResponseTemplate::new(403).set_body_string("no: token-9876543210 tenant-1 key=geheimnis"),
        );
    let variables =
        Environment::from_pairs([("GOOD", "token-0123456789"), ("BAD", "token-9876543210"), ("ODD", "a b")]);
    let wanted = Wanted::default();
    let open = |token: &str| {
        let text =
            format!("url = '{}?key=geheimnis'\ntoken_env = '{token}'\n[headers]\nX-Tenant = 'tenant-1'", api.uri());
        source(&text).unwrap().open_with(&Pass::anew("telemetry", &wanted), &variables)
    };
    let mut good = open("GOOD").unwrap();
    assert_eq!(trial::until_batch(&mut *good).len(), 1);
    assert!(!good.position().unwrap().0.contains("geheim") && !good.record().path.contains("geheim"));
    let fault = trial::until_fault(open("BAD").unwrap());
    assert_eq!(fault, format!("AG0131: {}/: it answers 403 Forbidden: no: *** *** key=***", api.uri()));
    assert_eq!(open("NONE").err().unwrap().to_string(), "AG0133: the variable NONE is not set");
    assert_eq!(open("ODD").err().unwrap().to_string(), "AG0133: ODD has a space in it");
}

/// Python's web server, which knows `If-Modified-Since`, and a file that grows.
#[test]
fn a_real_web_server_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.ndjson");
    let line = |time: i64| record(time, "a").to_string() + "\n";
    std::fs::write(&file, line(1) + &line(2)).unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    let port = trial::free_port();
    let arguments =
        ["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory", folder.path().to_str().unwrap()];
    let server = trial::start("python3", &arguments.map(String::from));
    let Some(server) = server else { return println!("skipped: python3 is not installed") };
    let text = format!("url = 'http://127.0.0.1:{port}/records.ndjson'\nevery = '50ms'");
    let mut reader = reader(&text, None);
    assert_eq!(until(&mut *reader, 2), ["a@1", "a@2"]);
    let bytes = reader.record().bytes;
    assert_eq!(for_a_while(&mut *reader, 400), Vec::<String>::new());
    assert_eq!(reader.record().bytes, bytes, "304, so nothing is sent");
    std::fs::write(&file, line(1) + &line(2) + &line(3)).unwrap();
    assert_eq!(until(&mut *reader, 1), ["a@3"]);
    drop(server);
    std::fs::write(&file, line(3) + &line(4)).unwrap();
    assert_eq!(for_a_while(&mut *reader, 300), Vec::<String>::new());
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(std::time::SystemTime::now() + Duration::from_secs(5))
        .unwrap();
    let _server = trial::start("python3", &arguments.map(String::from));
    assert_eq!(until(&mut *reader, 1), ["a@4"]);
    assert!(reader.record().faults.iter().any(|f| f.code == "AG0130" && f.examples[0].detail.contains("back after")));
}

/// An API of Prometheus that is no query: which targets it scrapes, and how long that took.
#[test]
fn a_real_api_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let port = trial::free_port();
    let file = folder.path().join("prometheus.yml");
    let scrapes = format!(
        "scrape_configs: [{{ job_name: self, scrape_interval: 300ms, scrape_timeout: 200ms, static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}]"
    );
    std::fs::write(&file, scrapes).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", folder.path().join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let server = trial::start("prometheus", &arguments);
    let Some(_server) = server else { return println!("skipped: prometheus is not installed") };
    let text = format!(
        "url = 'http://127.0.0.1:{port}/api/v1/targets?state=active'\nevery = '200ms'\nrecords = 'data.activeTargets'\n\
         schema = {{ timestamp = 'lastScrape', entity = ['labels.instance'] }}"
    );
    let mut reader = reader(&text, None);
    let mut times = Vec::new();
    while times.len() < 4 {
        let batch = trial::until_batch(&mut *reader);
        assert_eq!(&*batch.entities[0], format!("127.0.0.1:{port}"));
        if batch.times[0] > 0 {
            assert!(batch.metrics[0].values.iter().all(|seconds| (0.0..1.0).contains(seconds)), "{batch:?}");
            times.extend(batch.times);
        }
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "each scrape once: {times:?}");
}
