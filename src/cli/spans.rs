//! A run as spans: one for the run, below it one for each node, below these the calls of the model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use opentelemetry::trace::{FutureExt, Link, SpanBuilder, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use super::terminal;
use crate::domain::{InputRecord, ModelIdentity, Note, RunStatus, TaskOutcome};
use crate::engine::{Event, Header, Watcher};
use crate::graph::Plan;
use crate::io::llm::Environment;
use crate::io::otel::Telemetry;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

/// Looks on at runs, and tells OpenTelemetry and the next who looks on.
pub struct Spans {
    telemetry: Telemetry,
    plan: Arc<Plan>,
    next: Arc<dyn Watcher>,
    runs: Mutex<BTreeMap<String, Tree>>,
}

/// The spans of a run that has not ended.
struct Tree {
    root: Context,
    begun: SystemTime,
    /// By name. They end with the run, as of when they were last heard of: until then another item may start.
    nodes: BTreeMap<String, NodeSpan>,
}

/// The span of a task node.
struct NodeSpan {
    cx: Context,
    heard: SystemTime,
    /// Tasks by how they ended.
    ended: BTreeMap<&'static str, i64>,
    calls: i64,
    cached: i64,
    /// What failed last, and has not ended since.
    failing: bool,
}

impl Spans {
    /// `None` where no spans are asked for. What is wrong with the settings is a warning: there is always a report.
    pub fn of(environment: &Environment, plan: &Arc<Plan>, next: Arc<dyn Watcher>) -> Option<Arc<Spans>> {
        match Telemetry::from_environment(environment) {
            Ok(telemetry) => telemetry
                .map(|telemetry| Arc::new(Spans { telemetry, plan: plan.clone(), next, runs: Mutex::default() })),
            Err(fault) => {
                let help = fault.help.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
                terminal::err(&format!("warning: {fault}{help}; the run goes on without spans\n"));
                None
            }
        }
    }

    /// The same model, whose calls are part of this run's spans.
    pub fn model(self: &Arc<Self>, run: &str, model: Arc<dyn Model>) -> Arc<dyn Model> {
        Arc::new(Traced { spans: self.clone(), run: run.to_string(), model })
    }

    /// Ends what is open, and sends what is left. Waits for the collector no longer than `otel::LONGEST_END`.
    pub fn finish(&self) {
        for (_, tree) in std::mem::take(&mut *self.runs()) {
            self.close(tree, "interrupted", None);
        }
        self.telemetry.finish();
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, Tree>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The context for what happens in a task node that has begun.
    fn context(&self, run: &str, node: &str) -> Option<Context> {
        Some(self.runs().get(run)?.nodes.get(node)?.cx.clone())
    }

    fn begin(&self, run: &str, header: Option<&Header>) -> Tree {
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "invoke_workflow"),
            KeyValue::new("gen_ai.workflow.name", self.plan.name.clone()),
            KeyValue::new("agent.run.id", run.to_string()),
            KeyValue::new("agent.run.resumed", header.is_none()),
            KeyValue::new("agent.graph.fingerprint", self.plan.fingerprint.clone()),
        ];
        if let Some(window) = header.and_then(|header| header.window.as_ref()) {
            attributes.push(KeyValue::new("agent.window.start", window.span.start.to_string()));
            attributes.push(KeyValue::new("agent.window.end", window.span.end.to_string()));
        }
        let begun = SystemTime::now();
        let builder = SpanBuilder::from_name(format!("invoke_workflow {}", self.plan.name))
            .with_start_time(begun)
            .with_attributes(attributes);
        let parent = self.telemetry.parent();
        let linked = parent.span().span_context().clone();
        // Each window is a trace of its own, which may be one of very many.
        let root = if self.plan.window.is_some() {
            let links = if linked.is_valid() { vec![Link::with_context(linked)] } else { Vec::new() };
            self.telemetry.sink().start(builder.with_links(links), &Context::new())
        } else {
            self.telemetry.sink().start(builder, parent)
        };
        Tree { root, begun, nodes: BTreeMap::new() }
    }

    /// Starts the span of a node, as of then.
    fn node(&self, root: &Context, name: &str, begun: SystemTime) -> Context {
        let mut attributes = vec![KeyValue::new("agent.node.name", name.to_string())];
        if let Some(node) = self.plan.find(name).and_then(|at| self.plan.nodes.get(at)) {
            attributes.push(KeyValue::new("agent.node.kind", node.kind.name));
            attributes.push(KeyValue::new("agent.node.each", node.each));
        }
        let builder = SpanBuilder::from_name(format!("node {name}"));
        self.telemetry.sink().start(builder.with_start_time(begun).with_attributes(attributes), root)
    }

    /// Whether errors of the node may quote what a model was asked or answered.
    fn may_quote(&self, node: &str) -> bool {
        let planned = self.plan.find(node).and_then(|at| self.plan.nodes.get(at));
        planned.is_some_and(|node| node.kind.uses_model) && !self.telemetry.sink().content
    }

    fn read(&self, tree: &Tree, inputs: &[InputRecord]) {
        for input in inputs {
            let cx = self.node(&tree.root, &input.node, tree.begun);
            cx.span().set_attributes([
                KeyValue::new("agent.input.format", input.format.clone()),
                KeyValue::new("agent.input.bytes", number(input.bytes)),
                KeyValue::new("agent.input.records", number(input.records)),
                KeyValue::new("agent.input.bad", number(input.bad)),
            ]);
            cx.span().end();
        }
    }

    fn failed(&self, at: (&str, Option<u32>, u32), error: &str, transient: bool, tree: &mut Tree) {
        let (name, item, attempt) = at;
        let Some(node) = tree.nodes.get_mut(name) else { return };
        (node.heard, node.failing) = (SystemTime::now(), true);
        let mut attributes =
            vec![KeyValue::new("agent.attempt", i64::from(attempt)), KeyValue::new("agent.transient", transient)];
        attributes.extend(item.map(|item| KeyValue::new("agent.item", i64::from(item))));
        if !self.may_quote(name) {
            attributes.push(KeyValue::new("exception.message", error.to_string()));
        }
        node.cx.span().add_event("task failed", attributes);
    }

    fn on_run(&self, run: &str, event: &Event) {
        let mut runs = self.runs();
        if let Event::Started(_) | Event::Resumed {} = event {
            let header = if let Event::Started(header) = event { Some(header) } else { None };
            runs.insert(run.to_string(), self.begin(run, header));
            return;
        }
        let Some(tree) = runs.get_mut(run) else { return };
        match event {
            Event::Read { inputs } => self.read(tree, inputs),
            Event::Cut { values, .. } => {
                values.keys().for_each(|fold| self.node(&tree.root, fold, tree.begun).span().end());
            }
            Event::TaskStarted { node, .. } => {
                if !tree.nodes.contains_key(node) {
                    let span = NodeSpan::new(self.node(&tree.root, node, SystemTime::now()));
                    tree.nodes.insert(node.clone(), span);
                }
            }
            Event::TaskFailed { node, item, attempt, error, transient } => {
                self.failed((node, *item, *attempt), error, *transient, tree);
            }
            Event::TaskEnded { node, outcome, notes, .. } => {
                if let Some(node) = tree.nodes.get_mut(node) {
                    node.ended(*outcome, notes);
                }
            }
            Event::Ended { status, error } => {
                let word = if *status == RunStatus::Done { "done" } else { "failed" };
                if let Some(tree) = runs.remove(run) {
                    self.close(tree, word, error.as_deref());
                }
            }
            Event::Started(_) | Event::Resumed {} => {}
        }
    }

    fn close(&self, tree: Tree, status: &'static str, error: Option<&str>) {
        let mut quotes = false;
        for (name, node) in tree.nodes {
            quotes |= node.failing && self.may_quote(&name);
            node.close();
        }
        let span = tree.root.span();
        span.set_attribute(KeyValue::new("agent.run.status", status));
        if status != "done" {
            span.set_attribute(KeyValue::new("error.type", status));
            span.set_status(Status::error(error.filter(|_| !quotes).unwrap_or_default().to_string()));
        }
        span.end();
    }
}

impl NodeSpan {
    fn new(cx: Context) -> NodeSpan {
        NodeSpan { cx, heard: SystemTime::now(), ended: BTreeMap::new(), calls: 0, cached: 0, failing: false }
    }

    fn ended(&mut self, outcome: TaskOutcome, notes: &[Note]) {
        (self.heard, self.failing) = (SystemTime::now(), false);
        *self.ended.entry(key_of(outcome)).or_default() += 1;
        for note in notes {
            if let Note::Call(call) = note {
                self.calls += 1;
                self.cached += i64::from(call.cached);
            }
        }
    }

    fn close(self) {
        let span = self.cx.span();
        span.set_attribute(KeyValue::new("agent.node.items", self.ended.values().sum::<i64>()));
        span.set_attributes(self.ended.into_iter().map(|(key, count)| KeyValue::new(key, count)));
        if self.calls > 0 {
            span.set_attribute(KeyValue::new("agent.node.calls", self.calls));
            span.set_attribute(KeyValue::new("agent.node.calls.cached", self.cached));
        }
        if self.failing {
            span.set_attribute(KeyValue::new("error.type", "task_failed"));
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(self.heard);
    }
}

fn key_of(outcome: TaskOutcome) -> &'static str {
    match outcome {
        TaskOutcome::Done => "agent.node.items.done",
        TaskOutcome::Skipped => "agent.node.items.skipped",
        TaskOutcome::Fallback => "agent.node.items.fallback",
        TaskOutcome::Failed => "agent.node.items.failed",
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Watcher for Spans {
    fn on_event(&self, run: &str, event: &Event) {
        self.on_run(run, event);
        self.next.on_event(run, event);
    }

    fn on_read(&self, node: &str, read: u64, total: Option<u64>) {
        self.next.on_read(node, read, total);
    }

    fn on_journal_lost(&self, why: &str) {
        self.next.on_journal_lost(why);
    }
}

/// A model whose calls know below which node they stand.
struct Traced {
    spans: Arc<Spans>,
    run: String,
    model: Arc<dyn Model>,
}

impl Model for Traced {
    fn identity(&self) -> ModelIdentity {
        self.model.identity()
    }

    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        let node = request.asked_by.split('[').next().unwrap_or_default();
        match self.spans.context(&self.run, node) {
            Some(cx) => Box::pin(self.model.complete(request).with_context(cx)),
            None => self.model.complete(request),
        }
    }

    fn is_in_order(&self) -> bool {
        self.model.is_in_order()
    }

    fn judged(&self, ticket: &str, accepted: Option<&ModelReply>) {
        self.model.judged(ticket, accepted);
    }
}
