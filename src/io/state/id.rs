//! How runs are called.

use crate::domain::Timestamp;

/// `YYYYMMDD-HHMMSS-xxxx`: the second in UTC, and four hexadecimal digits that tell runs of one second apart. The folder of a run adds the graph's [`graph_key`].
pub fn run_id(started: Timestamp, suffix: u16) -> String {
    let time = jiff::Timestamp::from_microsecond(started.micros()).unwrap_or_default(); // a Timestamp is in its range
    format!("{}-{suffix:04x}", time.strftime("%Y%m%d-%H%M%S"))
}

/// Tells the runs of one graph file from those of others, in their ids: four hexadecimal digits.
pub(super) fn graph_key(graph: &str) -> String {
    format!("{:.4}", blake3::hash(graph.as_bytes()).to_hex())
}

/// The [`graph_key`] in the id of a run; empty where it has none.
pub(super) fn key_of(id: &str) -> &str {
    id.splitn(4, '-').nth(3).unwrap_or_default()
}

/// Names that [`run_id`] makes, and near ones; above all nothing that leaves the folder.
pub(super) fn is_id(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
