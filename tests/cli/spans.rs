//! Spans as a collector gets them, and what a collector can do to a run: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collector::{Collector, Manner, Span};
use crate::endpoint::{Endpoint, SIGN};
use crate::sandbox::{Ran, Sandbox};

const GRAPH: &str = "graphs/default.toml";
const KEY: &str = "sk-canary-0123456789";
const TOKEN: &str = "token-canary-9876543210";

/// The run of a graph with a model and a collector.
fn traced(sandbox: &Sandbox, collector: &Collector, more: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let endpoint = Endpoint::start(Duration::ZERO);
    let headers = format!("authorization=Bearer%20{TOKEN},x-tenant=ops");
    let mut variables = endpoint.variables();
    variables.extend([
        ("LLM_API_KEY", KEY),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
    ]);
    variables.extend(more);
    sandbox.agent_with(&variables, arguments)
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = named(spans, name);
    let [span] = found[..] else { panic!("{name}: {:?}", spans.iter().map(|s| &s.name).collect::<Vec<_>>()) };
    span
}

#[test]
fn a_run_is_a_tree_of_run_nodes_and_calls() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let variables = [
        ("TRACEPARENT", parent),
        ("OTEL_SERVICE_NAME", "night-watch"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let ran = traced(&sandbox, &collector, &variables, &["run", GRAPH, "--run-record", "run.json"]).exits(0);
    assert_eq!(ran.stderr, "");
    for got in collector.got() {
        assert_eq!(got.head[0], "POST /v1/traces HTTP/1.1");
        let has = |line: &str| got.head.iter().any(|l| l.eq_ignore_ascii_case(line));
        assert!(has("content-type: application/x-protobuf") && has("x-tenant: ops"), "{:?}", got.head);
        assert!(has(&format!("authorization: Bearer {TOKEN}")), "{:?}", got.head);
    }

    let spans = collector.spans();
    let record: Value = serde_json::from_str(&sandbox.read("run.json")).unwrap();
    let root = one(&spans, "invoke_workflow infrastructure");
    assert_eq!((root.trace.as_str(), root.parent.as_str()), (&parent[3..35], &parent[36..52]));
    assert_eq!(root.attributes["gen_ai.workflow.name"], "infrastructure");
    assert_eq!(root.attributes["agent.run.id"], record["run"]);
    assert_eq!(root.attributes["agent.run.status"], "done");
    assert_eq!(root.resource["service.name"], "night-watch");
    assert_eq!(root.resource["deployment.environment.name"], "test");
    assert!(!root.is_error);
    assert!(spans.iter().all(|span| span.trace == root.trace && span.begun <= span.ended && span.ended <= root.ended));

    let nodes: BTreeMap<&str, &Span> =
        spans.iter().filter_map(|span| Some((span.name.strip_prefix("node ")?, span))).collect();
    let names: Vec<&str> = nodes.keys().copied().collect();
    let expected = ["anomalies", "insights", "output", "plan", "recommendations", "report", "telemetry", "wording"];
    assert_eq!(names, expected);
    assert!(nodes.values().all(|node| node.parent == root.id && !node.is_client));
    assert_eq!(nodes["telemetry"].attributes["agent.input.records"], record["inputs"][0]["records"]);
    assert_eq!(nodes["telemetry"].attributes["agent.node.kind"], "ingest.file");
    let asked = record["calls"].as_array().unwrap();
    let drafts = record["wordings"].as_array().unwrap().len();
    assert_eq!(nodes["wording"].attributes["agent.node.items"], drafts);
    assert_eq!(nodes["wording"].attributes["agent.node.items.done"], drafts);
    assert_eq!(nodes["wording"].attributes["agent.node.calls"], drafts);

    let calls = named(&spans, "chat loopback-1");
    assert_eq!(calls.len(), asked.len());
    assert!(calls.len() > drafts, "one of the drafts is asked for again, by another node");
    for call in &calls {
        let task = call.attributes["agent.task"].as_str().unwrap();
        let node = task.split('[').next().unwrap();
        assert_eq!(call.parent, nodes[node].id, "{task}");
        assert!(call.is_client && !call.is_error);
        let expected = json!({
            "agent.attempts": 1,
            "agent.task": task,
            "gen_ai.operation.name": "chat",
            "gen_ai.output.type": "json",
            "gen_ai.provider.name": "custom",
            "gen_ai.request.max_tokens": call.attributes["gen_ai.request.max_tokens"],
            "gen_ai.request.model": "loopback-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.id": "loopback",
            "gen_ai.response.model": "loopback-1",
            "gen_ai.usage.input_tokens": 700,
            "gen_ai.usage.output_tokens": 100,
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": call.attributes["server.port"],
        });
        assert_eq!(json!(call.attributes), expected);
    }
    let tasks: BTreeSet<&str> = calls.iter().filter_map(|call| call.attributes["agent.task"].as_str()).collect();
    assert_eq!(tasks, asked.iter().filter_map(|call| call["asked_by"].as_str()).collect());
}

#[test]
fn prompts_and_replies_are_for_those_who_ask_and_credentials_for_nobody() {
    for (asks, content) in [(None, false), (Some("false"), false), (Some("true"), true)] {
        let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
        let variable = asks.map(|text| ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", text));
        let variables: Vec<(&str, &str)> = variable.into_iter().collect();
        traced(&sandbox, &collector, &variables, &["run", GRAPH]).exits(0);
        let bodies: String =
            collector.got().iter().map(|got| String::from_utf8_lossy(&got.body).into_owned()).collect();
        assert!(bodies.contains("chat loopback-1"));
        for text in ["Planned action: ", SIGN, "gen_ai.input.messages"] {
            assert_eq!(bodies.contains(text), content, "{text} with {asks:?}");
        }
        for secret in [KEY, TOKEN] {
            assert!(!bodies.contains(secret));
            assert_eq!(sandbox.files_with(secret), Vec::<std::path::PathBuf>::new());
        }
        if content {
            let spans = collector.spans();
            let call = named(&spans, "chat loopback-1")[0];
            let of = |key: &str| serde_json::from_str::<Value>(call.attributes[key].as_str().unwrap()).unwrap();
            assert_eq!(of("gen_ai.input.messages")[0]["role"], "user");
            assert_eq!(of("gen_ai.system_instructions")[0]["type"], "text");
            let reply = &of("gen_ai.output.messages")[0];
            assert_eq!((&reply["role"], &reply["finish_reason"]), (&json!("assistant"), &json!("stop")));
            assert!(reply["parts"][0]["content"].as_str().unwrap().contains(SIGN));
        }
    }
}

/// A complaint may quote what was asked, and the key.
#[test]
fn tries_and_failures_are_told_without_their_texts() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", server.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Write;
        for mut stream in server.incoming().flatten() {
            let Some((_, body)) = crate::endpoint::request(&stream) else { continue };
            let quoted = Value::String(format!("{KEY}: {}", String::from_utf8_lossy(&body)));
            let body = format!("{{\"error\":{{\"message\":{quoted},\"code\":\"busy\"}}}}");
            let head =
                "HTTP/1.1 503 Busy\r\nretry-after-ms: 1\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let variables = [("LLM_BASE_URL", url.as_str()), ("LLM_API_KEY", KEY)];
    traced(&sandbox, &collector, &variables, &["run", GRAPH]).exits(0);
    let spans = collector.spans();
    let calls = named(&spans, "chat loopback-1");
    assert!(!calls.is_empty());
    for call in calls {
        assert!(call.is_error && call.status.is_empty());
        assert_eq!(call.attributes["error.type"], "503");
        let retries: Vec<(&str, &Value)> =
            call.events.iter().map(|(name, attributes)| (name.as_str(), &attributes["error.type"])).collect();
        assert_eq!(retries, [("retry", &json!("503")), ("retry", &json!("503"))]);
    }
    let bodies = collector.heard();
    assert!(!bodies.contains("Planned action") && !bodies.contains(KEY), "{bodies}");
    let wording = one(&spans, "node wording");
    assert!(wording.attributes["agent.node.items"].as_i64().unwrap() > 0);
}

#[test]
fn a_call_that_is_not_waited_for_is_an_error() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
    let endpoint = Endpoint::start(Duration::from_secs(20));
    let mut variables = endpoint.variables();
    variables.extend([("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("LLM_CONCURRENCY", "16")]);
    sandbox.edit(
        GRAPH,
        "kind = \"draft\"\n",
        "kind = \"draft\"\ntimeout = \"300ms\"\nretry = 0\non_error = \"fallback\"\n",
    );
    let ran = sandbox.agent_with(&variables, &["run", GRAPH]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let spans = collector.spans();
    let calls = named(&spans, "chat loopback-1");
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| call.is_error && call.attributes["error.type"] == "abandoned"), "{calls:?}");
    let items = &one(&spans, "node wording").attributes;
    assert_eq!(items["agent.node.items.fallback"], items["agent.node.items"]);
}

#[test]
fn a_failed_run_is_an_error_with_its_reason() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
    sandbox.write("taken", "");
    traced(&sandbox, &collector, &[], &["run", GRAPH, "--output", "taken/output.json"]).exits(1);
    let spans = collector.spans();
    let (root, output) = (one(&spans, "invoke_workflow infrastructure"), one(&spans, "node output"));
    assert!(root.is_error && output.is_error);
    assert_eq!(root.attributes["agent.run.status"], "failed");
    assert!(root.status.contains("output"), "{}", root.status);
    assert!(output.events.iter().any(|(name, of)| name == "task failed" && of.contains_key("exception.message")));
}

/// Report, standard output and exit code of a run without spans are those of every other; only a warning is added.
#[test]
fn whatever_the_collector_does_the_run_is_the_same_and_ends_soon() {
    let plain = Sandbox::new();
    let begun = Instant::now();
    let expected = plain.agent_with(&[], &["run", GRAPH, "--offline"]).exits(0);
    let usual = begun.elapsed();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let manners = [
        (None, "no connection"),
        (Some(Manner::Declines(500)), "it answers 500"),
        (Some(Manner::Declines(503)), "it answers 503"),
        (Some(Manner::Declines(401)), "it answers 401"),
        (Some(Manner::Redirects), "it answers 307"),
        (Some(Manner::Hangs), "within 2s"),
        (Some(Manner::Resets), "connection"),
        (Some(Manner::Babbles), "longer than 64 KiB"),
        (Some(Manner::Gibbers), ""),
        (Some(Manner::Takes), ""),
    ];
    for (manner, why) in manners {
        let collector = manner.map(Collector::start);
        let url = collector.as_ref().map_or(&closed, |collector| &collector.url);
        let headers = format!("authorization=Bearer%20{TOKEN}");
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", &headers)];
        let sandbox = Sandbox::new();
        let begun = Instant::now();
        let ran = sandbox.agent_with(&variables, &["run", GRAPH, "--offline"]).exits(0);
        let took = begun.elapsed();
        assert!(took < usual * 2 + Duration::from_millis(3500), "{manner:?}: {took:?}, without spans {usual:?}");
        let printed = |of: &Sandbox, ran: &Ran| of.redact(&ran.stdout).split("[run], ").next().map(str::to_string);
        assert_eq!(printed(&sandbox, &ran), printed(&plain, &expected), "{manner:?}");
        assert_eq!(sandbox.read("output.json"), plain.read("output.json"), "{manner:?}");
        assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
        let told = ran.stderr.lines().filter(|line| line.contains("AG0341")).count();
        let extra: String = ran.stderr.replace(&expected.stderr, "");
        assert_eq!((told, extra.lines().count()), if why.is_empty() { (0, 0) } else { (1, 1) }, "{manner:?}: {extra}");
        assert!(manner.is_none() || extra.contains(why), "{manner:?}: {extra}");
        let elsewhere = collector.iter().flat_map(Collector::got).any(|got| got.head[0].contains("elsewhere"));
        assert!(!elsewhere, "{manner:?}: a redirect was followed");
    }
}

#[test]
fn settings_that_cannot_be_used_are_told_and_nothing_is_sent() {
    let collector = Collector::start(Manner::Takes);
    for (variable, text, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "uncompressed"),
        ("OTEL_EXPORTER_OTLP_HEADERS", TOKEN, "name=value"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://x", "no http or https URL"),
    ] {
        let sandbox = Sandbox::new();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), (variable, text)];
        let ran = sandbox.agent_with(&variables, &["run", GRAPH, "--offline"]).exits(0);
        assert!(ran.stderr.starts_with("warning: AG0340: ") && ran.stderr.contains(variable), "{}", ran.stderr);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains(TOKEN), "{}", ran.stderr);
    }
    for (variable, text) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let sandbox = Sandbox::new();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), (variable, text)];
        assert_eq!(sandbox.agent_with(&variables, &["run", GRAPH, "--offline"]).exits(0).stderr, "");
    }
    assert!(collector.got().is_empty());
}

#[test]
fn each_window_is_a_trace_of_its_own_and_settings_may_stand_in_dotenv() {
    let (sandbox, collector) = (Sandbox::new(), Collector::start(Manner::Takes));
    sandbox.write(".env", &format!("OTEL_EXPORTER_OTLP_ENDPOINT={}\n", collector.url));
    let graph = sandbox.read(GRAPH).replacen("[nodes.", "[window]\nevery = \"5m\"\n\n[nodes.", 1);
    fs::write(sandbox.at("graphs/windows.toml"), graph).unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let output = "--output=reports/{window}.json";
    let endpoint = Endpoint::start(Duration::ZERO);
    let variables = [endpoint.variables(), vec![("TRACEPARENT", parent)]].concat();
    sandbox.agent_with(&variables, &["run", "graphs/windows.toml", output]).exits(0);
    let spans = collector.spans();
    let roots: Vec<&Span> = spans.iter().filter(|span| span.name.starts_with("invoke_workflow")).collect();
    assert!(roots.len() > 1, "{}", roots.len());
    let traces: BTreeSet<&str> = roots.iter().map(|root| root.trace.as_str()).collect();
    assert_eq!(traces.len(), roots.len());
    for root in &roots {
        assert_eq!((root.parent.as_str(), &root.links), ("", &vec![parent[36..52].to_string()]));
        assert!(root.attributes.contains_key("agent.window.start") && root.attributes["agent.run.status"] == "done");
    }
    let below = |root: &&&Span| spans.iter().filter(|span| span.parent == root.id).count() >= 3;
    assert!(roots.iter().filter(below).count() > 1, "windows with records have nodes");
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    for span in spans.iter().filter(|span| !span.name.starts_with("invoke_workflow")) {
        let above = by_id[span.parent.as_str()];
        assert_eq!(above.trace, span.trace);
        assert!(above.name.starts_with(if span.name.starts_with("chat ") { "node " } else { "invoke_workflow " }));
    }
    assert!(!named(&spans, "chat loopback-1").is_empty());
}
