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
        self.push_until(data, usize::MAX, end, sheet)
    }

    /// The same for the records that begin in the first `limit` bytes. What comes between the last of them and the
    /// next record is taken too.
    ///
    /// # Errors
    /// A CSV header that cannot be used.
    pub fn push_until(&mut self, data: &[u8], limit: usize, end: bool, sheet: &mut Sheet) -> Result<usize, Diagnostic> {
        match self {
            Framing::Elements(elements) => Ok(elements.push(data, limit, end, sheet)),
            Framing::Lines(lines) => Ok(lines.push(data, limit, end, sheet)),
            Framing::Csv(csv) => csv.push(data, limit, end, sheet),
        }
    }

    /// Where the first record at or after `from` seems to begin; `None` if that is not seen. `data` may begin
    /// anywhere in an input.
    pub fn guess(&self, data: &[u8], from: usize) -> Option<usize> {
        match self {
            Framing::Elements(elements) => elements.guess(data, from),
            Framing::Lines(_) => Lines::guess(data, from),
            Framing::Csv(csv) => csv.guess(data, from),
        }
    }

    /// The same between two records, with nothing counted.
    pub fn fork(&self) -> Framing {
        match self {
            Framing::Elements(elements) => Framing::Elements(elements.fork()),
            Framing::Lines(_) => Framing::Lines(Lines::default()),
            Framing::Csv(csv) => Framing::Csv(Box::new(csv.fork())),
        }
    }

    /// Whether both, between two records, read the same out of what comes.
    pub fn is_like(&self, other: &Framing) -> bool {
        match (self, other) {
            (Framing::Elements(own), Framing::Elements(other)) => own.is_like(other),
            (Framing::Lines(_), Framing::Lines(_)) => true,
            (Framing::Csv(own), Framing::Csv(other)) => own.is_like(other),
            _ => false,
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
