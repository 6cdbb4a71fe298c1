//! Rows that were read in two ways, put into one order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, StatusColumn};

/// Puts the rows of `one` and of the other batches, which follow one another, into the order of the input, in batches
/// of at most `limit` rows.
pub(super) fn weave(mut one: Batch, others: Vec<Batch>, limit: usize, out: &mut VecDeque<Batch>) {
    let mut others = others.into_iter().peekable();
    while let Some(other) = others.next() {
        let until = others.peek().and_then(|next| next.rows.first()).copied();
        let part = split_before(&mut one, until.unwrap_or(u64::MAX));
        both(part, other, limit, out);
    }
    both(one, Batch::default(), limit, out);
}

fn both(one: Batch, other: Batch, limit: usize, out: &mut VecDeque<Batch>) {
    if other.is_empty() && one.len() <= limit {
        out.extend((!one.is_empty()).then_some(one));
    } else if one.is_empty() && other.len() <= limit {
        out.push_back(other);
    } else {
        let mut order: Vec<usize> = (0..one.len() + other.len()).collect();
        // Two runs that rise, which the standard sort merges.
        order.sort_by_key(|place| one.rows.get(*place).or_else(|| other.rows.get(place.wrapping_sub(one.len()))));
        out.extend(order.chunks(limit.max(1)).map(|order| gather(&one, &other, order)));
    }
}

/// Removes the rows before `row` from a batch, and gives them.
fn split_before(batch: &mut Batch, row: u64) -> Batch {
    let at = batch.rows.partition_point(|other| *other < row);
    if at == batch.len() {
        return std::mem::take(batch);
    }
    let after: Vec<usize> = (at..batch.len()).collect();
    let after = gather(batch, &Batch::default(), &after);
    truncate(batch, at);
    std::mem::replace(batch, after)
}

/// Keeps the first rows of a batch.
pub(super) fn truncate(batch: &mut Batch, rows: usize) {
    if rows < batch.len() {
        let first: Vec<usize> = (0..rows).collect();
        *batch = gather(batch, &Batch::default(), &first);
    }
}

/// The rows of `one` and, counted on, of `other` that `order` names.
fn gather(one: &Batch, other: &Batch, order: &[usize]) -> Batch {
    let mut entities = one.entities.clone();
    let places: HashMap<&Arc<str>, usize> = one.entities.iter().zip(0..).collect();
    let mut moved: Vec<u32> = Vec::with_capacity(other.entities.len());
    for name in &other.entities {
        let place = places.get(name).copied().unwrap_or_else(|| {
            entities.push(name.clone());
            entities.len() - 1
        });
        moved.push(u32::try_from(place).unwrap_or(NO_ENTITY));
    }
    let moved = |entity: u32| moved.get(entity as usize).copied().unwrap_or(NO_ENTITY);
    let others_entity: Vec<u32> = other.entity.iter().map(|entity| moved(*entity)).collect();
    let length = one.len();
    Batch {
        rows: pick(Some(&one.rows), Some(&other.rows), length, order, 0),
        times: pick(Some(&one.times), Some(&other.times), length, order, 0),
        entity: pick(Some(&one.entity), Some(&others_entity), length, order, NO_ENTITY),
        lanes: Vec::new(), // one input is decoded
        entities,
        metrics: names(one.metrics.iter().chain(&other.metrics).map(|column| &column.name))
            .map(|name| {
                let a = one.metrics.iter().find(|column| column.name == name).map(|column| &column.values);
                let b = other.metrics.iter().find(|column| column.name == name).map(|column| &column.values);
                MetricColumn { values: pick(a, b, length, order, f64::NAN), name }
            })
            .filter(|column| column.values.iter().any(|value| !value.is_nan()))
            .collect(),
        services: names(one.services.iter().chain(&other.services).map(|column| &column.name))
            .map(|name| {
                let a = one.services.iter().find(|column| column.name == name).map(|column| &column.levels);
                let b = other.services.iter().find(|column| column.name == name).map(|column| &column.levels);
                StatusColumn { levels: pick(a, b, length, order, NO_STATUS), name }
            })
            .filter(|column| column.levels.iter().any(|level| *level != NO_STATUS))
            .collect(),
    }
}

/// The cells that `order` names of a column that may lie in both, one of them or none.
fn pick<T: Copy>(one: Option<&Vec<T>>, other: Option<&Vec<T>>, length: usize, order: &[usize], absent: T) -> Vec<T> {
    let cell = |place: &usize| match place.checked_sub(length) {
        None => one.and_then(|cells| cells.get(*place)),
        Some(place) => other.and_then(|cells| cells.get(place)),
    };
    order.iter().map(|place| cell(place).copied().unwrap_or(absent)).collect()
}

/// Each name once.
fn names<'a>(all: impl Iterator<Item = &'a Arc<str>>) -> impl Iterator<Item = Arc<str>> {
    let mut seen = std::collections::HashSet::new();
    let each: Vec<Arc<str>> = all.filter(|name| seen.insert(*name)).cloned().collect();
    each.into_iter()
}
