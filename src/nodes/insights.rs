use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::detect::{Entities, PerEntity, Reading, Total};
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, Coverage, Figure, Insights, Note, ServiceSummary, Stat, Status, Summary, Timestamp};
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

impl Config {
    /// The figures by name, in the order of the report.
    pub fn into_values(self) -> Vec<(String, Value)> {
        match self.values {
            None => Insights::DEFAULT
                .iter()
                .map(|(name, metric, stat)| (name.to_string(), Value { metric: metric.to_string(), stat: *stat }))
                .collect(),
            Some(values) => {
                let mut values: Vec<(Spanned<String>, Value)> = values.into_iter().collect();
                values.sort_by_key(|(name, _)| name.span().start); // the order of the file
                values.into_iter().map(|(name, value)| (name.into_inner(), value)).collect()
            }
        }
    }
}

pub struct InsightTable {
    /// In the order of the report.
    values: Vec<(String, Value)>,
}

/// What is gathered of one window.
pub struct Gathered {
    entities: Entities,
    /// By metric.
    metrics: Vec<Metric>,
    /// By service: the newest levels.
    services: HashMap<Arc<str>, PerEntity<Newest>>,
}

#[derive(Debug, Clone)]
struct Metric {
    name: String,
    total: Total,
    /// Kept only where a figure asks for it.
    newest: Option<PerEntity<Newest>>,
}

/// The newest reading of a series.
#[derive(Debug, Clone, Copy, Default)]
struct Newest(Option<Reading>);

impl Newest {
    /// Of readings of one time the later row is the newer.
    fn observe(&mut self, reading: Reading) {
        if self.0.is_none_or(|known| !reading.is_before(&known)) {
            self.0 = Some(reading);
        }
    }
}

impl Fold for InsightTable {
    const KIND: &'static str = "insights";
    const VERSION: u32 = 1;
    type Config = Config;
    type Output = Summary;
    type Gathered = Gathered;
    type State = ();

    fn new(config: Config, _assets: &Assets<'_>) -> Result<InsightTable, Vec<Diagnostic>> {
        Ok(InsightTable { values: config.into_values() })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.values.iter().map(|(_, value)| value.metric.clone()).collect() }
    }

    fn open(&self, _: Option<Timestamp>) -> Gathered {
        let mut metrics: Vec<Metric> = Vec::new();
        for (_, Value { metric: name, .. }) in &self.values {
            if !metrics.iter().any(|m| m.name == *name) {
                let newest = self.values.iter().any(|(_, v)| v.metric == *name && v.stat == Stat::Newest);
                let newest = newest.then(PerEntity::default);
                metrics.push(Metric { name: name.clone(), total: Total::default(), newest });
            }
        }
        Gathered { metrics, entities: Entities::default(), services: HashMap::new() }
    }

    fn push(&self, gathered: &mut Gathered, batch: &Batch) {
        gathered.push(batch);
    }

    fn close(&self, gathered: Gathered, _: &mut (), window: &Window, _: &mut Vec<Note>) -> Summary {
        let figures = self.values.iter().map(|(name, value)| (name.clone(), gathered.figure(value))).collect();
        let coverage = self.values.iter().map(|(name, value)| Coverage {
            insight: name.clone(),
            metric: value.metric.clone(),
            records: gathered.metric(value).map_or(0, |m| m.total.count()),
            of: window.records,
        });
        Summary {
            timestamp: window.newest,
            insights: Insights(figures),
            coverage: coverage.collect(),
            services: gathered.services(),
        }
    }
}

impl Gathered {
    fn push(&mut self, batch: &Batch) {
        let rows = self.entities.enter(batch);
        for column in &batch.metrics {
            let Some(metric) = self.metrics.iter_mut().find(|m| m.name == *column.name) else { continue };
            metric.total.join(&Total::of(&column.values));
            if let Some(newest) = &mut metric.newest {
                let number = |value: f64| Some(value).filter(|value| value.is_finite());
                rows.newest(&column.values, number, |entity, reading| newest.of(entity).observe(reading));
            }
        }
        for column in &batch.services {
            // A name is copied only where it is new.
            let newest = match self.services.get_mut(&column.name) {
                Some(newest) => newest,
                None => self.services.entry(column.name.clone()).or_default(),
            };
            let number = |level: u8| Status::from_level(level).map(|status| f64::from(status.level()));
            rows.newest(&column.levels, number, |entity, reading| newest.of(entity).observe(reading));
        }
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
            Stat::Newest => {
                let newest = metric.newest.iter().flat_map(PerEntity::iter);
                newest.filter_map(|(_, n)| n.0).map(|r| r.value).min_by(f64::total_cmp)?
            }
        })
    }

    fn services(&self) -> ServiceSummary {
        let mut summary = ServiceSummary::default();
        for (name, newest) in &self.services {
            let worst =
                newest.iter().filter_map(|(_, n)| n.0).map(|r| r.value as u8).max().and_then(Status::from_level);
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

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::*;
    use crate::detect::testing::{batch, minute, records};
    use crate::diagnostic::{SourceFile, decode, parse_toml};
    use crate::domain::Language;
    use crate::port::Files;

    struct NoFiles;

    impl Files for NoFiles {
        fn read(&self, path: &str) -> Result<SourceFile, String> {
            Err(format!("nothing should read {path}"))
        }
        fn locate(&self, path: &str) -> String {
            path.to_string()
        }
    }

    fn build(config: &str) -> Result<InsightTable, Vec<String>> {
        let source = SourceFile::new("g.toml", config);
        let table = parse_toml(&source).unwrap();
        let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        decode(value, &source)
            .and_then(|config| InsightTable::new(config, &Assets::new(Language::En, &source, &NoFiles)))
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn summary(config: &str, text: &str, batch_size: usize) -> Summary {
        let insights = build(config).unwrap();
        let mut gathered = insights.open(None);
        let records = records(text);
        records.chunks(batch_size).for_each(|chunk| insights.push(&mut gathered, &batch(chunk)));
        let newest = records.iter().map(|r| r.time).max().and_then(Timestamp::from_micros).unwrap();
        let window = Window { records: records.len() as u64, newest, span: None, partial: false };
        insights.close(gathered, &mut (), &window, &mut Vec::new())
    }

    /// However the records are cut into batches.
    fn check(config: &str, text: &str, insights: &str, services: &str) {
        for batch_size in [1, 2, 100] {
            let got = summary(config, text, batch_size);
            assert_eq!(serde_json::to_string(&got.insights).unwrap(), insights, "{text}");
            assert_eq!(serde_json::to_string(&got.services).unwrap(), services, "{text}");
        }
    }

    const NO_SERVICES: &str = r#"{"online":[],"degraded":[],"offline":[]}"#;

    #[test]
    fn the_five_of_the_infrastructure_report_are_the_default() {
        check(
            "",
            "0 - latency_ms=100 cpu_usage=50 memory_usage=60 error_rate=0.1 uptime_seconds=7200
             2 - latency_ms=101 cpu_usage=99.5 memory_usage=61.25 error_rate=0.2 uptime_seconds=60
             1 - latency_ms=101 uptime_seconds=9000",
            r#"{"average_latency_ms":100.666667,"max_cpu_usage":99.5,"max_memory_usage":61.25,"error_rate":0.15,"uptime_seconds":60}"#,
            NO_SERVICES,
        );
        check(
            "",
            "0 - other=1",
            r#"{"average_latency_ms":null,"max_cpu_usage":null,"max_memory_usage":null,"error_rate":null,"uptime_seconds":null}"#,
            NO_SERVICES,
        );
    }

    #[test]
    fn values_may_be_any_and_keep_the_order_of_the_file() {
        let values = "[values]
            z = { metric = 'x', stat = 'sum' }
            lo = { metric = 'x', stat = 'min' }
            a = { metric = 'x', stat = 'count' }
            mean = { metric = 'x', stat = 'mean' }
            new = { metric = 'x', stat = 'newest' }";
        check(
            values,
            "3 a x=5 \n 1 a x=-2.5 \n 2 b x=7 \n 2 b x=8 \n 9 b y=1 \n 0 - x=90",
            r#"{"z":107.5,"lo":-2.5,"a":5,"mean":21.5,"new":5}"#,
            NO_SERVICES,
        );
        check(
            values,
            "0 - x=1.7e308 \n 1 - x=1.7e308",
            r#"{"z":null,"lo":1.7e+308,"a":2,"mean":1.7e+308,"new":1.7e+308}"#,
            NO_SERVICES,
        );
        let wanted = build(values).unwrap().wants();
        assert_eq!(wanted.metrics.into_iter().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn a_service_counts_under_the_worst_of_its_newest_statuses() {
        check(
            "values = {}",
            "0 a db=offline cache=online web=degraded
             1 a db=online
             1 a api=degraded
             0 b db=degraded
             3 c queue=offline
             2 c queue=online
             3 c mail=offline
             3 c mail=online",
            "{}",
            r#"{"online":["cache","mail"],"degraded":["api","db","web"],"offline":["queue"]}"#,
        );
    }

    #[test]
    fn what_is_kept_grows_with_what_occurs() {
        let mut insights = build("values = {}").unwrap().open(None);
        let hosts: Vec<String> = (0..2000).map(|i| format!("0 h{i} s{i}=online")).collect();
        hosts.chunks(100).for_each(|chunk| insights.push(&batch(&records(&chunk.join("\n")))));
        assert_eq!(insights.services.values().map(|newest| newest.iter().count()).sum::<usize>(), 2000);
    }

    #[test]
    fn coverage_says_how_many_records_have_the_metric() {
        let config = "[values]\nb = { metric = 'x', stat = 'max' }\na = { metric = 'y', stat = 'max' }";
        let got = summary(config, "0 - x=1 \n 1 - x=2 \n 2 - z=3", 2);
        let coverage: Vec<(&str, &str, u64, u64)> =
            got.coverage.iter().map(|c| (c.insight.as_str(), c.metric.as_str(), c.records, c.of)).collect();
        assert_eq!(coverage, [("b", "x", 2, 3), ("a", "y", 0, 3)]);
        assert_eq!(got.timestamp.micros(), minute(2));
    }

    #[test]
    fn faults_of_the_config_have_their_places() {
        let faults = |config| build(config).err().unwrap_or_default();
        assert_eq!(
            faults("[values]\na = { metric = 'x', stat = 'median' }\nb = { metrik = 'x', stat = 'max' }\n[valeus]"),
            [
                "g.toml:4:2: AG0003: unknown key `valeus`",
                "g.toml:2:28: AG0005: `median` is not known here",
                "g.toml:3:7: AG0003: unknown key `metrik`",
                "g.toml:3:5: AG0004: the key `metric` is missing",
            ]
        );
    }
}
