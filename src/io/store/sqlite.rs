//! SQLite: one file, written ahead to a log beside it, so that readers never wait for the writer.

use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::{Cell, Database, Measurement, See, Seen};

/// Somebody else may be writing for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of pages in memory, in KiB.
const CACHE: i64 = 65_536;

pub struct Sqlite {
    connection: Connection,
    place: String,
    /// Which file it was when it was opened.
    identity: Option<Identity>,
    only_reads: bool,
}

impl Sqlite {
    pub fn open(path: &str, synced: bool) -> Result<Sqlite, String> {
        if let Some(folder) = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        let connection = Connection::open(path).map_err(said)?;
        connection.busy_timeout(PATIENCE).map_err(said)?;
        connection.set_prepared_statement_cache_capacity(64);
        let synchronous = if synced { "FULL" } else { "NORMAL" };
        let settings = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -{CACHE}; \
             PRAGMA temp_store = MEMORY;"
        );
        connection.execute_batch(&settings).map_err(said)?;
        Ok(Sqlite { connection, place: path.to_string(), identity: identity(path), only_reads: false })
    }

    /// One that is there, without the right to write.
    pub fn open_to_read(path: &str) -> Result<Sqlite, String> {
        if !std::path::Path::new(path).is_file() {
            return Err("there is no such file".to_string());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(said)?;
        connection.busy_timeout(PATIENCE).map_err(said)?;
        connection.set_prepared_statement_cache_capacity(64);
        let settings = format!("PRAGMA query_only = ON; PRAGMA cache_size = -{CACHE}; PRAGMA temp_store = MEMORY;");
        connection.execute_batch(&settings).map_err(said)?;
        // Nothing of another file, and none beside it: ATTACH and VACUUM INTO would make one.
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0).map_err(said)?;
        Ok(Sqlite { connection, place: path.to_string(), identity: identity(path), only_reads: true })
    }
}

impl Database for Sqlite {
    fn place(&self) -> &str {
        &self.place
    }

    fn clustered(&self) -> &'static str {
        " WITHOUT ROWID"
    }

    fn iso(&self, column: &str) -> String {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000000.0, 'unixepoch')")
    }

    fn script(&mut self, sql: &str) -> Result<(), String> {
        self.connection.execute_batch(sql).map_err(said)
    }

    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, String> {
        let mut statement = self.connection.prepare_cached(sql).map_err(said)?;
        statement.execute(params_from_iter(parameters)).map(|rows| rows as u64).map_err(said)
    }

    fn execute_all(&mut self, sql: &str, rows: Vec<Vec<Cell>>) -> Result<(), String> {
        let mut statement = self.connection.prepare_cached(sql).map_err(said)?;
        rows.iter().try_for_each(|row| statement.execute(params_from_iter(row)).map(drop).map_err(said))
    }

    fn rows(&mut self, sql: &str, parameters: &[Cell], see: See<'_>) -> Result<(), String> {
        let mut statement = self.connection.prepare_cached(sql).map_err(said)?;
        let columns = statement.column_count();
        if self.only_reads && !(statement.readonly() && columns > 0) {
            return Err("it is no query: it would change something, or has no answer".to_string());
        }
        if see(Seen::Columns(&statement.column_names().collect::<Vec<_>>())).is_break() {
            return Ok(());
        }
        let mut rows = statement.query(params_from_iter(parameters)).map_err(said)?;
        let mut cells = Vec::with_capacity(columns);
        while let Some(row) = rows.next().map_err(said)? {
            cells.clear();
            for column in 0..columns {
                cells.push(row.get_ref(column).map(cell).map_err(said)?);
            }
            if see(Seen::Row(&cells)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), String> {
        if identity(&self.place) != self.identity {
            // SQLite would go on writing to a file that nobody can ever open again.
            return Err("its file is gone, or is another one than when it was opened".to_string());
        }
        self.script("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), String> {
        self.script("COMMIT")
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.script("ROLLBACK"); // it has done so itself where this fails
        }
    }

    fn insert(&mut self, rows: &mut Vec<Measurement>) -> Result<(), String> {
        let sql = "INSERT INTO measurement (series, time, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let mut statement = self.connection.prepare_cached(sql).map_err(said)?;
        let mut fault = None;
        rows.retain(|row| match statement.execute((row.series, row.time, row.value)) {
            Ok(changed) => changed > 0,
            Err(error) => {
                fault.get_or_insert(error);
                false
            }
        });
        fault.map_or(Ok(()), |error| Err(said(error)))
    }
}

/// Device and number of a file.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &str) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Here an open file cannot be deleted.
#[cfg(not(unix))]
fn identity(_path: &str) -> Option<Identity> {
    None
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Cell::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Cell::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn said(error: rusqlite::Error) -> String {
    error.to_string()
}
