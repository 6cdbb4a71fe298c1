//! Lines that look alike are read at the speed of comparing them. Telemetry repeats its shape: between the values
//! stands the same literal text in record after record. The scanner learns that text from a line (`learn`), compares it
//! and reads only the values (`kernel`), several lines in step so that none waits for another (`run`), into columns
//! (`stage`). What is not exactly of a shape it knows, it hands over.
//!
//! ```text
//! block ─► chunks ─► lanes ─ kernel ─► Stage ─► Scanned::batch     lines of a known shape
//!                      └─ another shape? ─ adapt? ─► Scanned::others    the rest, for the general path
//!                                                    └─ learn ─► Shape
//! ```
//!
//! A line that is taken gives exactly what the general path gives and has no fault; which lines are taken depends on
//! what was learned, what they give does not. Whether times come twice or out of order lies between records, so who
//! joins what was taken with the rest looks at it. Unsafe code is in `kernel`,
//! `machine`, `avx512` and `run` alone.
//!
//! Escapes may stand in keys, which are literal text, in texts that nobody reads, and in words for a status, whose
//! spellings are learned as they come.
//!
//! Handed over are lines with control characters or anything but ASCII in values, or with escapes in times or names;
//! texts over 4,096 bytes, names over 31, words for a status over 15 as they are written; numbers over 31 bytes; times
//! without seconds or in another form than `YYYY-MM-DDTHH:MM:SS` with a fraction and zone or a number; and every line
//! with a fault.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod chunk;
mod kernel;
mod learn;
mod machine;
mod names;
mod number;
mod run;
mod stage;
mod step;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

use super::fields::Fields;
use super::json;
use super::table::Table;
use crate::domain::{Batch, Status};
use names::Names;
pub(super) use number::digits8;
use run::Isa;
use stage::Stage;
use step::Shape;
use words::Words;

/// Lines that are read in step.
const LANES: usize = 4;
/// Bytes of a chunk: its rows stay in the second-level cache until they are columns.
const CHUNK: usize = 256 << 10;
/// Shapes that are known at once.
const SHAPES: usize = 16;
/// Lines that may be made shapes at first; more as time goes by, and one more for each shape that proves useful.
const LESSONS: u32 = 8;
/// Chunks after which one more line may be made a shape.
const LESSON_EVERY: u32 = 16;
/// Most blocks that are left out in a row where shapes do not repeat.
const PAUSE: u32 = 64;
/// Lines of a block of which one is made a shape, where no shape is known that fits.
const FIRST_LINES: usize = 4;

/// What a line is.
#[derive(Debug, Clone)]
pub(super) enum Lines {
    /// A record.
    Ndjson,
    /// An element of a JSON array, a comma behind it; brackets and whatever else are handed over.
    ///
    /// Only a line at the level of the array must be given: who calls holds that what is handed over before it leaves
    /// the reader there.
    Array,
    /// A row of CSV under a header whose columns mean `cells`; lines end with `\n` or `\r\n`. From the first quote on
    /// everything is handed over, so a block must begin outside quotes.
    Csv { delimiter: u8, cells: Vec<Cell> },
}

/// What a column of CSV means.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Nobody,
    /// A field, by its number in `Fields`.
    Field(usize),
    /// The status of this service.
    Service(String),
}

/// What a block gives.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The lines that were taken, in their order; `rows` are lines of the block, from 1. Columns without any value are
    /// left out; services are by name. Give it back with the next block, and its memory is used again.
    pub batch: Batch,
    /// Newlines of the block.
    pub lines: u64,
    /// The rest: ranges of whole lines, in order, and the line that each begins with. Blank lines are among them.
    pub others: Vec<(Range<usize>, u64)>,
    /// Rows that room is made for: a few more than the block before gave.
    room: usize,
    metrics: Vec<Vec<f64>>,
    services: Vec<Vec<u8>>,
}

/// Reads blocks of lines; one for each thread.
pub(super) struct Scanner {
    form: Lines,
    status_words: BTreeMap<String, Status>,
    longest: usize,
    isa: Isa,
    chunk: usize,
    /// The most useful lately first.
    shapes: Vec<Shape>,
    stage: Stage,
    names: Names,
    words: Words,
    /// Lines that may yet be made shapes.
    lessons: u32,
    chunks: u32,
    /// Blocks to leave out, and how many they were at the last pause.
    pause: u32,
    last_pause: u32,
    /// Copy of a line too near the end of the block.
    tail: Vec<u8>,
}

impl Scanner {
    /// `longest`: lines of more bytes are handed over.
    pub fn new(form: Lines, fields: &Fields, status_words: &BTreeMap<String, Status>, longest: usize) -> Scanner {
        let csv = matches!(form, Lines::Csv { .. });
        Scanner {
            form,
            status_words: status_words.clone(),
            longest: longest.min(1 << 40),
            isa: Isa::best(),
            chunk: CHUNK,
            shapes: Vec::new(),
            stage: Stage::new(fields.metrics.len()),
            names: Names::new(),
            words: Words::new(status_words, csv),
            lessons: LESSONS,
            chunks: 0,
            pause: 0,
            last_pause: 0,
            tail: Vec::new(),
        }
    }

    /// Whether the next block is better left to the general path unseen, since shapes did not repeat in those before;
    /// to be asked once for each block.
    pub fn pauses(&mut self) -> bool {
        let pauses = self.pause > 0;
        self.pause = self.pause.saturating_sub(1);
        pauses
    }

    /// The same by the instructions that come at this place among those of the machine, in chunks of so many bytes.
    #[cfg(feature = "fuzzing")]
    pub fn by(mut self, machine: usize, chunk: usize) -> Scanner {
        let all = Isa::all();
        self.isa = all.get(machine % all.len().max(1)).copied().unwrap_or(self.isa);
        self.chunk = chunk.max(1);
        self
    }

    /// Reads a block of whole lines; the last may lack its newline. `fields` must be those of `new`.
    pub fn scan(&mut self, fields: &Fields, block: &[u8], out: &mut Scanned) {
        out.clear(fields.metrics.len());
        self.names.bound();
        if self.stage.services.len() > stage::SERVICES {
            self.stage.forget_services();
            self.shapes.clear();
        }
        let end = self.end(block);
        let (mut at, mut poor, mut seen) = (0, 0, out.lines);
        while at < end && poor < 2 {
            let stop = line_end(block.get(..end).unwrap_or(block), (at + self.chunk).min(end));
            if self.shapes.is_empty() || poor > 0 || at == 0 && self.last_pause > 0 {
                self.lessons = self.lessons.max(1);
                self.learn_first(fields, block.get(at..stop).unwrap_or_default());
            }
            let rows = out.batch.rows.len();
            self.chunk(fields, block, at..stop, out);
            let taken = (out.batch.rows.len() - rows) as u64;
            poor = if taken * 4 < out.lines - seen { poor + 1 } else { 0 };
            (at, seen) = (stop, out.lines);
        }
        if at < block.len() {
            out.hand_over(block, at..block.len(), out.lines);
        }
        self.last_pause = if poor < 2 { 0 } else { (self.last_pause * 2).clamp(1, PAUSE) };
        self.pause = self.last_pause;
        self.stage.finish(&fields.metrics, out);
    }

    /// How much of the block may be scanned.
    fn end(&self, block: &[u8]) -> usize {
        let quote = match self.form {
            Lines::Csv { .. } => memchr::memchr(b'"', block),
            Lines::Ndjson | Lines::Array => None,
        };
        let before = quote.and_then(|quote| block.get(..quote));
        before.map_or(block.len(), |before| memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1))
    }

    /// Makes one of the first lines of the text a shape.
    fn learn_first(&mut self, fields: &Fields, mut text: &[u8]) {
        let known = self.shapes.len();
        for _ in 0..FIRST_LINES {
            self.learn(fields, text);
            if self.shapes.len() > known {
                return;
            }
            text = text.get(line_end(text, 1)..).unwrap_or_default();
        }
    }

    /// Makes the first line of the text a shape, if it can be and may be.
    fn learn(&mut self, fields: &Fields, text: &[u8]) {
        let Some(newline) = memchr::memchr(b'\n', text).filter(|newline| *newline <= self.longest) else { return };
        let Some(line) = text.get(..newline + 1).filter(|_| self.lessons > 0) else { return };
        let record = learn::record(line, matches!(self.form, Lines::Array));
        if record.is_empty() || (!record.starts_with(b"{") && !matches!(self.form, Lines::Csv { .. })) {
            return;
        }
        self.lessons -= 1;
        let shape = match &self.form {
            Lines::Csv { delimiter, cells } => learn::csv(line, *delimiter, cells, fields, &mut self.stage),
            form => {
                let comma = matches!(form, Lines::Array);
                let mut table = Table::new(fields, self.status_words.clone(), 1);
                json::record(record, 1, fields, &mut table);
                let faultless = table.take().is_some() && table.account.faults.list().is_empty();
                faultless.then(|| learn::json(line, comma, fields, &mut self.stage)).flatten()
            }
        };
        if let Some(mut shape) = shape.filter(|shape| shape.shortest >= 8)
            && self.adapt(&mut shape, line)
        {
            self.shapes.truncate(SHAPES - 1);
            self.shapes.push(shape);
        }
    }
}

impl Scanned {
    /// Empties it and keeps its memory.
    fn clear(&mut self, metrics: usize) {
        let Scanned { batch, lines, others, room, metrics: pool, services } = self;
        batch.rows.clear();
        batch.times.clear();
        batch.entities.clear();
        batch.entity.clear();
        batch.rows.reserve(*room);
        batch.times.reserve(*room);
        batch.entity.reserve(*room);
        let former = batch.metrics.drain(..).map(|column| column.values);
        let mut spare =
            pool.drain(..).chain(former).filter(|values| values.capacity() > 0).collect::<Vec<_>>().into_iter();
        pool.extend((0..metrics).map(|_| spare.next().unwrap_or_default()));
        pool.iter_mut().for_each(Vec::clear);
        let former: Vec<Vec<u8>> = batch.services.drain(..).map(|column| column.levels).collect();
        services.clear();
        services.extend(former);
        services.iter_mut().for_each(Vec::clear);
        *lines = 0;
        others.clear();
    }

    /// Hands lines over; `before` lines of the block came before them.
    fn hand_over(&mut self, block: &[u8], range: Range<usize>, before: u64) {
        let text = block.get(range.clone()).unwrap_or_default();
        self.lines += memchr::memchr_iter(b'\n', text).count() as u64;
        self.other(range, before + 1);
    }

    fn other(&mut self, range: Range<usize>, line: u64) {
        match self.others.last_mut() {
            Some((former, _)) if former.end == range.start => former.end = range.end,
            _ if range.is_empty() => {}
            _ => self.others.push((range, line)),
        }
    }
}

/// The end of the line that has the byte before `at`.
fn line_end(block: &[u8], at: usize) -> usize {
    let from = at.saturating_sub(1);
    let newline = block.get(from..).and_then(|rest| memchr::memchr(b'\n', rest));
    newline.map_or(block.len(), |newline| from + newline + 1)
}
