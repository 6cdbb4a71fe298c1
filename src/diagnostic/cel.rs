use std::ops::Range;

/// What is wrong first in a CEL text that does not parse, and which bytes of it are meant.
pub fn cel_fault(text: &str, errors: &cel::ParseErrors) -> (String, Range<usize>) {
    let Some(first) = errors.errors.first() else {
        return ("it is not understood".to_string(), 0..text.len());
    };
    let message = first.msg.trim_start_matches("Syntax error: ");
    let message =
        message.replace("'<EOF>'", "the end").replace("<EOF>", "the end").replace(" expecting", ", expecting");
    let line = usize::try_from(first.pos.0 - 1).unwrap_or(0);
    let column = usize::try_from(first.pos.1 - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let start = before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let width = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    (message, start..start + width)
}
