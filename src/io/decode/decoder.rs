use super::csv::Csv;
use super::elements::Elements;
use super::fields::Fields;
use super::lines::Lines;
use super::sheet::Sheet;
use super::table::Table;
use super::{Format, Limits, Schema};
use crate::diagnostic::Diagnostic;
use crate::node::Wanted;

/// Bytes in, rows of the table out. Never reads anything itself.
pub(super) struct Decoder {
    pub sheet: Sheet,
    framing: Framing,
}

/// How records are told apart.
enum Framing {
    Elements(Elements),
    Lines(Lines),
    Csv(Box<Csv>),
}

impl Decoder {
    /// `name` is what messages call the input.
    pub fn new(format: Format, schema: &Schema, wanted: &Wanted, limits: &Limits, name: &str) -> Decoder {
        let fields = Fields::new(schema, wanted);
        let table = Table::new(&fields, schema.status_words.clone(), limits.rows);
        let framing = match format {
            Format::Json => Framing::Elements(Elements::default()),
            Format::Ndjson => Framing::Lines(Lines::default()),
            Format::Csv => Framing::Csv(Box::new(Csv::new(name.to_string()))),
        };
        Decoder { sheet: Sheet { fields, table, longest: limits.record }, framing }
    }

    /// Decodes the records at the beginning of `data` and says how many bytes that took. What is left must come again,
    /// with more behind it. If `end`, nothing comes behind it. Stops early when the table is full.
    ///
    /// # Errors
    /// A CSV header that cannot be used.
    pub fn push(&mut self, data: &[u8], end: bool) -> Result<usize, Diagnostic> {
        match &mut self.framing {
            Framing::Elements(elements) => Ok(elements.push(data, end, &mut self.sheet)),
            Framing::Lines(lines) => Ok(lines.push(data, end, &mut self.sheet)),
            Framing::Csv(csv) => csv.push(data, end, &mut self.sheet),
        }
    }
}
