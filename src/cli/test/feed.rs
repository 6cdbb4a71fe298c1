//! What a source of a graph brings in a test: series as batches, a batch for each moment; or a file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec::IntoIter;

use toml::Spanned;

use super::file::{Series, Test};
use super::notation::{self, Of};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Batch, InputRecord, MetricColumn, NO_ENTITY, NO_STATUS, StatusColumn, Timestamp};
use crate::node::{AnySource, Next, Pass, Reader};

/// The records of one source.
#[derive(Debug, Clone, Default)]
pub struct Records {
    rows: BTreeMap<Place, Row>,
    entities: Vec<Option<String>>,
    metrics: Vec<Arc<str>>,
    services: Vec<Arc<str>>,
}

/// When a record comes, its time, and its entity in the order in which they are first named.
type Place = (i64, i64, usize);

/// What a record says, by column.
#[derive(Debug, Clone, Default)]
struct Row {
    metrics: BTreeMap<usize, f64>,
    services: BTreeMap<usize, u8>,
}

impl Records {
    /// One record at this time that says nothing.
    pub fn blank(time: Timestamp) -> Records {
        let rows = BTreeMap::from([((time.micros(), time.micros(), 0), Row::default())]);
        Records { rows, entities: vec![None], ..Records::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the values of a series.
    ///
    /// # Errors
    /// AG0502: what is wrong with them.
    pub fn add(&mut self, series: &Spanned<Series>, test: &Test, source: &SourceFile) -> Result<(), Diagnostic> {
        let Series { entity, metric, service, values, start, every, delay, .. } = series.get_ref();
        let (of, name) = match (metric, service) {
            (Some(metric), None) => (Of::Metric, metric),
            (None, Some(service)) => (Of::Service, service),
            _ => {
                let message = "a series is of one `metric`, or of one `service`";
                return Err(Diagnostic::new(codes::test::SERIES, message).at(source, series.span()));
            }
        };
        let fault = |place, why| Diagnostic::new(codes::test::SERIES, why).at(source, place);
        let levels = notation::parse(values.get_ref(), of).map_err(|(place, why)| {
            // The place in the file, where the text stands there as it is.
            let written = source.text.get(values.span()).and_then(|written| written.find(values.get_ref().as_str()));
            fault(written.map_or(values.span(), |at| moved(place, values.span().start + at)), why)
        })?;
        let start = start.unwrap_or(test.start).0.micros();
        let step = i64::try_from(every.unwrap_or(test.every).0.as_micros()).unwrap_or(i64::MAX);
        let entity = place_of(&mut self.entities, entity);
        let columns = if of == Of::Metric { &mut self.metrics } else { &mut self.services };
        let column = place_of(columns, &Arc::from(name.as_str()));
        for (at, value) in (0i64..).zip(levels) {
            let Some(value) = value else { continue };
            let time = start.saturating_add(step.saturating_mul(at));
            let Some(moment) = Timestamp::from_micros(time) else {
                return Err(fault(values.span(), "it goes on beyond the year 9999".to_string()));
            };
            let row = self.rows.entry((time.saturating_add(delay.micros()), time, entity)).or_default();
            let before = match of {
                Of::Metric => row.metrics.insert(column, value).is_some(),
                Of::Service => row.services.insert(column, value as u8).is_some(), // a level, 0 to 2
            };
            if before {
                return Err(fault(series.span(), format!("`{name}` has two values at {moment}")));
            }
        }
        Ok(())
    }

    fn batches(&self) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut places: Vec<usize> = Vec::new(); // of the batch's entities in `self.entities`
        for (number, ((_, time, entity), row)) in (1..).zip(&self.rows) {
            if batches.last().is_none_or(|batch| batch.times.first() != Some(time)) {
                batches.push(self.empty());
                places.clear();
            }
            let Some(batch) = batches.last_mut() else { continue };
            batch.rows.push(number);
            batch.times.push(*time);
            let name = self.entities.get(*entity).cloned().flatten();
            batch.entity.push(name.map_or(NO_ENTITY, |name| {
                let at = place_of(&mut places, entity);
                if at == batch.entities.len() {
                    batch.entities.push(name.into());
                }
                at as u32
            }));
            for (at, column) in batch.metrics.iter_mut().enumerate() {
                column.values.push(row.metrics.get(&at).copied().unwrap_or(f64::NAN));
            }
            for (at, column) in batch.services.iter_mut().enumerate() {
                column.levels.push(row.services.get(&at).copied().unwrap_or(NO_STATUS));
            }
        }
        batches
    }

    fn empty(&self) -> Batch {
        let metric = |name: &Arc<str>| MetricColumn { name: name.clone(), values: Vec::new() };
        let service = |name: &Arc<str>| StatusColumn { name: name.clone(), levels: Vec::new() };
        Batch {
            metrics: self.metrics.iter().map(metric).collect(),
            services: self.services.iter().map(service).collect(),
            ..Batch::default()
        }
    }
}

/// The place of an item of a list, at its end if it is new.
fn place_of<T: PartialEq + Clone>(list: &mut Vec<T>, item: &T) -> usize {
    list.iter().position(|known| known == item).unwrap_or_else(|| {
        list.push(item.clone());
        list.len() - 1
    })
}

fn moved(range: std::ops::Range<usize>, by: usize) -> std::ops::Range<usize> {
    range.start + by..range.end + by
}

/// A source that brings what a test says; live where the graph's own is.
pub struct Feed {
    pub what: What,
    pub live: bool,
}

pub enum What {
    Records(Records),
    File(Box<dyn AnySource>),
}

impl AnySource for Feed {
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        let records = match &self.what {
            What::File(file) => return file.open(pass),
            What::Records(records) => records,
        };
        let times = || records.rows.keys().map(|(_, time, _)| *time);
        let record = InputRecord {
            node: pass.node.to_string(),
            path: "test".to_string(),
            format: "series".to_string(),
            records: records.rows.len() as u64,
            first: times().min().map(Timestamp::nearest),
            last: times().max().map(Timestamp::nearest),
            entities: records.entities.iter().flatten().count() as u64,
            ..InputRecord::default()
        };
        Ok(Box::new(Fed { batches: records.batches().into_iter(), record }))
    }

    fn can_be_reread(&self) -> bool {
        true
    }

    fn is_live(&self) -> bool {
        self.live
    }

    /// What is in memory is.
    fn is_short(&self) -> bool {
        match &self.what {
            What::File(file) => file.is_short(),
            What::Records(_) => true,
        }
    }
}

struct Fed {
    batches: IntoIter<Batch>,
    record: InputRecord,
}

impl Reader for Fed {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        Ok(self.batches.next().map_or(Next::End, Next::Batch))
    }
    fn record(&self) -> InputRecord {
        self.record.clone()
    }
    fn progress(&self) -> (u64, Option<u64>) {
        (0, None)
    }
}
