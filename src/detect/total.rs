use super::lanes;

/// From this magnitude on values are added scaled down, so that no sum of finite values overflows.
const HUGE: f64 = f64::from_bits((1023 + 900) << 52); // 2^900
const DOWN: f64 = f64::from_bits((1023 - 100) << 52); // 2^-100: exact on everything huge
const UP: f64 = f64::from_bits((1023 + 100) << 52);

/// Count, extremes and sum of finite values. The sum is compensated (Neumaier), so that a figure of nine digits does
/// not depend on the order of the additions, and it cannot overflow: below 2^64 values each part stays in range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Total {
    count: u64,
    min: f64,
    max: f64,
    sum: Compensated,
    /// The huge values, times `DOWN`.
    huge: Compensated,
}

impl Default for Total {
    fn default() -> Total {
        let none = Compensated::default();
        Total { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: none, huge: none }
    }
}

impl Total {
    /// Of the values that are finite, eight at a time.
    pub fn of(values: &[f64]) -> Total {
        let lanes::Sums { count, min, max, sum } = lanes::sums(values);
        if count == 0 || (min > -HUGE && max < HUGE) {
            return Total { count, min, max, sum, huge: Compensated::default() };
        }
        let mut total = Total::default();
        values.iter().filter(|value| value.is_finite()).for_each(|value| total.add(*value));
        total
    }

    /// Of levels that occur so many times: 0, 1 and 2.
    pub fn of_levels(counts: [u64; 3]) -> Total {
        let mut total = Total::default();
        for (times, level) in counts.into_iter().zip([0.0, 1.0, 2.0]) {
            if times > 0 {
                total.count += times;
                total.min = total.min.min(level);
                total.max = total.max.max(level);
                total.sum.add(times as f64 * level); // exact
            }
        }
        total
    }

    pub fn join(&mut self, other: &Total) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum.join(&other.sum);
        self.huge.join(&other.huge);
    }

    /// `value` must be finite.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value.abs() < HUGE {
            self.sum.add(value);
        } else {
            self.huge.add(value * DOWN);
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// `None` when there is no value.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// `None` when there is no value.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// `None` when there is no value. Infinite when the sum is beyond what a float can say.
    pub fn sum(&self) -> Option<f64> {
        (self.count > 0).then(|| self.huge.get() * UP + self.sum.get())
    }

    /// `None` when there is no value. Finite always: rounding may step over the extremes, so it is held between them.
    pub fn mean(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 0).then(|| (self.huge.get() / n * UP + self.sum.get() / n).max(self.min).min(self.max))
    }
}

/// A sum and the rounding errors it made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Compensated {
    pub sum: f64,
    pub error: f64,
}

impl Compensated {
    /// Without a branch (Knuth's two-sum): the error is exact whichever of the two is larger.
    #[inline(always)]
    pub fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let part = sum - self.sum;
        self.error += (self.sum - (sum - part)) + (value - part);
        self.sum = sum;
    }

    #[inline(always)]
    pub fn join(&mut self, other: &Compensated) {
        self.add(other.sum);
        self.error += other.error;
    }

    fn get(&self) -> f64 {
        self.sum + self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f64]) -> Total {
        let mut total = Total::default();
        values.iter().for_each(|v| total.add(*v));
        total
    }

    #[test]
    fn sums_are_compensated() {
        // Plain addition gives 0 and 0.9999999999999999.
        assert_eq!(total(&[1e16, 1.0, 1.0, -1e16]).sum(), Some(2.0));
        assert_eq!(total(&[0.1; 10]).sum(), Some(1.0));
        assert_eq!(total(&[1.0, 1e100, 1.0, -1e100]).mean(), Some(0.5));
    }

    #[test]
    fn means_of_huge_values_are_finite_and_between_the_extremes() {
        let max = f64::MAX;
        assert_eq!(total(&[max; 7]).mean(), Some(max));
        assert_eq!(total(&[-max; 3]).mean(), Some(-max));
        assert_eq!(total(&[max, max, -max, -max, 8.0]).mean(), Some(1.6));
        assert_eq!(total(&[1e308, 1e308, 1e308, 0.0]).mean(), Some(7.5e307));
        assert_eq!(total(&[5e-324, 5e-324]).mean(), Some(5e-324));
        assert_eq!(total(&[max; 2]).sum(), Some(f64::INFINITY));
    }

    #[test]
    fn nothing_has_no_figures() {
        let none = Total::default();
        assert_eq!((none.count(), none.min(), none.max(), none.sum(), none.mean()), (0, None, None, None, None));
        let one = total(&[-3.0]);
        assert_eq!((one.count(), one.min(), one.max(), one.mean()), (1, Some(-3.0), Some(-3.0), Some(-3.0)));
    }
}
