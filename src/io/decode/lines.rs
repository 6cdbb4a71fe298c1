use super::json;
use super::shape::Lines as Form;
use super::sheet::Sheet;
use super::skim::{Skimmed, skim};
use super::text::{is_blank, quote, trim};
use crate::diagnostic::codes::input;

/// NDJSON: a record a line.
#[derive(Default)]
pub(super) struct Lines {
    /// Lines that ended so far.
    count: u64,
    /// In a line that is too long.
    skipping: bool,
}

impl Lines {
    /// See `Framing::push_until`.
    pub fn push(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize {
        let mut rest = data;
        let mut skimmed = false;
        while !sheet.table.is_full() {
            if !self.skipping {
                // At once, since there may be any number of NULs.
                rest = skip_blanks(rest);
                let at = data.len() - rest.len();
                if at >= limit {
                    break;
                }
                if !std::mem::replace(&mut skimmed, true)
                    && let Some(used) = skim(self, rest, limit - at, end, self.count, sheet)
                {
                    rest = rest.get(used..).unwrap_or_default();
                    continue;
                }
            }
            if rest.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at_checked(newline.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            let number = self.count + 1;
            if self.skipping {
                // Already rejected.
            } else if line.len() > sheet.longest {
                sheet.table.reject(number, input::TOO_LONG, line, || quote(line));
                self.skipping = true;
            } else if newline.is_none() && !end {
                break;
            } else if let record = trim(line)
                && !record.is_empty()
            {
                json::record(record, number, &sheet.fields, &mut sheet.table);
            }
            rest = after.get(1..).unwrap_or_default();
            if newline.is_some() {
                self.count = number;
                self.skipping = false;
            }
        }
        data.len() - rest.len()
    }

    /// See `Framing::guess`.
    pub fn guess(data: &[u8], from: usize) -> Option<usize> {
        let before = from.checked_sub(1)?;
        let newline = before + memchr::memchr(b'\n', data.get(before..)?)?;
        let rest = skip_blanks(data.get(newline + 1..)?);
        (!rest.is_empty()).then(|| data.len() - rest.len())
    }

    pub fn rows(&self) -> Option<u64> {
        (!self.skipping).then_some(self.count)
    }

    pub fn set_rows(&mut self, rows: u64) {
        self.count = rows;
    }
}

impl Skimmed for Lines {
    fn form(&self) -> Option<Form> {
        Some(Form::Ndjson)
    }
    fn read(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize {
        self.push(data, limit, end, sheet)
    }
    fn is_between(&self) -> bool {
        !self.skipping
    }
    fn taken(&mut self, line: u64) -> u64 {
        line
    }
    fn set_line(&mut self, lines: u64) {
        self.count = lines;
    }
}

/// What follows the blanks before a record on its line.
fn skip_blanks(text: &[u8]) -> &[u8] {
    let blank = text.iter().position(|byte| *byte == b'\n' || !is_blank(*byte));
    blank.and_then(|blank| text.get(blank..)).unwrap_or_default()
}
