//! What is unusual for a series, without a threshold to choose: for each sample a score between 0 and 1, from that sample
//! and the ones before it alone.
//!
//! A series is looked at in four ways, each a *signal*: the value, the value without the level of its hour of the week,
//! the same by the hour of the day, and the step from the sample before.
//! 1. A *margin* is how far a signal lies outside everything seen of it: above its highest or below its lowest sample, and
//!    the same with minima and maxima over the last 2, 4 and 8 samples, which a level that stays exceeds though each of
//!    its values was seen before. Extremes leak slowly towards the mean. Margins are counted in usual steps (the mean
//!    |difference| of the last 300 samples, at least 3 % of the range seen), capped at ten and added up; *surprise* is
//!    their mean over the signals. Of a counter, a series that only ever rises, the steps alone count: its values and its
//!    hours are new all the time.
//! 2. After a surprise comes *silence*: one that is not half as great again counts nothing. What it is compared with fades
//!    by a twentieth per sample.
//! 3. The score is `s / (s + 1/8 + 0.075 peak)`, with the greatest surprise so far as `peak`: a series that has often
//!    surprised must do more for an alert. [`ALERT`] is where the two sides are even.
//!
//! All of it is made of differences and their ratios, so a series in other units has the same scores. The figures are
//! round ones in the middle of plateaus, and the signals count the same; ARCHITECTURE.md has what was tried.

mod profile;
mod signal;
mod views;

use serde::{Deserialize, Serialize};

use self::profile::{Hour, Profile};
use self::signal::{MEMORY, SPANS, Signal};
use self::views::{Seen, Views};
use crate::domain::{Cause, Figure, Reckoning, View};

/// The score from which on a sample is an alert: where a surprise equals what the series' own past asks for.
pub const ALERT: f64 = 0.5;

/// The least surprise of an alert, for a series that never surprised before: an eighth of a usual step on the average of
/// the signals. With [`SHARE`] it is the threshold: from 0.8 to 1.2 times both, the benchmark changes by less than a point.
const BASE: f64 = 0.125;
/// The share of the greatest surprise so far that an alert must have besides. Flat from 0.06 to 0.1.
const SHARE: f64 = 0.075;
/// What is left of that after a sample: it fades as extremes do.
const PEAK_FADES: f64 = 1.0 - 1.0 / 32_768.0;
/// A surprise must be so many times the last ones to break the silence after them.
const ESCALATION: f64 = 1.5;
/// What is left of a surprise after a sample, in the comparison for silence.
const SILENCE_FADES: f64 = 0.95;
/// The usual step is at least this share of the range of values, so that the noise of a steady stretch is no unit.
const FINEST: f64 = 0.03;
/// Nothing is unusual up to so many samples: each of the first is a record of something.
pub const LEARNING: u32 = 50;
/// Nor within the first day in microseconds, where there is a season: one that was not seen once is none yet.
const FIRST_DAY: i64 = 86_400_000_000;
/// Values are kept scaled down by a power of two, which is exact, so that no difference of three of them overflows.
const DOWN: f64 = 0.125;

/// Which side is of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
    #[default]
    Both,
}

/// The season that values are compared by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Season {
    None,
    /// The hour of the day.
    Day,
    /// The hour of the week, and that of the day.
    #[default]
    Week,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub direction: Direction,
    pub season: Season,
}

/// Why a sample surprises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    pub cause: Cause,
    /// Above the usual range, or else below.
    pub up: bool,
    /// How many samples in a row, up to this one: 1, 2, 4 or 8. Fewer were that far out before.
    pub samples: u8,
}

/// What there is to say about one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// From 0, nothing unusual, to below 1; an alert from [`ALERT`] on.
    pub score: f64,
    /// The usual range of the value at this moment, in the view of what gave most: that of all values, of this hour, or
    /// next to the value before; for some samples in a row, where as many of them stayed. The value is outside of it.
    pub low: f64,
    pub high: f64,
    /// What gave most, also where silence keeps the score at 0; `None` where nothing was outside.
    pub why: Option<Why>,
    /// Whether there were samples enough to judge by; if not, the score is 0.
    pub ready: bool,
    /// What the score is made of: the surprise, and the greatest before it.
    pub surprise: f64,
    pub peak: f64,
}

/// The state of one series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Unusual {
    profile: Profile,
    value: Signal,
    week: Signal,
    day: Signal,
    jump: Signal,
    /// When the first sample was.
    first: i64,
    /// Steps upwards, and whether there was one downwards.
    rises: u32,
    fell: bool,
    /// Of the newest sample.
    last: f64,
    time: i64,
    /// The usual step and the usual time between samples, in microseconds.
    step: f64,
    cadence: f64,
    /// The surprise that silence compares with, and the greatest.
    held: f64,
    peak: f64,
}

impl Unusual {
    /// Takes the next sample. Samples are best given in the order of time, but none does harm. A value that is not
    /// finite is as if it were not there.
    pub fn step(&mut self, settings: Settings, time_micros: i64, value: f64) -> Verdict {
        self.told(settings, time_micros, value, f64::INFINITY).0
    }

    /// The same, and how the surprise is counted where the score is `from` or more.
    pub fn told(
        &mut self,
        settings: Settings,
        time_micros: i64,
        value: f64,
        from: f64,
    ) -> (Verdict, Option<Reckoning>) {
        let x = value * DOWN;
        let usual = if self.value.count() == 0 { (x, x) } else { self.value.usual(0, true) };
        let mut views = Views::new(settings.direction, usual);
        if !value.is_finite() {
            return (views.verdict(0.0, (0.0, self.peak), self.is_ready(settings.season)), None);
        }
        let (change, range) = (self.step, self.value.range());
        let step = change.max(FINEST * range);
        let before = self.value;
        if before.count() > 0 {
            self.pace(time_micros, x);
        } else {
            self.first = time_micros;
        }
        let margins = self.value.take(x, step, SPANS);
        views.add(Seen { view: View::Value, level: 0.0, sample: x, before: &before, margins: &margins });
        let count = 2 + self.seasons(settings.season, time_micros, x, step, &mut views);
        if before.count() > 0 {
            let jump = x - self.last;
            self.rises = self.rises.saturating_add(u32::from(jump > 0.0));
            self.fell |= jump < 0.0;
            if self.only_rises() {
                views = Views::new(settings.direction, usual);
            }
            let before = self.jump;
            let margins = self.jump.take(jump, step, 1);
            views.add(Seen { view: View::Step, level: self.last, sample: jump, before: &before, margins: &margins });
        }
        (self.last, self.time) = (x, time_micros);
        let (mean, held, peak) = (views.sum() / f64::from(count), self.held, self.peak);
        let (score, ready) = (self.score(mean), self.is_ready(settings.season));
        let reckoning = (ready && score >= from).then(|| views.reckoning((change, range, step), count)).flatten();
        let reckoning = reckoning
            .and_then(|reckoning| Some(Reckoning { held: Figure::new(held)?, rises: self.only_rises(), ..reckoning }));
        (views.verdict(score, (mean, peak), ready), reckoning)
    }

    /// Whether it is a counter by all that was seen of it.
    fn only_rises(&self) -> bool {
        !self.fell && self.rises > LEARNING
    }

    /// Whether there are samples enough to judge by.
    pub fn is_ready(&self, season: Season) -> bool {
        let day = season == Season::None || self.time.saturating_sub(self.first) >= FIRST_DAY;
        self.value.count() > LEARNING && day
    }

    /// Takes what is left of a value without its season. Gives the number of signals that the season has.
    fn seasons(&mut self, season: Season, time_micros: i64, x: f64, step: f64, views: &mut Views) -> u8 {
        let (week, day) = Hour::of(time_micros);
        let by_week = (week, &mut self.week, View::HourOfWeek);
        let by_day = (day, &mut self.day, View::HourOfDay);
        let (profile, cadence) = (&mut self.profile, self.cadence);
        let mut compare = |(hour, signal, view): (Hour, &mut Signal, View)| {
            if let Some(level) = profile.level(hour) {
                let before = *signal;
                let margins = signal.take(x - level, step, SPANS);
                views.add(Seen { view, level, sample: x - level, before: &before, margins: &margins });
            }
            profile.take(hour, x, cadence);
        };
        match season {
            Season::None => 0,
            Season::Day => {
                compare(by_day);
                1
            }
            Season::Week => {
                compare(by_week);
                compare(by_day);
                2
            }
        }
    }

    /// The usual step and cadence: means over the last samples.
    fn pace(&mut self, time_micros: i64, x: f64) {
        let share = 1.0 / f64::from(self.value.count().min(MEMORY));
        self.step += ((x - self.last).abs() - self.step) * share;
        let apart = time_micros.saturating_sub(self.time).max(0) as f64;
        self.cadence += (apart - self.cadence) * share;
    }

    /// Silence, and the measure of the series' own past.
    fn score(&mut self, surprise: f64) -> f64 {
        let counts = if surprise > ESCALATION * self.held { surprise } else { 0.0 };
        let score = counts / (counts + BASE + SHARE * self.peak);
        self.held = surprise.max(self.held * SILENCE_FADES);
        self.peak = surprise.max(self.peak * PEAK_FADES);
        score
    }
}

#[cfg(test)]
mod tests;
