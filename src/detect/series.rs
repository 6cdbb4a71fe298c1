use super::Total;
use crate::domain::{Bands, Counts, Figure, Sample, Severity, Timestamp};

/// One value as a batch has it: microseconds, place in the input, finite value.
#[derive(Debug, Clone, Copy, PartialEq)]
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

    /// `None` for what no source lets through: a value that is not finite, a time outside ISO 8601.
    pub fn sample(self) -> Option<Sample> {
        Some(Sample { time: Timestamp::from_micros(self.time)?, row: self.row, value: Figure::new(self.value)? })
    }
}

/// Bands made ready for comparing: for each the least value that a report states as the band or more, so that no stated
/// value contradicts its severity. A band that is not set lies at infinity, where no finite value reaches it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    start: f64,
    medium: f64,
    high: f64,
}

impl Levels {
    pub fn new(bands: &Bands) -> Levels {
        let level = |severity| bands.get(severity).map_or(f64::INFINITY, least_stated_as);
        Levels {
            start: bands.lowest().map_or(f64::INFINITY, |(_, band)| least_stated_as(band)),
            medium: level(Severity::Medium),
            high: level(Severity::High),
        }
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
fn least_stated_as(band: Figure) -> f64 {
    let band = band.get();
    let reaches = |value: f64| Figure::new(value).is_some_and(|figure| figure.get() >= band);
    // Half a unit of the ninth digit is a relative 5e-9 at most; the smallest numbers are too coarse for that.
    let below = (band - band.abs() * 1e-8).min(band.next_down());
    let (mut below, mut least) = (key(below), key(band));
    // Mostly it lies half a unit of the ninth digit below the band: where it does, a few floats are left to look at.
    let half = 10f64.powf(band.abs().log10().floor() - 8.0) / 2.0;
    let guess = key(band - half);
    let near = (guess.saturating_sub(4), guess.saturating_add(4));
    if below < near.0 && near.1 < least && !reaches(of_key(near.0)) && reaches(of_key(near.1)) {
        (below, least) = near;
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

/// What detection remembers of one metric or one service of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Series {
    pub total: Total,
    pub newest: Option<Reading>,
    pub reached: Counts,
    pub episode: Option<Episode>,
}

/// The readings at or above the lowest band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    pub first: Reading,
    pub worst: Reading,
    pub last: Reading,
}

impl Series {
    /// Takes one value, in any order of time. Constant time, no allocation.
    pub fn observe(&mut self, reading: Reading, levels: &Levels) {
        self.total.add(reading.value);
        if self.newest.is_none_or(|newest| !reading.is_before(&newest)) {
            self.newest = Some(reading);
        }
        let Some(severity) = levels.severity(reading.value) else { return };
        match severity {
            Severity::Low => self.reached.low += 1,
            Severity::Medium => self.reached.medium += 1,
            Severity::High => self.reached.high += 1,
        }
        let episode = self.episode.get_or_insert(Episode { first: reading, worst: reading, last: reading });
        if reading.is_before(&episode.first) {
            episode.first = reading;
        }
        if !reading.is_before(&episode.last) {
            episode.last = reading;
        }
        let worst = &mut episode.worst;
        if reading.value > worst.value || (reading.value == worst.value && reading.is_before(worst)) {
            *worst = reading;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn ties_go_by_time_and_then_by_place() {
        let levels = Levels::new(&bands(Some(10.0), None, None));
        let mut series = Series::default();
        for (time, row, value) in [(5, 4, 20.0), (5, 2, 20.0), (9, 1, 20.0), (9, 6, 12.0), (1, 7, 3.0)] {
            series.observe(Reading { time, row, value }, &levels);
        }
        let episode = series.episode.unwrap();
        assert_eq!((episode.first.row, episode.worst.row, episode.last.row), (2, 2, 6));
        assert_eq!(series.newest.map(|r| r.row), Some(6));
        assert_eq!((series.reached.low, series.total.count()), (4, 5));
    }
}
