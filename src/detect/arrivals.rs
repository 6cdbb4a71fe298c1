//! When records came, against when they were due: counts and gaps of one series, in constant memory.

use std::cmp::Reverse;
use std::collections::VecDeque;

/// Runs that stay open to records which come out of order.
const OPEN_RUNS: usize = 64;
/// Gaps that are kept of a series; all are counted.
const KEPT_GAPS: usize = 20;
/// Quarters of an interval within which a record that comes again is known.
const REMEMBERED: i64 = 512;

/// The interval at which records are due, in microseconds; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence(i64);

impl Cadence {
    /// Lengths beyond thousands of years are cut, so that sums stay in range.
    pub fn new(micros: i64) -> Cadence {
        Cadence(micros.clamp(1, i64::MAX / 64))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    /// Records that are missing in a silence: none up to one and a half intervals, since clocks jitter; then one, and
    /// another with every further interval.
    pub fn missing(self, silence: i64) -> u64 {
        let (silence, interval) = (i128::from(silence.max(0)), i128::from(self.0));
        u64::try_from((2 * silence + interval - 1) / (2 * interval) - 1).unwrap_or(0)
    }

    /// Records that are due from a first one to a last one, both included.
    fn due(self, length: i64) -> u64 {
        let (length, interval) = (i128::from(length.max(0)), i128::from(self.0));
        u64::try_from((2 * length + interval) / (2 * interval) + 1).unwrap_or(u64::MAX)
    }

    /// The longest silence in which none is missing.
    fn patience(self) -> i64 {
        self.0 + self.0 / 2
    }
}

/// When a record came, and where it stands in the input; row 0 is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub time: i64,
    pub row: u64,
}

/// A silence in which records were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    pub from: Arrival,
    pub to: Arrival,
    pub missing: u64,
}

/// All silences of a series: their number, and the worst, the first and the last of them.
#[derive(Debug, Clone, Default)]
pub struct Silences {
    pub count: u64,
    pub worst: Vec<Silence>,
    pub first: Option<Silence>,
    pub last: Option<Silence>,
}

impl Silences {
    fn add(&mut self, silence: Silence) {
        self.count += 1;
        self.first.get_or_insert(silence);
        self.last = Some(silence);
        self.keep(silence);
    }

    fn join(&mut self, later: &Silences) {
        self.count += later.count;
        self.first = self.first.or(later.first);
        self.last = later.last.or(self.last);
        later.worst.iter().for_each(|silence| self.keep(*silence));
    }

    fn keep(&mut self, silence: Silence) {
        let rank = |silence: &Silence| (Reverse(silence.missing), silence.from.time);
        let at = self.worst.partition_point(|kept| rank(kept) <= rank(&silence));
        if at < KEPT_GAPS {
            self.worst.insert(at, silence);
            self.worst.truncate(KEPT_GAPS);
        }
    }
}

/// What was due and what came, up to some time.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub expected: u64,
    pub received: u64,
    pub silences: Silences,
    /// The newest record, and how many of those due after it were counted as missing already.
    pub newest: Option<(Arrival, u64)>,
}

impl Tally {
    /// Nothing came from `newest` until `to`.
    pub fn wait(&mut self, to: Arrival, cadence: Cadence) {
        let Some((from, counted)) = &mut self.newest else { return };
        let due = cadence.missing(to.time.saturating_sub(from.time));
        let missing = due.saturating_sub(*counted);
        if missing > 0 {
            *counted = due;
            self.expected += missing;
            self.silences.add(Silence { from: *from, to, missing });
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        if self.newest.is_none_or(|(newest, _)| newest.time <= arrival.time) {
            self.newest = Some((arrival, 0));
        }
    }

    fn run(&mut self, run: &Run, cadence: Cadence) {
        self.wait(run.first, cadence);
        let due = cadence.due(run.last.time.saturating_sub(run.first.time));
        self.expected += due;
        self.received += run.records.min(due);
        self.arrive(run.last);
    }
}

/// Records that follow one another without a gap.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: Arrival,
    last: Arrival,
    records: u64,
}

/// The arrivals of one series in one window. Records may come in any order; what came more than [`OPEN_RUNS`] runs
/// before the newest one counts no more.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    /// The runs that are closed, and where they begin.
    closed: Option<(Arrival, Tally)>,
    /// By time.
    open: VecDeque<Run>,
    seen: Seen,
}

impl Arrivals {
    /// The oldest and the newest time; `None` before the first record.
    pub fn span(&self) -> Option<(i64, i64)> {
        let first = self.closed.as_ref().map(|(first, _)| first).or(self.open.front().map(|run| &run.first))?;
        Some((first.time, self.open.back()?.last.time))
    }

    pub fn push(&mut self, arrival: Arrival, cadence: Cadence) {
        let fresh = self.seen.is_new(arrival.time.div_euclid((cadence.micros() / 4).max(1)));
        let patience = cadence.patience();
        // In order nearly always.
        if let Some(run) = self.open.back_mut()
            && run.first.time <= arrival.time
            && arrival.time.saturating_sub(run.last.time) <= patience
        {
            run.records += u64::from(fresh);
            if run.last.time <= arrival.time {
                run.last = arrival;
            }
            return;
        }
        self.place(arrival, fresh, patience);
        if self.open.len() > OPEN_RUNS
            && let Some(run) = self.open.pop_front()
        {
            let (_, tally) = self.closed.get_or_insert_with(|| (run.first, Tally::default()));
            tally.run(&run, cadence);
        }
    }

    /// Puts a record where it belongs: into a run, between two, or as the bridge that makes one of them.
    fn place(&mut self, arrival: Arrival, fresh: bool, patience: i64) {
        let closed = self.closed.as_ref().and_then(|(_, tally)| tally.newest);
        if closed.is_some_and(|(newest, _)| arrival.time <= newest.time.saturating_add(patience)) {
            return;
        }
        let after = self.open.iter().rposition(|run| run.first.time <= arrival.time.saturating_add(patience));
        let before = |run: &Run| arrival.time.saturating_sub(run.last.time) <= patience;
        let Some(at) = after else {
            return self.open.push_front(Run { first: arrival, last: arrival, records: 1 });
        };
        match self.open.get_mut(at).filter(|run| before(run)) {
            None => self.open.insert(at + 1, Run { first: arrival, last: arrival, records: 1 }),
            Some(run) => {
                run.records += u64::from(fresh);
                if run.first.time > arrival.time {
                    run.first = arrival;
                }
                if run.last.time <= arrival.time {
                    run.last = arrival;
                }
                let run = *run;
                if let Some(earlier) = at.checked_sub(1).and_then(|earlier| self.open.get_mut(earlier))
                    && before(earlier)
                {
                    earlier.last = run.last;
                    earlier.records += run.records;
                    self.open.remove(at);
                }
            }
        }
    }

    /// Adds everything to a tally of what was before.
    pub fn add_to(&self, tally: &mut Tally, cadence: Cadence) {
        if let Some((first, closed)) = &self.closed {
            tally.wait(*first, cadence);
            tally.expected += closed.expected;
            tally.received += closed.received;
            tally.silences.join(&closed.silences);
            closed.newest.into_iter().for_each(|(newest, _)| tally.arrive(newest));
        }
        self.open.iter().for_each(|run| tally.run(run, cadence));
    }
}

/// Which quarters of intervals have had a record: the newest [`REMEMBERED`] ones, so that a record that is sent again
/// is told from a new one.
#[derive(Debug, Clone)]
struct Seen {
    quarters: [u64; (REMEMBERED / 64) as usize],
    newest: Option<i64>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { quarters: [0; (REMEMBERED / 64) as usize], newest: None }
    }
}

impl Seen {
    /// Whether none was in this quarter yet; what is older than it remembers counts as new.
    fn is_new(&mut self, quarter: i64) -> bool {
        let newest = *self.newest.get_or_insert(quarter);
        let ahead = quarter.saturating_sub(newest);
        if ahead <= -REMEMBERED {
            return true;
        }
        if ahead >= REMEMBERED {
            self.quarters = [0; (REMEMBERED / 64) as usize];
        } else {
            for passed in newest + 1..=quarter {
                let (word, bit) = self.place(passed);
                *word &= !bit;
            }
        }
        self.newest = Some(newest.max(quarter));
        let (word, bit) = self.place(quarter);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn place(&mut self, quarter: i64) -> (&mut u64, u64) {
        let at = quarter.rem_euclid(REMEMBERED) as usize;
        (&mut self.quarters[at / 64], 1 << (at % 64)) // at < REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const CADENCE: Cadence = Cadence(10);

    fn arrivals(times: &[i64]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        times.iter().zip(1..).for_each(|(time, row)| arrivals.push(Arrival { time: *time, row }, CADENCE));
        arrivals
    }

    fn tally(times: &[i64]) -> Tally {
        let mut tally = Tally::default();
        arrivals(times).add_to(&mut tally, CADENCE);
        tally
    }

    #[test]
    fn a_silence_misses_what_was_due_in_it() {
        for (silence, missing) in [
            (-5, 0),
            (0, 0),
            (10, 0),
            (15, 0),
            (16, 1),
            (20, 1),
            (25, 1),
            (26, 2),
            (60, 5),
            (i64::MAX, 922337203685477580),
        ] {
            assert_eq!(CADENCE.missing(silence), missing, "{silence}");
        }
        assert_eq!(Cadence::new(1).missing(2), 1);
        assert_eq!(Cadence::new(0).micros(), 1);
    }

    #[test]
    fn what_came_of_what_was_due() {
        for (times, expected, received, gaps) in [
            (&[][..], 0, 0, 0),
            (&[5], 1, 1, 0),
            (&[0, 10, 20, 30], 4, 4, 0),
            (&[0, 13, 17, 32, 40], 5, 5, 0),     // jitter
            (&[30, 0, 20, 10], 4, 4, 0),         // disorder
            (&[0, 10, 10, 0, 20, 10], 3, 3, 0),  // sent again
            (&[0, 10, 40, 50], 6, 4, 1),         // two are missing
            (&[0, 10, 40, 50, 30, 20], 6, 6, 0), // they came late
            (&[0, 14, 28, 42, 56], 7, 5, 0),     // too slow
            (&[0, 5, 10, 15, 20], 3, 3, 0),      // more than was due
            (&[0, 100, 200], 21, 3, 2),
        ] {
            let tally = tally(times);
            assert_eq!((tally.expected, tally.received, tally.silences.count), (expected, received, gaps), "{times:?}");
        }
    }

    #[test]
    fn the_worst_gaps_are_kept_and_all_are_counted() {
        let mut at = 0;
        let times: Vec<i64> = (0..200).map(|n| (at += 20 + n % 7 * 10, at).1).collect();
        let Tally { silences, .. } = tally(&times);
        assert_eq!((silences.count, silences.worst.len()), (199, KEPT_GAPS));
        assert!(silences.worst.iter().all(|silence| silence.missing == 7));
        assert!(silences.worst.is_sorted_by_key(|silence| silence.from.time));
        let (first, last) = (silences.first.unwrap(), silences.last.unwrap());
        assert_eq!((first.from.row, first.to.row, last.from.row, last.to.row), (1, 2, 199, 200));
    }

    #[test]
    fn what_was_counted_as_missing_is_not_counted_again() {
        let mut tally = tally(&[0, 10]);
        let at = |time| Arrival { time, row: 0 };
        let waited: Vec<u64> = [20, 26, 60, 61, 100].map(|to| (tally.wait(at(to), CADENCE), tally.expected).1).to_vec();
        assert_eq!(waited, [2, 3, 6, 6, 10]);
        arrivals(&[110]).add_to(&mut tally, CADENCE);
        assert_eq!((tally.expected, tally.received), (12, 3));
    }

    /// Sorted, chained where no more than one and a half intervals lie between two.
    fn naive(times: &[i64]) -> (u64, u64, Vec<(i64, i64, u64)>) {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (mut expected, mut received, mut gaps) = (0, 0, vec![]);
        for run in sorted.chunk_by(|a, b| b - a <= 15) {
            let due = ((run[run.len() - 1] - run[0]) as f64 / 10.0 + 0.5).floor() as u64 + 1;
            let distinct: std::collections::BTreeSet<i64> = run.iter().map(|time| time.div_euclid(2)).collect();
            expected += due;
            received += due.min(distinct.len() as u64);
        }
        for pair in sorted.windows(2).filter(|pair| pair[1] - pair[0] > 15) {
            let missing = (1..).take_while(|n| pair[0] + n * 10 + 5 < pair[1]).count() as u64;
            expected += missing;
            gaps.push((pair[0], pair[1], missing));
        }
        (expected, received, gaps)
    }

    proptest! {
        /// Quarters of an interval of 10 are 2 long, so that 400 are within what is remembered.
        #[test]
        fn any_order_and_any_repetition_give_what_sorting_gives(
            times in vec(-400i64..400, 0..60), shuffled in any::<proptest::sample::Index>(),
        ) {
            let mut again = times.clone();
            again.extend(times.iter().take(shuffled.index(times.len() + 1)));
            let got = tally(&again);
            let (expected, received, mut gaps) = naive(&times);
            prop_assert_eq!((got.expected, got.received, got.silences.count), (expected, received, gaps.len() as u64));
            gaps.sort_by_key(|(from, _, missing)| (Reverse(*missing), *from));
            gaps.truncate(KEPT_GAPS);
            let worst: Vec<_> = got.silences.worst.iter().map(|s| (s.from.time, s.to.time, s.missing)).collect();
            prop_assert_eq!(worst, gaps);
        }

        /// However far in order: closed runs count as open ones do.
        #[test]
        fn long_series_in_order_count_the_same(steps in vec(0i64..60, 0..400)) {
            let mut at = 0;
            let times: Vec<i64> = steps.iter().map(|step| (at += step, at).1).collect();
            let got = tally(&times);
            let (expected, received, gaps) = naive(&times);
            prop_assert_eq!((got.expected, got.received, got.silences.count), (expected, received, gaps.len() as u64));
            prop_assert_eq!(got.newest.map(|(newest, _)| newest.time), times.last().copied());
        }

        /// Cut anywhere, the windows miss together what the whole misses.
        #[test]
        fn windows_share_out_what_is_missing(steps in vec(0i64..60, 1..60), every in 10i64..200) {
            let mut at = 0;
            let times: Vec<i64> = steps.iter().map(|step| (at += step, at).1).collect();
            let missing = |silences: &[Silence]| silences.iter().map(|silence| silence.missing).sum::<u64>();
            let (_, _, gaps) = naive(&times);
            let mut newest = None;
            let mut sum = 0;
            let end = times[times.len() - 1];
            for start in (0..=end).step_by(every as usize) {
                let of: Vec<i64> = times.iter().copied().filter(|t| (start..start + every).contains(t)).collect();
                let mut tally = Tally { newest, ..Tally::default() };
                arrivals(&of).add_to(&mut tally, CADENCE);
                if start + every <= end {
                    tally.wait(Arrival { time: start + every, row: 0 }, CADENCE);
                }
                sum += missing(&tally.silences.worst);
                newest = tally.newest;
            }
            prop_assert_eq!(sum, gaps.iter().map(|(_, _, missing)| missing).sum::<u64>());
        }
    }
}
