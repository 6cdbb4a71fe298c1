use super::text::quote;
use crate::diagnostic::{Code, codes::input};

/// A record's text after everything was replaced that no JSON parser takes and that yet leaves no doubt about the
/// rest of the record.
pub(super) struct Mended {
    pub text: String,
    pub edits: Vec<(&'static Code, String)>,
}

/// Puts U+FFFD for bytes that are not UTF-8 and for halves of surrogate pairs, and `null` for numbers that are not
/// finite: `NaN`, `-Infinity`, `1e400`. Anything else stays as it is, well-formed or not.
pub(super) fn mend(raw: &[u8]) -> Mended {
    let text = String::from_utf8_lossy(raw);
    let mut mending = Mending { text: &text, out: String::with_capacity(text.len()), key: "", edits: Vec::new() };
    if let std::borrow::Cow::Owned(_) = text {
        let bad = raw.utf8_chunks().find(|chunk| !chunk.invalid().is_empty()).map_or(0, |chunk| chunk.valid().len());
        let around = raw.get(bad.saturating_sub(16)..).unwrap_or(raw);
        mending.edits.push((input::INVALID_TEXT, quote(around)));
    }
    mending.run();
    Mended { text: mending.out, edits: mending.edits }
}

struct Mending<'a> {
    text: &'a str,
    out: String,
    /// The last string, which is the key when a value follows.
    key: &'a str,
    edits: Vec<(&'static Code, String)>,
}

impl Mending<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(byte) = self.text.as_bytes().get(at) {
            let length = match byte {
                b'"' => self.string(at),
                b'+' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(at),
                _ => {
                    let rest = self.text.get(at..).unwrap_or_default();
                    let other = rest.find(|c: char| c == '"' || c.is_ascii_alphanumeric() || "+-.".contains(c));
                    let length = other.unwrap_or(rest.len());
                    self.out.push_str(rest.get(..length).unwrap_or_default());
                    length
                }
            };
            at += length.max(1);
        }
    }

    /// Copies the word at `at`, a number or a literal, unless it is a number that is not finite. Gives its length.
    fn word(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        // Rust reads all of `NaN`, `inf`, `-Infinity` and `1e400` as numbers.
        if word.parse::<f64>().is_ok_and(|value| !value.is_finite()) {
            let detail = format!("{} is {}", quote(self.key.as_bytes()), quote(word.as_bytes()));
            self.edits.push((input::NOT_FINITE, detail));
            self.out.push_str("null");
        } else {
            self.out.push_str(word);
        }
        end
    }

    /// Copies the string whose opening quote is at `at`, without halves of surrogate pairs. Gives its length.
    fn string(&mut self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let bytes = rest.as_bytes();
        let (mut i, mut copied) = (1, 0);
        loop {
            let Some(special) = memchr::memchr2(b'"', b'\\', bytes.get(i..).unwrap_or_default()) else {
                i = bytes.len();
                break;
            };
            i += special;
            if bytes.get(i) == Some(&b'"') {
                i += 1;
                break;
            }
            let unit = |at: usize| surrogate(bytes.get(at..)?);
            match (unit(i), unit(i + 6)) {
                (Some(0xd800..0xdc00), Some(0xdc00..)) => i += 12,
                (Some(_), _) => {
                    self.out.push_str(rest.get(copied..i).unwrap_or_default());
                    self.out.push_str("\\ufffd");
                    self.edits.push((input::INVALID_TEXT, quote(rest.get(i..i + 6).unwrap_or_default().as_bytes())));
                    i += 6;
                    copied = i;
                }
                (None, _) => i = (i + 2).min(bytes.len()),
            }
        }
        // An escape may have ended in the middle of a character, in text that no parser takes anyway.
        while !rest.is_char_boundary(i) {
            i += 1;
        }
        self.out.push_str(rest.get(copied..i).unwrap_or_default());
        self.key = self.text.get(at + 1..(at + i).saturating_sub(1)).unwrap_or_default();
        i
    }
}

/// The surrogate that a `\uXXXX` at the beginning of `text` stands for.
fn surrogate(text: &[u8]) -> Option<u16> {
    let hex = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    u16::from_str_radix(hex, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &[u8], text: &str, edits: &[(&Code, &str)]) {
        let mended = mend(raw);
        assert_eq!(mended.text, text);
        let got: Vec<(&Code, &str)> = mended.edits.iter().map(|(code, detail)| (*code, detail.as_str())).collect();
        assert_eq!(got, edits, "{text}");
    }

    #[test]
    fn only_what_is_beyond_doubt_is_replaced() {
        check(br#"{"a": 1, "b": true}"#, r#"{"a": 1, "b": true}"#, &[]);
        check(
            br#"{"a":NaN,"b":-Infinity,"c":[1e400,-1E999,1e-400],"d":"NaN 1e400","e\"":inf}"#,
            r#"{"a":null,"b":null,"c":[null,null,1e-400],"d":"NaN 1e400","e\"":null}"#,
            &[
                (input::NOT_FINITE, "`a` is `NaN`"),
                (input::NOT_FINITE, "`b` is `-Infinity`"),
                (input::NOT_FINITE, "`c` is `1e400`"),
                (input::NOT_FINITE, "`c` is `-1E999`"),
                (input::NOT_FINITE, "`e\\\"` is `inf`"),
            ],
        );
        check(
            br#"["\ud83d\ude00","\udc80x\ud83d","\\ud800"]"#,
            r#"["\ud83d\ude00","\ufffdx\ufffd","\\ud800"]"#,
            &[(input::INVALID_TEXT, "`\\udc80`"), (input::INVALID_TEXT, "`\\ud83d`")],
        );
        check(b"{\"a\":\"\xff\"}", "{\"a\":\"\u{fffd}\"}", &[(input::INVALID_TEXT, "`{\"a\":\"\u{fffd}\"}`")]);
        check(br#"{"a": nope, "b"#, r#"{"a": nope, "b"#, &[]);
        check("\"\\é".as_bytes(), "\"\\é", &[]);
    }

    proptest! {
        #[test]
        fn valid_json_is_left_alone_and_nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..60), text in ".*") {
            mend(&raw);
            let json = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(mend(json.as_bytes()).text, json);
        }
    }
}
