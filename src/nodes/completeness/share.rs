use toml::Spanned;

use super::Config;
use crate::detect::{Arrival, Measure, Reached, Reading, Silences, Standing, Stretch, Stretches, Tally};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Bands, Counts, Figure};
use crate::node::Assets;

/// Of missing shares in percent, when no band is written.
const BANDS: [f64; 3] = [5.0, 20.0, 50.0];

/// What is missing of an entity of which something was due.
pub struct Share {
    pub name: String,
    pub tally: Tally,
    pub missing: u64,
    /// In percent.
    value: f64,
}

impl Share {
    pub fn of(name: String, tally: Tally) -> Option<Share> {
        let missing = tally.expected.saturating_sub(tally.received);
        let value = percent(missing, tally.expected).get();
        (tally.expected > 0).then_some(Share { name, tally, missing, value })
    }

    pub fn entity(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }

    fn newest(&self) -> Arrival {
        self.tally.newest.map_or(Arrival { time: 0, row: 0 }, |(newest, _)| newest) // where something was due it is known
    }

    fn reading(&self, Arrival { time, row }: Arrival) -> Reading {
        Reading { time, row, value: self.value }
    }

    pub fn standing(&self) -> Standing {
        let newest = self.reading(self.newest());
        Standing { records: self.tally.expected, newest, mean: self.value, highest: self.value }
    }

    /// From before the first gap to after the last; `None` where no band is reached.
    pub fn reached(&self, measure: &Measure) -> Option<Reached> {
        let mut counts = Counts::default();
        counts.add(Some(measure.levels.severity(self.value)?), self.missing);
        let silences = &self.tally.silences;
        let at = |of: fn(&Silences) -> Option<Arrival>| self.reading(of(silences).unwrap_or(self.newest()));
        let (first, last) = (at(|silences| Some(silences.first?.from)), at(|silences| Some(silences.last?.to)));
        let worst = at(|silences| Some(silences.worst.first()?.from));
        // One share holds for all of the time.
        let stretches = Stretches::whole(Stretch { from: first, to: last.time });
        Some(Reached { counts, first, worst, last, stretches })
    }
}

/// Bands, `for` and `clear` as written.
pub fn measure(config: &Config, assets: &Assets<'_>) -> Result<Measure, Vec<Diagnostic>> {
    let written = [&config.low, &config.medium, &config.high];
    let mut faults = Vec::new();
    let mut refuse = |share: &Spanned<f64>, message: String, help: &str| {
        let fault = Diagnostic::new(codes::graph::WRONG_TYPE, message);
        faults.push(fault.at(assets.source(), share.span()).help(help));
    };
    let mut least = 0.0;
    for share in written.into_iter().flatten() {
        // A NaN is not greater either.
        if !(*share.get_ref() > least && *share.get_ref() <= 1.0) {
            let message = format!("{} is no band of missing records", share.get_ref());
            let help = "bands are shares greater than 0, at most 1, and rise from `low` to `high`";
            refuse(share, message, help);
        }
        least = *share.get_ref();
    }
    let in_percent = |share: &Spanned<f64>| Figure::new(share.get_ref() * 100.0);
    let [low, medium, high] = match written.iter().all(|share| share.is_none()) {
        true => BANDS.map(Figure::new),
        false => written.map(|share| share.as_ref().and_then(in_percent)),
    };
    let bands = Bands { low, medium, high };
    if let Some(clear) = &config.clear {
        let lowest = bands.lowest().map_or(Figure::ZERO, |(_, lowest)| lowest);
        if !in_percent(clear).is_some_and(|clear| clear > Figure::ZERO && clear <= lowest) {
            let message = format!("`clear` is {}, which is no share up to the lowest band", clear.get_ref());
            let help =
                format!("an episode ends below `clear`: make it greater than 0, at most {}", lowest.get() / 100.0);
            refuse(clear, message, &help);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let clear = config.clear.as_ref().and_then(in_percent);
    Ok(Measure::new(bands, config.lasts.map(|span| span.0), clear))
}

pub fn ratio(of: u64, all: u64) -> Figure {
    Figure::new(of as f64 / all as f64).unwrap_or(Figure::ZERO) // asked only where `all` is not zero
}

/// Rounded to hundredths, as facts and sentences show shares; what is shown decides which band is reached.
pub fn percent(of: u64, all: u64) -> Figure {
    let (of, all) = (u128::from(of), u128::from(all.max(1)));
    let hundredths = (of * 20_000 + all) / (2 * all);
    Figure::new(hundredths as f64 / 100.0).unwrap_or(Figure::ZERO) // finite
}
