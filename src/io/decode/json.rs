use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cell::Cell;
use super::fields::Fields;
use super::mend::mend;
use super::plain::{self, Inside, Target, inside, put, target};
use super::sheet::Sheet;
use super::table::Table;
use super::text::{quote, shorten};
use crate::diagnostic::codes::input;

/// Levels of brackets that a record may have; what serde_json bears.
const DEPTH: usize = 127;

/// Decodes one record, a JSON object in `raw`, into the table. A record that is not well-formed is mended if that is
/// possible without guessing, else rejected.
pub(super) fn record(raw: &[u8], row: u64, fields: &Fields, table: &mut Table) {
    // Checked as a whole, so that no parser need look at each string again.
    if let Ok(text) = std::str::from_utf8(raw) {
        table.begin(row);
        if plain::read(text, fields, table) == Some(raw.len()) {
            return table.commit(fields, raw);
        }
    }
    judge(raw, row, fields, table);
}

/// Decodes the object that `text` begins with, if it is plain, and gives its length.
pub(super) fn plain(text: &str, row: u64, sheet: &mut Sheet) -> Option<usize> {
    let Sheet { fields, table, longest, .. } = sheet;
    table.begin(row);
    let length = plain::read(text, fields, table).filter(|length| *length <= *longest)?;
    table.commit(fields, text.as_bytes().get(..length).unwrap_or_default());
    Some(length)
}

/// The same by serde_json, which has the last word on what is well-formed.
#[cold]
pub(super) fn judge(raw: &[u8], row: u64, fields: &Fields, table: &mut Table) {
    if is_too_deep(raw) {
        return table.reject(row, input::TOO_DEEP, raw, || quote(raw));
    }
    table.begin(row);
    let error = match std::str::from_utf8(raw) {
        Ok(text) => match read(text, fields, table) {
            Ok(()) => return table.commit(fields, raw),
            Err(error) => Some(error),
        },
        Err(_) => None,
    };
    let mended = mend(raw);
    if error.is_none() || !mended.edits.is_empty() {
        table.begin(row);
        for (code, detail) in mended.edits {
            table.note(code, || detail);
        }
        match read(&mended.text, fields, table) {
            Ok(()) => return table.commit(fields, raw),
            Err(error) => return table.reject(row, input::MALFORMED, raw, || explain(&error, mended.text.as_bytes())),
        }
    }
    table.reject(row, input::MALFORMED, raw, || error.map(|error| explain(&error, raw)).unwrap_or_default());
}

fn read(text: &str, fields: &Fields, table: &mut Table) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Object { of: Inside::Field(Fields::ROOT), fields, table }.deserialize(&mut parser)?;
    parser.end()
}

/// The parser's reason, and what stands where it stopped.
fn explain(error: &serde_json::Error, raw: &[u8]) -> String {
    let said = error.to_string();
    let reason = said.rsplit_once(" at line ").map_or(said.as_str(), |(reason, _)| reason);
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', raw).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    let place = (line_start + error.column()).saturating_sub(24).min(raw.len());
    let shown = raw.get(place.max(line_start)..).unwrap_or(raw).trim_ascii();
    // serde's own sentences may quote the input at any length and with any character.
    format!("{} at {}", shorten(reason.as_bytes()), quote(if shown.is_empty() { raw } else { shown }))
}

/// Whether brackets are nested deeper than a record may have them. Most records have too few brackets for that.
fn is_too_deep(raw: &[u8]) -> bool {
    if memchr::memchr2_iter(b'{', b'[', raw).nth(DEPTH).is_none() {
        return false;
    }
    let (mut depth, mut string, mut escaped) = (0usize, false, false);
    for byte in raw {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'{' | b'[' if !string => depth += 1,
            b'}' | b']' if !string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return true;
        }
    }
    false
}

/// The object that a record is, or one inside it. Knows serde only, not the parser behind it.
struct Object<'a> {
    of: Inside,
    fields: &'a Fields,
    table: &'a mut Table,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { of, fields, table } = self;
        while let Some(target) = map.next_key_seed(Key { of, fields, table: &mut *table })? {
            match target {
                Some(target) => map.next_value_seed(Value { target, fields, table: &mut *table })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A key, of which it is asked where its value belongs; `None` where nobody reads it.
struct Key<'a, 't> {
    of: Inside,
    fields: &'a Fields,
    table: &'t mut Table,
}

impl<'de, 'a> DeserializeSeed<'de> for Key<'a, '_> {
    type Value = Option<Target<'a>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a, '_> {
    type Value = Option<Target<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(target(self.of, key, self.fields, self.table))
    }
}

/// The value of a field or the status of a service.
struct Value<'a, 't> {
    target: Target<'a>,
    fields: &'a Fields,
    table: &'t mut Table,
}

impl Value<'_, '_> {
    fn put<E>(self, cell: Cell<'_>) -> Result<(), E> {
        put(self.target, cell, self.table);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(Cell::Number(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(Cell::Whole(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(Cell::Whole(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.put(Cell::Text(value))
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Cell::Other(if value { "true" } else { "false" }))
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Cell::Absent)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.put(Cell::Other("an array"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(of) = inside(self.target) else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return self.put(Cell::Other("an object"));
        };
        Object { of, fields: self.fields, table: self.table }.visit_map(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Limits, Schema};
    use super::*;
    use crate::node::Wanted;

    /// A sheet that reads `cpu`, `mem` and `a.b`.
    fn sheet() -> Sheet {
        let schema =
            Schema { status_words: [("up".to_string(), crate::domain::Status::Online)].into(), ..Schema::default() };
        let wanted = Wanted { metrics: ["cpu", "mem", "a.b"].map(String::from).into() };
        Sheet::new(&schema, &wanted, &Limits::default())
    }

    /// Everything that came of a record.
    fn outcome(mut sheet: Sheet) -> String {
        let batch = sheet.table.take();
        format!("{batch:?} {:?} {}", sheet.table.account.faults.list(), sheet.table.account.tally.bad)
    }

    /// What the plain reader takes must be what serde_json makes of it; whether it took it.
    fn agrees(text: &str) -> bool {
        let (mut plainly, mut judged) = (sheet(), sheet());
        let taken = plain(text, 1, &mut plainly) == Some(text.len());
        if taken {
            judge(text.as_bytes(), 1, &judged.fields, &mut judged.table);
            assert_eq!(outcome(plainly), outcome(judged), "{text}");
        }
        taken
    }

    #[test]
    fn what_is_well_formed_is_read_plainly_and_nothing_else() {
        let with = |value: &str| format!("{{\"timestamp\":1696161600,\"cpu\":{value},\"other\":{value} }}");
        for value in [
            "0",
            "-0",
            "1",
            "-1",
            "0.5",
            "-0.0",
            "1e22",
            "1E-7",
            "1e+3",
            "123456789012345678",
            "1234567890123456789",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "9007199254740993",
            "0.1234567890123456789",
            "9007199254740993.0",
            "1e-400",
            "3.0000000000000004",
            "null",
            "2.2250738585072011e-308",
            "true",
            "false",
            "\"x\"",
            "\"\\u00e9\\n\\/\"",
            "\"\\ud83d\\ude00\"",
            "\"é\"",
            "[]",
            "[1, {\"a\": [ ]}]",
            "{}",
            "{ \"b\" : 1 , \"c\":[1]}",
            "\"\u{7f}\"",
        ] {
            assert!(agrees(&with(value)), "{value}");
        }
        // Not well-formed, or out of range.
        for value in [
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "1e400",
            "-1e400",
            "0x1",
            "1 2",
            "nul",
            "True",
            "NaN",
            "\"\\x\"",
            "[1,]",
            "{,}",
            "\"\\u12\"",
            "\"\t\"",
            "\"\\ud800\"",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "'x'",
            "",
            "[1}",
            "1_000",
            "\"",
            "--1",
        ] {
            assert!(!agrees(&with(value)), "{value}");
        }
        let deep = |levels| with(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(agrees(&deep(40)) && !agrees(&deep(60)));
        for text in ["{}", "{\"cpu\":1,\"cpu\":2,\"timestamp\":1}", "{\"a\":{\"b\":1},\"a.b\":2,\"timestamp\":\"1\"}"] {
            agrees(text);
        }
    }

    /// JSON, or nearly.
    fn value() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            any::<f64>().prop_map(|value| value.to_string()),
            any::<f64>().prop_map(|value| format!("{value:e}")),
            any::<i64>().prop_map(|value| value.to_string()),
            "-?[0-9]{1,22}(\\.[0-9]{0,25})?([eE][+-]?[0-9]{1,4})?",
            "-?[0-9]{1,4}(\\.[0-9]{1,4})?",
        ];
        let text = prop_oneof![
            ".{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap_or_default()),
            "\"[a-zé\\\\\"/bfnrtu0-9d\\t]{0,12}\"",
            Just("\"online\"".to_string()),
            Just("\"up\"".to_string()),
            "\"2023-1[0-9]-01T1[0-9]:00:00Z\"",
        ];
        let other =
            prop::sample::select(vec!["null", "true", "false", "NaN", "nulL", "", "tru"]).prop_map(String::from);
        let leaf = prop_oneof![4 => number, 3 => text, 1 => other];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let array = prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" ,")));
            prop_oneof![array, members(inner)]
        })
    }

    fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let key = prop_oneof![
            3 => prop::sample::select(vec!["timestamp", "cpu", "mem", "host", "a", "b", "a.b", "service_status", "service_status.db", "x"])
                .prop_map(|key| format!("\"{key}\"")),
            1 => "\"[a-u\\\\\"0-9]{0,6}\"",
            1 => Just("\"\\u0063pu\"".to_string()),
        ];
        let blank = prop::sample::select(vec!["", "", "", " ", "\n", "\t\r ", "\u{c}"]);
        let member =
            (blank, key, value).prop_map(|(blank, key, value)| format!("{blank}{key}{blank}:{blank}{value}{blank}"));
        prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(",")))
    }

    proptest! {
        #[test]
        fn the_plain_reader_agrees_with_serde_json(text in members(value())) {
            let taken = agrees(&text);
            // It takes whatever is well-formed, so that the fast path is the one that is taken.
            let mut judged = sheet();
            judge(text.as_bytes(), 1, &judged.fields, &mut judged.table);
            prop_assert_eq!(taken, read(&text, &sheet().fields, &mut sheet().table).is_ok());
        }

        #[test]
        fn any_text_is_read_or_handed_over(text in "\\PC{0,40}", json in members(value()), cut in 0usize..80) {
            agrees(&text);
            agrees(&format!("{{{text}"));
            agrees(json.get(..cut).unwrap_or(&json));
        }
    }
}
