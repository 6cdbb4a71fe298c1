use super::json;
use super::scan::Scan;
use super::shape::Lines as Form;
use super::sheet::Sheet;
use super::skim::{Skimmed, skim};
use super::text::{is_blank, quote, trim};
use crate::diagnostic::codes::input;

/// Objects in an array, or one after the other, over any number of lines. What stands between them is not insisted on.
#[derive(Default)]
pub(super) struct Elements {
    /// Elements that began so far.
    count: u64,
    in_array: bool,
    /// The element that has begun, and how much of it the scan has seen.
    open: Option<(Scan, usize)>,
    /// The open element is too long; what it had so far is gone.
    skipping: bool,
    ended: bool,
}

impl Elements {
    /// See `Framing::push_until`.
    pub fn push(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize {
        let mut rest = data;
        let mut skimmed = false;
        let text = valid_text(data);
        while !sheet.table.is_full() {
            let Some((scan, seen)) = &mut self.open else {
                rest = self.skip_separators(rest);
                let at = data.len() - rest.len();
                if rest.is_empty() || at >= limit {
                    break;
                }
                if !std::mem::replace(&mut skimmed, true)
                    && let Some(used) = skim(self, rest, limit - at, end, 0, sheet)
                {
                    rest = rest.get(used..).unwrap_or_default();
                    continue;
                }
                self.count += 1;
                if let Some(element) = text.get(at..)
                    && let Some(length) = json::plain(element, self.count, sheet)
                {
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                self.open = Some((Scan::default(), 0));
                continue;
            };
            let found = scan.feed(rest.get(*seen..).unwrap_or_default());
            let length = found.map_or(rest.len(), |more| *seen + more);
            *seen = length;
            let (element, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if self.skipping {
                // Already rejected.
            } else if length > sheet.longest {
                sheet.table.reject(self.count, input::TOO_LONG, element, || quote(element));
                self.skipping = true;
            } else if found.is_none() && !end {
                break;
            } else {
                json::record(trim(element), self.count, &sheet.fields, &mut sheet.table);
            }
            rest = after;
            if found.is_some() || end {
                self.open = None;
                self.skipping = false;
            } else {
                self.open = self.open.take().map(|(scan, _)| (scan, 0));
                break;
            }
        }
        if end && rest.is_empty() && self.in_array && !std::mem::replace(&mut self.ended, true) {
            sheet.table.note_at(self.count, input::UNCLOSED, "the input ends before `]`");
        }
        data.len() - rest.len()
    }

    /// See `Framing::guess`. An element seems to begin where an object follows another, unless these are objects in an
    /// array that ends before the input does: then they are inside an element.
    pub fn guess(&self, data: &[u8], from: usize) -> Option<usize> {
        let mut inside = from;
        for place in memchr::memchr_iter(b'{', data.get(from..)?).map(|place| from + place) {
            let before = data.get(..place)?.trim_ascii_end();
            let follows = match self.in_array {
                true => before.strip_suffix(b",").is_some_and(|before| before.trim_ascii_end().ends_with(b"}")),
                false => before.ends_with(b"}"),
            };
            let opens = data.get(place + 1..)?.trim_ascii_start().starts_with(b"\"");
            if place < inside || !follows || !opens {
                continue;
            }
            match array_end(data.get(place..)?) {
                Some(end) if self.in_array => inside = place + end,
                _ => return Some(place),
            }
        }
        None
    }

    /// See `Framing::fork`.
    pub fn fork(&self) -> Elements {
        Elements { in_array: self.in_array, ..Elements::default() }
    }

    /// See `Framing::is_like`.
    pub fn is_like(&self, other: &Elements) -> bool {
        self.in_array == other.in_array
    }

    /// An open element has been counted and not taken.
    pub fn rows(&self) -> Option<u64> {
        (!self.skipping).then(|| self.count - u64::from(self.open.is_some()))
    }

    pub fn set_rows(&mut self, rows: u64) {
        self.count = rows;
    }

    /// What follows blanks, commas and the brackets of the array around the elements.
    fn skip_separators<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let [first, after @ ..] = rest {
            match first {
                b'[' if !self.in_array => self.in_array = true,
                b']' => self.in_array = false,
                b',' => {}
                // Of a byte order mark, where files were joined.
                0xef | 0xbb | 0xbf => {}
                blank if is_blank(*blank) => {}
                _ => break,
            }
            rest = after;
        }
        rest
    }
}

impl Skimmed for Elements {
    fn form(&self) -> Option<Form> {
        Some(Form::Array)
    }
    fn read(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize {
        self.push(data, limit, end, sheet)
    }
    fn is_between(&self) -> bool {
        self.open.is_none()
    }
    fn taken(&mut self, _line: u64) -> u64 {
        self.count += 1;
        self.count
    }
    fn set_line(&mut self, _lines: u64) {}
}

/// Elements that are looked at to see whether the array that they are in ends soon.
const LOOKED_AT: usize = 24;

/// Where the array ends whose elements `text` goes on with, if that is soon and something follows it.
fn array_end(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    for _ in 0..LOOKED_AT {
        let length = Scan::default().feed(rest)?;
        rest = rest.get(length..)?.trim_ascii_start();
        match rest {
            [b']', after @ ..] => return (!trim(after).is_empty()).then(|| text.len() - after.len()),
            [b',', after @ ..] => rest = after.trim_ascii_start(),
            _ => return None,
        }
    }
    None
}

/// The beginning of `data`, as far as it is UTF-8.
fn valid_text(data: &[u8]) -> &str {
    match std::str::from_utf8(data) {
        Ok(text) => text,
        Err(error) => data.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or(""),
    }
}
