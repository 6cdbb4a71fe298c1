use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::diagnostic::SourceFile;
use crate::domain::{ClosedBy, Episode, Language, Phase, Severity, WindowRecord, WindowSpan};
use crate::port::{Files, Memory};

/// What no text may hold.
const TOKEN: &str = "SECRETTOKEN0123";

struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, _: &str) -> Result<SourceFile, String> {
        Err("no file".to_string())
    }
    fn locate(&self, path: &str) -> String {
        self.0.join(path).to_string_lossy().into_owned()
    }
}

/// What earlier windows kept.
#[derive(Default)]
struct Kept(Mutex<HashMap<String, String>>);

impl Memory for Kept {
    fn recall(&self, key: &str) -> Option<String> {
        self.0.lock().unwrap().get(key).cloned()
    }
}

/// A node in a folder of its own.
struct Alert {
    folder: tempfile::TempDir,
    node: Notify,
    kept: Arc<Kept>,
}

impl Alert {
    fn new(url: &str, more: &str) -> Alert {
        let folder = tempfile::tempdir().unwrap();
        let source = SourceFile::new("g.toml", format!("url = '{url}'\n{more}"));
        let config: Config = toml::from_str(&source.text).unwrap();
        let files = Beside(folder.path().to_path_buf());
        let mut node = Notify::new(config, &Assets::new(Language::En, &source, &files)).unwrap();
        node.endpoint.hurry();
        Alert { folder, node, kept: Arc::default() }
    }

    /// The run of a graph without windows.
    async fn run(&self, run: &str, anomalies: &[(&str, Severity)]) -> Result<Delivery, TaskError> {
        self.give(run, Input { report: report(anomalies), anomalies: None }, None).await
    }

    /// The run of a window, with the episodes that it mentions.
    async fn window(&self, run: &str, episodes: &[(&str, Phase, Severity)]) -> Delivery {
        let time = |text| Timestamp::parse(text).unwrap();
        let anomaly = |(name, phase, worst): &(&str, Phase, Severity)| {
            let since = time("2023-10-01T12:00:01Z");
            let (id, phase) = (format!("{name}/{}", since.label()), *phase);
            let episode = Episode { id, phase, since, worst_severity: *worst, windows: 1 };
            Anomaly { episode: Some(episode), ..Anomaly::example(name, 99.0, *worst) }
        };
        let anomalies: Vec<Anomaly> = episodes.iter().map(anomaly).collect();
        let of_report: Vec<(&str, Severity)> =
            anomalies.iter().filter(|a| !a.is_over()).map(|a| (a.name.as_str(), a.severity)).collect();
        let input = Input { report: report(&of_report), anomalies: Some(anomalies) };
        let span = WindowSpan { start: time("2023-10-01T12:00:00Z"), end: time("2023-10-01T12:01:00Z") };
        let closed_by = ClosedBy::Watermark;
        let window = WindowRecord { span, closed_by, partial: false, late: 0, carried: 0 };
        self.give(run, input, Some(window)).await.unwrap()
    }

    async fn give(&self, run: &str, input: Input, window: Option<WindowRecord>) -> Result<Delivery, TaskError> {
        let memory: Arc<dyn Memory> = self.kept.clone();
        let cx = Cx::new("alert".to_string(), Language::En, None).within(run.to_string(), window, Some(memory));
        let delivery = Task::run(&self.node, input, &cx).await;
        for note in cx.take_notes() {
            assert!(!format!("{note:?}").contains(TOKEN), "{note:?}");
            match note {
                Note::Keep { key, value } => drop(self.kept.0.lock().unwrap().insert(key, value)),
                Note::Delivery(noted) => assert_eq!(Ok(&noted), delivery.as_ref()),
                other => panic!("{other:?}"),
            }
        }
        assert!(!format!("{delivery:?}").contains(TOKEN), "{delivery:?}");
        delivery
    }

    fn dead_letters(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("alerts-failed.ndjson")).unwrap_or_default();
        assert!(!text.contains(TOKEN), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn report(anomalies: &[(&str, Severity)]) -> Report {
    let anomalies: Vec<Value> = anomalies
        .iter()
        .map(|(name, severity)| {
            json!({ "metric": name, "value": 9, "threshold": 5, "severity": severity,
                    "description": format!("About {name}.") })
        })
        .collect();
    serde_json::from_value(json!({
        "timestamp": "2023-10-01T12:00:58Z", "insights": {}, "anomalies": anomalies, "recommendations": [],
        "service_status_summary": { "online": [], "degraded": [], "offline": [] },
    }))
    .unwrap()
}

/// Gives these answers in turn, then 200; remembers when each request came.
struct Answers(Mutex<Vec<ResponseTemplate>>, Arc<Mutex<Vec<Instant>>>);

impl Respond for Answers {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.1.lock().unwrap().push(Instant::now());
        let mut answers = self.0.lock().unwrap();
        if answers.is_empty() { ResponseTemplate::new(200).set_body_string("ok") } else { answers.remove(0) }
    }
}

/// A receiver, its address, and when requests came.
async fn receiver(answers: Vec<ResponseTemplate>) -> (MockServer, String, Arc<Mutex<Vec<Instant>>>) {
    let server = MockServer::start().await;
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let answers = Answers(Mutex::new(answers), times.clone());
    let at = format!("/services/{TOKEN}");
    Mock::given(method("POST")).and(path(at.as_str())).respond_with(answers).mount(&server).await;
    let url = format!("{}{at}", server.uri());
    (server, url, times)
}

fn status(status: u16) -> ResponseTemplate {
    // Receivers may echo the address.
    ResponseTemplate::new(status).set_body_string(format!("no: /services/{TOKEN}"))
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

const HIGH: &[(&str, Severity)] = &[("cpu@a", Severity::High)];

#[tokio::test]
async fn an_alert_is_posted_with_its_key() {
    let (server, url, _) = receiver(vec![]).await;
    let alert = Alert::new(&url, "");
    let delivery = alert.run("r1", HIGH).await.unwrap();
    assert_eq!((delivery.outcome, delivery.attempts), (DeliveryOutcome::Delivered, 1));
    assert_eq!(delivery.endpoint, server.uri());
    let sent = &requests(&server).await[0];
    assert_eq!(sent.headers["idempotency-key"], "r1/alert");
    assert_eq!(sent.headers["content-type"], "application/json");
    let body: Value = sent.body_json().unwrap();
    assert_eq!((&body["idempotency_key"], &body["run"]), (&json!("r1/alert"), &json!("r1")));
    assert_eq!(body["report"], json!(report(HIGH)));
    assert_eq!(body["changes"], json!([{ "anomaly": "cpu@a", "phase": "opened", "severity": "high" }]));
    assert!(alert.dead_letters().is_empty());
}

#[tokio::test]
async fn slack_gets_text_and_blocks_under_the_key() {
    let (server, url, _) = receiver(vec![]).await;
    Alert::new(&url, "format = 'slack'").run("r1", HIGH).await.unwrap();
    let body: Value = requests(&server).await[0].body_json().unwrap();
    assert_eq!(body["text"], "1 anomaly, high severity: cpu＠a");
    assert_eq!(body["blocks"][0]["block_id"], "r1/alert");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_key() {
    let answers = [408, 409, 425, 429, 503].map(status).to_vec();
    let (server, url, _) = receiver(answers).await;
    let alert = Alert::new(&url, "");
    let delivery = alert.run("r1", HIGH).await.unwrap();
    assert_eq!((delivery.outcome, delivery.attempts), (DeliveryOutcome::Delivered, 6));
    let sent = requests(&server).await;
    assert_eq!(sent.len(), 6);
    for request in &sent {
        assert_eq!(
            (&request.headers["idempotency-key"], &request.body),
            (&sent[0].headers["idempotency-key"], &sent[0].body)
        );
    }
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again() {
    let (_server, url, times) = receiver(vec![status(429).insert_header("retry-after", "0.3")]).await;
    Alert::new(&url, "").run("r1", HIGH).await.unwrap();
    let times = times.lock().unwrap();
    let waited = times[1] - times[0];
    assert!(waited >= Duration::from_millis(300) && waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test]
async fn what_cannot_be_delivered_goes_into_the_dead_letter_file() {
    let moved = ResponseTemplate::new(302).insert_header("location", format!("/else/{TOKEN}"));
    let late = status(503).insert_header("retry-after", "3600");
    let slow = status(200).set_delay(Duration::from_secs(20));
    for (more, answers, attempts, reason) in [
        ("", vec![status(404)], 1, "it answers 404 Not Found: no: ***"),
        ("", vec![moved], 1, "it sends us on to SERVER, and redirects are not followed"),
        (
            "retries = 1",
            vec![status(500), status(502)],
            2,
            "it answers 502 Bad Gateway: no: ***; given up after 2 tries",
        ),
        ("", vec![late], 1, "it answers 503 Service Unavailable: no: ***; it asks to wait beyond the deadline of 30s"),
        ("deadline = '200ms'", vec![slow], 1, "it did not answer in time; given up at the deadline of 200ms"),
    ] {
        let (server, url, _) = receiver(answers).await;
        let alert = Alert::new(&url, more);
        let delivery = alert.run("r1", HIGH).await.unwrap();
        let got = delivery.reason.as_ref().unwrap().replace(&server.uri(), "SERVER");
        assert_eq!((got.as_str(), delivery.attempts), (reason, attempts));
        assert_eq!(delivery.outcome, DeliveryOutcome::DeadLettered);
        let letters = alert.dead_letters();
        assert_eq!(letters.len(), 1);
        assert_eq!((&letters[0]["key"], &letters[0]["payload"]["report"]), (&json!("r1/alert"), &json!(report(HIGH))));
        assert_eq!(letters[0]["reason"], json!(delivery.reason));
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_is_tried_and_buried_and_told_in_the_next_window() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Alert::new(&format!("http://{closed}/services/{TOKEN}"), "retries = 2");
    let delivery = away.run("r1", HIGH).await.unwrap();
    assert_eq!((delivery.outcome, delivery.attempts), (DeliveryOutcome::DeadLettered, 3));
    assert!(delivery.reason.as_ref().unwrap().starts_with("no connection: "), "{delivery:?}");
    assert_eq!(away.run("r2", HIGH).await.unwrap().outcome, DeliveryOutcome::DeadLettered);
    let keys: Vec<Value> = away.dead_letters().iter().map(|letter| letter["key"].clone()).collect();
    assert_eq!(keys, ["r1/alert", "r2/alert"]);
}

/// Windows are reported one after the other, so what one waits for a receiver holds up all that come after it.
#[tokio::test]
async fn a_receiver_that_is_down_holds_no_window_up_until_it_takes_an_alert_again() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alert = Alert::new(&format!("http://{port}/services/{TOKEN}"), "retries = 3\nwhen = 'always'");
    let attempts = async |run: &str| {
        let delivery = alert.run(run, HIGH).await.unwrap();
        (delivery.outcome, delivery.attempts)
    };
    assert_eq!(attempts("r1").await, (DeliveryOutcome::DeadLettered, 4));
    for run in ["r2", "r3"] {
        assert_eq!(attempts(run).await, (DeliveryOutcome::DeadLettered, 1), "{run}");
    }
    // Back, then hanging: the one that it takes ends the haste, and one that hangs begins it again.
    let listener = std::net::TcpListener::bind(port).unwrap();
    let server = MockServer::builder().listener(listener).start().await;
    Mock::given(method("POST")).respond_with(status(200)).up_to_n_times(1).mount(&server).await;
    assert_eq!(attempts("r4").await, (DeliveryOutcome::Delivered, 1));
    server.reset().await;
    Mock::given(method("POST")).respond_with(status(503)).mount(&server).await;
    assert_eq!(attempts("r5").await, (DeliveryOutcome::DeadLettered, 4));
    server.reset().await;
    Mock::given(method("POST")).respond_with(status(200).set_delay(Duration::from_secs(60))).mount(&server).await;
    let begun = Instant::now();
    assert_eq!(attempts("r6").await, (DeliveryOutcome::DeadLettered, 1));
    assert!(begun.elapsed() < Duration::from_secs(5), "a try of a good receiver may take 10 s: {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_alert_that_cannot_even_be_kept_is_an_error() {
    let (_server, url, _) = receiver(vec![status(404)]).await;
    let alert = Alert::new(&url, "dead_letter = 'no/such/folder.ndjson'");
    let Err(TaskError::Diagnosed(fault)) = alert.run("r1", HIGH).await else { panic!("kept") };
    assert_eq!(fault.code, codes::output::LOST);
}

#[tokio::test]
async fn when_says_what_is_worth_telling() {
    use Phase::{Escalated, Ongoing, Opened, Resolved};
    let (low, high) = (Severity::Low, Severity::High);
    let of = |phase, worst| vec![("cpu@a", phase, worst)];
    let windows = [vec![], of(Opened, low), of(Ongoing, low), of(Escalated, high), vec![], of(Resolved, high), vec![]];
    for (when, expected) in [("always", "1111111"), ("anomalies", "0111000"), ("change", "0101010")] {
        let (_server, url, _) = receiver(vec![]).await;
        let alert = Alert::new(&url, &format!("when = '{when}'"));
        let mut told = String::new();
        for (n, episodes) in windows.iter().enumerate() {
            let delivery = alert.window(&format!("r{n}"), episodes).await;
            told.push(if delivery.outcome == DeliveryOutcome::Quiet { '0' } else { '1' });
        }
        assert_eq!(told, expected, "{when}");
    }
}

/// What each request told: episode and phase.
fn told(requests: &[Request]) -> Vec<String> {
    let changes = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let changes = body["changes"].as_array().unwrap().clone();
        let one = |change: &Value| format!("{} {}", change["anomaly"], change["phase"]).replace('"', "");
        changes.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    requests.iter().map(changes).collect()
}

#[tokio::test]
async fn silence_is_no_news_and_what_was_not_delivered_is_told_later() {
    use Phase::{Ongoing, Opened, Resolved};
    let high = Severity::High;
    let (server, url, _) = receiver(vec![status(404), status(200), status(404)]).await;
    let alert = Alert::new(&url, "");
    let windows = [
        vec![("cpu@a", Opened, high)], // refused
        vec![("mem@b", Opened, high)], // says nothing of the first
        vec![],
        vec![("cpu@a", Ongoing, high)],
        vec![("cpu@a", Resolved, high)], // refused
        vec![],
        vec![],
        vec![("mem@b", Resolved, high)],
    ];
    let mut outcomes = Vec::new();
    for (n, episodes) in windows.iter().enumerate() {
        outcomes.push(alert.window(&format!("r{n}"), episodes).await.outcome);
    }
    use DeliveryOutcome::{DeadLettered, Delivered, Quiet};
    assert_eq!(
        outcomes,
        [DeadLettered, Delivered, Quiet, Quiet, DeadLettered, Delivered, Quiet, Delivered],
        "{:?}",
        told(&requests(&server).await)
    );
    assert_eq!(
        told(&requests(&server).await),
        ["cpu@a opened", "cpu@a opened, mem@b opened", "cpu@a resolved", "cpu@a resolved", "mem@b resolved"]
    );
}

#[tokio::test]
async fn a_window_that_is_written_again_sends_nothing_new() {
    use Phase::{Escalated, Opened, Resolved};
    let (low, high) = (Severity::Low, Severity::High);
    let (server, url, _) = receiver(vec![]).await;
    let alert = Alert::new(&url, "format = 'slack'");
    let windows = [
        vec![("cpu@a", Opened, low), ("mem@a", Opened, low)], // two episodes, one message
        vec![("cpu@a", Escalated, high)],
        vec![("cpu@a", Resolved, high)],
    ];
    for (n, episodes) in windows.iter().enumerate() {
        let first = alert.window(&format!("r{n}"), episodes).await;
        let again = alert.window(&format!("r{n}"), episodes).await;
        assert_eq!((first.outcome, again.outcome), (DeliveryOutcome::Delivered, DeliveryOutcome::Quiet), "window {n}");
    }
    let texts: Vec<Value> =
        requests(&server).await.iter().map(|r| r.body_json::<Value>().unwrap()["text"].clone()).collect();
    assert_eq!(
        texts,
        [
            "2 anomalies, the worst of low severity: cpu＠a, mem＠a",
            "1 anomaly, high severity: cpu＠a",
            "1 anomaly is over: cpu＠a"
        ]
    );
}

#[tokio::test]
async fn a_run_without_windows_compares_with_nothing() {
    let (server, url, _) = receiver(vec![]).await;
    let alert = Alert::new(&url, "");
    for (run, anomalies) in [("r1", HIGH), ("r2", HIGH), ("r3", &[])] {
        alert.run(run, anomalies).await.unwrap();
    }
    assert_eq!(told(&requests(&server).await), ["cpu@a opened", "cpu@a opened"]);
}

#[tokio::test]
async fn nothing_that_is_logged_holds_the_address() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let made = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || made.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (_server, url, _) = receiver(vec![status(500), status(404)]).await;
    Alert::new(&url, "").run("r1", HIGH).await.unwrap();
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("AG0402") && text.contains("tried again"), "{text}");
    let ours = text.lines().filter(|line| !line.contains("wiremock"));
    for line in ours {
        assert!(!line.contains(TOKEN), "{line}");
    }
}

#[test]
fn an_address_that_cannot_be_used_is_refused_without_being_shown() {
    let source = SourceFile::new("g.toml", "url = '${ALERT_URL}'");
    let mut config: Config = toml::from_str(&source.text).unwrap();
    config.url = Spanned::new(6..source.text.len(), format!("hooks.example.com/{TOKEN}"));
    let files = Beside(PathBuf::new());
    let assets = Assets::new(Language::En, &source, &files);
    let Err(faults) = Notify::new(config, &assets) else { panic!("accepted") };
    assert_eq!(faults[0].to_string(), "g.toml:1:7: AG0005: the address of the webhook cannot be used: it is no URL");
    assert!(!format!("{faults:?}").contains(TOKEN));
}

/// From the start of the task until the receiver has the request, over a connection that is open already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_quick_once_the_connection_is_open() {
    let (_server, url, times) = receiver(vec![]).await;
    let alert = Alert::new(&url, "when = 'always'");
    let mut took = Vec::new();
    for n in 0..50 {
        let begun = Instant::now();
        alert.run(&format!("r{n}"), HIGH).await.unwrap();
        took.push(times.lock().unwrap()[n] - begun);
    }
    let first = took.remove(0);
    took.sort();
    println!("first {first:?}, then median {:?}, p90 {:?}", took[took.len() / 2], took[took.len() * 9 / 10]);
    // Of the quickest, since other tests run beside it.
    assert!(took[0] < Duration::from_millis(5), "{took:?}");
}
