use super::fields::Fields;
use super::table::Table;

/// What every framing writes to.
pub(super) struct Sheet {
    pub fields: Fields,
    pub table: Table,
    /// Longest record, in bytes.
    pub longest: usize,
}
