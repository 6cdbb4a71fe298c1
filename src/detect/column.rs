use std::iter;
use std::sync::Arc;

use super::judge::Measure;
use super::past::{InOrder, Past, Pasts};
use super::rules::{Override, Quantity};
use super::{PerEntity, Reading, Rule, Run, Series, Sustained, Total};
use crate::domain::{Aspect, Batch};

/// What is gathered of one rule.
#[derive(Debug, Clone)]
pub struct Column {
    /// What holds for all entities, then of each override; `None` where it is off.
    measures: Vec<Option<Measure>>,
    overrides: Vec<Override>,
    /// Places in `measures` by entity, where there are overrides.
    chosen: Vec<u32>,
    pub series: PerEntity<Series>,
    /// Kept only where the rule says `for`.
    pub sustained: PerEntity<Sustained>,
    quantity: Quantity,
    /// Whether values are judged by their negatives.
    falls: bool,
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
        let limits = iter::once(Some(&rule.limits)).chain(rule.overrides.iter().map(|other| other.limits.as_ref()));
        let measures = limits.map(|limits| limits.map(|limits| Measure::of(rule, limits))).collect();
        let (chosen, series, sustained, room) = Default::default();
        let (overrides, quantity, falls) = (rule.overrides.clone(), rule.quantity, rule.aspect == Aspect::Below);
        Column { measures, overrides, chosen, series, sustained, quantity, falls, lookback, room }
    }

    /// Chooses what holds for entities that are new, once for each; `names` are those of all so far, by number.
    pub fn meet(&mut self, names: &[Option<Arc<str>>]) {
        if self.overrides.is_empty() {
            return;
        }
        for name in names.iter().skip(self.chosen.len()) {
            let matches = |name: &Arc<str>| self.overrides.iter().position(|other| other.entity.matches(name));
            let place = name.as_ref().and_then(matches).map_or(0, |at| at + 1);
            self.chosen.push(u32::try_from(place).unwrap_or(0)); // no file has so many
        }
    }

    /// How an entity is judged; `None` where the rule is off for it.
    pub fn measure(&self, entity: u32) -> Option<&Measure> {
        let place = self.chosen.get(entity as usize).map_or(0, |place| *place as usize);
        self.measures.get(place)?.as_ref()
    }

    /// Takes the values of an entity in a batch. What is older than `start`, in microseconds, has come late.
    pub fn take(&mut self, entity: u32, run: &Run<'_, f64>, start: i64) {
        match &mut self.lookback {
            Lookback::No if !self.falls => self.judge(entity, run, start),
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
        let place = self.chosen.get(entity as usize).map_or(0, |place| *place as usize);
        let Some(Measure { levels, lasts, .. }) = self.measures.get(place).and_then(Option::as_ref) else { return };
        let total = Total::of(run.values);
        if total.count() == 0 {
            return;
        }
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
