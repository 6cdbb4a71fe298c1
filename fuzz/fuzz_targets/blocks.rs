//! Any bytes, of any format: read at once, in blocks, by several threads, and pushed in pieces as they come: the same.
//!
//! The first byte says how: from the lowest bit on, two of the format, two of the threads, two of repeats, one of the
//! longest record, one of the rows of a batch. The second is the size of blocks, the next four those of pieces.
#![no_main]

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use agent::diagnostic::Diagnostic;
use agent::domain::{Batch, InputRecord};
use agent::io::decode::{Feed, Format, Input, Limits, Options, Stream};
use agent_fuzz::{Case, Row, repeated, rows};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [how, block, a, b, c, d, text @ ..] = input else { return };
    let (how, block) = (usize::from(*how), usize::from(*block));
    let text = repeated(text, 1 + (how >> 4 & 3));
    let format = [None, Some(Format::Json), Some(Format::Ndjson), Some(Format::Csv)][how & 3];
    let threads = [1, 1, 1, 2][how >> 2 & 3];
    let record = if how >> 6 & 1 == 0 { 1 << 20 } else { 260 };
    let limits =
        Limits { block: 1 << 16, record, rows: if how >> 7 == 0 { 1000 } else { 3 }, threads, ..Limits::default() };
    let case = Case::default();
    let whole = case.options(format, limits);
    let cut = case.options(format, Limits { block: 1 + block * block / 16, ..limits });

    let through = |options| drained(Stream::open(Box::new(Cursor::new(text.clone())), "input", options));
    let expected = through(&whole);
    assert_eq!(through(&cut), expected, "in blocks");
    let file = Stream::open_file(Arc::new(Bytes(text.clone())), text.len() as u64, "input", &cut);
    assert_eq!(drained(file), expected, "as a file, by {threads} threads");
    if let Ok(expected) = expected {
        // A stream that goes on gets no verdict, so there is nothing to compare where a file is refused.
        let pieces = [a, b, c, d].map(|size| usize::from(*size) + 1);
        assert_eq!(fed(&text, pieces, &whole).map_err(|error| error.to_string()), Ok(expected), "in pieces");
    }
});

/// What can be read at any place.
struct Bytes(Vec<u8>);

impl Input for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.get(offset as usize..).unwrap_or_default().read(buffer)
    }
}

/// Everything that comes, or why nothing does.
type Outcome = Result<(Vec<Row>, InputRecord), String>;

fn drained(stream: Result<Stream, Diagnostic>) -> Outcome {
    let mut batches: Vec<Batch> = Vec::new();
    let stream = stream.and_then(|mut stream| {
        while let Some(batch) = stream.next_batch()? {
            batches.push(batch);
        }
        Ok(stream)
    });
    stream.map(|stream| (rows(&batches), stream.record())).map_err(|error| error.to_string())
}

fn fed(text: &[u8], pieces: [usize; 4], options: &Options<'_>) -> Result<(Vec<Row>, InputRecord), Diagnostic> {
    let mut feed = Feed::new(options);
    let mut strand = feed.strand("input", false);
    let (mut batches, mut rest) = (Vec::new(), text);
    for size in pieces.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        feed.push(&mut strand, piece);
        let end = after.is_empty();
        while let Some(batch) = feed.take(&mut strand, end)? {
            batches.push(batch);
        }
        if end {
            break;
        }
        rest = after;
    }
    Ok((rows(&batches), feed.record()))
}
