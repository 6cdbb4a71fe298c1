use super::Format;
use super::csv::Csv;
use super::elements::Elements;
use super::lines::Lines;
use super::sheet::Sheet;
use crate::diagnostic::Diagnostic;

/// How records are told apart.
pub(super) enum Framing {
    Elements(Elements),
    Lines(Lines),
    Csv(Box<Csv>),
}

impl Framing {
    /// `name` is what messages call the input.
    pub fn new(format: Format, name: &str) -> Framing {
        match format {
            Format::Json => Framing::Elements(Elements::default()),
            Format::Ndjson => Framing::Lines(Lines::default()),
            Format::Csv => Framing::Csv(Box::new(Csv::new(name.to_string()))),
        }
    }

    /// See `Decoder::push`.
    ///
    /// # Errors
    /// A CSV header that cannot be used.
    pub fn push(&mut self, data: &[u8], end: bool, sheet: &mut Sheet) -> Result<usize, Diagnostic> {
        match self {
            Framing::Elements(elements) => Ok(elements.push(data, end, sheet)),
            Framing::Lines(lines) => Ok(lines.push(data, end, sheet)),
            Framing::Csv(csv) => csv.push(data, end, sheet),
        }
    }

    /// Lines that ended or elements that began so far, in what was pushed and taken. `None` in the middle of one that
    /// is left out for its length: reading cannot be taken up from there.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Framing::Elements(elements) => elements.rows(),
            Framing::Lines(lines) => lines.rows(),
            Framing::Csv(csv) => csv.lines(),
        }
    }

    /// Goes on behind so many lines or elements. Of CSV the header must have been pushed.
    pub fn set_rows(&mut self, rows: u64) {
        match self {
            Framing::Elements(elements) => elements.set_rows(rows),
            Framing::Lines(lines) => lines.set_rows(rows),
            Framing::Csv(csv) => csv.set_lines(rows),
        }
    }
}
