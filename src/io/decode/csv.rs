use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::csv::{ByteRecord, ReaderBuilder};

use super::cell::Cell;
use super::dialect::Dialect;
use super::fields::Fields;
use super::shape::{self, Lines as Form};
use super::sheet::Sheet;
use super::skim::{Skimmed, skim};
use super::text::{quote, trim, trim_start};
use crate::diagnostic::{Diagnostic, codes::input, did_you_mean};

/// CSV with a header.
pub(super) struct Csv {
    /// What messages call the input.
    name: String,
    header: Option<Arc<Header>>,
    /// Known as soon as the header is.
    dialect: Option<Dialect>,
    /// Lines that ended so far.
    lines: u64,
    /// In a line that is too long.
    skipping: bool,
    /// Kept for its memory.
    record: ByteRecord,
}

struct Header {
    /// Columns with a meaning, by their place.
    columns: Vec<(usize, Column)>,
    width: usize,
}

enum Column {
    Field(usize),
    /// The status of the service of this name.
    Status(String),
}

/// What stands for a value that was not measured.
const MISSING: [&str; 4] = ["-", "NA", "N/A", "null"];

/// Whether a cell says that nothing was measured.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    cell.is_empty() || MISSING.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(cell))
}

impl Csv {
    pub fn new(name: String) -> Csv {
        Csv { name, header: None, dialect: None, lines: 0, skipping: false, record: ByteRecord::new() }
    }

    /// See `Framing::push_until`. The last row of `data` is left for the next time, unless nothing follows or it has its
    /// newline and all its quotes: only what comes behind it tells whether it has ended.
    pub fn push(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> Result<usize, Diagnostic> {
        let mut rest = data;
        let mut skimmed = false;
        // A turn of this loop reads on until a row has to be read again in another way.
        while !sheet.table.is_full() && !rest.is_empty() {
            let Some(dialect) = self.dialect.or_else(|| Dialect::detect(trim_start(rest), end, sheet.longest)) else {
                break;
            };
            self.dialect = Some(dialect);
            if self.skipping {
                rest = self.skip_line(rest, dialect);
                continue;
            }
            let blank = dialect.leading_blanks(rest);
            self.lines += dialect.count_lines(blank);
            rest = rest.get(blank.len()..).unwrap_or_default();
            let Some(limit) = limit.checked_sub(data.len() - rest.len()).filter(|limit| *limit > 0) else { break };
            if !skimmed && self.header.is_some() {
                skimmed = true;
                if let Some(used) = skim(self, rest, limit, end, self.lines, sheet) {
                    rest = rest.get(used..).unwrap_or_default();
                    continue;
                }
            }
            let mut reader =
                ReaderBuilder::new().delimiter(dialect.delimiter).has_headers(false).flexible(true).from_reader(rest);
            let mut record = std::mem::take(&mut self.record);
            let text = Text { bytes: rest, limit, end };
            let turn = self.rows(&mut reader, &mut record, dialect, text, sheet);
            self.record = record;
            let turn = turn?;
            rest = rest.get(turn.used..).unwrap_or_default();
            if !turn.again {
                break;
            }
        }
        Ok(data.len() - rest.len())
    }

    /// See `Framing::guess`: a row seems to begin behind a newline.
    pub fn guess(&self, data: &[u8], from: usize) -> Option<usize> {
        self.header.as_ref()?;
        let (dialect, before) = (self.dialect?, from.checked_sub(1)?);
        let newline = before + memchr::memchr(dialect.newline, data.get(before..)?)?;
        let rest = data.get(newline + 1..)?;
        let start = newline + 1 + dialect.leading_blanks(rest).len();
        (start < data.len()).then_some(start)
    }

    /// See `Framing::fork`.
    pub fn fork(&self) -> Csv {
        Csv { header: self.header.clone(), dialect: self.dialect, ..Csv::new(self.name.clone()) }
    }

    /// See `Framing::is_like`. An input has one header.
    pub fn is_like(&self, other: &Csv) -> bool {
        self.dialect == other.dialect && self.header.is_some() == other.header.is_some()
    }

    pub fn lines(&self) -> Option<u64> {
        (!self.skipping).then_some(self.lines)
    }

    /// In the middle of rows that are left out for want of a newline too: what follows begins a row.
    pub fn set_lines(&mut self, lines: u64) {
        self.skipping = false;
        self.lines = lines;
    }

    /// Reads rows of `text` until something else has to be done first.
    fn rows(
        &mut self,
        reader: &mut ::csv::Reader<&[u8]>,
        record: &mut ByteRecord,
        dialect: Dialect,
        Text { bytes: text, limit, end }: Text<'_>,
        sheet: &mut Sheet,
    ) -> Result<Turn, Diagnostic> {
        let mut used = 0;
        loop {
            if sheet.table.is_full() {
                return Ok(Turn { used, again: false });
            }
            // A slice has no I/O errors and `flexible` no others.
            let is_row = reader.read_byte_record(record).unwrap_or(false);
            let stop = usize::try_from(reader.position().byte()).unwrap_or(text.len()).min(text.len());
            if !is_row {
                self.lines += dialect.count_lines(text.get(used..).unwrap_or_default());
                return Ok(Turn { used: text.len(), again: false });
            }
            let raw = text.get(used..stop).unwrap_or_default();
            let has_newline = raw.last() == Some(&dialect.newline);
            let blank = dialect.leading_blanks(raw);
            let row = self.lines + dialect.count_lines(blank) + 1;
            let (start, lines, raw) = (used + blank.len(), dialect.count_lines(raw), trim(raw));
            if start >= limit {
                self.lines = row - 1;
                return Ok(Turn { used: start, again: false });
            }
            if raw.starts_with(b"\"") && blank.last().is_some_and(|byte| !matches!(byte, b'\r' | b'\n')) {
                // The reader takes quotes after a blank literally; blanks around a row do not count here.
                self.lines = row - 1;
                return Ok(Turn { used: start, again: true });
            }
            let whole = end || stop < text.len() || (has_newline && dialect.is_well_quoted(raw));
            if raw.len() > sheet.longest || (whole && self.is_run_on(raw, record, dialect)) {
                return Ok(self.give_up_line(raw, row, start, dialect, sheet));
            }
            if !whole {
                return Ok(Turn { used, again: false });
            }
            let had_header = self.header.is_some();
            self.row(record, row, raw, sheet)?;
            self.lines += lines;
            used = stop;
            if !had_header {
                return Ok(Turn { used, again: true });
            }
        }
    }

    fn row(&mut self, record: &ByteRecord, row: u64, raw: &[u8], sheet: &mut Sheet) -> Result<(), Diagnostic> {
        if raw.is_empty() {
            return Ok(());
        }
        let Some(header) = &self.header else {
            self.header = Some(Arc::new(Header::read(record, raw, row, &self.name, sheet)?));
            return Ok(());
        };
        let Sheet { fields, table, .. } = sheet;
        if record.len() != header.width {
            table.reject(row, input::FIELD_COUNT, raw, || {
                format!("{} fields, not {}: {}", record.len(), header.width, quote(raw))
            });
            return Ok(());
        }
        table.begin(row);
        if std::str::from_utf8(record.as_slice()).is_err() {
            table.note(input::INVALID_TEXT, || quote(raw));
        }
        for (place, column) in &header.columns {
            let text = String::from_utf8_lossy(trim(record.get(*place).unwrap_or_default()));
            if is_missing(text.as_bytes()) {
                continue;
            }
            match column {
                Column::Status(service) => {
                    if let Some(service) = table.service(service) {
                        table.put_status(service, Cell::Text(&text));
                    }
                }
                Column::Field(id) => {
                    if let Some(field) = fields.get(*id) {
                        // A metric is a number or wrong; a name stays as it is written, even if it looks like a number.
                        let number = if field.entity.is_some() { None } else { text.parse().ok() };
                        table.put(field, number.map_or(Cell::Text(&text), Cell::Number));
                    }
                }
            }
        }
        table.commit(fields, raw);
        Ok(())
    }

    /// Rejects the line that `raw` begins with. `from` is where it stands in the text.
    fn give_up_line(&mut self, raw: &[u8], row: u64, from: usize, dialect: Dialect, sheet: &mut Sheet) -> Turn {
        let Some(newline) = memchr::memchr(dialect.newline, raw) else {
            sheet.table.reject(row, input::TOO_LONG, raw, || quote(raw));
            self.skipping = true;
            self.lines = row - 1;
            return Turn { used: from, again: true };
        };
        let line = trim(raw.get(..newline).unwrap_or_default());
        sheet.table.reject(row, input::MALFORMED, line, || format!("a quote is not closed: {}", quote(line)));
        self.lines = row;
        Turn { used: from + newline + 1, again: true }
    }

    /// What follows the end of this line.
    fn skip_line<'a>(&mut self, text: &'a [u8], dialect: Dialect) -> &'a [u8] {
        let Some(newline) = memchr::memchr(dialect.newline, text) else { return &[] };
        self.skipping = false;
        self.lines += 1;
        text.get(newline + 1..).unwrap_or_default()
    }

    /// Whether a row goes over several lines because a quote was not closed, rather than because a quoted text has
    /// lines: then its quotes are not where they belong, or its fields do not fit the header.
    fn is_run_on(&self, raw: &[u8], record: &ByteRecord, dialect: Dialect) -> bool {
        memchr::memchr(dialect.newline, raw).is_some()
            && (!dialect.is_well_quoted(raw) || self.header.as_ref().is_some_and(|header| header.width != record.len()))
    }
}

impl Skimmed for Csv {
    fn form(&self) -> Option<Form> {
        let (header, dialect) = (self.header.as_ref()?, self.dialect.filter(|dialect| dialect.newline == b'\n')?);
        let mut cells: Vec<shape::Cell> = (0..header.width).map(|_| shape::Cell::Nobody).collect();
        for (place, column) in &header.columns {
            *cells.get_mut(*place)? = match column {
                Column::Field(id) => shape::Cell::Field(*id),
                Column::Status(service) => shape::Cell::Service(service.clone()),
            };
        }
        Some(Form::Csv { delimiter: dialect.delimiter, cells })
    }
    fn read(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize {
        // The header, which alone can be refused, is known.
        self.push(data, limit, end, sheet).unwrap_or_default()
    }
    fn is_between(&self) -> bool {
        !self.skipping
    }
    fn taken(&mut self, line: u64) -> u64 {
        line
    }
    fn set_line(&mut self, lines: u64) {
        self.lines = lines;
    }
}

/// What rows are read from.
struct Text<'a> {
    bytes: &'a [u8],
    /// Where rows may begin up to.
    limit: usize,
    /// Nothing comes behind it.
    end: bool,
}

/// What a turn of reading rows has come to.
struct Turn {
    used: usize,
    /// Whether there is more to do with what follows.
    again: bool,
}

impl Header {
    fn read(record: &ByteRecord, raw: &[u8], row: u64, name: &str, sheet: &mut Sheet) -> Result<Header, Diagnostic> {
        let fields = &sheet.fields;
        let names: Vec<String> = record.iter().map(|cell| String::from_utf8_lossy(trim(cell)).into_owned()).collect();
        if std::str::from_utf8(record.as_slice()).is_err() {
            sheet.table.note_at(row, input::INVALID_TEXT, "in the header");
        }
        // A column without a name is read by nobody. Of several with one name the last counts, as of keys in JSON.
        let named = || names.iter().enumerate().filter(|(_, column)| !column.is_empty());
        let last: BTreeMap<&str, usize> = named().map(|(place, column)| (column.as_str(), place)).collect();
        let mut columns = Vec::new();
        let mut twice = BTreeSet::new();
        for (place, column) in named() {
            let column_of = match (fields.child(Fields::ROOT, column), column.strip_prefix(&fields.status_prefix)) {
                (Some((id, _)), _) => Column::Field(id),
                (None, Some(service)) => Column::Status(service.to_string()),
                (None, None) => continue,
            };
            if last.get(column.as_str()) == Some(&place) {
                columns.push((place, column_of));
            } else if twice.insert(column) {
                let detail = format!("the column {}", quote(column.as_bytes()));
                sheet.table.note_at(row, input::DUPLICATE_KEY, &detail);
            }
        }
        if !last.contains_key(fields.timestamp.as_str()) {
            let known = last.into_keys().collect();
            return Err(match is_json(raw, name) {
                true => no_object(raw, row, name),
                false => no_time(&known, row, name, &fields.timestamp),
            });
        }
        Ok(Header { columns, width: record.len() })
    }
}

/// Whether what should be a header was meant as JSON.
fn is_json(raw: &[u8], name: &str) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(raw).is_ok() || name.to_ascii_lowercase().ends_with(".json")
}

fn no_object(raw: &[u8], row: u64, name: &str) -> Diagnostic {
    let what =
        format!("{name}:{row}: a record must be a JSON object, or a row of CSV under a header; found {}", quote(raw));
    Diagnostic::new(input::NO_RECORD, what)
        .help("write records as `{\"timestamp\": \"…\", …}`, one a line or in an array; or name the columns of the CSV")
}

fn no_time(columns: &BTreeSet<&str>, row: u64, name: &str, timestamp: &str) -> Diagnostic {
    let few: Vec<String> = columns.iter().take(8).map(|column| quote(column.as_bytes())).collect();
    let more = if columns.len() > few.len() { ", …" } else { "" };
    let help = match did_you_mean(timestamp, columns.iter().copied().filter(|column| column.len() <= 64)) {
        Some(near) => format!("set `schema = {{ timestamp = \"{near}\" }}` on the ingest node"),
        None if columns.len() == 1 => {
            "columns are separated by commas, semicolons or tabs; if this is no CSV, set `format`".to_string()
        }
        None => "name the column that has the time: `schema = { timestamp = \"…\" }` on the ingest node".to_string(),
    };
    let what = format!(
        "{name}:{row}: read as CSV, and no column of the header is named `{timestamp}` (it has {}{more})",
        few.join(", ")
    );
    Diagnostic::new(input::HEADER, what).help(help)
}
