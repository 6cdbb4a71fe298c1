//! Between the threads that read and the one that folds: a short queue per source. A reader that is ahead waits, so
//! memory stays bounded however slow the rest is.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, InputRecord, Position};
use crate::node::{Next, Reader};

/// Batches that a source may be ahead.
const AHEAD: usize = 2;

/// What a source has to say.
pub enum Message {
    Batch {
        batch: Batch,
        position: Option<Position>,
        record: InputRecord,
    },
    /// It has ended, or failed.
    End {
        record: InputRecord,
        fault: Option<Box<Diagnostic>>,
    },
}

struct Slot {
    queue: VecDeque<Message>,
    /// When it last put something in, or what it had put in was taken.
    heard: Instant,
    /// The longest that it had nothing to say since somebody last asked.
    pause: Duration,
    /// It has nothing to say before something is released.
    full: bool,
    /// What may be released, not yet told to the reader.
    release: Option<Position>,
}

impl Slot {
    fn silence(&self) -> Duration {
        match self.queue.is_empty() {
            true if self.full => Duration::MAX,
            true => self.heard.elapsed(),
            false => Duration::ZERO,
        }
    }
}

/// Shared by the readers' threads and the folding one.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    closed: bool,
}

impl Mailbox {
    pub fn new(sources: usize) -> Mailbox {
        let mailbox = Mailbox::default();
        let slot = || Slot {
            queue: VecDeque::new(),
            heard: Instant::now(),
            pause: Duration::ZERO,
            full: false,
            release: None,
        };
        mailbox.lock().slots.resize_with(sources, slot);
        mailbox
    }

    /// Waits until a source that `choose` picks has a message, at most for `patience`. `choose` is told which sources have
    /// one.
    pub fn take(&self, patience: Duration, choose: impl Fn(&[bool]) -> Option<usize>) -> Option<(usize, Message)> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            let filled: Vec<bool> = state.slots.iter().map(|slot| !slot.queue.is_empty()).collect();
            let chosen = choose(&filled);
            let slot = chosen.and_then(|at| Some((at, state.slots.get_mut(at)?)));
            let message = slot.and_then(|(at, slot)| {
                slot.heard = Instant::now();
                Some((at, slot.queue.pop_front()?))
            });
            if message.is_some() {
                self.0.emptied.notify_all();
                return message;
            }
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            state = self.0.filled.wait_timeout(state, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// How long each source has had nothing to say; for ever where it waits for a release. One whose messages wait to be taken is not silent, however slow the
    /// rest is.
    pub fn silences(&self) -> Vec<Duration> {
        self.lock().slots.iter().map(Slot::silence).collect()
    }

    /// The longest that a source had nothing to say since this was last asked, up to its latest message.
    pub fn pause(&self, source: usize) -> Duration {
        self.lock().slots.get_mut(source).map_or(Duration::ZERO, |slot| std::mem::take(&mut slot.pause))
    }

    /// Everything of this source before `position` is safe.
    pub fn release(&self, source: usize, position: Position) {
        if let Some(slot) = self.lock().slots.get_mut(source) {
            slot.release = Some(position);
        }
    }

    /// Whether a source that has nothing to say waits for a release.
    fn note(&self, source: usize, full: bool) {
        if let Some(slot) = self.lock().slots.get_mut(source) {
            slot.full = full;
        }
    }

    /// Sends the readers home.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.emptied.notify_all();
    }

    /// Puts a message in, once there is room; `false` when nobody wants it any more.
    fn put(&self, source: usize, message: Message) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let Some(slot) = state.slots.get_mut(source) else { return false };
            if slot.queue.len() < AHEAD {
                slot.full = false;
                slot.pause = slot.pause.max(slot.silence());
                slot.queue.push_back(message);
                slot.heard = Instant::now();
                self.0.filled.notify_all();
                return true;
            }
            state = self.0.emptied.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn released(&self, source: usize) -> Option<Position> {
        self.lock().slots.get_mut(source)?.release.take()
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Reads until the input ends or nobody wants more. Meant for a thread of its own.
pub fn pump(mailbox: &Mailbox, source: usize, mut reader: Box<dyn Reader>, read: impl Fn(u64, Option<u64>)) {
    while !mailbox.is_closed() {
        if let Some(position) = mailbox.released(source) {
            reader.release(&position);
        }
        let (fault, ended) = match reader.next() {
            Ok(Next::Batch(batch)) => {
                let message = Message::Batch { batch, position: reader.position(), record: reader.record() };
                if !mailbox.put(source, message) {
                    return;
                }
                let (bytes, total) = reader.progress();
                read(bytes, total);
                continue;
            }
            Ok(Next::Idle) => {
                mailbox.note(source, reader.is_full());
                (None, false)
            }
            Ok(Next::End) => (None, true),
            Err(fault) => (Some(Box::new(fault)), true),
        };
        if ended {
            mailbox.put(source, Message::End { record: reader.record(), fault });
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a slow consumer would close the windows of sources whose records wait for it.
    #[test]
    fn a_source_whose_messages_wait_is_not_silent() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.put(0, Message::End { record: InputRecord::default(), fault: None }));
        std::thread::sleep(Duration::from_millis(30));
        let silences = mailbox.silences();
        assert_eq!(silences[0], Duration::ZERO);
        assert!(silences[1] >= Duration::from_millis(30), "{silences:?}");
        assert!(mailbox.take(Duration::ZERO, |filled| filled.iter().position(|filled| *filled)).is_some());
        std::thread::sleep(Duration::from_millis(30));
        assert!(mailbox.silences()[0] >= Duration::from_millis(30));
    }
}
