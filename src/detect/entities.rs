use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::Reading;
use crate::domain::{Batch, MetricColumn, StatusColumn};

/// Gives every entity a small number for good. Number 0 belongs to the records that name none: they are a series of
/// their own.
#[derive(Debug, Clone)]
pub struct Entities {
    names: Vec<Option<Arc<str>>>,
    numbers: HashMap<Arc<str>, u32>,
    /// Numbers of the batch at hand by its own codes; the last one is that of no entity.
    local: Vec<u32>,
    arranged: Arranged,
    /// Room for a column in the order of `arranged`.
    values: Vec<f64>,
    levels: Vec<u8>,
}

impl Default for Entities {
    fn default() -> Entities {
        let (numbers, local, arranged, values, levels) = Default::default();
        Entities { names: vec![None], numbers, local, arranged, values, levels }
    }
}

impl Entities {
    /// The name of a number; `None` for the records that name none.
    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)?.as_ref()
    }

    /// The number of an entity; 0 of none.
    pub fn number(&self, name: Option<&str>) -> Option<u32> {
        name.map_or(Some(0), |name| self.numbers.get(name).copied())
    }

    /// All names so far, by number.
    pub fn names(&self) -> &[Option<Arc<str>>] {
        &self.names
    }

    /// The number of an entity that may be new.
    pub fn learn(&mut self, name: Option<&str>) -> u32 {
        name.map_or(0, |name| match self.number(Some(name)) {
            Some(number) => number,
            None => self.add(name.into()),
        })
    }

    fn add(&mut self, name: Arc<str>) -> u32 {
        let number = self.names.len() as u32; // codes of batches are of 32 bits too
        self.names.push(Some(name.clone()));
        self.numbers.insert(name, number);
        number
    }

    /// Learns the names of a batch and brings its records into order, once, so that reading its columns looks up
    /// nothing by name and compares no times.
    pub fn enter<'a>(&'a mut self, batch: &'a Batch) -> Rows<'a> {
        self.local.clear();
        for name in &batch.entities {
            let number = match self.numbers.get(name) {
                Some(number) => *number,
                None => self.add(name.clone()),
            };
            self.local.push(number);
        }
        self.local.push(0);
        self.arranged.arrange(batch, &self.local);
        Rows { batch, names: &self.names, arranged: &self.arranged, values: &mut self.values, levels: &mut self.levels }
    }
}

/// The records of a batch entity by entity, each entity's in the order of time and then of the input.
#[derive(Debug, Clone, Default)]
struct Arranged {
    /// Entities by number, with their places in `order`.
    groups: Vec<(u32, Range<usize>)>,
    /// Places in the batch; empty where the batch is so arranged as it stands.
    order: Vec<u32>,
    /// Room for sorting.
    by_time: Vec<u32>,
    next: Vec<usize>,
}

impl Arranged {
    fn arrange(&mut self, batch: &Batch, local: &[u32]) {
        let Arranged { groups, order, by_time, next } = self;
        let records = batch.times.len().min(batch.rows.len()).min(batch.entity.len());
        let (times, rows, codes) = (&batch.times[..records], &batch.rows[..records], &batch.entity[..records]);
        groups.clear();
        order.clear();
        // NO_ENTITY, the greatest code there is, gets the last place.
        let nameless = local.len().saturating_sub(1);
        let code = |written: u32| (written as usize).min(nameless);
        let number = |code: usize| local.get(code).copied().unwrap_or(0);
        let rises = is_rising(times) && is_rising(rows);
        let one = nameless == 0 || codes.first().is_none_or(|first| is_all(codes, *first));
        if one {
            groups.push((codes.first().map_or(0, |first| number(code(*first))), 0..records));
            if rises {
                return;
            }
        }
        by_time.clear();
        by_time.extend(0..records as u32); // a block has far fewer
        if !rises {
            let moment = |place: &u32| Some((times.get(*place as usize)?, rows.get(*place as usize)?));
            by_time.sort_by_key(|place| moment(place).map(|(time, row)| (*time, *row)));
        }
        if one {
            order.extend_from_slice(by_time);
            return;
        }
        next.clear();
        next.resize(local.len(), 0);
        for written in codes {
            next[code(*written)] += 1; // a code is at most the last place of `local`
        }
        let mut start = 0;
        for (at, count) in next.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            groups.push((number(at), start..start + *count));
            start += std::mem::replace(count, start);
        }
        order.resize(records, 0);
        for place in by_time.iter() {
            let next = &mut next[code(codes[*place as usize])]; // `by_time` holds places of `codes`
            order[*next] = *place; // each group has as many places as it has records
            *next += 1;
        }
    }
}

/// Without leaving early, so that many are compared at once.
fn is_rising<T: PartialOrd>(values: &[T]) -> bool {
    values.iter().zip(values.iter().skip(1)).fold(true, |rising, (a, b)| rising & (a <= b))
}

fn is_all(codes: &[u32], code: u32) -> bool {
    codes.chunks(64).all(|some| some.iter().fold(true, |same, other| same & (*other == code)))
}

/// What one column keeps of each entity that it saw. A column that one entity has costs one entry, however many
/// entities there are: fleets whose hosts have services of their own stay linear.
#[derive(Debug, Clone)]
pub struct PerEntity<T> {
    places: HashMap<u32, usize>,
    kept: Vec<(u32, T)>,
    /// The place that was asked for last.
    latest: usize,
}

impl<T> Default for PerEntity<T> {
    fn default() -> PerEntity<T> {
        PerEntity { places: HashMap::new(), kept: Vec::new(), latest: 0 }
    }
}

impl<T> PerEntity<T> {
    /// The entities' numbers and what is kept of them, in the order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.kept.iter().map(|(entity, kept)| (*entity, kept))
    }

    /// What is kept of each, in the order of appearance.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.kept.iter_mut().map(|(_, kept)| kept)
    }

    /// What is kept of an entity, if it occurred.
    pub fn get(&self, entity: u32) -> Option<&T> {
        self.kept.get(*self.places.get(&entity)?).map(|(_, kept)| kept)
    }
}

impl<T> IntoIterator for PerEntity<T> {
    type Item = (u32, T);
    type IntoIter = std::vec::IntoIter<(u32, T)>;

    /// In the order of appearance.
    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

impl<T: Default> PerEntity<T> {
    /// What is kept of an entity.
    pub fn of(&mut self, entity: u32) -> &mut T {
        // Entities mostly come in the order in which they came before, so the next one is tried first.
        let next = if self.latest + 1 < self.kept.len() { self.latest + 1 } else { 0 };
        self.latest = match self.kept.get(next) {
            Some((known, _)) if *known == entity => next,
            _ => *self.places.entry(entity).or_insert_with(|| {
                self.kept.push((entity, T::default()));
                self.kept.len() - 1
            }),
        };
        &mut self.kept[self.latest].1 // it was found or made there
    }
}

/// Values of one entity in one column, in the order of time and then of the input.
#[derive(Debug)]
pub struct Run<'a, V> {
    pub values: &'a [V],
    batch: &'a Batch,
    /// Places in the batch; `None` where they are those of `values`.
    order: Option<&'a [u32]>,
}

impl<'a, V> Run<'a, V> {
    /// All records of a batch of one entity, in the order of time.
    pub fn of(batch: &'a Batch, values: &'a [V]) -> Run<'a, V> {
        Run { values, batch, order: None }
    }

    /// The same places with other values.
    pub fn with<'b, W>(&'b self, values: &'b [W]) -> Run<'b, W> {
        Run { values, batch: self.batch, order: self.order }
    }

    /// Whether the order of time is that of the input.
    pub fn is_in_order(&self) -> bool {
        self.order.is_none_or(<[u32]>::is_sorted)
    }

    /// Places in `values` in the order of the input.
    pub fn by_input(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.values.len()).collect();
        if let Some(order) = self.order {
            places.sort_by_key(|place| order.get(*place));
        }
        places
    }

    /// The reading of a place in `values`, with this value.
    pub fn reading(&self, place: usize, value: f64) -> Option<Reading> {
        let place = match self.order {
            None => place,
            Some(order) => *order.get(place)? as usize,
        };
        Some(Reading { time: *self.batch.times.get(place)?, row: *self.batch.rows.get(place)?, value })
    }
}

/// The records of one batch, to be read column by column.
#[derive(Debug)]
pub struct Rows<'a> {
    batch: &'a Batch,
    names: &'a [Option<Arc<str>>],
    arranged: &'a Arranged,
    values: &'a mut Vec<f64>,
    levels: &'a mut Vec<u8>,
}

impl Rows<'_> {
    /// The names of all entities so far, by number.
    pub fn names(&self) -> &[Option<Arc<str>>] {
        self.names
    }

    /// Shows `take` the values of a metric, entity by entity.
    pub fn metric(&mut self, column: &MetricColumn, take: impl FnMut(u32, &Run<'_, f64>)) {
        runs(self.batch, self.arranged, &column.values, self.values, f64::NAN, take);
    }

    /// Shows `take` the levels of a service, entity by entity.
    pub fn service(&mut self, column: &StatusColumn, take: impl FnMut(u32, &Run<'_, u8>)) {
        runs(self.batch, self.arranged, &column.levels, self.levels, u8::MAX, take);
    }

    /// Shows `take` every record, entity by entity; the reading's value means nothing.
    pub fn records(&self, mut take: impl FnMut(u32, Reading)) {
        let order = &self.arranged.order;
        for (entity, places) in &self.arranged.groups {
            for place in places.clone() {
                let place = order.get(place).map_or(place, |place| *place as usize);
                let Some((time, row)) = self.batch.times.get(place).zip(self.batch.rows.get(place)) else { continue };
                take(*entity, Reading { time: *time, row: *row, value: 0.0 });
            }
        }
    }

    /// Shows `take` the newest of each entity's values that `number` makes a number of.
    pub fn newest<V: Copy>(&self, values: &[V], number: impl Fn(V) -> Option<f64>, mut take: impl FnMut(u32, Reading)) {
        let order = &self.arranged.order;
        let read = |place: usize| {
            let place = order.get(place).map_or(place, |place| *place as usize);
            let value = number(*values.get(place)?)?;
            Some(Reading { time: *self.batch.times.get(place)?, row: *self.batch.rows.get(place)?, value })
        };
        for (entity, places) in &self.arranged.groups {
            if let Some(reading) = places.clone().rev().find_map(read) {
                take(*entity, reading);
            }
        }
    }
}

/// Shows `take` a column's values by entity. `room` is for putting them into order, `absent` for what a column lacks.
fn runs<V: Copy>(
    batch: &Batch,
    arranged: &Arranged,
    column: &[V],
    room: &mut Vec<V>,
    absent: V,
    mut take: impl FnMut(u32, &Run<'_, V>),
) {
    let Arranged { groups, order, .. } = arranged;
    if !order.is_empty() {
        room.clear();
        room.extend(order.iter().map(|place| column.get(*place as usize).copied().unwrap_or(absent)));
    }
    let values = if order.is_empty() { column } else { room };
    for (entity, places) in groups {
        let end = places.end.min(values.len());
        let Some(values) = values.get(places.start..end) else { continue };
        take(*entity, &Run { values, batch, order: order.get(places.clone()) });
    }
}
