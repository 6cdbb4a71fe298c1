//! The run record, from the state of a run.

use super::state::Run;
use crate::domain::{Note, RunRecord, RunStatus, Timestamp, Usage};

/// What the state knows of a run. Coverage, completeness, the model's identity and the currency of its
/// costs are the caller's to add: the engine knows none of them.
pub fn run_record(run: &Run, started: Timestamp, ended: Option<Timestamp>) -> RunRecord {
    let header = run.header.as_ref();
    let mut calls = Vec::new();
    let mut wordings = Vec::new();
    let mut deliveries = Vec::new();
    let mut episodes = Vec::new();
    let mut insufficient = Vec::new();
    let mut incidents = Vec::new();
    let mut stored = Vec::new();
    for note in &run.notes {
        match note {
            Note::Call(call) => calls.push(call.clone()),
            Note::Wording(wording) => wordings.push(wording.clone()),
            Note::Delivery(delivery) => deliveries.push(delivery.clone()),
            Note::Episode(episode) => episodes.push(episode.clone()),
            Note::Insufficient(rule) => insufficient.push(rule.clone()),
            Note::Incident(incident) => incidents.push(incident.clone()),
            Note::Stored(what) => stored.push(what.clone()),
            Note::Keep { .. } => {}
        }
    }
    // Tasks end in the order in which time lets them; the record has them in one order.
    let mut tasks = run.tasks.clone();
    tasks.sort_by(|a, b| (&a.node, a.item).cmp(&(&b.node, b.item)));
    calls.sort_by(|a, b| a.asked_by.cmp(&b.asked_by));
    deliveries.sort_by(|a, b| a.task.cmp(&b.task));
    wordings.sort_by(|a, b| a.recommendation.cmp(&b.recommendation));
    episodes.sort_by(|a, b| a.id.cmp(&b.id));
    episodes.dedup(); // several reports of one run may tell of the same
    incidents.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
    incidents.dedup(); // several plans of one run may work on the same
    RunRecord {
        version: 1,
        run: header.map(|h| h.run.clone()).unwrap_or_default(),
        graph: header.map(|h| h.graph.clone()).unwrap_or_default(),
        status: run.ended.as_ref().map_or(RunStatus::Running, |(status, _)| *status),
        started,
        ended,
        error: run.ended.as_ref().and_then(|(_, error)| error.clone()),
        window: header.and_then(|h| h.window.clone()),
        inputs: run.inputs.clone(),
        coverage: Vec::new(),
        completeness: Vec::new(),
        tasks,
        model: None,
        usage: usage(run),
        currency: None,
        calls,
        wordings,
        deliveries,
        episodes,
        insufficient,
        incidents,
        stored,
    }
}

/// What asking a model took so far, in earlier processes too.
pub fn usage(run: &Run) -> Usage {
    let calls = run.notes.iter().filter_map(|note| if let Note::Call(call) = note { Some(call) } else { None });
    calls.collect()
}
