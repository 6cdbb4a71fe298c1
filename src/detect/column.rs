use super::judge::Measure;
use super::past::{InOrder, Past, Pasts};
use super::rules::Quantity;
use super::{PerEntity, Reading, Rule, Run, Series, Sustained, Total};
use crate::domain::Batch;

/// What is gathered of one rule.
#[derive(Debug, Clone)]
pub struct Column {
    pub measure: Measure,
    pub series: PerEntity<Series>,
    /// Kept only where the rule says `for`.
    pub sustained: PerEntity<Sustained>,
    quantity: Quantity,
    lookback: Lookback,
    /// Room for values that are judged by their negatives.
    room: Vec<f64>,
}

/// How a rule that looks back gets the readings of a series in the order of time.
#[derive(Debug, Clone)]
enum Lookback {
    /// It does not look back.
    No,
    /// The whole input is one window: as they come, and what was before is nothing.
    AsTheyCome(PerEntity<(InOrder, Past)>),
    /// All of the window, until it closes: only then it is known what was before it, and what comes late is in its place.
    Kept(PerEntity<Vec<Reading>>),
}

impl Column {
    /// Of a window among others, or of a whole input.
    pub fn new(rule: &Rule, of_window: bool) -> Column {
        let lookback = match rule.quantity {
            Quantity::Value => Lookback::No,
            _ if of_window => Lookback::Kept(PerEntity::default()),
            _ => Lookback::AsTheyCome(PerEntity::default()),
        };
        let (series, sustained, room) = Default::default();
        Column { measure: Measure::of(rule), series, sustained, quantity: rule.quantity, lookback, room }
    }

    /// Takes the values of an entity in a batch. What is older than `start`, in microseconds, has come late.
    pub fn take(&mut self, entity: u32, run: &Run<'_, f64>, start: i64) {
        match &mut self.lookback {
            Lookback::No if !self.measure.falls => self.judge(entity, run, start),
            Lookback::No => {
                let mut room = std::mem::take(&mut self.room);
                room.clear();
                room.extend(run.values.iter().map(|value| -value));
                self.judge(entity, &run.with(&room), start);
                self.room = room;
            }
            Lookback::AsTheyCome(pasts) => {
                let (order, past) = pasts.of(entity);
                let next = readings(run).filter_map(|reading| order.take(reading));
                let judged = Judged::of(next, past, &self.quantity);
                self.judge(entity, &judged.run(), start);
            }
            Lookback::Kept(kept) => kept.of(entity).extend(readings(run)),
        }
    }

    /// The whole input has ended: judges what was held back.
    pub fn settle(&mut self, start: i64) {
        if let Lookback::AsTheyCome(pasts) = std::mem::replace(&mut self.lookback, Lookback::No) {
            for (entity, (order, mut past)) in pasts {
                let judged = Judged::of(order.rest(), &mut past, &self.quantity);
                self.judge(entity, &judged.run(), start);
            }
        }
    }

    /// A window has ended: judges what was kept for then, each series after its past.
    pub fn settle_window<'n>(
        &mut self,
        start: i64,
        pasts: &mut Pasts,
        rule: &Rule,
        name: impl Fn(u32) -> Option<&'n str>,
    ) {
        if let Lookback::Kept(kept) = std::mem::replace(&mut self.lookback, Lookback::No) {
            let rule = rule.name();
            for (entity, mut readings) in kept {
                readings.sort_by_key(|reading| (reading.time, reading.row));
                let judged = Judged::of(readings.into_iter(), pasts.of(&rule, name(entity)), &self.quantity);
                self.judge(entity, &judged.run(), start);
            }
        }
    }
    fn judge(&mut self, entity: u32, run: &Run<'_, f64>, start: i64) {
        let total = Total::of(run.values);
        if total.count() == 0 {
            return;
        }
        let Measure { levels, lasts, .. } = &self.measure;
        self.series.of(entity).take_values(run, &total, levels);
        if let Some(lasts) = lasts {
            self.sustained.of(entity).take(run, total.max(), levels, *lasts, start);
        }
    }
}

/// The readings of a run in the order of the input, so that it does not matter how the input is cut into batches.
fn readings<'a>(run: &'a Run<'_, f64>) -> impl Iterator<Item = Reading> + 'a {
    let places = if run.is_in_order() { (0..run.values.len()).collect() } else { run.by_input() };
    places.into_iter().filter_map(|place| {
        let value = run.values.get(place).copied().filter(|value| value.is_finite())?;
        run.reading(place, value)
    })
}

/// What a rule makes of readings, in the order of time.
struct Judged {
    moments: Batch,
    values: Vec<f64>,
}

impl Judged {
    fn of(readings: impl Iterator<Item = Reading>, past: &mut Past, quantity: &Quantity) -> Judged {
        let mut judged = Judged { moments: Batch::default(), values: Vec::new() };
        for reading in readings {
            if let Some(value) = past.step(quantity, reading) {
                judged.moments.times.push(reading.time);
                judged.moments.rows.push(reading.row);
                judged.values.push(value);
            }
        }
        judged
    }

    fn run(&self) -> Run<'_, f64> {
        Run::of(&self.moments, &self.values)
    }
}
