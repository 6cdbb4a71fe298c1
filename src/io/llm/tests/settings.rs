use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::diagnostic::{Code, codes};

#[test]
fn a_mode_that_cannot_be_is_a_diagnostic() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Environment::default();
    let connected = connect(&nothing, Mode::Live).unwrap();
    assert!(connected.model.is_none());
    assert_eq!(
        connected.notice.as_deref(),
        Some("no model is configured (.env.example says how): templates word the recommendations")
    );
    assert_eq!(connected.finish().unwrap(), Vec::<String>::new());

    let check = |environment: &Environment, mode: Mode, expected: &Code| {
        assert_eq!(connect(environment, mode).unwrap_err().code, expected);
    };
    let here: PathBuf = folder.path().join("c.json");
    check(&nothing, Mode::Record { path: here.clone(), spool: None, resume: false }, codes::model::NO_PROVIDER);
    check(&nothing, Mode::Replay { path: here.clone() }, codes::model::CASSETTE);
    let configured = environment("http://127.0.0.1:9/v1", &[]);
    check(
        &configured,
        Mode::Record { path: folder.path().join("none/c.json"), spool: None, resume: false },
        codes::model::CASSETTE_UNWRITABLE,
    );
    let header = json!({ "version": 1, "provider": "p", "model": "m", "dialect": "klingon" });
    std::fs::write(&here, json!({ "header": header, "interactions": [] }).to_string()).unwrap();
    check(&nothing, Mode::Replay { path: here }, codes::model::CASSETTE);
}

/// Start-up stays in milliseconds: connecting builds no HTTP client.
#[test]
fn connecting_touches_neither_network_nor_certificates() {
    let started = Instant::now();
    for _ in 0..20 {
        connect(&environment("https://api.mistral.ai/v1", &[]), Mode::Live).unwrap();
    }
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

/// Every variable that is read is in `.env.example`, and only those.
#[test]
fn the_example_file_lists_every_variable() {
    let text = include_str!("../../../../.env.example");
    let mut read: Vec<&str> = DIALECTS
        .iter()
        .flat_map(|d| d.key_variables.iter().chain(d.base_url_variables).copied().chain(d.headers.iter().map(|h| h.1)))
        .chain(["LLM_PROVIDER", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "LLM_TIMEOUT", "LLM_DEADLINE"])
        .chain(["LLM_CONCURRENCY", "LLM_REQUESTS_PER_MINUTE", "LLM_TOKENS_PER_MINUTE", "LLM_MAX_TOKENS_PER_RUN"])
        .chain(["LLM_PRICE_PROMPT", "LLM_PRICE_COMPLETION", "LLM_CURRENCY", "LLM_CACHE", "LLM_LABEL"])
        .chain(["LLM_FALLBACKS", "LLM_FALLBACKS_API_KEY"])
        .chain(["AGENT_STATE_DIR", "AGENT_KEEP_RUNS", "AGENT_JOURNAL"]) // the command line reads these
        .chain([
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "TRACEPARENT",
        ])
        .chain(["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED"])
        .chain(["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"])
        .collect();
    read.sort_unstable();
    read.dedup();
    for name in &read {
        assert!(text.contains(name), "{name} is not in .env.example");
    }
    for line in text.lines().filter(|line| line.starts_with('#') && line.contains('=') && !line.starts_with("# ")) {
        let name = line.trim_start_matches('#').split('=').next().unwrap();
        assert!(read.contains(&name), "{name} is not read");
    }
    for dialect in DIALECTS {
        assert!(text.contains(dialect.name), "{} is not in .env.example", dialect.name);
    }
    // Without its comment signs it is a file that can be read.
    let plain: String = text
        .lines()
        .filter(|l| !l.starts_with("# "))
        .map(|l| l.trim_start_matches('#'))
        .fold(String::new(), |text, line| text + line + "\n");
    let pairs: Vec<(String, String)> = dotenvy::from_read_iter(plain.as_bytes()).map(Result::unwrap).collect();
    let fallbacks = pairs.iter().find(|(name, _)| name == "LLM_FALLBACKS").map(|(_, value)| value.as_str());
    assert_eq!(
        fallbacks,
        Some("mistral,ollama/llama3.2,https://host/v1#model"),
        "the sign within a word begins no comment"
    );
}
