//! The kind `output.store`.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cell, Database, Place, open, unusable};
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Episode, Report, RunRecord};
use crate::node::{Assets, Cx, Task, TaskError};

/// Keeps each report in a store: the report itself, and its insights, anomalies and recommendations as rows; and when the
/// run has ended, its run record and what became of its episodes.
///
/// A report and its rows are written in one transaction, so nobody sees half of one. The same report again changes nothing;
/// another report of the same window, as after `agent run --fresh`, takes its place.
///
/// ```toml
/// [nodes.store]
/// kind = "output.store"
/// inputs = { report = "report", anomalies = "anomalies" }
/// database = "../telemetry.db"    # relative to the graph file; or postgres://agent:${DB_PASSWORD}@db/telemetry
/// ```
///
/// With `anomalies` the rows say of each anomaly where it is, when it was and which episode it belongs to; without, what
/// the report says. `agent query` and `agent export` read the store, and `agent serve` shows it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file for SQLite, relative to the graph file, made if it is not there; or the URL of a PostgreSQL database, as in
    /// `postgres://agent@db.example.com/telemetry`.
    pub database: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub report: Report,
    /// The anomalies of the report, with the facts behind them.
    #[serde(default)]
    pub anomalies: Option<Vec<Anomaly>>,
}

/// What was kept of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptReport {
    /// What the report is of: the start of its window, or its run.
    pub key: String,
}

pub struct OutputStore {
    writing: Arc<Writing>,
}

struct Writing {
    place: Place,
    /// Opened when it is first needed, and again after a failure.
    /// And whether what it commits survives a power cut.
    database: Mutex<Option<(Box<dyn Database>, bool)>>,
}

impl Task for OutputStore {
    const KIND: &'static str = "output.store";
    const VERSION: u32 = 1;
    type Config = Config;
    type Input = Input;
    type Output = KeptReport;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(OutputStore::at(Place::new(&config.database, assets)))
    }

    async fn run(&self, input: Input, cx: &Cx) -> Result<KeptReport, TaskError> {
        let (writing, synced, report) = (self.writing.clone(), cx.synced, ReportRows::new(input, cx));
        let key = report.key.clone();
        // Somebody else may be writing for long; nobody else's task is to wait for it.
        let write = move || writing.write(synced, |database| report.write(database));
        let written = tokio::task::spawn_blocking(write).await;
        written
            .map_err(|error| TaskError::Permanent(format!("the writer broke, which is a bug: {error}")))?
            .map_err(|fault| TaskError::Diagnosed(Box::new(fault)))?;
        Ok(KeptReport { key })
    }

    fn ended(&self, record: &RunRecord) -> Result<(), Diagnostic> {
        self.writing.write(false, |database| write_run(database, record))
    }
}

impl OutputStore {
    /// One that no graph file names.
    pub fn at(place: Place) -> OutputStore {
        OutputStore { writing: Arc::new(Writing { place, database: Mutex::default() }) }
    }

    /// Makes the store, if it is not there.
    ///
    /// # Errors
    /// AG0411.
    pub fn check(&self) -> Result<(), Diagnostic> {
        self.writing.write(false, |_| Ok(()))
    }

    /// Keeps a report, as the task does.
    ///
    /// # Errors
    /// AG0411.
    pub fn keep(&self, input: Input, cx: &Cx) -> Result<KeptReport, Diagnostic> {
        let rows = ReportRows::new(input, cx);
        let key = rows.key.clone();
        self.writing.write(cx.synced, |database| rows.write(database))?;
        Ok(KeptReport { key })
    }
}

impl Writing {
    /// All of it or nothing.
    fn write(
        &self,
        synced: bool,
        work: impl FnOnce(&mut dyn Database) -> Result<(), String>,
    ) -> Result<(), Diagnostic> {
        let mut kept = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut database = match kept.take() {
            // One that survives a power cut does for both.
            Some((database, is_synced)) if is_synced || !synced => (database, is_synced),
            _ => (open(&self.place, synced)?, synced),
        };
        let began = database.0.begin();
        match began.and_then(|()| work(database.0.as_mut())).and_then(|()| database.0.commit()) {
            Ok(()) => {
                *kept = Some(database);
                Ok(())
            }
            Err(why) => {
                database.0.rollback();
                Err(unusable(database.0.place(), &why))
            }
        }
    }
}

/// A report as it is kept.
struct ReportRows {
    graph: String,
    key: String,
    run: String,
    window: Option<(i64, i64)>,
    report: Report,
    anomalies: Vec<AnomalyRow>,
    episodes: Vec<EpisodeRow>,
}

/// What is known of an anomaly; a report alone knows less of it.
struct AnomalyRow {
    cells: Vec<Cell>,
}

impl ReportRows {
    fn new(Input { report, anomalies }: Input, cx: &Cx) -> ReportRows {
        let window = cx.window.as_ref().map(|window| (window.span.start, window.span.end));
        let key = window.map_or_else(|| cx.run.clone(), |(start, _)| start.to_string());
        let told = window.map_or(report.timestamp, |(_, end)| end);
        let episodes = anomalies.iter().flatten().filter_map(|anomaly| {
            let (metric, entity) = (anomaly.metric.clone(), anomaly.entity.clone());
            Some(EpisodeRow { metric, entity, episode: anomaly.episode.clone()?, told: told.micros() })
        });
        let episodes = episodes.collect();
        let anomalies = match anomalies {
            Some(all) => all.iter().filter(|anomaly| !anomaly.is_over()).map(AnomalyRow::of).collect(),
            None => AnomalyRow::of_report(&report),
        };
        let window = window.map(|(start, end)| (start.micros(), end.micros()));
        ReportRows { graph: cx.graph.clone(), key, run: cx.run.clone(), window, report, anomalies, episodes }
    }

    fn write(&self, database: &mut dyn Database) -> Result<(), String> {
        let text = serde_json::to_string(&self.report).map_err(|error| error.to_string())?;
        let Some(id) = self.place_of(database, &text)? else { return Ok(()) };
        for (name, value) in &self.report.insights.0 {
            let value = value.map(|figure| figure.get());
            let sql = "INSERT INTO insight (report, name, value) VALUES ($1, $2, $3)";
            database.execute(sql, &[id.into(), name.as_str().into(), value.into()])?;
        }
        for (place, anomaly) in (0_i64..).zip(&self.anomalies) {
            let sql = "INSERT INTO anomaly (report, place, name, metric, entity, service, severity, value, threshold, \
                       unit, first, worst, last, episode, description, facts) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
            database.execute(sql, &[&[id.into(), place.into()], anomaly.cells.as_slice()].concat())?;
        }
        for (place, what) in (0_i64..).zip(&self.report.recommendations) {
            let parameters = serde_json::to_string(&what.parameters).map_err(|error| error.to_string())?;
            let sql = "INSERT INTO recommendation (report, place, name, target, action, benefit_estimate, parameters) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let words = [what.id.as_str(), &what.target, &what.action, &what.benefit_estimate, &parameters];
            let cells: Vec<Cell> = [id.into(), place.into()].into_iter().chain(words.map(Cell::from)).collect();
            database.execute(sql, &cells)?;
        }
        self.episodes.iter().try_for_each(|episode| episode.write(&self.graph, database))
    }

    /// The number that the report is to have, free of what was there; `None` where the very same is there already.
    fn place_of(&self, database: &mut dyn Database, text: &str) -> Result<Option<i64>, String> {
        let (mut there, mut is_same) = (None, false);
        let sql = "SELECT id, report FROM report WHERE graph = $1 AND key = $2";
        database.query(sql, &[self.graph.as_str().into(), self.key.as_str().into()], &mut |row| {
            there = row.first().and_then(Cell::int);
            is_same = row.get(1).and_then(Cell::text) == Some(text);
        })?;
        if is_same {
            return Ok(None);
        }
        let id = match there {
            Some(id) => {
                for table in ["insight", "anomaly", "recommendation"] {
                    database.execute(&format!("DELETE FROM {table} WHERE report = $1"), &[id.into()])?;
                }
                database.execute("DELETE FROM report WHERE id = $1", &[id.into()])?;
                id
            }
            None => {
                let mut next = 1;
                database.query("SELECT coalesce(max(id), 0) + 1 FROM report", &[], &mut |row| {
                    next = row.first().and_then(Cell::int).unwrap_or(next);
                })?;
                next
            }
        };
        let sql = "INSERT INTO report (id, graph, key, run, time, window_start, window_end, report) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let (start, end) = self.window.unzip();
        let texts = [self.graph.as_str().into(), self.key.as_str().into(), self.run.as_str().into()];
        let times = [self.report.timestamp.micros().into(), start.into(), end.into(), text.into()];
        database.execute(sql, &[&[id.into()], &texts[..], &times].concat())?;
        Ok(Some(id))
    }
}

impl AnomalyRow {
    fn of(anomaly: &Anomaly) -> AnomalyRow {
        let text = |text: &Option<String>| Cell::from(text.as_deref());
        let cells = vec![
            anomaly.name.as_str().into(),
            anomaly.metric.as_str().into(),
            text(&anomaly.entity),
            text(&anomaly.service),
            anomaly.severity.word().into(),
            anomaly.value.get().into(),
            anomaly.threshold.get().into(),
            text(&anomaly.unit),
            anomaly.first.time.micros().into(),
            anomaly.worst.time.micros().into(),
            anomaly.last.time.micros().into(),
            anomaly.episode.as_ref().map(|episode| episode.id.as_str()).into(),
            anomaly.description.as_str().into(),
            serde_json::to_string(anomaly).ok().as_deref().into(), // our own types always serialise
        ];
        AnomalyRow { cells }
    }

    fn of_report(report: &Report) -> Vec<AnomalyRow> {
        let time: Cell = report.timestamp.micros().into();
        let of = |anomaly: &crate::domain::ReportAnomaly| {
            let (metric, entity) = parts(&anomaly.metric);
            let cells = vec![
                anomaly.metric.as_str().into(),
                metric.into(),
                entity.into(),
                Cell::Null,
                anomaly.severity.word().into(),
                anomaly.value.get().into(),
                anomaly.threshold.get().into(),
                Cell::Null,
                time.clone(),
                time.clone(),
                time.clone(),
                Cell::Null,
                anomaly.description.as_str().into(),
                Cell::Null,
            ];
            AnomalyRow { cells }
        };
        report.anomalies.iter().map(of).collect()
    }
}

fn write_run(database: &mut dyn Database, record: &RunRecord) -> Result<(), String> {
    let text = serde_json::to_string(record).map_err(|error| error.to_string())?;
    let span = record.window.as_ref().map(|window| (window.span.start.micros(), window.span.end.micros()));
    let (start, end) = span.unzip();
    let sql = "INSERT INTO run (id, graph, status, started, ended, window_start, window_end, record) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
               ended = excluded.ended, record = excluded.record";
    let ended = record.ended.map(|ended| ended.micros());
    let times = [record.started.micros().into(), ended.into(), start.into(), end.into(), text.as_str().into()];
    let texts = [record.run.as_str().into(), record.graph.as_str().into(), record.status.word().into()];
    database.execute(sql, &[&texts[..], &times].concat())?;
    let told = end.unwrap_or(record.started.micros());
    record.episodes.iter().try_for_each(|episode| {
        // Its report, if it has one, has said it better.
        let name = episode.id.rsplit_once('/').map_or(episode.id.as_str(), |(name, _)| name);
        let (metric, entity) = parts(name);
        let (metric, entity) = (metric.to_string(), entity.map(str::to_string));
        EpisodeRow { metric, entity, episode: episode.clone(), told }.write(&record.graph, database)
    })
}

/// Metric and entity of an anomaly's name.
fn parts(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((metric, entity)) => (metric, Some(entity.split_once('#').map_or(entity, |(entity, _)| entity))),
        None => (name.split_once('#').map_or(name, |(metric, _)| metric), None),
    }
}

/// What became of an episode in a window.
struct EpisodeRow {
    metric: String,
    entity: Option<String>,
    episode: Episode,
    /// End of the window, in microseconds.
    told: i64,
}

impl EpisodeRow {
    fn write(&self, graph: &str, database: &mut dyn Database) -> Result<(), String> {
        let EpisodeRow { metric, entity, episode, told } = self;
        let sql = "INSERT INTO episode (graph, id, metric, entity, phase, since, told, worst_severity, windows) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (graph, id) DO UPDATE SET \
                   phase = excluded.phase, told = excluded.told, worst_severity = excluded.worst_severity, \
                   windows = excluded.windows WHERE excluded.told >= episode.told";
        let texts = [graph.into(), episode.id.as_str().into(), metric.as_str().into(), entity.as_deref().into()];
        let state = [episode.phase.word().into(), episode.since.micros().into(), (*told).into()];
        let windows = i64::try_from(episode.windows).unwrap_or(i64::MAX);
        let rest = [episode.worst_severity.word().into(), windows.into()];
        database.execute(sql, &[&texts[..], &state, &rest].concat()).map(drop)
    }
}
