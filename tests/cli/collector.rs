//! A collector of spans on this machine, which decodes what OTLP over HTTP brings, or misbehaves.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};

use crate::endpoint::request;

/// What the collector does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// With this status.
    Declines(u16),
    /// Reads, and says nothing.
    Hangs,
    /// Hangs up without a word.
    Resets,
    /// Says yes, and then goes on without end.
    Babbles,
    /// Sends the client elsewhere: to itself, where it would be seen.
    Redirects,
    /// 200, and no protobuf.
    Gibbers,
}

pub struct Collector {
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

/// A span as a test looks at it.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty of a root.
    pub parent: String,
    pub name: String,
    pub is_client: bool,
    pub is_error: bool,
    pub status: String,
    /// In nanoseconds.
    pub begun: u64,
    pub ended: u64,
    pub attributes: BTreeMap<String, Value>,
    pub events: Vec<(String, BTreeMap<String, Value>)>,
    /// Ids of spans.
    pub links: Vec<String>,
    pub resource: BTreeMap<String, Value>,
}

impl Collector {
    pub fn start(manner: Manner) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (log, own) = (got.clone(), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, own) = (log.clone(), own.clone());
                std::thread::spawn(move || serve(&stream, manner, &own, &log));
            }
        });
        Collector { url, got }
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// All bytes that came, heads included.
    pub fn heard(&self) -> String {
        let text = |got: &Got| format!("{:?}\n{}", got.head, String::from_utf8_lossy(&got.body));
        self.got().iter().map(text).collect()
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Span> {
        self.got().iter().flat_map(|got| decoded(&got.body)).collect()
    }
}

fn serve(mut stream: &TcpStream, manner: Manner, own: &str, log: &Mutex<Vec<Got>>) {
    let Some((head, body)) = request(stream) else { return };
    log.lock().unwrap().push(Got { head, body });
    let empty = "content-length: 0\r\nconnection: close\r\n\r\n";
    let answer = match manner {
        Manner::Takes => format!("HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n{empty}"),
        Manner::Declines(status) => format!("HTTP/1.1 {status} No\r\nretry-after: 3600\r\n{empty}"),
        Manner::Redirects => format!("HTTP/1.1 307 There\r\nlocation: {own}/elsewhere\r\n{empty}"),
        Manner::Gibbers => {
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n\u{0}\u{1}oops".to_string()
        }
        Manner::Resets => return,
        Manner::Hangs => {
            std::thread::sleep(Duration::from_secs(30));
            return;
        }
        Manner::Babbles => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(b"400\r\n").is_ok()
                && stream.write_all(&[b'x'; 1024]).is_ok()
                && stream.write_all(b"\r\n").is_ok()
            {}
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}

fn decoded(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("what comes is OTLP");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.unwrap_or_default();
            spans.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                is_client: span.kind == SpanKind::Client as i32,
                is_error: status.code == 2,
                status: status.message,
                begun: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                attributes: attributes(&span.attributes),
                events: span.events.into_iter().map(|event| (event.name, attributes(&event.attributes))).collect(),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// No key twice.
fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for pair in pairs {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref()).map_or(Value::Null, plain);
        assert_eq!(all.insert(pair.key.clone(), value), None, "`{}` twice", pair.key);
    }
    all
}

fn plain(value: &Any) -> Value {
    match value {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(flag) => json!(flag),
        Any::IntValue(number) => json!(number),
        Any::DoubleValue(number) => json!(number),
        Any::ArrayValue(list) => list.values.iter().filter_map(|v| v.value.as_ref()).map(plain).collect(),
        other => panic!("{other:?}"),
    }
}
