//! The arithmetic of a whole column at once, over several lanes side by side, so that the compiler makes wide
//! instructions of it. The number of lanes is fixed: a result depends on the values and on where the columns were cut,
//! not on the machine. Where the processor has AVX2 or AVX-512 the same code runs compiled for it.

use std::array::from_fn;
use std::ops::{Add, Sub};

use super::Levels;
use super::total::Compensated;
use crate::domain::Counts;

const LANES: usize = 8;

/// Count, extremes and sum of the values that are numbers. The sum is exact only where no value is huge.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    pub count: u64,
    pub min: f64,
    pub max: f64,
    pub sum: Compensated,
}

pub fn sums(values: &[f64]) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has what the function was compiled for; it is the safe code below and nothing else.
        return unsafe { sums_avx512(values) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { sums_avx2(values) };
    }
    sums_of(values)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sums_avx512(values: &[f64]) -> Sums {
    sums_of(values)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2(values: &[f64]) -> Sums {
    sums_of(values)
}

#[inline(always)]
fn sums_of(values: &[f64]) -> Sums {
    let (eights, rest) = values.as_chunks::<LANES>();
    let mut sums = Sums { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: Compensated::default() };
    if !eights.is_empty() {
        let mut lanes = Lanes::EMPTY;
        for eight in eights {
            lanes.take(eight);
        }
        sums = lanes.join();
    }
    for value in rest {
        if !value.is_nan() {
            sums.count += 1;
            sums.min = lesser(*value, sums.min);
            sums.max = greater(*value, sums.max);
            sums.sum.add(*value);
        }
    }
    sums
}

type Eight = [f64; LANES];

/// Column by column of lanes, for the compiler: it does not see through an array of structs.
#[derive(Clone, Copy)]
struct Lanes {
    count: [u64; LANES],
    min: Eight,
    max: Eight,
    sum: Eight,
    error: Eight,
}

impl Lanes {
    const EMPTY: Lanes = Lanes {
        count: [0; LANES],
        min: [f64::INFINITY; LANES],
        max: [f64::NEG_INFINITY; LANES],
        sum: [0.0; LANES],
        error: [0.0; LANES],
    };

    /// What is absent is no extreme, since no comparison with NaN holds; to the sum it adds zero. The sum is compensated
    /// as in [`Compensated::add`].
    #[inline(always)]
    fn take(&mut self, values: &Eight) {
        let there = values.map(|value| if value.is_nan() { 0 } else { u64::MAX });
        self.count = from_fn(|i| self.count[i].wrapping_sub(there[i])); // all arrays have so many places
        self.min = each(values, &self.min, lesser);
        self.max = each(values, &self.max, greater);
        let values: Eight = from_fn(|i| f64::from_bits(values[i].to_bits() & there[i]));
        let sum = each(&self.sum, &values, f64::add);
        let part = each(&sum, &self.sum, f64::sub);
        let lost_of_sum = each(&self.sum, &each(&sum, &part, f64::sub), f64::sub);
        let lost_of_values = each(&values, &part, f64::sub);
        self.error = each(&self.error, &each(&lost_of_sum, &lost_of_values, f64::add), f64::add);
        self.sum = sum;
    }

    /// Halves, quarters, one: so that no lane waits for all others. Not inlined: how it reads the lanes would keep the
    /// compiler from giving each array a register.
    #[inline(never)]
    fn join(&self) -> Sums {
        let mut sums: [Sums; LANES] = from_fn(|i| {
            let sum = Compensated { sum: self.sum[i], error: self.error[i] };
            Sums { count: self.count[i], min: self.min[i], max: self.max[i], sum }
        });
        for half in [LANES / 2, LANES / 4, LANES / 8] {
            let (kept, joined) = sums.split_at_mut(half); // of eight places
            for (one, other) in kept.iter_mut().zip(joined) {
                one.count += other.count;
                one.min = lesser(one.min, other.min);
                one.max = greater(one.max, other.max);
                one.sum.join(&other.sum);
            }
        }
        sums[0]
    }
}

#[inline(always)]
fn each(a: &Eight, b: &Eight, f: impl Fn(f64, f64) -> f64) -> Eight {
    from_fn(|i| f(a[i], b[i]))
}

/// One instruction, unlike `f64::min`: the second where a NaN comes first.
#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// How many values reached each band, by the highest that each did.
pub fn reached(values: &[f64], levels: &Levels) -> Counts {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { reached_avx2(values, levels) };
    }
    reached_of(values, levels)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn reached_avx2(values: &[f64], levels: &Levels) -> Counts {
    reached_of(values, levels)
}

/// A pass for each band: the values of a block stay near the processor.
#[inline(always)]
fn reached_of(values: &[f64], levels: &Levels) -> Counts {
    let at_least = |level: f64| values.iter().map(|value| u64::from(is_at_least(*value, level))).sum::<u64>();
    let [low, medium, high] = levels.rising().map(at_least); // each holds the worse ones too
    Counts { low: low - medium, medium: medium - high, high }
}

/// An infinite value reaches nothing: no source lets it through.
#[inline(always)]
fn is_at_least(value: f64, level: f64) -> bool {
    (value >= level) & (value < f64::INFINITY)
}

/// How many places state each of the levels 0, 1 and 2.
pub fn levels(levels: &[u8]) -> [u64; 3] {
    let mut counts = [0u64; 3];
    for some in levels.chunks(128) {
        for (count, level) in counts.iter_mut().zip(0u8..) {
            // Of bytes, which 128 cannot overflow: a register holds many.
            *count += u64::from(some.iter().fold(0u8, |n, stated| n.wrapping_add(u8::from(*stated == level))));
        }
    }
    counts
}

/// The first place whose value `holds`. Looks at eight at a time.
pub fn first<V: Copy>(values: &[V], holds: impl Fn(V) -> bool) -> Option<usize> {
    let (eights, _) = values.as_chunks::<LANES>();
    let skipped = eights.iter().take_while(|eight| !eight.iter().fold(false, |any, v| any | holds(*v))).count() * LANES;
    Some(skipped + values.get(skipped..)?.iter().position(|v| holds(*v))?)
}

/// The last place whose value `holds`. Looks at eight at a time.
pub fn last<V: Copy>(values: &[V], holds: impl Fn(V) -> bool) -> Option<usize> {
    let (_, eights) = values.as_rchunks::<LANES>();
    let skipped = eights.iter().rev().take_while(|eight| !eight.iter().fold(false, |any, v| any | holds(*v))).count();
    values.get(..values.len() - skipped * LANES)?.iter().rposition(|v| holds(*v))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Bands, Figure};

    proptest! {
        /// Bit for bit: a report must not depend on the machine.
        #[test]
        fn wide_instructions_give_what_the_others_give(
            values in vec(prop_oneof![prop::num::f64::NORMAL, Just(f64::NAN), -1e3..1e3], 0..100),
        ) {
            let bits = |sums: Sums| {
                let Sums { count, min, max, sum } = sums;
                (count, [min, max, sum.sum, sum.error].map(f64::to_bits))
            };
            let (wide, narrow) = (bits(sums(&values)), bits(sums_of(&values)));
            // An overflow leaves NaNs, whose bits say nothing; `Total::of` adds such values in another way.
            if !f64::from_bits(narrow.1[3]).is_nan() {
                prop_assert_eq!(wide, narrow);
            }
            let bands = Bands { low: Figure::new(0.0), medium: Figure::new(10.0), high: Figure::new(500.0) };
            let levels = Levels::new(&bands);
            prop_assert_eq!(reached(&values, &levels), reached_of(&values, &levels));
        }

        #[test]
        fn places_are_found_from_either_end(values in vec(0u8..6, 0..40)) {
            let holds = |value: u8| value == 5;
            prop_assert_eq!(first(&values, holds), values.iter().position(|v| holds(*v)));
            prop_assert_eq!(last(&values, holds), values.iter().rposition(|v| holds(*v)));
        }
    }
}
