//! Repair of the syntax of JSON that a model wrote. Lossless: only what carries no content is added, dropped or
//! respelled, every edit is recorded, and where content could be lost or would have to be guessed there is no repair.
//! Knows nothing of what the object means.

use std::fmt;

/// A JSON object in strict syntax, and what was done to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    pub json: String,
    pub edits: Vec<Edit>,
}

/// One edit and the character of the raw text, from 1, where it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    pub what: EditKind,
    pub character: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    Fence,
    ProseBefore,
    ProseAfter,
    TrailingComma,
    MissingComma,
    SingleQuotes,
    UnquotedKey,
    Comment,
    ControlCharacter,
    EscapedQuote,
    MissingBracket,
    MissingBrace,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            EditKind::Fence => "dropped a code fence",
            EditKind::ProseBefore => "dropped text before the object",
            EditKind::ProseAfter => "dropped text after the object",
            EditKind::TrailingComma => "dropped a trailing comma",
            EditKind::MissingComma => "added a missing comma",
            EditKind::SingleQuotes => "turned single quotes into double ones",
            EditKind::UnquotedKey => "quoted a key",
            EditKind::Comment => "dropped a comment",
            EditKind::ControlCharacter => "escaped a control character",
            EditKind::EscapedQuote => "respelled an escaped single quote",
            EditKind::MissingBracket => "closed an array",
            EditKind::MissingBrace => "closed an object",
        };
        write!(f, "{what} at character {}", self.character)
    }
}

/// Why there is no repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Irreparable {
    #[error("the answer holds no JSON object")]
    NoObject,
    #[error("the answer holds more than one JSON object")]
    SeveralObjects,
    #[error("the text around the JSON object looks like a part of it")]
    StrayContent,
    #[error("a string of the JSON object is not closed")]
    OpenString,
    #[error("the JSON object ends in the middle")]
    CutOff,
    #[error("the JSON object has one key twice")]
    DuplicateKey,
    #[error("the JSON object is nested too deeply")]
    TooDeep,
    #[error("the JSON object is malformed at character {0} of the answer")]
    Malformed(usize),
}

/// Deeper nesting than any answer needs; keeps the recursion bounded.
const DEPTH: usize = 16;

/// The one object that `raw` holds, in strict JSON.
///
/// Mended are code fences, prose around the object, comments, trailing and missing commas between members, single
/// quotes, unquoted keys, raw control characters in strings, and brackets or braces missing at the very end.
///
/// # Errors
/// Two objects, an item that would be lost, an open string, or anything that would have to be guessed.
pub fn repair(raw: &str) -> Result<Repaired, Irreparable> {
    let (start, end) = body(raw);
    let mut found: Option<(usize, Parser<'_>)> = None;
    let mut at = start;
    while let Some(open) = raw.get(at..end).and_then(|rest| rest.find('{')).map(|offset| at + offset) {
        if let Some(past) = slot_end(raw, open) {
            at = past;
            continue;
        }
        let mut parser = Parser { raw, at: open, end, json: String::new(), edits: Vec::new() };
        parser.object(DEPTH)?;
        at = parser.at;
        if found.replace((open, parser)).is_some() {
            return Err(Irreparable::SeveralObjects);
        }
    }
    let (open, parser) = found.ok_or(Irreparable::NoObject)?;
    let mut edits = Vec::new();
    if start > 0 || end < raw.len() {
        edits.push(Edit { what: EditKind::Fence, character: character(raw, start) });
    }
    let around = [(EditKind::ProseBefore, 0, open), (EditKind::ProseAfter, parser.at, raw.len())];
    for (what, from, to) in around {
        match prose(raw.get(from..to).unwrap_or_default())? {
            Prose::None => {}
            Prose::Text => edits.push(Edit { what, character: character(raw, from) }),
        }
    }
    edits.extend(parser.edits);
    edits.sort_by_key(|edit| edit.character);
    // The parser lets numbers and escapes through as they are; serde_json is the judge of both.
    match serde_json::from_str::<serde_json::Value>(&parser.json) {
        Ok(_) => Ok(Repaired { json: parser.json, edits }),
        Err(_) => Err(Irreparable::Malformed(character(raw, open))),
    }
}

/// The bytes between two code fences, when a fence opens before the first brace; else everything.
fn body(raw: &str) -> (usize, usize) {
    let whole = (0, raw.len());
    let brace = raw.find('{').unwrap_or(raw.len());
    let Some(open) = fence(raw, 0).filter(|&at| at < brace) else { return whole };
    let Some(start) = raw[open..].find(['\n', '{']).map(|offset| open + offset) else { return whole }; // `fence` found it
    (start, fence(raw, start).unwrap_or(raw.len()))
}

/// The first line from `from` on that starts with a fence.
fn fence(raw: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + raw.get(at..)?.find("```")?;
        let line = raw[..found].rfind('\n').map_or(0, |newline| newline + 1);
        if raw[line..found].trim().is_empty() {
            return Some(found);
        }
        at = found + 3;
    }
}

/// Prose may mention slots; `{cpu_usage.value}` opens no object.
fn slot_end(raw: &str, open: usize) -> Option<usize> {
    let rest = raw.get(open + 1..)?;
    let close = rest.find(|c: char| !(c.is_alphanumeric() || "_-.:@".contains(c)))?;
    (close > 0 && rest[close..].starts_with('}')).then_some(open + close + 2)
}

enum Prose {
    None,
    Text,
}

/// Text that is dropped must be text: with brackets or a quoted key in it, content might be lost.
fn prose(text: &str) -> Result<Prose, Irreparable> {
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match (c, slot_end(text, at)) {
            ('{', Some(past)) => at = past,
            _ => {
                bare.push(c);
                at += c.len_utf8();
            }
        }
    }
    let key = |quote: char| {
        bare.match_indices(quote).any(|(at, _)| bare[at + quote.len_utf8()..].trim_start().starts_with(':'))
    };
    if bare.contains(['{', '}', '[', ']']) || key('"') || key('\'') {
        return Err(Irreparable::StrayContent);
    }
    let fenceless = bare.replace("```json", "").replace("```JSON", "").replace("```", "");
    Ok(if fenceless.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
        Prose::None
    } else {
        Prose::Text
    })
}

fn character(raw: &str, byte: usize) -> usize {
    raw.get(..byte).map_or(0, |before| before.chars().count()) + 1
}

/// A tolerant reader of one object that writes strict JSON as it goes.
struct Parser<'a> {
    raw: &'a str,
    at: usize,
    /// Past the last byte that may be read.
    end: usize,
    json: String,
    edits: Vec<Edit>,
}

impl Parser<'_> {
    fn object(&mut self, depth: usize) -> Result<(), Irreparable> {
        self.take('{')?;
        self.json.push('{');
        let mut keys: Vec<String> = Vec::new();
        loop {
            self.gap()?;
            match self.peek() {
                Some('}') => break self.close('}'),
                None => return Err(Irreparable::CutOff), // after `{` or a comma: a member may be lost
                Some(_) => {}
            }
            let key = self.key()?;
            if keys.contains(&key) {
                return Err(Irreparable::DuplicateKey);
            }
            keys.push(key);
            self.gap()?;
            self.take(':')?;
            self.json.push(':');
            self.gap()?;
            self.value(depth)?;
            self.gap()?;
            match self.peek() {
                Some(',') => self.comma('}')?,
                Some('}') => break self.close('}'),
                None => break self.missing('}', EditKind::MissingBrace),
                Some('"' | '\'') => self.missing(',', EditKind::MissingComma),
                Some(c) if is_key_start(c) => self.missing(',', EditKind::MissingComma),
                Some(_) => return Err(self.malformed()),
            }
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Irreparable> {
        self.take('[')?;
        self.json.push('[');
        loop {
            self.gap()?;
            match self.peek() {
                Some(']') => break self.close(']'),
                None => return Err(Irreparable::CutOff),
                Some(_) => {}
            }
            self.value(depth)?;
            self.gap()?;
            match self.peek() {
                Some(',') => self.comma(']')?,
                Some(']') => break self.close(']'),
                None => break self.missing(']', EditKind::MissingBracket),
                Some(_) => return Err(self.malformed()), // between items nothing tells a lost comma from a lost quote
            }
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Irreparable> {
        let deeper = depth.checked_sub(1).ok_or(Irreparable::TooDeep)?;
        match self.peek() {
            Some('{') => self.object(deeper),
            Some('[') => self.array(deeper),
            Some('"' | '\'') => self.string(),
            Some(c) if c.is_ascii_alphanumeric() || c == '-' => self.scalar(),
            Some(_) => Err(self.malformed()),
            None => Err(Irreparable::CutOff),
        }
    }

    /// A number, `true`, `false` or `null`, as it stands.
    fn scalar(&mut self) -> Result<(), Irreparable> {
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
        let text = self.raw.get(start..self.at).unwrap_or_default();
        if serde_json::from_str::<serde_json::Value>(text).is_err() {
            return Err(Irreparable::Malformed(character(self.raw, start)));
        }
        if self.peek().is_none() {
            return Err(Irreparable::CutOff); // `12` may have been `120`
        }
        self.json.push_str(text);
        Ok(())
    }

    /// A key; its text in strict JSON is the answer, for comparison.
    fn key(&mut self) -> Result<String, Irreparable> {
        let written = self.json.len();
        match self.peek() {
            Some('"' | '\'') => self.string()?,
            Some(c) if is_key_start(c) => {
                self.edit(EditKind::UnquotedKey);
                let start = self.at;
                self.skip(|c| is_key_start(c) || c.is_ascii_digit() || c == '-');
                self.json.push('"');
                self.json.push_str(self.raw.get(start..self.at).unwrap_or_default());
                self.json.push('"');
            }
            _ => return Err(self.malformed()),
        }
        let key = self.json.get(written..).unwrap_or_default();
        serde_json::from_str(key).map_err(|_| self.malformed())
    }

    fn string(&mut self) -> Result<(), Irreparable> {
        let quote = self.peek().unwrap_or('"'); // callers looked
        if quote == '\'' {
            self.edit(EditKind::SingleQuotes);
        }
        self.at += 1;
        self.json.push('"');
        loop {
            let c = self.peek().ok_or(Irreparable::OpenString)?;
            if c == '\\' {
                self.escape()?;
                continue;
            }
            if c < ' ' {
                self.edit(EditKind::ControlCharacter);
            }
            self.at += c.len_utf8();
            match c {
                c if c == quote => break self.json.push('"'),
                '"' => self.json.push_str("\\\""),
                c if c < ' ' => self.json.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.json.push(c),
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Irreparable> {
        let escaped = self.raw.get(self.at + 1..self.end).and_then(|rest| rest.chars().next());
        match escaped {
            Some('\'') => {
                self.edit(EditKind::EscapedQuote);
                self.json.push('\'');
            }
            Some(c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                self.json.push('\\');
                self.json.push(c);
            }
            Some(_) => return Err(self.malformed()),
            None => return Err(Irreparable::OpenString),
        }
        self.at += 2; // a backslash and one of the ASCII characters above
        Ok(())
    }

    /// A comma; a trailing one is dropped. At the end of the text something may be lost after it.
    fn comma(&mut self, closer: char) -> Result<(), Irreparable> {
        let here = Edit { what: EditKind::TrailingComma, character: character(self.raw, self.at) };
        self.take(',')?;
        self.gap()?;
        match self.peek() {
            Some(c) if c == closer => self.edits.push(here),
            Some(_) => self.json.push(','),
            None => return Err(Irreparable::CutOff),
        }
        Ok(())
    }

    /// White space and comments.
    fn gap(&mut self) -> Result<(), Irreparable> {
        loop {
            self.skip(|c| c.is_whitespace() || c == '\u{feff}');
            let rest = self.raw.get(self.at..self.end).unwrap_or_default();
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or(Irreparable::CutOff)? + 2
            } else {
                return Ok(());
            };
            self.edit(EditKind::Comment);
            self.at += length;
        }
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while let Some(c) = self.peek().filter(|&c| wanted(c)) {
            self.at += c.len_utf8();
        }
    }

    fn peek(&self) -> Option<char> {
        self.raw.get(self.at..self.end).and_then(|rest| rest.chars().next())
    }

    fn take(&mut self, wanted: char) -> Result<(), Irreparable> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.at += c.len_utf8();
                Ok(())
            }
            Some(_) => Err(self.malformed()),
            None => Err(Irreparable::CutOff),
        }
    }

    fn close(&mut self, closer: char) {
        self.at += 1;
        self.json.push(closer);
    }

    fn missing(&mut self, mark: char, what: EditKind) {
        self.edit(what);
        self.json.push(mark);
    }

    fn edit(&mut self, what: EditKind) {
        self.edits.push(Edit { what, character: character(self.raw, self.at) });
    }

    fn malformed(&self) -> Irreparable {
        Irreparable::Malformed(character(self.raw, self.at))
    }
}

fn is_key_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// `Ok`: the strict JSON and the edits. `Err`: why not.
    fn check(raw: &str, expected: Result<(&str, &[EditKind]), Irreparable>) {
        let got = repair(raw);
        match (&got, expected) {
            (Ok(repaired), Ok((json, edits))) => {
                assert_eq!(repaired.json, json, "{raw:?}");
                assert_eq!(repaired.edits.iter().map(|e| e.what).collect::<Vec<_>>(), edits, "{raw:?}");
            }
            (Err(got), Err(expected)) => assert_eq!(*got, expected, "{raw:?}"),
            (got, expected) => panic!("{raw:?}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn syntax_is_mended_and_every_edit_recorded() {
        use EditKind::*;
        let plain = r#"{"a":"x","b":"y"}"#;
        let cases: &[(&str, &[EditKind])] = &[
            (r#"{"a": "x", "b": "y"}"#, &[]),
            ("\u{feff}{\"a\": \"x\", \"b\": \"y\"}", &[]),
            ("```json\n{\"a\": \"x\", \"b\": \"y\"}\n```", &[Fence]),
            ("```\n{\"a\": \"x\", \"b\": \"y\"}", &[Fence]),
            ("Here:\n```json\n{\"a\": \"x\", \"b\": \"y\"}\n```\nDone.", &[ProseBefore, Fence, ProseAfter]),
            (r#"I used {cpu.value}: {"a": "x", "b": "y"}"#, &[ProseBefore]),
            ("{\"a\": \"x\", \"b\": \"y\"}\nHope it helps!", &[ProseAfter]),
            (r#"{"a": "x", "b": "y",}"#, &[TrailingComma]),
            (r#"{"a": "x" "b": "y"}"#, &[MissingComma]),
            ("{\"a\": \"x\"\n b: \"y\"}", &[MissingComma, UnquotedKey]),
            (r#"{'a': 'x', 'b': 'y'}"#, &[SingleQuotes; 4]),
            (r#"{a: "x", b: "y"}"#, &[UnquotedKey; 2]),
            ("{\"a\": \"x\", // why\n \"b\": /* so */ \"y\"}", &[Comment; 2]),
            (r#"{"a": "x", "b": "y""#, &[MissingBrace]),
            ("```json\n{\"a\": \"x\", \"b\": \"y\"\n```", &[Fence, MissingBrace]),
        ];
        for (raw, edits) in cases {
            check(raw, Ok((plain, edits)));
        }
        check("{\"a\": \"x\ty\nz\"}", Ok((r#"{"a":"x\u0009y\u000az"}"#, &[ControlCharacter; 2])));
        check(r#"{'a': 'say "it\'s"'}"#, Ok((r#"{"a":"say \"it's\""}"#, &[SingleQuotes, SingleQuotes, EscapedQuote])));
        check(r#"{"a": ["x", 1"#, Err(Irreparable::CutOff));
        check(r#"{"a": ["x", "y""#, Ok((r#"{"a":["x","y"]}"#, &[MissingBracket, MissingBrace])));
        check(r#"{"a": "http://x // y"}"#, Ok((r#"{"a":"http://x // y"}"#, &[])));
    }

    #[test]
    fn nothing_is_lost_guessed_or_chosen() {
        use Irreparable::*;
        let cases = [
            ("", NoObject),
            ("no object at all", NoObject),
            ("{target}", NoObject),
            (r#"{"a": "x"} {"a": "y"}"#, SeveralObjects),
            (r#"<think>{"a": "x"}</think>{"a": "y"}"#, SeveralObjects),
            (r#"[{"a": "x"}]"#, StrayContent),
            (r#"{"a": "x"}, "b": "y"}"#, StrayContent),
            (r#"{"a": "x"} "b": "y""#, StrayContent),
            (r#"{"a": "x"}}"#, StrayContent),
            (r#"{"a": "x"#, OpenString),
            (r#"{"a": "x\"#, OpenString),
            (r#"{"a": "x","#, CutOff),
            (r#"{"a": "#, CutOff),
            (r#"{"a""#, CutOff),
            (r#"{"a": 12"#, CutOff),
            ("{", CutOff),
            (r#"{"a": "x", "a": "y"}"#, DuplicateKey),
            (r#"{"a": "x", a: "y"}"#, DuplicateKey),
            (r#"{"a": x}"#, Malformed(7)),
            (r#"{"a": "Use "x" now"}"#, Malformed(14)),
            (r#"{"a": "x",, "b": "y"}"#, Malformed(11)),
            (r#"{"a": ["x" "y"]}"#, Malformed(12)),
            (r#"{"a": ["x"}"#, Malformed(11)),
            (r#"{"a": "\q"}"#, Malformed(8)),
            (r#"{"a": "\ud800"}"#, Malformed(1)),
            (r#"{"a": True}"#, Malformed(7)),
        ];
        for (raw, why) in cases {
            check(raw, Err(why));
        }
        check(&"{\"a\":".repeat(10_000), Err(TooDeep));
    }

    fn strings(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
            Value::Object(members) => members.iter().for_each(|(key, member)| {
                into.push(key.clone());
                strings(member, into);
            }),
            _ => {}
        }
    }

    proptest! {
        /// Text of JSON's marks, so that many cases are nearly JSON.
        #[test]
        fn every_string_of_a_repair_stands_in_the_raw_text(raw in r#"([{}\[\]:,"'/* \n`]|[ab]|"[a-c ]{0,3}"|: ?"x"|\{"a){0,24}"#) {
            if let Ok(repaired) = repair(&raw) {
                let value: Value = serde_json::from_str(&repaired.json).unwrap();
                let mut found = Vec::new();
                strings(&value, &mut found);
                for text in found {
                    prop_assert!(raw.contains(&text), "{text:?} is not in {raw:?}");
                }
            }
        }

        #[test]
        fn strict_json_comes_back_as_it_is(a in any::<String>(), b in any::<String>()) {
            let value = serde_json::json!({ "action": a, "benefit_estimate": b });
            let repaired = repair(&value.to_string()).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(&repaired.json).unwrap(), &value);
            prop_assert!(repaired.edits.is_empty());
        }

        #[test]
        fn any_text_whatever_is_read_without_panic(raw in any::<String>()) {
            let _ = repair(&raw);
        }
    }
}
