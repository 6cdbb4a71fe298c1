//! A stream in windows, in step: nothing is read apart from the thread that folds, and the clock stands where the records
//! are. So what a live graph makes of a stream is the same every time, and takes no longer than its work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::mpsc::Sender;

use super::Folding;
use crate::domain::Timestamp;
use crate::engine::intake::Faulty;
use crate::engine::live::Closed;
use crate::engine::mailbox::Message;
use crate::node::{Next, Reader};
use crate::port::Clock;

/// A clock that stands where it was put; at 1970 first.
#[derive(Debug, Default)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Never backwards.
    pub fn advance(&self, micros: i64) {
        self.0.fetch_max(micros, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::nearest(self.0.load(Ordering::Relaxed))
    }
}

impl Folding {
    /// As [`Folding::run`], in step, of sources that come to their end though they may be live. A record comes at its time,
    /// so a live source brings the past as if it were now. When its records are through it falls silent; once all are, the
    /// clock goes on to `until`, or as far as it takes for the last window with records to close. What is open then is
    /// drained.
    ///
    /// # Errors
    /// A source that has become unusable, or a fold whose value cannot be written.
    pub fn rehearse(&mut self, closed: &Sender<Closed>, clock: &SetClock, until: Option<Timestamp>) -> Faulty<()> {
        let mut readers: BTreeMap<usize, Box<dyn Reader>> = std::mem::take(&mut self.readers).into_iter().collect();
        let mut ahead: BTreeMap<usize, Message> = BTreeMap::new();
        let mut first = None;
        loop {
            for (at, reader) in &mut readers {
                ahead.entry(*at).or_insert_with(|| next(reader.as_mut()));
            }
            let Some((at, message)) = self.earliest(&ahead).and_then(|at| ahead.remove_entry(&at)) else { break };
            match times(&message) {
                Some((begin, end)) => {
                    if first.is_none() {
                        // The program was there before the first window was: none is partial for beginning late.
                        first = Some(begin);
                        clock.advance(self.windows.end_of(begin).saturating_sub(self.windows.every()));
                        self.begun = clock.now();
                    }
                    clock.advance(end);
                }
                None => drop(readers.remove(&at)),
            }
            self.take_in_step(at, message)?;
            self.close_due(closed)?;
        }
        if self.sources.iter().any(|source| source.live) {
            self.fall_silent(clock, until);
            self.close_due(closed)?;
        }
        while let Some(window) = self.windows.drained() {
            self.close(window, closed)?;
        }
        Ok(())
    }

    /// The source to hear next. Records of live sources come in the order of their times; where all are finite, it is the
    /// one that is behind, as ever.
    fn earliest(&self, ahead: &BTreeMap<usize, Message>) -> Option<usize> {
        if self.sources.iter().any(|source| source.live) {
            let begin = |message: &Message| times(message).map(|(begin, _)| begin);
            return ahead.iter().min_by_key(|(at, message)| (begin(message), **at)).map(|(at, _)| *at);
        }
        let filled: Vec<bool> = (0..self.sources.len()).map(|at| ahead.contains_key(&at)).collect();
        self.choose(&filled)
    }

    /// A live source does not end: it has no more to say.
    fn take_in_step(&mut self, at: usize, message: Message) -> Faulty<()> {
        match (message, self.sources.get_mut(at)) {
            (Message::End { record, fault: None }, Some(source)) if source.live => {
                source.record = record;
                Ok(())
            }
            (message, _) => self.take(at, message),
        }
    }

    fn close_due(&mut self, closed: &Sender<Closed>) -> Faulty<()> {
        while let Some(window) = self.due() {
            self.close(window, closed)?;
        }
        Ok(())
    }

    fn fall_silent(&mut self, clock: &SetClock, until: Option<Timestamp>) {
        let newest = (0..self.sources.len()).filter_map(|at| self.windows.newest(at)).max();
        let grace = self.plan.window.as_ref().map_or(0, |window| window.grace.micros());
        let last = newest.map(|newest| newest.saturating_add(self.windows.every()).saturating_add(grace));
        for (at, source) in self.sources.iter().enumerate() {
            if source.live {
                self.windows.idle(at);
            }
        }
        if let Some(until) = until.map(Timestamp::micros).or(last) {
            clock.advance(until);
        }
    }
}

/// What a source has to say next. One that is idle has nothing to say in step either: it is asked again.
fn next(reader: &mut dyn Reader) -> Message {
    loop {
        let fault = match reader.next() {
            Ok(Next::Batch(batch)) => return Message::Batch { batch, position: None, record: reader.record() },
            Ok(Next::Idle) => continue,
            Ok(Next::End) => None,
            Err(fault) => Some(Box::new(fault)),
        };
        return Message::End { record: reader.record(), fault };
    }
}

/// Times of the first record of a message and of the newest.
fn times(message: &Message) -> Option<(i64, i64)> {
    let Message::Batch { batch, .. } = message else { return None };
    Some((*batch.times.first()?, batch.times.iter().copied().max()?))
}
