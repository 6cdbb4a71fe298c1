use std::collections::HashMap;
use std::sync::Arc;

use super::Reading;
use crate::domain::{Batch, MetricColumn, Status, StatusColumn};

/// In `Rows::places`: not looked up yet.
const UNKNOWN: u32 = u32::MAX;

/// Gives every entity a small number for good. Number 0 belongs to the records that name none: they are a series of
/// their own.
#[derive(Debug, Clone)]
pub struct Entities {
    names: Vec<Option<Arc<str>>>,
    numbers: HashMap<Arc<str>, u32>,
    /// Numbers of the batch at hand by its own codes; the last one is that of no entity.
    local: Vec<u32>,
    /// Room for `Rows::places`.
    places: Vec<u32>,
}

impl Default for Entities {
    fn default() -> Entities {
        Entities { names: vec![None], numbers: HashMap::new(), local: Vec::new(), places: Vec::new() }
    }
}

impl Entities {
    /// The name of a number; `None` for the records that name none.
    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)?.as_ref()
    }

    /// Learns the names of a batch, once, so that reading its columns looks up nothing by name.
    pub fn enter<'a>(&'a mut self, batch: &'a Batch) -> Rows<'a> {
        self.local.clear();
        for name in &batch.entities {
            let number = match self.numbers.get(name) {
                Some(number) => *number,
                None => {
                    let number = self.names.len() as u32; // codes of batches are of 32 bits too
                    self.names.push(Some(name.clone()));
                    self.numbers.insert(name.clone(), number);
                    number
                }
            };
            self.local.push(number);
        }
        self.local.push(0);
        Rows { batch, local: &self.local, places: &mut self.places }
    }
}

/// What one column keeps of each entity that it saw. A column that one entity has costs one entry, however many
/// entities there are: fleets whose hosts have services of their own stay linear.
#[derive(Debug, Clone)]
pub struct PerEntity<T> {
    places: HashMap<u32, u32>,
    kept: Vec<(u32, T)>,
}

impl<T> Default for PerEntity<T> {
    fn default() -> PerEntity<T> {
        PerEntity { places: HashMap::new(), kept: Vec::new() }
    }
}

impl<T> PerEntity<T> {
    /// The entities' numbers and what is kept of them, in the order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.kept.iter().map(|(entity, kept)| (*entity, kept))
    }
}

impl<T: Default> PerEntity<T> {
    fn place(&mut self, entity: u32) -> u32 {
        *self.places.entry(entity).or_insert_with(|| {
            self.kept.push((entity, T::default()));
            self.kept.len() as u32 - 1 // no more than there are entities
        })
    }
}

/// The records of one batch with their entities' numbers.
#[derive(Debug)]
pub struct Rows<'a> {
    batch: &'a Batch,
    local: &'a [u32],
    /// Of the column at hand, by the batch's codes: the places in its `PerEntity`. So a place is looked up once per
    /// entity of a batch, not once per record.
    places: &'a mut Vec<u32>,
}

impl Rows<'_> {
    /// Shows `take` every record, each with what `kept` has of its entity; the reading's value means nothing.
    pub fn records<T: Default>(&mut self, kept: &mut PerEntity<T>, take: impl FnMut(&mut T, Reading)) {
        self.readings(std::iter::repeat(0.0), kept, take);
    }

    /// Shows `take` the values of a metric, each with what `kept` has of its entity; records without the metric are
    /// left out.
    pub fn metric<T: Default>(
        &mut self,
        column: &MetricColumn,
        kept: &mut PerEntity<T>,
        take: impl FnMut(&mut T, Reading),
    ) {
        self.readings(column.values.iter().copied(), kept, take);
    }

    /// Shows `take` the levels of a service, each with what `kept` has of its entity; records that do not state it are
    /// left out.
    pub fn service<T: Default>(
        &mut self,
        column: &StatusColumn,
        kept: &mut PerEntity<T>,
        take: impl FnMut(&mut T, Reading),
    ) {
        let worst = Status::Offline.level();
        let level = move |level: &u8| if *level <= worst { f64::from(*level) } else { f64::NAN };
        self.readings(column.levels.iter().map(level), kept, take);
    }

    fn readings<T: Default>(
        &mut self,
        values: impl Iterator<Item = f64>,
        kept: &mut PerEntity<T>,
        mut take: impl FnMut(&mut T, Reading),
    ) {
        self.places.clear();
        self.places.resize(self.local.len(), UNKNOWN);
        // NO_ENTITY, the greatest code there is, gets the last place.
        let nameless = self.local.len().saturating_sub(1);
        let records = self.batch.times.iter().zip(&self.batch.rows).zip(&self.batch.entity).zip(values);
        for (((time, row), code), value) in records {
            if !value.is_finite() {
                continue;
            }
            let code = (*code as usize).min(nameless);
            let Some((place, entity)) = self.places.get_mut(code).zip(self.local.get(code)) else { continue };
            if *place == UNKNOWN {
                *place = kept.place(*entity);
            }
            if let Some((_, kept)) = kept.kept.get_mut(*place as usize) {
                take(kept, Reading { time: *time, row: *row, value });
            }
        }
    }
}
