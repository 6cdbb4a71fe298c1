//! Measurements into a store: raw values, and with them in one transaction what is known of each hour and each series.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::sums::{Sums, hour_of};
use super::{Cell, Database, Measurement, unusable};
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, NO_ENTITY, NO_STATUS};

/// Values that are written at once. The more, the less it costs to keep hours and totals: a transaction touches each once.
const AT_ONCE: usize = 1 << 16;
/// No measurement is beyond it, and no sum of any number of them is beyond all numbers.
const GREATEST: f64 = 1e290;
/// Raw values are looked through for old ones when the newest has got so much newer: this part of what is kept.
const SWEEPS: i64 = 48;
/// A time that is further ahead of the clock says nothing of what is old; microseconds.
const AHEAD: i64 = 24 * 3_600_000_000;

/// What the config says.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How long raw values are kept, in microseconds.
    pub keep: Option<i64>,
    pub units: BTreeMap<String, String>,
    /// Of entities, by name and key.
    pub attributes: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Is {
    Metric,
    Status,
}

impl Is {
    fn word(self) -> &'static str {
        match self {
            Is::Metric => "metric",
            Is::Status => "status",
        }
    }
}

type Key = (Arc<str>, Arc<str>, Is);

/// A single wrong clock must not make everything else old.
fn latest() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX).saturating_add(AHEAD)
}

pub struct Keeper {
    database: Box<dyn Database>,
    graph: String,
    plan: Plan,
    /// By entity, metric or service, and which of the two.
    series: HashMap<Key, i64>,
    /// Not yet written.
    pending: Vec<Measurement>,
    /// Values that were given since the last commit.
    samples: u64,
    /// The newest time that is not ahead of the clock by more than [`AHEAD`].
    newest: i64,
    /// Raw values before it are gone, and were counted. Kept in the store: what is kept for longer from now on must not be
    /// counted again.
    swept: i64,
}

impl Keeper {
    /// # Errors
    /// The store declines.
    pub fn new(mut database: Box<dyn Database>, graph: &str, plan: Plan) -> Result<Keeper, Diagnostic> {
        let mut swept = i64::MIN;
        let sql = "SELECT before FROM swept WHERE graph = $1";
        let read = database.query(sql, &[graph.into()], &mut |row| {
            swept = row.first().and_then(Cell::int).unwrap_or(swept);
        });
        read.map_err(|why| unusable(database.place(), &why))?;
        let (series, pending) = Default::default();
        let newest = i64::MIN;
        Ok(Keeper { database, graph: graph.to_string(), plan, series, pending, samples: 0, newest, swept })
    }

    /// Takes records; writes what has gathered when it is much.
    ///
    /// # Errors
    /// The store declines; nothing of what was not committed is safe.
    pub fn take(&mut self, batch: &Batch) -> Result<(), Diagnostic> {
        for column in &batch.metrics {
            self.column(batch, &column.name, Is::Metric, |row| {
                column.values.get(row).copied().filter(|v| v.abs() <= GREATEST)
            })?;
        }
        for column in &batch.services {
            let level = |row| column.levels.get(row).filter(|level| **level != NO_STATUS);
            self.column(batch, &column.name, Is::Status, |row| level(row).map(|level| f64::from(*level)))?;
        }
        let newest = batch.span().map_or(i64::MIN, |(_, newest)| newest.min(latest()));
        self.newest = self.newest.max(newest);
        Ok(())
    }

    fn column(
        &mut self,
        batch: &Batch,
        name: &Arc<str>,
        is: Is,
        value: impl Fn(usize) -> Option<f64>,
    ) -> Result<(), Diagnostic> {
        // Of each entity of the batch, and of none.
        let mut known: Vec<Option<i64>> = vec![None; batch.entities.len() + 1];
        let none: Arc<str> = Arc::from("");
        for (row, (time, code)) in batch.times.iter().zip(&batch.entity).enumerate() {
            let Some(value) = value(row) else { continue };
            let at = if *code == NO_ENTITY { batch.entities.len() } else { *code as usize };
            let Some(place) = known.get_mut(at) else { continue }; // no batch names what it does not list
            let series = match *place {
                Some(series) => series,
                None => *place.insert(self.series_of(batch.entities.get(at).unwrap_or(&none), name, is)?),
            };
            self.samples += 1;
            self.pending.push(Measurement { series, time: *time, value });
            if self.pending.len() >= AT_ONCE {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Writes what has gathered, and tells how many values came since the last time.
    ///
    /// # Errors
    /// The store declines; nothing since the last time is safe.
    pub fn commit(&mut self) -> Result<u64, Diagnostic> {
        self.write()?;
        Ok(std::mem::take(&mut self.samples))
    }

    fn write(&mut self) -> Result<(), Diagnostic> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.pending);
        // Stable: of one moment the value that came first.
        rows.sort_by_key(|row| (row.series, row.time));
        rows.dedup_by_key(|row| (row.series, row.time));
        // What is older than all that is kept was counted once, and is not there any more to be known by.
        rows.retain(|row| row.time >= self.swept);
        let written = self.transaction(|keeper| {
            keeper.database.insert(&mut rows)?;
            keeper.sum_up(&rows)?;
            keeper.sweep()
        });
        rows.clear();
        self.pending = rows;
        written
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&mut Keeper) -> Result<T, String>) -> Result<T, Diagnostic> {
        let began = self.database.begin();
        let done = began.and_then(|()| work(self)).and_then(|done| self.database.commit().map(|()| done));
        done.map_err(|why| {
            self.database.rollback();
            unusable(self.database.place(), &why)
        })
    }

    /// Adds rows, which are in the order of series and time, to their hours and totals.
    fn sum_up(&mut self, rows: &[Measurement]) -> Result<(), String> {
        let hours = rows.chunk_by(|a, b| a.series == b.series && hour_of(a.time) == hour_of(b.time));
        let hours = hours.filter_map(|hour| {
            let (first, Sums { count, sum, low, min, max }) = (hour.first()?, Sums::of(hour));
            let values = [first.series.into(), hour_of(first.time).into(), count.into()];
            Some([&values[..], &[sum.into(), low.into(), min.into(), max.into()]].concat())
        });
        self.database.execute_all(&UPSERT_HOUR, hours.collect())?;
        let totals = rows.chunk_by(|a, b| a.series == b.series).filter_map(|series| {
            let (first, last, sums) = (series.first()?, series.last()?, Sums::of(series));
            let Sums { count, sum, low, min, max } = sums;
            let values = [first.series.into(), count.into(), sum.into(), low.into(), min.into(), max.into()];
            Some([&values[..], &[first.time.into(), last.time.into(), last.value.into()]].concat())
        });
        self.database.execute_all(&UPSERT_TOTAL, totals.collect())
    }

    /// Deletes raw values that are older than what is kept, now and then.
    fn sweep(&mut self) -> Result<(), String> {
        let Some(keep) = self.plan.keep else { return Ok(()) };
        let before = self.newest.saturating_sub(keep);
        if before < self.swept.saturating_add(keep / SWEEPS) {
            return Ok(());
        }
        let mut series = Vec::new();
        let sql = "SELECT id FROM series WHERE graph = $1";
        self.database
            .query(sql, &[self.graph.as_str().into()], &mut |row| series.extend(row.first().and_then(Cell::int)))?;
        let old = series.into_iter().map(|id| vec![id.into(), before.into()]).collect();
        self.database.execute_all("DELETE FROM measurement WHERE series = $1 AND time < $2", old)?;
        let sql = "INSERT INTO swept (graph, before) VALUES ($1, $2) \
                   ON CONFLICT (graph) DO UPDATE SET before = excluded.before";
        self.database.execute(sql, &[self.graph.as_str().into(), before.into()])?;
        self.swept = before;
        Ok(())
    }

    fn series_of(&mut self, entity: &Arc<str>, metric: &Arc<str>, is: Is) -> Result<i64, Diagnostic> {
        let key = (entity.clone(), metric.clone(), is);
        if let Some(id) = self.series.get(&key) {
            return Ok(*id);
        }
        let id = match self.find(entity, metric, is).map_err(|why| unusable(self.database.place(), &why))? {
            Some(id) => id,
            None => self.transaction(|keeper| keeper.add(entity, metric, is))?,
        };
        self.series.insert(key, id);
        Ok(id)
    }

    fn find(&mut self, entity: &str, metric: &str, is: Is) -> Result<Option<i64>, String> {
        let sql = "SELECT series.id FROM series JOIN entity ON entity.id = series.entity \
                   WHERE entity.name = $1 AND graph = $2 AND metric = $3 AND kind = $4";
        let parameters = [entity.into(), self.graph.as_str().into(), metric.into(), is.word().into()];
        self.one(sql, &parameters)
    }

    fn one(&mut self, sql: &str, parameters: &[Cell]) -> Result<Option<i64>, String> {
        let mut found = None;
        self.database.query(sql, parameters, &mut |row| found = row.first().and_then(Cell::int))?;
        Ok(found)
    }

    /// In a transaction, so that nobody else takes the same numbers.
    fn add(&mut self, entity: &str, metric: &str, is: Is) -> Result<i64, String> {
        if let Some(id) = self.find(entity, metric, is)? {
            return Ok(id); // somebody was faster
        }
        let owner = match self.one("SELECT id FROM entity WHERE name = $1", &[entity.into()])? {
            Some(owner) => owner,
            None => {
                let next = self.one("SELECT coalesce(max(id), 0) + 1 FROM entity", &[])?.unwrap_or(1);
                self.database
                    .execute("INSERT INTO entity (id, name) VALUES ($1, $2)", &[next.into(), entity.into()])?;
                next
            }
        };
        for (key, value) in self.plan.attributes.get(entity).into_iter().flatten() {
            let sql = "INSERT INTO attribute (entity, key, value) VALUES ($1, $2, $3) \
                       ON CONFLICT (entity, key) DO UPDATE SET value = excluded.value";
            self.database.execute(sql, &[owner.into(), key.as_str().into(), value.as_str().into()])?;
        }
        let next = self.one("SELECT coalesce(max(id), 0) + 1 FROM series", &[])?.unwrap_or(1);
        let unit = self.plan.units.get(metric).map(String::as_str).filter(|_| is == Is::Metric);
        let sql = "INSERT INTO series (id, graph, entity, metric, kind, unit) VALUES ($1, $2, $3, $4, $5, $6)";
        let graph = self.graph.as_str().into();
        self.database
            .execute(sql, &[next.into(), graph, owner.into(), metric.into(), is.word().into(), unit.into()])?;
        Ok(next)
    }
}

/// `table.sum` and `table.sum_low` with those of `excluded` added, without loss: as [`Sums::add`] does it.
fn added(table: &str) -> String {
    let (a, b) = (format!("{table}.sum"), "excluded.sum");
    let s = format!("({a} + {b})");
    let lost = format!("(({a} - ({s} - ({s} - {a}))) + ({b} - ({s} - {a})))");
    format!("sum = {s}, sum_low = {table}.sum_low + excluded.sum_low + {lost}")
}

/// The least and the greatest of both, in a form that both databases know.
fn extremes(table: &str) -> String {
    format!(
        "min = CASE WHEN excluded.min < {table}.min THEN excluded.min ELSE {table}.min END, \
         max = CASE WHEN excluded.max > {table}.max THEN excluded.max ELSE {table}.max END"
    )
}

static UPSERT_HOUR: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO hourly (series, hour, count, sum, sum_low, min, max) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (series, hour) DO UPDATE SET count = hourly.count + excluded.count, {}, {}",
        added("hourly"),
        extremes("hourly")
    )
});

static UPSERT_TOTAL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO total (series, count, sum, sum_low, min, max, first, last, last_value) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (series) DO UPDATE SET count = total.count + excluded.count, {}, {}, \
         first = CASE WHEN excluded.first < total.first THEN excluded.first ELSE total.first END, \
         last_value = CASE WHEN excluded.last > total.last THEN excluded.last_value ELSE total.last_value END, \
         last = CASE WHEN excluded.last > total.last THEN excluded.last ELSE total.last END",
        added("total"),
        extremes("total")
    )
});
