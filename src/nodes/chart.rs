use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::{Entities, Grid, Override, PerEntity, Rule, Rules, SERVICE_STATUS, Total};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{
    Aspect, Bands, Batch, ChartBands, ChartSeries, Charts, Figure, Language, MetricColumn, NO_STATUS, Note, Severity,
    Timestamp,
};
use crate::node::{AssetPath, Assets, Fold, Wanted, Window};

/// What the series that rules judge looked like, in few points each, for a page that draws them. The report has no series
/// in it; `agent run --format html` adds a node of this kind by itself where a graph has none.
///
/// ```toml
/// [nodes.charts]
/// kind = "chart"
/// inputs = { telemetry = "telemetry" }
/// rules = "rules/infrastructure.toml"     # as the `detect` node has it
/// ```
///
/// Each metric of the rules, each ratio, and each service is a series for each entity. It is cut into buckets of equal
/// length, no more than `points`, which have the least, the greatest and the mean of their values. The length doubles when
/// there would be more, and stretches without a value take none. All series together have some 131,000 buckets while they
/// are gathered: from some 500 series on each has fewer, 16 at least, and beyond 8,192 series only the first by name are
/// gathered. What comes out is the `series` worst: by the band that their values reached, then by how far beyond it, then
/// those that are judged by something else than their values, then by name; and how many there were beside them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "chart")]
pub struct Config {
    /// The rules file, relative to the graph file: it says which metrics are drawn, and their thresholds.
    pub rules: AssetPath,
    /// Buckets of a series at most, from 16 to 1,000.
    #[serde(default = "points")]
    pub points: usize,
    /// Series that come out at most, up to 1,000.
    #[serde(default = "series")]
    pub series: usize,
}

fn points() -> usize {
    160
}

fn series() -> usize {
    48
}

/// Buckets of a series, at least and at most.
const FEWEST: usize = 16;
const MOST: usize = 1_000;
/// Buckets of all series while they are gathered, some 8 MB; and series at most.
const BUDGET: usize = 131_072;
const SERIES: usize = BUDGET / FEWEST;

pub struct Charting {
    rules: Rules,
    wanted: BTreeSet<String>,
    language: Language,
    points: usize,
    series: usize,
}

/// A column, told apart from a service of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Column {
    is_service: bool,
    name: Arc<str>,
}

/// `None` of a series that is not gathered any more.
struct Slot(Option<Grid>);

impl Default for Slot {
    fn default() -> Slot {
        Slot(Some(Grid::default()))
    }
}

/// What is gathered of one window.
#[derive(Default)]
pub struct Gathered {
    entities: Entities,
    columns: HashMap<Column, PerEntity<Slot>>,
    /// Those that are gathered, the last by name on top: by column, name and number of the entity.
    kept: BinaryHeap<(Column, Option<Arc<str>>, u32)>,
    /// All that have values.
    count: usize,
    /// Buckets of a series at most, as of now.
    most: usize,
}

impl Fold for Charting {
    const KIND: &'static str = "chart";
    const VERSION: u32 = 1;
    type Config = Config;
    type Output = Charts;
    type Gathered = Gathered;
    type State = ();

    fn new(config: Config, assets: &Assets<'_>) -> Result<Charting, Vec<Diagnostic>> {
        let file = assets.read(&config.rules).map_err(|fault| vec![fault])?;
        let rules = Rules::parse(&file)?;
        let mut faults = Vec::new();
        if !(FEWEST..=MOST).contains(&config.points) {
            faults.push(refused(assets.source(), &config, "`points` is neither 16 nor 1,000 nor between"));
        }
        if config.series > MOST {
            faults.push(refused(assets.source(), &config, "`series` is more than 1,000"));
        }
        let Config { points, series, .. } = config;
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Charting { wanted: rules.wanted(), rules, language: assets.language, points, series })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.wanted.clone() }
    }

    fn open(&self, _: Option<Timestamp>) -> Gathered {
        Gathered { most: self.points, ..Gathered::default() }
    }

    fn push(&self, gathered: &mut Gathered, batch: &Batch) {
        let mut ratios: Vec<MetricColumn> = Vec::new();
        let is_ratio = |name: &str| self.rules.rule(name, Aspect::Above).or(self.rules.rule(name, Aspect::Below));
        for derived in self.rules.derived().iter().filter(|d| is_ratio(&d.name).is_some_and(|r| r.condition.is_none()))
        {
            ratios.extend(derived.column(batch, &ratios));
        }
        let own = batch.metrics.iter().filter(|column| self.wanted.contains(&*column.name)); // others are for other folds
        gathered.push(batch, own.chain(&ratios), self.points);
    }

    fn close(&self, mut gathered: Gathered, _: &mut (), _: &Window, _: &mut Vec<Note>) -> Charts {
        gathered.fit();
        let Gathered { entities, columns, count, .. } = gathered;
        let mut found: Vec<(Rank, ChartSeries)> = Vec::new();
        for (column, of_entities) in columns {
            for (entity, Slot(grid)) in of_entities {
                let name = entities.name(entity).map(|name| &**name);
                found.extend(grid.and_then(|grid| self.drawn(&column, name, &grid)));
            }
        }
        found.sort_by(|(a, one), (b, other)| b.compare(a).then_with(|| one.name.cmp(&other.name)));
        found.truncate(self.series);
        let series: Vec<ChartSeries> = found.into_iter().map(|(_, series)| series).collect();
        Charts { left_out: count.saturating_sub(series.len()) as u64, series }
    }
}

fn refused(source: &SourceFile, config: &Config, message: &str) -> Diagnostic {
    Diagnostic::new(codes::graph::WRONG_TYPE, message)
        .at(source, config.rules.span.clone())
        .help("leave it out for the usual number, or write another one")
}

impl Gathered {
    fn push<'a>(&mut self, batch: &'a Batch, metrics: impl Iterator<Item = &'a MetricColumn>, points: usize) {
        let Gathered { entities, columns, most, .. } = self;
        let mut rows = entities.enter(batch);
        let mut fresh: Vec<(Column, u32)> = Vec::new();
        let mut take = |column: &Column, slot: &mut Slot, entity: u32, take: &dyn Fn(&mut Grid)| {
            let Some(grid) = &mut slot.0 else { return };
            let was_empty = grid.buckets().is_empty();
            take(grid);
            if was_empty && !grid.buckets().is_empty() {
                fresh.push((column.clone(), entity));
            }
        };
        for metric in metrics {
            let column = Column { is_service: false, name: metric.name.clone() };
            let grids = columns.entry(column.clone()).or_default();
            rows.metric(metric, |entity, run| {
                take(&column, grids.of(entity), entity, &|grid| grid.take(run, *most, Total::of));
            });
        }
        for service in &batch.services {
            let column = Column { is_service: true, name: service.name.clone() };
            let grids = columns.entry(column.clone()).or_default();
            rows.service(service, |entity, run| {
                take(&column, grids.of(entity), entity, &|grid| grid.take(run, *most, of_levels));
            });
        }
        for (column, entity) in fresh {
            self.admit(column, entity);
        }
        // In steps, so that not every series that comes makes the others coarser.
        let fits = (BUDGET / self.kept.len().max(1).next_power_of_two()).clamp(FEWEST, points.max(FEWEST));
        if fits < self.most {
            self.most = fits;
            self.fit();
        }
    }

    /// Of too many series the last one by name goes. It never comes back, since the others stay before it, so that all
    /// that are kept are whole.
    fn admit(&mut self, column: Column, entity: u32) {
        self.count += 1;
        let name = self.entities.name(entity).cloned();
        self.kept.push((column, name, entity));
        if self.kept.len() > SERIES
            && let Some((column, _, entity)) = self.kept.pop()
            && let Some(grids) = self.columns.get_mut(&column)
        {
            grids.of(entity).0 = None;
        }
    }

    fn fit(&mut self) {
        let grids = self.columns.values_mut().flat_map(PerEntity::iter_mut).filter_map(|slot| slot.0.as_mut());
        grids.for_each(|grid| grid.fit(self.most));
    }
}

/// Of the levels of a service.
fn of_levels(levels: &[u8]) -> Total {
    let mut counts = [0; 3];
    for level in levels.iter().filter(|level| **level != NO_STATUS) {
        if let Some(count) = counts.get_mut(usize::from(*level)) {
            *count += 1;
        }
    }
    Total::of_levels(counts)
}

/// How much a series matters.
#[derive(Debug, Clone, Copy)]
struct Rank {
    severity: Option<Severity>,
    /// |value − threshold| / |threshold|.
    distance: f64,
    /// Whether something else than its values is judged.
    otherwise: bool,
}

impl Rank {
    fn compare(&self, other: &Rank) -> std::cmp::Ordering {
        let by_band = self.severity.cmp(&other.severity).then(self.distance.total_cmp(&other.distance));
        by_band.then(self.otherwise.cmp(&other.otherwise))
    }
}

impl Charting {
    /// A series as it comes out; `None` without a value.
    fn drawn(&self, column: &Column, entity: Option<&str>, grid: &Grid) -> Option<(Rank, ChartSeries)> {
        let metric = &*column.name;
        let rules: Vec<&Rule> = self.rules.metrics().get(self.rules.of(metric)).into_iter().flatten().collect();
        let rules = if column.is_service { Vec::new() } else { rules };
        let bands = if column.is_service {
            let judged = self.rules.status().lowest().is_some();
            let partly = self.is_maintained(entity);
            judged
                .then(|| ChartBands { aspect: Aspect::Above, bands: *self.rules.status(), partly })
                .into_iter()
                .collect()
        } else {
            rules.iter().filter_map(|rule| self.bands(rule, entity)).collect::<Vec<_>>()
        };
        let (first, _) = *grid.buckets().first()?;
        let least = grid.buckets().iter().filter_map(|(_, total)| total.min()).min_by(f64::total_cmp)?;
        let greatest = grid.buckets().iter().filter_map(|(_, total)| total.max()).max_by(f64::total_cmp)?;
        let otherwise = rules.iter().any(|rule| !matches!(rule.aspect, Aspect::Above | Aspect::Below))
            || (column.is_service && self.rules.flapping().is_some());
        let rank = rank(&bands, least, greatest, otherwise)?;
        let figures = |of: fn(&Total) -> Option<f64>| {
            grid.buckets().iter().filter_map(|(_, total)| Figure::new(of(total)?)).collect::<Vec<Figure>>()
        };
        let of = entity.map_or_else(String::new, |entity| format!("@{entity}"));
        let name = if column.is_service { format!("{SERVICE_STATUS}.{metric}{of}") } else { format!("{metric}{of}") };
        let series = ChartSeries {
            name,
            metric: if column.is_service { SERVICE_STATUS.to_string() } else { metric.to_string() },
            service: column.is_service.then(|| metric.to_string()),
            entity: entity.map(str::to_string),
            label: rules.iter().find_map(|rule| rule.label.get(self.language)).map(str::to_string),
            unit: rules.iter().find_map(|rule| rule.metric_unit.clone()),
            bands,
            start: Timestamp::nearest(grid.start()?),
            width_micros: grid.width(),
            at: grid.buckets().iter().map(|(at, _)| at.abs_diff(first)).collect(),
            least: figures(Total::min),
            greatest: figures(Total::max),
            mean: figures(Total::mean),
            records: grid.buckets().iter().map(|(_, total)| total.count()).collect(),
        };
        Some((rank, series))
    }

    /// What a rule holds the values of this entity to, if it does.
    fn bands(&self, rule: &Rule, entity: Option<&str>) -> Option<ChartBands> {
        let limits = match Override::place(&rule.overrides, entity) {
            Some(place) => rule.overrides.get(place)?.limits.as_ref()?,
            None => &rule.limits,
        };
        let partly = limits.lasts.is_some() || rule.hours.is_some() || self.is_maintained(entity);
        let judges_values = matches!(rule.aspect, Aspect::Above | Aspect::Below);
        judges_values.then_some(ChartBands { aspect: rule.aspect, bands: limits.bands, partly })
    }

    fn is_maintained(&self, entity: Option<&str>) -> bool {
        self.rules.maintenance().iter().any(|maintenance| maintenance.concerns(entity))
    }
}

fn rank(bands: &[ChartBands], least: f64, greatest: f64, otherwise: bool) -> Option<Rank> {
    let mut rank = Rank { severity: None, distance: 0.0, otherwise };
    for ChartBands { aspect, bands, .. } in bands {
        let value = Figure::new(if *aspect == Aspect::Below { least } else { greatest })?;
        let Some((severity, band)) = reached(*aspect, bands, value) else { continue };
        let distance = if band.get() == 0.0 { f64::INFINITY } else { (value.get() / band.get() - 1.0).abs() };
        let of_band = Rank { severity: Some(severity), distance, otherwise };
        if of_band.compare(&rank).is_gt() {
            rank = of_band;
        }
    }
    Some(rank)
}

/// The highest band that a value reached.
fn reached(aspect: Aspect, bands: &Bands, value: Figure) -> Option<(Severity, Figure)> {
    let reaches = |band: Figure| if aspect == Aspect::Below { value <= band } else { value >= band };
    let band = |severity: &Severity| Some((*severity, bands.get(*severity).filter(|band| reaches(*band))?));
    Severity::ALL.iter().rev().find_map(band)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{batch, minute, records};
    use crate::port::Files;

    const RULES: &str = r#"
        [metrics.cpu]
        label = { en = "CPU usage", fr = "l'utilisation du processeur" }
        unit = "%"
        medium = 80
        high = 90
        [[metrics.cpu.override]]
        entity = "idle-*"
        high = 20
        [[metrics.cpu.override]]
        entity = "batch-*"
        off = true
        [metrics.battery]
        below = { low = 30, high = 10, for = "5m" }
        [metrics.orders]
        unusual = true
        [metrics.quiet]
        high = 1000
        [ratios.share]
        of = "errors"
        to = "requests"
        high = 0.5
        [conditions.both]
        when = "cpu > 80 && share > 0.1"
        severity = "low"
        [status]
        degraded = "medium"
        offline = "high"
    "#;

    struct Beside(&'static str);

    impl Files for Beside {
        fn read(&self, path: &str) -> Result<SourceFile, String> {
            Ok(SourceFile::new(path, self.0))
        }
    }

    fn charting(points: usize, series: usize) -> Result<Charting, Vec<Diagnostic>> {
        let (source, files) = (SourceFile::new("g.toml", ""), Beside(RULES));
        let config = Config { rules: AssetPath { path: "rules.toml".into(), span: 0..0 }, points, series };
        Charting::new(config, &Assets::new(Language::En, &source, &files))
    }

    /// However the records are cut into batches.
    fn charts(text: &str, points: usize, series: usize) -> Charts {
        let fold = charting(points, series).unwrap();
        let records = records(text);
        let of = |size: usize| {
            let mut gathered = fold.open(None);
            records.chunks(size).for_each(|chunk| fold.push(&mut gathered, &batch(chunk)));
            let newest = Timestamp::nearest(minute(0));
            let window = Window { records: records.len() as u64, newest, span: None, partial: false };
            fold.close(gathered, &mut (), &window, &mut Vec::new())
        };
        let whole = of(records.len());
        for size in [1, 2, 7] {
            assert_eq!(of(size), whole, "batches of {size}");
        }
        whole
    }

    fn names(charts: &Charts) -> Vec<&str> {
        charts.series.iter().map(|series| series.name.as_str()).collect()
    }

    #[test]
    fn the_worst_come_first_and_what_is_left_out_is_counted() {
        let text = "0 a cpu=50 battery=80 orders=5 quiet=1 errors=1 requests=4 other=7
                    1 b cpu=85 cache=online
                    2 idle-1 cpu=30
                    3 batch-1 cpu=100
                    4 a battery=9 db=offline
                    5 a cpu=92 cache=degraded";
        let all = charts(text, 160, 48);
        assert_eq!(all.left_out, 0);
        let got = names(&all);
        assert_eq!(got[0], "cpu@idle-1", "{got:?}"); // 30 of 20
        assert_eq!(got[1], "battery@a"); // 9 of 10 downwards
        assert_eq!(got[2..4], ["cpu@a", "service_status.db@a"]); // 92 of 90, and a level that is its band
        assert_eq!(got[4..6], ["cpu@b", "service_status.cache@a"]); // both medium
        assert_eq!(got[6], "orders@a"); // nothing reached, but judged otherwise
        let rest = ["cpu@batch-1", "errors@a", "quiet@a", "requests@a", "service_status.cache@b", "share@a"];
        assert_eq!(got[7..], rest);
        let some = charts(text, 160, 2);
        assert_eq!((names(&some), some.left_out), (got[..2].to_vec(), 11));
    }

    #[test]
    fn a_series_says_what_it_is_held_to() {
        let all = charts("0 a cpu=50 battery=20 errors=1 requests=4\n1 idle-1 cpu=1\n2 batch-1 cpu=1", 160, 48);
        let of = |name: &str| all.series.iter().find(|series| series.name == name).unwrap();
        let cpu = of("cpu@a");
        assert_eq!((cpu.label.as_deref(), cpu.unit.as_deref()), (Some("CPU usage"), Some("%")));
        assert_eq!(cpu.bands[0].bands.get(Severity::High), Figure::new(90.0));
        assert!(!cpu.bands[0].partly);
        assert_eq!(of("cpu@idle-1").bands[0].bands.lowest(), Figure::new(20.0).map(|band| (Severity::High, band)));
        assert_eq!(of("cpu@batch-1").bands, []);
        let battery = &of("battery@a").bands[0];
        assert_eq!((battery.aspect, battery.partly), (Aspect::Below, true));
        assert_eq!(of("share@a").greatest, [Figure::new(0.25).unwrap()]);
    }

    #[test]
    fn buckets_hold_the_figures_of_what_falls_into_them() {
        let lines: Vec<String> = (0..64).map(|n| format!("{n} a cpu={}", n % 4)).collect();
        let all = charts(&lines.join("\n"), 16, 48);
        let [series] = &all.series[..] else { panic!("{all:?}") };
        assert!(series.at.len() <= 16 && series.at.len() > 8, "{}", series.at.len());
        assert_eq!(series.records.iter().sum::<u64>(), 64);
        let buckets: Vec<_> = series.buckets().collect();
        assert!(buckets[0].from <= minute(0) && buckets.last().unwrap().to > minute(63));
        for (bucket, count) in buckets.iter().zip(&series.records) {
            let inside: Vec<f64> =
                (0..64).filter(|n| (bucket.from..bucket.to).contains(&minute(*n))).map(|n| (n % 4) as f64).collect();
            assert_eq!(inside.len() as u64, *count);
            let sum: f64 = inside.iter().sum();
            assert_eq!(bucket.mean, Figure::new(sum / inside.len() as f64).unwrap());
            assert_eq!(bucket.greatest.get(), inside.iter().copied().fold(f64::MIN, f64::max));
            assert_eq!(bucket.least.get(), inside.iter().copied().fold(f64::MAX, f64::min));
        }
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Charts>(&text).unwrap(), all);
    }

    /// Of more series than are gathered the first by name stay, in whatever order they come, and each is whole.
    #[test]
    fn memory_is_bounded_whatever_the_order() {
        let fold = charting(160, 1_000).unwrap();
        let hosts = SERIES as i64 + 500;
        let run = |order: &dyn Fn(i64) -> i64| {
            let mut gathered = fold.open(None);
            for round in 0..2 {
                let lines = (0..hosts).map(|n| format!("{round} h{:05} cpu={}", order(n), 10 * order(n) + round));
                let lines: Vec<String> = lines.collect();
                let records = records(&lines.join("\n"));
                records.chunks(1000).for_each(|chunk| fold.push(&mut gathered, &batch(chunk)));
            }
            assert_eq!((gathered.kept.len(), gathered.count, gathered.most), (SERIES, hosts as usize, FEWEST));
            let gathered_ones =
                gathered.columns.values().flat_map(PerEntity::iter).filter(|(_, slot)| slot.0.is_some());
            assert_eq!(gathered_ones.count(), SERIES);
            let window = Window { records: 1, newest: Timestamp::nearest(0), span: None, partial: false };
            fold.close(gathered, &mut (), &window, &mut Vec::new())
        };
        let (up, down) = (run(&|n| n), run(&|n| hosts - 1 - n));
        assert_eq!(up, down);
        assert_eq!(up.left_out, hosts as u64 - 1000);
        assert_eq!(up.series[0].name, format!("cpu@h{:05}", SERIES - 1)); // the worst of those that are gathered
        assert!(up.series.iter().all(|series| series.records.iter().sum::<u64>() == 2));
    }

    #[test]
    fn numbers_that_are_out_of_bounds_are_refused() {
        let faults = charting(8, 2_000).map(drop).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(charting(1_000, 0).is_ok());
    }
}
