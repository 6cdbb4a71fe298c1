//! Reads of a store, as types: what an API, a page or an export asks. All lists are in pages, and a page says where the
//! next begins; the order of each is that of an index, so a page costs what it holds.

mod export;
mod history;
mod pool;
mod series;

use super::{Cell, Database, Place, open_to_read, unusable};
use crate::diagnostic::Diagnostic;
use crate::domain::{Timestamp, WindowSpan};

pub use export::{Column, Holds, What};
pub use pool::Reader;

pub use crate::port::{
    AnomalyFilter, Bucket, EpisodeFilter, Group, KeptAnomaly, KeptEpisode, KeptReport, KeptRun, Page, Paging,
    ReadError, ReportFilter, RunFilter, Sample, Selection, Series, SeriesKind,
};

/// Most items of a page.
pub const MOST: u32 = 10_000;

/// A store that is there, opened without the right to write.
pub struct Store {
    database: Box<dyn Database>,
}

impl Store {
    /// # Errors
    /// There is no store, or it is not of this program's version.
    pub fn open(place: &Place) -> Result<Store, Diagnostic> {
        Ok(Store { database: open_to_read(place)? })
    }

    fn query(&mut self, sql: &str, parameters: &[Cell], each: &mut dyn FnMut(&[Cell])) -> Result<(), ReadError> {
        let read = self.database.query(sql, parameters, each);
        read.map_err(|why| ReadError::Store(unusable(self.database.place(), &why)))
    }
}

impl Paging {
    /// How many items at most.
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, MOST) as usize
    }

    /// The place to go on from, which is of these columns.
    fn after(&self, columns: &[Is]) -> Result<Option<Vec<Cell>>, ReadError> {
        let Some(text) = &self.after else { return Ok(None) };
        let parts: Vec<&str> = text.split('.').collect();
        let cells: Option<Vec<Cell>> = match parts.len() == columns.len() {
            true => parts.iter().zip(columns).map(|(part, is)| is.parse(part)).collect(),
            false => None,
        };
        cells.map(Some).ok_or(ReadError::Cursor)
    }
}

/// What a column of a cursor holds.
#[derive(Clone, Copy)]
enum Is {
    Int,
    Text,
}

impl Is {
    fn parse(self, part: &str) -> Option<Cell> {
        match self {
            Is::Int => part.parse().ok().map(Cell::Int),
            Is::Text => {
                let bytes: Option<Vec<u8>> = part.as_bytes().chunks(2).map(byte).collect();
                String::from_utf8(bytes?).ok().filter(|text| !text.contains('\0')).map(Cell::Text)
            }
        }
    }
}

/// Of two hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
    u8::from_str_radix(text, 16).ok()
}

/// As [`Paging::after`] reads it.
fn cursor(cells: &[Cell]) -> String {
    let part = |cell: &Cell| match cell {
        Cell::Text(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Int(value) => value.to_string(),
        Cell::Null | Cell::Real(_) => String::new(), // no list is in the order of such
    };
    cells.iter().map(part).collect::<Vec<String>>().join(".")
}

/// `WHERE` of a query that is put together.
#[derive(Default)]
struct Conditions {
    sql: String,
    parameters: Vec<Cell>,
}

impl Conditions {
    /// `condition` has a `?` for the value. Nothing is asked where there is no value.
    fn and(&mut self, condition: &str, value: Option<impl Into<Cell>>) {
        if let Some(value) = value {
            self.all(condition, [value.into()]);
        }
    }

    /// One `?` for each value.
    fn all(&mut self, condition: &str, values: impl IntoIterator<Item = Cell>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        let mut values = values.into_iter();
        for (at, piece) in condition.split('?').enumerate() {
            if at > 0 {
                self.parameters.extend(values.next());
                self.sql.push_str(&format!("${}", self.parameters.len()));
            }
            self.sql.push_str(piece);
        }
    }
}

/// Cells of a row, one after another.
struct Row<'a>(std::slice::Iter<'a, Cell>);

impl<'a> Row<'a> {
    fn new(cells: &'a [Cell]) -> Row<'a> {
        Row(cells.iter())
    }

    fn int(&mut self) -> i64 {
        self.0.next().and_then(Cell::int).unwrap_or_default()
    }

    fn real(&mut self) -> f64 {
        match self.0.next() {
            Some(Cell::Real(value)) => *value,
            Some(Cell::Int(value)) => *value as f64,
            _ => f64::NAN, // no column that is read so is without a value
        }
    }

    fn some_text(&mut self) -> Option<String> {
        self.0.next().and_then(Cell::text).map(str::to_string)
    }

    fn text(&mut self) -> String {
        self.some_text().unwrap_or_default()
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::nearest(self.int())
    }

    fn some_time(&mut self) -> Option<Timestamp> {
        self.0.next().and_then(Cell::int).map(Timestamp::nearest)
    }

    fn window(&mut self) -> Option<WindowSpan> {
        let (start, end) = (self.some_time(), self.some_time());
        Some(WindowSpan { start: start?, end: end? })
    }

    /// One of a type's words.
    fn word<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        serde_json::from_value(serde_json::Value::String(self.text())).ok()
    }
}
