//! A number as JSON writes it.

/// Whole numbers up to here are exact as `f64`.
const EXACT: u64 = 1 << 53;
/// The powers of ten that are exact as `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The same as whole numbers, for up to eight digits.
pub(super) const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A number that is written as JSON has it.
pub(super) struct Number {
    pub start: usize,
    pub negative: bool,
    /// All digits as one number, if there are at most 18.
    pub digits: u64,
    pub count: usize,
    /// How many of the digits stand behind the point.
    pub fraction: usize,
    pub point: bool,
    pub exponent: bool,
}

impl Number {
    /// Its value where that takes one rounding at most, as the nearest number does: that of a whole number, or of the
    /// quotient of two exact ones (Clinger 1990).
    #[inline(always)]
    pub fn exact(&self) -> Option<f64> {
        if self.exponent || self.count > 18 || (self.point && self.digits > EXACT) {
            return None;
        }
        let value = self.digits as f64 / POWERS.get(self.fraction)?;
        Some(if self.negative { -value } else { value })
    }
}
