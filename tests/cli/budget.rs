//! What asking a model may take and what it took: the budget of a run, prices, and answers that are kept for later runs.

use std::time::Duration;

use serde_json::Value;

use crate::endpoint::{Endpoint, SIGN, STUBBORN, TAKEN};
use crate::sandbox::{Ran, Sandbox};

const GRAPH: &str = "graphs/default.toml";

fn run(sandbox: &Sandbox, endpoint: &Endpoint, more: &[(&str, &str)], flags: &[&str]) -> (Ran, Value) {
    let variables = [&endpoint.variables()[..], more].concat();
    let ran = sandbox.agent_with(&variables, &[&["run", GRAPH, "--run-record", "run.json"], flags].concat()).exits(0);
    (ran, serde_json::from_str(&sandbox.read("run.json")).unwrap())
}

/// Whether a model worded each of the recommendations, most urgent first.
fn by_model(sandbox: &Sandbox) -> Vec<bool> {
    let report: Value = serde_json::from_str(&sandbox.read("output.json")).unwrap();
    let recommendations = report["recommendations"].as_array().unwrap();
    recommendations.iter().map(|r| r["action"].as_str().unwrap().starts_with(SIGN)).collect()
}

#[test]
fn a_budget_goes_to_the_most_urgent_and_templates_word_the_rest() {
    let sandbox = Sandbox::new();
    let endpoint = Endpoint::start(Duration::from_millis(20));
    // One of them is rejected at first, so that something is asked again.
    let (_, whole) = run(&sandbox, &endpoint, &[("LLM_CACHE", "off"), ("LLM_CONCURRENCY", "16")], &[]);
    let all = by_model(&sandbox);
    let repairs = usize::from(sandbox.read("output.json").contains("GiB") || endpoint.asked().len() > all.len());
    assert!(all.len() > 4 && all.iter().all(|by_model| *by_model), "{all:?}");
    let calls = all.len() + repairs;
    assert_eq!(whole["usage"]["calls"], calls);
    assert_eq!(whole["usage"]["prompt_tokens"], (TAKEN - 100) * calls as u64);

    let limit = 5 * TAKEN;
    let limits = [
        ("environment", Some(limit.to_string()), None),
        ("graph", None, Some(limit)),
        ("the smaller", Some("1000000".to_string()), Some(limit)),
    ];
    let mut first: Option<String> = None;
    for (case, environment, graph) in limits {
        sandbox.write(GRAPH, include_str!("../../graphs/default.toml"));
        if let Some(limit) = graph {
            sandbox.edit(GRAPH, "language = ", &format!("max_tokens_per_run = {limit}\nlanguage = "));
        }
        for concurrency in ["1", "16"] {
            let before = endpoint.asked().len();
            let mut variables = vec![("LLM_CACHE", "off"), ("LLM_CONCURRENCY", concurrency)];
            variables.extend(environment.as_deref().map(|limit| ("LLM_MAX_TOKENS_PER_RUN", limit)));
            let (ran, record) = run(&sandbox, &endpoint, &variables, &["--record", "tape.json"]);
            let covered = by_model(&sandbox);
            let count = covered.iter().filter(|by_model| **by_model).count();
            assert!(count > 0 && count < all.len(), "{case}: {covered:?}");
            assert!(covered.iter().take(count).all(|by_model| *by_model), "{case}: {covered:?}");
            let asked = endpoint.asked().len() - before;
            assert!(asked as u64 * TAKEN <= limit, "{case}: {asked} requests");
            assert_eq!(record["usage"]["calls"], asked);
            let why = format!("not asked: of the {limit} tokens of the run ");
            let told = record["wordings"].as_array().unwrap().iter().filter(|wording| {
                let refused =
                    wording["rejected"].as_array().unwrap().iter().any(|w| w.as_str().unwrap().starts_with(&why));
                assert!(!refused || wording["source"] == "template");
                refused
            });
            assert_eq!(told.count(), all.len() - count, "{case}: {record:#}");
            assert!(ran.stdout.contains(&why), "{}", ran.stdout);
            let report = sandbox.read("output.json");
            assert_eq!(first.get_or_insert_with(|| report.clone()), &report, "{case}, {concurrency} at a time");

            // Without the environment: the cassette knows what was asked.
            let replayed = sandbox.agent(&["run", GRAPH, "--replay", "tape.json"]).exits(0);
            assert!(!replayed.stderr.contains("nothing asked for"), "{}", replayed.stderr);
            assert_eq!(sandbox.read("output.json"), report);
        }
    }
}

#[test]
fn an_accepted_answer_is_paid_for_once() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    let prices = [("LLM_PRICE_PROMPT", "1000"), ("LLM_PRICE_COMPLETION", "2000"), ("LLM_CURRENCY", "EUR")];
    let (ran, record) = run(&sandbox, &endpoint, &prices, &[]);
    let (report, calls) = (sandbox.read("output.json"), endpoint.asked().len());
    assert!(report.contains(SIGN));
    let cost = format!("{:.3}", calls as f64 * 0.9); // 700 and 100 tokens
    let line = format!("Model      {calls} calls, {} tokens ({} of them written), cost ", 800 * calls, 100 * calls);
    assert!(ran.stdout.contains(&line), "{line}\n{}", ran.stdout);
    assert_eq!((record["usage"]["cost"].as_f64().unwrap() * 1000.0).round() / 1000.0, cost.parse::<f64>().unwrap());
    assert_eq!(record["currency"], "EUR");

    let (ran, record) = run(&sandbox, &endpoint, &prices, &[]);
    assert_eq!(endpoint.asked().len(), calls, "nothing is asked again, what was mended included");
    assert_eq!(sandbox.read("output.json"), report);
    let wordings = record["wordings"].as_array().unwrap();
    assert!(wordings.iter().all(|w| w["source"] == "model" && w["usage"]["cached"] == 1 && w["usage"]["calls"] == 0));
    assert_eq!(record["usage"]["cached"], wordings.len());
    let line = format!("Model      0 calls, {} answers kept from earlier runs\n", wordings.len());
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);

    // Turned off, with other words asked for, or recorded: asked.
    run(&sandbox, &endpoint, &[("LLM_CACHE", "off")], &[]);
    assert_eq!(endpoint.asked().len(), 2 * calls);
    run(&sandbox, &endpoint, &[], &["--record", "tape.json"]);
    assert_eq!(endpoint.asked().len(), 3 * calls);
    run(&sandbox, &endpoint, &[("LLM_MODEL", "loopback-2")], &[]);
    assert_eq!(endpoint.asked().len(), 4 * calls);
    let replayed = sandbox.agent(&["run", GRAPH, "--replay", "tape.json", "--run-record", "run.json"]).exits(0);
    assert!(replayed.stderr.is_empty(), "{}", replayed.stderr);
    let record: Value = serde_json::from_str(&sandbox.read("run.json")).unwrap();
    assert!(record["usage"].get("cost").is_none() && record["usage"]["cached"] == 0);
}

#[test]
fn a_rejected_answer_is_not_kept() {
    let (sandbox, endpoint) = (Sandbox::new(), Endpoint::start(Duration::ZERO));
    sandbox.edit(GRAPH, "max_repairs = 2", "max_repairs = 0");
    let asked_for_stubborn = || {
        let is_stubborn =
            |a: &&crate::endpoint::Asked| a.body.to_string().contains(&format!("Recommendation {STUBBORN}"));
        endpoint.asked().iter().filter(is_stubborn).count()
    };
    for round in 1..3 {
        let (_, record) = run(&sandbox, &endpoint, &[], &[]);
        let wordings = record["wordings"].as_array().unwrap();
        let stubborn = wordings.iter().find(|w| w["recommendation"].as_str().unwrap().starts_with(STUBBORN));
        let Some(stubborn) = stubborn else { panic!("nothing is rejected: {record:#}") };
        assert_eq!((&stubborn["source"], &stubborn["usage"]["calls"]), (&"template".into(), &1.into()));
        assert_eq!(asked_for_stubborn(), round);
        assert_eq!(record["usage"]["calls"], if round == 1 { wordings.len() } else { 1 });
    }
}
