use serde::{Deserialize, Serialize};

const HOUR: i64 = 3_600_000_000;
/// Hours of a day.
const HOURS: usize = 24;
/// Days of a week, and the average day behind them.
const ROWS: usize = 8;
const EVERY_DAY: usize = 7;

/// The weight of one visit of an hour in its level, once there were ten visits.
const VISIT: f64 = 0.1;
/// A sample weighs no less than this, however many there are in an hour.
const LEAST: f64 = 0.001;

/// The levels of the hours of a week and of an average day, in UTC. The level of an hour is the mean of its samples so
/// far, later a mean that leaks at a tenth per visit, whatever the cadence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    levels: [[f64; HOURS]; ROWS],
    samples: [[u16; HOURS]; ROWS],
}

/// A place in a profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    row: usize,  // < ROWS
    hour: usize, // < HOURS
}

impl Hour {
    /// The hour of the week, then the hour of the day.
    pub fn of(time_micros: i64) -> (Hour, Hour) {
        let hours = time_micros.div_euclid(HOUR);
        let hour = hours.rem_euclid(HOURS as i64) as usize;
        let day = hours.div_euclid(HOURS as i64).rem_euclid(EVERY_DAY as i64) as usize;
        (Hour { row: day, hour }, Hour { row: EVERY_DAY, hour })
    }
}

impl Profile {
    /// `None` before the first sample of the hour.
    pub fn level(&self, at: Hour) -> Option<f64> {
        // The fields of an Hour are in range.
        (self.samples[at.row][at.hour] > 0).then_some(self.levels[at.row][at.hour])
    }

    /// Takes a value of an hour; `cadence` is the usual time between samples in microseconds.
    pub fn take(&mut self, at: Hour, value: f64, cadence: f64) {
        // As above.
        let (level, samples) = (&mut self.levels[at.row][at.hour], &mut self.samples[at.row][at.hour]);
        *samples = samples.saturating_add(1);
        let leaky = (VISIT * cadence / HOUR as f64).clamp(LEAST, VISIT);
        *level += (value - *level) * leaky.max(1.0 / f64::from(*samples));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_repeat_by_day_and_by_week_also_before_1970() {
        let day = 24 * HOUR;
        for time in [0, 5 * HOUR + 1, -HOUR, -1, i64::MIN / 2, i64::MAX / 2] {
            let (week, every) = Hour::of(time);
            assert_eq!(Hour::of(time + 7 * day), (week, every));
            assert_eq!(Hour::of(time - day).1, every);
            assert_ne!(Hour::of(time + day).0, week);
        }
        assert_eq!(Hour::of(-1).1, Hour { row: EVERY_DAY, hour: 23 });
        for time in [i64::MIN, i64::MAX] {
            Profile::default().take(Hour::of(time).0, 1.0, 0.0);
        }
    }

    #[test]
    fn the_level_of_an_hour_is_the_mean_and_then_follows_its_visits() {
        let (at, _) = Hour::of(0);
        let mut profile = Profile::default();
        assert_eq!(profile.level(at), None);
        for value in [1.0, 2.0, 3.0] {
            profile.take(at, value, HOUR as f64);
        }
        assert_eq!(profile.level(at), Some(2.0));
        for (cadence, samples) in [(HOUR as f64, 1), (HOUR as f64 / 12.0, 12)] {
            let mut profile = Profile::default();
            (0..10 * samples).for_each(|_| profile.take(at, 0.0, cadence));
            (0..10 * samples).for_each(|_| profile.take(at, 1.0, cadence));
            let level = profile.level(at).unwrap();
            assert!((0.6..0.7).contains(&level), "after as many visits at another level: {level}");
        }
    }
}
