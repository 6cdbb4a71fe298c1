//! Decision invariance: whatever bytes a model replies, a whole run says what it would have said without one, but for the
//! two sentences of each recommendation. The graph that is shipped, in memory, with a model that replies what it is told.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use agent::diagnostic::SourceFile;
use agent::domain::ModelIdentity;
use agent::engine::{Cancel, Event, Outcome, Run, World, drive};
use agent::graph::{Compiled, Surroundings, compile};
use agent::io::files::GraphFolder;
use agent::node::Kind;
use agent::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Epoch, Nobody, header};

/// Replies these in turn, and again from the first.
struct Parrot {
    replies: Vec<Result<(String, Option<String>), ()>>,
    asked: AtomicUsize,
}

impl Model for Parrot {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { provider: "test".into(), model: "parrot".into(), base_url: "test:".into() }
    }

    fn is_in_order(&self) -> bool {
        false
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        let at = self.asked.fetch_add(1, Ordering::Relaxed) % self.replies.len();
        let answer = self.replies[at].clone();
        Box::pin(async move {
            let (text, finish_reason) = answer.map_err(|()| ModelError::Transport("reset".into()))?;
            // `PLAN` stands for the sentences that were planned, as the request has them.
            let planned = |label| request.user.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
            let text = text.replace("PLANNED_ACTION", planned("Planned action: "));
            let text = text.replace("PLANNED_BENEFIT", planned("Planned benefit estimate: "));
            Ok(ModelReply {
                text,
                finish_reason,
                prompt_tokens: 1,
                completion_tokens: 1,
                attempts: 1,
                elapsed_ms: 0,
                ..ModelReply::default()
            })
        })
    }
}

/// The shipped graph without its output.
fn graph() -> Compiled {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphs/default.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (text, _) = text.split_once("[nodes.output]").unwrap();
    let kinds: Vec<&'static Kind> = agent::nodes::KINDS.iter().chain(agent::io::KINDS).collect();
    let around = Surroundings { kinds: &kinds, files: &GraphFolder::of(&path), variables: &|_| None };
    let compiled = compile(&SourceFile::new("default.toml", text), "default", &[], &around);
    compiled.unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The values of the nodes that decide, the report, and how often the model was asked.
fn run(model: Option<Arc<Parrot>>) -> (Vec<String>, Value) {
    let Compiled { plan, stream } = graph();
    let plan = Arc::new(plan);
    let world = World {
        journal: None,
        clock: Arc::new(Epoch),
        model: model.map(|model| model as Arc<dyn Model>),
        memory: None,
        watcher: Arc::new(Nobody),
        cancel: Cancel::default(),
    };
    let first = Run::default();
    let begun = Event::Started(header(&plan));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (state, outcome) = runtime.block_on(drive(plan.clone(), Some(stream), first, world, Some(begun)));
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let value = |name: &str| state.value(plan.find(name).unwrap()).unwrap().get().to_string();
    let decided = ["insights", "anomalies", "plan"].map(value).to_vec();
    (decided, serde_json::from_str(&value("report")).unwrap())
}

/// A report without its sentences, as bytes.
fn decisions(report: &Value) -> String {
    let mut report = report.clone();
    for recommendation in report["recommendations"].as_array_mut().unwrap() {
        let recommendation = recommendation.as_object_mut().unwrap();
        recommendation.remove("action").unwrap();
        recommendation.remove("benefit_estimate").unwrap();
    }
    report.to_string()
}

static OFFLINE: LazyLock<(Vec<String>, Value)> = LazyLock::new(|| run(None));

fn check(replies: Vec<Result<(String, Option<String>), ()>>) -> Value {
    let model = Arc::new(Parrot { replies, asked: AtomicUsize::new(0) });
    let (decided, report) = run(Some(model.clone()));
    assert!(model.asked.load(Ordering::Relaxed) > 0);
    assert_eq!(decided, OFFLINE.0);
    assert_eq!(decisions(&report), decisions(&OFFLINE.1));
    for recommendation in report["recommendations"].as_array().unwrap() {
        for sentence in ["action", "benefit_estimate"] {
            let text = recommendation[sentence].as_str().unwrap();
            assert!(!text.is_empty() && !text.contains(char::is_control) && !text.contains(['{', '}']), "{text:?}");
        }
    }
    report
}

fn wording(action: &str, benefit: &str) -> String {
    json!({ "action": action, "benefit_estimate": benefit }).to_string()
}

/// A model's word does reach the report, or nothing here would be shown.
#[test]
fn an_honest_reply_is_published_and_decides_nothing() {
    let report = check(vec![Ok((wording("Soon, PLANNED_ACTION", "PLANNED_BENEFIT"), Some("stop".into())))]);
    let published = report["recommendations"].as_array().unwrap();
    assert!(published.iter().any(|r| r["action"].as_str().unwrap().starts_with("Soon, ")), "{report:#}");
}

/// Texts as endpoints and attackers send them, and honest ones with something put in, cut off or doubled.
fn text() -> impl Strategy<Value = String> {
    let honest = wording("PLANNED_ACTION", "PLANNED_BENEFIT");
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        any::<String>(),
        (r#"[a-z {}0-9%."\\,]{0,60}"#, any::<String>()).prop_map(|(action, benefit)| wording(&action, &benefit)),
        ("\\PC{0,20}", "\\PC{0,20}").prop_map(|(a, b)| wording(&format!("{a} PLANNED_ACTION {b}"), "PLANNED_BENEFIT")),
        "\\PC{0,20}".prop_map(|b| wording("PLANNED_ACTION", &format!("PLANNED_BENEFIT {b}"))),
        (any::<prop::sample::Index>(), "[ -~]{0,12}").prop_map({
            let honest = honest.clone();
            move |(at, put)| {
                let at = at.index(honest.len());
                format!("{}{put}{}", &honest[..at], &honest[at..]) // ASCII
            }
        }),
        any::<prop::sample::Index>().prop_map(move |at| honest[..at.index(honest.len())].to_string()),
        ("[a-z_]{1,12}", "[ -~]{0,20}").prop_map(|(key, value)| {
            let mut object = json!({ "action": "PLANNED_ACTION", "benefit_estimate": "PLANNED_BENEFIT" });
            object[key] = Value::String(value);
            object.to_string()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Several replies, so that what is asked again is answered otherwise; some calls fail.
    #[test]
    fn no_reply_changes_a_decision(
        replies in prop::collection::vec(
            prop_oneof![
                8 => (text(), prop_oneof![Just(Some("stop".to_string())), Just(None), "[a-z_]{0,8}".prop_map(Some)]).prop_map(Ok),
                1 => Just(Err(())),
            ],
            1..6,
        ),
    ) {
        check(replies);
    }
}
