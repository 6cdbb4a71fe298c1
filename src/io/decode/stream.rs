use std::io::{self, Read};
use std::sync::Arc;

use super::Schema;
use super::account::Account;
use super::block::{Blocks, Input, Trouble};
use super::decoder::Decoder;
use super::format::{Format, TELLING, refuse_binary};
use super::split::Split;
use super::text::{BYTE_ORDER_MARK, trim, trim_start};
use super::verdict::About;
use super::wrapper::wrapper_key;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::{Batch, InputRecord, Rejected};
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

/// What bounds the memory that reading takes, and how it goes about it. None of it changes a result.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that are read at once.
    pub block: usize,
    /// Longest record, in bytes.
    pub record: usize,
    /// Most rows of a batch.
    pub rows: usize,
    /// Threads that decode a file, the reader's own included; 0 for as many as there are cores.
    pub threads: usize,
    /// Whether lines are read by their shape where that repeats; else all of them go the general path.
    pub shapes: bool,
    /// Whether records that cannot be used are kept for [`Stream::rejected`].
    pub rejected: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        // Fewer pages for each thread to touch than with twice as much, and less to decode before the other threads begin.
        Limits { block: 1 << 19, record: 1 << 20, rows: 16384, threads: 0, shapes: true, rejected: false }
    }
}

/// An input that is being read, batch by batch.
pub struct Stream {
    about: About,
    reading: Reading,
    /// Nothing more to say.
    finished: bool,
}

enum Reading {
    /// From the beginning to the end.
    Through(Box<Through>),
    /// In blocks, by several threads.
    Split(Box<Split>),
}

struct Through {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    block: Block,
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
        let mut block = Block::new(options);
        let about = block.begin(&mut *input, name, options)?;
        let decoder = Decoder::new(about.format, options.schema, options.wanted, &options.limits, name);
        let reading = Reading::Through(Box::new(Through { input, decoder, block }));
        Ok(Stream { about, reading, finished: false })
    }

    /// The same for an input of `size` bytes that can be read at any place, which is what lets several threads read
    /// it. What is added to it meanwhile is not read.
    ///
    /// # Errors
    /// The input cannot be read, is empty, or is no text.
    pub fn open_file(
        input: Arc<dyn Input>,
        size: u64,
        name: &str,
        options: &Options<'_>,
    ) -> Result<Stream, Diagnostic> {
        let mut block = Block::new(options);
        let mut sequel = Sequel { input, offset: 0 };
        let about = block.begin(&mut sequel, name, options)?;
        let length = block.size as u64;
        // What is small, or begins with nothing for long, is not worth a thread.
        let reading = if size < 2 * length || sequel.offset > length {
            let decoder = Decoder::new(about.format, options.schema, options.wanted, &options.limits, name);
            Reading::Through(Box::new(Through { input: Box::new(sequel), decoder, block }))
        } else {
            let blocks = Blocks { input: sequel.input, size, block: length };
            Reading::Split(Box::new(Split::new(blocks, about.format, block.decoded as u64, name, options)))
        };
        Ok(Stream { about, reading, finished: false })
    }

    /// The next batch; `None` at the end. Never an empty one.
    ///
    /// # Errors
    /// What makes the input unusable as a whole.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Diagnostic> {
        if self.finished {
            return Ok(None);
        }
        let name = &self.about.name;
        let batch = match &mut self.reading {
            Reading::Through(through) => through.next_batch(name),
            Reading::Split(split) => split.next_batch().map_err(|trouble| match trouble {
                Trouble::Refused(fault) => fault,
                Trouble::Unreadable(error) => broken_off(&error, name, split.bytes()),
                Trouble::Lost => broken_off(&io::Error::other("a thread was lost"), name, split.bytes()),
            }),
        };
        self.finished = !matches!(batch, Ok(Some(_)));
        match batch? {
            None => self.about.verdict(self.account()).map(|()| None),
            batch => Ok(batch),
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        match &self.reading {
            Reading::Through(through) => through.block.read,
            Reading::Split(split) => split.bytes(),
        }
    }

    /// What was read so far, for the run record; `node` and `path` are left empty.
    pub fn record(&self) -> InputRecord {
        self.account().record(self.about.format.name(), self.bytes())
    }

    /// Records before this row that could not be used, each once.
    pub fn rejected(&mut self, before: u64) -> Vec<Rejected> {
        let rejected = match &mut self.reading {
            Reading::Through(through) => &mut through.decoder.sheet.table.account.rejected,
            Reading::Split(split) => &mut split.account.rejected,
        };
        rejected.sort_by_key(|one| one.row); // almost sorted, if not wholly
        let later = rejected.partition_point(|one| one.row < before);
        rejected.drain(..later).collect()
    }

    fn account(&self) -> &Account {
        match &self.reading {
            Reading::Through(through) => &through.decoder.sheet.table.account,
            Reading::Split(split) => &split.account,
        }
    }
}

impl Through {
    fn next_batch(&mut self, name: &str) -> Result<Option<Batch>, Diagnostic> {
        loop {
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
                return Ok(None);
            }
            let read = self.block.read;
            self.block.fill(&mut *self.input).map_err(|error| broken_off(&error, name, read))?;
        }
    }
}

/// Reads an input from one place on.
struct Sequel {
    input: Arc<dyn Input>,
    offset: u64,
}

impl Read for Sequel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn broken_off(error: &io::Error, name: &str, read: u64) -> Diagnostic {
    let broken = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    if read == 0 && !broken {
        return Diagnostic::new(input::MISSING, format!("cannot read {name}: {error}")).help(input::MISSING.remedy);
    }
    Diagnostic::new(input::BROKEN_OFF, format!("reading {name} stopped after {read} bytes: {error}"))
        .help("run again once it can be read to its end, for example from a local copy")
}

impl Block {
    fn new(options: &Options<'_>) -> Block {
        Block { bytes: Vec::new(), decoded: 0, size: options.limits.block.max(1), read: 0, ended: false }
    }

    /// Reads far enough to know what the input is.
    fn begin(&mut self, from: &mut dyn Read, name: &str, options: &Options<'_>) -> Result<About, Diagnostic> {
        let format = loop {
            self.fill(from).map_err(|error| broken_off(&error, name, self.read))?;
            // Not what stands behind blanks that were dropped, or it would depend on the size of blocks.
            if self.read == self.bytes.len() as u64 {
                refuse_binary(&self.bytes, name)?;
            }
            if trim(&self.bytes).is_empty() {
                if self.ended {
                    let what = format!("{name} is empty");
                    return Err(Diagnostic::new(input::EMPTY, what)
                        .help("check that whatever writes it has run, and that the path is the right one"));
                }
                // A log may begin with a great many NULs. What ends lines stays, so that they are counted.
                self.bytes.retain(|byte| matches!(byte, b'\n' | b'\r'));
                continue;
            }
            if self.read < TELLING && !self.ended {
                continue;
            }
            let enough = self.ended || self.bytes.len() > options.limits.record;
            if let Some(format) = options.format.or_else(|| Format::detect(&self.bytes, enough)) {
                break format;
            }
        };
        if let Some(rest) = self.bytes.strip_prefix(BYTE_ORDER_MARK) {
            self.decoded = self.bytes.len() - rest.len();
        }
        let wrapper = wrapper_key(trim_start(&self.bytes));
        Ok(About { name: name.to_string(), format, max_bad_ratio: options.max_bad_ratio, wrapper })
    }

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
