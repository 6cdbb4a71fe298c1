//! The folding thread of a stream in windows: takes batches as they come, gathers them by window, and closes windows.
//! A window that closes is journaled as a run that has reached its cut; then the checkpoint is written; then the run is
//! handed on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::checkpoint::{Account, Checkpoint, SourceMark, VERSION};
use super::drive::Log;
use super::event::{Event, Header};
use super::live::{Begun, Closed, Shared, Surroundings, save};
use super::mailbox::{Mailbox, Message, pump};
use super::state::Run;
use super::windows::{Closing, Windows};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Batch, ClosedBy, Fault, InputRecord, Position, RunStatus, Timestamp, WindowRecord, WindowSpan};
use crate::graph::{Plan, Stream, StreamFold, StreamSource};
use crate::node::{Gathered, PATIENCE, Pass, Wanted, Window};

/// After this long without a record a live source is not waited for, where `[window] idle` says nothing.
const IDLE: Duration = Duration::from_secs(10);
/// How far ahead of the clock a record of a live source may be, where `[window] max_ahead` says nothing.
const MAX_AHEAD: Duration = Duration::from_secs(300);
/// Windows that may be open before sources that are ahead have to wait for the others.
const OPEN: usize = 256;

type Faulty<T> = Result<T, Box<Diagnostic>>;

pub struct Folding {
    plan: Arc<Plan>,
    header: Header,
    around: Surroundings,
    shared: Shared,
    sources: Vec<Input>,
    folds: Vec<StreamFold>,
    windows: Windows,
    open: BTreeMap<i64, Open>,
    /// End of the last window that had a run.
    reported: Option<i64>,
    mailbox: Mailbox,
    /// Records left out, and records in a later window than their own, since the last window closed.
    late: u64,
    carried: u64,
    begun: Timestamp,
    idle: Duration,
    max_ahead: i64,
}

/// One source and what came of it.
struct Input {
    node: usize,
    name: String,
    live: bool,
    account: Account,
    ended: bool,
    heard: Instant,
    record: InputRecord,
    /// The record as of the last window that closed.
    told: InputRecord,
    /// Records beyond `max_ahead`, since the last window closed.
    ahead: u64,
}

/// A window that has records.
struct Open {
    /// By fold.
    gathered: Vec<Gathered>,
    /// By source.
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    records: u64,
    first: Option<i64>,
    last: Option<i64>,
}

impl Folding {
    /// Opens the sources where `checkpoint` says, and loads the folds' states as far as their nodes are the same.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub fn new(
        plan: Arc<Plan>,
        stream: Stream,
        header: Header,
        around: Surroundings,
        shared: Shared,
        checkpoint: &Checkpoint,
    ) -> Faulty<Folding> {
        let Stream { sources, mut folds } = stream;
        let Some(windowing) = plan.window.clone() else {
            let message = "a stream without a [window] cannot be cut into windows, which is a bug";
            return Err(Box::new(Diagnostic::new(codes::run::TASK_FAILED, message)));
        };
        for fold in &mut folds {
            load(&plan, fold, checkpoint);
        }
        let mut inputs = Vec::new();
        let mut readers = Vec::new();
        let mut newest = Vec::new();
        for source in sources {
            let mut wanted = Wanted::default();
            let mut listeners = folds.iter().filter(|f| f.sources.contains(&source.node)).peekable();
            if listeners.peek().is_none() {
                continue;
            }
            listeners.for_each(|f| wanted.join(f.fold.wants()));
            let (input, reader) = open(&plan, &source, &wanted, checkpoint, &around)?;
            newest.push(checkpoint.sources.get(&input.name).and_then(|mark| mark.newest));
            readers.push(reader);
            inputs.push(input);
        }
        let mailbox = Mailbox::new(inputs.len());
        let mut windows = Windows::new(&windowing, inputs.len());
        windows.resume(checkpoint.boundary, newest);
        for (at, reader) in readers.into_iter().enumerate() {
            let Some(reader) = reader else {
                windows.end(at);
                continue;
            };
            let (mailbox, watcher) = (mailbox.clone(), around.watcher.clone());
            let name = inputs.get(at).map(|input| input.name.clone()).unwrap_or_default();
            std::thread::spawn(move || pump(&mailbox, at, reader, |read, total| watcher.on_read(&name, read, total)));
        }
        let begun = around.clock.now();
        let micros = |span: Option<Duration>, default| span.unwrap_or(default).as_micros().min(1 << 60) as i64;
        Ok(Folding {
            header,
            shared,
            sources: inputs,
            folds,
            windows,
            open: BTreeMap::new(),
            reported: checkpoint.reported,
            mailbox,
            late: 0,
            carried: 0,
            begun,
            idle: windowing.idle.map_or(IDLE, |span| span.0),
            max_ahead: micros(windowing.max_ahead.map(|span| span.0), MAX_AHEAD),
            plan,
            around,
        })
    }

    /// Until all sources have ended or a drain is asked for. Gives the last checkpoint.
    ///
    /// # Errors
    /// A source that has become unusable, or a fold whose value cannot be written.
    pub fn run(&mut self, closed: &Sender<Closed>) -> Faulty<Checkpoint> {
        let ending = self.take_all(closed);
        self.mailbox.close();
        let due = self.windows.drain();
        let drained = due.into_iter().try_for_each(|window| self.close(window, closed));
        ending.and(drained).map(|()| self.checkpoint())
    }

    fn take_all(&mut self, closed: &Sender<Closed>) -> Faulty<()> {
        while !self.around.drain.is_cancelled() {
            if let Some((source, message)) = self.mailbox.take(PATIENCE, |filled| self.choose(filled)) {
                self.take(source, message)?;
            }
            let silence = self.note_silence();
            for window in self.windows.ready(silence) {
                self.close(window, closed)?;
            }
            if self.sources.iter().all(|source| source.ended) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The source to hear next: of those with a message the one that is behind. Where all are finite it is the one that is
    /// behind whether it has a message yet or not, so that nothing depends on which thread was faster.
    fn choose(&self, filled: &[bool]) -> Option<usize> {
        let behind = |at: &usize| (self.windows.newest(*at), *at);
        let running = || (0..self.sources.len()).filter(|at| self.sources.get(*at).is_some_and(|s| !s.ended));
        let is_filled = |at: &usize| filled.get(*at).copied().unwrap_or(false);
        if running().all(|at| self.sources.get(at).is_some_and(|s| !s.live)) {
            return running().min_by_key(behind).filter(is_filled);
        }
        let least = running().map(|at| self.windows.newest(at)).min();
        let held = self.windows.open() >= OPEN;
        running().filter(is_filled).filter(|at| !held || Some(self.windows.newest(*at)) == least).min_by_key(behind)
    }

    fn take(&mut self, source: usize, message: Message) -> Faulty<()> {
        let Some(input) = self.sources.get_mut(source) else { return Ok(()) };
        match message {
            Message::Batch { batch, position, record } => {
                (input.heard, input.record) = (Instant::now(), record);
                self.gather(source, &batch, position);
                Ok(())
            }
            Message::End { record, fault } => {
                (input.ended, input.record) = (true, record);
                self.windows.end(source);
                fault.map_or(Ok(()), Err)
            }
        }
    }

    fn gather(&mut self, source: usize, batch: &Batch, position: Option<Position>) {
        let Folding { sources, windows, folds, open, .. } = self;
        let count = sources.len();
        let Some(input) = sources.get_mut(source) else { return };
        let limit = input.live.then(|| self.around.clock.now().micros().saturating_add(self.max_ahead));
        let assigned = windows.assign(source, &batch.times, limit, &|row| input.account.known(row));
        for (start, rows) in &assigned.parts {
            let window = open.entry(*start).or_insert_with(|| Open {
                gathered: folds.iter().map(|f| f.fold.open()).collect(),
                tallies: vec![Tally::default(); count],
            });
            let selected = rows.as_ref().map(|rows| batch.select(rows));
            let part = selected.as_ref().unwrap_or(batch);
            if let Some(tally) = window.tallies.get_mut(source) {
                tally.take(part);
            }
            for (fold, gathered) in folds.iter().zip(&mut window.gathered) {
                if fold.sources.contains(&input.node) {
                    fold.fold.push(gathered, part);
                }
            }
        }
        input.account.take(batch.len(), &assigned, position, |start| windows.end_of(start));
        input.ahead += assigned.ahead;
        self.late += assigned.late;
        self.carried += assigned.carried.len() as u64;
    }

    /// Marks sources that were not heard for long; gives how long none was, in microseconds.
    fn note_silence(&mut self) -> i64 {
        for (at, source) in self.sources.iter().enumerate() {
            if source.live && source.heard.elapsed() >= self.idle {
                self.windows.idle(at);
            }
        }
        let heard = self.sources.iter().map(|source| source.heard).max();
        heard.map_or(0, |heard| heard.elapsed().as_micros().min(1 << 60) as i64)
    }

    fn close(&mut self, window: Closing, closed: &Sender<Closed>) -> Faulty<()> {
        if let Some(reported) = self.reported.filter(|reported| *reported < window.start) {
            let gap = Closing { start: reported, end: window.start, by: window.by };
            self.report(gap, None, closed)?;
        }
        let opened = self.open.remove(&window.start);
        self.report(window, opened, closed)
    }

    /// Journals the run of a window up to its cut, writes the checkpoint, and hands the run on.
    fn report(&mut self, window: Closing, opened: Option<Open>, closed: &Sender<Closed>) -> Faulty<()> {
        let record = self.window_record(window, opened.is_none());
        let ending = match opened {
            Some(open) => {
                let inputs = self.inputs(&open.tallies);
                let values = self.values(open, &record)?;
                [Event::Read { inputs }, Event::Cut { values }]
            }
            None => [Event::Read { inputs: Vec::new() }, Event::Ended { status: RunStatus::Done, error: None }],
        };
        let Begun { run: id, journal } = self.around.shelf.begin();
        let header = Header { run: id.clone(), window: Some(record), ..self.header.clone() };
        let mut run = Run::default();
        let mut log = Log::new(journal, self.around.clock.clone(), self.around.watcher.clone());
        let mut actions = Vec::new(); // what they ask for is asked of the state when the run is driven
        for event in [Event::Started(header)].into_iter().chain(ending) {
            log.put(&event);
            let applied = run.apply(&self.plan, &event, &mut actions);
            applied.map_err(|error| Box::new(Diagnostic::new(codes::run::DIVERGED, error.to_string())))?;
        }
        log.flush();
        self.shared.begin(&id);
        self.reported = Some(window.end);
        let boundary = self.windows.boundary().unwrap_or(window.end);
        self.sources.iter_mut().for_each(|source| source.account.close(boundary));
        let checkpoint = self.checkpoint();
        save(&checkpoint, &self.around);
        for (at, source) in self.sources.iter().enumerate() {
            if let Some(position) = checkpoint.sources.get(&source.name).and_then(|mark| mark.position.clone()) {
                self.mailbox.release(at, position);
            }
        }
        // Nobody listens only when the process ends, and then the checkpoint knows of the run.
        let _ = closed.blocking_send(Closed { run, journal: log.into_journal(), first: None });
        Ok(())
    }

    fn window_record(&mut self, window: Closing, empty: bool) -> WindowRecord {
        let span = WindowSpan { start: Timestamp::nearest(window.start), end: Timestamp::nearest(window.end) };
        let live = self.sources.iter().any(|source| source.live);
        let late_start = live && self.reported.is_none() && span.start < self.begun && self.begun < span.end;
        let cut = self.windows.end_of(window.start) - window.start; // shorter after a drain
        let partial = window.by == ClosedBy::Drain || late_start || cut < self.windows.every();
        let (late, carried) = match empty {
            true => (0, 0), // told with the next window that has records
            false => (std::mem::take(&mut self.late), std::mem::take(&mut self.carried)),
        };
        WindowRecord { span, closed_by: window.by, partial: partial && !empty, late, carried }
    }

    /// What each source brought to a window, and what was noted since the last one.
    fn inputs(&mut self, tallies: &[Tally]) -> Vec<InputRecord> {
        let with = self.sources.iter_mut().zip(tallies);
        with.map(|(source, tally)| {
            let told = std::mem::replace(&mut source.told, source.record.clone());
            let mut since = since(&source.record, &told);
            since.records = tally.records;
            since.first = tally.first.map(Timestamp::nearest);
            since.last = tally.last.map(Timestamp::nearest);
            let ahead = std::mem::take(&mut source.ahead);
            if ahead > 0 {
                let code = codes::input::AHEAD;
                let (what, examples) = (code.title.to_string(), Vec::new());
                since.faults.push(Fault { code: code.id.to_string(), what, count: ahead, examples });
            }
            since
        })
        .collect()
    }

    fn values(
        &mut self,
        open: Open,
        record: &WindowRecord,
    ) -> Faulty<BTreeMap<String, Box<serde_json::value::RawValue>>> {
        let newest_of_all = open.tallies.iter().filter_map(|t| t.last).max().unwrap_or(record.span.start.micros());
        let nodes: Vec<usize> = self.sources.iter().map(|source| source.node).collect();
        let mut values = BTreeMap::new();
        for (fold, gathered) in self.folds.iter_mut().zip(open.gathered) {
            let tallies = || nodes.iter().zip(&open.tallies).filter(|(n, _)| fold.sources.contains(n)).map(|(_, t)| t);
            let newest = tallies().filter_map(|t| t.last).max().unwrap_or(newest_of_all);
            let window = Window {
                records: tallies().map(|t| t.records).sum(),
                newest: Timestamp::nearest(newest),
                span: Some(record.span),
                partial: record.partial,
            };
            let name = name_of(&self.plan, fold.node);
            let value = fold.fold.close(gathered, &window).map_err(|error| {
                let message = format!("the value of `{name}` cannot be written, which is a bug: {error}");
                Box::new(Diagnostic::new(codes::run::TASK_FAILED, message))
            })?;
            values.insert(name, value);
        }
        Ok(values)
    }

    fn checkpoint(&self) -> Checkpoint {
        let mark = |(at, source): (usize, &Input)| {
            let fingerprint = fingerprint_of(&self.plan, source.node);
            let newest = self.windows.newest(at);
            (source.name.clone(), SourceMark { fingerprint, newest, ended: source.ended, ..source.account.mark() })
        };
        let fold = |fold: &StreamFold| {
            let state = fold.fold.save().unwrap_or_default(); // our own types always serialise; empty loads as an error
            (name_of(&self.plan, fold.node), (fingerprint_of(&self.plan, fold.node), state))
        };
        let mut checkpoint = Checkpoint {
            version: VERSION,
            boundary: self.windows.boundary(),
            reported: self.reported,
            sources: self.sources.iter().enumerate().map(mark).collect(),
            folds: self.folds.iter().map(fold).collect(),
            ..Checkpoint::default()
        };
        self.shared.write(&mut checkpoint);
        checkpoint
    }
}

impl Tally {
    fn take(&mut self, batch: &Batch) {
        self.records += batch.len() as u64;
        let first = batch.times.iter().copied().min();
        self.first = self.first.map_or(first, |known| Some(first.map_or(known, |first| known.min(first))));
        self.last = self.last.max(batch.times.iter().copied().max());
    }
}

fn name_of(plan: &Plan, node: usize) -> String {
    plan.nodes.get(node).map(|n| n.name.clone()).unwrap_or_default()
}

fn fingerprint_of(plan: &Plan, node: usize) -> String {
    plan.nodes.get(node).map(|n| n.fingerprint.clone()).unwrap_or_default()
}

/// Gives a fold the state it had, if its node is the same as then.
fn load(plan: &Plan, fold: &mut StreamFold, checkpoint: &Checkpoint) {
    let name = name_of(plan, fold.node);
    let Some((fingerprint, state)) = checkpoint.folds.get(&name) else { return };
    if *fingerprint != fingerprint_of(plan, fold.node) {
        tracing::warn!("node `{name}` has changed since the graph last ran; what it remembered is left behind");
    } else if let Err(error) = fold.fold.load(state) {
        tracing::warn!("what node `{name}` remembered cannot be read ({error}); it starts anew");
    }
}

/// Opens a source where it was left; `None` where it had ended.
fn open(
    plan: &Plan,
    source: &StreamSource,
    wanted: &Wanted,
    checkpoint: &Checkpoint,
    around: &Surroundings,
) -> Faulty<(Input, Option<Box<dyn crate::node::Reader>>)> {
    let name = name_of(plan, source.node);
    let mark = checkpoint.sources.get(&name).filter(|mark| mark.fingerprint == fingerprint_of(plan, source.node));
    if mark.is_none() && checkpoint.sources.contains_key(&name) {
        tracing::warn!("source `{name}` has changed since the graph last ran; it is read from its beginning");
    }
    let ended = mark.is_some_and(|mark| mark.ended && mark.taken == 0);
    let account = match mark.filter(|_| source.source.can_be_reread()) {
        Some(mark) => Account::resume(mark),
        None => Account::default(),
    };
    let folder = around.shelf.folder(&name);
    let from = mark.and_then(|mark| mark.position.as_ref());
    let pass = Pass { node: &name, wanted, from, folder: folder.as_deref() };
    let reader = if ended { None } else { Some(source.source.open(&pass).map_err(Box::new)?) };
    let record = InputRecord { node: name.clone(), ..InputRecord::default() };
    let live = source.source.is_live();
    let input = Input {
        node: source.node,
        name,
        live,
        account,
        ended,
        heard: Instant::now(),
        told: record.clone(),
        record,
        ahead: 0,
    };
    Ok((input, reader))
}

/// What a source noted between two records of it.
fn since(now: &InputRecord, before: &InputRecord) -> InputRecord {
    let known = |code: &str| before.faults.iter().find(|fault| fault.code == code);
    let fault = |fault: &Fault| {
        let (count, told) = known(&fault.code).map_or((0, 0), |known| (known.count, known.examples.len()));
        let examples = fault.examples.iter().skip(told).cloned().collect();
        let count = fault.count.saturating_sub(count);
        (count > 0).then(|| Fault { count, examples, code: fault.code.clone(), what: fault.what.clone() })
    };
    InputRecord {
        bytes: now.bytes.saturating_sub(before.bytes),
        bad: now.bad.saturating_sub(before.bad),
        faults: now.faults.iter().filter_map(fault).collect(),
        ..now.clone()
    }
}
