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

/// Bands made ready for comparing: a band that is not set lies at infinity, where no finite value reaches it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    start: f64,
    medium: f64,
    high: f64,
}

impl Levels {
    pub fn new(bands: &Bands) -> Levels {
        let level = |severity| bands.get(severity).map_or(f64::INFINITY, |figure| figure.get());
        Levels {
            start: bands.lowest().map_or(f64::INFINITY, |(_, figure)| figure.get()),
            medium: level(Severity::Medium),
            high: level(Severity::High),
        }
    }

    /// The highest band that `value` reached, inclusively.
    pub fn severity(&self, value: f64) -> Option<Severity> {
        match value {
            v if v >= self.high => Some(Severity::High),
            v if v >= self.medium => Some(Severity::Medium),
            v if v >= self.start => Some(Severity::Low),
            _ => None,
        }
    }
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
