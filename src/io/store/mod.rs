//! The store: measurements, reports, anomalies, episodes and run records in a database that outlives the process.
//! [`schema`] has the tables. Everything is written so that writing it again changes nothing.

mod keeper;
mod measurements;
#[cfg(feature = "postgres")]
mod postgres;
mod queue;
pub mod read;
mod report;
mod schema;
mod sqlite;
mod sums;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::diagnostic::{Diagnostic, codes};
use crate::node::Assets;

pub use measurements::OutputMeasurements;
pub use report::{Input as StoreInput, KeptReport, OutputStore};

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

impl Cell {
    pub fn int(&self) -> Option<i64> {
        if let Cell::Int(value) = self { Some(*value) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Cell::Text(value) = self { Some(value) } else { None }
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Cell {
        Cell::Int(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Cell {
        Cell::Real(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Cell {
        Cell::Text(value.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    pub series: i64,
    /// Microseconds since the epoch.
    pub time: i64,
    /// Finite.
    pub value: f64,
}

/// What a query gives.
pub enum Seen<'a> {
    /// Names, once, before any row.
    Columns(&'a [&'a str]),
    Row(&'a [Cell]),
}

/// Takes what a query gives.
pub type See<'a> = &'a mut dyn FnMut(Seen<'_>) -> ControlFlow<()>;

/// A connection. Parameters are `$1`, `$2`, … in the order of their first mention, each value given once. Errors are
/// lower-case fragments that say why.
pub trait Database: Send {
    /// As the user wrote it, without a password.
    fn place(&self) -> &str;

    /// What follows the columns of a table that is kept in the order of its key.
    fn clustered(&self) -> &'static str;

    /// A column of microseconds as ISO 8601 in UTC, to the millisecond.
    fn iso(&self, column: &str) -> String;

    /// Puts what a `--` behind the columns of a script says where the database keeps such.
    fn comments(&self, _sql: &str) -> String {
        String::new()
    }

    /// A query of somebody's own, put so that it can only read.
    fn question(&self, sql: &str) -> String {
        sql.to_string()
    }

    /// # Errors
    /// Why it cannot be done.
    fn script(&mut self, sql: &str) -> Result<(), String>;

    /// Gives the number of rows that changed.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, String>;

    /// Once for each of the rows, which are its parameters.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn execute_all(&mut self, sql: &str, rows: Vec<Vec<Cell>>) -> Result<(), String> {
        rows.iter().try_for_each(|row| self.execute(sql, row).map(drop))
    }

    /// Tells of the columns first, then of each row, until it is not asked for more.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn rows(&mut self, sql: &str, parameters: &[Cell], see: See<'_>) -> Result<(), String>;

    /// # Errors
    /// Why it cannot be done.
    fn query(&mut self, sql: &str, parameters: &[Cell], each: &mut dyn FnMut(&[Cell])) -> Result<(), String> {
        self.rows(sql, parameters, &mut |seen| {
            if let Seen::Row(cells) = seen {
                each(cells);
            }
            ControlFlow::Continue(())
        })
    }

    /// Begins a transaction that nobody else writes beside.
    ///
    /// # Errors
    /// Why it cannot be done, such as that somebody else has been writing for long.
    fn begin(&mut self) -> Result<(), String>;

    /// # Errors
    /// Why what was written since [`Database::begin`] is not safe.
    fn commit(&mut self) -> Result<(), String>;

    /// Forgets what was written since [`Database::begin`]; nothing happens where nothing was begun.
    fn rollback(&mut self);

    /// Inserts measurements, and keeps in `rows` the ones that were not there. No two are of one moment of one series.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn insert(&mut self, rows: &mut Vec<Measurement>) -> Result<(), String>;
}

/// Where a store is: a path of a file, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// As a graph file writes it: a path is relative to that file.
    pub fn new(written: &str, assets: &Assets<'_>) -> Place {
        Place(if written.contains("://") { written.to_string() } else { assets.locate(written) })
    }

    /// As a command line has it.
    pub fn at(written: &str) -> Place {
        Place(written.to_string())
    }

    /// Without what nobody else may know.
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        // A password may hold any of the signs that end it elsewhere.
        match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://…@{}", host.split('?').next().unwrap_or_default()),
            None => format!("{scheme}://{}", rest.split('?').next().unwrap_or_default()),
        }
    }
}

/// Opens a store, and makes its tables if they are not there.
///
/// # Errors
/// AG0411.
pub fn open(place: &Place, synced: bool) -> Result<Box<dyn Database>, Diagnostic> {
    let mut database = connect(place, synced, true)?;
    schema::migrate(database.as_mut())?;
    Ok(database)
}

/// Opens a store that is there, and changes nothing in it: the database itself refuses to write.
///
/// # Errors
/// AG0411: there is no store, or it is not of this program's version.
pub fn open_to_read(place: &Place) -> Result<Box<dyn Database>, Diagnostic> {
    let mut database = connect(place, false, false)?;
    schema::check(database.as_mut())?;
    Ok(database)
}

fn connect(place: &Place, synced: bool, writes: bool) -> Result<Box<dyn Database>, Diagnostic> {
    let opened: Result<Box<dyn Database>, String> = match place.0.split_once("://") {
        None if writes => sqlite::Sqlite::open(&place.0, synced).map(|database| Box::new(database) as _),
        None => sqlite::Sqlite::open_to_read(&place.0).map(|database| Box::new(database) as _),
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => {
            postgres::Postgres::open(&place.0, place.shown(), synced, writes).map(|database| Box::new(database) as _)
        }
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => {
            Err("this build knows files only: PostgreSQL is in builds with the feature `postgres`".to_string())
        }
        Some((scheme, _)) => Err(format!("no database is known for `{scheme}://`")),
    };
    opened.map_err(|why| unusable(&place.shown(), &why))
}

/// AG0411.
fn unusable(place: &str, why: &str) -> Diagnostic {
    let message = format!("the store `{place}` cannot be used: {why}");
    Diagnostic::new(codes::output::STORE, message).help(codes::output::STORE.remedy)
}
