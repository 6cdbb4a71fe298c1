/// How much of an input is looked at.
const HEAD: usize = 1 << 16;

/// The key under which the objects of an input seem to be, where the input is one object around an array of them:
/// `records` in `{"count": 2, "records": [{…}, {…}]}`. Only the beginning is looked at, and that may be cut off.
pub(super) fn wrapper_key(text: &[u8]) -> Option<String> {
    let mut rest = text.get(..HEAD).unwrap_or(text).trim_ascii_start().strip_prefix(b"{")?;
    let mut depth = 1usize;
    let mut key: &[u8] = &[];
    loop {
        let [first, after @ ..] = rest.trim_ascii_start() else { return None };
        rest = after;
        match first {
            b'"' => {
                let (string, after) = rest.split_at_checked(string_end(rest)?)?;
                rest = after.get(1..)?;
                if depth == 1 && rest.trim_ascii_start().starts_with(b":") {
                    key = string;
                }
            }
            b'[' if depth == 1 && rest.trim_ascii_start().starts_with(b"{") => {
                return String::from_utf8(key.to_vec()).ok();
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return None,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
}

/// Where the string that `text` begins inside of has its closing quote.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at) {
            Some(b'"') => return Some(at),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_array_of_objects_is_found() {
        for (text, key) in [
            (r#"{"records":[{"a":1}]}"#, Some("records")),
            ("{\n \"n\": {\"x\": [{}]}, \"a\\\"[{\": \"b: [{\", \"list\": [1, 2],\n \"data\" : [\n {", Some("data")),
            (r#"{"records":[1]}"#, None),
            (r#"{"records":[]}{"a":[{}]}"#, None),
            (r#"[{"a":[{}]}]"#, None),
            (r#"{"a"#, None),
            ("", None),
        ] {
            assert_eq!(wrapper_key(text.as_bytes()).as_deref(), key, "{text}");
        }
    }
}
