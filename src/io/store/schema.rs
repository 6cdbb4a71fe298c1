//! The tables of a store, the same in SQLite and PostgreSQL, and how an older store becomes a newer one.
//!
//! ```text
//! entity ─┬─< attribute                       report ─┬─< anomaly
//!         └─< series ─┬─< measurement                 ├─< recommendation
//!                     ├─< hourly                      └─< insight
//!                     └── total               run        episode
//! ```
//!
//! Times are whole microseconds since 1970-01-01T00:00:00Z. A series has one value per moment: the first that came stays.
//! `hourly` and `total` are kept in the transaction of the insert, and a sum is `sum + sum_low`, so that it is exact to
//! the last bit however it was added up.

use super::{Cell, Database, unusable};
use crate::diagnostic::Diagnostic;

/// Each takes a store from the version that is its place to the next. What stands here never changes.
const MIGRATIONS: &[&str] = &[FIRST];

const FIRST: &str = "
CREATE TABLE entity (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE -- host, device or sensor; empty where records name none
){clustered};
CREATE TABLE attribute (
    entity BIGINT NOT NULL REFERENCES entity(id),
    key TEXT NOT NULL, -- zone, type, place, ...
    value TEXT NOT NULL,
    PRIMARY KEY (entity, key)
){clustered};
CREATE TABLE series (
    id BIGINT PRIMARY KEY,
    graph TEXT NOT NULL,
    entity BIGINT NOT NULL REFERENCES entity(id),
    metric TEXT NOT NULL, -- a field of the records, or a service
    kind TEXT NOT NULL CHECK (kind IN ('metric', 'status')),
    unit TEXT, -- of value, min, max and sum; NULL for plain numbers and statuses
    UNIQUE (graph, metric, kind, entity)
){clustered};
CREATE TABLE measurement (
    series BIGINT NOT NULL REFERENCES series(id),
    time BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC
    value DOUBLE PRECISION NOT NULL, -- in the unit of the series; a status is 0 online, 1 degraded, 2 offline
    PRIMARY KEY (series, time)
){clustered};
CREATE TABLE hourly (
    series BIGINT NOT NULL REFERENCES series(id),
    hour BIGINT NOT NULL, -- its start, microseconds since 1970-01-01 UTC
    count BIGINT NOT NULL,
    sum DOUBLE PRECISION NOT NULL,
    sum_low DOUBLE PRECISION NOT NULL, -- what sum has lost by rounding
    min DOUBLE PRECISION NOT NULL,
    max DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (series, hour)
){clustered};
CREATE TABLE total (
    series BIGINT PRIMARY KEY REFERENCES series(id),
    count BIGINT NOT NULL,
    sum DOUBLE PRECISION NOT NULL,
    sum_low DOUBLE PRECISION NOT NULL, -- what sum has lost by rounding
    min DOUBLE PRECISION NOT NULL,
    max DOUBLE PRECISION NOT NULL,
    first BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC
    last BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC
    last_value DOUBLE PRECISION NOT NULL
){clustered};
CREATE TABLE swept (
    graph TEXT PRIMARY KEY,
    before BIGINT NOT NULL -- raw values of earlier times are gone; microseconds since 1970-01-01 UTC
){clustered};
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    graph TEXT NOT NULL,
    status TEXT NOT NULL, -- done, failed, running
    started BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC, as the next
    ended BIGINT,
    window_start BIGINT, -- of records, microseconds since 1970-01-01 UTC, as the next; NULL without windows
    window_end BIGINT,
    record TEXT NOT NULL -- the run record, JSON
);
CREATE INDEX run_started ON run (started, id);
CREATE TABLE report (
    id BIGINT PRIMARY KEY,
    graph TEXT NOT NULL,
    key TEXT NOT NULL, -- what it is of: a window's start, or a run
    run TEXT NOT NULL,
    time BIGINT NOT NULL, -- of its newest record, microseconds since 1970-01-01 UTC
    window_start BIGINT, -- microseconds since 1970-01-01 UTC, as the next; NULL without windows
    window_end BIGINT,
    report TEXT NOT NULL, -- the report, JSON
    UNIQUE (graph, key)
);
CREATE INDEX report_time ON report (time, id);
CREATE INDEX report_graph ON report (graph, time, id);
CREATE TABLE insight (
    report BIGINT NOT NULL REFERENCES report(id),
    name TEXT NOT NULL,
    value DOUBLE PRECISION, -- NULL where no record has the metric
    PRIMARY KEY (report, name)
){clustered};
CREATE TABLE anomaly (
    report BIGINT NOT NULL REFERENCES report(id),
    place BIGINT NOT NULL, -- 0 is the worst
    name TEXT NOT NULL,
    metric TEXT NOT NULL,
    entity TEXT,
    service TEXT,
    severity TEXT NOT NULL, -- low, medium, high
    value DOUBLE PRECISION NOT NULL, -- in the unit
    threshold DOUBLE PRECISION NOT NULL, -- in the unit
    unit TEXT,
    first BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC, as the next two
    worst BIGINT NOT NULL,
    last BIGINT NOT NULL,
    episode TEXT, -- NULL without windows
    description TEXT NOT NULL,
    facts TEXT, -- the anomaly with all that is known of it, JSON; NULL where only the report was given
    PRIMARY KEY (report, place)
){clustered};
CREATE INDEX anomaly_worst ON anomaly (worst, report, place);
CREATE TABLE recommendation (
    report BIGINT NOT NULL REFERENCES report(id),
    place BIGINT NOT NULL, -- 0 is the most urgent
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    action TEXT NOT NULL,
    benefit_estimate TEXT NOT NULL,
    parameters TEXT NOT NULL, -- JSON
    PRIMARY KEY (report, place)
){clustered};
CREATE TABLE episode (
    graph TEXT NOT NULL,
    id TEXT NOT NULL, -- the name of its anomalies, and its start
    metric TEXT NOT NULL,
    entity TEXT,
    phase TEXT NOT NULL, -- opened, escalated, ongoing, resolved as of the newest window that tells of it
    since BIGINT NOT NULL, -- microseconds since 1970-01-01 UTC, as the next
    told BIGINT NOT NULL, -- end of that window
    worst_severity TEXT NOT NULL,
    windows BIGINT NOT NULL,
    PRIMARY KEY (graph, id)
){clustered};
CREATE INDEX episode_since ON episode (since, graph, id);
-- For people: names in place of numbers, and times as ISO 8601 in UTC.
CREATE VIEW reading AS
    SELECT series.graph, entity.name AS entity, metric, kind, unit, {iso measurement.time} AS time, value,
        measurement.time AS micros
    FROM measurement JOIN series ON series.id = measurement.series JOIN entity ON entity.id = series.entity;
CREATE VIEW hourly_reading AS
    SELECT series.graph, entity.name AS entity, metric, kind, unit, {iso hourly.hour} AS hour,
        (sum + sum_low) / count AS mean, count, min, max, hourly.hour AS micros
    FROM hourly JOIN series ON series.id = hourly.series JOIN entity ON entity.id = series.entity;
CREATE VIEW series_reading AS
    SELECT series.graph, entity.name AS entity, metric, kind, unit, (sum + sum_low) / count AS mean, count, min, max,
        {iso total.first} AS first, {iso total.last} AS last, last_value
    FROM total JOIN series ON series.id = total.series JOIN entity ON entity.id = series.entity;
";

/// Makes the tables, or brings those that are there up to date.
///
/// # Errors
/// The store is of a newer version of this program, or declines.
pub fn migrate(database: &mut dyn Database) -> Result<(), Diagnostic> {
    let migrated = bring_up(database);
    migrated.map_err(|why| {
        database.rollback();
        unusable(database.place(), &why)
    })
}

/// Whether the tables are those that this program knows.
///
/// # Errors
/// The store is of another version, or is none.
pub fn check(database: &mut dyn Database) -> Result<(), Diagnostic> {
    let found = version(database).map_err(|why| unusable(database.place(), &format!("it is no store: {why}")))?;
    match known(found) {
        Ok(at) if at == MIGRATIONS.len() => Ok(()),
        Ok(at) => {
            let now = MIGRATIONS.len();
            let why = format!("it is of version {at}, and is brought to {now} by the first run that writes to it");
            Err(unusable(database.place(), &why))
        }
        Err(why) => Err(unusable(database.place(), &why)),
    }
}

fn bring_up(database: &mut dyn Database) -> Result<(), String> {
    if version(database).is_ok_and(|found| found == Some(MIGRATIONS.len() as i64)) {
        return Ok(()); // without waiting for whoever writes
    }
    database.begin()?;
    database.script("CREATE TABLE IF NOT EXISTS store_version (version BIGINT NOT NULL)")?;
    let found = version(database)?;
    for migration in MIGRATIONS.get(known(found)?..).unwrap_or_default() {
        let sql = in_dialect(migration, database);
        database.script(&sql)?;
        let comments = database.comments(migration);
        database.script(&comments)?;
    }
    database.execute("DELETE FROM store_version", &[])?;
    database.execute("INSERT INTO store_version VALUES ($1)", &[(MIGRATIONS.len() as i64).into()])?;
    database.commit()
}

fn version(database: &mut dyn Database) -> Result<Option<i64>, String> {
    let mut version = None;
    database.query("SELECT version FROM store_version", &[], &mut |row| version = row.first().and_then(Cell::int))?;
    Ok(version)
}

/// How many migrations a store of this version has had.
fn known(version: Option<i64>) -> Result<usize, String> {
    let at = usize::try_from(version.unwrap_or(0)).ok().filter(|at| *at <= MIGRATIONS.len());
    let newer = || format!("it is of version {}, and this program knows {}", version.unwrap_or(0), MIGRATIONS.len());
    at.ok_or_else(|| newer() + " and older")
}

/// What the two databases write differently: `{clustered}`, and `{iso COLUMN}` for a time as text.
fn in_dialect(sql: &str, database: &dyn Database) -> String {
    let mut pieces = sql.split("{iso ");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (column, rest) = piece.split_once('}').unwrap_or((piece, ""));
        text.push_str(&database.iso(column));
        text.push_str(rest);
    }
    text.replace("{clustered}", database.clustered())
}

/// `COMMENT ON COLUMN` for each column that has a `--` behind it.
#[cfg(feature = "postgres")]
pub fn comments(sql: &str) -> String {
    let (mut table, mut comments) = ("", String::new());
    for line in sql.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            table = name.trim_end_matches(" (");
        } else if let (Some((column, about)), Some(_)) = (line.split_once(" -- "), line.strip_prefix("    ")) {
            let column = column.split_whitespace().next().unwrap_or_default();
            let about = about.replace('\'', "''");
            comments.push_str(&format!("COMMENT ON COLUMN {table}.{column} IS '{about}';\n"));
        }
    }
    comments
}
