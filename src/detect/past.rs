use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Reading;
use super::rules::Quantity;
use super::unusual::{Direction, Settings, Unusual, Verdict, Why};
use crate::domain::{Deviation, Evidence, Figure, Reckoning, Status, StatusChange, Timestamp};

/// Readings that are held back until as many newer ones have come, so that they can be taken in the order of time.
pub const HELD: usize = 32;

/// How long what a rule remembers of a series is kept without a reading, in microseconds of the records' time: four weeks.
const FORGOTTEN_AFTER: i64 = 28 * 24 * 3_600 * 1_000_000;

/// A drop by more than this share of a counter's value is a reset; a smaller one is a dip.
const RESET: f64 = 0.1;

/// Changes of a status that are listed; all are counted.
const LISTED: usize = 20;

/// Puts the readings of one series into the order of time: exactly, as long as no reading comes after more than [`HELD`]
/// newer ones. One that comes later than that is left out.
#[derive(Debug, Clone, Default)]
pub struct InOrder {
    /// In the order of time and then of the input.
    held: VecDeque<Reading>,
    /// The newest that was given.
    newest: Option<Reading>,
}

impl InOrder {
    /// Takes a reading and gives the one that is next, if that is known by now.
    pub fn take(&mut self, reading: Reading) -> Option<Reading> {
        if self.newest.is_some_and(|newest| reading.is_before(&newest)) {
            return None;
        }
        // Never one more than are held: there may be very many series.
        let next = match self.held.front() {
            Some(oldest) if self.held.len() == HELD && reading.is_before(oldest) => Some(reading),
            Some(_) if self.held.len() == HELD => self.held.pop_front(),
            _ => None,
        };
        self.newest = next.or(self.newest);
        if next != Some(reading) {
            // Mostly the newest.
            let at = self.held.iter().rposition(|held| !reading.is_before(held)).map_or(0, |place| place + 1);
            self.held.insert(at, reading);
        }
        next
    }

    /// The newest that is held.
    pub fn latest(&self) -> Option<&Reading> {
        self.held.back()
    }

    /// All that is held.
    pub fn held(&self) -> impl Iterator<Item = &Reading> {
        self.held.iter()
    }

    /// Gives all that is held, where what comes next begins after `reading`.
    pub fn skip_to(&mut self, reading: Reading) -> VecDeque<Reading> {
        self.newest = Some(reading);
        std::mem::take(&mut self.held)
    }

    /// The rest, when nothing more comes.
    pub fn rest(self) -> impl Iterator<Item = Reading> {
        self.held.into_iter()
    }
}

/// What a rule that looks back remembers of one series.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Past {
    /// The newest reading that counted.
    last: Option<Reading>,
    more: More,
}

/// What it takes beside the last reading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
enum More {
    #[default]
    Nothing,
    /// When the value changed, the newest last.
    Changes(VecDeque<Change>),
    Usual(Box<Unusual>),
}

/// The record in which the value changed, and the levels of the status.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Change {
    time: i64,
    row: u64,
    from: u8,
    to: u8,
}

impl Change {
    fn told(&self) -> Option<StatusChange> {
        let [from, to] = [self.from, self.to].map(Status::from_level);
        Some(StatusChange { time: Timestamp::from_micros(self.time)?, row: self.row, from: from?, to: to? })
    }
}

/// What a rule judges of a reading, and what it saw of it beside that.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub value: f64,
    pub evidence: Option<Evidence>,
}

impl Past {
    /// Takes the next reading in the order of time. What the rule judges of it; `None` where nothing can be said: of the
    /// first reading, of one at the very time of the last, of a counter's dip. `counted` says how many microseconds
    /// count of the silence between two times. There is evidence where that is `from` or more.
    ///
    /// A counter whose value drops by more than a tenth was reset and counts from zero; a smaller drop is a dip that is
    /// passed over, as in the energy sums of Home Assistant: 10, 15, 20, 10, 30 is 10 and then 30; 20, 19, 30 is 10.
    pub fn step(
        &mut self,
        quantity: &Quantity,
        reading: Reading,
        from: f64,
        counted: impl Fn(i64, i64) -> i64,
    ) -> Option<Judged> {
        let before = self.last;
        let judged = match quantity {
            Quantity::Unusual(settings) => return self.surprise(*settings, reading, from),
            Quantity::Changes { within } => self.changes(*within, reading)?,
            _ => self.since_last(quantity, reading, counted)?,
        };
        self.last = Some(reading);
        let value = judged.filter(|value| value.is_finite())?;
        let evidence = (value >= from).then(|| self.evidence(quantity, before?, reading)).flatten();
        Some(Judged { value, evidence })
    }

    /// What stands behind what was judged of a reading, which has been taken; `before` is the one before it.
    fn evidence(&self, quantity: &Quantity, before: Reading, reading: Reading) -> Option<Evidence> {
        match (quantity, &self.more) {
            (Quantity::Rate { .. } | Quantity::Counter { .. }, _) => {
                Some(Evidence::Change { before: before.sample()?, after: reading.sample()? })
            }
            (Quantity::Silence { .. }, _) => silence(before, reading.time, Some(reading.row)),
            (Quantity::Changes { .. }, More::Changes(changes)) => {
                let earlier = changes.len().saturating_sub(LISTED);
                let newest = changes.iter().skip(earlier).filter_map(Change::told).collect();
                Some(Evidence::Changes { newest, earlier: earlier as u64 })
            }
            _ => None,
        }
    }

    /// What is judged of two readings; the outer `None` where this one does not count.
    fn since_last(
        &self,
        quantity: &Quantity,
        reading: Reading,
        counted: impl Fn(i64, i64) -> i64,
    ) -> Option<Option<f64>> {
        let Some(last) = self.last else { return Some(None) };
        if reading.time <= last.time {
            return None;
        }
        let per = |change: f64, per: i64| change / (reading.time as f64 - last.time as f64) * per as f64;
        Some(Some(match quantity {
            Quantity::Value | Quantity::Unusual(_) | Quantity::Changes { .. } => reading.value,
            Quantity::Silence { .. } => counted(last.time, reading.time) as f64 / 1e6,
            Quantity::Rate { per: unit, direction } => {
                let rate = per(reading.value - last.value, *unit);
                match direction {
                    Direction::Up => rate,
                    Direction::Down => -rate,
                    Direction::Both => rate.abs(),
                }
            }
            Quantity::Counter { per: unit } => {
                let drop = last.value - reading.value;
                if drop > 0.0 && drop <= RESET * last.value.abs() {
                    return None;
                }
                per(if drop > 0.0 { reading.value } else { -drop }, *unit)
            }
        }))
    }

    /// How often the value changed in the time before a reading, it included.
    fn changes(&mut self, within: i64, reading: Reading) -> Option<Option<f64>> {
        let before = self.last.map(|last| last.value);
        if self.last.is_some_and(|last| reading.time < last.time) {
            return None;
        }
        if !matches!(self.more, More::Changes(_)) {
            self.more = More::Changes(VecDeque::new());
        }
        let More::Changes(changes) = &mut self.more else { return None };
        while changes.front().is_some_and(|change| reading.time.saturating_sub(change.time) >= within) {
            changes.pop_front();
        }
        if let Some(before) = before.filter(|before| *before != reading.value) {
            let Reading { time, row, value } = reading;
            changes.push_back(Change { time, row, from: before as u8, to: value as u8 }); // levels of a status
        }
        Some(before.map(|_| changes.len() as f64))
    }

    /// How unusual a reading is.
    fn surprise(&mut self, settings: Settings, reading: Reading, from: f64) -> Option<Judged> {
        if self.last.is_some_and(|last| reading.time < last.time) {
            return None;
        }
        self.last = Some(reading);
        if !matches!(self.more, More::Usual(_)) {
            self.more = More::Usual(Box::default());
        }
        let More::Usual(usual) = &mut self.more else { return None };
        let (verdict, reckoning) = usual.told(settings, reading.time, reading.value, from);
        let evidence = reckoning.and_then(|reckoning| deviation(reading.value, &verdict, reckoning));
        // Nobody means more than three digits of a score; cut off, so that none is stated as a band that it did not reach.
        let value = (verdict.score * 1000.0).floor() / 1000.0;
        verdict.ready.then_some(Judged { value, evidence: evidence.map(Evidence::Unusual) })
    }

    /// The silence at `end`, when no later reading comes: as a reading of that moment. `None` before the first reading, after
    /// the silence is no longer judged, and where nothing of it counts since `start`.
    pub fn silence(
        &self,
        quantity: &Quantity,
        (start, end): (i64, i64),
        counted: impl Fn(i64, i64) -> i64,
    ) -> Option<(Reading, Option<Evidence>)> {
        let (Quantity::Silence { until }, Some(last)) = (quantity, self.last) else { return None };
        let is_judged = end > last.time && end.saturating_sub(last.time) <= *until;
        let is_judged = is_judged && counted(last.time.max(start), end) > 0;
        let reading = || Reading { time: end, row: last.row, value: counted(last.time, end) as f64 / 1e6 };
        is_judged.then(|| (reading(), silence(last, end, None)))
    }

    /// Whether there was enough for the rule to judge by.
    pub fn is_enough(&self, quantity: &Quantity) -> bool {
        match (quantity, &self.more) {
            (Quantity::Unusual(settings), More::Usual(usual)) => usual.is_ready(settings.season),
            (Quantity::Unusual(_), _) => false,
            _ => self.last.is_some(),
        }
    }

    fn is_forgotten(&self, start: i64) -> bool {
        self.last.is_none_or(|last| start.saturating_sub(last.time) > FORGOTTEN_AFTER)
    }
}

fn silence(before: Reading, until: i64, ended_by: Option<u64>) -> Option<Evidence> {
    Some(Evidence::Silence { before: before.sample()?, until: Timestamp::from_micros(until)?, ended_by })
}

/// A value, and what would have been usual.
fn deviation(value: f64, verdict: &Verdict, reckoning: Reckoning) -> Option<Deviation> {
    let Verdict { low, high, surprise, peak, .. } = *verdict;
    let Why { cause, up, samples } = verdict.why?;
    let figures = [value, within(low, high - low), within(high, low - high), surprise, peak];
    let [value, low, high, surprise, peak] = figures.map(Figure::new);
    let (value, low, high, surprise, peak) = (value?, low?, high?, surprise?, peak?);
    Some(Deviation { value, unit: None, low, high, cause, up, samples, surprise, peak, reckoning: Some(reckoning) })
}

/// The edge of a usual range in four significant digits, rounded towards the inside: what is outside stays outside.
fn within(edge: f64, inside: f64) -> f64 {
    let scale = 10f64.powf(3.0 - edge.abs().log10().floor());
    let scaled = edge * scale;
    if !scale.is_normal() || !scaled.is_finite() {
        return edge; // zero, and what is too small or too large to be rounded so
    }
    (if inside > 0.0 { scaled.ceil() } else { scaled.floor() }) / scale
}

/// What rules that look back remember from window to window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pasts {
    /// By the rule's name, then by entity.
    kept: BTreeMap<String, BTreeMap<Option<String>, Past>>,
}

impl Pasts {
    /// The entities of which the rule of this name remembers something.
    pub fn entities(&self, rule: &str) -> Vec<Option<String>> {
        self.kept.get(rule).map(|series| series.keys().cloned().collect()).unwrap_or_default()
    }

    /// What the rule of this name remembers of an entity.
    pub fn of(&mut self, rule: &str, entity: Option<&str>) -> &mut Past {
        if !self.kept.contains_key(rule) {
            self.kept.insert(rule.to_string(), BTreeMap::new());
        }
        let series = self.kept.entry(rule.to_string()).or_default();
        series.entry(entity.map(str::to_string)).or_default()
    }

    /// Forgets what had no reading for very long before `start`, microseconds.
    pub fn forget(&mut self, start: i64) {
        for series in self.kept.values_mut() {
            series.retain(|_, past| !past.is_forgotten(start));
        }
        self.kept.retain(|_, series| !series.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn judged(quantity: &Quantity, values: &[f64]) -> Vec<Option<f64>> {
        let mut past = Past::default();
        let reading =
            |(at, value): (usize, &f64)| Reading { time: at as i64 * 10 * SECOND, row: at as u64, value: *value };
        let step =
            |reading| past.step(quantity, reading, f64::INFINITY, |from, to| to - from).map(|judged| judged.value);
        values.iter().enumerate().map(reading).map(step).collect()
    }

    #[test]
    fn rates_go_by_time_and_direction() {
        let rate = |direction| judged(&Quantity::Rate { per: 60 * SECOND, direction }, &[1.0, 3.0, 0.0, 0.0]);
        assert_eq!(rate(Direction::Both), [None, Some(12.0), Some(18.0), Some(0.0)]);
        assert_eq!(rate(Direction::Up), [None, Some(12.0), Some(-18.0), Some(0.0)]);
        assert_eq!(rate(Direction::Down), [None, Some(-12.0), Some(18.0), Some(-0.0)]);
    }

    #[test]
    fn a_counter_is_reset_by_a_great_drop_and_passes_over_a_small_one() {
        let sum = |values: &[f64]| {
            let steps = judged(&Quantity::Counter { per: 10 * SECOND }, values);
            (steps.iter().flatten().sum::<f64>(), steps.iter().filter(|step| step.is_none()).count())
        };
        // Over 20 seconds where a dip lies between.
        assert_eq!(sum(&[10.0, 15.0, 20.0, 10.0, 30.0, 40.0, 50.0, 60.0, 70.0]), (80.0, 1));
        assert_eq!(
            sum(&[10.0, 15.0, 20.0, 19.0, 30.0, 40.0, 39.0, 60.0, 70.0]),
            (5.0 + 5.0 + 5.0 + 10.0 + 10.0 + 10.0, 3)
        );
        assert_eq!(sum(&[0.0, 0.0, 5.0]), (5.0, 1));
    }

    #[test]
    fn equal_times_and_overflows_say_nothing() {
        let mut past = Past::default();
        let rate = Quantity::Rate { per: SECOND, direction: Direction::Both };
        let reading = |time, value| Reading { time, row: 0, value };
        let steps = [(0, 1.0), (0, 9.0), (1, f64::MAX), (2, -f64::MAX), (i64::MAX, 1.0)];
        let steps =
            steps.map(|(time, value)| past.step(&rate, reading(time, value), 0.0, |from, to| to - from).is_some());
        assert_eq!(steps, [false, false, false, false, true]);
    }

    proptest! {
        #[test]
        fn readings_come_in_order_whatever_the_disorder_within_what_is_held(times in vec(0i64..1000, 0..200), jumps in vec(0usize..HELD, 0..200)) {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            let mut readings: Vec<Reading> = sorted.iter().zip(0..).map(|(time, row)| Reading { time: *time, row, value: 0.0 }).collect();
            let expected = readings.clone();
            for (at, jump) in jumps.iter().enumerate().take(readings.len() / HELD) {
                let at = at * HELD;
                let end = (at + jump).min(readings.len() - 1);
                readings[at..=end].rotate_left(1);
            }
            let mut order = InOrder::default();
            let mut got: Vec<Reading> = readings.into_iter().filter_map(|reading| order.take(reading)).collect();
            got.extend(order.rest());
            prop_assert_eq!(got, expected);
        }
    }
}
