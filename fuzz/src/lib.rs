//! What the targets share: what is read, and everything that came of it in a form that can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent::domain::{Batch, NO_ENTITY, Status};
use agent::io::decode::{Format, Limits, Options, Schema};
use agent::node::Wanted;

/// Nested, renamed and flat fields, and words for statuses of its own.
pub struct Case {
    schema: Schema,
    wanted: Wanted,
}

impl Default for Case {
    fn default() -> Case {
        let words = [("up", Status::Online), ("sleeping-deeply", Status::Offline)];
        let schema = Schema {
            rename: [("load".to_string(), "mem".to_string())].into(),
            status_words: words.map(|(word, status)| (word.to_string(), status)).into(),
            ..Schema::default()
        };
        Case {
            schema,
            wanted: Wanted { metrics: ["a.b", "content.energy", "cpu", "mem", "n"].map(String::from).into() },
        }
    }
}

impl Case {
    pub fn options(&self, format: Option<Format>, limits: Limits) -> Options<'_> {
        Options { format, schema: &self.schema, wanted: &self.wanted, max_bad_ratio: 1.0, limits }
    }
}

/// A record in full; floats by their bits, columns by their names.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub row: u64,
    time: i64,
    entity: Option<Arc<str>>,
    pub metrics: BTreeMap<Arc<str>, u64>,
    statuses: BTreeMap<Arc<str>, u8>,
}

/// The records of batches, each of which must be whole.
pub fn rows(batches: &[Batch]) -> Vec<Row> {
    batches.iter().flat_map(rows_of).collect()
}

fn rows_of(batch: &Batch) -> impl Iterator<Item = Row> {
    let length = batch.len();
    assert!(length > 0 && batch.times.len() == length && batch.entity.len() == length);
    assert!(batch.metrics.iter().all(|column| column.values.len() == length));
    assert!(batch.services.iter().all(|column| column.levels.len() == length));
    (0..length).map(|i| {
        let metrics = batch.metrics.iter().map(|column| (&column.name, column.values[i]));
        let statuses = batch.services.iter().map(|column| (&column.name, column.levels[i]));
        Row {
            row: batch.rows[i],
            time: batch.times[i],
            entity: (batch.entity[i] != NO_ENTITY).then(|| batch.entities[batch.entity[i] as usize].clone()),
            metrics: metrics.filter(|cell| !cell.1.is_nan()).map(|(name, v)| (name.clone(), v.to_bits())).collect(),
            statuses: statuses
                .filter(|cell| Status::from_level(cell.1).is_some())
                .map(|(name, level)| (name.clone(), level))
                .collect(),
        }
    })
}

/// The text several times over, so that what was learned of a line is used on the same line.
pub fn repeated(text: &[u8], times: usize) -> Vec<u8> {
    let text = if times > 1 && !text.ends_with(b"\n") { [text, b"\n"].concat() } else { text.to_vec() };
    text.repeat(times)
}
