//! Reports and what is in them, episodes and runs: newest first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Cell, Conditions, Is, Page, Paging, ReadError, Row, Store, cursor};
use crate::domain::{Anomaly, Phase, Report, RunRecord, RunStatus, Severity, Timestamp, WindowSpan};

/// A report as it was kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptReport {
    pub id: i64,
    pub graph: String,
    /// What it is of: the start of its window, or its run.
    pub key: String,
    pub run: String,
    /// Of its newest record.
    pub time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpan>,
    /// As it was written.
    #[schemars(with = "Report")]
    pub report: Box<RawValue>,
}

/// Which reports; what is not given is not asked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReportFilter {
    pub graph: Option<String>,
    /// Of this window or run.
    pub key: Option<String>,
    /// Whose newest record is of this time or later.
    pub from: Option<Timestamp>,
    /// Whose newest record is before this time.
    pub to: Option<Timestamp>,
}

/// An anomaly of a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptAnomaly {
    /// Id of its report.
    pub report: i64,
    /// In its report; 0 is the worst.
    pub place: i64,
    pub graph: String,
    pub name: String,
    pub metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    pub severity: Severity,
    pub value: f64,
    pub threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub first: Timestamp,
    pub worst: Timestamp,
    pub last: Timestamp,
    /// Id of the episode, in a graph with windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    pub description: String,
    /// All that is known of it; absent where the graph gave the store the report only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Anomaly>")]
    pub facts: Option<Box<RawValue>>,
}

/// Which anomalies, by the time of their worst record.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AnomalyFilter {
    pub graph: Option<String>,
    pub report: Option<i64>,
    /// That bad or worse.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    pub episode: Option<String>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// The same trouble of one series, as of the newest window that tells of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptEpisode {
    pub graph: String,
    pub id: String,
    pub metric: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    pub phase: Phase,
    /// Time of its first record.
    pub since: Timestamp,
    /// End of the newest window that tells of it.
    pub told: Timestamp,
    pub worst_severity: Severity,
    pub windows: i64,
}

/// Which episodes: those that lasted at some time of `from` to `to`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EpisodeFilter {
    pub graph: Option<String>,
    /// That bad or worse, at their worst.
    pub severity: Option<Severity>,
    pub entity: Option<String>,
    pub metric: Option<String>,
    /// `false`: only those that are over; `true`: only the others.
    pub open: Option<bool>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptRun {
    pub id: String,
    pub graph: String,
    pub status: RunStatus,
    pub started: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Of the records that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpan>,
    /// In lists absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RunRecord>")]
    pub record: Option<Box<RawValue>>,
}

/// Which runs, by the time when they started.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunFilter {
    pub graph: Option<String>,
    pub status: Option<RunStatus>,
    pub from: Option<Timestamp>,
    /// Before it.
    pub to: Option<Timestamp>,
}

/// A query whose rows are in the order of some columns, downwards.
struct List<'a> {
    select: &'a str,
    order: &'a [(&'a str, Is)],
}

impl List<'_> {
    /// `of` makes an item of a row, and its place in the order.
    fn page<T>(
        &self,
        store: &mut Store,
        mut conditions: Conditions,
        paging: &Paging,
        of: impl Fn(&mut Row<'_>) -> Option<(T, Vec<Cell>)>,
    ) -> Result<Page<T>, ReadError> {
        let (names, kinds): (Vec<&str>, Vec<Is>) = self.order.iter().copied().unzip();
        if let Some(after) = paging.after(&kinds)? {
            let marks = vec!["?"; names.len()].join(", ");
            conditions.all(&format!("({}) < ({marks})", names.join(", ")), after);
        }
        let limit = paging.limit();
        let Conditions { sql, parameters } = conditions;
        let order = names.iter().map(|name| format!("{name} DESC")).collect::<Vec<_>>().join(", ");
        let sql = format!("{}{sql} ORDER BY {order} LIMIT {}", self.select, limit + 1);
        let (mut items, mut last, mut next) = (Vec::new(), Vec::new(), None);
        store.query(&sql, &parameters, &mut |row| {
            if items.len() == limit {
                next = Some(cursor(&last));
            } else if let Some((item, place)) = of(&mut Row::new(row)) {
                items.push(item);
                last = place;
            }
        })?;
        Ok(Page { items, next })
    }
}

impl Store {
    /// Newest first.
    ///
    /// # Errors
    /// See [`ReadError`], here and below.
    pub fn reports(&mut self, filter: &ReportFilter, paging: &Paging) -> Result<Page<KeptReport>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.and("graph = ?", filter.graph.as_deref());
        conditions.and("key = ?", filter.key.as_deref());
        conditions.and("time >= ?", filter.from.map(Timestamp::micros));
        conditions.and("time < ?", filter.to.map(Timestamp::micros));
        let list = List { select: REPORT, order: &[("time", Is::Int), ("id", Is::Int)] };
        list.page(self, conditions, paging, |row| {
            let report = report(row)?;
            let place = vec![report.time.micros().into(), report.id.into()];
            Some((report, place))
        })
    }

    /// The newest one, of this graph or of any.
    ///
    /// # Errors
    /// As above.
    pub fn newest_report(&mut self, graph: Option<&str>) -> Result<Option<KeptReport>, ReadError> {
        let filter = ReportFilter { graph: graph.map(str::to_string), ..ReportFilter::default() };
        let page = self.reports(&filter, &Paging { limit: Some(1), after: None })?;
        Ok(page.items.into_iter().next())
    }

    /// # Errors
    /// As above.
    pub fn report(&mut self, id: i64) -> Result<Option<KeptReport>, ReadError> {
        let mut found = None;
        self.query(&format!("{REPORT} WHERE id = $1"), &[id.into()], &mut |row| found = report(&mut Row::new(row)))?;
        Ok(found)
    }

    /// Newest first, by the worst record.
    ///
    /// # Errors
    /// As above.
    pub fn anomalies(&mut self, filter: &AnomalyFilter, paging: &Paging) -> Result<Page<KeptAnomaly>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.and("report.graph = ?", filter.graph.as_deref());
        conditions.and("anomaly.report = ?", filter.report);
        at_least(&mut conditions, "anomaly.severity", filter.severity);
        conditions.and("anomaly.entity = ?", filter.entity.as_deref());
        conditions.and("anomaly.metric = ?", filter.metric.as_deref());
        conditions.and("anomaly.episode = ?", filter.episode.as_deref());
        conditions.and("anomaly.worst >= ?", filter.from.map(Timestamp::micros));
        conditions.and("anomaly.worst < ?", filter.to.map(Timestamp::micros));
        let order = &[("anomaly.worst", Is::Int), ("anomaly.report", Is::Int), ("anomaly.place", Is::Int)];
        List { select: ANOMALY, order }.page(self, conditions, paging, |row| {
            let anomaly = anomaly(row)?;
            let place = [anomaly.worst.micros(), anomaly.report, anomaly.place].map(Cell::from).to_vec();
            Some((anomaly, place))
        })
    }

    /// Newest first, by their start.
    ///
    /// # Errors
    /// As above.
    pub fn episodes(&mut self, filter: &EpisodeFilter, paging: &Paging) -> Result<Page<KeptEpisode>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.and("graph = ?", filter.graph.as_deref());
        at_least(&mut conditions, "worst_severity", filter.severity);
        conditions.and("entity = ?", filter.entity.as_deref());
        conditions.and("metric = ?", filter.metric.as_deref());
        match filter.open {
            Some(true) => conditions.all("phase <> ?", [Phase::Resolved.word().into()]),
            Some(false) => conditions.all("phase = ?", [Phase::Resolved.word().into()]),
            None => {}
        }
        conditions.and("told > ?", filter.from.map(Timestamp::micros));
        conditions.and("since < ?", filter.to.map(Timestamp::micros));
        let order = &[("since", Is::Int), ("graph", Is::Text), ("id", Is::Text)];
        List { select: EPISODE, order }.page(self, conditions, paging, |row| {
            let episode = episode(row)?;
            let texts = [episode.graph.as_str().into(), episode.id.as_str().into()];
            let place = [&[episode.since.micros().into()], &texts[..]].concat();
            Some((episode, place))
        })
    }

    /// Newest first, without their records.
    ///
    /// # Errors
    /// As above.
    pub fn runs(&mut self, filter: &RunFilter, paging: &Paging) -> Result<Page<KeptRun>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.and("graph = ?", filter.graph.as_deref());
        conditions.and("status = ?", filter.status.map(RunStatus::word));
        conditions.and("started >= ?", filter.from.map(Timestamp::micros));
        conditions.and("started < ?", filter.to.map(Timestamp::micros));
        let list = List { select: &format!("{RUN} FROM run"), order: &[("started", Is::Int), ("id", Is::Text)] };
        list.page(self, conditions, paging, |row| {
            let run = run(row)?;
            let place = vec![run.started.micros().into(), run.id.as_str().into()];
            Some((run, place))
        })
    }

    /// With its record.
    ///
    /// # Errors
    /// As above.
    pub fn run(&mut self, id: &str) -> Result<Option<KeptRun>, ReadError> {
        let mut found = None;
        let sql = format!("{RUN}, record FROM run WHERE id = $1");
        self.query(&sql, &[id.into()], &mut |row| found = run(&mut Row::new(row)))?;
        Ok(found)
    }
}

const REPORT: &str = "SELECT id, graph, key, run, time, window_start, window_end, report FROM report";
const ANOMALY: &str = "SELECT anomaly.report, place, graph, name, metric, entity, service, severity, value, threshold, \
                       unit, first, worst, last, episode, description, facts \
                       FROM anomaly JOIN report ON report.id = anomaly.report";
const EPISODE: &str = "SELECT graph, id, metric, entity, phase, since, told, worst_severity, windows FROM episode";
const RUN: &str = "SELECT id, graph, status, started, ended, window_start, window_end";

fn at_least(conditions: &mut Conditions, column: &str, severity: Option<Severity>) {
    let Some(least) = severity else { return };
    let words: Vec<Cell> = Severity::ALL.iter().filter(|s| **s >= least).map(|s| s.word().into()).collect();
    conditions.all(&format!("{column} IN ({})", vec!["?"; words.len()].join(", ")), words);
}

fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}

fn report(row: &mut Row<'_>) -> Option<KeptReport> {
    Some(KeptReport {
        id: row.int(),
        graph: row.text(),
        key: row.text(),
        run: row.text(),
        time: row.time(),
        window: row.window(),
        report: raw(row.text())?,
    })
}

fn anomaly(row: &mut Row<'_>) -> Option<KeptAnomaly> {
    Some(KeptAnomaly {
        report: row.int(),
        place: row.int(),
        graph: row.text(),
        name: row.text(),
        metric: row.text(),
        entity: row.some_text(),
        service: row.some_text(),
        severity: row.word()?,
        value: row.real(),
        threshold: row.real(),
        unit: row.some_text(),
        first: row.time(),
        worst: row.time(),
        last: row.time(),
        episode: row.some_text(),
        description: row.text(),
        facts: row.some_text().and_then(raw),
    })
}

fn episode(row: &mut Row<'_>) -> Option<KeptEpisode> {
    Some(KeptEpisode {
        graph: row.text(),
        id: row.text(),
        metric: row.text(),
        entity: row.some_text(),
        phase: row.word()?,
        since: row.time(),
        told: row.time(),
        worst_severity: row.word()?,
        windows: row.int(),
    })
}

fn run(row: &mut Row<'_>) -> Option<KeptRun> {
    Some(KeptRun {
        id: row.text(),
        graph: row.text(),
        status: row.word()?,
        started: row.time(),
        ended: row.some_time(),
        window: row.window(),
        record: row.some_text().and_then(raw),
    })
}
