use super::text::{is_unprintable, quote};

/// Longest name of an entity or a service, in bytes.
const NAME_LENGTH: usize = 256;

/// A cell as it stands in the input.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Number(f64),
    /// A whole number, which as a name is written without loss.
    Whole(i128),
    Text(&'a str),
    /// JSON's `null`: the same as no cell.
    Absent,
    /// Anything else, in words.
    Other(&'static str),
}

impl Cell<'_> {
    /// In words, for a message.
    pub fn describe(self) -> String {
        match self {
            Cell::Number(value) => value.to_string(),
            Cell::Whole(value) => value.to_string(),
            Cell::Text(text) => quote(text.as_bytes()),
            Cell::Absent => "null".to_string(),
            Cell::Other(what) => what.to_string(),
        }
    }
}

/// Whether a name can stand in reports, terminals and prompts.
pub(super) fn is_name(name: &str) -> bool {
    let printable = |name: &str| match name.is_ascii() {
        true => !name.bytes().any(|b| b.is_ascii_control()),
        false => !name.chars().any(is_unprintable),
    };
    !name.trim().is_empty() && name.len() <= NAME_LENGTH && printable(name)
}
