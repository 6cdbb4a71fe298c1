//! What a store costs: 500 sensors that send every ten minutes, 10,000 times, in SQLite.
//!
//! `cargo bench --bench store` with one field a record (5 M measurements), `-- 4` with four (20 M). Prints what inserts cost
//! beside plain inserts into the table of raw values alone, and the three questions: through the API, and in SQL, each
//! held against the plain query over the raw values.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agent::diagnostic::SourceFile;
use agent::domain::{Batch, Language, MetricColumn, Timestamp};
use agent::io::store::read::{Paging, Selection, Store};
use agent::io::store::{OutputMeasurements, Place};
use agent::node::{Assets, Sink, Site};
use agent::port::Files;
use rusqlite::Connection;

const SENSORS: usize = 500;
const ZONES: usize = 20;
const TIMES: usize = 10_000;
const START: i64 = 1_690_000_200_000_000;
const STEP: i64 = 600_000_000;
const HOUR: i64 = 3_600_000_000;
/// Values of one transaction, as the keeper has them.
const AT_ONCE: usize = 1 << 16;
const FIELDS: [&str; 4] = ["pm25", "pm10", "temperature", "humidity"];

/// The attributes of the sensors.
struct Zones(String);

impl Files for Zones {
    fn read(&self, path: &str) -> Result<SourceFile, String> {
        Ok(SourceFile::new(path.to_string(), self.0.clone()))
    }
}

fn main() {
    let fields: usize = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1).clamp(1, 4);
    let folder = tempfile::tempdir().expect("a folder");
    let [kept, plain, sorted] = ["kept.db", "plain.db", "sorted.db"].map(|name| folder.path().join(name));
    let values = SENSORS * TIMES * fields;
    println!("{values} values of {} series, in transactions of {AT_ONCE}", SENSORS * fields);
    let told = |what: &str, (wall, cpu): (f64, f64)| {
        println!("{what:44} {wall:7.2} s, {cpu:7.2} s of CPU, {:9.0} values/s", values as f64 / wall);
        cpu
    };
    let of_plain = told("plain inserts, as they come", timed(|| insert_plainly(&plain, fields, false)));
    let of_sorted = told("plain inserts, sorted in each transaction", timed(|| insert_plainly(&sorted, fields, true)));
    let of_kept = told("output.measurements", timed(|| insert(&kept, fields)));
    println!("CPU beside plain inserts: {:.2}; beside sorted ones: {:.2}", of_kept / of_plain, of_kept / of_sorted);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len()) as f64 / 1e6;
    println!("{:.0} MB; {:.0} MB of plain inserts", size(&kept), size(&plain));
    ask(&kept, fields);
}

/// Wall and CPU seconds.
fn timed(work: impl FnOnce()) -> (f64, f64) {
    let (wall, cpu) = (Instant::now(), cpu());
    work();
    (wall.elapsed().as_secs_f64(), self::cpu() - cpu)
}

/// User and system time of this process, from Linux's accounts.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The record of each sensor at one time.
fn batch(at: usize, fields: usize, names: &[Arc<str>]) -> Batch {
    let noise = |sensor: usize, field: usize| {
        let mut x = (at * SENSORS + sensor) as u64 * 4 + field as u64 + 1;
        x ^= x >> 33;
        x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
        x ^= x >> 33;
        (x & 0xfff) as f64 / 128.0
    };
    let day = 0.5 - 0.4 * ((at % 144) as f64 / 144.0 * std::f64::consts::TAU).cos();
    let value = |sensor: usize, field: usize| {
        let level = (8 + sensor % 31) as f64 * (0.5 + day) + noise(sensor, field);
        (level * 10.0).round() / 10.0
    };
    let metric = |field: usize| MetricColumn {
        name: Arc::from(FIELDS[field]),
        values: (0..SENSORS).map(|sensor| value(sensor, field)).collect(),
    };
    Batch {
        rows: (1..=SENSORS as u64).collect(),
        times: vec![START + at as i64 * STEP; SENSORS],
        entities: names.to_vec(),
        entity: (0..SENSORS as u32).collect(),
        metrics: (0..fields).map(metric).collect(),
        ..Batch::default()
    }
}

fn insert(path: &Path, fields: usize) {
    let names: Vec<Arc<str>> = (0..SENSORS).map(|sensor| Arc::from(format!("sensor-{sensor:03}"))).collect();
    let zones = names.iter().enumerate().map(|(at, name)| format!("[{name}]\nzone = \"zone-{:02}\"\n", at % ZONES));
    let files = Zones(zones.collect());
    let source = SourceFile::new("bench.toml", "");
    let assets = Assets::new(Language::En, &source, &files);
    let config = format!("database = {:?}\nentities = \"zones.toml\"", path.to_str().expect("a path"));
    let config = toml::from_str(&config).expect("a config");
    let sink = OutputMeasurements::new(config, &assets).map_err(|faults| faults[0].to_string()).expect("a sink");
    let mut writer = sink.open(&Site { graph: "bench", synced: false }).expect("a writer");
    for at in 0..TIMES {
        writer.push(&batch(at, fields, &names));
    }
    writer.commit().expect("all is kept");
}

/// The same rows, settings and transactions, by a program that only inserts.
fn insert_plainly(path: &Path, fields: usize, sorts: bool) {
    let names: Vec<Arc<str>> = (0..SENSORS).map(|sensor| Arc::from(format!("sensor-{sensor:03}"))).collect();
    let connection = Connection::open(path).expect("a file");
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; \
        CREATE TABLE measurement (series BIGINT NOT NULL, time BIGINT NOT NULL, value DOUBLE PRECISION NOT NULL, \
        PRIMARY KEY (series, time)) WITHOUT ROWID";
    connection.execute_batch(settings).expect("a table");
    let sql = "INSERT INTO measurement (series, time, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let mut statement = connection.prepare(sql).expect("a statement");
    let mut rows: Vec<(i64, i64, f64)> = Vec::new();
    for at in 0..=TIMES {
        if at < TIMES {
            let batch = batch(at, fields, &names);
            for (field, column) in batch.metrics.iter().enumerate() {
                let row =
                    |(sensor, value): (usize, &f64)| ((field * SENSORS + sensor) as i64, batch.times[sensor], *value);
                rows.extend(column.values.iter().enumerate().map(row));
            }
        }
        if rows.len() >= AT_ONCE || at == TIMES {
            if sorts {
                rows.sort_by_key(|row| (row.0, row.1));
            }
            connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            for row in rows.drain(..) {
                statement.execute(row).expect("a row");
            }
            connection.execute_batch("COMMIT").expect("it is kept");
        }
    }
}

/// Milliseconds of the best of nine, and the answer.
fn best<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut answer = work();
    let mut best = f64::INFINITY;
    for _ in 0..9 {
        let began = Instant::now();
        answer = work();
        best = best.min(began.elapsed().as_secs_f64() * 1e3);
    }
    (best, answer)
}

type Rows = Vec<(String, i64, f64)>;

fn rows(connection: &Connection, sql: &str) -> Rows {
    let mut statement = connection.prepare_cached(sql).expect("SQL");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

fn ask(path: &Path, fields: usize) {
    let mut store =
        Store::open(&Place::at(path.to_str().expect("a path"))).map_err(|f| f.to_string()).expect("a store");
    let connection = Connection::open(path).expect("a file");
    connection.execute_batch("PRAGMA cache_size = -65536").expect("a cache");
    let metric = FIELDS[fields - 1];
    let last = START + (TIMES as i64 - 1) * STEP;
    // Edges within an hour.
    let (from, to) = (last - 24 * HOUR + 1, last + 1);
    let of_metric = Selection { metric: Some(metric.to_string()), ..Selection::default() };

    let selection =
        Selection { from: Timestamp::from_micros(from), to: Timestamp::from_micros(to), ..of_metric.clone() };
    let paging = Paging { limit: Some(100_000), after: None };
    let (api, buckets) = best(|| {
        let mut all = Vec::new();
        let mut paging = Paging { limit: Some(10_000), ..paging.clone() };
        loop {
            let page = store.aggregates(&selection, HOUR, &paging).unwrap_or_else(|_| panic!("aggregates"));
            all.extend(page.items);
            match page.next {
                Some(next) => paging.after = Some(next),
                None => return all,
            }
        }
    });
    let found: Rows = buckets.into_iter().map(|b| (b.entity, b.start.micros(), b.mean)).collect();
    let head = (from + HOUR - 1).div_euclid(HOUR) * HOUR;
    let tail = to.div_euclid(HOUR) * HOUR;
    let sql = format!(
        "SELECT name, hour, (sum(s) + sum(l)) / sum(n) FROM ( \
           SELECT name, hour, sum AS s, sum_low AS l, count AS n FROM series JOIN entity ON entity.id = entity \
             JOIN hourly ON hourly.series = series.id WHERE metric = '{metric}' AND hour >= {head} AND hour < {tail} \
           UNION ALL \
           SELECT name, time / {HOUR} * {HOUR}, value, 0, 1 FROM series JOIN entity ON entity.id = entity \
             JOIN measurement ON measurement.series = series.id WHERE metric = '{metric}' AND time >= {from} AND time < {head} \
           UNION ALL \
           SELECT name, time / {HOUR} * {HOUR}, value, 0, 1 FROM series JOIN entity ON entity.id = entity \
             JOIN measurement ON measurement.series = series.id WHERE metric = '{metric}' AND time >= {tail} AND time < {to} \
         ) GROUP BY name, hour ORDER BY name, hour"
    );
    let plain = format!(
        "SELECT name, time / {HOUR} * {HOUR} AS hour, avg(value) FROM measurement \
         JOIN series ON series.id = measurement.series JOIN entity ON entity.id = entity \
         WHERE metric = '{metric}' AND time >= {from} AND time < {to} GROUP BY name, hour ORDER BY name, hour"
    );
    told("hourly means of 24 hours per sensor", api, &found, &connection, &sql, &plain, 100.0);

    let (api, series) = best(|| store.series(&of_metric, &paging).unwrap_or_else(|_| panic!("series")).items);
    let found: Rows = series.into_iter().map(|s| (s.entity, s.count, s.last.micros() as f64)).collect();
    let sql = format!(
        "SELECT name, count, CAST(last AS REAL) FROM series JOIN entity ON entity.id = entity \
         JOIN total ON total.series = series.id WHERE metric = '{metric}' ORDER BY name"
    );
    let plain = format!(
        "SELECT name, count(*), CAST(max(time) AS REAL) FROM measurement \
         JOIN series ON series.id = measurement.series JOIN entity ON entity.id = entity \
         WHERE metric = '{metric}' GROUP BY name ORDER BY name"
    );
    told("count and last time per sensor", api, &found, &connection, &sql, &plain, 2.0);

    let (api, groups) = best(|| store.ranking("zone", &of_metric).unwrap_or_else(|_| panic!("ranking")));
    let found: Rows = groups.into_iter().map(|g| (g.group, g.count, g.mean)).collect();
    let sql = format!(
        "SELECT value, sum(count), (sum(sum) + sum(sum_low)) / sum(count) AS mean FROM series \
         JOIN attribute ON attribute.entity = series.entity AND key = 'zone' JOIN total ON total.series = series.id \
         WHERE metric = '{metric}' GROUP BY value ORDER BY mean DESC, value"
    );
    let plain = format!(
        "SELECT attribute.value, count(*), avg(measurement.value) AS mean FROM measurement \
         JOIN series ON series.id = measurement.series \
         JOIN attribute ON attribute.entity = series.entity AND key = 'zone' \
         WHERE metric = '{metric}' GROUP BY attribute.value ORDER BY mean DESC, attribute.value"
    );
    told("ranking of zones by averages", api, &found, &connection, &sql, &plain, 2.0);
}

fn told(what: &str, api: f64, found: &Rows, connection: &Connection, sql: &str, plain: &str, bar: f64) {
    let (in_sql, answer) = best(|| rows(connection, sql));
    let began = Instant::now();
    let raw = rows(connection, plain);
    let of_raw = began.elapsed().as_secs_f64() * 1e3;
    let is_met = if api < bar && in_sql < bar { "met" } else { "MISSED" };
    println!(
        "{what:36} API {api:8.3} ms ({}), SQL {in_sql:8.3} ms ({}), plain query {of_raw:8.1} ms; {bar} ms is {is_met}; {} rows",
        compared(found, &raw),
        compared(&answer, &raw),
        raw.len()
    );
}

/// How the answers differ.
fn compared(found: &Rows, raw: &Rows) -> String {
    let is_same = found.len() == raw.len() && found.iter().zip(raw).all(|(a, b)| (&a.0, a.1) == (&b.0, b.1));
    let off = found.iter().zip(raw).filter(|(a, b)| a.2 != b.2).count();
    let most = found.iter().zip(raw).map(|(a, b)| (a.2 - b.2).abs() / b.2.abs()).fold(0.0, f64::max);
    match (is_same, off) {
        (false, _) => "DIFFERENT ROWS".to_string(),
        (true, 0) => "equal".to_string(),
        (true, off) => format!("{off} differ, by {most:.1e} at most"),
    }
}
