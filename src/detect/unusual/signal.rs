use serde::{Deserialize, Serialize};

/// Running extremes are taken over the last 1, 2, 4 and 8 samples.
pub const SPANS: usize = 4;
const LONGEST: usize = 1 << (SPANS - 1);

/// Extremes say nothing before so many samples were seen.
const WARM_UP: u32 = 20;
/// The share of its distance to the mean that an extreme gives up at each sample: after 30,000 samples without another
/// one (100 days at five minutes) a record has lost two thirds of its height.
const LEAK: f64 = 1.0 / 32_768.0;
/// Samples that the mean remembers.
pub const MEMORY: u32 = 300;
/// No margin counts more than so many usual steps: beyond, how far is as good as how very far.
const MOST: f64 = 10.0;

/// How far a sample lies outside everything seen, by span, in usual steps: 0 is inside.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Margins {
    pub above: [f64; SPANS],
    pub below: [f64; SPANS],
}

/// One number per sample (the value, what is left of it without its season, the step from the sample before) and the
/// extremes of it: for each span, the highest running minimum and the lowest running maximum. A value above the first of
/// them stayed, over the whole span, where no span had stayed before; for a span of one sample these are the highest and
/// the lowest value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The newest first.
    recent: [f64; LONGEST],
    high: [f64; SPANS],
    low: [f64; SPANS],
    mean: f64,
    count: u32,
}

impl Signal {
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The usual range in the view of a span: upwards, from the lowest sample to the highest running minimum; downwards,
    /// from the lowest running maximum to the highest sample.
    pub fn usual(&self, span: usize, up: bool) -> (f64, f64) {
        let (low, high) = (self.low[span], self.high[span]); // span < SPANS: a place of Margins
        if up { (self.low[0].min(high), high) } else { (low, self.high[0].max(low)) }
    }

    /// The lowest running maximum and the highest running minimum of a span.
    pub fn extremes(&self, span: usize) -> (f64, f64) {
        (self.low[span], self.high[span]) // as above
    }

    /// The least and the greatest of the last samples of a span, of which `sample` is the next.
    pub fn run(&self, sample: f64, span: usize) -> (f64, f64) {
        let before = self.recent.iter().take((1 << span) - 1);
        before.fold((sample, sample), |(least, most), value| (least.min(*value), most.max(*value)))
    }

    /// Whether the next sample can lie outside of what was seen in a span.
    pub fn is_warm(&self, span: usize) -> bool {
        self.count.saturating_add(1) >= WARM_UP + (1 << span)
    }

    /// From the lowest to the highest sample.
    pub fn range(&self) -> f64 {
        self.high[0] - self.low[0]
    }

    /// Takes a sample and says how far it lies outside of the ones before, for the first `spans` spans. Margins are
    /// measured in `step`, the usual step; where that is 0 the least margin is the greatest possible.
    pub fn take(&mut self, sample: f64, step: f64, spans: usize) -> Margins {
        let margin = |by: f64| if by > 0.0 { (by / step).min(MOST) } else { 0.0 };
        self.count = self.count.saturating_add(1);
        self.mean += (sample - self.mean) / f64::from(self.count.min(MEMORY));
        self.recent.copy_within(..LONGEST - 1, 1);
        self.recent[0] = sample;
        let (mut least, mut most) = (sample, sample);
        let mut margins = Margins::default();
        let mut reach = 1;
        for span in 0..spans.min(SPANS) {
            let length = 1 << span;
            if (self.count as usize) < length {
                break;
            }
            for value in &self.recent[reach..length.max(reach)] {
                least = least.min(*value);
                most = most.max(*value);
            }
            reach = length;
            let (high, low) = (&mut self.high[span], &mut self.low[span]);
            if self.count as usize == length {
                (*high, *low) = (least, most);
                continue;
            }
            if self.count as usize >= WARM_UP as usize + length {
                margins.above[span] = margin(least - *high);
                margins.below[span] = margin(*low - most);
            }
            *high = least.max(*high - LEAK * (*high - self.mean));
            *low = most.min(*low + LEAK * (self.mean - *low));
        }
        margins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warm() -> Signal {
        let mut signal = Signal::default();
        for at in 0..100 {
            signal.take(f64::from(at % 4), 1.0, SPANS);
        }
        signal
    }

    #[test]
    fn margins_are_counted_in_steps() {
        let margins = warm().take(8.0, 2.0, SPANS);
        assert!((margins.above[0] - 2.5).abs() < 0.01, "{margins:?}");
        assert_eq!(margins.above[1], 0.5, "3 and 8: no two samples were above 2 before");
        assert_eq!(margins.above[3], 0.0, "the span of eight holds a 0");
        assert_eq!(margins.below, [0.0; SPANS]);
        assert_eq!(warm().take(1e300, 2.0, SPANS).above[0], MOST);
        assert_eq!(warm().take(3.5, 0.0, SPANS).above[0], MOST, "a change of what never changes");
    }

    #[test]
    fn a_level_that_stays_is_outside_though_each_value_was_seen() {
        let mut signal = warm();
        let [two, three, four] = [(); 3].map(|()| signal.take(3.0, 1.0, SPANS));
        for margins in [two, three, four] {
            assert_eq!(margins.above[0], 0.0, "3 was seen");
            assert_eq!(margins.below, [0.0; SPANS]);
        }
        assert!((two.above[1] - 1.0).abs() < 0.01, "no two samples stayed above 2 before: {two:?}");
        assert_eq!(three.above[1], 0.0, "now they did");
        assert!((four.above[2] - 1.0).abs() < 0.01, "no four samples stayed above 2 before: {four:?}");
    }

    #[test]
    fn extremes_leak_towards_the_mean() {
        let mut signal = warm();
        signal.take(103.0, 1.0, SPANS);
        let highest = |after: usize| {
            let mut signal = signal;
            for at in 0..after {
                signal.take((at % 4) as f64, 1.0, SPANS);
            }
            signal.high[0]
        };
        assert!(highest(32_768) < 103.0 * 0.39, "{}", highest(32_768));
        assert!(highest(1_000) > 99.0);
    }

    #[test]
    fn a_few_samples_are_no_past() {
        let mut signal = Signal::default();
        for at in 0..20 {
            assert_eq!(signal.take(f64::from(at), 0.1, SPANS), Margins::default(), "{at}");
        }
        assert_eq!(signal.take(20.0, 0.1, SPANS).above[0], MOST);
    }
}
