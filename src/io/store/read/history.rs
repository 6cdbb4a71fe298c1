//! Reports and what is in them, episodes and runs: newest first.

use serde_json::value::RawValue;

use super::{
    AnomalyFilter, Cell, Conditions, EpisodeFilter, Is, KeptAnomaly, KeptEpisode, KeptReport, KeptRun, Page, Paging,
    ReadError, ReportFilter, Row, RunFilter, Store, cursor,
};
use crate::domain::{Phase, RunStatus, Severity, Timestamp};

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
