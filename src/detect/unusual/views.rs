use super::signal::{Margins, Signal};
use super::{DOWN, Direction, Verdict, Why};
use crate::domain::{Cause, Figure, Margin, Reckoning, View};

/// The views of a sample as they come in: the sum of what they give, and what gives most with its usual range.
pub struct Views {
    direction: Direction,
    sum: f64,
    greatest: f64,
    why: Option<Why>,
    range: (f64, f64),
    /// The sample alone in each view: the view's zero, the sample, and its extremes; all 0 where it cannot lie outside yet.
    alone: [[f64; 4]; 4],
    /// What lies outside, which is little and seldom.
    outside: Vec<Line>,
}

/// A sample in one view.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub view: View,
    /// The zero of the view.
    pub level: f64,
    pub sample: f64,
    /// The view as it was before the sample.
    pub before: &'a Signal,
    pub margins: &'a Margins,
}

/// The last samples of a view, next to the extremes of as many before.
#[derive(Debug, Clone, Copy)]
struct Line {
    view: View,
    level: f64,
    samples: u8,
    /// The least and the greatest of them.
    run: (f64, f64),
    extremes: (f64, f64),
    beyond: f64,
    margin: f64,
}

impl Views {
    pub fn new(direction: Direction, usual: (f64, f64)) -> Views {
        let (alone, outside) = Default::default();
        Views { direction, sum: 0.0, greatest: 0.0, why: None, range: usual, alone, outside }
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    pub fn add(&mut self, seen: Seen<'_>) {
        let sides = [(Direction::Down, &seen.margins.above, true), (Direction::Up, &seen.margins.below, false)];
        for (unwanted, margins, up) in sides {
            if self.direction == unwanted {
                continue;
            }
            for (span, margin) in margins.iter().enumerate() {
                self.sum += margin;
                if *margin > 0.0 {
                    self.lies_outside(&seen, (span, up), *margin);
                }
            }
        }
        let Seen { view, level, sample, before, .. } = seen;
        if before.is_warm(0) {
            let (low, high) = before.extremes(0);
            self.alone[place(view)] = [level, sample, low, high]; // there are four views
        }
    }

    #[cold]
    fn lies_outside(&mut self, seen: &Seen<'_>, (span, up): (usize, bool), margin: f64) {
        let Seen { view, level, sample, before, .. } = *seen;
        let samples = 1 << span; // at most 8
        let (run, extremes) = (before.run(sample, span), before.extremes(span));
        let beyond = if up { run.0 - extremes.1 } else { extremes.0 - run.1 };
        self.outside.push(Line { view, level, samples, run, extremes, beyond, margin });
        if margin > self.greatest {
            let (low, high) = before.usual(span, up);
            self.greatest = margin;
            self.why = Some(Why { cause: cause(view, samples), up, samples });
            self.range = (level + low, level + high);
        }
    }

    pub fn verdict(&self, score: f64, (surprise, peak): (f64, f64), ready: bool) -> Verdict {
        let up = |scaled: f64| (scaled / DOWN).clamp(f64::MIN, f64::MAX);
        let (low, high) = (up(self.range.0), up(self.range.1));
        Verdict { score: if ready { score } else { 0.0 }, low, high, why: self.why, ready, surprise, peak }
    }

    /// How the sum comes about: by the mean change from sample to sample, the range of values, and the usual step. A line for
    /// each span that gives something, and one for the sample alone in each view where none does.
    pub fn reckoning(&self, (change, range, step): (f64, f64, f64), views: u8) -> Option<Reckoning> {
        let is_outside = |view: View| self.outside.iter().any(|line| line.view == view);
        let alone = VIEWS.into_iter().zip(self.alone).filter(|(view, alone)| *alone != [0.0; 4] && !is_outside(*view));
        let alone = alone.map(|(view, [level, sample, low, high])| Line {
            view,
            level,
            samples: 1,
            run: (sample, sample),
            extremes: (low, high),
            beyond: 0.0,
            margin: 0.0,
        });
        let mut lines: Vec<Line> = self.outside.iter().copied().chain(alone).collect();
        lines.sort_by_key(|line| (place(line.view), line.samples));
        let margins = lines.iter().filter_map(Line::told).collect();
        let (change, range, step) = (stated(change)?, stated(range)?, stated(step)?);
        Some(Reckoning { change, range, step, views, rises: false, held: Figure::ZERO, margins })
    }
}

impl Line {
    fn told(&self) -> Option<Margin> {
        let Line { view, level, samples, run: (least, greatest), extremes: (low, high), beyond, margin } = *self;
        Some(Margin {
            view,
            level: stated(level)?,
            samples,
            least: stated(least)?,
            greatest: stated(greatest)?,
            low: stated(low)?,
            high: stated(high)?,
            beyond: stated(beyond)?,
            margin: Figure::new(margin)?,
        })
    }
}

/// In the unit of the metric.
fn stated(scaled: f64) -> Option<Figure> {
    Figure::new((scaled / DOWN).clamp(f64::MIN, f64::MAX))
}

const VIEWS: [View; 4] = [View::Value, View::HourOfWeek, View::HourOfDay, View::Step];

fn place(view: View) -> usize {
    view as usize // in the order of VIEWS
}

fn cause(view: View, samples: u8) -> Cause {
    match view {
        View::Value if samples == 1 => Cause::Outside,
        View::Value => Cause::Stays,
        View::HourOfWeek => Cause::HourOfWeek,
        View::HourOfDay => Cause::HourOfDay,
        View::Step => Cause::Jump,
    }
}
