//! What a later process takes up of a live run: where each source has to be read on, which windows are closed, the state
//! of the folds, and the runs that are not finished. Written when a window closes, after its cut is journaled and before
//! its tasks start: so every record is in exactly one window's report, whenever the process dies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::state::Run;
use super::windows::{Assigned, Known};
use crate::domain::{Batch, Note, Position};
use crate::port::Memory;

/// Version of the format. Another one is refused, never guessed at.
pub const VERSION: u32 = 6;
/// What runs keep for later ones is forgotten beyond this many, the oldest first.
const REMEMBERED: usize = 4096;
/// Lanes of a source that are counted in any case.
const LANES: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When it was written, by the clock; microseconds.
    pub written: i64,
    /// Everything before is closed; microseconds.
    pub boundary: Option<i64>,
    /// Everything before was passed by records; see [`super::windows::Windows::close`].
    pub passed: Option<i64>,
    /// End of the last window that had a run.
    pub reported: Option<i64>,
    /// Records left out, by the start of the oldest window that was open: not told yet.
    pub late: BTreeMap<i64, u64>,
    /// By the name of the node.
    pub sources: BTreeMap<String, SourceMark>,
    /// Runs whose cut is journaled and which have not ended, oldest first.
    pub pending: Vec<String>,
    /// What runs kept for later ones.
    pub memory: IndexMap<String, String>,
}

impl Checkpoint {
    /// Takes what a run kept for later ones, which ended after this was written.
    pub fn learn(&mut self, run: &Run) {
        learn(&mut self.memory, run);
    }
}

impl Memory for Checkpoint {
    fn recall(&self, key: &str) -> Option<String> {
        self.memory.get(key).cloned()
    }
}

/// Adds what a run kept for later ones.
pub fn learn(memory: &mut IndexMap<String, String>, run: &Run) {
    for note in &run.notes {
        if let Note::Keep { key, value } = note {
            memory.shift_remove(key);
            memory.insert(key.clone(), value.clone());
        }
    }
    let surplus = memory.len().saturating_sub(REMEMBERED);
    memory.drain(..surplus);
}

/// Where a source has to be read on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    pub fingerprint: String,
    /// `None`: from the beginning.
    pub position: Option<Position>,
    /// Where reading had got to.
    pub seen: Option<Position>,
    /// This many records of each lane from `position` on were taken already; lanes without any are left out. They are read
    /// again since some of them are of windows that are still open.
    pub taken: Counts,
    /// Those of them that are in a later window than their own, and its start.
    pub carried: BTreeMap<Number, i64>,
    /// Those of them that are in no window, being late or too far ahead.
    pub left: BTreeSet<Number>,
    pub newest: Option<i64>,
    /// See [`super::windows::SourceClock`].
    pub lag: Option<i64>,
    /// The same.
    pub held: i64,
    pub ended: bool,
}

/// Records by lane.
pub type Counts = BTreeMap<u32, u64>;

/// A record's lane and its number in there, from 0. Records of one lane are read again in the same order, those of several
/// may mix otherwise: so a record is known by both.
pub type Number = (u32, u64);

/// Keeps account of what one source has given, so that a [`SourceMark`] can be had at any time.
#[derive(Debug, Default)]
pub struct Account {
    /// Records so far.
    records: Counts,
    /// Where reading would go on.
    position: Option<Position>,
    /// Where a batch began, the records before it, and the end of the latest window that it is in. Oldest first, as far as
    /// windows are open; only batches that reach into a later window than all before them, since the others are never
    /// where reading goes on. So there are no more than open windows, however small batches are and long positions.
    marks: VecDeque<(Option<Position>, Counts, i64)>,
    /// Records in a later window than their own, and that window's start.
    carried: Vec<(Number, i64)>,
    /// Records in no window.
    left: Vec<Number>,
    /// What an earlier process knew of the records that come first.
    known: SourceMark,
}

impl Account {
    pub fn resume(mark: &SourceMark) -> Account {
        Account { position: mark.position.clone(), known: mark.clone(), ..Account::default() }
    }

    /// Where reading begins, as far as no earlier process says.
    pub fn begin(&mut self, position: Option<Position>) {
        self.position = self.position.take().or(position);
    }

    /// How an earlier process took the records of the next batch; empty where it had none of them.
    pub fn known(&self, batch: &Batch) -> Vec<Option<Known>> {
        if !self.is_replaying() {
            return Vec::new();
        }
        let known: Vec<Option<Known>> = self.numbers(batch).into_iter().map(|number| self.known_as(number)).collect();
        if known.iter().all(Option::is_none) { Vec::new() } else { known }
    }

    fn known_as(&self, number: Number) -> Option<Known> {
        if self.known.taken.get(&number.0).is_none_or(|taken| number.1 >= *taken) {
            return None;
        }
        Some(match self.known.carried.get(&number) {
            Some(start) => Known::Carried(*start),
            None if self.known.left.contains(&number) => Known::Left,
            None => Known::Taken,
        })
    }

    /// Of the records of the next batch.
    fn numbers(&self, batch: &Batch) -> Vec<Number> {
        let mut next = self.records.clone();
        let mut number = |place| {
            let lane = batch.lane(place);
            let next = next.entry(lane).or_default();
            *next += 1;
            (lane, *next - 1)
        };
        (0..batch.len()).map(&mut number).collect()
    }

    /// Whether records are still to come that an earlier process had.
    pub fn is_replaying(&self) -> bool {
        self.known.taken.iter().any(|(lane, taken)| count(&self.records, *lane) < *taken)
    }

    /// Takes note of a batch. `end_of` tells the end of a window by its start.
    pub fn take(
        &mut self,
        batch: &Batch,
        assigned: &Assigned,
        position: Option<Position>,
        end_of: impl Fn(i64) -> i64,
    ) {
        let latest = assigned.parts.iter().map(|(start, _)| end_of(*start)).max().unwrap_or(i64::MIN);
        let before = std::mem::replace(&mut self.position, position);
        if self.marks.back().is_none_or(|(_, _, known)| *known < latest) {
            self.marks.push_back((before, self.records.clone(), latest));
        }
        if !(assigned.carried.is_empty() && assigned.left.is_empty()) {
            let numbers = self.numbers(batch);
            let number = |row: &u32| numbers.get(*row as usize).copied();
            for (start, rows) in &assigned.parts {
                let rows = rows.iter().flatten().filter(|row| assigned.carried.binary_search(row).is_ok());
                self.carried.extend(rows.filter_map(|row| Some((number(row)?, *start))));
            }
            self.left.extend(assigned.left.iter().filter_map(number));
        }
        if batch.lanes.is_empty() {
            *self.records.entry(0).or_default() += batch.len() as u64;
        }
        for lane in &batch.lanes {
            *self.records.entry(*lane).or_default() += 1;
        }
    }

    /// Everything before `boundary` is closed.
    pub fn close(&mut self, boundary: i64) {
        while self.marks.front().is_some_and(|(_, _, latest)| *latest <= boundary) {
            self.marks.pop_front();
        }
        let first = self.marks.front().map_or(&self.records, |(_, first, _)| first);
        self.carried.retain(|((lane, number), start)| *start >= boundary && *number >= count(first, *lane));
        self.left.retain(|(lane, number)| *number >= count(first, *lane));
        self.forget();
    }

    /// Forgets lanes of which nothing came since the place where reading would go on: most of them are of files that were
    /// rotated away. Should one go on it is counted from 0 again, which is right since only differences count.
    fn forget(&mut self) {
        if self.records.len() <= LANES {
            return;
        }
        let first = self.marks.front().map_or(&self.records, |(_, first, _)| first);
        let is_read_again = |lane: &u32, records: u64| self.known.taken.get(lane).is_none_or(|taken| records >= *taken);
        let quiet = |(lane, records): (&u32, &u64)| {
            (count(first, *lane) == *records && is_read_again(lane, *records)).then_some(*lane)
        };
        let quiet: Vec<u32> = self.records.iter().filter_map(quiet).collect();
        for lane in quiet {
            self.records.remove(&lane);
            self.known.taken.remove(&lane);
            for (_, records, _) in &mut self.marks {
                records.remove(&lane);
            }
        }
    }

    /// Where a later process has to go on; the rest of the mark is the caller's.
    pub fn mark(&self) -> SourceMark {
        let nothing = Counts::new();
        let (position, first) = match self.marks.front() {
            Some((before, first, _)) => (before.clone(), first),
            None => (self.position.clone(), &self.records),
        };
        let first = if position.is_some() { first } else { &nothing }; // what has no positions is read from its beginning
        let since = |(lane, number): Number| Some((lane, number.checked_sub(count(first, lane))?));
        let carried = self.carried.iter().filter_map(|(number, start)| Some((since(*number)?, *start))).collect();
        let left = self.left.iter().filter_map(|number| since(*number)).collect();
        let taken = self.records.iter().filter_map(|(lane, records)| since((*lane, *records)));
        let taken = taken.filter(|(_, taken)| *taken > 0).collect();
        SourceMark { position, seen: self.position.clone(), taken, carried, left, ..SourceMark::default() }
    }
}

fn count(counts: &Counts, lane: u32) -> u64 {
    counts.get(&lane).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A batch of one record in the window that ends then.
    fn batch(account: &mut Account, number: u64, end: i64) {
        let assigned = Assigned { parts: vec![(end, None)], ..Assigned::default() };
        let batch = Batch { times: vec![end], ..Batch::default() };
        account.take(&batch, &assigned, Some(Position((number + 1).to_string())), |start| start);
    }

    proptest! {
        #[test]
        fn reading_goes_on_at_the_first_batch_of_a_window_that_is_open(
            steps in prop::collection::vec((0..20i64, prop::option::weighted(0.2, 0..20i64)), 1..60),
        ) {
            let mut account = Account::default();
            account.begin(Some(Position("0".to_string())));
            let (mut batches, mut closed) = (Vec::new(), 0);
            for (number, (ahead, boundary)) in steps.into_iter().enumerate() {
                let end = closed + ahead;
                batch(&mut account, number as u64, end);
                batches.push(end);
                if let Some(boundary) = boundary {
                    closed += boundary;
                    account.close(closed);
                    let open = batches.iter().position(|end| *end > closed).unwrap_or(batches.len());
                    let mark = account.mark();
                    prop_assert_eq!(mark.position, Some(Position(open.to_string())));
                    prop_assert_eq!(count(&mark.taken, 0), (batches.len() - open) as u64);
                }
            }
        }
    }

    #[test]
    fn memory_is_by_windows_not_by_batches() {
        let mut account = Account::default();
        (0..10_000).for_each(|number| batch(&mut account, number, 10 + number as i64 % 5));
        assert!(account.marks.len() <= 5, "{}", account.marks.len());
    }
}
