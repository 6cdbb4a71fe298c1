use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::format::{Format, TELLING, refuse_binary};
use super::framing::Framing;
use super::sheet::Sheet;
use super::text::trim;
use super::{Limits, Options, Schema};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::{Batch, InputRecord};
use crate::node::Wanted;

/// Decodes inputs that go on: bytes are pushed into a [`Strand`] as they arrive, and what records they make can be
/// taken at once. Several strands share one account: files of a pattern, a file and the one that takes its place.
pub struct Feed {
    sheet: Sheet,
    schema: Schema,
    wanted: Wanted,
    limits: Limits,
    format: Option<Format>,
    /// As strands turned out to be written.
    formats: BTreeSet<&'static str>,
    bytes: u64,
}

/// One stream of bytes: a file from its beginning, or from a [`Mark`].
pub struct Strand {
    /// What messages call it.
    name: String,
    /// Whether faults name it.
    named: bool,
    framing: Option<Framing>,
    format: Option<Format>,
    /// Arrived and not decoded, behind what is decoded.
    bytes: Vec<u8>,
    decoded: usize,
    arrived: u64,
    mark: Mark,
}

/// Up to where a strand is decoded; another strand goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Bytes from the beginning, all of whole records and what is between them.
    pub offset: u64,
    /// Lines or elements in them.
    pub rows: u64,
    /// How records are written, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

impl Feed {
    /// `max_bad_ratio` does not count: nobody knows how much is still to come.
    pub fn new(options: &Options<'_>) -> Feed {
        Feed {
            sheet: Sheet::new(options.schema, options.wanted, &options.limits),
            schema: options.schema.clone(),
            wanted: options.wanted.clone(),
            limits: options.limits,
            format: options.format,
            formats: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// A strand at its beginning. If `named`, examples of faults name it.
    pub fn strand(&self, name: &str, named: bool) -> Strand {
        Strand {
            name: name.to_string(),
            named,
            framing: None,
            format: self.format,
            bytes: Vec::new(),
            decoded: 0,
            arrived: 0,
            mark: Mark::default(),
        }
    }

    /// A strand that goes on at `mark`. `head` is what it begins with, as much as a record may have if there is so much:
    /// the header of CSV is read again.
    ///
    /// # Errors
    /// A CSV header that cannot be used.
    pub fn resume(&mut self, name: &str, named: bool, mark: Mark, head: &[u8]) -> Result<Strand, Diagnostic> {
        let mut strand = Strand { arrived: mark.offset, mark, ..self.strand(name, named) };
        strand.format = mark.format.or(strand.format);
        let Some(format) = strand.format.filter(|_| mark.offset > 0) else { return Ok(strand) };
        let mut framing = Framing::new(format, name);
        if format == Format::Csv {
            // Ends with the first row, and nobody counts it again.
            let mut aside = Sheet::new(&self.schema, &self.wanted, &Limits { rows: 1, ..self.limits });
            framing.push(head, false, &mut aside)?;
        }
        framing.set_rows(mark.rows);
        self.formats.insert(format.name());
        strand.framing = Some(framing);
        Ok(strand)
    }

    /// Adds bytes to the end of a strand.
    pub fn push(&mut self, strand: &mut Strand, bytes: &[u8]) {
        strand.bytes.drain(..strand.decoded.min(strand.bytes.len()));
        strand.decoded = 0;
        strand.bytes.extend_from_slice(bytes);
        strand.arrived += bytes.len() as u64;
        self.bytes += bytes.len() as u64;
    }

    /// The records that have wholly arrived, as many as a batch may hold; `None` if there are none. If `end`, nothing
    /// more comes, and the last record needs no newline.
    ///
    /// # Errors
    /// What makes the strand unusable as a whole: a CSV header without a time, no text.
    pub fn take(&mut self, strand: &mut Strand, end: bool) -> Result<Option<Batch>, Diagnostic> {
        if strand.framing.is_none() && !self.begin(strand, end)? {
            return Ok(None);
        }
        let Some(framing) = &mut strand.framing else { return Ok(None) };
        self.sheet.table.set_place(strand.named.then(|| strand.name.clone()));
        loop {
            let rest = strand.bytes.get(strand.decoded..).unwrap_or_default();
            strand.decoded += framing.push(rest, end, &mut self.sheet)?;
            if let Some(rows) = framing.rows() {
                let left = strand.bytes.len() - strand.decoded.min(strand.bytes.len());
                strand.mark = Mark { offset: strand.arrived - left as u64, rows, format: strand.format };
            }
            let full = self.sheet.table.is_full();
            if let Some(batch) = self.sheet.table.take() {
                return Ok(Some(batch));
            }
            if !full {
                return Ok(None);
            }
        }
    }

    /// Finds out how records are written, if that can be told yet.
    fn begin(&mut self, strand: &mut Strand, end: bool) -> Result<bool, Diagnostic> {
        if strand.arrived == strand.bytes.len() as u64 {
            refuse_binary(&strand.bytes, &strand.name)?;
        }
        if trim(&strand.bytes).is_empty() {
            // A log may begin with a great many NULs. What ends lines stays, so that they are counted.
            strand.bytes.retain(|byte| matches!(byte, b'\n' | b'\r'));
            return Ok(false);
        }
        if strand.arrived < TELLING && !end {
            return Ok(false);
        }
        let enough = end || strand.bytes.len() > self.limits.record;
        let Some(format) = strand.format.or_else(|| Format::detect(&strand.bytes, enough)) else { return Ok(false) };
        self.formats.insert(format.name());
        strand.format = Some(format);
        strand.framing = Some(Framing::new(format, &strand.name));
        Ok(true)
    }

    /// Notes something about the input that costs no record. `row` as in [`crate::domain::FaultExample`].
    pub fn note(&mut self, code: &'static Code, row: u64, detail: &str) {
        self.sheet.table.set_place(None);
        self.sheet.table.note_at(row, code, detail);
    }

    /// Bytes that were pushed into all strands.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was read so far, for the run record; `node` and `path` are left empty.
    pub fn record(&self) -> InputRecord {
        let format = self.formats.iter().copied().collect::<Vec<_>>().join(", ");
        self.sheet.table.account.record(&format, self.bytes)
    }
}

impl Strand {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes from the beginning up to the end of what was pushed.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Gives memory back that is not needed until more arrives: there may be thousands of strands.
    pub fn rest(&mut self) {
        self.bytes.drain(..self.decoded.min(self.bytes.len()));
        self.decoded = 0;
        self.bytes.shrink_to_fit();
    }

    /// Bytes of memory that it holds.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Up to where its records were taken.
    pub fn mark(&self) -> Mark {
        self.mark
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::io::decode::Stream;

    fn with_options<T>(work: impl FnOnce(&Options<'_>) -> T) -> T {
        let wanted = Wanted { metrics: ["cpu".to_string()].into() };
        let limits = Limits { block: 64, record: 120, rows: 3, threads: 1, shapes: true, rejected: false };
        work(&Options { format: None, schema: &Schema::default(), wanted: &wanted, max_bad_ratio: 1.0, limits })
    }

    /// `row time cpu` of every record.
    fn rows(batch: &Batch) -> Vec<String> {
        let cpu = batch.metrics.first();
        let row = |i: usize| {
            format!("{} {} {:?}", batch.rows[i], batch.times[i], cpu.map(|c| c.values[i]).filter(|v| !v.is_nan()))
        };
        (0..batch.len()).map(row).collect()
    }

    fn drain(feed: &mut Feed, strand: &mut Strand, end: bool) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(batch) = feed.take(strand, end).unwrap() {
            all.extend(rows(&batch));
        }
        all
    }

    const TEXTS: [&str; 4] = [
        "\0\n{\"timestamp\":1,\"cpu\":1}\r\n\n{\"timestamp\":2,\"cpu\":2}\n{broken\n{\"timestamp\":3}\n{\"timestamp\":4,\"cpu\":4}\n",
        "timestamp,cpu,\"a\nb\"\n1,1,x\n\n2,2,\"y\nz\"\nbad\n3,,\n4,4,4\n5,5,\"5\"\n",
        "[{\"timestamp\":1,\"cpu\":1},\n{\"timestamp\":2,\n\"cpu\":2}, {\"timestamp\":3}, {\"timestamp\":4,\"cpu\":4}]\n",
        "timestamp\tcpu\r\n1\t1\r\n2\t2\r\n",
    ];

    #[test]
    fn pieces_of_any_size_give_what_the_whole_gives() {
        let long = format!("{}{{\"timestamp\":9,\"x\":\"{}\"}}\n{}", TEXTS[0], "x".repeat(200), &TEXTS[0][2..]);
        for text in TEXTS.iter().copied().chain([long.as_str()]) {
            let (expected, record) = with_options(|options| {
                let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
                let mut stream = Stream::open(input, "input", options).unwrap();
                let mut all = Vec::new();
                while let Some(batch) = stream.next_batch().unwrap() {
                    all.extend(rows(&batch));
                }
                (all, stream.record())
            });
            for size in 1..text.len() {
                let mut feed = with_options(Feed::new);
                let mut strand = feed.strand("input", false);
                let mut got = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    feed.push(&mut strand, piece);
                    got.extend(drain(&mut feed, &mut strand, false));
                }
                assert_eq!(got, expected, "all are there before the end: {text:?} by {size}");
                assert!(drain(&mut feed, &mut strand, true).is_empty());
                assert_eq!((strand.mark().offset, strand.arrived()), (text.len() as u64, text.len() as u64));
                assert_eq!(feed.record(), record, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn what_is_no_text_or_has_no_time_is_refused_and_nothing_waits_for_ever() {
        let error = |bytes: &[u8]| {
            let mut feed = with_options(Feed::new);
            let mut strand = feed.strand("input", false);
            feed.push(&mut strand, bytes);
            feed.take(&mut strand, false).map(|batch| batch.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(
            error(b"\x1f\x8b\x08").unwrap_err(),
            "AG0106: input is compressed with gzip; only UTF-8 text is read"
        );
        assert!(error(b"a,b\n1,2\n").unwrap_err().starts_with("AG0107: input:1"));
        assert_eq!(error(b"\0\0\0\n"), Ok(false));
        assert_eq!(error(b"{\"timestamp\": 1}\n"), Ok(true));
        assert_eq!(error(b"timestamp,cpu\n1,2\n"), Ok(true));
    }

    proptest! {
        /// Wherever reading stops and whatever had arrived by then, another process goes on with the next record.
        #[test]
        fn reading_goes_on_from_any_mark(text in 0..4usize, cut in 0..200usize, piece in 1..40usize) {
            let text = TEXTS[text].as_bytes();
            let cut = cut.min(text.len());
            let mut feed = with_options(Feed::new);
            let mut strand = feed.strand("input", true);
            let mut got = Vec::new();
            for piece in text[..cut].chunks(piece) {
                feed.push(&mut strand, piece);
                got.extend(drain(&mut feed, &mut strand, false));
            }
            let mark: Mark = serde_json::from_str(&serde_json::to_string(&strand.mark()).unwrap()).unwrap();
            let offset = mark.offset as usize;
            let bad = feed.record().bad;
            let mut other = with_options(Feed::new);
            let mut strand = other.resume("input", true, mark, text).unwrap();
            prop_assert_eq!(strand.arrived(), mark.offset);
            for piece in text[offset..].chunks(piece) {
                other.push(&mut strand, piece);
                got.extend(drain(&mut other, &mut strand, false));
            }
            let mut feed = with_options(Feed::new);
            let mut whole = feed.strand("input", true);
            feed.push(&mut whole, text);
            prop_assert_eq!(got, drain(&mut feed, &mut whole, false));
            prop_assert_eq!(bad + other.record().bad, feed.record().bad);
            let names_the_strand = |fault: &crate::domain::Fault| fault.examples.iter().all(|e| e.detail.starts_with("input: "));
            prop_assert!(feed.record().faults.iter().all(names_the_strand));
        }
    }
}
