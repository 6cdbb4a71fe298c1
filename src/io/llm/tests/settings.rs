use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::diagnostic::{Code, codes};
use crate::io::environment::{SETTINGS, setting};
use crate::io::llm::cache::Cache;

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

#[test]
fn every_variable_of_a_provider_is_a_setting() {
    let text = include_str!("../../../../.env.example");
    for dialect in DIALECTS {
        let keys = dialect.key_variables;
        let others = dialect.base_url_variables.iter().copied().chain(dialect.headers.iter().map(|header| header.1));
        for (name, secret) in keys.iter().map(|name| (*name, true)).chain(others.map(|name| (name, false))) {
            let setting = setting(name).unwrap_or_else(|| panic!("{name} is not in SETTINGS"));
            assert_eq!(setting.secret, secret, "{name}");
        }
        assert!(text.contains(dialect.name), "{} is not in .env.example", dialect.name);
    }
}

/// What the list of settings says of a limit without a value is what counts then.
#[test]
fn defaults_are_as_the_list_of_settings_says() {
    let said = SETTINGS.iter().map(|setting| (setting.name, setting.default));
    let key = ("OPENAI_API_KEY", "sk-0123456789");
    let of = |environment: &Environment| {
        let endpoint = Endpoint::from_environment(environment).unwrap().unwrap();
        (format!("{:?}", endpoint.limits), Cache::of_user(environment).unwrap().is_some())
    };
    assert_eq!(of(&Environment::from_pairs(said.chain([key]))), of(&Environment::from_pairs([key])));
    assert!(
        ["LLM_TIMEOUT", "LLM_DEADLINE", "LLM_CONCURRENCY"]
            .iter()
            .all(|name| !setting(name).unwrap().default.is_empty())
    );
}
