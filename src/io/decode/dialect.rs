use super::text::trim_start;

/// How a CSV file is written, as its header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between fields: a comma, a semicolon or a tab.
    pub delimiter: u8,
    /// What lines are counted by: `\n`, or `\r` where nothing else ends a line.
    pub newline: u8,
}

impl Dialect {
    /// Tells it by the header that `text` begins with: the delimiter is what occurs most outside quotes, and the first
    /// of comma, semicolon and tab where two occur equally often. `None` while there is too little of it, unless
    /// nothing follows. Beyond `longest` bytes nothing is looked at.
    pub fn detect(text: &[u8], end: bool, longest: usize) -> Option<Dialect> {
        let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
        let mut quoted = false;
        let mut newline = None;
        let seen = text.get(..longest).unwrap_or(text);
        for (at, &byte) in seen.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b'\n' | b'\r' if !quoted => {
                    newline = Some((byte, text.get(at + 1)));
                    break;
                }
                _ if quoted => {}
                _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, count)| *count += 1),
            }
        }
        let newline = match newline {
            Some((b'\r', None)) if !end => return None,
            Some((b'\r', next)) if next != Some(&b'\n') => b'\r',
            None if !end && text.len() < longest => return None,
            _ => b'\n',
        };
        let best = counts.into_iter().rev().max_by_key(|(_, count)| *count); // the last of equals, hence reversed
        Some(Dialect { delimiter: best.map_or(b',', |(delimiter, _)| delimiter), newline })
    }

    /// What means nothing before a row. A tab that delimits means an empty field.
    pub fn leading_blanks<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let blank = text.get(..text.len() - trim_start(text).len()).unwrap_or_default();
        let field = if self.delimiter == b'\t' { memchr::memchr(b'\t', blank) } else { None };
        field.and_then(|field| blank.get(..field)).unwrap_or(blank)
    }

    pub fn count_lines(&self, text: &[u8]) -> u64 {
        memchr::memchr_iter(self.newline, text).count() as u64
    }

    /// Whether every quote of a row opens a field, closes one, or is doubled inside one.
    pub fn is_well_quoted(&self, row: &[u8]) -> bool {
        let mut rest = row;
        loop {
            let Some(quoted) = rest.strip_prefix(b"\"") else {
                let end = memchr::memchr2(self.delimiter, b'"', rest);
                match end.and_then(|end| rest.split_at_checked(end)) {
                    None => return true,
                    Some((_, [b'"', ..])) => return false,
                    Some((_, next)) => rest = next.get(1..).unwrap_or_default(),
                }
                continue;
            };
            rest = quoted;
            loop {
                let Some(close) = memchr::memchr(b'"', rest) else { return false };
                rest = rest.get(close + 1..).unwrap_or_default();
                match rest.strip_prefix(b"\"") {
                    Some(doubled) => rest = doubled,
                    None => break,
                }
            }
            let blank = rest.iter().take_while(|byte| **byte == b' ').count();
            rest = match rest.get(blank..) {
                None | Some([]) => return true,
                Some([next, after @ ..]) if *next == self.delimiter => after,
                Some(_) => return false,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_how_a_file_is_written() {
        for (text, delimiter, newline) in [
            ("timestamp,cpu\n1;2;3;4", b',', b'\n'),
            ("timestamp;cpu\r\n", b';', b'\n'),
            ("timestamp\tcpu", b'\t', b'\n'),
            ("timestamp;a,b", b',', b'\n'),
            ("timestamp;\"a,b,c\"\r", b';', b'\r'),
            ("\"time\nstamp\";cpu\r1;2\r", b';', b'\r'),
            ("timestamp", b',', b'\n'),
        ] {
            let expected = Some(Dialect { delimiter, newline });
            assert_eq!(Dialect::detect(text.as_bytes(), true, 100), expected, "{text:?}");
            for length in 0..text.len() {
                let early = Dialect::detect(&text.as_bytes()[..length], false, 100);
                assert!(early.is_none() || early == expected, "{early:?} for {:?}", &text[..length]);
            }
        }
        assert!(Dialect::detect(&[b'x'; 100], false, 100).is_some(), "it does not wait for ever");
    }

    #[test]
    fn quotes_stand_where_they_belong() {
        let comma = Dialect { delimiter: b',', newline: b'\n' };
        for row in ["", "a,b", "\"a\"", "\"a\nb\" ,c", "x,\"a \"\"b\"\"\",\"\"", ",\"a,b\","] {
            assert!(comma.is_well_quoted(row.as_bytes()), "{row}");
        }
        for row in ["\"a", "a\"b,\"c\"", "\"a,\nb,\"c\"", "\"a\"\nb", "\"a\"\"", "a,\""] {
            assert!(!comma.is_well_quoted(row.as_bytes()), "{row}");
        }
    }
}
