/// Finds where one JSON value ends, in pieces of any size, without parsing it.
///
/// Of a well-formed value it finds exactly the end. In a malformed one it finds a place from which the values after it
/// can be read, and it takes no more than three hints, none of which occurs in well-formed JSON: a raw newline ends a
/// string; letters right after a string mean that its last quote was the first of the next string; and `{` where a
/// key must stand begins the next value.
#[derive(Debug, Default)]
pub(super) struct Scan {
    depth: usize,
    /// Which of the innermost levels are objects; the lowest bit is the innermost.
    objects: u128,
    string: bool,
    escaped: bool,
    /// The last byte outside strings that is no blank; `"` for a string.
    last: u8,
    /// Whether a string ended right before this byte.
    after_string: bool,
}

impl Scan {
    /// Takes the next piece of the value in; gives the length of it that is still the value, once the value ends
    /// there. The first byte of the first piece must be the first of the value.
    pub fn feed(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            if self.string {
                at += self.skip_string(piece.get(at..).unwrap_or_default());
                continue;
            }
            let after_string = std::mem::take(&mut self.after_string);
            match byte {
                b'"' => self.string = true,
                b'{' if self.depth == 0 && self.last != 0 => return Some(at),
                b'{' if self.in_object() && self.last != b':' => return Some(at),
                b'{' => self.push(true),
                b'[' => self.push(false),
                b'}' | b']' if self.depth == 0 && byte == b']' => return Some(at),
                b']' if self.depth == 1 && self.in_object() => return Some(at),
                b']' if self.in_object() => {}
                b'}' | b']' => {
                    self.pop(byte == b'}');
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                b',' | b'\n' if self.depth == 0 => return Some(at),
                b' ' | b'\t' | b'\r' | b'\n' => {
                    at += 1;
                    continue;
                }
                b',' | b':' => {}
                _ if after_string => {
                    self.string = true;
                    continue;
                }
                _ => {}
            }
            self.last = byte;
            at += 1;
        }
        None
    }

    /// The length of a piece of a string, its closing quote included.
    fn skip_string(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        if std::mem::take(&mut self.escaped) && piece.first() != Some(&b'\n') {
            at = 1;
        }
        while let Some(rest) = piece.get(at..) {
            let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', rest) else { break };
            at += found + 1;
            if rest.get(found) != Some(&b'\\') {
                self.string = false;
                self.after_string = rest.get(found) == Some(&b'"');
                return at;
            }
            match piece.get(at) {
                None => self.escaped = true,
                Some(b'\n') => {}
                Some(_) => at += 1,
            }
        }
        piece.len()
    }

    /// Deeper than the bits reach it is not known, and a value that deep is malformed anyway.
    fn in_object(&self) -> bool {
        (1..=128).contains(&self.depth) && self.objects & 1 == 1
    }

    fn push(&mut self, object: bool) {
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(object);
    }

    /// Leaves a level; a `}` also leaves the arrays that were not closed inside its object.
    fn pop(&mut self, object: bool) {
        loop {
            let left_object = self.in_object();
            self.depth = self.depth.saturating_sub(1);
            self.objects >>= 1;
            if !object || left_object || self.depth == 0 || self.depth > 128 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` by pieces of every size and expects the value to end before `rest`.
    fn check(value: &str, rest: &str) {
        let text = format!("{value}{rest}");
        for size in 1..=text.len() {
            let mut scan = Scan::default();
            let mut at = 0;
            let end = text.as_bytes().chunks(size).find_map(|piece| {
                let end = scan.feed(piece).map(|end| at + end);
                at += piece.len();
                end
            });
            assert_eq!(end.and_then(|end| text.get(..end)), Some(value), "{text} by {size}");
        }
    }

    #[test]
    fn a_well_formed_value_ends_where_it_ends() {
        check(r#"{"a": [1, {"b": "}]\"\\"}], "c": {}}"#, r#",{"a":1}"#);
        check("{}", "]");
        check(r#"[[1],[2,{"x":[]}]]"#, "]");
        check("12", ",");
        check(r#""a,b""#, "]");
        check("null", "\n");
    }

    #[test]
    fn a_malformed_value_leaves_the_next_one_readable() {
        check(r#"{"a": 1, "s": {"b": "on"}, "#, r#"{"a": 2}"#);
        check("{\"a\": \"x,\n\"b\": 1}", ",");
        check(r#"{"a":"2023,"cpu":5}"#, r#",{"a":1}"#);
        check(r#"{"a":2023","cpu":5}"#, r#",{"a":1}"#);
        check(r#"{"a": 1, "#, "]");
        check(r#"{"a": [1, 2}"#, r#",{"a":1}"#);
    }

    proptest! {
        #[test]
        fn any_json_ends_at_its_end(names in prop::collection::vec(".{0,8}", 0..6), number in any::<f64>(), pretty in any::<bool>()) {
            let mut value = serde_json::json!([number, null, true]);
            for name in &names {
                value = serde_json::json!({ name: value, "z": [name, {}] });
            }
            let value = serde_json::json!({ "top": value });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(Scan::default().feed(format!("{text},{{").as_bytes()), Some(text.len()));
        }
    }
}
