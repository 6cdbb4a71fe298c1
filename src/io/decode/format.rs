use serde::{Deserialize, Serialize};

use super::scan::Scan;
use super::text::{BYTE_ORDER_MARK, trim, trim_start};
use crate::diagnostic::{Diagnostic, codes::input};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An array of objects, or objects one after the other; over any number of lines.
    Json,
    /// One object a line.
    Ndjson,
    /// A header and one record a line.
    Csv,
}

impl Format {
    /// As the run record writes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    /// Tells the format by how the text begins. `None` while `head` is too short to tell; if `end`, nothing follows it.
    pub(super) fn detect(head: &[u8], end: bool) -> Option<Format> {
        let text = trim_start(head);
        let (first, rest, whole) = match memchr::memchr(b'\n', text).and_then(|end| text.split_at_checked(end)) {
            Some((first, rest)) => (trim(first), rest, true),
            None => (trim(text), &[][..], end),
        };
        let rest = trim_start(rest);
        // Half a byte order mark says nothing yet.
        let second = rest.first().filter(|_| end || !BYTE_ORDER_MARK.starts_with(rest));
        match (first.first(), second) {
            (Some(b'['), _) => Some(Format::Json),
            (Some(b'{'), _) if whole => match (Scan::default().feed(first), second) {
                (Some(length), _) if length == first.len() => Some(Format::Ndjson),
                (Some(_), _) => Some(Format::Json),
                // An array that goes on over the lines is no record cut off.
                (None, Some(b'{')) if !first.ends_with(b"[") => Some(Format::Ndjson),
                (None, Some(_)) => Some(Format::Json),
                (None, None) => end.then_some(Format::Json),
            },
            // Lines of objects after a first line that is none.
            (Some(_), Some(b'{')) => Some(Format::Ndjson),
            (Some(b'{'), _) => None,
            (_, Some(_)) => Some(Format::Csv),
            (_, None) => end.then_some(Format::Csv),
        }
    }
}

/// Bytes that an input must have before it is known that [`refuse_binary`] has nothing against it.
pub(super) const TELLING: u64 = 4;

/// Refuses what is not plain text, by the bytes that an input begins with.
///
/// # Errors
/// AG0106.
pub(super) fn refuse_binary(head: &[u8], name: &str) -> Result<(), Diagnostic> {
    let (what, how) = match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("in UTF-16", "iconv -f UTF-16 -t UTF-8"),
        [0x1f, 0x8b, ..] => ("compressed with gzip", "gunzip -c"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("compressed with zstd", "zstd -dc"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => ("compressed with bzip2", "bunzip2 -c"),
        [b'P', b'K', 3, 4, ..] => ("a zip archive or a spreadsheet", "unzip -p"),
        _ => return Ok(()),
    };
    Err(Diagnostic::new(input::FORMAT, format!("{name} is {what}; only UTF-8 text is read"))
        .help(format!("convert it first: `{how} FILE | agent run GRAPH --input -`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_format() {
        for (text, expected) in [
            ("[", Format::Json),
            ("\u{feff} \n\0[{\"a\":1}]", Format::Json),
            ("{\"a\":\n 1}\n{\"a\":\n 2}", Format::Json),
            ("{\n\"a\": 1\n}", Format::Json),
            ("{\"a\":1}{\"a\":2}\n{\"a\":3}", Format::Json),
            ("{\"a\":1", Format::Json),
            ("{\"a\":1}", Format::Ndjson),
            ("\r\n{\"a\":\"}\\\"\"} \r\nnonsense", Format::Ndjson),
            ("{\"a\":\n\n{\"a\":2}", Format::Ndjson),
            ("{\"a\":[\n{\"a\":2}\n]}", Format::Json),
            ("{\"a\":1}\r{\"a\":2}\r", Format::Json),
            ("# a log\n{\"a\":2}", Format::Ndjson),
            ("timestamp,cpu\n2023-10-01,5", Format::Csv),
            ("timestamp,cpu", Format::Csv),
            ("", Format::Csv),
        ] {
            assert_eq!(Format::detect(text.as_bytes(), true), Some(expected), "{text:?}");
            for length in 0..text.len() {
                // A beginning may leave it open, but never says anything else.
                let early = text.as_bytes().get(..length).and_then(|head| Format::detect(head, false));
                assert!(early.is_none_or(|early| early == expected), "{early:?} for {:?}", text.get(..length));
            }
        }
    }
}
