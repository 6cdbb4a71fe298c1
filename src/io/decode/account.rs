use std::collections::HashMap;
use std::sync::Arc;

use super::faults::Faults;
use super::record::{FirstBad, Tally};
use super::text::quote;
use crate::diagnostic::{Code, codes::input};
use crate::domain::{Batch, InputRecord, Rejected, Timestamp};

/// What an input, or one block of it, amounts to. Blocks are decoded apart, each with an account of its own, which are
/// joined in the order of the input; the sum is the same as that of one account for everything.
#[derive(Default)]
pub(super) struct Account {
    pub tally: Tally,
    pub faults: Faults,
    pub first_bad: Option<FirstBad>,
    /// The bad records, where somebody asks for them.
    pub rejected: Vec<Rejected>,
    /// Of the records that name no entity.
    unnamed: Option<Span>,
    /// This alone grows with the input, by the number of entities.
    named: HashMap<Arc<str>, Span>,
    /// Kept for its memory: the spans of a batch, by the number of the entity; the unnamed come last.
    spans: Vec<Option<Span>>,
}

/// Times of an entity's records, in microseconds.
#[derive(Clone, Copy)]
struct Span {
    first: i64,
    newest: i64,
}

impl Account {
    /// Counts the records of a batch, and notes times out of order.
    pub fn count(&mut self, batch: &Batch) {
        let (first, last) = batch.span().unzip();
        self.tally.join(Tally {
            records: batch.len() as u64,
            bad: 0,
            first: first.and_then(Timestamp::from_micros),
            last: last.and_then(Timestamp::from_micros),
        });
        self.order(batch);
    }

    /// Counts a record that cannot be used.
    pub fn reject(&mut self, row: u64, code: &'static Code, detail: impl FnOnce() -> String) {
        self.tally.bad += 1;
        let noted = self.faults.describe(code, detail);
        if self.first_bad.is_none() {
            let detail = noted.1.clone().unwrap_or_default();
            self.first_bad = Some(FirstBad { row, code, detail });
        }
        self.faults.add(row, noted);
    }

    /// For the run record; `node` and `path` are left empty.
    pub fn record(&self, format: &str, bytes: u64) -> InputRecord {
        InputRecord {
            format: format.to_string(),
            bytes,
            records: self.tally.records,
            bad: self.tally.bad,
            first: self.tally.first,
            last: self.tally.last,
            faults: self.faults.list(),
            entities: self.named.len() as u64,
            ..InputRecord::default()
        }
    }

    /// Adds the account of the block that comes next, whose rows are counted from its beginning; `before` rows came
    /// before it. The rows of its batches become those of the input.
    pub fn join(&mut self, mut part: Account, batches: &mut [Batch], before: u64) {
        for row in batches.iter_mut().flat_map(|batch| &mut batch.rows) {
            *row += before;
        }
        self.tally.join(part.tally);
        self.rejected.extend(part.rejected.drain(..).map(|one| Rejected { row: one.row + before, ..one }));
        if self.first_bad.is_none() {
            self.first_bad = part.first_bad.take().map(|bad| FirstBad { row: bad.row + before, ..bad });
        }
        if self.comes_before(&part) {
            self.faults.join(part.faults, before);
            self.unnamed = extended(self.unnamed, part.unnamed);
            for (name, span) in part.named {
                let own = self.named.entry(name).or_insert(span);
                own.newest = span.newest;
            }
        } else {
            // What the block could not see from within: how its times follow those before it.
            part.faults.forget(input::OUT_OF_ORDER);
            part.faults.forget(input::DUPLICATE_TIME);
            self.faults.join(part.faults, before);
            batches.iter().for_each(|batch| self.order(batch));
        }
    }

    /// Whether each entity's newest time is before its first in `part`. Then every time of `part` follows the same
    /// newest time with and without what came before.
    fn comes_before(&self, part: &Account) -> bool {
        let rises = |own: Option<&Span>, next: &Span| own.is_none_or(|own| own.newest < next.first);
        part.unnamed.iter().all(|next| rises(self.unnamed.as_ref(), next))
            && part.named.iter().all(|(name, next)| rises(self.named.get(name), next))
    }

    /// Notes the records of a batch that are not newer than all before them of their entity.
    fn order(&mut self, batch: &Batch) {
        let mut spans = std::mem::take(&mut self.spans);
        spans.clear();
        spans.extend(batch.entities.iter().map(|name| self.named.get(name).copied()));
        spans.push(self.unnamed);
        let unnamed = batch.entities.len();
        for ((time, entity), row) in batch.times.iter().zip(&batch.entity).zip(&batch.rows) {
            let place = (*entity as usize).min(unnamed); // `NO_ENTITY` is larger than any
            let Some(span) = spans.get_mut(place) else { continue };
            match span {
                Some(span) if span.newest < *time => span.newest = *time,
                Some(span) => self.late(*row, *time, span.newest, batch.entities.get(place)),
                None => *span = Some(Span { first: *time, newest: *time }),
            }
        }
        for (name, span) in batch.entities.iter().zip(&spans) {
            let Some(span) = span else { continue };
            match self.named.get_mut(name) {
                Some(own) => *own = *span,
                None => drop(self.named.insert(name.clone(), *span)),
            }
        }
        self.unnamed = spans.get(unnamed).copied().flatten();
        self.spans = spans;
    }

    fn late(&mut self, row: u64, time: i64, newest: i64, entity: Option<&Arc<str>>) {
        let code = if newest > time { input::OUT_OF_ORDER } else { input::DUPLICATE_TIME };
        self.faults.note(code, row, || {
            let text = |micros| Timestamp::from_micros(micros).map(|time| time.to_string()).unwrap_or_default();
            let of = entity.map(|name| format!(" of {}", quote(name.as_bytes()))).unwrap_or_default();
            let after = if newest > time { format!(" comes after {}", text(newest)) } else { String::new() };
            format!("{}{of}{after}", text(time))
        });
    }
}

/// The span of both, of which the second comes wholly after the first.
fn extended(own: Option<Span>, next: Option<Span>) -> Option<Span> {
    match (own, next) {
        (Some(own), Some(next)) => Some(Span { first: own.first, newest: next.newest }),
        (own, next) => own.or(next),
    }
}
