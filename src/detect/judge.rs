use std::time::Duration;

use super::breaks::back;
use super::episodes::{About, Tracked};
use super::rules::{Hours, Limits, Maintenance};
use super::series::least_stated_as;
use super::{Levels, Reached, Reading, Rule, Series, Stretch};
use crate::domain::{self, Anomaly, Aspect, Bands, Counts, Deviation, Evidence, Figure, Phase, Sample, Timestamp};

/// The metric of anomalies of services.
pub const SERVICE_STATUS: &str = "service_status";

/// How values are judged, made ready for comparing. Where bands fall, values are judged by their negatives, so that worse
/// is always greater: everything that is gathered is of the judged values, and only an [`Anomaly`] has the stated ones.
#[derive(Debug, Clone)]
pub struct Measure {
    /// As written.
    pub bands: Bands,
    pub levels: Levels,
    pub falls: bool,
    /// How long values must stay at or above the lowest band, in microseconds; `None`: one is enough.
    pub lasts: Option<i64>,
    /// The least value that an episode goes on with.
    pub clear: f64,
}

impl Measure {
    /// `clear` is the lowest band where it is not written.
    pub fn new(bands: Bands, lasts: Option<Duration>, clear: Option<Figure>) -> Measure {
        Measure::towards(bands, lasts, clear, false)
    }

    /// Of limits of a rule.
    pub fn of(rule: &Rule, limits: &Limits) -> Measure {
        Measure::towards(limits.bands, limits.lasts, limits.clear, rule.aspect == Aspect::Below)
    }

    fn towards(bands: Bands, lasts: Option<Duration>, clear: Option<Figure>, falls: bool) -> Measure {
        let judged = |figure: Figure| if falls { figure.negative() } else { figure };
        let Bands { low, medium, high } = bands;
        let [low, medium, high] = [low, medium, high].map(|band| band.map(judged));
        let levels = Levels::new(&Bands { low, medium, high });
        let lasts = lasts.map(|lasts| i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX));
        let clear = clear.map(judged).map_or(levels.start, least_stated_as);
        Measure { bands, levels, falls, lasts, clear }
    }

    /// A judged value as it is stated, and the other way round.
    pub fn stated(&self, value: f64) -> f64 {
        if self.falls { -value } else { value }
    }

    fn sample(&self, reading: Reading) -> Option<Sample> {
        Reading { value: self.stated(reading.value), ..reading }.sample()
    }
}

/// A measure as it holds for one metric or one service.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    pub metric: &'a str,
    pub aspect: Aspect,
    pub suffix: Option<&'a str>,
    pub service: Option<&'a str>,
    pub unit: Option<&'a str>,
    /// Of the metric itself.
    pub metric_unit: Option<&'a str>,
    /// What must hold, where values are a condition's.
    pub condition: Option<&'a str>,
    /// When a silence counts.
    pub hours: Option<&'a Hours>,
    pub maintenance: &'a [Maintenance],
    pub measure: &'a Measure,
}

/// What one window says of a series, whether anything reached a band or not.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub records: u64,
    pub newest: Reading,
    pub mean: f64,
    pub highest: f64,
}

impl Standing {
    /// `None` where there is no reading.
    pub fn of(series: &Series) -> Option<Standing> {
        let Series { total, newest, .. } = series;
        Some(Standing { records: total.count(), newest: (*newest)?, mean: total.mean()?, highest: total.max()? })
    }
}

impl<'a> Judge<'a> {
    pub fn of_metric(rule: &'a Rule, measure: &'a Measure) -> Judge<'a> {
        let Rule { metric, aspect, suffix, .. } = rule;
        Judge {
            metric,
            aspect: *aspect,
            suffix: *suffix,
            service: None,
            unit: rule.unit.as_deref(),
            metric_unit: rule.metric_unit.as_deref(),
            condition: rule.condition.as_deref(),
            hours: rule.hours.as_ref(),
            maintenance: &[],
            measure,
        }
    }

    pub fn of_service(service: &'a str, measure: &'a Measure) -> Judge<'a> {
        Judge {
            metric: SERVICE_STATUS,
            aspect: Aspect::Above,
            suffix: None,
            service: Some(service),
            unit: None,
            metric_unit: None,
            condition: None,
            hours: None,
            maintenance: &[],
            measure,
        }
    }

    /// The same rule, of a service.
    pub fn on(self, service: &'a str) -> Judge<'a> {
        Judge { service: Some(service), ..self }
    }

    /// The same rule, beside maintenance.
    pub fn beside(self, maintenance: &'a [Maintenance]) -> Judge<'a> {
        Judge { maintenance, ..self }
    }

    pub fn about(&self) -> About {
        match self.service {
            Some(service) => About::Service(service.to_string(), self.aspect),
            None => About::Metric(self.metric.to_string(), self.aspect),
        }
    }

    /// The anomaly's name: `cpu_usage@web-1`, `cpu_usage@web-1#rate`, `service_status.cache`.
    pub fn name(&self, entity: Option<&str>) -> String {
        let series = match self.service {
            Some(service) => format!("{}.{service}", self.metric),
            None => self.metric.to_string(),
        };
        let name = entity.map_or(series.clone(), |entity| format!("{series}@{entity}"));
        self.suffix.map_or(name.clone(), |suffix| format!("{name}#{suffix}"))
    }

    /// What begins with a reading that reached a band: silence does when it had lasted so long, not when it ended.
    pub fn began(&self, entity: Option<&str>, first: Reading) -> Reading {
        if self.aspect != Aspect::Stale {
            return first;
        }
        let Some((_, lowest)) = self.measure.bands.lowest() else { return first };
        let band = lowest.get().min(first.value); // not where it is reached by rounding, which is some microseconds off
        let span = ((first.value - band) * 1e6) as i64;
        let time = match (self.hours, self.maintenance) {
            (None, []) => first.time.saturating_sub(span),
            (hours, maintenance) => back(hours, &Maintenance::of(maintenance, entity), first.time, span),
        };
        Reading { time, value: band, ..first }
    }

    fn stretch(&self, entity: Option<&str>, stretch: &Stretch) -> Option<domain::Stretch> {
        let (from, to) = (self.began(entity, stretch.from).time, stretch.to);
        Some(domain::Stretch { from: Timestamp::from_micros(from)?, to: Timestamp::from_micros(to)? })
    }

    /// What a report says of a series that reached a band; its sentence is left empty. `None` only for what no source lets
    /// through. The threshold of a service's status is its worst level. `evidence` is that of the worst reading.
    pub fn anomaly(
        &self,
        entity: Option<&str>,
        standing: &Standing,
        reached: &Reached,
        evidence: Option<Evidence>,
    ) -> Option<Anomaly> {
        let Reached { counts, first, worst, last, stretches } = reached;
        let Measure { bands, levels, .. } = self.measure;
        let severity = levels.severity(worst.value)?;
        let sample = |reading| self.measure.sample(reading);
        let value = sample(*worst)?.value;
        let is_status = self.service.is_some() && self.aspect.is_above();
        let threshold = if is_status { value } else { bands.get(severity)? };
        Some(Anomaly {
            name: self.name(entity),
            metric: self.metric.to_string(),
            aspect: self.aspect,
            condition: self.condition.map(str::to_string),
            service: self.service.map(str::to_string),
            entity: entity.map(str::to_string),
            value,
            threshold,
            severity,
            unit: self.unit.map(str::to_string),
            bands: *bands,
            records: standing.records,
            reached: *counts,
            first: sample(self.began(entity, *first))?,
            worst: sample(*worst)?,
            last: sample(*last)?,
            stretch: self.stretch(entity, &stretches.worst)?,
            newest: sample(standing.newest)?,
            mean: Figure::new(self.measure.stated(standing.mean))?,
            evidence: evidence.map(|evidence| self.stated(evidence)),
            services: Vec::new(),
            description: String::new(),
            episode: None,
        })
    }

    fn stated(&self, evidence: Evidence) -> Evidence {
        match evidence {
            Evidence::Unusual(deviation) => {
                Evidence::Unusual(Deviation { unit: self.metric_unit.map(str::to_string), ..deviation })
            }
            other => other,
        }
    }

    /// The anomaly of a window: the window's figures, with the episode that they are of.
    pub fn of_window(
        &self,
        entity: Option<&str>,
        standing: &Standing,
        reached: &Reached,
        evidence: Option<Evidence>,
        (tracked, phase): (&Tracked, Phase),
    ) -> Option<Anomaly> {
        let reached = Reached { first: tracked.first, ..*reached };
        let found = self.anomaly(entity, standing, &reached, evidence)?;
        let worst = self.measure.levels.severity(tracked.worst.value)?;
        let episode = tracked.episode(&found.name, phase, worst)?;
        Some(Anomaly { episode: Some(episode), ..found })
    }

    /// The anomaly that tells of an episode's end: what was worst in all of it, and no record that reached a band.
    pub fn resolved(&self, entity: Option<&str>, standing: &Standing, tracked: &Tracked) -> Option<Anomaly> {
        let Tracked { first, worst, last, stretches, .. } = *tracked;
        let reached = Reached { counts: Counts::default(), first, worst, last, stretches };
        self.of_window(entity, standing, &reached, tracked.evidence.clone(), (tracked, Phase::Resolved))
    }
}
