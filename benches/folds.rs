//! What the folds of the default graph cost per record: `cargo bench --bench folds`. The counter shows records a second.

use std::hint::black_box;
use std::sync::Arc;

use agent::detect::unusual::{Settings, Unusual};
use agent::diagnostic::SourceFile;
use agent::domain::{Batch, Language, MetricColumn, NO_ENTITY, StatusColumn};
use agent::node::{AssetPath, Assets, Fold};
use agent::nodes::chart::{self, Charting};
use agent::nodes::detect::{self, Detect};
use agent::nodes::insights::{self, InsightTable};
use agent::port::Files;
use divan::Bencher;
use divan::counter::ItemsCount;

/// Records of a block, and blocks of an input.
const RECORDS: usize = 2_000;
const BLOCKS: usize = 50;

/// The metrics of the infrastructure report, each with its usual value and how far it strays: now and then over the
/// first threshold.
const METRICS: [(&str, f64, f64); 13] = [
    ("cpu_usage", 45.0, 30.0),
    ("memory_usage", 55.0, 18.0),
    ("latency_ms", 120.0, 90.0),
    ("disk_usage", 60.0, 10.0),
    ("network_in_kbps", 1_000.0, 800.0),
    ("network_out_kbps", 900.0, 700.0),
    ("io_wait", 4.0, 3.0),
    ("thread_count", 140.0, 25.0),
    ("active_connections", 50.0, 35.0),
    ("error_rate", 0.02, 0.035),
    ("uptime_seconds", 500_000.0, 400_000.0),
    ("temperature_celsius", 55.0, 12.0),
    ("power_consumption_watts", 220.0, 70.0),
];

fn main() {
    divan::main();
}

/// Blocks as a source gives them: rising times, an entity after the other (none where `entities` is 0).
fn blocks(entities: usize) -> Vec<Batch> {
    let mut state = 42u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let names: Vec<Arc<str>> = (0..entities).map(|n| format!("host-{n:04}").into()).collect();
    let block = |number: usize| {
        let rows: Vec<u64> = (0..RECORDS).map(|at| (number * RECORDS + at) as u64 + 1).collect();
        let metric = |(name, usual, stray): &(&str, f64, f64)| {
            // Mostly near the usual value: the cube of a number between -1 and 1 is mostly small.
            let values = (0..RECORDS).map(|_| (usual + stray * (random() * 2.0 - 1.0).powi(3)).round());
            MetricColumn { name: Arc::from(*name), values: values.collect() }
        };
        let metrics = METRICS.iter().map(metric).collect();
        let service = |name: &str| {
            let levels = (0..RECORDS).map(|_| if random() < 0.001 { 1 } else { 0 });
            StatusColumn { name: Arc::from(name), levels: levels.collect() }
        };
        let services = ["database", "api_gateway", "cache"].map(service).into();
        let entity = rows.iter().map(|row| if entities == 0 { NO_ENTITY } else { (*row % entities as u64) as u32 });
        let entity = entity.collect();
        let times = rows.iter().map(|row| 1_700_000_000_000_000 + *row as i64 * 1_000_000).collect();
        Batch { rows, times, entities: names.clone(), entity, lanes: vec![], metrics, services }
    };
    (0..BLOCKS).map(block).collect()
}

struct Rules;

impl Files for Rules {
    fn read(&self, path: &str) -> Result<SourceFile, String> {
        let text = match path {
            "unusual.toml" => "[metrics.cpu_usage]\nunusual = true",
            _ => include_str!("../graphs/rules/infrastructure.toml"),
        };
        Ok(SourceFile::new(path, text))
    }
}

/// What the adaptive rule costs: the counter shows samples a second, of as many series as there are arguments, one after
/// the other as samples of many hosts come.
#[divan::bench(args = [1, 10_000])]
fn unusual(bencher: Bencher<'_, '_>, series: usize) {
    let blocks = blocks(0);
    let values: Vec<f64> = blocks.iter().flat_map(|block| block.metrics[0].values.iter().copied()).collect();
    let mut states = vec![Unusual::default(); series];
    let mut time = 0;
    bencher.counter(ItemsCount::new(values.len())).bench_local(|| {
        for (at, value) in values.iter().enumerate() {
            time += 300_000_000 * i64::from(at % series == 0);
            black_box(states[at % series].step(Settings::default(), time, *value));
        }
    });
}

/// The same as a rule of the graph, readings put into order first.
#[divan::bench(args = [1, 1_000], name = "detect_unusual_by_entities")]
fn finds_unusual(bencher: Bencher<'_, '_>, entities: usize) {
    let graph = SourceFile::new("graph.toml", "");
    let config = detect::Config { rules: AssetPath { path: "unusual.toml".to_string(), span: 0..0 } };
    let Ok(fold) = Detect::new(config, &Assets::new(Language::En, &graph, &Rules)) else { return };
    run(bencher, &fold, entities);
}

fn run<F: Fold>(bencher: Bencher<'_, '_>, fold: &F, entities: usize) {
    let blocks = blocks(entities);
    bencher.counter(ItemsCount::new(RECORDS * BLOCKS)).bench(|| {
        let mut gathered = fold.open(None);
        black_box(&blocks).iter().for_each(|block| fold.push(&mut gathered, block));
        gathered
    });
}

#[divan::bench(args = [0, 1, 20, 1_000], name = "detect_by_entities")]
fn detects(bencher: Bencher<'_, '_>, entities: usize) {
    let graph = SourceFile::new("graph.toml", "");
    let config = detect::Config { rules: AssetPath { path: "rules.toml".to_string(), span: 0..0 } };
    let Ok(fold) = Detect::new(config, &Assets::new(Language::En, &graph, &Rules)) else { return };
    run(bencher, &fold, entities);
}

#[divan::bench(args = [0, 1, 20, 1_000], name = "insights_by_entities")]
fn sums_up(bencher: Bencher<'_, '_>, entities: usize) {
    let graph = SourceFile::new("graph.toml", "");
    let assets = Assets::new(Language::En, &graph, &Rules);
    let Ok(fold) = InsightTable::new(insights::Config::default(), &assets) else { return };
    run(bencher, &fold, entities);
}

#[divan::bench(args = [0, 1, 20, 1_000], name = "chart_by_entities")]
fn charts(bencher: Bencher<'_, '_>, entities: usize) {
    let graph = SourceFile::new("graph.toml", "");
    let rules = AssetPath { path: "rules.toml".to_string(), span: 0..0 };
    let config = chart::Config { rules, points: 160, series: 48 };
    let Ok(fold) = Charting::new(config, &Assets::new(Language::En, &graph, &Rules)) else { return };
    run(bencher, &fold, entities);
}
