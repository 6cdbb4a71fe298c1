use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::detect::{Arrival, Arrivals, Cadence, Entities, PerEntity, Silence, Silences, Tally, report_order};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{
    Anomaly, Bands, Batch, Completeness, Counts, EntityCompleteness, Figure, Gap, Language, Sample, Severity, Span,
    Timestamp,
};
use crate::node::{Assets, Fold, Wanted, Window};
use crate::wording::Shortfall;

/// Says how many of the records that were due came, and finds who fell silent.
///
/// ```toml
/// [nodes.completeness]
/// kind = "completeness"
/// inputs = { telemetry = "telemetry" }
/// expected_every = "10s"             # each host, device or sensor sends a record this often
/// entities = ["web-1", "web-2"]      # must be there, also if they never sent anything; optional
/// low = 0.05                         # shares of missing records at which an anomaly begins
/// medium = 0.2
/// high = 0.5
///
/// [nodes.report]                     # and the same of `plan`
/// kind = "merge"
/// inputs = { summary = "insights", anomalies = ["anomalies", "completeness.anomalies"], recommendations = "plan.recommendations" }
/// ```
///
/// Every entity of the records is expected from its first record on; records that name none are one series of their
/// own. A silence of up to one and a half intervals misses nothing, since clocks jitter; a longer one is a gap, and
/// misses a record per interval. Where records come without gaps but too slowly, the share falls as well. A record that
/// comes twice counts once, and the order of records does not matter.
///
/// A gap that goes on from window to window counts in each for its part; an entity that is silent for a whole window
/// misses all of it. The first window, and one that is partial, counts from its first record, a partial one to its
/// newest. Without `[window]` what counts is the time from the first to the last record of the input. Whoever is silent for
/// longer than `forget_after` is not expected any more, unless `entities` names it.
///
/// An entity whose share of missing records reaches a band is an anomaly `missing_records@ENTITY`, in percent. All
/// figures are in the run record, whether a band is reached or not.
///
/// Limits: of each entity the 64 newest runs without a gap are open to records out of order, what is older changes nothing;
/// a record that comes twice is known as such if it is no older than 128 intervals before the newest. The 20 worst gaps and
/// entities are listed, all are counted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "completeness")]
pub struct Config {
    /// How often each entity sends a record.
    pub expected_every: Span,
    /// Entities that must be there.
    #[serde(default)]
    pub entities: BTreeSet<String>,
    /// Share of missing records, 0 to 1. Without any band they are 0.05, 0.2 and 0.5; else those that are written.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub low: Option<Spanned<f64>>,
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub medium: Option<Spanned<f64>>,
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub high: Option<Spanned<f64>>,
    /// An entity that is silent for so long is gone; a day (`"24h"`) by default.
    #[serde(default)]
    pub forget_after: Option<Span>,
}

/// Name of the metric of the anomalies.
const METRIC: &str = "missing_records";
/// How many gaps and entities are listed.
const LISTED: usize = 20;
/// Of missing shares, when no band is written.
const BANDS: [f64; 3] = [0.05, 0.2, 0.5];

pub struct Completing {
    cadence: Cadence,
    required: BTreeSet<String>,
    /// In percent.
    bands: Bands,
    /// In microseconds.
    forget_after: i64,
    language: Language,
}

/// What is gathered of one window.
#[derive(Default)]
pub struct Gathered {
    entities: Entities,
    arrivals: PerEntity<Arrivals>,
}

/// Who is expected, and since when.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// By name; the empty one stands for records without an entity, since no entity is named so.
    known: BTreeMap<String, Known>,
}

/// The newest record of an entity. Row 0: none ever came.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Known {
    time: i64,
    row: u64,
    /// Records that were due since, and were counted as missing.
    counted: u64,
}

impl Fold for Completing {
    const KIND: &'static str = "completeness";
    const VERSION: u32 = 1;
    type Config = Config;
    type Output = Completeness;
    type Gathered = Gathered;
    type State = State;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Completing, Vec<Diagnostic>> {
        let written = [&config.low, &config.medium, &config.high];
        let mut faults = Vec::new();
        let mut least = 0.0;
        for share in written.into_iter().flatten() {
            // A NaN is not greater either.
            if !(*share.get_ref() > least && *share.get_ref() <= 1.0) {
                let message = format!("{} is no band of missing records", share.get_ref());
                let help = "bands are shares greater than 0, at most 1, and rise from `low` to `high`";
                faults.push(
                    Diagnostic::new(codes::graph::WRONG_TYPE, message).at(assets.source(), share.span()).help(help),
                );
            }
            least = *share.get_ref();
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let none = written.iter().all(|share| share.is_none());
        let [low, medium, high] = [0, 1, 2].map(|at: usize| {
            let share = written.get(at).and_then(|share| share.as_ref().map(|share| *share.get_ref()));
            share.or(BANDS.get(at).copied().filter(|_| none)).and_then(|share| Figure::new(share * 100.0))
        });
        Ok(Completing {
            cadence: Cadence::new(micros(config.expected_every.0)),
            required: config.entities,
            bands: Bands { low, medium, high },
            forget_after: micros(config.forget_after.map_or(Duration::from_secs(24 * 3600), |span| span.0)),
            language: assets.language,
        })
    }

    fn wants(&self) -> Wanted {
        Wanted::default()
    }

    fn open(&self) -> Gathered {
        Gathered::default()
    }

    fn push(&self, gathered: &mut Gathered, batch: &Batch) {
        let Gathered { entities, arrivals } = gathered;
        entities.enter(batch).records(|entity, reading| {
            arrivals.of(entity).push(Arrival { time: reading.time, row: reading.row }, self.cadence);
        });
    }

    fn close(&self, gathered: Gathered, state: &mut State, window: &Window) -> Completeness {
        let mut came: BTreeMap<&str, &Arrivals> = BTreeMap::new();
        for (number, arrivals) in gathered.arrivals.iter() {
            came.insert(gathered.entities.name(number).map_or("", |name| name), arrivals);
        }
        let spans = || came.values().filter_map(|arrivals| arrivals.span());
        let oldest = spans().map(|(oldest, _)| oldest).min();
        let newest = spans().map(|(_, newest)| newest).max();
        let counted = window.span.filter(|_| !window.partial);
        // From when on, and until when records are expected.
        let from = counted.filter(|_| !state.known.is_empty()).map(|span| span.start.micros()).or(oldest);
        let to = counted.map(|span| span.end.micros()).or(newest);
        let mut sums = Sums::default();
        if let Some((from, to)) = from.zip(to) {
            self.expect(state, from, to, counted.is_none());
            let mut names: BTreeSet<String> = state.known.keys().cloned().collect();
            names.extend(came.keys().map(|name| name.to_string()));
            for name in names {
                let known = state.known.get(&name).map(|k| (Arrival { time: k.time, row: k.row }, k.counted));
                let mut tally = Tally { newest: known, ..Tally::default() };
                if let Some(arrivals) = came.get(name.as_str()) {
                    arrivals.add_to(&mut tally, self.cadence);
                }
                tally.wait(Arrival { time: to, row: 0 }, self.cadence);
                if let Some((newest, counted)) = tally.newest {
                    state.known.insert(name.clone(), Known { time: newest.time, row: newest.row, counted });
                }
                self.judge(&name, &tally, &mut sums);
            }
        }
        sums.into_completeness()
    }
}

impl Completing {
    /// Brings who is expected up to date: who is gone is not any more, who is required is, and where a window is
    /// not whole (`cut`), what lies before its first record does not count.
    fn expect(&self, state: &mut State, from: i64, to: i64, cut: bool) {
        state
            .known
            .retain(|name, known| self.required.contains(name) || to.saturating_sub(known.time) <= self.forget_after);
        if cut {
            for known in state.known.values_mut() {
                let before = self.cadence.missing(from.saturating_sub(known.time));
                known.counted = known.counted.max(before);
            }
        }
        // As if one had come just before.
        let time = from.saturating_sub(self.cadence.micros());
        for name in &self.required {
            state.known.entry(name.clone()).or_insert(Known { time, row: 0, counted: 0 });
        }
    }

    fn judge(&self, name: &str, tally: &Tally, sums: &mut Sums) {
        let Tally { expected, received, ref silences, newest } = *tally;
        sums.expected += expected;
        sums.received += received;
        let missing = expected.saturating_sub(received);
        if missing == 0 {
            return;
        }
        let entity = (!name.is_empty()).then(|| name.to_string());
        let newest = newest.map_or(Arrival { time: 0, row: 0 }, |(newest, _)| newest); // what misses something is known
        sums.gap_count += silences.count;
        sums.gaps.extend(silences.worst.iter().filter_map(|silence| gap(silence, &entity)));
        sums.entities.push(EntityCompleteness {
            entity: entity.clone(),
            share: ratio(received, expected),
            expected,
            received,
            newest: Timestamp::from_micros(newest.time).filter(|_| newest.row > 0),
        });
        sums.anomalies.extend(self.anomaly(entity, tally, missing, newest));
    }

    /// `None` where the share of what is missing reaches no band.
    fn anomaly(&self, entity: Option<String>, tally: &Tally, missing: u64, newest: Arrival) -> Option<Anomaly> {
        let Tally { expected, ref silences, .. } = *tally;
        let value = percent(missing, expected);
        let reached = |severity: &Severity| self.bands.get(*severity).is_some_and(|band| value >= band);
        let severity = Severity::ALL.into_iter().rev().find(reached)?;
        let threshold = self.bands.get(severity)?;
        let sample =
            |arrival: Arrival| Some(Sample { time: Timestamp::from_micros(arrival.time)?, row: arrival.row, value });
        let at = |of: fn(&Silences) -> Option<Arrival>| sample(of(silences).unwrap_or(newest));
        let longest = silences.worst.first();
        let time = Timestamp::from_micros;
        let description = Shortfall {
            entity: entity.as_deref(),
            expected,
            missing,
            share: value,
            threshold,
            severity,
            longest: longest.and_then(|longest| time(longest.from.time).zip(time(longest.to.time))),
            newest: time(newest.time).filter(|_| newest.row > 0),
        }
        .describe(self.language);
        let by = |of| if severity == of { missing } else { 0 };
        Some(Anomaly {
            name: entity.as_ref().map_or(METRIC.to_string(), |entity| format!("{METRIC}@{entity}")),
            metric: METRIC.to_string(),
            service: None,
            entity,
            value,
            threshold,
            severity,
            unit: Some("%".to_string()),
            bands: self.bands,
            records: expected,
            reached: Counts { low: by(Severity::Low), medium: by(Severity::Medium), high: by(Severity::High) },
            first: at(|silences| Some(silences.first?.from))?,
            worst: at(|silences| Some(silences.worst.first()?.from))?,
            last: at(|silences| Some(silences.last?.to))?,
            newest: sample(newest)?,
            mean: value,
            services: Vec::new(),
            episode: None,
            description,
        })
    }
}

/// What is summed up over all entities.
#[derive(Default)]
struct Sums {
    expected: u64,
    received: u64,
    entities: Vec<EntityCompleteness>,
    gap_count: u64,
    gaps: Vec<Gap>,
    anomalies: Vec<Anomaly>,
}

impl Sums {
    fn into_completeness(mut self) -> Completeness {
        let incomplete = self.entities.len() as u64;
        // Stable: of equal ones the first by name.
        self.entities.sort_by(|a, b| a.share.get().total_cmp(&b.share.get()));
        self.entities.truncate(LISTED);
        self.gaps.sort_by(|a, b| b.missing.cmp(&a.missing).then(a.from.cmp(&b.from)));
        self.gaps.truncate(LISTED);
        self.anomalies.sort_by(report_order);
        Completeness {
            share: (self.expected > 0).then(|| ratio(self.received, self.expected)),
            expected: self.expected,
            received: self.received,
            incomplete,
            entities: self.entities,
            gap_count: self.gap_count,
            gaps: self.gaps,
            anomalies: self.anomalies,
        }
    }
}

fn gap(silence: &Silence, entity: &Option<String>) -> Option<Gap> {
    let (from, to) = (Timestamp::from_micros(silence.from.time)?, Timestamp::from_micros(silence.to.time)?);
    Some(Gap { entity: entity.clone(), from, to, missing: silence.missing })
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

fn ratio(of: u64, all: u64) -> Figure {
    Figure::new(of as f64 / all as f64).unwrap_or(Figure::ZERO) // asked only where `all` is not zero
}

/// Rounded to hundredths, as facts and sentences show shares; what is shown decides which band is reached.
fn percent(of: u64, all: u64) -> Figure {
    let (of, all) = (u128::from(of), u128::from(all.max(1)));
    let hundredths = (of * 20_000 + all) / (2 * all);
    Figure::new(hundredths as f64 / 100.0).unwrap_or(Figure::ZERO) // finite
}

#[cfg(test)]
mod tests;
