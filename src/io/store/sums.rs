//! Sums that lose nothing: what an addition loses by rounding (Knuth, The Art of Computer Programming, 4.2.2, theorem B) is
//! kept beside.

use super::Measurement;

/// In microseconds.
pub const HOUR: i64 = 3_600_000_000;

/// Start of the hour of a time.
pub fn hour_of(time: i64) -> i64 {
    time.div_euclid(HOUR) * HOUR
}

/// Of some values, at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub count: i64,
    pub sum: f64,
    /// What `sum` has lost.
    pub low: f64,
    pub min: f64,
    pub max: f64,
}

impl Sums {
    pub fn one(value: f64) -> Sums {
        Sums { count: 1, sum: value, low: 0.0, min: value, max: value }
    }

    /// Of none where there are none.
    pub fn of(rows: &[Measurement]) -> Sums {
        let none = Sums { count: 0, sum: 0.0, low: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };
        rows.iter().fold(none, |mut sums, row| {
            sums.add(&Sums::one(row.value));
            sums
        })
    }

    pub fn add(&mut self, more: &Sums) {
        let sum = self.sum + more.sum;
        let shift = sum - self.sum;
        self.low += more.low + ((self.sum - (sum - shift)) + (more.sum - shift));
        self.sum = sum;
        self.count += more.count;
        self.min = self.min.min(more.min);
        self.max = self.max.max(more.max);
    }

    pub fn mean(&self) -> f64 {
        (self.sum + self.low) / self.count as f64
    }
}
