//! Lines read in each way that there is, for the targets of `fuzz/`, which hold the ways to give the same.

use super::json;
use super::lines::Lines;
use super::shape::{Lines as Form, Scanned, Scanner};
use super::sheet::Sheet;
use super::skim::Skimmer;
use super::stream::Options;
use super::text::{is_blank, quote, trim};
use crate::diagnostic::codes::input;
use crate::domain::{Batch, InputRecord};

/// How lines are read.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// Each by serde_json, or not at all.
    SerdeJson,
    /// Each by itself, as `ingest.file` reads those that are like no other.
    Alone,
    /// By shapes that are learned on the way: in blocks and chunks of so many bytes, by the instructions at this place
    /// among those that the machine has.
    Shape { machine: usize, block: usize, chunk: usize },
}

/// Reads NDJSON from its beginning to its end, whatever `options` say of the format, and passes no verdict on it.
pub fn lines(text: &[u8], way: Way, options: &Options<'_>) -> (Vec<Batch>, InputRecord) {
    let mut sheet = Sheet::new(options.schema, options.wanted, &options.limits);
    let mut batches = Vec::new();
    match way {
        Way::SerdeJson => judged(text, &mut sheet, &mut batches),
        Way::Alone => pushed(text, usize::MAX, &mut sheet, &mut batches),
        Way::Shape { machine, block, chunk } => {
            let scanner = Scanner::new(Form::Ndjson, &sheet.fields, sheet.table.status_words(), sheet.longest);
            sheet.skimmer = Skimmer::On(Box::new((scanner.by(machine, chunk), Scanned::default())));
            pushed(text, block, &mut sheet, &mut batches);
        }
    }
    batches.extend(std::iter::from_fn(|| sheet.table.take()));
    (batches, sheet.table.account.record("ndjson", text.len() as u64))
}

/// Shares nothing with the other ways but the table: lines are told apart here, and their fields by serde's visitors.
fn judged(text: &[u8], sheet: &mut Sheet, batches: &mut Vec<Batch>) {
    let Sheet { fields, table, longest, .. } = sheet;
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let blanks = line.iter().take_while(|byte| is_blank(**byte)).count();
        let line = line.get(blanks..).unwrap_or_default();
        match trim(line) {
            _ if line.len() > *longest => table.reject(number, input::TOO_LONG, line, || quote(line)),
            [] => {}
            record => json::judge(record, number, fields, table),
        }
        if table.is_full() {
            batches.extend(table.take());
        }
    }
}

fn pushed(text: &[u8], block: usize, sheet: &mut Sheet, batches: &mut Vec<Batch>) {
    let (mut lines, mut rest) = (Lines::default(), text);
    loop {
        let used = lines.push(rest, block.max(1), true, sheet);
        rest = rest.get(used..).unwrap_or_default();
        let full = sheet.table.is_full();
        batches.extend(std::iter::from_fn(|| sheet.table.take()));
        if rest.is_empty() && !full {
            return;
        }
        assert!(used > 0 || full, "reading goes on");
    }
}
