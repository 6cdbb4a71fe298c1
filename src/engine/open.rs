//! A window that is not closed yet: what is gathered of it, and the values that it closes with.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::intake::{Faulty, Tally, name_of};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Note, Timestamp, WindowRecord};
use crate::graph::{Plan, StreamFold};
use crate::node::{FoldValue, Gathered, Window};

pub struct Open {
    /// By fold.
    pub gathered: Vec<Gathered>,
    /// By source.
    pub tallies: Vec<Tally>,
    /// Records of earlier windows.
    pub carried: u64,
}

impl Open {
    /// A window that begins at `start`, in microseconds.
    pub fn new(folds: &[StreamFold], sources: usize, start: i64) -> Open {
        let start = Some(Timestamp::nearest(start));
        let gathered = folds.iter().map(|f| f.fold.open(start)).collect();
        Open { gathered, tallies: vec![Tally::default(); sources], carried: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.tallies.iter().all(|tally| tally.records == 0)
    }
}

/// What the folds of a window give.
#[derive(Default)]
pub struct Values {
    /// By node.
    pub values: BTreeMap<String, Box<RawValue>>,
    /// For the run record.
    pub notes: Vec<Note>,
    /// Whether one of them is an alarm.
    pub is_alarm: bool,
}

impl Values {
    pub fn take(&mut self, node: String, value: FoldValue) {
        self.values.insert(node, value.json);
        self.notes.extend(value.notes);
        self.is_alarm |= value.is_alarm;
    }
}

/// What the folds of a window give. `sources` are the nodes that the tallies are of.
///
/// # Errors
/// A value that cannot be written.
pub fn values(
    plan: &Plan,
    folds: &mut [StreamFold],
    sources: &[usize],
    gathered: Vec<Gathered>,
    tallies: &[Tally],
    record: &WindowRecord,
) -> Faulty<Values> {
    let newest_of_all = tallies.iter().filter_map(|t| t.last).max().unwrap_or(record.span.end.micros());
    let mut values = Values::default();
    for (fold, gathered) in folds.iter_mut().zip(gathered) {
        let tallies = || sources.iter().zip(tallies).filter(|(n, _)| fold.sources.contains(n)).map(|(_, t)| t);
        let newest = tallies().filter_map(|t| t.last).max().unwrap_or(newest_of_all);
        let window = Window {
            records: tallies().map(|t| t.records).sum(),
            newest: Timestamp::nearest(newest),
            span: Some(record.span),
            partial: record.partial,
        };
        let name = name_of(plan, fold.node);
        let value = fold.fold.close(gathered, &window).map_err(|error| {
            let message = format!("the value of `{name}` cannot be written, which is a bug: {error}");
            Box::new(Diagnostic::new(codes::run::TASK_FAILED, message))
        })?;
        values.take(name, value);
    }
    Ok(values)
}
