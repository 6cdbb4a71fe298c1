//! From the anomalies of each window to episodes and what they come to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::enabled::{Enabled, covered};
use super::outcome::{Episode, Firing, RuleFirings, SeriesFirings};
use crate::detect::{Hours, Maintenance, SERVICE_STATUS};
use crate::domain::{
    Anomaly, Aspect, Batch, Counts, Figure, Insufficient, NO_ENTITY, Note, Phase, Severity, Timestamp, WindowSpan,
};

/// An episode whose series sends nothing for so long is given up, as the folds do; microseconds.
const GIVEN_UP: i64 = 24 * 3_600 * 1_000_000;

/// A node and one of its rules.
pub type RuleName = (String, String);

/// What has been found so far.
#[derive(Default)]
pub struct Tally {
    /// By rule, then by the name of the anomalies.
    rules: BTreeMap<RuleName, BTreeMap<String, Series>>,
    /// When rules judge, where that is not always; and the maintenance of each node.
    hours: HashMap<RuleName, Hours>,
    maintenance: HashMap<String, Vec<Maintenance>>,
    /// Rules that judged nothing so far, with what they lack.
    idle: BTreeMap<RuleName, Insufficient>,
    /// Time of the newest record of each entity; the empty name stands for records that name none.
    heard: HashMap<String, i64>,
}

struct Series {
    /// The latest anomaly.
    sample: Anomaly,
    episodes: Vec<Spell>,
}

/// An episode in the making; times in microseconds.
struct Spell {
    id: String,
    since: i64,
    /// `None` while it is not over.
    until: Option<i64>,
    /// End of the last window that told of it.
    told: i64,
    severity: Severity,
    value: Figure,
    records: Counts,
}

impl Tally {
    /// A rule that is there, whether it fires or not, and its hours.
    pub fn expect(&mut self, rule: RuleName, hours: Option<Hours>) {
        if let Some(hours) = hours {
            self.hours.insert(rule.clone(), hours);
        }
        let needs = "records that name a service".to_string();
        self.idle.insert(rule.clone(), Insufficient { rule: rule.1.clone(), series: 0, of: 0, needs });
        self.rules.entry(rule).or_default();
    }

    /// When the rules of a node do not judge.
    pub fn pause(&mut self, node: String, maintenance: Vec<Maintenance>) {
        self.maintenance.insert(node, maintenance);
    }

    /// Takes what the rules of a node could not judge in a window; a window in which a rule could is enough for it.
    pub fn judge(&mut self, node: &str, notes: &[Note]) {
        let lacking = |rule: &str| {
            notes.iter().find_map(|note| match note {
                Note::Insufficient(found) if found.rule == rule && found.series == found.of => Some(found),
                _ => None,
            })
        };
        self.idle.retain(|(of, rule), known| {
            if of != node || is_of_services(rule) {
                return true;
            }
            let lacking = lacking(rule);
            if let Some(lacking) = lacking.filter(|lacking| lacking.of >= known.of) {
                *known = lacking.clone();
            }
            lacking.is_some()
        });
    }

    pub fn hear(&mut self, batch: &Batch) {
        if !batch.services.is_empty() {
            self.idle.retain(|(_, rule), _| !is_of_services(rule));
        }
        let mut newest: Vec<Option<i64>> = vec![None; batch.entities.len() + 1];
        for (&entity, &time) in batch.entity.iter().zip(&batch.times) {
            let place = if entity == NO_ENTITY { batch.entities.len() } else { entity as usize };
            if let Some(newest) = newest.get_mut(place) {
                *newest = (*newest).max(Some(time));
            }
        }
        let names = batch.entities.iter().map(|name| &**name).chain([""]);
        for (name, newest) in names.zip(newest) {
            let Some(newest) = newest else { continue };
            match self.heard.get_mut(name) {
                Some(known) => *known = (*known).max(newest),
                None => drop(self.heard.insert(name.to_string(), newest)),
            }
        }
    }

    /// Takes what a node found in a window.
    pub fn take(&mut self, node: &str, anomalies: Vec<Anomaly>, window: WindowSpan) {
        for anomaly in anomalies {
            let rule = (node.to_string(), rule_of(&anomaly));
            let series = self.rules.entry(rule).or_default();
            let Some(found) = anomaly.episode.clone() else { continue }; // there is one in every window
            let series = series
                .entry(anomaly.name.clone())
                .or_insert_with(|| Series { sample: anomaly.clone(), episodes: Vec::new() });
            if series.episodes.last().is_none_or(|spell| spell.id != found.id) {
                series.episodes.push(Spell {
                    id: found.id.clone(),
                    since: found.since.micros(),
                    until: None,
                    told: 0,
                    severity: anomaly.severity,
                    value: anomaly.value,
                    records: Counts::default(),
                });
            }
            let Some(spell) = series.episodes.last_mut() else { continue };
            if found.phase == Phase::Resolved {
                let last = anomaly.last.time.micros();
                // Silence ends with the reading that ends it, in whatever window.
                spell.until =
                    Some(if anomaly.aspect == Aspect::Stale { last } else { window.start.micros().max(last) });
                spell.value = anomaly.value; // the worst of all
            } else {
                if found.worst_severity > spell.severity || is_worse(&anomaly, spell.value) {
                    spell.value = anomaly.value;
                }
                spell.told = window.end.micros();
                spell.records.join(&anomaly.reached);
            }
            spell.severity = spell.severity.max(found.worst_severity);
            series.sample = anomaly;
        }
    }

    /// All rules, now that the last record, of `covered`, has come.
    pub fn finish(self, covered: (i64, i64)) -> Vec<RuleFirings> {
        let Tally { rules, hours, maintenance, heard, mut idle } = self;
        let mut all: Vec<RuleFirings> = Vec::new();
        for ((node, rule), series) in rules {
            let of = (node, rule);
            let maintenance = maintenance.get(&of.0).map_or(&[] as &[Maintenance], Vec::as_slice);
            let open = Enabled::new(hours.get(&of), covered);
            let enabled = |entity: Option<&str>| open.without(maintenance, entity);
            let mut spans: Vec<(i64, i64)> = Vec::new();
            let mut series: Vec<SeriesFirings> = series
                .into_iter()
                .map(|(name, series)| {
                    let entity = series.sample.entity.clone();
                    let last = heard.get(entity.as_deref().unwrap_or("")).copied().unwrap_or(covered.1);
                    series.finish(name, last, covered, &enabled(entity.as_deref()), &mut spans)
                })
                .collect();
            series.sort_by_key(|series| Reverse(order(&series.firing)));
            let of_series: Vec<Firing> = series.iter().map(|series| series.firing).collect();
            let firing = together(&of_series, spans, enabled(None).total());
            let insufficient = idle.remove(&of).filter(|_| series.is_empty());
            let (node, rule) = of;
            all.push(RuleFirings { node, rule, firing, insufficient, series });
        }
        all.sort_by_key(|rule| Reverse(order(&rule.firing)));
        all
    }
}

impl Series {
    /// `last` is the time of the newest record of its entity. When it was firing while it was judged goes to `all`, too.
    fn finish(
        self,
        series: String,
        last: i64,
        covered: (i64, i64),
        enabled: &Enabled,
        all: &mut Vec<(i64, i64)>,
    ) -> SeriesFirings {
        let Series { sample, episodes } = self;
        let count = episodes.len();
        let finish = |(at, spell): (usize, &Spell)| spell.finish(at + 1 < count, last, covered);
        let episodes: Vec<Episode> = episodes.iter().enumerate().map(finish).collect();
        SeriesFirings {
            series,
            metric: sample.metric,
            aspect: sample.aspect,
            service: sample.service,
            entity: sample.entity,
            unit: sample.unit,
            bands: sample.bands,
            firing: firing(&episodes, enabled, all),
            episodes,
        }
    }
}

impl Spell {
    /// `followed`: a later episode of the series has begun, so this one is over, told or not.
    fn finish(&self, followed: bool, last: i64, (_, to): (i64, i64)) -> Episode {
        let silent = to.saturating_sub(last.max(self.told)) > GIVEN_UP;
        let (until, open) = match self.until {
            Some(until) => (until, false),
            None if followed => (self.told, false),
            None if silent => (last.max(self.told), false),
            None => (to, true),
        };
        Episode {
            since: Timestamp::nearest(self.since),
            until: Timestamp::nearest(until.min(to).max(self.since)),
            open,
            severity: self.severity,
            value: self.value,
            records: self.records,
        }
    }
}

/// Whether a rule judges services, of which nothing is noted.
fn is_of_services(rule: &str) -> bool {
    rule.split('#').next() == Some(SERVICE_STATUS)
}

/// Whether its value lies further beyond its bands than this one.
fn is_worse(anomaly: &Anomaly, than: Figure) -> bool {
    let (value, than) = (anomaly.value.get(), than.get());
    if anomaly.aspect == Aspect::Below { value < than } else { value > than }
}

/// `cpu_usage#rate` of `cpu_usage@web-1#rate`: the metric, and what follows the series in the anomaly's name.
pub fn rule_of(anomaly: &Anomaly) -> String {
    let mut series = anomaly.metric.clone();
    if let Some(service) = &anomaly.service {
        series = format!("{series}.{service}");
    }
    if let Some(entity) = &anomaly.entity {
        series = format!("{series}@{entity}");
    }
    let suffix = anomaly.name.strip_prefix(&series).unwrap_or_default();
    format!("{}{suffix}", anomaly.metric)
}

/// What fired longest is greatest, then what fired most often.
fn order(firing: &Firing) -> (u64, u64) {
    ((firing.seconds.get() * 1e6) as u64, firing.episodes)
}

fn seconds(micros: i64) -> Figure {
    Figure::new(micros as f64 / 1e6).unwrap_or(Figure::ZERO)
}

/// What the episodes of a series come to, in the time in which it is judged. That time goes to `all`, too.
fn firing(episodes: &[Episode], enabled: &Enabled, all: &mut Vec<(i64, i64)>) -> Firing {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut longest = 0;
    for episode in episodes {
        let begin = spans.len();
        spans.extend(enabled.within((episode.since.micros(), episode.until.micros())));
        let length = spans.iter().skip(begin).map(|(since, until)| until - since).sum();
        longest = longest.max(length);
    }
    let mut records = Counts::default();
    episodes.iter().for_each(|e| records.join(&e.records));
    all.extend_from_slice(&spans);
    Firing {
        episodes: episodes.len() as u64,
        open: episodes.iter().filter(|e| e.open).count() as u64,
        first: episodes.iter().map(|e| e.since).min(),
        last: episodes.iter().map(|e| e.until).max(),
        longest_seconds: seconds(longest),
        records,
        ..timed(spans, enabled.total())
    }
}

/// What the series of a rule come to.
fn together(series: &[Firing], spans: Vec<(i64, i64)>, enabled: i64) -> Firing {
    let mut records = Counts::default();
    series.iter().for_each(|firing| records.join(&firing.records));
    Firing {
        episodes: series.iter().map(|firing| firing.episodes).sum(),
        open: series.iter().map(|firing| firing.open).sum(),
        first: series.iter().filter_map(|firing| firing.first).min(),
        last: series.iter().filter_map(|firing| firing.last).max(),
        longest_seconds: series.iter().map(|firing| firing.longest_seconds).fold(Figure::ZERO, longer),
        records,
        ..timed(spans, enabled)
    }
}

fn longer(one: Figure, other: Figure) -> Figure {
    if other > one { other } else { one }
}

fn timed(spans: Vec<(i64, i64)>, enabled: i64) -> Firing {
    let total = covered(spans);
    let share = if enabled > 0 { Figure::new(total as f64 / enabled as f64) } else { None };
    Firing { seconds: seconds(total), enabled_seconds: seconds(enabled), share, ..Firing::default() }
}
