//! Standard input as a live source.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Instant;

use super::file::Config;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::InputRecord;
use crate::io::decode::{Feed, Strand};
use crate::node::{Next, PATIENCE, Pass, Reader};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;
/// Pieces that wait to be decoded; then the writer at the other end waits.
const WAITING: usize = 4;

/// Hands records on as they arrive.
pub struct Pipe {
    node: String,
    feed: Feed,
    strand: Strand,
    pieces: Receiver<io::Result<Vec<u8>>>,
    ended: bool,
}

impl Pipe {
    pub fn open(config: &Config, pass: &Pass<'_>) -> Pipe {
        Pipe::of(io::stdin(), config, pass)
    }

    fn of(input: impl Read + Send + 'static, config: &Config, pass: &Pass<'_>) -> Pipe {
        let feed = Feed::new(&config.options(pass.wanted));
        let strand = feed.strand("standard input", false);
        Pipe { node: pass.node.to_string(), feed, strand, pieces: pieces(input), ended: false }
    }
}

/// Reads on a thread of its own, since nobody can be told to stop waiting for a pipe.
fn pieces(mut input: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::spawn(move || {
        loop {
            let mut piece = vec![0; BLOCK];
            let read = match input.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    Ok(piece)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

impl Reader for Pipe {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let since = Instant::now();
        loop {
            if let Some(batch) = self.feed.take(&mut self.strand, self.ended)? {
                return Ok(Next::Batch(batch));
            }
            if self.ended {
                return Ok(Next::End);
            }
            if since.elapsed() >= PATIENCE {
                return Ok(Next::Idle);
            }
            match self.pieces.recv_timeout(PATIENCE.saturating_sub(since.elapsed())) {
                Ok(Ok(piece)) => self.feed.push(&mut self.strand, &piece),
                Ok(Err(error)) => {
                    let read = self.strand.arrived();
                    let what = format!("reading standard input stopped after {read} bytes: {error}");
                    return Err(Diagnostic::new(input::BROKEN_OFF, what).help(input::BROKEN_OFF.remedy));
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Next::Idle),
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
    }

    fn record(&self) -> InputRecord {
        InputRecord { node: self.node.clone(), path: "-".to_string(), ..self.feed.record() }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.strand.arrived(), None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::time::Duration;

    use super::*;
    use crate::io::ingest::file::tests::config;
    use crate::node::Wanted;

    #[test]
    fn records_are_handed_on_as_they_arrive_until_the_end() {
        let (reader, mut writer) = pipe().unwrap();
        let mut pipe =
            Pipe::of(reader, &config("path = '-'\nfollow = true").unwrap(), &Pass::anew("n", &Wanted::default()));
        let mut rows = |expected: &[u64]| {
            let since = Instant::now();
            loop {
                match pipe.next().unwrap() {
                    Next::Batch(batch) => break assert_eq!(batch.rows, expected),
                    Next::Idle => assert!(since.elapsed() < Duration::from_secs(10)),
                    Next::End => break assert!(expected.is_empty()),
                }
            }
        };
        writer.write_all(b"{\"timestamp\": 1}\nnonsense\n{\"timestamp\"").unwrap();
        rows(&[1]);
        writer.write_all(b": 2}\n{\"timestamp\": 3}").unwrap();
        rows(&[3]);
        drop(writer);
        rows(&[4]);
        rows(&[]);
        let record = pipe.record();
        assert_eq!((record.records, record.bad, record.path.as_str()), (3, 1, "-"));
    }

    #[test]
    fn nothing_for_now_is_said_in_time() {
        let (reader, writer) = pipe().unwrap();
        let mut pipe =
            Pipe::of(reader, &config("path = '-'\nfollow = true").unwrap(), &Pass::anew("n", &Wanted::default()));
        let since = Instant::now();
        assert!(matches!(pipe.next(), Ok(Next::Idle)));
        assert!(since.elapsed() < PATIENCE * 10, "{:?}", since.elapsed());
        drop(writer);
        // No record at all: a live source that ends has just ended.
        while let Next::Idle = pipe.next().unwrap() {}
        assert!(matches!(pipe.next(), Ok(Next::End)));
    }
}
