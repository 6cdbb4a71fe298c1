//! The API over a real socket: what it answers, and that its document says so.

use std::net::SocketAddr;
use std::sync::Arc;

use agent::api::auth::{Guard, Policy};
use agent::api::{App, Board, Limits, Parts, Ran, Refused, Runner, document, listen, router};
use agent::diagnostic::{Diagnostic, codes};
use agent::domain::Report;
use agent::port::{
    AnomalyFilter, Answer, Archive, Bucket, EpisodeFilter, Group, KeptAnomaly, KeptEpisode, KeptReport, KeptRun, Page,
    Paging, ReadError, ReportFilter, RunFilter, Sample, Selection, Series,
};
use serde_json::{Value, json};

/// An archive with one report.
struct One;

fn report() -> Report {
    serde_json::from_value(json!({
        "timestamp": "2024-01-01T00:00:00Z",
        "insights": { "max_cpu_usage": 91 },
        "anomalies": [{ "metric": "<script>@web-1", "value": 91, "threshold": 90, "severity": "high", "description": "x" }],
        "recommendations": [],
        "service_status_summary": { "online": ["cache"], "degraded": [], "offline": [] }
    }))
    .unwrap()
}

fn none<T>() -> Answer<Page<T>> {
    Ok(Page { items: vec![], next: None })
}

impl Archive for One {
    fn reports(&self, filter: &ReportFilter, paging: &Paging) -> Answer<Page<KeptReport>> {
        match (filter.graph.as_deref(), paging.after.as_deref()) {
            (Some("broken"), _) => {
                Err(ReadError::Store(Diagnostic::new(codes::output::STORE, "disk I/O error".to_string())))
            }
            (_, Some("1")) => none(),
            (_, Some(_)) => Err(ReadError::Cursor),
            _ => Ok(Page { items: vec![self.report(1)?.unwrap()], next: Some("1".to_string()) }),
        }
    }
    fn report(&self, id: i64) -> Answer<Option<KeptReport>> {
        let kept = KeptReport {
            id,
            graph: "g".to_string(),
            key: "r".to_string(),
            run: "r".to_string(),
            time: report().timestamp,
            window: None,
            report: serde_json::value::to_raw_value(&report()).unwrap(),
        };
        Ok((id == 1).then_some(kept))
    }
    fn anomalies(&self, _: &AnomalyFilter, _: &Paging) -> Answer<Page<KeptAnomaly>> {
        none()
    }
    fn episodes(&self, _: &EpisodeFilter, _: &Paging) -> Answer<Page<KeptEpisode>> {
        none()
    }
    fn series(&self, _: &Selection, _: &Paging) -> Answer<Page<Series>> {
        none()
    }
    fn measurements(&self, selection: &Selection, _: &Paging) -> Answer<Page<Sample>> {
        let time = selection.from.unwrap_or(report().timestamp);
        let (entity, metric) = (selection.entity.clone().unwrap_or_default(), "cpu".to_string());
        Ok(Page { items: vec![Sample { series: 7, entity, metric, time, value: 1.5 }], next: None })
    }
    fn aggregates(&self, _: &Selection, step: i64, _: &Paging) -> Answer<Page<Bucket>> {
        assert_eq!(step, 3_600_000_000);
        none()
    }
    fn ranking(&self, attribute: &str, _: &Selection) -> Answer<Vec<Group>> {
        Ok(vec![Group { group: format!("{attribute} 1"), entities: 1, count: 2, mean: 3.0 }])
    }
    fn runs(&self, _: &RunFilter, _: &Paging) -> Answer<Page<KeptRun>> {
        none()
    }
    fn run(&self, _: &str) -> Answer<Option<KeptRun>> {
        Ok(None)
    }
}

struct Nothing;

impl Runner for Nothing {
    fn run(&self, graph: &str, _: Option<&[u8]>) -> Result<Ran, Refused> {
        Err(Refused::Asked(vec![Diagnostic::new(codes::run::USAGE, format!("`{graph}` cannot run"))]))
    }
    fn events(&self, _: &str) -> Option<Vec<Value>> {
        None
    }
}

/// A server of no graphs, on a port of its own.
async fn server() -> SocketAddr {
    let board = Arc::new(Board::new([]));
    let running = Arc::new(tokio::sync::Semaphore::new(1));
    let parts = Parts {
        archive: Arc::new(One),
        board,
        runner: Arc::new(Nothing),
        guard: Guard::new(Policy::Open),
        running,
        drain: Default::default(),
    };
    let listening = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listening.address;
    let limits = Limits { body: 1000, ..Limits::default() };
    tokio::spawn(listening.serve(router(App::new(parts)), limits, std::future::pending()));
    address
}

/// The status, the type and the body of an answer.
async fn answer(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let _ = rustls::crypto::ring::default_provider().install_default(); // whoever comes first
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method.parse().unwrap(), format!("http://{address}{path}")).body(body.to_string());
    let response = request.send().await.unwrap();
    let headers = response.headers().clone();
    for header in ["content-security-policy", "x-content-type-options", "x-frame-options", "cache-control"] {
        assert!(headers.contains_key(header), "{method} {path}: {header}");
    }
    let media = headers.get("content-type").map(|media| media.to_str().unwrap().to_string()).unwrap_or_default();
    (response.status().as_u16(), media, response.text().await.unwrap())
}

#[test]
fn the_document_is_what_clients_know() {
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document()).unwrap());
}

#[tokio::test]
async fn what_is_kept_is_answered() {
    let address = server().await;
    let (status, media, body) = answer(address, "GET", "/v1/reports?limit=1", "").await;
    assert_eq!((status, media.as_str()), (200, "application/json"));
    let page: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(page["items"][0]["report"]["anomalies"][0]["metric"], "<script>@web-1");
    assert_eq!(page["next"], "1");
    let (status, _, body) = answer(address, "GET", "/v1/reports?cursor=1", "").await;
    assert_eq!((status, body.as_str()), (200, r#"{"items":[]}"#));
    let (_, _, body) = answer(address, "GET", "/v1/measurements?from=2024-02-01T00:00:00Z&entity=%3Cb%3E", "").await;
    let page: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&page["items"][0]["time"], &page["items"][0]["entity"]),
        (&json!("2024-02-01T00:00:00Z"), &json!("<b>"))
    );
    assert_eq!(answer(address, "GET", "/v1/aggregates?every=1h", "").await.2, r#"{"items":[]}"#);
    assert!(answer(address, "GET", "/v1/ranking?by=zone", "").await.2.contains(r#""group":"zone 1""#));
    assert_eq!(answer(address, "GET", "/healthz", "").await.2, r#"{"status":"ok"}"#);
    assert_eq!(answer(address, "GET", "/readyz", "").await.0, 200);
    assert!(answer(address, "GET", "/metrics", "").await.2.contains("agent_build_info{version="));
    let (_, _, body) = answer(address, "GET", "/openapi.json", "").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), document());
}

#[tokio::test]
async fn what_makes_no_sense_is_a_problem() {
    let address = server().await;
    for (method, path, status, detail) in [
        ("GET", "/v1/reports?limit=0", 400, "`limit` is 1 to 1000"),
        ("GET", "/v1/reports?limit=many", 400, "the query cannot be read"),
        ("GET", "/v1/reports?cursor=x", 400, "was not given out by this list"),
        ("GET", "/v1/aggregates", 400, "missing field `every`"),
        ("GET", "/v1/reports?form=2024", 400, "unknown field `form`"),
        ("GET", "/v1/reports?from=yesterday", 400, "the query cannot be read"),
        ("GET", "/v1/reports?graph=%00", 400, "NUL"),
        ("GET", "/v1/anomalies?severity=dreadful", 400, "unknown variant `dreadful`"),
        ("GET", "/v1/aggregates?every=0s", 400, "a length of time above zero"),
        ("GET", "/v1/reports/two", 400, "the path cannot be read"),
        ("GET", "/v1/reports/2", 404, "there is no report 2"),
        ("GET", "/v1/reports/newest", 404, "there is no report yet"),
        ("GET", "/v1/graphs/g", 404, "no graph of this name is served"),
        ("GET", "/v1/runs/../../etc/passwd", 404, "there is nothing at this path"),
        ("GET", "/v1/runs/nosuch", 404, "no run of this id"),
        ("GET", "/v2", 404, "there is nothing at this path"),
        ("DELETE", "/v1/reports", 405, "this path does not take DELETE"),
        ("POST", "/v1/runs?graph=g", 404, "no graph of this name is served"),
        ("POST", "/v1/runs", 400, "missing field `graph`"),
        ("GET", "/v1/reports?graph=broken", 503, "the store cannot be read now"),
    ] {
        let (was, media, body) = answer(address, method, path, "").await;
        assert_eq!((was, media.as_str()), (status, "application/problem+json"), "{method} {path}: {body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{method} {path}: {body}");
        assert!(!body.contains("disk I/O"), "{body}");
    }
    let (status, media, _) = answer(address, "POST", "/v1/runs?graph=g", &"x".repeat(1001)).await;
    assert_eq!((status, media.as_str()), (413, "application/problem+json"));
}
