use std::collections::HashMap;
use std::sync::Arc;

use super::series::Episode;
use super::{Entities, Levels, Reading, Rule, Rules, Series, report_order};
use crate::domain::{Anomaly, Bands, Batch, Figure, ServiceState, Status};

/// The metric of anomalies of services.
const SERVICE_STATUS: &str = "service_status";

/// Applies rules to batches. One series per (entity, metric) and (entity, service); constant time per value.
#[derive(Debug, Clone)]
pub struct Detector {
    rules: Arc<Rules>,
    entities: Entities,
    /// By rule, then by entity.
    metrics: Vec<Column>,
    /// By service in the order of appearance, then by entity.
    services: Vec<(Arc<str>, Column)>,
    service_numbers: HashMap<Arc<str>, usize>,
    status: Levels,
}

#[derive(Debug, Clone)]
struct Column {
    levels: Levels,
    series: Vec<Series>,
}

impl Detector {
    pub fn new(rules: Arc<Rules>) -> Detector {
        let metrics = rules.metrics().iter().map(|rule| Column::new(Levels::new(&rule.bands))).collect();
        let status = Levels::new(rules.status());
        let (entities, services, service_numbers) = Default::default();
        Detector { rules, entities, metrics, services, service_numbers, status }
    }

    /// Names are looked up once per batch; what is done per record is indexed arithmetic.
    pub fn push(&mut self, batch: &Batch) {
        let rows = self.entities.enter(batch);
        for metric in &batch.metrics {
            let column = self.rules.position(&metric.name).and_then(|at| self.metrics.get_mut(at));
            if let Some(column) = column {
                column.observe(rows.entities(), rows.metric(metric));
            }
        }
        for service in &batch.services {
            let next = self.services.len();
            let at = *self.service_numbers.entry(service.name.clone()).or_insert(next);
            if at == next {
                self.services.push((service.name.clone(), Column::new(self.status)));
            }
            if let Some((_, column)) = self.services.get_mut(at) {
                column.observe(rows.entities(), rows.service(service));
            }
        }
    }

    /// Everything that reached a band, in the order of a report. Descriptions are left empty: words are not the
    /// business of detection.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut found = Vec::new();
        for (number, entity) in self.entities.names() {
            let mut here: Vec<Anomaly> = Vec::new();
            for (rule, column) in self.rules.metrics().iter().zip(&self.metrics) {
                here.extend(column.series.get(number).and_then(|series| of_metric(rule, series)));
            }
            for (service, column) in &self.services {
                here.extend(
                    column.series.get(number).and_then(|series| of_service(service, self.rules.status(), series)),
                );
            }
            if here.is_empty() {
                continue;
            }
            let services = self.service_states(number);
            for anomaly in &mut here {
                anomaly.services.clone_from(&services);
                if let Some(entity) = entity {
                    anomaly.name = format!("{}@{entity}", anomaly.name);
                    anomaly.entity = Some(entity.to_string());
                }
            }
            found.append(&mut here);
        }
        found.sort_by(report_order);
        found
    }

    /// The services that the records of one entity name.
    fn service_states(&self, entity: usize) -> Vec<ServiceState> {
        let mut states: Vec<ServiceState> = self
            .services
            .iter()
            .filter_map(|(name, column)| {
                let series = column.series.get(entity)?;
                let (newest, worst) = (status(series.newest?.value)?, status(series.total.max()?)?);
                Some(ServiceState { name: name.to_string(), newest, worst })
            })
            .collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        states
    }
}

impl Column {
    fn new(levels: Levels) -> Column {
        Column { levels, series: Vec::new() }
    }

    fn observe(&mut self, entities: usize, readings: impl Iterator<Item = (usize, Reading)>) {
        self.series.resize(entities, Series::default());
        for (entity, reading) in readings {
            if let Some(series) = self.series.get_mut(entity) {
                series.observe(reading, &self.levels);
            }
        }
    }
}

/// `None` where no record reached a band.
fn of_metric(rule: &Rule, series: &Series) -> Option<Anomaly> {
    let found = anomaly(series, &rule.bands)?;
    let threshold = rule.bands.get(found.severity)?;
    Some(Anomaly {
        name: rule.metric.clone(),
        metric: rule.metric.clone(),
        unit: rule.unit.clone(),
        threshold,
        ..found
    })
}

/// `None` where no record reached a band. The threshold of a service is its worst level.
fn of_service(service: &str, bands: &Bands, series: &Series) -> Option<Anomaly> {
    let found = anomaly(series, bands)?;
    let name = format!("{SERVICE_STATUS}.{service}");
    Some(Anomaly { name, metric: SERVICE_STATUS.to_string(), service: Some(service.to_string()), ..found })
}

/// What metrics and services have in common. `None` where no record reached a band; the other fallible steps hold for
/// whatever a source lets through.
fn anomaly(series: &Series, bands: &Bands) -> Option<Anomaly> {
    let Episode { first, worst, last } = series.episode?;
    let severity = Levels::new(bands).severity(worst.value)?;
    let value = Figure::new(worst.value)?;
    Some(Anomaly {
        name: String::new(),
        metric: String::new(),
        service: None,
        entity: None,
        value,
        threshold: value,
        severity,
        unit: None,
        bands: *bands,
        records: series.total.count(),
        reached: series.reached,
        first: first.sample()?,
        worst: worst.sample()?,
        last: last.sample()?,
        newest: series.newest?.sample()?,
        mean: Figure::new(series.total.mean()?)?,
        services: Vec::new(),
        description: String::new(),
    })
}

/// The status of a level that a series kept as a number.
fn status(level: f64) -> Option<Status> {
    Status::from_level(level as u8)
}
