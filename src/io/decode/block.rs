use std::io;
use std::sync::Arc;

use super::account::Account;
use super::framing::Framing;
use super::sheet::Sheet;
use crate::diagnostic::Diagnostic;
use crate::domain::Batch;

/// Bytes before a block that are looked at to see where a record begins.
const LOOK_BACK: u64 = 64;

/// What can be read at any place: a regular file.
pub trait Input: Send + Sync {
    /// Reads up to as many bytes as `buffer` has, from `offset` on; none at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Input for std::fs::File {
    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, offset)
    }
}

/// An input that is cut into blocks of one size. A record belongs to the block that it begins in. What comes out of a
/// block depends on nothing but the input and where decoding starts.
#[derive(Clone)]
pub(super) struct Blocks {
    pub input: Arc<dyn Input>,
    /// Bytes of the input.
    pub size: u64,
    /// Bytes of a block.
    pub block: u64,
}

/// A place between two records.
pub(super) struct Place {
    pub offset: u64,
    /// Lines or elements before it, from wherever they are counted.
    pub rows: u64,
    pub framing: Framing,
}

/// Where decoding of a block starts.
pub(super) enum Start<'a> {
    At(&'a Place),
    /// Where a record seems to begin; the framing is as it will probably be there.
    Guess(&'a Framing),
}

/// What came out of a block.
pub(super) struct Decoded {
    pub batches: Vec<Batch>,
    pub account: Account,
    /// Where decoding started and where it ended, before the first record of a later block. `None` where no record
    /// seems to begin in the block.
    pub from_to: Option<(Place, Place)>,
}

/// Why a block could not be decoded.
pub(super) enum Trouble {
    Unreadable(io::Error),
    Refused(Diagnostic),
    /// The thread that was at it is gone.
    Lost,
}

impl Blocks {
    pub fn count(&self) -> u64 {
        self.size.div_ceil(self.block)
    }

    /// Where the block ends.
    pub fn end_of(&self, number: u64) -> u64 {
        number.saturating_add(1).saturating_mul(self.block).min(self.size)
    }
}

/// What a thread decodes with, block after block.
pub(super) struct Desk {
    sheet: Sheet,
    window: Window,
}

impl Desk {
    pub fn new(sheet: Sheet) -> Desk {
        Desk { sheet, window: Window::default() }
    }

    /// Decodes the records that begin in a block.
    ///
    /// # Errors
    /// The input cannot be read, or its CSV header cannot be used.
    pub fn decode(&mut self, blocks: &Blocks, number: u64, start: &Start<'_>) -> Result<Decoded, Trouble> {
        let (base, limit) = (number * blocks.block, blocks.end_of(number));
        // Most last records of a block end soon behind it; what is read beyond them is read twice.
        let ahead = limit + blocks.block.div_ceil(256);
        let from = match start {
            Start::At(place) => {
                self.window.open(blocks, place.offset, ahead)?;
                Place { framing: place.framing.fork(), ..**place }
            }
            Start::Guess(framing) => {
                let from = base.saturating_sub(LOOK_BACK);
                self.window.open(blocks, from, ahead)?;
                let found = framing.guess(self.window.rest(), (base - from) as usize);
                let found = found.map(|skipped| self.window.skip(skipped)).filter(|found| *found < limit);
                let Some(offset) = found else {
                    return Ok(Decoded { batches: Vec::new(), account: Account::default(), from_to: None });
                };
                Place { offset, rows: 0, framing: framing.fork() }
            }
        };
        let mut batches = Vec::new();
        let to = self.records(blocks, limit, &from, &mut batches)?;
        let account = std::mem::take(&mut self.sheet.table.account);
        Ok(Decoded { batches, account, from_to: Some((from, to)) })
    }

    /// Decodes the records that begin before `limit`, from where the window stands.
    fn records(
        &mut self,
        blocks: &Blocks,
        limit: u64,
        from: &Place,
        batches: &mut Vec<Batch>,
    ) -> Result<Place, Trouble> {
        let Desk { sheet, window } = self;
        let mut framing = from.framing.fork();
        framing.set_rows(from.rows);
        loop {
            let room = usize::try_from(limit.saturating_sub(window.offset)).unwrap_or(usize::MAX);
            let used = framing.push_until(window.rest(), room, window.ended, sheet).map_err(Trouble::Refused)?;
            let offset = window.skip(used);
            let full = sheet.table.is_full();
            batches.extend(std::iter::from_fn(|| sheet.table.take()));
            if full {
                continue;
            }
            // What is between two records is passed over to its end, so that the next block finds the same place.
            let between = framing.rows().is_some() && (window.ended || !window.rest().is_empty());
            if window.ended || (offset >= limit && between) {
                return Ok(Place { offset, rows: framing.rows().unwrap_or_default(), framing });
            }
            window.extend(blocks)?;
        }
    }
}

/// A piece of the input in memory.
#[derive(Default)]
struct Window {
    /// Only the first `end` of them are of the input; they are kept for their memory.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Where `start` is in the input.
    offset: u64,
    /// Whether the input ends with it.
    ended: bool,
}

impl Window {
    /// Reads a part of the input, in place of what was there.
    fn open(&mut self, blocks: &Blocks, from: u64, to: u64) -> Result<(), Trouble> {
        (self.start, self.end, self.offset, self.ended) = (0, 0, from, false);
        self.read(blocks, usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX))
    }

    /// Reads on, at least as much again as there is.
    fn extend(&mut self, blocks: &Blocks) -> Result<(), Trouble> {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let more = (blocks.block as usize).div_ceil(16).max(self.end);
        self.read(blocks, more)
    }

    fn read(&mut self, blocks: &Blocks, length: usize) -> Result<(), Trouble> {
        let left = blocks.size.saturating_sub(self.offset + (self.end - self.start) as u64);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        let stop = self.end + length;
        if self.bytes.len() < stop {
            self.bytes.resize(stop, 0);
        }
        while self.end < stop {
            let place = self.offset + (self.end - self.start) as u64;
            let Some(room) = self.bytes.get_mut(self.end..stop) else { break };
            match blocks.input.read_at(room, place) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Unreadable(error)),
            }
        }
        // Shorter than it was: a file that was cut off meanwhile ends where it ends.
        self.ended = self.end < stop || length as u64 == left;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Goes on by so many bytes; gives where that is.
    fn skip(&mut self, used: usize) -> u64 {
        self.start += used;
        self.offset += used as u64;
        self.offset
    }
}
