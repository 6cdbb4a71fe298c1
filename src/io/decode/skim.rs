use super::shape::{Lines as Form, Scanned, Scanner};
use super::sheet::Sheet;
use super::text::trim;
use super::weave::truncate;
use crate::domain::Batch;

/// Bytes of whole lines from which on looking for shapes is worth its while.
const WORTH: usize = if cfg!(any(test, feature = "fuzzing")) { 64 } else { 1 << 13 };

/// Reads lines by their shape where that repeats; the framing reads the rest.
#[derive(Default)]
pub(super) enum Skimmer {
    #[default]
    Off,
    /// To begin with the first lines that are worth it.
    Ready,
    On(Box<(Scanner, Scanned)>),
}

/// A framing whose records can be read by the shape of their lines, as long as it is between two records.
pub(super) trait Skimmed {
    /// What lines are; `None` where they cannot be read so.
    fn form(&self) -> Option<Form>;

    /// Reads the records that begin in the first `limit` bytes, one by one. See `Framing::push_until`.
    fn read(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> usize;

    /// Whether it is between two records.
    fn is_between(&self) -> bool;

    /// Counts a record that was taken, as the line `line` of all lines of the input; gives its row.
    fn taken(&mut self, line: u64) -> u64;

    /// Goes on behind so many lines of the input.
    fn set_line(&mut self, lines: u64);
}

/// Reads the whole lines that `data` begins with, up to the first that begins at `limit` or later; gives how many bytes
/// were read. `before` lines came before it. `None` where this is not worth its while.
pub(super) fn skim<F: Skimmed>(
    framing: &mut F,
    data: &[u8],
    limit: usize,
    end: bool,
    before: u64,
    sheet: &mut Sheet,
) -> Option<usize> {
    if matches!(sheet.skimmer, Skimmer::Off) || !framing.is_between() {
        return None;
    }
    let lines = whole_lines(data, limit).filter(|lines| lines.len() >= WORTH)?;
    let mut skimmer = match std::mem::take(&mut sheet.skimmer) {
        Skimmer::On(skimmer) => skimmer,
        _ => {
            let form = framing.form()?;
            let words = sheet.table.status_words();
            Box::new((Scanner::new(form, &sheet.fields, words, sheet.longest), Scanned::default()))
        }
    };
    let (scanner, scanned) = &mut *skimmer;
    let used = (!scanner.pauses()).then(|| {
        scanner.scan(&sheet.fields, lines, scanned);
        join(framing, data, lines.len(), end, before, scanned, sheet)
    });
    sheet.skimmer = Skimmer::On(skimmer);
    used
}

/// Reads what the scanner has handed over of the first `length` bytes, and joins it to what it has taken.
fn join<F: Skimmed>(
    framing: &mut F,
    data: &[u8],
    length: usize,
    end: bool,
    before: u64,
    scanned: &mut Scanned,
    sheet: &mut Sheet,
) -> usize {
    let mut taken = std::mem::take(&mut scanned.batch);
    // Batches that were read one by one, and rows that were taken for sure: no record before them reaches into theirs.
    sheet.table.flush();
    let mut parts: Vec<Batch> = Vec::new();
    let mut sure = 0;
    let mut count = |framing: &mut F, taken: &mut Batch, up_to: u64| {
        while let Some(row) = taken.rows.get_mut(sure).filter(|row| **row < up_to) {
            *row = framing.taken(before + *row);
            sure += 1;
        }
        sure
    };
    let mut stop = None;
    for (range, line) in &scanned.others {
        let sure = count(framing, &mut taken, *line);
        framing.set_line(before + line - 1);
        let text = data.get(range.start..).unwrap_or_default();
        let mut used = 0;
        loop {
            let rest = text.get(used..).unwrap_or_default();
            used += framing.read(rest, range.len().saturating_sub(used), end, sheet);
            if !sheet.table.is_full() {
                break;
            }
            parts.extend(sheet.table.build());
        }
        let beyond = text.get(range.len()..used).unwrap_or_default();
        let reaches = used < range.len() || !framing.is_between() || !trim(beyond).is_empty();
        if reaches || range.start + used > length {
            truncate(&mut taken, sure);
            stop = Some(range.start + used);
            break;
        }
    }
    if stop.is_none() {
        count(framing, &mut taken, u64::MAX);
        framing.set_line(before + scanned.lines);
    }
    parts.extend(sheet.table.build());
    sheet.table.weave(taken, parts);
    stop.unwrap_or(length)
}

/// The whole lines at the beginning of `data`, up to the first that begins at `limit` or later.
fn whole_lines(data: &[u8], limit: usize) -> Option<&[u8]> {
    let from = limit.checked_sub(1)?;
    let last = data.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)).map(|newline| from + newline);
    let last = last.or_else(|| memchr::memrchr(b'\n', data))?;
    data.get(..last + 1)
}
