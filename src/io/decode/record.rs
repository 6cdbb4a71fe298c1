//! One record while it is read, and the tally of those before it.

use super::faults::Noted;
use crate::diagnostic::Code;
use crate::domain::Timestamp;

/// The first record that could not be used.
pub(super) struct FirstBad {
    pub row: u64,
    pub code: &'static Code,
    pub detail: String,
}

/// What an input amounts to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub records: u64,
    pub bad: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

impl Tally {
    /// Adds that of what comes next.
    pub fn join(&mut self, next: Tally) {
        self.records += next.records;
        self.bad += next.bad;
        self.first = self.first.into_iter().chain(next.first).min();
        self.last = self.last.max(next.last);
    }
}

/// The record that is being read.
#[derive(Default)]
pub(super) struct Record {
    /// Whether it was begun and neither committed nor rejected.
    pub open: bool,
    pub serial: u64,
    pub row: u64,
    pub time: Option<Timestamp>,
    /// What stood where the time should be.
    pub unreadable_time: Option<String>,
    pub entity: String,
    pub entity_rank: Option<usize>,
    /// A field that may name the entity held something that is no name.
    pub no_name: Option<String>,
    pub noted: Vec<Noted>,
    /// How many services were known before it.
    pub services: usize,
}
