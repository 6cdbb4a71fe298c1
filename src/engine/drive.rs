//! Performs what the state asks for: starts tasks the moment their inputs exist, runs independent ones concurrently,
//! and journals every event before anything outside can see its effect.

use std::collections::{BTreeMap, VecDeque};
use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::value::RawValue;

use super::attempt::{Hands, Step, attempt_task};
use super::event::Event;
use super::log::Log;
use super::open::Values;
use super::pass::{Passed, run_apart};
use super::state::{Action, Diverged, Run, task_name};
use super::watch::{Cancel, Watcher};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::domain::{RunStatus, TaskOutcome};
use crate::graph::{OnError, Plan, Stream};
use crate::node::Cx;
use crate::port::{Clock, Journal, Memory, Model};

/// Steps that are journaled in one write at most.
const GROUP: usize = 64;

/// Tasks that are started before the runtime has its turn: a thousand of them may take long to set about their work, and
/// what the first wait for is to be on its way meanwhile.
const STARTED_AT_ONCE: usize = 16;

/// What the driver needs of the world.
pub struct World {
    /// `None` keeps no journal.
    pub journal: Option<Box<dyn Journal>>,
    pub clock: Arc<dyn Clock>,
    pub model: Option<Arc<dyn Model>>,
    /// What runs of earlier windows kept.
    pub memory: Option<Arc<dyn Memory>>,
    pub watcher: Arc<dyn Watcher>,
    pub cancel: Cancel,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    Done,
    Failed(Box<Diagnostic>),
    /// Cancelled; can be resumed.
    Interrupted,
}

/// Drives a run to its end. `first` is the event that sets it off: `Started`, or `Resumed` on a loaded state; `None` where
/// the state has been brought to its cut just now. `stream` is `None` where that is so, or was in an earlier process.
pub async fn drive(
    plan: Arc<Plan>,
    stream: Option<Stream>,
    run: Run,
    world: World,
    first: Option<Event>,
) -> (Run, Outcome) {
    let id = run.header.as_ref().map(|header| header.run.clone()).unwrap_or_default();
    let mut driver = Driver {
        plan,
        stream,
        run,
        resumed: matches!(first, Some(Event::Resumed {})),
        log: Log::new(world.journal, world.clock, world.watcher, &id),
        model: world.model,
        memory: world.memory,
        cancel: world.cancel,
        events: VecDeque::new(),
        starts: Vec::new(),
        followers: VecDeque::new(),
        held: BTreeMap::new(),
        running: FuturesUnordered::new(),
        hands: Hands::default(),
        fault: None,
    };
    match first {
        Some(first) => driver.events.push_back(first),
        None => driver.run.pending().into_iter().for_each(|action| driver.take_up(action)),
    }
    let outcome = driver.run().await;
    (driver.run, outcome)
}

struct Driver {
    plan: Arc<Plan>,
    /// Gone once the pass has begun.
    stream: Option<Stream>,
    run: Run,
    /// An earlier process has begun it.
    resumed: bool,
    log: Log,
    model: Option<Arc<dyn Model>>,
    memory: Option<Arc<dyn Memory>>,
    cancel: Cancel,
    /// Not yet taken in.
    events: VecDeque<Event>,
    /// To be started once the events that announce them are journaled.
    starts: Vec<Action>,
    /// Announced tasks of nodes that follow another: each is started when nothing else has something to do, so that the
    /// world is asked on before what it answered is worked on.
    followers: VecDeque<Action>,
    /// Tasks of nodes that have to wait for the one that they follow, by node and item.
    held: BTreeMap<usize, BTreeMap<Option<u32>, Action>>,
    running: FuturesUnordered<BoxFuture<'static, Step>>,
    hands: Hands,
    /// The latest fault with a code and a remedy of its own; the journal has only its text.
    fault: Option<Box<Diagnostic>>,
}

impl Driver {
    async fn run(&mut self) -> Outcome {
        loop {
            if let Err(diverged) = self.settle() {
                return failed(codes::run::DIVERGED, format!("the journal does not fit the run: {diverged}"));
            }
            match &self.run.ended {
                Some((RunStatus::Done, _)) => return Outcome::Done,
                Some((_, error)) => {
                    let error = error.clone().unwrap_or_default();
                    return match self.fault.take() {
                        Some(fault) => Outcome::Failed(fault),
                        None => failed(codes::run::TASK_FAILED, error),
                    };
                }
                None => {}
            }
            self.start_all().await;
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Outcome::Interrupted,
                step = self.running.next(), if !self.running.is_empty() || self.followers.is_empty() => match step {
                    Some(step) => {
                        if !self.take(step) {
                            return Outcome::Interrupted;
                        }
                    }
                    None => {
                        let message = "the run stands still although it is not finished, which is a bug";
                        return failed(codes::run::TASK_FAILED, message.to_string());
                    }
                },
                () = tokio::task::yield_now(), if !self.followers.is_empty() => self.start_follower().await,
            }
        }
    }

    /// Takes in all events at hand and journals them in one write; only then may start what they lead to.
    fn settle(&mut self) -> Result<(), Diverged> {
        let mut actions = Vec::new();
        while let Some(event) = self.next_event() {
            if self.run.ended.is_some() && !matches!(event, Event::Resumed {}) {
                break; // what still ran when the run failed is not part of it
            }
            self.log.put(&event);
            self.run.apply(&self.plan, &event, &mut actions)?;
            actions.drain(..).for_each(|action| self.take_up(action));
        }
        self.log.flush();
        Ok(())
    }

    /// The next event that is not taken in. When there is none, those that wait for others to have asked may be free.
    fn next_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            let followed = |node: usize| self.plan.followed(node).map(|(_, followed)| followed);
            let is_free = |node: &usize| followed(*node).is_none_or(|followed| self.run.has_value(followed));
            let free: Vec<usize> = self.held.keys().copied().filter(is_free).collect();
            let free: Vec<Action> =
                free.iter().filter_map(|node| self.held.remove(node)).flatten().map(|(_, a)| a).collect();
            free.into_iter().for_each(|action| self.announce(action));
        }
        self.events.pop_front()
    }

    /// Whether a task of the node must not begin before the node that it follows is done.
    fn waits(&self, node: usize) -> bool {
        let asks = self.plan.nodes.get(node).is_some_and(|planned| planned.kind.uses_model);
        asks && self.plan.followed(node).is_some() && self.model.as_ref().is_some_and(|model| model.is_in_order())
    }

    fn take_up(&mut self, action: Action) {
        match action {
            Action::Pass => self.starts.push(action),
            Action::Start { after, .. } if !after.is_zero() => {
                self.running.push(tokio::time::sleep(after).map(move |()| Step::Due(action)).boxed());
            }
            Action::Start { node, item, .. } if self.waits(node) => {
                self.held.entry(node).or_default().insert(item, action);
            }
            Action::Start { .. } => self.announce(action),
            Action::GiveUp { node, item, attempt, input, error } => {
                let event = self.give_up((node, item, attempt), &input, error);
                self.events.push_back(event);
            }
            Action::End => self.events.push_back(Event::Ended { status: RunStatus::Done, error: None }),
        }
    }

    /// Journals the start of a try before it starts.
    fn announce(&mut self, action: Action) {
        let Action::Start { node, item, attempt, .. } = action else { return };
        let name = self.plan.nodes.get(node).map(|n| n.name.clone()).unwrap_or_default();
        self.events.push_back(Event::TaskStarted { node: name, item, attempt });
        self.starts.push(action);
    }

    /// Starts what is due. Each task is polled once, in the order of the graph and of the items, before any is polled
    /// again: what they ask of the world first, they ask in that order, however fast the world is.
    async fn start_all(&mut self) {
        let starts = std::mem::take(&mut self.starts);
        let follows = |action: &Action| match action {
            Action::Start { node, .. } => self.plan.followed(*node).is_some(),
            _ => false,
        };
        let (followers, starts): (Vec<Action>, Vec<Action>) = starts.into_iter().partition(follows);
        self.followers.extend(followers);
        for (before, action) in starts.into_iter().enumerate() {
            if before % STARTED_AT_ONCE == STARTED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            self.start(Some(action)).await;
        }
    }

    async fn start(&mut self, action: Option<Action>) {
        let Some(mut future) = action.and_then(|action| self.future_of(action)) else { return };
        let step = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        self.running.push(match step {
            Poll::Ready(step) => ready(step).boxed(),
            Poll::Pending => future,
        });
    }

    /// Starts the next follower, and hands further ones to other threads that have nothing to do. Those of a node that is
    /// asked in order are all started here.
    async fn start_follower(&mut self) {
        let first = self.followers.pop_front();
        let in_order = matches!(first, Some(Action::Start { node, .. }) if self.waits(node));
        let others = if in_order { 0 } else { self.hands.want(self.followers.len()) };
        let others: Vec<Action> = self.followers.drain(..others).collect();
        let others: Vec<_> = others.into_iter().filter_map(|action| self.future_of(action)).collect();
        if !others.is_empty() {
            self.running.extend(self.hands.begin(others));
        }
        self.start(first).await;
    }

    fn future_of(&mut self, action: Action) -> Option<BoxFuture<'static, Step>> {
        match action {
            Action::Pass => {
                let stream = self.stream.take()?;
                let pass = run_apart(
                    self.plan.clone(),
                    stream,
                    self.log.is_synced(),
                    self.log.watcher.clone(),
                    self.cancel.clone(),
                );
                Some(pass.map(Step::Passed).boxed())
            }
            Action::Start { node, item, attempt, input, .. } => {
                let planned = self.plan.nodes.get(node)?;
                let task = planned.task.clone()?;
                let model = if planned.kind.uses_model { self.model.clone() } else { None };
                let header = self.run.header.as_ref();
                let (id, window) = header.map(|h| (h.run.clone(), h.window.clone())).unwrap_or_default();
                let cx = Cx::new(task_name(&planned.name, item), self.plan.language, model);
                let mut cx = cx.within(id, window, self.memory.clone());
                (cx.synced, cx.resumed) = (self.log.is_synced(), self.resumed);
                cx.graph.clone_from(&self.plan.name);
                let name = planned.name.clone();
                Some(attempt_task(task, cx, input, planned.timeout, (name, item, attempt)).boxed())
            }
            Action::GiveUp { .. } | Action::End => None,
        }
    }

    /// Takes in a step, and what else has come to its end meanwhile, so that one write journals it all; `false` when the
    /// stream part was interrupted. A fault is the last: what comes of it is decided before anything else.
    fn take(&mut self, step: Step) -> bool {
        let mut next = Some(step);
        for taken in 1.. {
            let goes_on = match next.take() {
                None => return true,
                Some(Step::Passed(passed)) => return self.passed(passed),
                Some(Step::Due(action)) => {
                    self.announce(action);
                    true
                }
                Some(Step::Ended(event, fault)) => {
                    let goes_on = matches!(event, Event::TaskEnded { .. });
                    self.fault = fault;
                    self.events.push_back(event);
                    goes_on
                }
            };
            if goes_on && taken < GROUP {
                next = self.running.next().now_or_never().flatten(); // what is not ready wakes whoever polls next
            }
        }
        true
    }

    /// Turns the end of the stream part into events; `false` when it was interrupted.
    fn passed(&mut self, passed: Passed) -> bool {
        let Passed { inputs, values } = passed;
        let event = match values {
            Ok(None) => return false,
            Ok(Some(Values { values, notes, .. })) => Event::Cut { values, notes },
            Err(fault) => {
                let error = fault.to_string();
                self.fault = Some(fault);
                Event::Ended { status: RunStatus::Failed, error: Some(error) }
            }
        };
        self.events.extend([Event::Read { inputs }, event]);
        true
    }

    /// What the node's `on_error` makes of a task that has failed for good.
    fn give_up(&mut self, at: (usize, Option<u32>, u32), input: &RawValue, error: String) -> Event {
        let (node, item, attempt) = at;
        let Some(planned) = self.plan.nodes.get(node) else {
            return Event::Ended { status: RunStatus::Failed, error: Some(error) };
        };
        let stand_in = match planned.on_error {
            OnError::Fail => None,
            OnError::Skip => Some((TaskOutcome::Skipped, RawValue::NULL.to_owned())),
            OnError::Fallback => {
                planned.task.as_ref().and_then(|t| t.fallback(input)).map(|output| (TaskOutcome::Fallback, output))
            }
        };
        let node = planned.name.clone();
        match stand_in {
            Some((outcome, output)) => Event::TaskEnded {
                node,
                item,
                attempt,
                outcome,
                output,
                error: Some(error),
                notes: Vec::new(),
                elapsed_ms: 0,
                recalled: BTreeMap::new(),
            },
            None => {
                let error = format!("node `{}` failed: {error}", task_name(&node, item));
                Event::Ended { status: RunStatus::Failed, error: Some(error) }
            }
        }
    }
}

fn failed(code: &'static Code, message: String) -> Outcome {
    Outcome::Failed(Box::new(Diagnostic::new(code, message)))
}
