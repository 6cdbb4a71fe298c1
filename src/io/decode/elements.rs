use super::json;
use super::scan::Scan;
use super::sheet::Sheet;
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
    /// See `Decoder::push`.
    pub fn push(&mut self, data: &[u8], end: bool, sheet: &mut Sheet) -> usize {
        let mut rest = data;
        while !sheet.table.is_full() {
            let Some((scan, seen)) = &mut self.open else {
                rest = self.skip_separators(rest);
                if rest.is_empty() {
                    break;
                }
                self.count += 1;
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
                sheet.table.reject(self.count, input::TOO_LONG, || quote(element));
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
