//! A run, gone through again from its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Verdict;
use crate::cli::apart::{self, With};
use crate::cli::exit::Failure;
use crate::cli::render::safe;
use crate::cli::resume::{self, recompiled};
use crate::cli::stand_in::Journaled;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Note, RunStatus, TaskOutcome};
use crate::engine::{Entry, Event, Header, Outcome};
use crate::graph::Plan;
use crate::io::llm::{Environment, describe_difference};
use crate::io::replies::Replies;
use crate::io::state::RunDir;
use crate::port::Memory;

/// # Errors
/// AG0321: the run is not done, or read nothing. AG0312: its graph has changed. A journal that cannot be read.
pub fn replay(folder: &RunDir, environment: &Environment) -> Result<Verdict, Failure> {
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let text = std::fs::read_to_string(resume::journal_of(folder)?).map_err(|e| unreadable(e.to_string()))?;
    let entries = resume::read(&text)?;
    let Some(Event::Started(header)) = entries.first().map(|entry| &entry.event) else {
        return Err(refused(format!("run {} was killed before its journal began", folder.id())));
    };
    let (compiled, _) = recompiled(header, environment)?;
    let recorded = resume::replay(&compiled.plan, &entries)?;
    match &recorded.ended {
        Some((RunStatus::Done, _)) => {}
        Some(_) => return Err(refused(format!("run {} failed; `agent resume` goes on with it", folder.id()))),
        None => return Err(refused(format!("run {} has not ended", folder.id()))),
    }
    if !recorded.is_cut() {
        return Err(refused(format!("the window of run {} had no records", folder.id())));
    }
    let told = Told::of(&entries);
    let mut plan = compiled.plan;
    let replies = Replies::read(&folder.replies());
    let given = told.given(&plan, header, &replies);
    stand_in(&mut plan, &told, &given);
    let calls = told.calls.iter().filter(|(task, _)| !given.contains_key(*task));
    let calls: BTreeMap<String, usize> = calls.map(|(task, calls)| (task.clone(), *calls)).collect();
    let asked: usize = calls.values().sum();
    let model = header.made.model.clone().map(|identity| replies.model(identity, &calls));
    let memory: Arc<dyn Memory> = Arc::new(Recalled(told.recalled.clone()));
    let start = apart::after(&plan, &told.start).map_err(|error| {
        Failure::run(Diagnostic::new(codes::run::DIVERGED, format!("the journal does not fit the graph: {error}")))
    })?;
    let plan = Arc::new(plan);
    let with = With { model, memory: Some(memory), journal: None };
    let (_, outcome, events) = apart::run(&plan, None, start, with, None)?;
    let again = Told::of_events(events.iter());
    let parted = told.parts_from(&again, &given, &plan);
    let failed = match outcome {
        Outcome::Failed(fault) => Some(fault.message),
        Outcome::Done | Outcome::Interrupted => None,
    };
    Ok(verdict(folder.id(), &told, &given, asked, parted, failed))
}

fn refused(message: String) -> Failure {
    Failure::run(Diagnostic::new(codes::run::NOT_REPLAYABLE, message).help(codes::run::NOT_REPLAYABLE.remedy))
}

/// Why a task is not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Tells,
    Failed,
    NoReplies,
}

/// What is in a journal that a replay has to come to.
#[derive(Default)]
struct Told {
    /// Everything up to the cut, of the first process that came to it.
    start: Vec<Event>,
    /// Outputs and notes of the tasks, `node` or `node[item]`.
    tasks: BTreeMap<String, Task>,
    /// Tasks in the order in which they ended.
    order: Vec<String>,
    /// Calls of the model, by task.
    calls: BTreeMap<String, usize>,
    recalled: BTreeMap<String, String>,
}

struct Task {
    node: String,
    outcome: TaskOutcome,
    output: Box<RawValue>,
    notes: Vec<Note>,
}

impl Told {
    fn of(entries: &[Entry]) -> Told {
        Told::of_events(entries.iter().map(|entry| &entry.event))
    }

    fn of_events<'a>(events: impl Iterator<Item = &'a Event>) -> Told {
        let mut told = Told::default();
        for event in events {
            match event {
                Event::Started(_) | Event::Read { .. } | Event::Cut { .. } => told.start.push(event.clone()),
                Event::TaskEnded { node, item, outcome, output, notes, recalled, .. } => {
                    let name = item.map_or_else(|| node.clone(), |item| format!("{node}[{item}]"));
                    let calls = notes.iter().filter(|note| matches!(note, Note::Call(_))).count();
                    told.calls.insert(name.clone(), calls);
                    told.recalled.extend(recalled.iter().map(|(key, value)| (key.clone(), value.clone())));
                    told.order.push(name.clone());
                    let (node, outcome, output, notes) = (node.clone(), *outcome, output.clone(), notes.clone());
                    told.tasks.insert(name, Task { node, outcome, output, notes });
                }
                _ => {}
            }
        }
        told
    }

    /// The tasks whose outputs are taken as they were.
    fn given(&self, plan: &Plan, header: &Header, replies: &Replies) -> BTreeMap<String, Why> {
        let why = |(name, task): (&String, &Task)| {
            let at = plan.find(&task.node)?;
            let asks = plan.nodes.get(at).is_some_and(|node| node.kind.uses_model);
            let calls = self.calls.get(name).copied().unwrap_or(0);
            // A header of before the model was in it does not say whether there was one.
            let lacks = asks && (header.made.parts.is_empty() || !replies.has(name, calls));
            let why = match task.outcome {
                _ if apart::tells(plan, at) => Why::Tells,
                TaskOutcome::Done if lacks => Why::NoReplies,
                TaskOutcome::Done => return None,
                _ => Why::Failed,
            };
            Some((name.clone(), why))
        };
        self.tasks.iter().filter_map(why).collect()
    }

    /// The first task that came to something else, and how.
    fn parts_from(&self, again: &Told, given: &BTreeMap<String, Why>, plan: &Plan) -> Option<String> {
        let place = |name: &&String| self.tasks.get(*name).and_then(|task| plan.find(&task.node));
        let mut order: Vec<&String> = self.order.iter().collect();
        order.sort_by_key(place); // the earliest node of the graph says most
        let differs = |name: &&String| {
            let (task, other) = (self.tasks.get(*name)?, again.tasks.get(*name));
            let Some(other) = other else { return Some(format!("`{name}` did not come to an end")) };
            if task.output.get() != other.output.get() {
                let [a, b] = [task, other].map(|t| serde_json::from_str(t.output.get()).unwrap_or(Value::Null));
                return Some(difference(name, "output", &a, &b));
            }
            if given.contains_key(*name) || task.notes == other.notes {
                return None;
            }
            let [a, b] = [task, other].map(|t| serde_json::to_value(&t.notes).unwrap_or(Value::Null));
            Some(difference(name, "notes", &a, &b))
        };
        order.iter().find_map(differs)
    }
}

fn difference(task: &str, what: &str, journaled: &Value, replayed: &Value) -> String {
    let places = match journaled == replayed {
        true => "  in the order of its keys alone".to_string(),
        false => describe_difference(journaled, replayed, ["journaled", "replayed"]),
    };
    format!("the {what} of `{task}` differs at:\n{places}")
}

/// Puts what was journaled in the place of the tasks that are not run again.
fn stand_in(plan: &mut Plan, told: &Told, given: &BTreeMap<String, Why>) {
    let nodes: BTreeSet<&str> = given.keys().filter_map(|name| Some(told.tasks.get(name)?.node.as_str())).collect();
    for node in plan.nodes.iter_mut().filter(|node| nodes.contains(node.name.as_str())) {
        let Some(task) = node.task.take() else { continue };
        let of_node = given.keys().filter_map(|name| Some((name, told.tasks.get(name)?)));
        let of_node = of_node.filter(|(_, task)| task.node == node.name);
        let outputs = of_node.map(|(name, task)| (name.clone(), task.output.clone())).collect();
        node.task = Some(Arc::new(Journaled { task, outputs }));
    }
}

/// What the tasks recalled of earlier windows.
struct Recalled(BTreeMap<String, String>);

impl Memory for Recalled {
    fn recall(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }
}

fn verdict(
    run: &str,
    told: &Told,
    given: &BTreeMap<String, Why>,
    asked: usize,
    parted: Option<String>,
    failed: Option<String>,
) -> Verdict {
    let tasks = |count: usize| if count == 1 { "1 task".to_string() } else { format!("{count} tasks") };
    let mut text = match &parted {
        None => format!("run {run}: the same bytes\n"),
        Some(_) => format!("run {run}: not the same\n"),
    };
    let again = told.tasks.len() - given.len();
    text.push_str(&format!("  {} gone through again, {asked} answers of the model said again\n", tasks(again)));
    for (why, reason) in [
        (Why::Tells, "taken as journaled, to tell the world nothing"),
        (Why::Failed, "taken as journaled, where a failure was made up for"),
        (Why::NoReplies, "taken as journaled: what the model answered is not kept"),
    ] {
        let count = given.values().filter(|of| **of == why).count();
        if count > 0 {
            text.push_str(&format!("  {} {reason}\n", tasks(count)));
        }
    }
    let escaped = |shown: &str| shown.lines().map(|line| format!("{}\n", safe(line))).collect::<String>();
    parted.iter().chain(failed.iter().filter(|_| parted.is_some())).for_each(|shown| text.push_str(&escaped(shown)));
    Verdict { same: parted.is_none() && failed.is_none(), text }
}
