//! The state of a run: changed by [`Run::apply`] and by nothing else. Pure, so that the same machine serves a fresh
//! run, a resumed one, and one inside another engine.

mod items;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use petgraph::Direction;
use serde_json::value::RawValue;

use self::items::list_of;
use super::event::{Event, Header};
use crate::domain::{InputRecord, Note, RunStatus, TaskOutcome, TaskRecord};
use crate::graph::Plan;
use crate::node::Role;

/// What the driver has to do next. Inputs are shared: the state keeps them until their task has ended.
#[derive(Debug, Clone)]
pub enum Action {
    /// Run the stream part.
    Pass,
    /// Start a try of a task, after a pause.
    Start { node: usize, item: Option<u32>, attempt: u32, input: Arc<RawValue>, after: Duration },
    /// A task has failed for good: do what its node says.
    GiveUp { node: usize, item: Option<u32>, attempt: u32, input: Arc<RawValue>, error: String },
    /// Everything is done.
    End,
}

/// The journal tells of something that cannot have happened in a run of this plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Diverged(pub String);

/// A run of a plan, as far as it has come.
#[derive(Debug, Default)]
pub struct Run {
    pub header: Option<Header>,
    pub inputs: Vec<InputRecord>,
    pub tasks: Vec<TaskRecord>,
    pub notes: Vec<Note>,
    /// How it ended, and why it failed.
    pub ended: Option<(RunStatus, Option<String>)>,
    nodes: Vec<NodeState>,
    /// Nodes that are not finished.
    left: usize,
    /// The latest action for each unfinished task: what a process that takes the run up has to do.
    pending: BTreeMap<(usize, Option<u32>), Action>,
    /// The stream part is still to be run.
    pass: bool,
}

#[derive(Debug, Default)]
struct NodeState {
    /// Edges that it waits for: their producer is not finished, or, of the one that it follows, has not begun.
    missing: usize,
    /// Its items are known, and are its producer's where it follows one.
    is_open: bool,
    /// What each of its tasks is given beside its own item; only where it follows another node.
    whole: Vec<(String, Box<RawValue>)>,
    /// Outputs of the items so far, `null` of those that are skipped; a node without `each` has one.
    items: Vec<Option<Box<RawValue>>>,
    /// Items that are not finished.
    left: usize,
    /// The output, once finished.
    value: Option<Output>,
}

/// What a node has made.
#[derive(Debug)]
enum Output {
    Text(Box<RawValue>),
    /// Items that were taken one by one already; their list is put together when somebody asks for it all the same.
    Items(Vec<Option<Box<RawValue>>>, OnceLock<Option<Box<RawValue>>>),
}

impl Run {
    /// The output of a node, once it is there.
    pub fn value(&self, node: usize) -> Option<&RawValue> {
        match self.nodes.get(node)?.value.as_ref()? {
            Output::Text(value) => Some(value),
            Output::Items(items, list) => list.get_or_init(|| list_of(items).ok()).as_deref(),
        }
    }

    /// Whether the output of a node is there.
    pub fn has_value(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|state| state.value.is_some())
    }

    /// Whether the stream part is behind it.
    pub fn is_cut(&self) -> bool {
        self.header.is_some() && !self.pass
    }

    /// Whether another process could go on from here: nothing is left to read, or it can be read again.
    pub fn can_be_resumed(&self) -> bool {
        // The stream of a window is read by the live graph, not by one run.
        let rereads = |header: &Header| header.can_be_reread && header.window.is_none();
        !self.pass || self.header.as_ref().is_none_or(rereads)
    }

    /// What is still to be done, in the order of the plan.
    pub fn pending(&self) -> Vec<Action> {
        if self.ended.is_some() {
            return Vec::new();
        }
        let pass = self.pass.then_some(Action::Pass);
        let end = (self.header.is_some() && self.left == 0).then_some(Action::End);
        pass.into_iter().chain(self.pending.values().cloned()).chain(end).collect()
    }

    /// Takes in one event and says what it leads to.
    ///
    /// # Errors
    /// The event does not fit the plan or what happened before.
    pub fn apply(&mut self, plan: &Plan, event: &Event, actions: &mut Vec<Action>) -> Result<(), Diverged> {
        if self.header.is_none() != matches!(event, Event::Started(_)) {
            return Err(Diverged("a run begins with its one `started` event".into()));
        }
        match event {
            Event::Started(header) => self.start(plan, header, actions),
            Event::Resumed {} => self.resume(actions),
            Event::Read { inputs } => {
                self.inputs.clone_from(inputs);
                Ok(())
            }
            Event::Cut { values, notes } => {
                self.notes.extend(notes.iter().cloned());
                self.cut(plan, values, actions)
            }
            Event::TaskStarted { node, item, attempt } => self.task_started(plan, node, *item, *attempt),
            Event::TaskFailed { node, item, attempt, error, transient } => {
                self.task_failed(plan, (node, *item, *attempt), error, *transient, actions)
            }
            Event::TaskEnded { node, item, attempt, outcome, output, error, notes, elapsed_ms, .. } => {
                let record = TaskRecord {
                    node: node.clone(),
                    item: *item,
                    attempts: *attempt,
                    outcome: *outcome,
                    error: error.clone(),
                    elapsed_ms: *elapsed_ms,
                };
                self.task_ended(plan, record, output, notes, actions)
            }
            Event::Ended { status, error } => {
                self.ended = Some((*status, error.clone()));
                Ok(())
            }
        }
    }

    fn start(&mut self, plan: &Plan, header: &Header, actions: &mut Vec<Action>) -> Result<(), Diverged> {
        self.header = Some(header.clone());
        self.nodes = plan
            .dag
            .node_indices()
            .map(|n| NodeState {
                missing: plan.dag.edges_directed(n, Direction::Incoming).count(),
                ..NodeState::default()
            })
            .collect();
        self.left = plan.nodes.iter().filter(|n| matches!(n.kind.role, Role::Fold | Role::Task)).count();
        let roots: Vec<usize> =
            plan.of_role(Role::Task).filter(|&n| self.nodes.get(n).is_some_and(|s| s.missing == 0)).collect();
        if plan.of_role(Role::Fold).chain(plan.of_role(Role::Sink)).next().is_some() {
            self.pass = true;
            actions.push(Action::Pass);
        }
        self.ready(plan, roots.into(), actions)?;
        self.check_end(actions);
        Ok(())
    }

    /// What was given up is tried again from the first attempt; everything else goes on where it was.
    fn resume(&mut self, actions: &mut Vec<Action>) -> Result<(), Diverged> {
        self.ended = None;
        for action in self.pending.values_mut() {
            // Lists that could not be zipped have no input and would fail the same way.
            if let Action::GiveUp { node, item, input, .. } = action
                && input.get() != "null"
            {
                let (node, item, input) = (*node, *item, input.clone());
                *action = Action::Start { node, item, attempt: 1, input, after: Duration::ZERO };
            }
        }
        actions.extend(self.pending());
        Ok(())
    }

    fn cut(
        &mut self,
        plan: &Plan,
        values: &BTreeMap<String, Box<RawValue>>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        if !std::mem::take(&mut self.pass) {
            return Err(Diverged("the stream part ended without having been started".into()));
        }
        let mut ready = VecDeque::new();
        for fold in plan.of_role(Role::Fold) {
            let name = plan.nodes.get(fold).map_or("", |n| n.name.as_str());
            let value = values.get(name).ok_or_else(|| Diverged(format!("the cut lacks the value of `{name}`")))?;
            self.finish(plan, fold, Output::Text(value.clone()), &mut ready)?;
        }
        self.ready(plan, ready, actions)?;
        self.check_end(actions);
        Ok(())
    }

    fn task_started(&mut self, plan: &Plan, node: &str, item: Option<u32>, attempt: u32) -> Result<(), Diverged> {
        match self.pending.get(&(index(plan, node)?, item)) {
            Some(Action::Start { attempt: due, .. }) if *due == attempt => Ok(()),
            _ => Err(Diverged(format!("attempt {attempt} of `{}` was not due", task_name(node, item)))),
        }
    }

    fn task_failed(
        &mut self,
        plan: &Plan,
        (node, item, attempt): (&str, Option<u32>, u32),
        error: &str,
        transient: bool,
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        let at = index(plan, node)?;
        let Some(Action::Start { input, attempt: due, .. }) = self.pending.get(&(at, item)) else {
            return Err(Diverged(format!("`{}` failed without having been started", task_name(node, item))));
        };
        if *due != attempt {
            return Err(Diverged(format!("`{}` failed at another attempt than the one due", task_name(node, item))));
        }
        let input = input.clone();
        let retries = plan.nodes.get(at).map_or(0, |n| n.retry);
        let action = if transient && attempt <= retries {
            let after = pause(&task_name(node, item), attempt);
            Action::Start { node: at, item, attempt: attempt + 1, input, after }
        } else {
            Action::GiveUp { node: at, item, attempt, input, error: error.to_string() }
        };
        self.demand((at, item), action, actions);
        Ok(())
    }

    fn task_ended(
        &mut self,
        plan: &Plan,
        record: TaskRecord,
        output: &RawValue,
        notes: &[Note],
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        let node = index(plan, &record.node)?;
        let key = (node, record.item);
        if self.pending.remove(&key).is_none() {
            let name = task_name(&record.node, record.item);
            return Err(Diverged(format!("`{name}` ended without being due")));
        }
        self.notes.extend(notes.iter().cloned());
        let item = record.item.unwrap_or(0) as usize;
        if record.outcome == TaskOutcome::Failed {
            return Err(Diverged("a failed task has no end".into()));
        }
        self.tasks.push(record);
        let state = self.nodes.get_mut(node).ok_or_else(|| Diverged("no such node".into()))?;
        if item >= state.items.len() {
            return Err(Diverged(format!("there is no item {item}")));
        }
        let mut ready = VecDeque::new();
        self.item_ended(plan, (node, item), output.to_owned(), &mut ready, actions)?;
        self.ready(plan, ready, actions)?;
        self.check_end(actions);
        Ok(())
    }

    fn demand(&mut self, key: (usize, Option<u32>), action: Action, actions: &mut Vec<Action>) {
        self.pending.insert(key, action.clone());
        actions.push(action);
    }

    fn check_end(&self, actions: &mut Vec<Action>) {
        if self.left == 0 && self.ended.is_none() {
            actions.push(Action::End);
        }
    }
}

/// `node`, or `node[item]`.
pub fn task_name(node: &str, item: Option<u32>) -> String {
    match item {
        Some(item) => format!("{node}[{item}]"),
        None => node.to_string(),
    }
}

/// Exponential backoff from half a second to half a minute, with jitter from a hash: no chance, no clock.
fn pause(task: &str, attempt: u32) -> Duration {
    let full = 500u64.saturating_mul(1 << attempt.saturating_sub(1).min(6)).min(30_000);
    let hash = blake3::hash(format!("{task}#{attempt}").as_bytes());
    let share = u64::from(hash.as_bytes().first().copied().unwrap_or(0)); // 0..=255
    Duration::from_millis(full / 2 + full / 2 * share / 255)
}

fn index(plan: &Plan, node: &str) -> Result<usize, Diverged> {
    plan.find(node).ok_or_else(|| Diverged(format!("the graph has no node `{node}`")))
}
