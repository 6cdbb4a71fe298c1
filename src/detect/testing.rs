//! Batches out of text, for tests: a record per line, `MINUTE ENTITY FIELD=VALUE …`, where `-` is no entity and a
//! value that is a status word makes the field a service. The row is the line's number.

use std::sync::Arc;

use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, Status, StatusColumn};

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub row: u64,
    /// Microseconds.
    pub time: i64,
    pub entity: Option<String>,
    pub metrics: Vec<(String, f64)>,
    pub services: Vec<(String, Status)>,
}

pub fn minute(n: i64) -> i64 {
    1_700_000_000_000_000 / 60_000_000 * 60_000_000 + n * 60_000_000 // 2023-11-14T22:13:00Z and n minutes
}

pub fn records(text: &str) -> Vec<Record> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.zip(1..).map(|(line, row)| record(line, row)).collect()
}

fn record(line: &str, row: u64) -> Record {
    let mut words = line.split_whitespace();
    let time = minute(words.next().unwrap().parse().unwrap());
    let entity = words.next().filter(|word| *word != "-").map(str::to_string);
    let mut record = Record { row, time, entity, metrics: vec![], services: vec![] };
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        match Status::from_word(value) {
            Some(status) => record.services.push((name.to_string(), status)),
            None => record.metrics.push((name.to_string(), value.parse().unwrap())),
        }
    }
    record
}

/// One batch; its dictionaries are in the order of appearance, so that they differ from batch to batch.
pub fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::default();
    for (at, record) in records.iter().enumerate() {
        batch.rows.push(record.row);
        batch.times.push(record.time);
        let code = record.entity.as_deref().map(|name| {
            batch.entities.iter().position(|known| **known == *name).unwrap_or_else(|| {
                batch.entities.push(Arc::from(name));
                batch.entities.len() - 1
            })
        });
        batch.entity.push(code.map_or(NO_ENTITY, |code| code as u32));
        for (name, value) in &record.metrics {
            if !batch.metrics.iter().any(|c| *c.name == **name) {
                let values = vec![f64::NAN; records.len()];
                batch.metrics.push(MetricColumn { name: Arc::from(name.as_str()), values });
            }
            batch.metrics.iter_mut().find(|c| *c.name == **name).unwrap().values[at] = *value;
        }
        for (name, status) in &record.services {
            if !batch.services.iter().any(|c| *c.name == **name) {
                let levels = vec![NO_STATUS; records.len()];
                batch.services.push(StatusColumn { name: Arc::from(name.as_str()), levels });
            }
            batch.services.iter_mut().find(|c| *c.name == **name).unwrap().levels[at] = status.level();
        }
    }
    batch
}
