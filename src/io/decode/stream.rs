use std::io::{self, Read};

use super::Schema;
use super::decoder::Decoder;
use super::format::{Format, refuse_binary};
use super::text::{BYTE_ORDER_MARK, quote, trim, trim_start};
use super::wrapper::wrapper_key;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::{Batch, InputRecord};
use crate::node::Wanted;

/// How an input is to be read.
pub struct Options<'a> {
    /// `None`: as the text begins.
    pub format: Option<Format>,
    pub schema: &'a Schema,
    pub wanted: &'a Wanted,
    /// Share of bad records, 0 to 1, above which the input is refused.
    pub max_bad_ratio: f64,
    pub limits: Limits,
}

/// What bounds the memory that reading takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that are read at once.
    pub block: usize,
    /// Longest record, in bytes.
    pub record: usize,
    /// Most rows of a batch.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { block: 1 << 20, record: 1 << 20, rows: 16384 }
    }
}

/// An input that is being read, batch by batch.
pub struct Stream {
    input: Box<dyn Read + Send>,
    /// What messages call the input.
    name: String,
    format: Format,
    decoder: Decoder,
    max_bad_ratio: f64,
    /// Where the input begins as one object around an array of objects: its key. For messages only.
    wrapper: Option<String>,
    block: Block,
    /// Nothing more to say.
    finished: bool,
}

/// What was read and is not yet decoded.
struct Block {
    bytes: Vec<u8>,
    /// Bytes at the beginning that are decoded.
    decoded: usize,
    size: usize,
    /// Bytes read from the input so far.
    read: u64,
    ended: bool,
}

impl Stream {
    /// Reads far enough to know the format. `name` is what messages call the input.
    ///
    /// # Errors
    /// The input cannot be read, is empty, or is no text.
    pub fn open(mut input: Box<dyn Read + Send>, name: &str, options: &Options<'_>) -> Result<Stream, Diagnostic> {
        let size = options.limits.block.max(1);
        let mut block = Block { bytes: Vec::new(), decoded: 0, size, read: 0, ended: false };
        let format = loop {
            block.fill(&mut *input).map_err(|error| broken_off(&error, name, block.read))?;
            refuse_binary(&block.bytes, name)?;
            if trim(&block.bytes).is_empty() {
                if block.ended {
                    let what = format!("{name} is empty");
                    return Err(Diagnostic::new(input::EMPTY, what)
                        .help("check that whatever writes it has run, and that the path is the right one"));
                }
                // A log may begin with a great many NULs. What ends lines stays, so that they are counted.
                block.bytes.retain(|byte| matches!(byte, b'\n' | b'\r'));
                continue;
            }
            let enough = block.ended || block.bytes.len() > options.limits.record;
            if let Some(format) = options.format.or_else(|| Format::detect(&block.bytes, enough)) {
                break format;
            }
        };
        if let Some(rest) = block.bytes.strip_prefix(BYTE_ORDER_MARK) {
            block.decoded = block.bytes.len() - rest.len();
        }
        let decoder = Decoder::new(format, options.schema, options.wanted, &options.limits, name);
        let wrapper = wrapper_key(trim_start(&block.bytes));
        let (name, max_bad_ratio) = (name.to_string(), options.max_bad_ratio);
        Ok(Stream { input, name, format, decoder, max_bad_ratio, wrapper, block, finished: false })
    }

    /// The next batch; `None` at the end. Never an empty one.
    ///
    /// # Errors
    /// What makes the input unusable as a whole.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Diagnostic> {
        let batch = self.advance();
        self.finished |= !matches!(batch, Ok(Some(_)));
        batch
    }

    fn advance(&mut self) -> Result<Option<Batch>, Diagnostic> {
        while !self.finished {
            let rest = self.block.bytes.get(self.block.decoded..).unwrap_or_default();
            self.block.decoded += self.decoder.push(rest, self.block.ended)?;
            let full = self.decoder.sheet.table.is_full();
            if let Some(batch) = self.decoder.sheet.table.take() {
                return Ok(Some(batch));
            }
            if full {
                continue;
            }
            if self.block.ended {
                return self.verdict().map(|()| None);
            }
            let read = self.block.read;
            self.block.fill(&mut *self.input).map_err(|error| broken_off(&error, &self.name, read))?;
        }
        Ok(None)
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.block.read
    }

    /// What was read so far, for the run record; `node` and `path` are left empty.
    pub fn record(&self) -> InputRecord {
        let account = &self.decoder.sheet.table.account;
        InputRecord {
            node: String::new(),
            path: String::new(),
            format: self.format.name().to_string(),
            bytes: self.block.read,
            records: account.tally.records,
            bad: account.tally.bad,
            first: account.tally.first,
            last: account.tally.last,
            faults: account.faults.list(),
            entities: account.entities(),
        }
    }

    /// Whether what was read can stand for the input.
    fn verdict(&self) -> Result<(), Diagnostic> {
        let account = &self.decoder.sheet.table.account;
        let (records, bad) = (account.tally.records, account.tally.bad);
        let all = records + bad;
        let name = &self.name;
        let Some(first) = &account.first_bad else {
            if records > 0 {
                return Ok(());
            }
            let format = self.format.name();
            return Err(Diagnostic::new(input::NO_RECORD, format!("{name} has no record (it was read as {format})"))
                .help("there is nothing in it to report on; check that whatever writes it has run"));
        };
        let unit = if self.format == Format::Json { "element" } else { "line" };
        let example =
            format!("the first, {unit} {}: {} ({}): {}", first.row, first.code.title, first.code.id, first.detail);
        let help = if let Some(key) = self.wrapper.as_ref().filter(|_| all == 1) {
            format!(
                "it is one object with an array of objects under {0}; records must be the elements of the array at the \
                 top, or one a line: `jq -c '.[{1}][]' FILE | agent run GRAPH --input -`",
                quote(key.as_bytes()),
                serde_json::Value::from(key.as_str())
            )
        } else if first.code == input::NO_TIME {
            "if the time has another name, say so on the ingest node: `schema = { timestamp = \"…\" }`".to_string()
        } else {
            format!(
                "mend the input; it was read as {}, so if it is not, set `format` on the ingest node",
                self.format.name()
            )
        };
        if records == 0 {
            let what = format!("{name} has no valid record; {bad} could not be used, {example}");
            return Err(Diagnostic::new(input::NO_RECORD, what).help(help));
        }
        if bad as f64 / all as f64 > self.max_bad_ratio {
            let limit = self.max_bad_ratio;
            let what = format!(
                "{bad} of {all} records of {name} could not be used, more than max_bad_ratio = {limit} permits; {example}"
            );
            return Err(Diagnostic::new(input::TOO_MANY_BAD, what).help(help));
        }
        Ok(())
    }
}

fn broken_off(error: &io::Error, name: &str, read: u64) -> Diagnostic {
    if read == 0 {
        return Diagnostic::new(input::MISSING, format!("cannot read {name}: {error}")).help(input::MISSING.remedy);
    }
    Diagnostic::new(input::BROKEN_OFF, format!("reading {name} stopped after {read} bytes: {error}"))
        .help("run again once it can be read to its end, for example from a local copy")
}

impl Block {
    /// Reads the next block behind what is not yet decoded.
    fn fill(&mut self, input: &mut dyn Read) -> io::Result<()> {
        self.bytes.drain(..self.decoded.min(self.bytes.len()));
        self.decoded = 0;
        self.bytes.reserve(self.size);
        let read = input.take(self.size as u64).read_to_end(&mut self.bytes)?;
        self.read += read as u64;
        self.ended = read < self.size;
        Ok(())
    }
}
