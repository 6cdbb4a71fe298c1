//! The stream part: one pass over each source, shared by all folds that listen to it. Synchronous; runs on a thread
//! of its own.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::open::Values;
use super::sinks::Sinks;
use super::watch::{Cancel, Watcher};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{InputRecord, Timestamp};
use crate::graph::{Plan, Stream, StreamSource};
use crate::node::{Gathered, Next, Pass, Wanted, Window};

/// What a pass gave, and what it read until it ended or failed.
pub struct Passed {
    pub inputs: Vec<InputRecord>,
    /// `None` when it was interrupted.
    pub values: Result<Option<Values>, Box<Diagnostic>>,
}

/// What each source brought.
#[derive(Default)]
struct Tally {
    records: u64,
    newest: Option<i64>,
}

/// Runs every source through its folds and sinks, in the order of the file, and closes them. `synced`: what sinks commit
/// survives a power cut.
pub fn run(plan: &Plan, mut stream: Stream, synced: bool, watcher: &dyn Watcher, cancel: &Cancel) -> Passed {
    let mut inputs = Vec::new();
    let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
    let wanted: Vec<Option<Wanted>> = stream.sources.iter().map(|source| stream.wanted(source.node)).collect();
    let mut sinks = Sinks::open(plan, std::mem::take(&mut stream.sinks), synced);
    let Stream { sources, mut folds, .. } = stream;
    let mut gathered: Vec<Gathered> = folds.iter().map(|f| f.fold.open(None)).collect();
    for (source, wanted) in sources.iter().zip(wanted) {
        let Some(wanted) = wanted else { continue }; // nobody listens
        let pairs = folds.iter().zip(&mut gathered);
        let mut listeners: Vec<_> = pairs.filter(|(f, _)| f.sources.contains(&source.node)).collect();
        let read = read(plan, source, &wanted, watcher, cancel, |batch| {
            listeners.iter_mut().for_each(|(f, gathered)| f.fold.push(gathered, batch));
            sinks.push(source.node, batch);
        });
        inputs.extend(read.record);
        match read.tally {
            Ok(Some(tally)) => tallies.insert(source.node, tally),
            Ok(None) => return Passed { inputs, values: Ok(None) },
            Err(fault) => return Passed { inputs, values: Err(fault) },
        };
    }
    let mut values = Values::default();
    for (fold, gathered) in folds.iter_mut().zip(gathered) {
        let of = || fold.sources.iter().filter_map(|s| tallies.get(s));
        let newest = of().filter_map(|t| t.newest).max().and_then(Timestamp::from_micros);
        let Some(newest) = newest else { continue }; // a source without a record has failed above
        let window = Window { records: of().map(|t| t.records).sum(), newest, span: None, partial: false };
        let name = plan.nodes.get(fold.node).map(|n| n.name.clone()).unwrap_or_default();
        match fold.fold.close(gathered, &window) {
            Ok(value) => values.take(name, value),
            Err(error) => {
                let message = format!("the value of `{name}` cannot be written, which is a bug: {error}");
                let fault = Diagnostic::new(codes::run::TASK_FAILED, message);
                return Passed { inputs, values: Err(Box::new(fault)) };
            }
        };
    }
    values.notes.extend(sinks.finish());
    Passed { inputs, values: Ok(Some(values)) }
}

struct ReadThrough {
    record: Option<InputRecord>,
    tally: Result<Option<Tally>, Box<Diagnostic>>,
}

fn read(
    plan: &Plan,
    source: &StreamSource,
    wanted: &Wanted,
    watcher: &dyn Watcher,
    cancel: &Cancel,
    mut push: impl FnMut(&crate::domain::Batch),
) -> ReadThrough {
    let node = plan.nodes.get(source.node).map_or("", |n| n.name.as_str());
    let mut reader = match source.source.open(&Pass::anew(node, wanted)) {
        Ok(reader) => reader,
        Err(fault) => return ReadThrough { record: None, tally: Err(Box::new(fault)) },
    };
    let mut tally = Tally::default();
    loop {
        if cancel.is_cancelled() {
            return ReadThrough { record: Some(reader.record()), tally: Ok(None) };
        }
        match reader.next() {
            Ok(Next::Batch(batch)) => {
                tally.records += batch.len() as u64;
                tally.newest = tally.newest.max(batch.span().map(|(_, latest)| latest));
                push(&batch);
                let (read, total) = reader.progress();
                watcher.on_read(node, read, total);
            }
            Ok(Next::Idle) => {}
            Ok(Next::End) => return ReadThrough { record: Some(reader.record()), tally: Ok(Some(tally)) },
            Err(fault) => return ReadThrough { record: Some(reader.record()), tally: Err(Box::new(fault)) },
        }
    }
}

/// Runs the pass on a blocking thread; where it stands if all sources are short.
pub async fn run_apart(
    plan: Arc<Plan>,
    stream: Stream,
    synced: bool,
    watcher: Arc<dyn Watcher>,
    cancel: Cancel,
) -> Passed {
    let is_short = stream.sources.iter().all(|source| source.source.is_short());
    let pass = move || run(&plan, stream, synced, watcher.as_ref(), &cancel);
    let passed = if is_short {
        std::panic::catch_unwind(AssertUnwindSafe(pass)).map_err(|_| "in the driver's thread".to_string())
    } else {
        tokio::task::spawn_blocking(pass).await.map_err(|panic| panic.to_string())
    };
    passed.unwrap_or_else(|panic| {
        let fault = Diagnostic::new(codes::run::TASK_FAILED, format!("the stream part panicked, a bug: {panic}"));
        Passed { inputs: Vec::new(), values: Err(Box::new(fault)) }
    })
}
