use super::episodes::{About, Tracked};
use super::{Levels, Reached, Rule, Series};
use crate::domain::{Anomaly, Bands, Counts, Figure, Phase};

/// The metric of anomalies of services.
const SERVICE_STATUS: &str = "service_status";

/// A rule as it holds for one metric or one service.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    metric: &'a str,
    service: Option<&'a str>,
    unit: Option<&'a String>,
    bands: &'a Bands,
    pub levels: &'a Levels,
}

impl<'a> Judge<'a> {
    pub fn of_metric(rule: &'a Rule, levels: &'a Levels) -> Judge<'a> {
        Judge { metric: &rule.metric, service: None, unit: rule.unit.as_ref(), bands: &rule.bands, levels }
    }

    pub fn of_service(service: &'a str, bands: &'a Bands, levels: &'a Levels) -> Judge<'a> {
        Judge { metric: SERVICE_STATUS, service: Some(service), unit: None, bands, levels }
    }

    pub fn about(&self) -> About {
        match self.service {
            Some(service) => About::Service(service.to_string()),
            None => About::Metric(self.metric.to_string()),
        }
    }

    /// The anomaly's name: `cpu_usage@web-1`, `service_status.cache`.
    pub fn name(&self, entity: Option<&str>) -> String {
        let series = match self.service {
            Some(service) => format!("{}.{service}", self.metric),
            None => self.metric.to_string(),
        };
        entity.map_or(series.clone(), |entity| format!("{series}@{entity}"))
    }

    /// What a report says of a series that reached a band. `None` only for what no source lets through. The threshold of
    /// a service is its worst level.
    pub fn anomaly(&self, entity: Option<&str>, series: &Series, reached: &Reached) -> Option<Anomaly> {
        let Reached { counts, first, worst, last } = reached;
        let severity = self.levels.severity(worst.value)?;
        let value = Figure::new(worst.value)?;
        let threshold = if self.service.is_some() { value } else { self.bands.get(severity)? };
        Some(Anomaly {
            name: self.name(entity),
            metric: self.metric.to_string(),
            service: self.service.map(str::to_string),
            entity: entity.map(str::to_string),
            value,
            threshold,
            severity,
            unit: self.unit.cloned(),
            bands: *self.bands,
            records: series.total.count(),
            reached: *counts,
            first: first.sample()?,
            worst: worst.sample()?,
            last: last.sample()?,
            newest: series.newest?.sample()?,
            mean: Figure::new(series.total.mean()?)?,
            services: Vec::new(),
            description: String::new(),
            episode: None,
        })
    }

    /// The anomaly of a window: the window's figures, with the episode that they are of.
    pub fn of_window(
        &self,
        entity: Option<&str>,
        series: &Series,
        reached: &Reached,
        tracked: &Tracked,
        phase: Phase,
    ) -> Option<Anomaly> {
        let found = self.anomaly(entity, series, &Reached { first: tracked.first, ..*reached })?;
        let episode = tracked.episode(&found.name, phase, self.levels.severity(tracked.worst.value)?)?;
        Some(Anomaly { episode: Some(episode), ..found })
    }

    /// The anomaly that tells of an episode's end: what was worst in all of it, and no record that reached a band.
    pub fn resolved(&self, entity: Option<&str>, series: &Series, tracked: &Tracked) -> Option<Anomaly> {
        let Tracked { first, worst, last, .. } = *tracked;
        let reached = Reached { counts: Counts::default(), first, worst, last };
        self.of_window(entity, series, &reached, tracked, Phase::Resolved)
    }
}
