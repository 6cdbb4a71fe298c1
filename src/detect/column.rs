use std::iter;
use std::sync::Arc;

use super::breaks::Breaks;
use super::judge::Measure;
use super::past::{InOrder, Past, Pasts};
use super::rules::{Maintenance, Override, Quantity};
use super::{Entities, PerEntity, Reading, Rule, Run, Series, Sustained, Total};
use crate::domain::{Aspect, Batch, Evidence};

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
    pub witnesses: PerEntity<Vec<Witness>>,
    quantity: Quantity,
    /// Whether values are judged by their negatives.
    falls: bool,
    lookback: Lookback,
    /// Whether there was enough to judge by, where the rule looks back; once it has settled.
    enough: PerEntity<bool>,
    breaks: Breaks,
    /// The entities with readings of which more is to be known, where values are made of several columns.
    fresh: Option<Vec<u32>>,
    /// Room for values that are judged by their negatives.
    room: Vec<f64>,
}

/// What stands behind a reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    pub reading: Reading,
    pub evidence: Evidence,
}

impl Witness {
    /// What is known of a reading.
    pub fn among(witnesses: &[Witness], reading: &Reading) -> Option<Evidence> {
        witnesses.iter().find(|witness| is_same(&witness.reading, reading)).map(|witness| witness.evidence.clone())
    }
}

/// The same record.
fn is_same(a: &Reading, b: &Reading) -> bool {
    (a.time, a.row) == (b.time, b.row)
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
    /// Of a window among others, or of a whole input; `is_derived` where values are made of several columns.
    pub fn new(rule: &Rule, of_window: bool, is_derived: bool) -> Column {
        let lookback = match rule.quantity {
            Quantity::Value => Lookback::No,
            _ if of_window => Lookback::Kept(PerEntity::default()),
            _ => Lookback::AsTheyCome(PerEntity::default()),
        };
        let limits = iter::once(Some(&rule.limits)).chain(rule.overrides.iter().map(|other| other.limits.as_ref()));
        let measures = limits.map(|limits| limits.map(|limits| Measure::of(rule, limits))).collect();
        let hours = rule.hours.clone().filter(|_| rule.aspect == Aspect::Stale);
        let (chosen, series, sustained, witnesses, enough, room) = Default::default();
        let quantity = match rule.quantity {
            // One report tells of all silence, however long; only window after window it would be told for ever.
            Quantity::Silence { .. } if !of_window => Quantity::Silence { until: i64::MAX },
            quantity => quantity,
        };
        let (overrides, falls) = (rule.overrides.clone(), rule.aspect == Aspect::Below);
        let breaks = Breaks::new(hours);
        let fresh = is_derived.then(Vec::new);
        Column {
            measures,
            overrides,
            chosen,
            series,
            sustained,
            witnesses,
            quantity,
            falls,
            lookback,
            enough,
            breaks,
            fresh,
            room,
        }
    }

    /// Chooses what holds for entities that are new, once for each; `names` are those of all so far, by number.
    pub fn meet(&mut self, names: &[Option<Arc<str>>], maintenance: &[Maintenance]) {
        if matches!(self.quantity, Quantity::Silence { .. }) && !maintenance.is_empty() {
            self.breaks.meet(names, maintenance);
        }
        if self.overrides.is_empty() {
            return;
        }
        for name in names.iter().skip(self.chosen.len()) {
            let place = Override::place(&self.overrides, name.as_deref()).map_or(0, |at| at + 1);
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
        let bound = self.bound(entity);
        match &mut self.lookback {
            Lookback::No if !self.falls => self.judge(entity, run, start),
            Lookback::No => {
                let mut room = std::mem::take(&mut self.room);
                room.clear();
                room.extend(run.values.iter().map(|value| -value));
                self.judge(entity, &run.with(&room), start);
                self.room = room;
            }
            // Of an entity without a reading there is nothing to look back to, nor is it lacking any.
            _ if !run.values.iter().any(|value| value.is_finite()) => {}
            Lookback::AsTheyCome(pasts) => {
                let (order, past) = pasts.of(entity);
                let next = readings(run).filter_map(|reading| order.take(reading));
                let counted = |from, to| self.breaks.counted(entity, from, to);
                let judged = Steps::of(next, past, &self.quantity, bound, counted);
                self.judge_steps(entity, &judged, start);
            }
            Lookback::Kept(kept) => kept.of(entity).extend(readings(run)),
        }
    }

    /// The entities whose newest readings may be an anomaly's worst, where values are made of several columns.
    pub fn fresh(&mut self) -> Vec<u32> {
        self.fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Keeps what is known of readings, as far as they may be the worst of an anomaly.
    pub fn keep(&mut self, entity: u32, known: impl Fn(&Reading) -> Option<Witness>) {
        let awaited = self.awaited(entity);
        let witnesses = self.witnesses.of(entity);
        witnesses.retain(|witness| awaited.iter().any(|reading| is_same(reading, &witness.reading)));
        for reading in awaited {
            if !witnesses.iter().any(|witness| is_same(&witness.reading, &reading)) {
                witnesses.extend(known(&reading));
            }
        }
    }

    /// The readings that may be the worst of an anomaly: with `for` the worst of a stretch.
    fn awaited(&self, entity: u32) -> Vec<Reading> {
        let Some(reached) = self.series.get(entity).and_then(|series| series.reached.as_ref()) else { return vec![] };
        let mut awaited = vec![reached.worst];
        if let (Some(sustained), Some(measure)) = (self.sustained.get(entity), self.measure(entity)) {
            awaited.extend(sustained.awaited(&measure.levels));
        }
        awaited
    }

    /// From which value on evidence of a reading may be asked for.
    fn bound(&self, entity: u32) -> Bound {
        let measure = self.measure(entity);
        let start = measure.map_or(f64::INFINITY, |measure| measure.levels.start);
        let worst =
            self.series.get(entity).and_then(|series| series.reached.as_ref()).map(|reached| reached.worst.value);
        match worst.filter(|_| measure.is_some_and(|measure| measure.lasts.is_none())) {
            Some(worst) => Bound { from: worst.next_up().max(start), rises: true },
            None => Bound { from: start, rises: measure.is_none_or(|measure| measure.lasts.is_none()) },
        }
    }

    /// The whole input has ended, at `end`: judges what was held back.
    pub fn settle(&mut self, start: i64, end: i64) {
        if let Lookback::AsTheyCome(pasts) = std::mem::replace(&mut self.lookback, Lookback::No) {
            for (entity, (order, mut past)) in pasts {
                self.conclude(entity, order.rest(), &mut past, (start, end));
            }
        }
    }

    /// A window has ended: judges what was kept for then, each series after its past. `rule` is the name that its past goes
    /// by.
    pub fn settle_window(
        &mut self,
        rule: &str,
        pasts: &mut Pasts,
        (start, end): (i64, i64),
        entities: &mut Entities,
        maintenance: &[Maintenance],
    ) {
        let Lookback::Kept(mut kept) = std::mem::replace(&mut self.lookback, Lookback::No) else { return };
        if matches!(self.quantity, Quantity::Silence { .. }) {
            // Also those that say nothing any more.
            for name in pasts.entities(rule) {
                kept.of(entities.learn(name.as_deref()));
            }
            self.meet(entities.names(), maintenance);
        }
        for (entity, mut readings) in kept {
            readings.sort_by_key(|reading| (reading.time, reading.row));
            let past = pasts.of(rule, entities.name(entity).map(|name| &**name));
            self.conclude(entity, readings.into_iter(), past, (start, end));
        }
    }

    /// Judges the last readings of a series, and the silence after them.
    fn conclude(
        &mut self,
        entity: u32,
        readings: impl Iterator<Item = Reading>,
        past: &mut Past,
        (start, end): (i64, i64),
    ) {
        let counted = |from, to| self.breaks.counted(entity, from, to);
        let mut judged = Steps::of(readings, past, &self.quantity, self.bound(entity), counted);
        if let Some((silence, evidence)) = past.silence(&self.quantity, (start, end), counted) {
            judged.extend([silence]);
            judged.witnesses.extend(evidence.map(|evidence| Witness { reading: silence, evidence }));
        }
        if self.measure(entity).is_some() {
            *self.enough.of(entity) = past.is_enough(&self.quantity);
        }
        self.judge_steps(entity, &judged, start);
    }

    /// Series that have readings but not enough to judge by, and all that have readings.
    pub fn lacking(&self) -> (u64, u64) {
        let of_them = |is_lacking: fn(bool, bool) -> bool| {
            let is_judged = |entity| self.series.get(entity).is_some_and(|series| series.total.count() > 0);
            let of = self.enough.iter().filter(|(entity, enough)| is_lacking(**enough, is_judged(*entity)));
            of.count() as u64
        };
        match self.quantity {
            Quantity::Value => (0, self.series.iter().count() as u64),
            Quantity::Unusual(_) | Quantity::Silence { .. } => (of_them(|enough, _| !enough), of_them(|_, _| true)),
            _ => (of_them(|_, judged| !judged), of_them(|_, _| true)),
        }
    }

    fn judge_steps(&mut self, entity: u32, steps: &Steps, start: i64) {
        self.judge(entity, &steps.run(), start);
        if !steps.witnesses.is_empty() {
            self.keep(entity, |reading| steps.witness(reading));
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
        let reaches = total.max().is_some_and(|max| max >= levels.start);
        if let Some(lasts) = lasts {
            self.sustained.of(entity).take(run, total.max(), levels, *lasts, start);
        }
        if let (Some(fresh), true) = (&mut self.fresh, reaches) {
            fresh.push(entity);
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

/// From which value on evidence is kept, and whether only what is worse than the worst so far is of interest.
#[derive(Debug, Clone, Copy)]
struct Bound {
    from: f64,
    rises: bool,
}

/// What a rule makes of readings, in the order of time.
#[derive(Default)]
struct Steps {
    moments: Batch,
    values: Vec<f64>,
    witnesses: Vec<Witness>,
}

impl Steps {
    /// `counted` says how much counts of the silence between two times.
    fn of(
        readings: impl Iterator<Item = Reading>,
        past: &mut Past,
        quantity: &Quantity,
        mut bound: Bound,
        counted: impl Fn(i64, i64) -> i64,
    ) -> Steps {
        let mut steps = Steps::default();
        for reading in readings {
            if let Some(judged) = past.step(quantity, reading, bound.from, &counted) {
                steps.extend([Reading { value: judged.value, ..reading }]);
                if let Some(evidence) = judged.evidence {
                    steps.witnesses.push(Witness { reading, evidence });
                    if bound.rises {
                        bound.from = bound.from.max(judged.value.next_up());
                    }
                }
            }
        }
        steps
    }

    /// What stands behind one of them.
    fn witness(&self, reading: &Reading) -> Option<Witness> {
        self.witnesses.iter().find(|witness| is_same(&witness.reading, reading)).cloned()
    }

    fn run(&self) -> Run<'_, f64> {
        Run::of(&self.moments, &self.values)
    }
}

impl Extend<Reading> for Steps {
    fn extend<I: IntoIterator<Item = Reading>>(&mut self, readings: I) {
        for reading in readings {
            self.moments.times.push(reading.time);
            self.moments.rows.push(reading.row);
            self.values.push(reading.value);
        }
    }
}
