//! Rows of a store as a Parquet file: columns by blocks of rows, of which one is in memory.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result as Done;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::io::store::read::{Column, Holds, ReadError, Selection, Store, What};
use crate::io::store::{Cell, Seen};

/// Rows of a block.
const BLOCK: usize = 1 << 16;

/// What cannot be read, and within what cannot be written.
pub fn copy(
    store: &mut Store,
    what: What,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<io::Result<()>, ReadError> {
    let buffer = Buffer::default();
    let mut file = match File::new(what.columns(), buffer.clone()) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut written = Ok(());
    store.export(what, selection, &mut |seen| {
        let Seen::Row(cells) = seen else { return ControlFlow::Continue(()) };
        written = file.row(cells).and_then(|()| buffer.drain(out));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(written.and_then(|()| file.end()).and_then(|()| buffer.drain(out)))
}

struct File {
    columns: &'static [Column],
    writer: SerializedFileWriter<Buffer>,
    rows: Vec<Vec<Cell>>,
}

impl File {
    fn new(columns: &'static [Column], buffer: Buffer) -> io::Result<File> {
        let column = |(name, holds): &Column| match holds {
            Holds::Text => format!("optional binary {name} (STRING);"),
            Holds::Json => format!("optional binary {name} (JSON);"),
            Holds::Int => format!("optional int64 {name};"),
            Holds::Real => format!("optional double {name};"),
            Holds::Time => format!("optional int64 {name} (TIMESTAMP(MICROS,true));"),
        };
        let schema = columns.iter().map(column).collect::<String>();
        let schema = parse_message_type(&format!("message row {{ {schema} }}")).map_err(io::Error::other)?;
        let writer = SerializedFileWriter::new(buffer, Arc::new(schema), Arc::new(WriterProperties::default()));
        Ok(File { columns, writer: writer.map_err(io::Error::other)?, rows: Vec::new() })
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.rows.push(cells.to_vec());
        if self.rows.len() == BLOCK { self.block().map_err(io::Error::other) } else { Ok(()) }
    }

    fn block(&mut self) -> Done<()> {
        let mut group = self.writer.next_row_group()?;
        for (at, (_, holds)) in self.columns.iter().enumerate() {
            let Some(column) = group.next_column()? else { break };
            write(column, *holds, self.rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null)))?;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        let rest = if self.rows.is_empty() { Ok(()) } else { self.block() };
        rest.and_then(|()| self.writer.close()).map(drop).map_err(io::Error::other)
    }
}

fn write<'a>(mut to: SerializedColumnWriter<'_>, holds: Holds, cells: impl Iterator<Item = &'a Cell>) -> Done<()> {
    // Of each row whether it has a value; and the values of those that have one.
    let mut has = Vec::new();
    let (mut texts, mut numbers, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        match (holds, cell) {
            (Holds::Text | Holds::Json, Cell::Text(text)) => texts.push(ByteArray::from(text.as_str())),
            (Holds::Real, Cell::Real(value)) => numbers.push(*value),
            (Holds::Real, Cell::Int(value)) => numbers.push(*value as f64),
            (Holds::Int | Holds::Time, Cell::Int(value)) => whole.push(*value),
            _ => {
                has.push(0);
                continue;
            }
        }
        has.push(1);
    }
    match holds {
        Holds::Text | Holds::Json => to.typed::<ByteArrayType>().write_batch(&texts, Some(&has), None)?,
        Holds::Real => to.typed::<DoubleType>().write_batch(&numbers, Some(&has), None)?,
        Holds::Int | Holds::Time => to.typed::<Int64Type>().write_batch(&whole, Some(&has), None)?,
    };
    to.close()
}

/// What is written, until it is passed on: the writer of a file wants to own where it writes.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn drain(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&bytes)?;
        bytes.clear();
        Ok(())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn a_file_is_read_back_as_it_was_written() {
        let buffer = Buffer::default();
        let mut file = File::new(What::Hourly.columns(), buffer.clone()).unwrap();
        let rows = BLOCK + 3; // two blocks
        for at in 0..rows as i64 {
            let texts = [Cell::from("g"), "web-1".into(), "cpu".into(), "metric".into(), Cell::Null];
            let numbers = [(at * 3_600_000_000).into(), at.into(), 0.5.into(), Cell::Null, 2.0.into()];
            file.row(&[texts, numbers].concat()).unwrap();
        }
        file.end().unwrap();
        let mut bytes = Vec::new();
        buffer.drain(&mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.parquet"), bytes).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(folder.path().join("t.parquet")).unwrap()).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        let read: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(read.len(), rows);
        assert_eq!(
            read[1],
            "{graph: \"g\", entity: \"web-1\", metric: \"cpu\", kind: \"metric\", unit: null, \
             hour: 1970-01-01 01:00:00.000000 +00:00, count: 1, mean: 0.5, min: null, max: 2.0}"
        );
    }
}
