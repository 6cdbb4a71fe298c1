use super::decoder::Decoder;
use super::{Format, Limits, Schema};
use crate::diagnostic::Code;
use crate::domain::{Batch, InputRecord};
use crate::node::Wanted;

/// Records that come now and then, as whole lines of NDJSON; what a live source makes its batches with.
pub(in crate::io) struct Records {
    decoder: Decoder,
    /// Lines that are not decoded yet, since the batch is full.
    waiting: Vec<u8>,
}

impl Records {
    pub fn new(schema: &Schema, wanted: &Wanted) -> Records {
        let decoder = Decoder::new(Format::Ndjson, schema, wanted, &Limits::default(), "");
        Records { decoder, waiting: Vec::new() }
    }

    /// Takes in whole lines; the last one may lack its newline.
    pub fn push(&mut self, lines: &[u8]) {
        self.waiting.extend_from_slice(lines);
        if !lines.is_empty() && !lines.ends_with(b"\n") {
            self.waiting.push(b'\n');
        }
        self.decode();
    }

    /// Records that the next batch has.
    pub fn rows(&self) -> u64 {
        self.decoder.sheet.table.rows()
    }

    /// Whether the next batch will not be the last of what was pushed.
    pub fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next batch of what was pushed; `None` when nothing is left.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.decoder.sheet.table.take()?;
        self.decode();
        Some(batch)
    }

    /// As far as the batch has room.
    fn decode(&mut self) {
        // Only a CSV header can be refused.
        let decoded = self.decoder.push(&self.waiting, false).unwrap_or(self.waiting.len());
        self.waiting.drain(..decoded.min(self.waiting.len()));
    }

    /// Notes a fault that costs no record. `row` is what its place is counted by.
    pub fn note(&mut self, row: u64, code: &'static Code, detail: &str) {
        self.decoder.sheet.table.note_at(row, code, detail);
    }

    /// What is wrong with the first record that could not be used.
    pub fn first_bad(&self) -> Option<String> {
        let first = self.decoder.sheet.table.account.first_bad.as_ref()?;
        Some(format!("{} ({}): {}", first.code.title, first.code.id, first.detail))
    }

    /// The records so far. Whose they are is for the source to say.
    pub fn record(&self) -> InputRecord {
        self.decoder.sheet.table.account.record("", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_batches_whenever_they_come() {
        let wanted = Wanted { metrics: ["cpu".to_string()].into() };
        let mut records = Records::new(&Schema::default(), &wanted);
        assert_eq!(records.take(), None);
        records.push(b"{\"timestamp\":1,\"host\":\"a\",\"cpu\":1}\n{\"timestamp\":2,\"host\":\"b\"}");
        records.push(b"nonsense\n{\"timestamp\":3,\"host\":\"a\",\"cpu\":3}");
        let batch = records.take().unwrap();
        assert_eq!(
            (batch.rows.as_slice(), batch.times.as_slice()),
            (&[1, 2, 4][..], &[1_000_000, 2_000_000, 3_000_000][..])
        );
        assert_eq!((records.take(), records.is_full()), (None, false));
        for second in 10..40_000 {
            records.push(format!("{{\"timestamp\":{second},\"cpu\":1}}\n").as_bytes());
        }
        assert!(records.is_full());
        let rows: Vec<usize> = std::iter::from_fn(|| records.take()).map(|batch| batch.len()).collect();
        assert_eq!((rows.len(), rows.iter().sum::<usize>()), (3, 39_990), "batches are bounded");
        let record = records.record();
        assert_eq!((record.records, record.bad, record.entities), (39_993, 1, 2));
        assert!(records.first_bad().unwrap().contains("AG0108"));
    }
}
