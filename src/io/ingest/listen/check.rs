use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::diagnostic::{Code, codes::input};
use crate::domain::Fault;
use crate::io::decode::{Feed, Format, Limits, Options, Schema};
use crate::node::Wanted;

/// Bad lines that an answer names.
const NAMED: usize = 20;
/// What costs a whole record.
const FATAL: [&Code; 4] = [input::MALFORMED, input::NO_TIME, input::TOO_LONG, input::TOO_DEEP];

/// A body after it was looked through.
pub struct Checked {
    /// The records that can be used, one a line.
    pub lines: Vec<u8>,
    pub records: u64,
    pub bad: u64,
    /// What is wrong with those that cannot, as the run record counts it.
    pub faults: Vec<Fault>,
}

/// One record that cannot be used, as an answer names it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BadLine<'a> {
    /// Line of NDJSON or element of an array; from 1.
    pub line: u64,
    pub code: &'a str,
    pub what: &'a str,
    pub detail: &'a str,
}

impl Checked {
    pub fn bad_lines(&self) -> Vec<BadLine<'_>> {
        let all = self.faults.iter().flat_map(|Fault { code, what, examples, .. }| {
            examples.iter().map(move |e| BadLine { line: e.row, code, what, detail: &e.detail })
        });
        let mut all: Vec<BadLine<'_>> = all.collect();
        all.sort_by_key(|bad| bad.line);
        all.truncate(NAMED);
        all
    }
}

/// Tells the records of a body that can be used from those that cannot, exactly as reading them later would.
///
/// # Errors
/// The body is an array that is not well-formed.
pub fn check(body: Vec<u8>, schema: &Schema) -> Result<Checked, String> {
    let mut lines = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => elements(&body)?,
        // One object over several lines, perhaps.
        Some(b'{') if memchr::memchr(b'\n', &body).is_some() => {
            serde_json::from_slice(&body).map(|one| flat(&[one])).unwrap_or(body)
        }
        _ => body,
    };
    if lines.last().is_some_and(|last| *last != b'\n') {
        lines.push(b'\n');
    }
    let format = Some(Format::Ndjson);
    let (wanted, limits) = (Wanted::default(), Limits::default());
    let mut feed = Feed::new(&Options { format, schema, wanted: &wanted, max_bad_ratio: 1.0, limits });
    let mut strand = feed.strand("the body", false);
    feed.push(&mut strand, &lines);
    let mut good = Vec::new();
    while let Some(batch) = feed.take(&mut strand, true).map_err(|fault| fault.message)? {
        good.extend(batch.rows);
    }
    let record = feed.record();
    let faults = record.faults.into_iter().filter(|fault| FATAL.iter().any(|code| code.id == fault.code)).collect();
    if record.bad > 0 {
        lines = keep(&lines, &good);
    }
    Ok(Checked { lines, records: record.records, bad: record.bad, faults })
}

/// What people do wrong most often, where no record of a body can be used.
pub fn mistake(body: &[u8]) -> Option<&'static str> {
    let body = body.trim_ascii();
    if !body.starts_with(b"{") {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Map<String, Value>>();
    let first = values.next()?.ok()?;
    if values.next().is_some() {
        let is_one_line = memchr::memchr(b'\n', body).is_none();
        return is_one_line.then_some(
            "several objects are on one line. One record a line: `curl --data-binary @file` keeps newlines, `-d @file` \
             takes them out",
        );
    }
    let holds_records = |value: &Value| value.as_array().is_some_and(|all| all.iter().any(Value::is_object));
    first
        .values()
        .any(holds_records)
        .then_some("it is an object around an array. Send the array itself, or one record a line")
}

/// The elements of an array, one a line.
fn elements(body: &[u8]) -> Result<Vec<u8>, String> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(flat(&elements))
}

/// Each value on one line; between tokens a newline is a blank, and inside strings there is none.
fn flat(values: &[&RawValue]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(values.iter().map(|value| value.get().len() + 1).sum());
    for value in values {
        lines.extend(value.get().bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        lines.push(b'\n');
    }
    lines
}

/// The lines with these numbers, which are in order.
fn keep(lines: &[u8], good: &[u64]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(lines.len());
    let mut good = good.iter().peekable();
    for (line, number) in lines.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        if good.next_if(|next| **next == number).is_some() {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// Why a packed body is not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    TooLong,
    Damaged(String),
}

/// # Errors
/// It is no gzip, or longer than `most` when it is unpacked.
pub fn gunzip(body: &[u8], most: u64) -> Result<Vec<u8>, Unreadable> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(body).take(most + 1).read_to_end(&mut text);
    match read {
        Err(error) => Err(Unreadable::Damaged(error.to_string())),
        Ok(read) if read as u64 > most => Err(Unreadable::TooLong),
        Ok(_) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(body: &str) -> (u64, String, Vec<(u64, String)>) {
        let checked = check(body.as_bytes().to_vec(), &Schema::default()).unwrap();
        let bad = checked.bad_lines().iter().map(|bad| (bad.line, bad.code.to_string())).collect();
        (checked.records, String::from_utf8(checked.lines.clone()).unwrap(), bad)
    }

    #[test]
    fn only_what_can_be_used_is_kept() {
        let malformed = |line| (line, "AG0108".to_string());
        for (body, records, lines, bad) in [
            ("{\"timestamp\":1}\n\n{\"timestamp\":2}", 2, "{\"timestamp\":1}\n\n{\"timestamp\":2}\n", vec![]),
            (
                "{\"timestamp\":1}\n\n{x\n{\"a\":2}\n{\"timestamp\":2}\n",
                2,
                "{\"timestamp\":1}\n{\"timestamp\":2}\n",
                vec![malformed(3), (4, "AG0109".to_string())],
            ),
            (
                " [{\"timestamp\":\n1},7,\r\n {\"timestamp\":2}]",
                2,
                "{\"timestamp\": 1}\n{\"timestamp\":2}\n",
                vec![malformed(2)],
            ),
            ("{\n\"timestamp\":\r\n1}\n", 1, "{ \"timestamp\":  1}\n", vec![]),
            ("{\"timestamp\":NaN,\n", 0, "", vec![malformed(1)]),
            ("{\"timestamp\":1,\"cpu\":NaN}", 1, "{\"timestamp\":1,\"cpu\":NaN}\n", vec![]),
            ("", 0, "", vec![]),
            ("[]", 0, "", vec![]),
        ] {
            assert_eq!(checked(body), (records, lines.to_string(), bad), "{body}");
        }
        assert!(check(b"[{\"timestamp\":1},".to_vec(), &Schema::default()).is_err());
    }

    #[test]
    fn a_packed_body_is_bounded() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[b' '; 100_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(gunzip(&packed, 100_000).unwrap().len(), 100_000);
        assert_eq!(gunzip(&packed, 99_999), Err(Unreadable::TooLong));
        assert!(matches!(gunzip(&packed[..50], 100_000), Err(Unreadable::Damaged(_))));
    }
}
