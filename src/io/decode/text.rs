/// How much of the input a detail may quote, in characters.
const QUOTED: usize = 64;

/// Of UTF-8. Means nothing, wherever it stands between records.
pub(super) const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A short piece of the input in back quotes.
pub(super) fn quote(raw: &[u8]) -> String {
    format!("`{}`", shorten(raw))
}

/// The beginning of a text on one line: control characters escaped, what is not UTF-8 replaced.
pub(super) fn shorten(raw: &[u8]) -> String {
    // A character has at most four bytes, so this is enough of it.
    let head = raw.get(..4 * (QUOTED + 1)).unwrap_or(raw);
    let mut short = String::new();
    for (count, c) in String::from_utf8_lossy(head).chars().enumerate() {
        if count == QUOTED {
            short.push('…');
            break;
        }
        match is_unprintable(c) {
            true => short.extend(c.escape_default()),
            false => short.push(c),
        }
    }
    short
}

/// Characters that move the cursor, turn the direction of writing, or show as nothing at all: control characters,
/// bidirectional marks, empty spaces and tags. Joiners stay, which some scripts are written with.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Blanks around records: white space, and the NULs that logs are padded with.
pub(super) fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0
}

/// Without the blanks at both ends, and without byte order marks before it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

pub(super) fn trim_start(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [first, rest @ ..] if is_blank(*first) => text = rest,
            _ => match text.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) => text = rest,
                None => return text,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quote(b"a\tb\x1b[31m\xff"), "`a\\tb\\u{1b}[31m\u{fffd}`");
        assert_eq!(quote("\u{202e}x".as_bytes()), "`\\u{202e}x`");
        assert_eq!(quote("é".repeat(1000).as_bytes()), format!("`{}…`", "é".repeat(QUOTED)));
    }
}
