//! The stream part alone, over inputs that end and in windows: what each fold makes of each window. No journal, no
//! checkpoint, no task. One thread reads, folds and closes; of several sources the one that is behind is read next, as in
//! [`super::folding`], so the windows are the same.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::intake::{Faulty, Tally, name_of};
use super::open::{Open, Values, values};
use super::steps::Steps;
use super::watch::Watcher;
use super::windows::{Closing, Windows};
use crate::domain::{Batch, ClosedBy, InputRecord, Note, Rejected, Timestamp, WindowRecord, WindowSpan};
use crate::graph::{Plan, Stream, StreamFold, StreamSource, Windowing};
use crate::node::{Next, Pass, Reader, Wanted};

/// What comes by, in the order of the windows.
pub enum Seen<'a> {
    /// Records, before they are in a window.
    Batch(&'a Batch),
    /// A window that has closed: what each fold gave. Only windows that have records.
    Window(WindowSpan, Vec<Given>),
}

/// What a fold gave for a window.
pub struct Given {
    /// Name of its node.
    pub node: String,
    pub value: Box<RawValue>,
    /// What it tells the run record.
    pub notes: Vec<Note>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct History {
    pub inputs: Vec<InputRecord>,
    /// Windows that had records.
    pub windows: u64,
    /// Records that came too late for their window and were left out.
    pub late: u64,
    /// Times of the oldest and of the newest record; `None` without any.
    pub covered: Option<(i64, i64)>,
    /// How far a record's time lies behind that of one before it, at most; microseconds.
    pub disorder: i64,
    /// From records that are later than all before them to the next such: between moments, where records come in order.
    pub steps: Steps,
}

/// A source that is being read.
struct Intake {
    node: usize,
    reader: Box<dyn Reader>,
    ended: bool,
}

/// Reads every source through the folds that listen to it, in windows, and hands on what they give.
///
/// # Errors
/// A source that cannot be read to its end; a value that cannot be written.
pub fn history(
    plan: &Plan,
    stream: &mut Stream,
    windowing: &Windowing,
    watcher: &dyn Watcher,
    see: &mut dyn FnMut(Seen<'_>),
) -> Faulty<History> {
    let Stream { sources, folds, .. } = stream; // a history is read to be judged, not to be kept
    let mut intakes = Vec::new();
    for source in sources.iter() {
        let mut wanted = Wanted::default();
        let mut listeners = folds.iter().filter(|f| f.sources.contains(&source.node)).peekable();
        if listeners.peek().is_some() {
            listeners.for_each(|f| wanted.join(f.fold.wants()));
            intakes.push(open(plan, source, &wanted)?);
        }
    }
    let windows = Windows::new(windowing, intakes.len());
    let nodes = intakes.iter().map(|intake| intake.node).collect();
    let mut work = Work { plan, folds, nodes, windows, open: BTreeMap::new(), done: History::default() };
    // The source that is behind.
    let behind = |intakes: &[Intake], windows: &Windows| {
        (0..intakes.len())
            .filter(|at| intakes.get(*at).is_some_and(|intake| !intake.ended))
            .min_by_key(|at| (windows.newest(*at), *at))
    };
    while let Some(at) = behind(&intakes, &work.windows) {
        let Some(intake) = intakes.get_mut(at) else { break };
        match intake.reader.next().map_err(Box::new)? {
            Next::Batch(batch) => {
                see(Seen::Batch(&batch));
                work.gather(at, &batch);
                let (read, total) = intake.reader.progress();
                watcher.on_read(&name_of(plan, intake.node), read, total);
            }
            Next::Idle => {}
            Next::End => {
                intake.ended = true;
                work.windows.end(at);
            }
        }
        while let Some(window) = work.windows.due(0) {
            work.close(window, see)?;
        }
    }
    work.done.inputs = intakes.iter().map(|intake| intake.reader.record()).collect();
    Ok(work.done)
}

/// Reads every source to its end without any fold, one after the other, and hands on the batches. Where bad records are asked
/// for, each comes with those before its last row, and those behind the last batch of a source with an empty one.
///
/// # Errors
/// A source that cannot be read to its end.
pub fn survey(
    plan: &Plan,
    stream: &Stream,
    (wanted, rejected): (&Wanted, bool),
    watcher: &dyn Watcher,
    see: &mut dyn FnMut(&Batch, &[Rejected]),
) -> Faulty<History> {
    let mut done = History::default();
    for source in &stream.sources {
        let name = name_of(plan, source.node);
        let pass = Pass { rejected, ..Pass::anew(&name, wanted) };
        let mut reader = source.source.open(&pass).map_err(Box::new)?;
        let mut newest: Option<i64> = None;
        loop {
            match reader.next().map_err(Box::new)? {
                Next::Batch(batch) => {
                    for &time in &batch.times {
                        let before = newest.unwrap_or(time);
                        done.steps.add(u64::try_from(time.saturating_sub(before)).unwrap_or_default());
                        done.disorder = done.disorder.max(before.saturating_sub(time));
                        newest = Some(before.max(time));
                    }
                    done.cover(&batch);
                    see(&batch, &reader.rejected(batch.rows.last().copied().unwrap_or_default()));
                    let (read, total) = reader.progress();
                    watcher.on_read(&name, read, total);
                }
                Next::Idle => {}
                Next::End => break,
            }
        }
        let rest = reader.rejected(u64::MAX);
        if !rest.is_empty() {
            see(&Batch::default(), &rest);
        }
        done.inputs.push(reader.record());
    }
    Ok(done)
}

fn open(plan: &Plan, source: &StreamSource, wanted: &Wanted) -> Faulty<Intake> {
    let name = name_of(plan, source.node);
    let reader = source.source.open(&Pass::anew(&name, wanted)).map_err(Box::new)?;
    Ok(Intake { node: source.node, reader, ended: false })
}

impl History {
    fn cover(&mut self, batch: &Batch) {
        let (oldest, newest) = (batch.times.iter().min(), batch.times.iter().max());
        if let (Some(&oldest), Some(&newest)) = (oldest, newest) {
            let (from, to) = self.covered.unwrap_or((oldest, newest));
            self.covered = Some((from.min(oldest), to.max(newest)));
        }
    }
}

struct Work<'a> {
    plan: &'a Plan,
    folds: &'a mut [StreamFold],
    /// Of the sources.
    nodes: Vec<usize>,
    windows: Windows,
    open: BTreeMap<i64, Open>,
    done: History,
}

impl Work<'_> {
    fn gather(&mut self, at: usize, batch: &Batch) {
        self.done.cover(batch);
        let assigned = self.windows.assign(at, &batch.times, None, &[]);
        self.done.late += assigned.late.values().sum::<u64>();
        let node = self.nodes.get(at);
        for (start, rows) in &assigned.parts {
            let new = || Open::new(self.folds, self.nodes.len(), *start);
            let window = self.open.entry(*start).or_insert_with(new);
            let selected = rows.as_ref().map(|rows| batch.select(rows));
            let part = selected.as_ref().unwrap_or(batch);
            if let Some(tally) = window.tallies.get_mut(at) {
                tally.take(part);
            }
            for (fold, gathered) in self.folds.iter().zip(&mut window.gathered) {
                if node.is_some_and(|node| fold.sources.contains(node)) {
                    fold.fold.push(gathered, part);
                }
            }
        }
    }

    fn close(&mut self, window: Closing, see: &mut dyn FnMut(Seen<'_>)) -> Faulty<()> {
        let span = WindowSpan { start: Timestamp::nearest(window.start), end: Timestamp::nearest(window.end) };
        // Where the history is cut off nothing is missing: only its writer knows what came next.
        let partial = window.by == ClosedBy::End && self.windows.open() == 1;
        let record = WindowRecord { span, closed_by: window.by, partial, late: 0, carried: 0 };
        if let Some(Open { gathered, tallies, .. }) = self.open.remove(&window.start) {
            let tallies: &[Tally] = &tallies;
            let mut given = Vec::new();
            // One by one, so that it is known whose the notes are.
            for (fold, gathered) in self.folds.iter_mut().zip(gathered) {
                let fold = std::slice::from_mut(fold);
                let made = values(self.plan, fold, &self.nodes, vec![gathered], tallies, &record)?;
                let Values { values, notes, .. } = made;
                given.extend(values.into_iter().next().map(|(node, value)| Given { node, value, notes }));
            }
            self.done.windows += 1;
            see(Seen::Window(span, given));
        }
        self.windows.close(window.end, window.by);
        Ok(())
    }
}
