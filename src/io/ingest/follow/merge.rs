use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, StatusColumn};

/// One batch out of parts of others.
#[derive(Default)]
pub struct Joined {
    batch: Batch,
    /// Places in the dictionary.
    entities: HashMap<Arc<str>, u32>,
}

impl Joined {
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Adds a range of the records of `from`, which is this lane.
    pub fn append(&mut self, from: &Batch, range: Range<usize>, lane: u32) {
        let Joined { batch, entities } = self;
        let before = batch.len();
        batch.rows.extend_from_slice(from.rows.get(range.clone()).unwrap_or_default());
        batch.lanes.resize(before + range.len(), lane);
        batch.times.extend_from_slice(from.times.get(range.clone()).unwrap_or_default());
        for code in from.entity.get(range.clone()).unwrap_or_default() {
            let name = usize::try_from(*code).ok().and_then(|code| from.entities.get(code));
            batch.entity.push(name.map_or(NO_ENTITY, |name| {
                *entities.entry(name.clone()).or_insert_with(|| {
                    batch.entities.push(name.clone());
                    // The rows of a batch are bounded, so the number fits.
                    u32::try_from(batch.entities.len() - 1).unwrap_or(NO_ENTITY)
                })
            }));
        }
        for column in &from.metrics {
            let known = batch.metrics.iter().position(|known| known.name == column.name);
            let place = known.unwrap_or_else(|| {
                batch.metrics.push(MetricColumn { name: column.name.clone(), values: Vec::new() });
                batch.metrics.len() - 1
            });
            if let Some(known) = batch.metrics.get_mut(place) {
                known.values.resize(before, f64::NAN);
                known.values.extend_from_slice(column.values.get(range.clone()).unwrap_or_default());
            }
        }
        for column in &from.services {
            let known = batch.services.iter().position(|known| known.name == column.name);
            let place = known.unwrap_or_else(|| {
                batch.services.push(StatusColumn { name: column.name.clone(), levels: Vec::new() });
                batch.services.len() - 1
            });
            if let Some(known) = batch.services.get_mut(place) {
                known.levels.resize(before, NO_STATUS);
                known.levels.extend_from_slice(column.levels.get(range.clone()).unwrap_or_default());
            }
        }
    }

    /// The batch, if it holds a record.
    pub fn finish(mut self) -> Option<Batch> {
        let records = self.batch.len();
        self.batch.metrics.iter_mut().for_each(|column| column.values.resize(records, f64::NAN));
        self.batch.services.iter_mut().for_each(|column| column.levels.resize(records, NO_STATUS));
        (records > 0).then_some(self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(host: &str, metric: &str, service: &str, first: u64) -> Batch {
        Batch {
            rows: vec![first, first + 1],
            times: vec![first as i64, first as i64 + 1],
            entities: vec!["unused".into(), host.into()],
            entity: vec![1, NO_ENTITY],
            lanes: vec![],
            metrics: vec![MetricColumn { name: metric.into(), values: vec![1.0, 2.0] }],
            services: vec![StatusColumn { name: service.into(), levels: vec![0, NO_STATUS] }],
        }
    }

    #[test]
    fn parts_keep_what_they_say() {
        let (a, b) = (batch("a", "cpu", "db", 1), batch("b", "mem", "db", 5));
        let mut joined = Joined::default();
        for (part, range, lane) in [(&a, 0..1, 3), (&b, 0..2, 5), (&a, 1..2, 3), (&a, 0..1, 3)] {
            joined.append(part, range, lane);
        }
        assert_eq!(joined.len(), 5);
        let joined = joined.finish().unwrap();
        assert_eq!(joined.lanes, [3, 5, 5, 3, 3]);
        assert_eq!((&joined.rows[..], &joined.times[..]), (&[1, 5, 6, 2, 1][..], &[1, 5, 6, 2, 1][..]));
        assert_eq!(
            (joined.entities, joined.entity),
            (vec!["a".into(), "b".into()], vec![0, 1, NO_ENTITY, NO_ENTITY, 0])
        );
        let column = |place: usize| joined.metrics[place].values.iter().map(|v| format!("{v}")).collect::<Vec<_>>();
        assert_eq!(
            (column(0), column(1)),
            (
                ["1", "NaN", "NaN", "2", "1"].map(String::from).to_vec(),
                ["NaN", "1", "2", "NaN", "NaN"].map(String::from).to_vec()
            )
        );
        assert_eq!(joined.services.len(), 1);
        assert_eq!(joined.services[0].levels, [0, 0, NO_STATUS, NO_STATUS, 0]);
        assert!(Joined::default().finish().is_none());
    }
}
