//! What graphs do now: an onlooker keeps the state of every node, the newest report, and tells whoever listens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::HeaderValue;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::domain::{Note, Report, RunRecord, ServiceSummary, Timestamp};
use crate::engine::{Event, Watcher};
use crate::graph::Plan;

/// What is told to a listener that is behind by so much is forgotten; it looks anew.
const BEHIND: usize = 256;

/// Something that has changed, as it is sent to listeners.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The state of a node.
    Node { graph: String, node: NodeNow },
    /// Bytes that a source has read.
    Read { graph: String, node: String, bytes: u64 },
    /// A report is there.
    Report { graph: String, run: String },
    /// A run has begun.
    Began { graph: String, run: String },
    /// A run has ended.
    Ended { graph: String, run: String, error: Option<String> },
}

/// All graphs that are served.
pub struct Board {
    graphs: Vec<Arc<GraphBoard>>,
    told: broadcast::Sender<Told>,
}

/// One graph.
pub struct GraphBoard {
    pub name: String,
    /// Whether it runs by itself, window by window.
    pub live: bool,
    shape: Vec<NodeShape>,
    wires: Vec<Wire>,
    now: Mutex<Now>,
    told: broadcast::Sender<Told>,
}

#[derive(Default)]
struct Now {
    nodes: BTreeMap<String, NodeNow>,
    run: Option<String>,
    newest: Option<Newest>,
    counts: Counts,
    error: Option<String>,
}

/// What has been since the server began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Counts {
    pub runs: u64,
    pub failed_runs: u64,
    pub reports: u64,
    pub records: u64,
    pub bad_records: u64,
    pub late_records: u64,
    pub episodes_opened: u64,
    pub episodes_resolved: u64,
    pub model_calls: u64,
    pub model_cache_hits: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// In the currency of the user's prices.
    pub model_cost: f64,
    pub samples_stored: u64,
    /// Seconds from the end of the newest window to its report, where there are windows.
    pub lag_seconds: Option<f64>,
}

/// The newest report of a graph.
#[derive(Clone)]
pub struct Newest {
    pub graph: String,
    pub time: Timestamp,
    /// Names these bytes.
    pub tag: HeaderValue,
    /// The report as JSON.
    pub text: Bytes,
    pub services: ServiceSummary,
}

/// A node as the graph file has it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NodeShape {
    pub name: String,
    pub kind: String,
    /// `source`, `fold`, `sink` or `task`.
    pub role: String,
}

/// An edge.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Wire {
    pub from: String,
    pub to: String,
    pub port: String,
}

/// What a node does now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct NodeNow {
    pub name: String,
    /// `waiting`, `running`, `done`, `skipped`, `fallback` or `failed`.
    pub state: String,
    /// Times that it was done since the server began; of a source, records.
    pub count: u64,
    /// When that was.
    pub since: Option<Timestamp>,
    pub error: Option<String>,
}

/// A graph and what it does now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GraphNow {
    pub name: String,
    /// Whether it runs by itself, window by window.
    pub live: bool,
    pub nodes: Vec<NodeShape>,
    pub wires: Vec<Wire>,
    pub now: Vec<NodeNow>,
    /// The run that was begun last.
    pub run: Option<String>,
    pub counts: Counts,
    /// Why it does not run any more.
    pub error: Option<String>,
}

impl Board {
    /// Of these graphs, each live or not.
    pub fn new<'a>(plans: impl IntoIterator<Item = (&'a Plan, bool)>) -> Board {
        let (told, _) = broadcast::channel(BEHIND);
        let graphs =
            plans.into_iter().map(|(plan, live)| Arc::new(GraphBoard::new(plan, live, told.clone()))).collect();
        Board { graphs, told }
    }

    pub fn graphs(&self) -> &[Arc<GraphBoard>] {
        &self.graphs
    }

    pub fn graph(&self, name: &str) -> Option<&Arc<GraphBoard>> {
        self.graphs.iter().find(|graph| graph.name == name)
    }

    /// The newest report of a graph, or of all.
    pub fn newest(&self, graph: Option<&str>) -> Option<Newest> {
        let asked = |board: &&Arc<GraphBoard>| graph.is_none_or(|name| board.name == name);
        let reports = self.graphs.iter().filter(asked).filter_map(|board| board.now().newest.clone());
        reports.max_by_key(|newest| newest.time)
    }

    pub fn listen(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }
}

impl GraphBoard {
    fn new(plan: &Plan, live: bool, told: broadcast::Sender<Told>) -> GraphBoard {
        let shape = plan.nodes.iter().map(|node| NodeShape {
            name: node.name.clone(),
            kind: node.kind.name.to_string(),
            role: format!("{:?}", node.kind.role).to_lowercase(),
        });
        let name = |index: petgraph::graph::NodeIndex| {
            plan.nodes.get(index.index()).map(|n| n.name.clone()).unwrap_or_default()
        };
        let wires = plan.dag.edge_indices().filter_map(|edge| {
            let (from, to) = plan.dag.edge_endpoints(edge)?;
            Some(Wire { from: name(from), to: name(to), port: plan.dag.edge_weight(edge).cloned().unwrap_or_default() })
        });
        let waiting = |shape: &NodeShape| NodeNow {
            name: shape.name.clone(),
            state: "waiting".to_string(),
            ..NodeNow::default()
        };
        let shape: Vec<NodeShape> = shape.collect();
        let nodes = shape.iter().map(|shape| (shape.name.clone(), waiting(shape))).collect();
        let now = Mutex::new(Now { nodes, ..Now::default() });
        GraphBoard { name: plan.name.clone(), live, wires: wires.collect(), shape, now, told }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn snapshot(&self) -> GraphNow {
        let now = self.now();
        GraphNow {
            name: self.name.clone(),
            live: self.live,
            nodes: self.shape.clone(),
            wires: self.wires.clone(),
            now: self.shape.iter().filter_map(|shape| now.nodes.get(&shape.name).cloned()).collect(),
            run: now.run.clone(),
            counts: now.counts.clone(),
            error: now.error.clone(),
        }
    }

    /// A report is there, of this run; `None` for one of before the server began.
    pub fn reported(&self, run: Option<&str>, report: &Report) {
        let Ok(text) = serde_json::to_vec(report) else { return }; // our own types always serialise
        let tag = format!("\"{}\"", blake3::hash(&text).to_hex());
        let Ok(tag) = HeaderValue::from_str(&tag) else { return }; // digits and quotes
        let services = report.service_status_summary.clone();
        let graph = self.name.clone();
        let newest = Newest { graph, time: report.timestamp, tag, text: Bytes::from(text), services };
        {
            let mut now = self.now();
            now.counts.reports += u64::from(run.is_some());
            now.newest = Some(newest);
        }
        if let Some(run) = run {
            self.tell(Told::Report { graph: self.name.clone(), run: run.to_string() });
        }
    }

    /// A run has ended. `clock` is the time now.
    pub fn ended(&self, record: &RunRecord, clock: Timestamp) {
        let mut now = self.now();
        let counts = &mut now.counts;
        counts.runs += 1;
        counts.failed_runs += u64::from(record.error.is_some());
        counts.bad_records += record.inputs.iter().map(|input| input.bad).sum::<u64>();
        counts.late_records += record.window.as_ref().map_or(0, |window| window.late);
        counts.samples_stored += record.stored.iter().map(|stored| stored.samples).sum::<u64>();
        let in_phase = |word: &str| record.episodes.iter().filter(|e| e.phase.word() == word).count() as u64;
        counts.episodes_opened += in_phase("opened");
        counts.episodes_resolved += in_phase("resolved");
        let lag = |end: Timestamp| (clock.micros() - end.micros()) as f64 / 1e6;
        counts.lag_seconds = record.window.as_ref().map(|window| lag(window.span.end)).or(counts.lag_seconds);
        drop(now);
        let (graph, run, error) = (self.name.clone(), record.run.clone(), record.error.clone());
        self.tell(Told::Ended { graph, run, error });
    }

    /// It does not run any more.
    pub fn stopped(&self, why: Option<String>) {
        self.now().error = why;
    }

    fn tell(&self, what: Told) {
        let _ = self.told.send(what); // nobody may be listening
    }

    fn change(&self, node: &str, change: impl FnOnce(&mut NodeNow)) {
        let mut now = self.now();
        let Some(state) = now.nodes.get_mut(node) else { return };
        change(state);
        let node = state.clone();
        drop(now);
        self.tell(Told::Node { graph: self.name.clone(), node });
    }

    fn count(&self, notes: &[Note]) {
        let mut now = self.now();
        for note in notes {
            let Note::Call(call) = note else { continue };
            now.counts.model_calls += u64::from(!call.cached);
            now.counts.model_cache_hits += u64::from(call.cached);
            now.counts.prompt_tokens += call.prompt_tokens;
            now.counts.completion_tokens += call.completion_tokens;
            now.counts.model_cost += call.cost.map_or(0.0, |cost| cost.get());
        }
    }
}

impl Watcher for GraphBoard {
    fn on_event(&self, run: &str, event: &Event) {
        match event {
            Event::Started(_) => {
                self.now().run = Some(run.to_string());
                self.tell(Told::Began { graph: self.name.clone(), run: run.to_string() });
            }
            Event::Read { inputs } => {
                for input in inputs {
                    self.now().counts.records += input.records;
                    self.change(&input.node, |now| {
                        (now.state, now.since) = ("running".to_string(), input.last);
                        now.count += input.records;
                    });
                }
            }
            Event::Cut { values, .. } => {
                for node in values.keys() {
                    self.change(node, |now| {
                        now.state = "done".to_string();
                        now.count += 1;
                    });
                }
            }
            Event::TaskStarted { node, .. } => self.change(node, |now| now.state = "running".to_string()),
            Event::TaskEnded { node, outcome, error, notes, .. } => {
                self.count(notes);
                self.change(node, |now| {
                    now.count += 1;
                    now.error.clone_from(error);
                    now.state = outcome.word().to_string();
                });
            }
            Event::TaskFailed { node, error, .. } => self.change(node, |now| now.error = Some(error.clone())),
            Event::Resumed {} | Event::Ended { .. } => {}
        }
    }

    fn on_read(&self, node: &str, read: u64, _total: Option<u64>) {
        self.tell(Told::Read { graph: self.name.clone(), node: node.to_string(), bytes: read });
    }
}
