//! Runs a staged graph in memory: no journal, no file, no network, no clock but the records'.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::Case;
use super::stage::Faults;
use crate::cli::execute::outputs;
use crate::diagnostic::Diagnostic;
use crate::domain::{Completeness, RunRecord, Summary, Timestamp};
use crate::engine::{
    Begun, Cancel, Event, Header, Invocation, ModelMode, Outcome, Run, SetClock, Shelf, Watcher, World, drive,
    rehearse, run_record,
};
use crate::graph::{Compiled, Plan};
use crate::io::llm::{Connected, Environment, Mode, connect};
use crate::port::{Model, Writing};

/// What came of the runs of a graph, in the order of its windows.
pub struct Played {
    pub plan: Arc<Plan>,
    pub seen: Vec<Seen>,
    /// Why the stream ended early.
    pub fault: Option<Diagnostic>,
    /// Interactions of the cassette that nothing asked for.
    pub left_over: Vec<String>,
}

/// One run.
pub struct Seen {
    /// Start of its window; `None` where the whole input is one.
    pub start: Option<Timestamp>,
    /// By node; `None` of what did not come to be.
    pub values: Vec<Option<Value>>,
    pub record: RunRecord,
    pub fault: Option<Diagnostic>,
}

impl Seen {
    fn of(plan: &Plan, run: &Run, outcome: Outcome, model: Option<&Arc<dyn Model>>) -> Seen {
        let begun = Timestamp::nearest(0);
        let mut record = run_record(run, begun, Some(begun));
        record.coverage = outputs::<Summary>(plan, run).into_iter().flat_map(|s| s.coverage).collect();
        record.completeness = outputs::<Completeness>(plan, run);
        record.model = model.map(|model| model.identity());
        let value = |node: usize| run.value(node).and_then(|value| serde_json::from_str(value.get()).ok());
        Seen {
            start: record.window.as_ref().map(|window| window.span.start),
            values: (0..plan.nodes.len()).map(value).collect(),
            record,
            fault: match outcome {
                Outcome::Failed(fault) => Some(*fault),
                Outcome::Done | Outcome::Interrupted => None,
            },
        }
    }

    /// Whether records came, or a silence that is worth telling.
    pub fn has_report(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}

/// # Errors
/// What keeps the test from being run at all.
pub fn play(case: &Case<'_>, compiled: Compiled) -> Result<Played, Faults> {
    let Compiled { plan, stream } = compiled;
    let plan = Arc::new(plan);
    let shelf = Arc::new(Desk {
        plan: plan.clone(),
        connected: model(case)?,
        begun: AtomicU64::new(1),
        seen: Mutex::default(),
    });
    let (header, watcher) = (header(&plan), Arc::new(Quiet));
    let impossible = |why: String| vec![case.fault(case.test().name.span(), why)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| impossible(format!("no threads can be had: {error}")))?;
    let until = case.test().until.as_ref().map(|until| until.get_ref().0);
    let fault = runtime.block_on(async {
        if plan.window.is_some() {
            return rehearse(plan.clone(), stream, header, watcher, shelf.clone(), until).await.err();
        }
        let world = World {
            journal: None,
            clock: Arc::new(SetClock::default()),
            model: shelf.model(&Run::default()),
            memory: None,
            watcher,
            cancel: Cancel::default(),
        };
        let (run, outcome) =
            drive(plan.clone(), Some(stream), Run::default(), world, Some(Event::Started(header))).await;
        shelf.ended(&run, outcome);
        None
    });
    runtime.shutdown_background();
    let left_over = shelf.connected.as_ref().map_or(Ok(Vec::new()), Connected::finish).map_err(|fault| vec![fault])?;
    let seen = std::mem::take(&mut *shelf.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    Ok(Played { plan, seen, fault: fault.map(|fault| *fault), left_over })
}

/// What answers from the test's cassette. Without one, templates word everything.
fn model(case: &Case<'_>) -> Result<Option<Connected>, Faults> {
    let Some(cassette) = &case.test().cassette else { return Ok(None) };
    let path = PathBuf::from(case.locate(cassette.get_ref()));
    let connected = connect(&Environment::default(), Mode::Replay { path });
    connected.map(Some).map_err(|fault| vec![fault.at(case.source, cassette.span())])
}

fn header(plan: &Plan) -> Header {
    let (path, overrides, run_record) = Default::default();
    let invocation = Invocation { path, overrides, model: ModelMode::Offline, run_record, page: None };
    Header::new(plan, "test".to_string(), true, invocation)
}

struct Quiet;
impl Watcher for Quiet {}

/// Keeps in memory what comes of each window.
struct Desk {
    plan: Arc<Plan>,
    connected: Option<Connected>,
    begun: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

impl Shelf for Desk {
    fn begin(&self) -> Begun {
        Begun { run: format!("test-{}", self.begun.fetch_add(1, Ordering::Relaxed)), journal: None }
    }
    fn save(&self, _: &mut Writing<'_>) -> Result<(), String> {
        Ok(())
    }
    fn folder(&self, _: &str) -> Option<PathBuf> {
        None
    }
    fn model(&self, _: &Run) -> Option<Arc<dyn Model>> {
        self.connected.as_ref()?.for_run(self.plan.max_tokens_per_run, 0)
    }
    fn ended(&self, run: &Run, outcome: Outcome) {
        let model = self.connected.as_ref().and_then(|connected| connected.model.as_ref());
        let seen = Seen::of(&self.plan, run, outcome, model);
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(seen);
    }
}
