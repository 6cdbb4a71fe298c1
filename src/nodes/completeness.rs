mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::detect::{
    Arrival, Arrivals, Cadence, Entities, Episodes, Judge, Measure, PerEntity, Silence, Sustained, Tally, report_order,
};
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Aspect, Batch, Completeness, EntityCompleteness, Gap, Language, Note, Span, Timestamp};
use crate::node::{Assets, Fold, Wanted, Window};
use crate::wording::{Recovery, Shortfall};
use share::{Share, measure, ratio};

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
/// for = "5m"                         # optional, see below
/// clear = 0.01                       # optional, see below
///
/// [nodes.report]                     # and the same of `plan`
/// kind = "merge"
/// inputs = { summary = "insights", anomalies = ["anomalies", "completeness.anomalies"], recommendations = "plan.recommendations" }
/// ```
///
/// Every entity of the records is expected from its first record on; records that name none are one series of their
/// own. A silence of up to one and a half intervals misses nothing, since clocks jitter; a longer one is a gap, and
/// misses a record per interval: of `g` intervals `g - 1/2`, rounded up, less 1, and less what earlier windows counted. From
/// the first to the last record without a gap between them, `r` intervals, `r` rounded and 1 more are due. Where records come without gaps but too slowly, the share falls as well. A record that
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
/// In a graph with `[window]` anomalies are parts of episodes, as those of `detect` are (`agent kinds detect`): `opened`,
/// `ongoing`, `escalated`, and `resolved` in the first window whose share is below `clear`, which is the lowest band where
/// nothing else is written. A window in which nothing was due of an entity says nothing of it. With `for` an episode opens
/// once the share stayed at or above the lowest band so long, from before the first gap to after the last. An entity that is
/// not expected any more has no episode; of that nothing is said.
///
/// When all sources of a live graph have fallen silent for good, windows go on with the clock once `idle` of `[window]` has
/// passed, as far behind it as the newest records were when they came. Of a source that sends records together which it held
/// back for up to five minutes (or the length of a window, where that is more), that is learnt: it is silent after half as
/// long again, so what it sends every so often is in the windows of its time and raises no alarm; after an outage it is
/// waited for longer, and less so from hour to hour. What comes for windows that were closed in silence is never late: it
/// goes into the next window with its own times, and the run record counts it as `carried`. Such a window has a report if something is missing
/// of an entity for long enough to be an anomaly, else a run record alone. So it is only where the newest records came within
/// five minutes of their time, or within the length of a window where that is more: what is read of the past, at
/// whatever speed, ends with its last record. Before the first record of all nothing is expected. What the clock is further
/// on than 64 windows, since the program was not running, is one gap.
///
/// Limits: of each entity the 64 newest runs without a gap are open to records out of order, what is older changes nothing;
/// a record that comes twice is known as such if it is no older than 64 intervals before the newest. The 20 worst gaps and
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
    /// How long the share must stay at or above the lowest band; `None`: one window is enough.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// Share below which an episode is over, 0 to 1; the lowest band by default, and never above it.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub clear: Option<Spanned<f64>>,
    /// An entity that is silent for so long is gone; a day (`"24h"`) by default.
    #[serde(default)]
    pub forget_after: Option<Span>,
}

/// Name of the metric of the anomalies.
const METRIC: &str = "missing_records";
/// How many gaps and entities are listed.
const LISTED: usize = 20;
pub struct Completing {
    cadence: Cadence,
    required: BTreeSet<String>,
    /// Of missing shares, in percent.
    measure: Measure,
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
    episodes: Episodes,
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
    const VERSION: u32 = 3;
    type Config = Config;
    type Output = Completeness;
    type Gathered = Gathered;
    type State = State;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Completing, Vec<Diagnostic>> {
        let measure = measure(&config, assets)?;
        Ok(Completing {
            cadence: Cadence::new(micros(config.expected_every.0)),
            required: config.entities,
            measure,
            forget_after: micros(config.forget_after.map_or(Duration::from_secs(24 * 3600), |span| span.0)),
            language: assets.language,
        })
    }

    fn wants(&self) -> Wanted {
        Wanted::default()
    }

    fn open(&self, _: Option<Timestamp>) -> Gathered {
        Gathered::default()
    }

    fn push(&self, gathered: &mut Gathered, batch: &Batch) {
        let Gathered { entities, arrivals } = gathered;
        entities.enter(batch).records(|entity, reading| {
            arrivals.of(entity).push(Arrival { time: reading.time, row: reading.row }, self.cadence);
        });
    }

    fn expects_records(&self) -> bool {
        true
    }

    fn is_alarm(&self, output: &Completeness) -> bool {
        !output.anomalies.is_empty()
    }

    fn close(&self, gathered: Gathered, state: &mut State, window: &Window, _: &mut Vec<Note>) -> Completeness {
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
        let mut short = Vec::new();
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
                sums.take(&name, &tally);
                short.extend(Share::of(name, tally));
            }
        }
        let anomalies = match &window.span {
            None => short.iter().filter_map(|share| self.anomaly(share)).collect(),
            Some(span) => self.anomalies_of_window(&short, state, span.start),
        };
        sums.into_completeness(anomalies)
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

    fn judge(&self) -> Judge<'_> {
        Judge {
            metric: METRIC,
            aspect: Aspect::Above,
            condition: None,
            hours: None,
            maintenance: &[],
            suffix: None,
            service: None,
            unit: Some("%"),
            metric_unit: None,
            measure: &self.measure,
        }
    }

    /// `None` where the share reaches no band, or did not so long.
    fn anomaly(&self, share: &Share) -> Option<Anomaly> {
        let reached = share.reached(&self.measure)?;
        let reached = match self.measure.lasts {
            None => reached,
            Some(lasts) => Sustained::one(reached).close(None, &self.measure.levels, lasts).0?,
        };
        let anomaly = self.judge().anomaly(share.entity(), &share.standing(), &reached, None)?;
        Some(self.described(anomaly, Some(share)))
    }

    /// The same of one window among others: with the episodes that the anomalies are part of, and then those that are over.
    fn anomalies_of_window(&self, shares: &[Share], state: &mut State, start: Timestamp) -> Vec<Anomaly> {
        let State { known, episodes } = state;
        episodes.retain(|entity| known.contains_key(entity.unwrap_or_default()));
        let mut turn = episodes.turn(start);
        let mut found = Vec::new();
        for share in shares {
            let Some(reached) = share.reached(&self.measure) else { continue };
            let (standing, sustained) = (share.standing(), Sustained::one(reached));
            let anomaly = turn.reached(&self.judge(), share.entity(), &standing, &reached, (Some(&sustained), &[]));
            found.extend(anomaly.map(|anomaly| self.described(anomaly, Some(share))));
        }
        // By name, as they came.
        let of = |entity: &Option<String>| {
            let name = entity.as_deref().unwrap_or_default();
            shares.get(shares.binary_search_by(|share| share.name.as_str().cmp(name)).ok()?)
        };
        let over = turn.rest(|tracked| Some((self.judge(), of(&tracked.entity)?.standing())));
        found.extend(over.into_iter().map(|anomaly| self.described(anomaly, None)));
        found
    }

    /// With its sentence; `share` is that of the window, of which an episode that is over says nothing.
    fn described(&self, anomaly: Anomaly, share: Option<&Share>) -> Anomaly {
        let Anomaly { value: of, threshold, severity, .. } = anomaly;
        let entity = anomaly.entity.as_deref();
        let time = Timestamp::from_micros;
        let description = match share {
            None => {
                let (from, to) = (anomaly.first.time, anomaly.last.time);
                Recovery { entity, share: of, threshold, severity, from, to }.describe(self.language)
            }
            Some(Share { tally, missing, .. }) => Shortfall {
                entity,
                expected: tally.expected,
                missing: *missing,
                share: of,
                threshold,
                severity,
                longest: tally.silences.worst.first().and_then(|gap| time(gap.from.time).zip(time(gap.to.time))),
                newest: Some(anomaly.newest).filter(|newest| newest.row > 0).map(|newest| newest.time),
            }
            .describe(self.language),
        };
        Anomaly { description, ..anomaly }
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
}

impl Sums {
    fn take(&mut self, name: &str, tally: &Tally) {
        let Tally { expected, received, ref silences, newest } = *tally;
        self.expected += expected;
        self.received += received;
        if expected <= received {
            return;
        }
        let entity = (!name.is_empty()).then(|| name.to_string());
        self.gap_count += silences.count;
        self.gaps.extend(silences.worst.iter().filter_map(|silence| gap(silence, &entity)));
        let newest = newest.filter(|(newest, _)| newest.row > 0);
        self.entities.push(EntityCompleteness {
            entity,
            share: ratio(received, expected),
            expected,
            received,
            newest: newest.and_then(|(newest, _)| Timestamp::from_micros(newest.time)),
        });
    }

    fn into_completeness(mut self, mut anomalies: Vec<Anomaly>) -> Completeness {
        let incomplete = self.entities.len() as u64;
        // Stable: of equal ones the first by name.
        self.entities.sort_by(|a, b| a.share.get().total_cmp(&b.share.get()));
        self.entities.truncate(LISTED);
        self.gaps.sort_by(|a, b| b.missing.cmp(&a.missing).then(a.from.cmp(&b.from)));
        self.gaps.truncate(LISTED);
        anomalies.sort_by(|a, b| a.is_over().cmp(&b.is_over()).then_with(|| report_order(a, b)));
        Completeness {
            share: (self.expected > 0).then(|| ratio(self.received, self.expected)),
            expected: self.expected,
            received: self.received,
            incomplete,
            entities: self.entities,
            gap_count: self.gap_count,
            gaps: self.gaps,
            anomalies,
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

#[cfg(test)]
mod tests;
