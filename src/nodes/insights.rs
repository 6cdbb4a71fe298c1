use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::detect::{Entities, Reading, Total};
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, Coverage, Figure, Insights, ServiceSummary, Stat, Status, Summary};
use crate::node::{Assets, Fold, Wanted, Window};

/// Figures over the records of the window, the newest status of each service, and the time of the newest record.
///
/// `values` names the figures, in the order of the report. Left out, they are those of the infrastructure report:
///
/// ```toml
/// [nodes.insights.values]
/// average_latency_ms = { metric = "latency_ms", stat = "mean" }
/// max_cpu_usage = { metric = "cpu_usage", stat = "max" }
/// max_memory_usage = { metric = "memory_usage", stat = "max" }
/// error_rate = { metric = "error_rate", stat = "mean" }
/// uptime_seconds = { metric = "uptime_seconds", stat = "newest" }
/// ```
///
/// `stat` is `mean`, `min`, `max`, `sum`, `count` or `newest`, over the records that have the metric; `newest` over
/// several entities is the smallest of their newest. A figure is `null` when not one record has the metric, and when a
/// sum is beyond what a number can say. `coverage` says how many records stand behind each.
///
/// A service counts under its newest status; over several entities under the worst of their newest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "insights")]
pub struct Config {
    /// The figures by name.
    #[schemars(with = "Option<BTreeMap<String, Value>>")]
    pub values: Option<BTreeMap<Spanned<String>, Value>>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The field of the records.
    pub metric: String,
    pub stat: Stat,
}

pub struct InsightTable {
    /// In the order of the report.
    values: Vec<(String, Value)>,
    entities: Entities,
    /// By metric.
    metrics: Vec<Metric>,
    /// By service, then by entity: the newest level.
    services: HashMap<Arc<str>, Vec<Option<Reading>>>,
}

#[derive(Debug, Clone)]
struct Metric {
    name: String,
    total: Total,
    /// By entity.
    newest: Vec<Option<Reading>>,
}

impl Fold for InsightTable {
    const KIND: &'static str = "insights";
    const VERSION: u32 = 1;
    type Config = Config;
    type Output = Summary;

    fn new(config: Config, _assets: &Assets<'_>) -> Result<InsightTable, Vec<Diagnostic>> {
        let values = match config.values {
            None => Insights::DEFAULT
                .iter()
                .map(|(name, metric, stat)| (name.to_string(), Value { metric: metric.to_string(), stat: *stat }))
                .collect(),
            Some(values) => {
                let mut values: Vec<(Spanned<String>, Value)> = values.into_iter().collect();
                values.sort_by_key(|(name, _)| name.span().start); // the order of the file
                values.into_iter().map(|(name, value)| (name.into_inner(), value)).collect()
            }
        };
        Ok(InsightTable::empty(values))
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.values.iter().map(|(_, value)| value.metric.clone()).collect() }
    }

    fn push(&mut self, batch: &Batch) {
        let rows = self.entities.enter(batch);
        for column in &batch.metrics {
            let Some(metric) = self.metrics.iter_mut().find(|m| m.name == *column.name) else { continue };
            metric.newest.resize(rows.entities(), None);
            for (entity, reading) in rows.metric(column) {
                metric.total.add(reading.value);
                keep_newest(&mut metric.newest, entity, reading);
            }
        }
        for column in &batch.services {
            let newest = self.services.entry(column.name.clone()).or_default();
            newest.resize(rows.entities(), None);
            for (entity, reading) in rows.service(column) {
                keep_newest(newest, entity, reading);
            }
        }
    }

    fn close(&mut self, window: &Window) -> Summary {
        let closed = std::mem::replace(self, InsightTable::empty(self.values.clone()));
        let figures = closed.values.iter().map(|(name, value)| (name.clone(), closed.figure(value))).collect();
        let coverage = closed.values.iter().map(|(name, value)| Coverage {
            insight: name.clone(),
            metric: value.metric.clone(),
            records: closed.metric(value).map_or(0, |m| m.total.count()),
            of: window.records,
        });
        Summary {
            timestamp: window.newest,
            insights: Insights(figures),
            coverage: coverage.collect(),
            services: closed.services(),
        }
    }
}

impl InsightTable {
    fn empty(values: Vec<(String, Value)>) -> InsightTable {
        let mut metrics: Vec<Metric> = Vec::new();
        for (_, value) in &values {
            if !metrics.iter().any(|m| m.name == value.metric) {
                metrics.push(Metric { name: value.metric.clone(), total: Total::default(), newest: Vec::new() });
            }
        }
        InsightTable { values, metrics, entities: Entities::default(), services: HashMap::new() }
    }

    fn metric(&self, value: &Value) -> Option<&Metric> {
        self.metrics.iter().find(|m| m.name == value.metric)
    }

    /// Only a sum can be beyond a finite number: extremes and newest are values themselves, and a mean lies between
    /// the extremes.
    fn figure(&self, value: &Value) -> Option<Figure> {
        let metric = self.metric(value)?;
        let total = &metric.total;
        if total.count() == 0 {
            return None;
        }
        Figure::new(match value.stat {
            Stat::Mean => total.mean()?,
            Stat::Min => total.min()?,
            Stat::Max => total.max()?,
            Stat::Sum => total.sum()?,
            Stat::Count => return Some(Figure::count(total.count())),
            Stat::Newest => metric.newest.iter().flatten().map(|r| r.value).min_by(f64::total_cmp)?,
        })
    }

    fn services(&self) -> ServiceSummary {
        let mut summary = ServiceSummary::default();
        for (name, newest) in &self.services {
            let worst = newest.iter().flatten().map(|r| r.value as u8).max().and_then(Status::from_level);
            match worst {
                Some(Status::Online) => summary.online.push(name.to_string()),
                Some(Status::Degraded) => summary.degraded.push(name.to_string()),
                Some(Status::Offline) => summary.offline.push(name.to_string()),
                None => {} // no record states its status
            }
        }
        for list in [&mut summary.online, &mut summary.degraded, &mut summary.offline] {
            list.sort_unstable();
        }
        summary
    }
}

/// Of readings of one time the later row is the newer.
fn keep_newest(newest: &mut [Option<Reading>], entity: usize, reading: Reading) {
    if let Some(slot) = newest.get_mut(entity)
        && slot.is_none_or(|known| !reading.is_before(&known))
    {
        *slot = Some(reading);
    }
}
