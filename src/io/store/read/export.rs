//! Whole tables, one row after another: an export holds one row in memory, however many there are.

use std::ops::ControlFlow;

use super::Selection;
use super::{Cell, Conditions, ReadError, Row, Store};
use crate::domain::Timestamp;
use crate::io::store::{See, Seen, unusable};

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Measurements,
    Hourly,
    Reports,
    Anomalies,
    Episodes,
    Runs,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Text,
    Int,
    Real,
    /// Microseconds since 1970-01-01 UTC.
    Time,
    /// JSON as text.
    Json,
}

pub type Column = (&'static str, Holds);

const SERIES: [Column; 5] = [
    ("graph", Holds::Text),
    ("entity", Holds::Text),
    ("metric", Holds::Text),
    ("kind", Holds::Text),
    ("unit", Holds::Text),
];
const MEASUREMENTS: [Column; 7] =
    [SERIES[0], SERIES[1], SERIES[2], SERIES[3], SERIES[4], ("time", Holds::Time), ("value", Holds::Real)];
const HOURLY: [Column; 10] = [
    SERIES[0],
    SERIES[1],
    SERIES[2],
    SERIES[3],
    SERIES[4],
    ("hour", Holds::Time),
    ("count", Holds::Int),
    ("mean", Holds::Real),
    ("min", Holds::Real),
    ("max", Holds::Real),
];
const REPORTS: [Column; 8] = [
    ("id", Holds::Int),
    ("graph", Holds::Text),
    ("key", Holds::Text),
    ("run", Holds::Text),
    ("time", Holds::Time),
    ("window_start", Holds::Time),
    ("window_end", Holds::Time),
    ("report", Holds::Json),
];
const ANOMALIES: [Column; 17] = [
    ("report", Holds::Int),
    ("place", Holds::Int),
    ("graph", Holds::Text),
    ("name", Holds::Text),
    ("metric", Holds::Text),
    ("entity", Holds::Text),
    ("service", Holds::Text),
    ("severity", Holds::Text),
    ("value", Holds::Real),
    ("threshold", Holds::Real),
    ("unit", Holds::Text),
    ("first", Holds::Time),
    ("worst", Holds::Time),
    ("last", Holds::Time),
    ("episode", Holds::Text),
    ("description", Holds::Text),
    ("facts", Holds::Json),
];
const EPISODES: [Column; 9] = [
    ("graph", Holds::Text),
    ("id", Holds::Text),
    ("metric", Holds::Text),
    ("entity", Holds::Text),
    ("phase", Holds::Text),
    ("since", Holds::Time),
    ("told", Holds::Time),
    ("worst_severity", Holds::Text),
    ("windows", Holds::Int),
];
const RUNS: [Column; 8] = [
    ("id", Holds::Text),
    ("graph", Holds::Text),
    ("status", Holds::Text),
    ("started", Holds::Time),
    ("ended", Holds::Time),
    ("window_start", Holds::Time),
    ("window_end", Holds::Time),
    ("record", Holds::Json),
];

impl What {
    pub fn columns(self) -> &'static [Column] {
        match self {
            What::Measurements => &MEASUREMENTS,
            What::Hourly => &HOURLY,
            What::Reports => &REPORTS,
            What::Anomalies => &ANOMALIES,
            What::Episodes => &EPISODES,
            What::Runs => &RUNS,
        }
    }

    /// Whether its rows are of an entity and a metric.
    pub fn has_metrics(self) -> bool {
        !matches!(self, What::Reports | What::Runs)
    }
}

impl Store {
    /// Oldest first; of measurements and hours series by series. The time of a selection is that of a measurement, an hour's
    /// start, a report's newest record, an anomaly's worst record, an episode's start, a run's start.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn export(&mut self, what: What, selection: &Selection, see: See<'_>) -> Result<(), ReadError> {
        let names: Vec<&str> = what.columns().iter().map(|(name, _)| *name).collect();
        if see(Seen::Columns(&names)).is_break() {
            return Ok(());
        }
        let (table, time, order) = match what {
            What::Measurements => return self.export_series(MEASUREMENT, "time", selection, see),
            What::Hourly => return self.export_series(HOUR, "hour", selection, see),
            What::Reports => ("report", "time", "time, id"),
            What::Anomalies => {
                ("anomaly JOIN report ON report.id = anomaly.report", "worst", "worst, anomaly.report, place")
            }
            What::Episodes => ("episode", "since", "since, graph, id"),
            What::Runs => ("run", "started", "started, id"),
        };
        let columns: Vec<&str> = match what {
            What::Anomalies => std::iter::once("anomaly.report").chain(names.iter().skip(1).copied()).collect(),
            _ => names,
        };
        let mut conditions = Conditions::default();
        conditions.and("graph = ?", selection.graph.as_deref());
        conditions.and("entity = ?", selection.entity.as_deref());
        conditions.and("metric = ?", selection.metric.as_deref());
        conditions.and(&format!("{time} >= ?"), selection.from.map(Timestamp::micros));
        conditions.and(&format!("{time} < ?"), selection.to.map(Timestamp::micros));
        let Conditions { sql, parameters } = conditions;
        let sql = format!("SELECT {} FROM {table}{sql} ORDER BY {order}", columns.join(", "));
        self.rows(&sql, &parameters, see)
    }

    fn export_series(
        &mut self,
        select: &str,
        time: &str,
        selection: &Selection,
        see: See<'_>,
    ) -> Result<(), ReadError> {
        let Conditions { sql, parameters } = selection.conditions();
        let sql = format!(
            "SELECT series.id, graph, entity.name, metric, kind, unit FROM series \
             JOIN entity ON entity.id = series.entity{sql} ORDER BY series.id"
        );
        let mut all = Vec::new();
        self.query(&sql, &parameters, &mut |row| {
            all.push((Row::new(row).int(), row.get(1..).unwrap_or_default().to_vec()));
        })?;
        let sql = format!("{select} WHERE series = $1 AND {time} >= $2 AND {time} < $3 ORDER BY {time}");
        let from = selection.from.map_or(i64::MIN, Timestamp::micros);
        let to = selection.to.map_or(i64::MAX, Timestamp::micros);
        for (id, mut cells) in all {
            let (known, mut flow) = (cells.len(), ControlFlow::Continue(()));
            self.rows(&sql, &[id.into(), from.into(), to.into()], &mut |seen| {
                if let Seen::Row(row) = seen {
                    cells.truncate(known);
                    cells.extend_from_slice(row);
                    flow = see(Seen::Row(&cells));
                }
                flow
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn rows(&mut self, sql: &str, parameters: &[Cell], see: See<'_>) -> Result<(), ReadError> {
        let read = self.database.rows(sql, parameters, &mut |seen| match seen {
            Seen::Columns(_) => ControlFlow::Continue(()), // told already
            row => see(row),
        });
        read.map_err(|why| ReadError::Store(unusable(self.database.place(), &why)))
    }
}

const MEASUREMENT: &str = "SELECT time, value FROM measurement";
const HOUR: &str = "SELECT hour, count, (sum + sum_low) / count, min, max FROM hourly";
