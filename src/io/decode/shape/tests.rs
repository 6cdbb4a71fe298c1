//! What the scanner takes and what the general path makes of the rest is what the general path makes of everything.

use std::collections::BTreeMap;

use super::*;
use crate::diagnostic::{Code, codes::input};
use crate::domain::{NO_ENTITY, Status, Timestamp};
use crate::io::decode::lines::Lines as General;
use crate::io::decode::schema::Schema;
use crate::io::decode::sheet::Sheet;
use crate::io::decode::skim::Skimmer;
use crate::node::Wanted;

mod agreement;
mod forms;
mod made;
mod numbers;
mod speed;

/// What is read, and how.
struct Case {
    schema: Schema,
    wanted: Vec<String>,
    longest: usize,
}

impl Case {
    fn new(wanted: &[&str]) -> Case {
        Case {
            schema: Schema::default(),
            wanted: wanted.iter().map(|name| name.to_string()).collect(),
            longest: 1 << 20,
        }
    }

    fn fields(&self) -> Fields {
        Fields::new(&self.schema, &Wanted { metrics: self.wanted.iter().cloned().collect() })
    }

    fn scanner(&self, form: Lines) -> Scanner {
        Scanner::new(form, &self.fields(), &self.schema.status_words, self.longest)
    }

    fn sheet(&self) -> Sheet {
        let fields = self.fields();
        let table = Table::new(&fields, self.schema.status_words.clone(), usize::MAX);
        Sheet { fields, table, longest: self.longest, skimmer: Skimmer::Off }
    }
}

/// A row in full, floats by their bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    row: u64,
    time: String,
    entity: Option<String>,
    metrics: BTreeMap<String, u64>,
    statuses: BTreeMap<String, u8>,
}

fn rows(batch: &Batch, before: u64) -> Vec<Row> {
    let has_all = |length: usize| assert_eq!(length, batch.len());
    has_all(batch.rows.len());
    has_all(batch.entity.len());
    batch.metrics.iter().for_each(|column| has_all(column.values.len()));
    batch.services.iter().for_each(|column| has_all(column.levels.len()));
    let metrics = |i: usize| {
        let cells = batch.metrics.iter().filter(|column| !column.values[i].is_nan());
        cells.map(|column| (column.name.to_string(), column.values[i].to_bits())).collect()
    };
    let statuses = |i: usize| {
        let cells = batch.services.iter().filter(|column| Status::from_level(column.levels[i]).is_some());
        cells.map(|column| (column.name.to_string(), column.levels[i])).collect()
    };
    (0..batch.len())
        .map(|i| Row {
            row: batch.rows[i] + before,
            time: Timestamp::from_micros(batch.times[i]).unwrap().to_string(),
            entity: (batch.entity[i] != NO_ENTITY).then(|| batch.entities[batch.entity[i] as usize].to_string()),
            metrics: metrics(i),
            statuses: statuses(i),
        })
        .collect()
}

/// Faults of one record beside another, which is not the scanner's to know.
const BETWEEN: [&Code; 2] = [input::OUT_OF_ORDER, input::DUPLICATE_TIME];

/// The rows, and the faults by code with their count.
type Outcome = (Vec<Row>, BTreeMap<String, u64>);

/// Adds the faults of a table, save those that lie between records.
fn add_faults(sheet: &Sheet, faults: &mut BTreeMap<String, u64>) {
    for fault in
        sheet.table.account.faults.list().iter().filter(|fault| BETWEEN.iter().all(|code| fault.code != code.id))
    {
        *faults.entry(fault.code.clone()).or_insert(0) += fault.count;
    }
    if sheet.table.account.tally.bad > 0 {
        *faults.entry("bad".to_string()).or_insert(0) += sheet.table.account.tally.bad;
    }
}

/// Fails at the first difference.
fn same(got: &Outcome, expected: &Outcome, what: &str) {
    let differ = got.0.iter().zip(&expected.0).find(|(got, expected)| got != expected);
    assert!(differ.is_none(), "{what}: {differ:#?}");
    assert_eq!((got.0.len(), &got.1), (expected.0.len(), &expected.1), "{what}");
}

/// What the general path makes of ranges of lines, each behind so many lines.
fn general<'a>(case: &Case, ranges: impl Iterator<Item = (&'a [u8], u64)>) -> Outcome {
    let (mut all, mut faults) = (Vec::new(), BTreeMap::new());
    for (text, before) in ranges {
        let mut sheet = case.sheet();
        let used = General::default().push(text, usize::MAX, true, &mut sheet);
        assert!(used <= text.len());
        if let Some(batch) = sheet.table.take() {
            all.extend(rows(&batch, before));
        }
        add_faults(&sheet, &mut faults);
    }
    (all, faults)
}

/// Scans blocks of NDJSON and gives what comes out in all, and how many rows were taken.
fn scanned(case: &Case, scanner: &mut Scanner, blocks: &[&[u8]]) -> (Outcome, usize) {
    let fields = case.fields();
    let mut out = Scanned::default();
    let (mut all, mut taken, mut before) = (Vec::new(), 0, 0);
    let mut others: Vec<(Vec<u8>, u64)> = Vec::new();
    for block in blocks {
        scanner.scan(&fields, block, &mut out);
        assert_eq!(out.lines, block.iter().filter(|byte| **byte == b'\n').count() as u64);
        assert!(out.batch.rows.is_sorted());
        all.extend(rows(&out.batch, before));
        taken += out.batch.len();
        for (range, line) in &out.others {
            let lines_before = block[..range.start].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(*line, lines_before + 1, "{range:?}");
            others.push((block[range.clone()].to_vec(), before + line - 1));
        }
        before += out.lines;
    }
    let (rest, faults) = general(case, others.iter().map(|(text, before)| (text.as_slice(), *before)));
    all.extend(rest);
    all.sort();
    ((all, faults), taken)
}
