use super::framing::Framing;
use super::sheet::Sheet;
use super::{Format, Limits, Schema};
use crate::diagnostic::Diagnostic;
use crate::node::Wanted;

/// Bytes in, rows of the table out. Never reads anything itself.
pub(super) struct Decoder {
    pub sheet: Sheet,
    framing: Framing,
}

impl Decoder {
    /// `name` is what messages call the input.
    pub fn new(format: Format, schema: &Schema, wanted: &Wanted, limits: &Limits, name: &str) -> Decoder {
        Decoder { sheet: Sheet::skimming(schema, wanted, limits), framing: Framing::new(format, name) }
    }

    /// Decodes the records at the beginning of `data` and says how many bytes that took. What is left must come again,
    /// with more behind it. If `end`, nothing comes behind it. Stops early when the table is full.
    ///
    /// # Errors
    /// A CSV header that cannot be used.
    pub fn push(&mut self, data: &[u8], end: bool) -> Result<usize, Diagnostic> {
        self.framing.push(data, end, &mut self.sheet)
    }
}
