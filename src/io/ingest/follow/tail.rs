use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::identity::{HEAD, Head, Identity, Saved, beginning, read_at};
use super::merge::Joined;
use crate::diagnostic::Diagnostic;
use crate::domain::Batch;
use crate::io::decode::{Feed, Mark, Strand};

/// Blocks after which reading pauses, though nothing in them could be used.
const BLOCKS: usize = 16;
/// How much of the beginning may hold the header of CSV.
const HEADER: u64 = 1 << 20;

/// A file that is read to its end again and again.
pub struct Tail {
    /// Where it was last seen.
    pub path: PathBuf,
    /// See [`Saved::here`].
    pub here: SystemTime,
    pub identity: Identity,
    pub strand: Strand,
    lane: u32,
    file: File,
    head: Head,
    /// Size and time of change when it was last read to its end.
    quiet: Option<(u64, Option<SystemTime>)>,
    /// Since when it has nothing more to read.
    pub quiet_since: Instant,
    /// Decoded and not yet all handed on.
    pending: Option<Pending>,
    /// Up to where it was handed on, and how many records behind that.
    sent: Mark,
    skip: u64,
    /// Records that were handed on by an earlier process, and decoded again.
    again: u64,
    /// Nothing can be made of it.
    pub unusable: bool,
    /// No path names it any more.
    pub gone: bool,
    /// Nothing more will be read of it.
    pub finished: bool,
}

struct Pending {
    batch: Batch,
    /// Records of it that were handed on.
    sent: usize,
    /// Behind it.
    mark: Mark,
}

/// What came of looking at a file.
pub enum Look {
    /// There may be something new.
    Read,
    Quiet,
    /// It is not what was read before: it became shorter, or begins with another text.
    Truncated,
}

impl Tail {
    /// # Errors
    /// What the system says of the file.
    pub fn open(path: &Path, file: File, strand: Strand, skip: u64, lane: u32) -> io::Result<Tail> {
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let sent = strand.mark();
        let head = Head::of(&file, HEAD)?;
        Ok(Tail {
            path: path.to_path_buf(),
            here: about.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            identity: Identity::of(&about),
            strand,
            lane,
            file,
            head,
            quiet: None,
            quiet_since: Instant::now(),
            pending: None,
            sent,
            skip,
            again: skip,
            unusable: false,
            gone: false,
            finished: false,
        })
    }

    /// The beginning of a file, with the header if it is CSV.
    ///
    /// # Errors
    /// What the system says.
    pub fn header(file: &File) -> io::Result<Vec<u8>> {
        beginning(file, HEADER)
    }

    /// # Errors
    /// What the system says of the file.
    pub fn look(&mut self) -> io::Result<Look> {
        let about = self.file.metadata()?;
        let state = (about.len(), about.modified().ok());
        if self.quiet == Some(state) {
            return Ok(Look::Quiet);
        }
        if about.len() < self.strand.arrived() || !self.head.fits(&self.file) {
            return Ok(Look::Truncated);
        }
        if about.len() == self.strand.arrived() {
            self.quiet = Some(state);
            self.strand.rest();
            return Ok(Look::Quiet);
        }
        self.quiet = None;
        self.quiet_since = Instant::now();
        Ok(Look::Read)
    }

    /// Whether it was read to its end, and nothing has come since.
    pub fn is_quiet(&self) -> bool {
        self.quiet.is_some()
    }

    /// Reads and decodes blocks of this size until there is a batch or nothing more to read.
    ///
    /// # Errors
    /// What the system says of the file, or why nothing can be made of it.
    pub fn read(&mut self, feed: &mut Feed, size: usize) -> Result<(), Failure> {
        let mut block = vec![0; size];
        let mut blocks = 0;
        loop {
            if let Some(batch) = feed.take(&mut self.strand, self.finished)? {
                let sent = usize::try_from(self.again).unwrap_or(usize::MAX).min(batch.len());
                self.again -= sent as u64;
                if sent < batch.len() {
                    self.pending = Some(Pending { batch, sent, mark: self.strand.mark() });
                    return Ok(());
                }
                continue;
            }
            if self.again == 0 {
                (self.sent, self.skip) = (self.strand.mark(), 0);
            }
            if self.finished || blocks == BLOCKS {
                return Ok(());
            }
            blocks += 1;
            let offset = self.strand.arrived();
            let read = read_at(&self.file, &mut block, offset)?;
            if read == 0 {
                return Ok(());
            }
            feed.push(&mut self.strand, block.get(..read).unwrap_or_default());
            if self.head.length < HEAD {
                self.head = Head::of(&self.file, HEAD)?;
            }
        }
    }

    /// Time of the first record that is to be handed on.
    pub fn next_time(&self) -> Option<i64> {
        self.pending.as_ref().and_then(|pending| pending.batch.times.get(pending.sent).copied())
    }

    /// Records that were decoded and not handed on.
    pub fn unsent(&self) -> u64 {
        self.pending.as_ref().map_or(0, |pending| (pending.batch.len() - pending.sent) as u64)
    }

    /// Hands all on that is decoded.
    pub fn send_all(&mut self) -> Option<Batch> {
        if self.pending.as_ref().is_some_and(|pending| pending.sent > 0) {
            let mut joined = Joined::default();
            self.send(i64::MAX, &mut joined);
            return joined.finish();
        }
        let pending = self.pending.take()?;
        (self.sent, self.skip) = (pending.mark, 0);
        let lanes = vec![self.lane; pending.batch.len()];
        Some(Batch { lanes, ..pending.batch })
    }

    /// Hands records on until one is later than `limit`, the first one in any case.
    pub fn send(&mut self, limit: i64, joined: &mut Joined) {
        let Some(pending) = &mut self.pending else { return };
        let later = pending.batch.times.iter().skip(pending.sent + 1).position(|time| *time > limit);
        let end = later.map_or(pending.batch.len(), |more| pending.sent + 1 + more);
        joined.append(&pending.batch, pending.sent..end, self.lane);
        self.skip += (end - pending.sent) as u64;
        pending.sent = end;
        if end == pending.batch.len() {
            (self.sent, self.skip) = (pending.mark, 0);
            self.pending = None;
        }
    }

    /// Starts again at the beginning, since that is another text now, with a lane of its own.
    pub fn restart(&mut self, strand: Strand, lane: u32) {
        self.lane = lane;
        (self.sent, self.skip, self.again) = (Mark::default(), 0, 0);
        self.strand = strand;
        self.head = Head::of(&self.file, HEAD).unwrap_or_default();
        self.quiet = None;
        self.unusable = false;
    }

    /// When it was written to last.
    pub fn written(&self) -> Option<SystemTime> {
        self.file.metadata().ok()?.modified().ok()
    }

    /// Which file it is, and how it begins.
    pub fn origin(&self) -> (Identity, &Head) {
        (self.identity, &self.head)
    }

    /// Whether nothing refers to it any more but this process.
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.nlink() == 0)
    }

    pub fn saved(&self) -> Saved {
        let path = self.path.to_string_lossy().into_owned();
        let Tail { identity, sent, skip, lane, here, .. } = *self;
        Saved { path, identity, head: self.head.clone(), mark: sent, skip, lane, here }
    }
}

/// Why a file cannot be read on.
pub enum Failure {
    System(io::Error),
    /// What is in it.
    Content(Diagnostic),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::System(error)
    }
}

impl From<Diagnostic> for Failure {
    fn from(fault: Diagnostic) -> Failure {
        Failure::Content(fault)
    }
}
