use super::signal::{Margins, SPANS, Signal};
use super::{DOWN, Direction, Verdict, Why};
use crate::domain::{Cause, Figure, Margin, Reckoning, View};

/// The views of a sample as they come in: the sum of what they give, and what gives most with its usual range.
pub struct Views {
    direction: Direction,
    seen: [Option<Seen>; 4],
    sum: f64,
    greatest: f64,
    why: Option<Why>,
    range: (f64, f64),
}

/// A sample in one view, and what was there before it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub view: View,
    /// The zero of the view.
    pub level: f64,
    pub sample: f64,
    pub before: Signal,
    pub margins: Margins,
}

impl Views {
    pub fn new(direction: Direction, usual: (f64, f64)) -> Views {
        Views { direction, seen: [None; 4], sum: 0.0, greatest: 0.0, why: None, range: usual }
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    pub fn add(&mut self, seen: Seen) {
        for (up, margins) in seen.sides(self.direction).into_iter().flatten() {
            for (span, margin) in margins.iter().enumerate() {
                self.sum += margin;
                if *margin > self.greatest {
                    let samples = 1 << span; // at most 8
                    let (low, high) = seen.before.usual(span, up);
                    self.greatest = *margin;
                    self.why = Some(Why { cause: cause(seen.view, samples), up, samples });
                    self.range = (seen.level + low, seen.level + high);
                }
            }
        }
        self.seen[place(seen.view)] = Some(seen);
    }

    pub fn verdict(&self, score: f64, (surprise, peak): (f64, f64), ready: bool) -> Verdict {
        let up = |scaled: f64| (scaled / DOWN).clamp(f64::MIN, f64::MAX);
        let (low, high) = (up(self.range.0), up(self.range.1));
        Verdict { score: if ready { score } else { 0.0 }, low, high, why: self.why, ready, surprise, peak }
    }

    /// How the sum comes about: by the mean change from sample to sample, the range of values, and the usual step.
    pub fn reckoning(&self, (change, range, step): (f64, f64, f64), views: u8) -> Option<Reckoning> {
        let margins = self.seen.iter().flatten().flat_map(|seen| seen.told(self.direction)).collect();
        let (change, range, step) = (stated(change)?, stated(range)?, stated(step)?);
        Some(Reckoning { change, range, step, views, rises: false, held: Figure::ZERO, margins })
    }
}

impl Seen {
    /// What counts of both sides, the upper first.
    fn sides(&self, direction: Direction) -> [Option<(bool, &[f64; SPANS])>; 2] {
        let above = (direction != Direction::Down).then_some((true, &self.margins.above));
        let below = (direction != Direction::Up).then_some((false, &self.margins.below));
        [above, below]
    }

    /// A line for each span that gives something, and one for the sample alone where none does.
    fn told(&self, direction: Direction) -> Vec<Margin> {
        let by_span = |span: usize| {
            let given =
                |(up, margins): (bool, &[f64; SPANS])| Some((up, *margins.get(span)?)).filter(|(_, m)| *m > 0.0);
            self.sides(direction).into_iter().flatten().find_map(given)
        };
        let mut told: Vec<Margin> = (0..SPANS).filter_map(|span| self.line(span, Some(by_span(span)?))).collect();
        if told.is_empty() && self.before.is_warm(0) {
            told.extend(self.line(0, None));
        }
        told
    }

    /// `outside` is on which side, and how many usual steps count.
    fn line(&self, span: usize, outside: Option<(bool, f64)>) -> Option<Margin> {
        let ((least, greatest), (low, high)) = (self.before.run(self.sample, span), self.before.extremes(span));
        let beyond = match outside {
            Some((true, _)) => least - high,
            Some((false, _)) => low - greatest,
            None => 0.0,
        };
        Some(Margin {
            view: self.view,
            level: stated(self.level)?,
            samples: 1 << span, // at most 8
            least: stated(least)?,
            greatest: stated(greatest)?,
            low: stated(low)?,
            high: stated(high)?,
            beyond: stated(beyond)?,
            margin: Figure::new(outside.map_or(0.0, |(_, margin)| margin))?,
        })
    }
}

/// In the unit of the metric.
fn stated(scaled: f64) -> Option<Figure> {
    Figure::new((scaled / DOWN).clamp(f64::MIN, f64::MAX))
}

fn place(view: View) -> usize {
    match view {
        View::Value => 0,
        View::HourOfWeek => 1,
        View::HourOfDay => 2,
        View::Step => 3,
    }
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
