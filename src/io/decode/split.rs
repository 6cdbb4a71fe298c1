use std::collections::VecDeque;
use std::num::NonZero;

use super::account::Account;
use super::block::{Blocks, Decoded, Desk, Place, Start, Trouble};
use super::crew::Crew;
use super::framing::Framing;
use super::sheet::Sheet;
use super::{Format, Options};
use crate::domain::Batch;

/// A regular file that is read in blocks, by several threads, with the same outcome as if it were read from its
/// beginning to its end.
///
/// A thread does not know where the first record of its block begins, and looks for what seems to be the place. When
/// the blocks are taken in order it is known: where the block before ended. If that is another place, the block is
/// decoded again.
pub(super) struct Split {
    blocks: Blocks,
    pub account: Account,
    /// Before the first record that was not taken.
    place: Place,
    /// The block that is next.
    number: u64,
    ready: VecDeque<Batch>,
    desk: Desk,
    /// Of the other threads, until they start.
    desks: Vec<Desk>,
    crew: Option<Crew>,
}

impl Split {
    /// `offset` is where the text begins, behind a byte order mark.
    pub fn new(blocks: Blocks, format: Format, offset: u64, name: &str, options: &Options<'_>) -> Split {
        let threads = match options.limits.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        // The first block is decoded before the threads start.
        let others = (threads - 1).min(usize::try_from(blocks.count() - 1).unwrap_or(usize::MAX));
        let desk = || Desk::new(Sheet::skimming(options.schema, options.wanted, &options.limits));
        Split {
            blocks,
            account: Account::default(),
            place: Place { offset, rows: 0, framing: Framing::new(format, name) },
            number: 0,
            ready: VecDeque::new(),
            desk: desk(),
            desks: (0..others).map(|_| desk()).collect(),
            crew: None,
        }
    }

    /// Bytes of the blocks that were taken.
    pub fn bytes(&self) -> u64 {
        if self.number == 0 { 0 } else { self.blocks.end_of(self.number - 1) }
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// The input cannot be read, or its CSV header cannot be used.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Trouble> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.number == self.blocks.count() {
                return Ok(None);
            }
            let guessed = match &mut self.crew {
                Some(crew) => crew.take(&mut self.desk),
                None => None,
            };
            self.take(guessed)?;
            self.number += 1;
            if self.crew.is_none() && !self.desks.is_empty() {
                let desks = std::mem::take(&mut self.desks);
                self.crew = Some(Crew::start(&self.blocks, &self.place.framing, self.number, desks));
            }
        }
    }

    /// Takes the block that is next, decoding it here if nobody has or if it was begun at the wrong place.
    fn take(&mut self, guessed: Option<Result<Decoded, Trouble>>) -> Result<(), Trouble> {
        if self.place.offset >= self.blocks.end_of(self.number) {
            return Ok(()); // no record begins in it
        }
        let guessed = match guessed {
            None | Some(Err(Trouble::Lost)) => None,
            Some(decoded) => Some(decoded?),
        };
        let fits = |decoded: &Decoded| match &decoded.from_to {
            Some((from, _)) => from.offset == self.place.offset && from.framing.is_like(&self.place.framing),
            None => false,
        };
        let mut decoded = match guessed.filter(fits) {
            Some(decoded) => decoded,
            None => self.desk.decode(&self.blocks, self.number, &Start::At(&self.place))?,
        };
        if let Some((from, to)) = decoded.from_to {
            let before = self.place.rows - from.rows;
            self.account.join(decoded.account, &mut decoded.batches, before);
            self.ready.extend(decoded.batches);
            self.place = Place { rows: to.rows + before, ..to };
        }
        Ok(())
    }
}
