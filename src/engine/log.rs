//! What is written of a run while it goes on.

use std::sync::Arc;

use super::event::{Entry, Event};
use super::watch::Watcher;
use crate::port::{Clock, Journal};

/// The journal's writer: gathers lines and appends them in one write.
pub struct Log {
    /// Id of the run; empty until it has started.
    run: String,
    journal: Option<Box<dyn Journal>>,
    clock: Arc<dyn Clock>,
    pub watcher: Arc<dyn Watcher>,
    buffer: Vec<u8>,
}

impl Log {
    pub fn new(journal: Option<Box<dyn Journal>>, clock: Arc<dyn Clock>, watcher: Arc<dyn Watcher>, id: &str) -> Log {
        Log { run: id.to_string(), journal, clock, watcher, buffer: Vec::new() }
    }

    /// The journal, for whoever goes on with it.
    pub fn into_journal(self) -> Option<Box<dyn Journal>> {
        self.journal
    }

    /// Whether what is flushed survives a power cut.
    pub fn is_synced(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.is_synced())
    }

    pub fn put(&mut self, event: &Event) {
        if let Event::Started(header) = event {
            self.run.clone_from(&header.run);
        }
        if self.journal.is_some() {
            let entry = Entry { at: self.clock.now(), event };
            match serde_json::to_writer(&mut self.buffer, &entry) {
                Ok(()) => self.buffer.push(b'\n'),
                Err(error) => self.lose(&error.to_string()),
            }
        }
        self.watcher.on_event(&self.run, event);
    }

    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let written = self.journal.as_mut().map_or(Ok(()), |journal| journal.append(&self.buffer));
        self.buffer.clear();
        if let Err(why) = written {
            self.lose(&why);
        }
    }

    /// There is always a report: without a journal the run only cannot be resumed.
    fn lose(&mut self, why: &str) {
        self.journal = None;
        self.watcher.on_journal_lost(why);
    }
}
