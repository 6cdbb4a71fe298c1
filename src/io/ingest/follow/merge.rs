use crate::domain::Batch;

/// Takes the first `count` records off a batch.
pub fn split_to(batch: &mut Batch, count: usize) -> Batch {
    fn first<T>(column: &mut Vec<T>, count: usize) -> Vec<T> {
        let rest = column.split_off(count.min(column.len()));
        std::mem::replace(column, rest)
    }
    let mut taken = Batch {
        rows: first(&mut batch.rows, count),
        times: first(&mut batch.times, count),
        entities: batch.entities.clone(),
        entity: first(&mut batch.entity, count),
        metrics: batch.metrics.clone(),
        services: batch.services.clone(),
    };
    for (all, taken) in batch.metrics.iter_mut().zip(&mut taken.metrics) {
        taken.values = first(&mut all.values, count);
    }
    for (all, taken) in batch.services.iter_mut().zip(&mut taken.services) {
        taken.levels = first(&mut all.levels, count);
    }
    taken
}
