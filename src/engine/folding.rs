//! The folding thread of a stream in windows: takes batches as they come, gathers them by window, and closes windows.
//! A window that closes is journaled as a run that has reached its cut; then the checkpoint is written; then the run is
//! handed on.

mod rehearse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::checkpoint::{Checkpoint, SourceMark};

use super::event::{Event, Header};
use super::intake::{Faulty, Intake, Tally, fingerprint_of, name_of, open};
use super::kept::{self, FoldState, Kept};
use super::live::{Begun, Closed, Shared, Surroundings};
use super::log::Log;
use super::mailbox::{Mailbox, Message, pump};
use super::open::{Open, Values, values};
use super::sinks::Sinks;
use super::state::Run;
use super::windows::{Closing, SourceClock, Windows};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Batch, ClosedBy, InputRecord, Position, Timestamp, WindowRecord, WindowSpan};
use crate::graph::{Plan, Stream, StreamFold};
use crate::node::{PATIENCE, Reader, Wanted};

pub use rehearse::SetClock;

/// After this long without a record a live source is not waited for, where `[window] idle` says nothing.
const IDLE: Duration = Duration::from_secs(10);
/// A source that does not give again what it gave before is waited for this long.
const REREAD: Duration = Duration::from_secs(10);
/// How far ahead of the clock a record of a live source may be, where `[window] max_ahead` says nothing.
const MAX_AHEAD: Duration = Duration::from_secs(300);
/// Windows that may be open before sources that are ahead have to wait for the others.
const OPEN: usize = 256;

pub struct Folding {
    plan: Arc<Plan>,
    header: Header,
    around: Surroundings,
    shared: Shared,
    sources: Vec<Intake>,
    /// By the place of their source; gone once they read.
    readers: Vec<(usize, Box<dyn Reader>)>,
    folds: Vec<StreamFold>,
    sinks: Sinks,
    windows: Windows,
    open: BTreeMap<i64, Open>,
    /// End of the last window that had a run.
    reported: Option<i64>,
    mailbox: Mailbox,
    /// No earlier process has left a checkpoint.
    is_first: bool,
    /// Records left out, by the start of the oldest window that was open.
    late: BTreeMap<i64, u64>,
    begun: Timestamp,
    /// When the latest records came, by the clock; microseconds.
    heard: i64,
    /// Some fold wants to know of windows in which nothing came.
    expects: bool,
    /// In microseconds, as the next.
    idle: i64,
    max_ahead: i64,
}

impl Folding {
    /// Opens the sources where the kept checkpoint says, and loads the folds' states as far as their nodes are the same.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub fn new(
        plan: Arc<Plan>,
        stream: Stream,
        header: Header,
        around: Surroundings,
        shared: Shared,
        kept: &mut Kept,
    ) -> Faulty<Folding> {
        let Some(windowing) = plan.window.clone() else {
            let message = "a stream without a [window] cannot be cut into windows, which is a bug";
            return Err(Box::new(Diagnostic::new(codes::run::TASK_FAILED, message)));
        };
        let wanted: Vec<Option<Wanted>> = stream.sources.iter().map(|source| stream.wanted(source.node)).collect();
        let Stream { sources, mut folds, sinks } = stream;
        let mut sinks = Sinks::open(&plan, sinks, around.shelf.is_synced());
        sinks.commit()?; // one that cannot be opened is told at once
        for fold in &mut folds {
            let (name, fingerprint) = (name_of(&plan, fold.node), fingerprint_of(&plan, fold.node));
            if let Err(why) = kept.load(&name, &fingerprint, fold.fold.as_mut()) {
                tracing::warn!("what node `{name}` remembered is left behind, it starts anew: {why}");
            }
        }
        let checkpoint = &kept.checkpoint;
        let mut inputs = Vec::new();
        let mut readers = Vec::new();
        let mut clocks = Vec::new();
        for (source, wanted) in sources.into_iter().zip(wanted) {
            let Some(wanted) = wanted else { continue }; // nobody listens
            let (input, reader) = open(&plan, &source, &wanted, checkpoint, &around)?;
            let mark = checkpoint.sources.get(&input.name);
            clocks.push(mark.map_or(SourceClock::default(), |mark| SourceClock::new(mark.newest, mark.lag, mark.held)));
            readers.push(reader);
            inputs.push(input);
        }
        let mailbox = Mailbox::new(inputs.len());
        let mut windows = Windows::new(&windowing, inputs.len());
        windows.resume(checkpoint.boundary, checkpoint.passed, clocks);
        let ended = readers.iter().enumerate().filter(|(_, reader)| reader.is_none());
        ended.for_each(|(at, _)| windows.end(at));
        let readers = readers.into_iter().enumerate().filter_map(|(at, reader)| Some((at, reader?))).collect();
        let begun = around.clock.now();
        let expects = folds.iter().any(|fold| fold.fold.expects_records());
        Ok(Folding {
            header,
            shared,
            sources: inputs,
            readers,
            folds,
            sinks,
            windows,
            open: BTreeMap::new(),
            reported: checkpoint.reported,
            mailbox,
            is_first: checkpoint.sources.is_empty(),
            late: checkpoint.late.clone(),
            heard: begun.micros(),
            begun,
            expects,
            idle: micros(windowing.idle.map_or(IDLE, |span| span.0)),
            max_ahead: micros(windowing.max_ahead.map_or(MAX_AHEAD, |span| span.0)),
            plan,
            around,
        })
    }

    /// Until all sources have ended or a drain is asked for.
    ///
    /// # Errors
    /// A source that has become unusable, or a fold whose value cannot be written.
    pub fn run(&mut self, closed: &Sender<Closed>) -> Faulty<()> {
        self.read_apart();
        if self.is_first {
            // So that what is there now is found again, should it be moved before the first window closes.
            self.save();
        }
        let ending = self.take_all(closed);
        self.mailbox.close();
        while let Some(window) = self.windows.drained() {
            self.close(window, closed)?;
        }
        self.sinks.commit()?; // what came too late for the last window
        ending
    }

    /// Starts a thread for each source.
    fn read_apart(&mut self) {
        for (at, reader) in std::mem::take(&mut self.readers) {
            let (mailbox, watcher) = (self.mailbox.clone(), self.around.watcher.clone());
            let name = self.sources.get(at).map(|input| input.name.clone()).unwrap_or_default();
            std::thread::spawn(move || pump(&mailbox, at, reader, |read, total| watcher.on_read(&name, read, total)));
        }
    }

    fn take_all(&mut self, closed: &Sender<Closed>) -> Faulty<()> {
        // Windows that still lack records which an earlier process had cannot be drained.
        while !self.around.drain.is_cancelled() || self.is_replaying(micros(REREAD)) {
            if let Some((source, message)) = self.mailbox.take(PATIENCE, |filled| self.choose(filled)) {
                self.take(source, message)?;
            }
            self.note_silence();
            while let Some(window) = self.due().filter(|_| !self.is_replaying(self.idle.max(micros(REREAD)))) {
                self.close(window, closed)?;
            }
            if self.sources.iter().all(|source| source.ended) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next window that is due, whether something came in it or nothing.
    fn due(&self) -> Option<Closing> {
        let now = self.around.clock.now().micros();
        let silence = now.saturating_sub(self.heard).max(0);
        self.windows.due(silence).or_else(|| self.windows.silent(now).filter(|_| self.expects))
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
                input.record = record;
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
        let clock = self.around.clock.now();
        let now = clock.micros();
        self.heard = now;
        let limit = input.live.then(|| now.saturating_add(self.max_ahead));
        let known = input.account.known(batch);
        let assigned = windows.assign(source, &batch.times, limit, &known);
        // What an earlier process had says nothing of how far behind the source is.
        let is_fresh = |row: usize| known.get(row).is_none_or(Option::is_none);
        let oldest = (0..batch.len()).filter(|row| is_fresh(*row)).filter_map(|row| batch.times.get(row)).min();
        if let Some(oldest) = oldest.filter(|_| input.live) {
            windows.heard(source, now, *oldest, micros(self.mailbox.pause(source)));
        }
        for (start, rows) in &assigned.parts {
            let window = open.entry(*start).or_insert_with(|| Open::new(folds, count, *start));
            window.carried += assigned.carried_to(rows.as_deref());
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
        // Also of those that an earlier process had: what is too far ahead is believed by nobody.
        match batch.beyond(limit) {
            ahead if ahead.is_empty() => self.sinks.push(input.node, batch),
            ahead => self.sinks.push(input.node, &batch.without(&ahead)),
        }
        input.account.take(batch, &assigned, position, |start| windows.end_of(start));
        assigned.ahead.iter().for_each(|row| input.note_ahead(batch, *row as usize, clock));
        assigned.late.iter().for_each(|(start, count)| *self.late.entry(*start).or_default() += count);
    }

    /// Whether records that an earlier process had are still to be read again: until then windows lack them. A source
    /// that does not bring them is waited for with `patience`.
    fn is_replaying(&self, patience: i64) -> bool {
        let silences = self.mailbox.silences();
        let waits = |source: &Intake, silence: &Duration| !source.ended && micros(*silence) < patience;
        let mut sources = self.sources.iter().zip(&silences);
        sources.any(|(source, silence)| source.account.is_replaying() && waits(source, silence))
    }

    /// Marks sources that were not heard for long.
    fn note_silence(&mut self) {
        for (at, (source, silence)) in self.sources.iter().zip(self.mailbox.silences()).enumerate() {
            let patience = self.windows.clock(at).patience(self.idle);
            if source.live && micros(silence) >= patience {
                self.windows.idle(at);
            }
        }
    }

    fn close(&mut self, window: Closing, closed: &Sender<Closed>) -> Faulty<()> {
        if let Some(reported) = self.reported.filter(|reported| *reported < window.start) {
            let gap = Closing { start: reported, end: window.start, by: window.by };
            self.report(gap, None, closed)?;
        }
        let opened = self.open.remove(&window.start);
        let opened = opened.unwrap_or_else(|| Open::new(&self.folds, self.sources.len(), window.start));
        self.report(window, Some(opened), closed)
    }

    /// Journals the run of a window up to its cut, writes the checkpoint, and hands the run on. A window in which nothing
    /// came, and a gap between windows, have no cut and so no report; unless a fold raises the alarm.
    fn report(&mut self, window: Closing, opened: Option<Open>, closed: &Sender<Closed>) -> Faulty<()> {
        let record = self.window_record(window, opened.as_ref());
        let stored = self.sinks.commit()?;
        let is_empty = opened.as_ref().is_none_or(Open::is_empty);
        let cut = match opened {
            Some(Open { gathered, tallies, .. }) => {
                let nodes: Vec<usize> = self.sources.iter().map(|source| source.node).collect();
                let Values { values, mut notes, is_alarm } =
                    values(&self.plan, &mut self.folds, &nodes, gathered, &tallies, &record)?;
                notes.extend(stored);
                match is_empty && !is_alarm {
                    true => Vec::new(),
                    false => vec![Event::Read { inputs: self.inputs(&tallies) }, Event::Cut { values, notes }],
                }
            }
            None => Vec::new(),
        };
        let Begun { run: id, journal } = self.around.shelf.begin();
        let header = Header { run: id.clone(), window: Some(record), ..self.header.clone() };
        let mut run = Run::default();
        let mut log = Log::new(journal, self.around.clock.clone(), self.around.watcher.clone(), &id);
        let mut actions = Vec::new(); // what they ask for is asked of the state when the run is driven
        for event in [Event::Started(header)].into_iter().chain(cut) {
            log.put(&event);
            let applied = run.apply(&self.plan, &event, &mut actions);
            applied.map_err(|error| Box::new(Diagnostic::new(codes::run::DIVERGED, error.to_string())))?;
        }
        log.flush();
        self.shared.begin(&id);
        self.reported = Some(window.end);
        self.windows.close(window.end, window.by);
        self.sources.iter_mut().for_each(|source| source.account.close(window.end));
        let checkpoint = self.save();
        for (at, source) in self.sources.iter().enumerate() {
            if let Some(position) = checkpoint.sources.get(&source.name).and_then(|mark| mark.position.clone()) {
                self.mailbox.release(at, position);
            }
        }
        // Nobody listens only when the process ends, and then the checkpoint knows of the run.
        let _ = closed.blocking_send(Closed::new(run, log.into_journal(), false));
        Ok(())
    }

    fn window_record(&mut self, window: Closing, opened: Option<&Open>) -> WindowRecord {
        let span = WindowSpan { start: Timestamp::nearest(window.start), end: Timestamp::nearest(window.end) };
        let live = self.sources.iter().any(|source| source.live);
        let late_start = live && self.reported.is_none() && span.start < self.begun && self.begun < span.end;
        let rest = self.windows.end_of(window.start) - window.start; // of a window that a drain has cut
        let partial = window.by == ClosedBy::Drain || late_start || rest < self.windows.every();
        let later = self.late.split_off(&window.end);
        let late = std::mem::replace(&mut self.late, later).into_values().sum();
        let carried = opened.map_or(0, |open| open.carried);
        WindowRecord { span, closed_by: window.by, partial: partial && opened.is_some(), late, carried }
    }

    /// What each source brought to a window, and what was noted since the last one.
    fn inputs(&mut self, tallies: &[Tally]) -> Vec<InputRecord> {
        self.sources.iter_mut().zip(tallies).map(|(source, tally)| source.tell(tally)).collect()
    }

    /// Keeps what a later process needs, as it is now; that it cannot be kept is told and borne.
    pub fn save(&self) -> Checkpoint {
        let checkpoint = self.checkpoint();
        let folds = || {
            self.folds.iter().map(|fold| FoldState {
                name: name_of(&self.plan, fold.node),
                fingerprint: fingerprint_of(&self.plan, fold.node),
                fold: fold.fold.as_ref(),
            })
        };
        if let Err(why) = self.around.shelf.save(&mut |to| kept::write(&checkpoint, folds(), to)) {
            self.around.watcher.on_journal_lost(&why);
        }
        checkpoint
    }

    fn checkpoint(&self) -> Checkpoint {
        let mark = |(at, source): (usize, &Intake)| {
            let fingerprint = fingerprint_of(&self.plan, source.node);
            let SourceClock { newest, lag, held, .. } = self.windows.clock(at);
            let mark = SourceMark { fingerprint, newest, lag, held, ended: source.ended, ..source.account.mark() };
            (source.name.clone(), mark)
        };
        let mut checkpoint = Checkpoint {
            written: self.around.clock.now().micros(),
            boundary: self.windows.boundary(),
            passed: self.windows.passed(),
            reported: self.reported,
            late: self.late.clone(),
            sources: self.sources.iter().enumerate().map(mark).collect(),
            ..Checkpoint::default()
        };
        self.shared.write(&mut checkpoint);
        checkpoint
    }
}

fn micros(span: Duration) -> i64 {
    span.as_micros().min(1 << 60) as i64
}
