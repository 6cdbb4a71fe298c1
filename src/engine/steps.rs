//! How far records are apart, as far as the choice of windows needs it: whatever the length of a history, in constant memory.

/// Steps from one moment that has records to the next, by length: those from 2ⁿ to 2ⁿ⁺¹ microseconds are kept as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps {
    by_length: Vec<Kept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kept {
    count: u64,
    /// Of all their lengths, in microseconds.
    total: u128,
}

impl Kept {
    fn mean(&self) -> u128 {
        self.total / u128::from(self.count.max(1))
    }
}

impl Steps {
    /// Takes a step of so many microseconds; one of none is none.
    pub fn add(&mut self, micros: u64) {
        let Some(place) = micros.checked_ilog2() else { return };
        let place = place as usize; // below 64
        if self.by_length.len() <= place {
            self.by_length.resize(place + 1, Kept::default());
        }
        if let Some(kept) = self.by_length.get_mut(place) {
            kept.count += 1;
            kept.total += u128::from(micros);
        }
    }

    /// What a step usually is, in microseconds: half of them are about as long or longer. A few long holes do not change it.
    pub fn usual(&self) -> Option<u128> {
        let half = self.by_length.iter().map(|kept| kept.count).sum::<u64>().div_ceil(2);
        let mut passed = 0;
        let median = self.by_length.iter().find(|kept| {
            passed += kept.count;
            passed >= half
        });
        median.filter(|kept| kept.count > 0).map(Kept::mean)
    }

    /// About how many windows of so many microseconds have records: a hole is one step, however long.
    pub fn windows(&self, length: u128) -> u128 {
        let length = length.max(1);
        let of = |kept: &Kept| if kept.mean() < length { kept.total / length } else { u128::from(kept.count) };
        1 + self.by_length.iter().map(of).sum::<u128>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn steps(lengths: &[(u64, usize)]) -> Steps {
        let mut steps = Steps::default();
        for (length, times) in lengths {
            (0..*times).for_each(|_| steps.add(*length));
        }
        steps
    }

    #[test]
    fn a_hole_is_one_step() {
        assert_eq!(steps(&[]).usual(), None);
        assert_eq!(steps(&[(0, 7)]).usual(), None);
        let minutes = steps(&[(60 * SECOND, 1000)]);
        let holed = steps(&[(60 * SECOND, 1000), (56 * 365 * 86_400 * SECOND, 3)]);
        assert_eq!(minutes.usual(), Some(60_000_000));
        assert_eq!(holed.usual(), minutes.usual());
        assert_eq!(minutes.windows(60_000_000), 1001);
        assert_eq!(holed.windows(60_000_000), 1004);
        assert_eq!(holed.windows(600_000_000), 104);
        assert_eq!(steps(&[(1, 10), (u64::MAX, 1)]).windows(0), 12);
    }
}
