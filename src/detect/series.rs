use serde::{Deserialize, Serialize};

use super::stretch::{Stretch, Stretches, Walk, of_values};
use super::{Run, Total, lanes};
use crate::domain::{Bands, Counts, Figure, Sample, Severity, Status, Timestamp};

/// The greatest level that a status has.
const WORST_LEVEL: u8 = Status::Offline as u8;

/// One value as a batch has it: microseconds, place in the input, finite value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub time: i64,
    pub row: u64,
    pub value: f64,
}

impl Reading {
    /// Whether it comes before `other`: by time, then by place in the input.
    pub fn is_before(&self, other: &Reading) -> bool {
        (self.time, self.row) < (other.time, other.row)
    }

    /// Whether it is the worst of the two: the greater, and of equal ones the earlier.
    pub fn is_worse(&self, other: &Reading) -> bool {
        self.value > other.value || (self.value == other.value && self.is_before(other))
    }

    /// `None` for what no source lets through: a value that is not finite, a time outside ISO 8601.
    pub fn sample(self) -> Option<Sample> {
        Some(Sample { time: Timestamp::from_micros(self.time)?, row: self.row, value: Figure::new(self.value)? })
    }
}

/// Bands made ready for comparing: for each the least value that a report states as the band or more, so that no stated
/// value contradicts its severity. A band that is not set lies at infinity, where no finite value reaches it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    pub start: f64,
    medium: f64,
    high: f64,
}

impl Levels {
    pub fn new(bands: &Bands) -> Levels {
        let level = |severity| bands.get(severity).map_or(f64::INFINITY, least_stated_as);
        let [low, medium, high] = [Severity::Low, Severity::Medium, Severity::High].map(level);
        let start = match bands.lowest() {
            Some((Severity::Low, _)) | None => low,
            Some((Severity::Medium, _)) => medium,
            Some((Severity::High, _)) => high,
        };
        Levels { start, medium, high }
    }

    /// The least values of the lowest band, of a medium one or a worse, and of a high one.
    pub fn rising(&self) -> [f64; 3] {
        [self.start, self.medium.min(self.high), self.high]
    }

    /// The highest band that `value`, as a report states it, reached, inclusively.
    pub fn severity(&self, value: f64) -> Option<Severity> {
        match value {
            v if v >= self.high => Some(Severity::High),
            v if v >= self.medium => Some(Severity::Medium),
            v if v >= self.start => Some(Severity::Low),
            _ => None,
        }
    }
}

/// The least value whose `Figure` is `band` or more. Rounding keeps order, so every greater one's is too, and comparing
/// with this value does without rounding.
pub fn least_stated_as(band: Figure) -> f64 {
    let band = band.get();
    let reaches = |value: f64| Figure::new(value).is_some_and(|figure| figure.get() >= band);
    // Half a unit of the ninth digit is a relative 5e-9 at most; the smallest numbers are too coarse for that.
    let below = (band - band.abs() * 1e-8).min(band.next_down());
    let (mut below, mut least) = (key(below), key(band));
    // Mostly it lies half a unit of the ninth digit below the band: where it does, a few floats are left to look at.
    let half = 10f64.powf(band.abs().log10().floor() - 8.0) / 2.0;
    let guess = key(band - half);
    for width in [1, 4] {
        let near = (guess.saturating_sub(width), guess.saturating_add(width));
        if below < near.0 && near.1 < least && !reaches(of_key(near.0)) && reaches(of_key(near.1)) {
            (below, least) = near;
            break;
        }
    }
    while least - below > 1 {
        let middle = below + (least - below) / 2;
        if reaches(of_key(middle)) {
            least = middle;
        } else {
            below = middle;
        }
    }
    of_key(least)
}

/// A number per float, in the same order: neighbours have neighbouring numbers.
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    if bits < 0 { i64::MIN - bits } else { bits }
}

/// The float of a number.
fn of_key(key: i64) -> f64 {
    f64::from_bits(if key < 0 { i64::MIN - key } else { key } as u64)
}

/// What is gathered of one metric or one service of one entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    pub total: Total,
    pub newest: Option<Reading>,
    /// Microseconds, where there is a newest one.
    pub oldest: i64,
    /// Most series have none, and should be small.
    pub reached: Option<Box<Reached>>,
}

/// The readings at or above the lowest band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    pub counts: Counts,
    pub first: Reading,
    pub worst: Reading,
    pub last: Reading,
    pub stretches: Stretches,
}

impl Reached {
    pub fn one(reading: Reading, severity: Severity) -> Reached {
        let mut counts = Counts::default();
        counts.add(Some(severity), 1);
        let stretches = Stretches::whole(Stretch::one(reading));
        Reached { counts, first: reading, worst: reading, last: reading, stretches }
    }

    /// Adds others of the series, whose stretches are not joined to these: only that of the worst reading is known after.
    pub fn join(&mut self, other: &Reached) {
        self.counts.join(&other.counts);
        if other.first.is_before(&self.first) {
            self.first = other.first;
        }
        if !other.last.is_before(&self.last) {
            self.last = other.last;
        }
        if other.worst.is_worse(&self.worst) {
            self.worst = other.worst;
            self.stretches.worst = other.stretches.worst;
        }
    }
}

impl Series {
    /// Takes the values of a metric, `total` those of them that are there. The runs of an entity may come in any order.
    pub fn take_values(&mut self, run: &Run<'_, f64>, total: &Total, levels: &Levels) {
        self.take(run, total, levels, f64::is_finite, |value| value, |values| lanes::reached(values, levels));
    }

    /// Takes the levels of a service, of which there are `counts`.
    pub fn take_levels(&mut self, run: &Run<'_, u8>, counts: [u64; 3], levels: &Levels) {
        let reached = |_: &[u8]| {
            let mut reached = Counts::default();
            for (times, level) in counts.into_iter().zip([0.0, 1.0, 2.0]) {
                reached.add(levels.severity(level), times);
            }
            reached
        };
        self.take(run, &Total::of_levels(counts), levels, |level| level <= WORST_LEVEL, f64::from, reached);
    }

    /// No more than the counting looks at every value, unless one of them reached a band.
    fn take<V: Copy>(
        &mut self,
        run: &Run<'_, V>,
        total: &Total,
        levels: &Levels,
        is_there: impl Fn(V) -> bool,
        number: impl Fn(V) -> f64,
        count: impl Fn(&[V]) -> Counts,
    ) {
        let values = run.values;
        let reading = |place: usize| run.reading(place, number(*values.get(place)?));
        let reaches = |value: V| is_there(value) && number(value) >= levels.start;
        let Some(begin) = lanes::first(values, &is_there).and_then(reading) else { return };
        let walk = Walk::of(self);
        self.total.join(total);
        self.oldest = walk.oldest.min(begin.time);
        if let Some(newest) = lanes::last(values, &is_there).and_then(reading)
            && self.newest.is_none_or(|known| !newest.is_before(&known))
        {
            self.newest = Some(newest);
        }
        let follows = begin.time >= walk.newest;
        let walked = || {
            let places = run.by_input().into_iter().filter(|place| values.get(*place).is_some_and(|v| is_there(*v)));
            places.filter_map(reading).fold(walk, |walk, next| walk.take(next, next.value >= levels.start)).stretches
        };
        let Some(max) = total.max().filter(|max| *max >= levels.start) else {
            if let Some(reached) = self.reached.as_mut().filter(|reached| reached.stretches.may_go_on()) {
                let stretches = if follows { walk.then(None, false) } else { walked() };
                reached.stretches = stretches.unwrap_or(reached.stretches);
            }
            return;
        };
        let Some((last_place, last)) = lanes::last(values, reaches).and_then(|at| Some((at, reading(at)?))) else {
            return;
        };
        let find_first = || lanes::first(values, reaches).and_then(reading);
        let find_worst = || lanes::first(values, |value| number(value) == max);
        // What cannot change what is known is not looked for; then the last one stands for it, which changes nothing.
        let (first, worst_place) = match &self.reached {
            None => (find_first(), find_worst()),
            Some(known) => {
                let begins_earlier = begin.is_before(&known.first);
                let first = if begins_earlier { find_first() } else { None };
                (first, if max >= known.worst.value { find_worst() } else { None })
            }
        };
        let worst = worst_place.and_then(reading);
        let counts = count(values);
        let stretches = if follows && run.is_in_order() {
            let is_worst = worst.is_some_and(|worst| walk.worst.is_none_or(|known| worst.is_worse(&known)));
            let all = counts.total() == total.count();
            let here = of_values(values, &is_there, reaches, reading, (worst_place.unwrap_or(last_place), all));
            walk.then(here.as_ref(), is_worst)
        } else {
            walked()
        };
        let stretches = stretches.unwrap_or(Stretches::whole(Stretch::one(last))); // there are some where a value reaches
        let here = Reached { counts, first: first.unwrap_or(last), worst: worst.unwrap_or(last), last, stretches };
        match &mut self.reached {
            Some(known) => {
                known.join(&here);
                known.stretches = stretches;
            }
            None => self.reached = Some(Box::new(here)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Entities, PerEntity};
    use super::*;
    use crate::domain::{Batch, MetricColumn, StatusColumn};

    fn figure(value: f64) -> Figure {
        Figure::new(value).unwrap()
    }

    fn bands(low: Option<f64>, medium: Option<f64>, high: Option<f64>) -> Bands {
        let figure = |v: Option<f64>| v.and_then(Figure::new);
        Bands { low: figure(low), medium: figure(medium), high: figure(high) }
    }

    #[test]
    fn bands_are_inclusive_and_may_be_any_subset() {
        let check = |bands: Bands, expected: [Option<Severity>; 4]| {
            let levels = Levels::new(&bands);
            assert_eq!([69.999, 70.0, 80.0, 90.0].map(|v| levels.severity(v)), expected, "{bands:?}");
        };
        let (low, medium, high) = (Some(Severity::Low), Some(Severity::Medium), Some(Severity::High));
        check(bands(Some(70.0), Some(80.0), Some(90.0)), [None, low, medium, high]);
        check(bands(Some(70.0), None, Some(90.0)), [None, low, low, high]);
        check(bands(None, Some(80.0), None), [None, None, medium, medium]);
        check(bands(None, None, Some(90.0)), [None, None, None, high]);
        check(bands(Some(70.0), None, None), [None, low, low, low]);
    }

    #[test]
    fn what_is_stated_as_a_band_has_reached_it() {
        let bits = |value: f64| value.to_bits();
        for band in [90.0, 100.0, 0.05, 123_456_789.0, 1e9, 1e300, 1.79769313e308, 5e-324, 1e-310, 0.0, -0.5, -1e300] {
            let least = least_stated_as(figure(band));
            let stated = |value: f64| figure(value).get();
            assert!(least <= band && stated(least) >= stated(band), "{band}: {least}");
            assert!(stated(least.next_down()) < stated(band), "{band}: {least}");
            assert_eq!(bits(of_key(key(least))), bits(least));
        }
        let levels = Levels::new(&bands(Some(70.0), Some(80.0), Some(90.0)));
        assert_eq!(levels.severity(89.999_999_999_9), Some(Severity::High));
        assert_eq!(levels.severity(89.999_999_94), Some(Severity::Medium));
        assert_eq!(levels.severity(69.999_999_96), Some(Severity::Low));
        assert_eq!(levels.severity(69.999_999_94), None);
    }

    /// A series and all its readings in the order of the input.
    #[derive(Debug, Default)]
    struct Logged {
        series: Series,
        log: Vec<Reading>,
    }

    /// The same by one value after the other: what taking whole columns is held to.
    fn observe(Logged { series, log }: &mut Logged, reading: Reading, levels: &Levels) {
        log.push(reading);
        series.oldest = log.iter().map(|reading| reading.time).min().unwrap();
        series.total.add(reading.value);
        if series.newest.is_none_or(|newest| !reading.is_before(&newest)) {
            series.newest = Some(reading);
        }
        let Some(severity) = levels.severity(reading.value) else { return };
        let reached = match &mut series.reached {
            None => {
                series.reached = Some(Box::new(Reached::one(reading, severity)));
                return;
            }
            Some(reached) => reached,
        };
        reached.counts.add(Some(severity), 1);
        if reading.is_before(&reached.first) {
            reached.first = reading;
        }
        if !reading.is_before(&reached.last) {
            reached.last = reading;
        }
        if reading.is_worse(&reached.worst) {
            reached.worst = reading;
        }
    }

    /// The stretches of all readings, in the plainest way: those that came newer or older than all before, in the order of
    /// time, and how far one can go from a place.
    fn plainly(log: &[Reading], levels: &Levels) -> Option<Stretches> {
        let mut line: VecDeque<Reading> = VecDeque::new();
        for reading in log {
            if line.back().is_none_or(|newest| reading.time >= newest.time) {
                line.push_back(*reading);
            } else if line.front().is_some_and(|oldest| reading.time <= oldest.time) {
                line.push_front(*reading);
            }
        }
        let reaches = |at: usize| line.get(at).is_some_and(|reading| reading.value >= levels.start);
        let around = |at: usize| {
            let from = (0..=at).rev().take_while(|at| reaches(*at)).last()?;
            let to = (at..line.len()).take_while(|at| reaches(*at)).last()?;
            let first = |a: Reading, b: Reading| if b.is_before(&a) { b } else { a };
            Some(Stretch { from: line.range(from..=to).copied().reduce(first)?, to: line[to].time })
        };
        let at = |reading: &Reading| line.iter().position(|other| other.row == reading.row);
        let reached = log.iter().filter(|reading| reading.value >= levels.start);
        let worst = reached.copied().reduce(|known, next| if next.is_worse(&known) { next } else { known })?;
        let late = || {
            let before = plainly(&log[..log.iter().position(|reading| reading.row == worst.row)?], levels)?;
            let mut known = [before.trailing, before.leading, Some(before.worst)].into_iter().flatten();
            let of = known.find(|stretch| stretch.from.time <= worst.time && worst.time <= stretch.to)?;
            Some(at(&of.from).and_then(around).unwrap_or(of))
        };
        let worst = at(&worst).and_then(around).or_else(late).unwrap_or(Stretch::one(worst));
        Some(Stretches { leading: around(0), trailing: around(line.len() - 1), worst })
    }

    fn batch(readings: &[(u32, Reading)]) -> Batch {
        Batch {
            rows: readings.iter().map(|(_, reading)| reading.row).collect(),
            times: readings.iter().map(|(_, reading)| reading.time).collect(),
            entities: ["a", "b"].map(Arc::from).into(),
            entity: readings.iter().map(|(entity, _)| *entity).collect(),
            ..Batch::default()
        }
    }

    /// What is kept of each entity, once by columns and once by values: metrics, then services.
    fn kept(batches: &[Vec<(u32, Reading)>], levels: &Levels) -> [Vec<(u32, Series)>; 4] {
        let mut entities = Entities::default();
        let (mut kept, mut singly): ([PerEntity<Series>; 2], [PerEntity<Logged>; 2]) = Default::default();
        let ([metrics, services], [metrics_singly, services_singly]) = (&mut kept, &mut singly);
        for readings in batches {
            let batch = batch(readings);
            let mut rows = entities.enter(&batch);
            let values = readings.iter().map(|(_, reading)| reading.value).collect();
            rows.metric(&MetricColumn { name: "m".into(), values }, |entity, run| {
                let total = Total::of(run.values);
                if total.count() > 0 {
                    metrics.of(entity).take_values(run, &total, levels);
                }
            });
            let stated = readings.iter().map(|(_, reading)| reading.value as u8).collect();
            rows.service(&StatusColumn { name: "s".into(), levels: stated }, |entity, run| {
                let counts = lanes::levels(run.values);
                if counts != [0; 3] {
                    services.of(entity).take_levels(run, counts, levels);
                }
            });
            for (code, reading) in readings {
                let number = [1, 2].get(*code as usize).copied().unwrap_or_default(); // in the order of the dictionary
                if reading.value.is_finite() {
                    observe(metrics_singly.of(number), *reading, levels);
                }
                if (reading.value as u8) <= 2 {
                    let value = f64::from(reading.value as u8);
                    observe(services_singly.of(number), Reading { value, ..*reading }, levels);
                }
            }
        }
        let [metrics, services] = kept.map(|kept| kept.into_iter().collect::<Vec<_>>());
        let singly = singly.map(|kept| {
            let whole = |(entity, Logged { mut series, log }): (u32, Logged)| {
                if let (Some(reached), Some(stretches)) = (&mut series.reached, plainly(&log, levels)) {
                    reached.stretches = stretches;
                }
                (entity, series)
            };
            kept.into_iter().map(whole).collect()
        });
        let [metrics_singly, services_singly] = singly;
        let mut kept = [metrics, metrics_singly, services, services_singly];
        kept.iter_mut().for_each(|kept| kept.sort_by_key(|(entity, _)| *entity));
        kept
    }

    /// As a report would state them, since sums may differ in the last bits.
    fn stated(kept: &[(u32, Series)]) -> Vec<String> {
        let stated = |(entity, s): &(u32, Series)| {
            let figures =
                [s.total.min(), s.total.max(), s.total.mean(), s.total.sum()].map(|f| f.and_then(Figure::new));
            format!("{entity} {} {figures:?} {:?} {} {:?}", s.total.count(), s.newest, s.oldest, s.reached)
        };
        kept.iter().map(stated).collect()
    }

    #[test]
    fn ties_go_by_time_and_then_by_place() {
        let levels = Levels::new(&bands(Some(10.0), None, None));
        let readings = [(5, 4, 20.0), (5, 2, 20.0), (9, 1, 20.0), (9, 6, 12.0), (1, 7, 3.0)];
        let readings = readings.map(|(time, row, value)| (0, Reading { time, row, value }));
        for size in 1..=5 {
            let batches: Vec<_> = readings.chunks(size).map(<[_]>::to_vec).collect();
            let [metrics, ..] = kept(&batches, &levels);
            let [(1, series)] = metrics.as_slice() else { panic!("{metrics:?}") };
            let reached = series.reached.as_ref().unwrap();
            assert_eq!((reached.first.row, reached.worst.row, reached.last.row), (2, 2, 6));
            assert_eq!(series.newest.map(|r| r.row), Some(6));
            assert_eq!((reached.counts.low, series.total.count()), (4, 5));
        }
    }

    /// What is unbroken around the worst, of an input with the oldest first, with the newest first, and with one that came
    /// late.
    #[test]
    fn stretches_are_told_in_either_direction() {
        let levels = Levels::new(&bands(Some(10.0), None, None));
        let check = |values: &[(i64, f64)], expected: (i64, i64)| {
            for size in 1..=values.len() {
                let reading =
                    |(row, (time, value)): (u64, &(i64, f64))| (0, Reading { time: *time, row, value: *value });
                let readings: Vec<_> = (1u64..).zip(values).map(reading).collect();
                let batches: Vec<_> = readings.chunks(size).map(<[_]>::to_vec).collect();
                let [metrics, ..] = kept(&batches, &levels);
                let Stretch { from, to } = metrics[0].1.reached.as_ref().unwrap().stretches.worst;
                assert_eq!((from.time, to), expected, "{values:?} by {size}");
            }
        };
        let mut values =
            vec![(1, 11.0), (2, 5.0), (3, 12.0), (4, 20.0), (5, 13.0), (6, f64::NAN), (7, 14.0), (8, 1.0), (9, 15.0)];
        check(&values, (3, 7));
        values.reverse();
        check(&values, (3, 7));
        // What came late neither makes nor breaks one.
        check(&[(1, 1.0), (3, 12.0), (5, 20.0), (4, 2.0), (2, 12.0), (6, 12.0), (7, 1.0)], (3, 6));
        check(&[(1, 1.0), (3, 12.0), (5, 15.0), (4, 20.0), (6, 12.0), (7, 1.0)], (3, 6));
        check(&[(1, 1.0), (3, 12.0), (5, 1.0), (4, 20.0), (6, 12.0), (7, 1.0)], (4, 4));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        /// Whatever the values, the times, the entities and the batches.
        #[test]
        fn columns_give_what_their_values_give_one_by_one(
            value in prop::sample::select(vec![0, 1, 2]),
            rising in any::<bool>(),
            alone in any::<bool>(),
            thresholds in prop::sample::subsequence(vec![0usize, 1, 2], 1..=3),
            batches in vec(vec((0u32..4, 0i64..9, any::<u8>(), prop::num::f64::ANY), 1..60), 1..5),
        ) {
            let mut row = 0;
            let mut batches: Vec<Vec<(u32, Reading)>> = batches.into_iter().map(|batch| batch.into_iter().map(
                |(entity, time, small, any)| {
                    row += 1;
                    let small = f64::from(small % 16) / 4.0 - 0.25;
                    // Usual values with gaps; small ones, that are levels too; anything at all.
                    let value = match value { 0 if small > 3.0 => f64::NAN, 0 => small, 1 => small.trunc(), _ => any };
                    (if alone { 0 } else { entity }, Reading { time, row, value })
                }).collect()).collect();
            if rising {
                batches.iter_mut().flatten().for_each(|(_, reading)| reading.time = reading.row as i64 / 3);
            }
            let band = |at: usize| thresholds.contains(&at).then_some([0.75, 1.0, 2.0][at]);
            let levels = Levels::new(&bands(band(0), band(1), band(2)));
            let [metrics, metrics_singly, services, services_singly] = kept(&batches, &levels);
            prop_assert_eq!(stated(&metrics), stated(&metrics_singly));
            prop_assert_eq!(stated(&services), stated(&services_singly));
        }
    }
}
