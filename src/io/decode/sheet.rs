use super::fields::Fields;
use super::skim::Skimmer;
use super::table::Table;
use super::{Limits, Schema};
use crate::node::Wanted;

/// What every framing writes to.
pub(super) struct Sheet {
    pub fields: Fields,
    pub table: Table,
    /// Longest record, in bytes.
    pub longest: usize,
    /// Off where what was read must have been taken up to the byte.
    pub skimmer: Skimmer,
}

impl Sheet {
    pub fn new(schema: &Schema, wanted: &Wanted, limits: &Limits) -> Sheet {
        let fields = Fields::new(schema, wanted);
        let mut table = Table::new(&fields, schema.status_words.clone(), limits.rows);
        table.keeps_rejected = limits.rejected;
        Sheet { fields, table, longest: limits.record, skimmer: Skimmer::Off }
    }

    /// The same, reading lines by their shape where that repeats, if the limits have it so.
    pub fn skimming(schema: &Schema, wanted: &Wanted, limits: &Limits) -> Sheet {
        let skimmer = if limits.shapes { Skimmer::Ready } else { Skimmer::Off };
        Sheet { skimmer, ..Sheet::new(schema, wanted, limits) }
    }
}
