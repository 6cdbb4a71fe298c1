use super::{Run, Total};

/// A series in a bounded number of buckets of equal length, which doubles whenever there are too many of them.
///
/// Buckets begin at multiples of their length, a power of two of microseconds, and those without a value are not there, so
/// that neither holes nor one wrong clock cost resolution. The length is the least with which there are no more buckets
/// than may be: more values never make it less, so that it depends on the values and the bound alone, and not on the
/// order in which either came.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// The length is 2 to this, in microseconds.
    shift: u32,
    /// By number, rising: the time divided by the length.
    buckets: Vec<(i64, Total)>,
    /// The place that was added to last.
    latest: usize,
}

impl Grid {
    /// Takes the values of a run, of which `total` makes figures; there are `most` buckets at most then.
    pub fn take<V>(&mut self, run: &Run<'_, V>, most: usize, total: impl Fn(&[V]) -> Total) {
        let mut from = 0;
        while let Some(first) = run.reading(from, 0.0).filter(|_| from < run.values.len()) {
            let at = first.time >> self.shift;
            let to = end_of(run, from, |time| time >> self.shift == at);
            let values = total(run.values.get(from..to).unwrap_or_default());
            if values.count() > 0 {
                self.add(at, &values);
                self.fit(most);
            }
            from = to;
        }
    }

    /// Doubles the length until there are no more than `most` buckets. Two may stay: what was before 1970 never joins the rest.
    pub fn fit(&mut self, most: usize) {
        while self.buckets.len() > most.max(2) && self.shift < i64::BITS - 1 {
            self.shift += 1;
            self.latest = 0;
            self.buckets.iter_mut().for_each(|(at, _)| *at >>= 1);
            self.buckets.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1.join(&next.1);
                }
                same
            });
        }
    }

    /// The length of a bucket, in microseconds.
    pub fn width(&self) -> u64 {
        1 << self.shift
    }

    /// Numbers and figures, in the order of time. A bucket begins at its number times the length.
    pub fn buckets(&self) -> &[(i64, Total)] {
        &self.buckets
    }

    /// When the first bucket begins, in microseconds; `None` where there is no value.
    pub fn start(&self) -> Option<i64> {
        self.buckets.first().map(|(at, _)| at << self.shift)
    }

    fn add(&mut self, at: i64, values: &Total) {
        if let Some((known, total)) = self.buckets.get_mut(self.latest)
            && *known == at
        {
            return total.join(values);
        }
        self.latest = match self.buckets.last() {
            Some((last, _)) if *last < at => Err(self.buckets.len()),
            _ => self.buckets.binary_search_by_key(&at, |(known, _)| *known),
        }
        .unwrap_or_else(|place| {
            self.buckets.insert(place, (at, Total::default()));
            place
        });
        if let Some((_, total)) = self.buckets.get_mut(self.latest) {
            total.join(values);
        }
    }
}

/// The first place after `from` whose time is not like that; all times that are stand together.
fn end_of<V>(run: &Run<'_, V>, from: usize, like: impl Fn(i64) -> bool) -> usize {
    let is_like = |place: usize| run.reading(place, 0.0).is_some_and(|reading| like(reading.time));
    let length = run.values.len();
    if is_like(length - 1) {
        return length;
    }
    let (mut inside, mut step) = (from, 1);
    while inside + step < length && is_like(inside + step) {
        inside += step;
        step *= 2;
    }
    let mut outside = (inside + step).min(length - 1); // that one is not like it
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        if is_like(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Batch;

    /// Values by time, in batches of so many; each batch in the order of time, as runs are.
    fn grid(values: &[(i64, f64)], batch: usize, most: impl Fn(usize) -> usize) -> Grid {
        let mut grid = Grid::default();
        for (number, some) in values.chunks(batch).enumerate() {
            let mut some = some.to_vec();
            some.sort_by_key(|(time, _)| *time);
            let (times, column): (Vec<i64>, Vec<f64>) = some.into_iter().unzip();
            let batch = Batch { rows: (0..).take(times.len()).collect(), times, ..Batch::default() };
            grid.take(&Run::of(&batch, &column), most(number), Total::of);
        }
        grid
    }

    type Buckets = BTreeMap<i64, (u64, f64, f64, f64)>;

    /// Count, least, greatest and sum of what falls into each bucket of the least length that will do.
    fn naive(values: &[(i64, f64)], most: usize) -> (u64, Buckets) {
        for shift in 0.. {
            let mut buckets = Buckets::new();
            for (time, value) in values.iter().filter(|(_, value)| value.is_finite()) {
                let of =
                    buckets.entry(time.div_euclid(1 << shift)).or_insert((0, f64::INFINITY, f64::NEG_INFINITY, 0.0));
                *of = (of.0 + 1, of.1.min(*value), of.2.max(*value), of.3 + value);
            }
            if buckets.len() <= most {
                return (1 << shift, buckets);
            }
        }
        unreachable!("all times fit into the longest")
    }

    /// Times of a span, now and then one far away, in some disorder. Whole values: their sums are exact.
    fn values() -> impl Strategy<Value = Vec<(i64, f64)>> {
        let time = prop_oneof![8 => 0..40_000i64, 1 => -900_000_000..900_000_000i64, 1 => Just(77i64)];
        let value = prop_oneof![9 => (-1000..1000i32).prop_map(f64::from), 1 => Just(f64::NAN)];
        prop::collection::vec((time, value), 1..300)
    }

    proptest! {
        #[test]
        fn buckets_are_what_counting_by_hand_gives(values in values(), batch in 1..400usize, most in 2..40usize) {
            let grid = grid(&values, batch, |_| most);
            let (width, expected) = naive(&values, most);
            prop_assert_eq!(grid.width(), if expected.is_empty() { 1 } else { width });
            let of = |total: &Total| {
                (total.count(), total.min().unwrap(), total.max().unwrap(), total.sum().unwrap())
            };
            let got: BTreeMap<i64, _> = grid.buckets().iter().map(|(at, total)| (*at, of(total))).collect();
            prop_assert_eq!(got, expected);
            let first = values.iter().filter(|(_, value)| value.is_finite()).map(|(time, _)| *time).min();
            prop_assert_eq!(grid.start(), first.map(|time| time.div_euclid(width as i64) * width as i64));
        }

        /// A bound that is lowered on the way comes to what the last one gives.
        #[test]
        fn a_bound_may_be_lowered_at_any_time(values in values(), batch in 1..100usize, most in 2..20usize) {
            let mut lowered = grid(&values, batch, |number| most + 60usize.saturating_sub(number * 20));
            lowered.fit(most);
            let direct = grid(&values, 1000, |_| most);
            prop_assert_eq!(lowered.buckets(), direct.buckets());
        }
    }

    #[test]
    fn one_wrong_clock_costs_one_bucket() {
        let day = 86_400_000_000;
        let mut values: Vec<(i64, f64)> = (0..1000).map(|n| (day * 20_000 + n * 60_000_000, n as f64)).collect();
        let usual = grid(&values, 100, |_| 64).width();
        values.insert(500, (0, 1.0));
        assert_eq!(grid(&values, 100, |_| 64).width(), usual);
    }
}
