use std::collections::HashMap;
use std::sync::Arc;

use super::Reading;
use crate::domain::{Batch, MetricColumn, Status, StatusColumn};

/// Gives every entity a small number for good. Number 0 belongs to the records that name none: they are a series of
/// their own.
#[derive(Debug, Clone)]
pub struct Entities {
    names: Vec<Option<Arc<str>>>,
    numbers: HashMap<Arc<str>, usize>,
    /// Numbers of the batch at hand by its own codes; the last one is that of no entity.
    local: Vec<usize>,
}

impl Default for Entities {
    fn default() -> Entities {
        Entities { names: vec![None], numbers: HashMap::new(), local: Vec::new() }
    }
}

impl Entities {
    /// How many numbers are given.
    #[expect(clippy::len_without_is_empty, reason = "never empty: number 0 is given from the start")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names by number; `None` for the records that name none.
    pub fn names(&self) -> impl Iterator<Item = (usize, Option<&Arc<str>>)> {
        self.names.iter().enumerate().map(|(number, name)| (number, name.as_ref()))
    }

    /// Learns the names of a batch, once, so that reading its columns looks up nothing by name.
    pub fn enter<'a>(&'a mut self, batch: &'a Batch) -> Rows<'a> {
        self.local.clear();
        for name in &batch.entities {
            let number = match self.numbers.get(name) {
                Some(number) => *number,
                None => {
                    let number = self.names.len();
                    self.names.push(Some(name.clone()));
                    self.numbers.insert(name.clone(), number);
                    number
                }
            };
            self.local.push(number);
        }
        self.local.push(0);
        Rows { batch, local: &self.local, entities: self.names.len() }
    }
}

/// The records of one batch with their entities' numbers.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    batch: &'a Batch,
    local: &'a [usize],
    entities: usize,
}

impl<'a> Rows<'a> {
    /// How many numbers are given so far: every number is below it.
    pub fn entities(self) -> usize {
        self.entities
    }

    /// The values of a metric, each with its entity's number; records without the metric left out.
    pub fn metric(self, column: &'a MetricColumn) -> impl Iterator<Item = (usize, Reading)> + 'a {
        self.readings(column.values.iter().copied())
    }

    /// The levels of a service, each with its entity's number; records that do not state it left out.
    pub fn service(self, column: &'a StatusColumn) -> impl Iterator<Item = (usize, Reading)> + 'a {
        let worst = Status::Offline.level();
        self.readings(column.levels.iter().map(move |level| if *level <= worst { f64::from(*level) } else { f64::NAN }))
    }

    fn readings(self, values: impl Iterator<Item = f64> + 'a) -> impl Iterator<Item = (usize, Reading)> + 'a {
        // NO_ENTITY, the greatest code there is, gets the last place.
        let nameless = self.local.len().saturating_sub(1);
        let number = move |code: u32| self.local.get((code as usize).min(nameless)).copied().unwrap_or(0);
        let places = self.batch.times.iter().zip(&self.batch.rows).zip(&self.batch.entity);
        places
            .zip(values)
            .filter(|(_, value)| value.is_finite())
            .map(move |(((time, row), code), value)| (number(*code), Reading { time: *time, row: *row, value }))
    }
}
