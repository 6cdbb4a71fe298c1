//! Repair of the syntax of JSON that a model wrote. Lossless: only what carries no content is added, dropped or
//! respelled, every edit is recorded, and where content could be lost or would have to be guessed there is no repair.
//! Knows nothing of what the object means.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

mod parser;

use std::fmt;

use parser::Parser;

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

/// The one object that `raw` holds, in strict JSON.
///
/// Mended are code fences, prose around the object, comments, trailing and missing commas between members, single
/// quotes, unquoted keys, raw control characters in strings, and brackets or braces missing at the very end.
///
/// # Errors
/// Two objects, an item that would be lost, an open string, or anything that would have to be guessed.
pub fn repair(raw: &str) -> Result<Repaired, Irreparable> {
    let (fence, start, end) = body(raw);
    let mut found: Option<(usize, Parser<'_>)> = None;
    let mut at = start;
    while let Some(open) = raw.get(at..end).and_then(|rest| rest.find('{')).map(|offset| at + offset) {
        if let Some(past) = slot_end(raw, open) {
            at = past;
            continue;
        }
        let parser = Parser::object_at(raw, open, end)?;
        at = parser.at;
        if found.replace((open, parser)).is_some() {
            return Err(Irreparable::SeveralObjects);
        }
    }
    let (open, parser) = found.ok_or(Irreparable::NoObject)?;
    let mut edits = Vec::new();
    if let Some(at) = fence {
        edits.push(Edit { what: EditKind::Fence, character: character(raw, at) });
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

/// Where a code fence opens, if one does before the first brace, and the bytes inside it; else everything.
fn body(raw: &str) -> (Option<usize>, usize, usize) {
    let brace = raw.find('{').unwrap_or(raw.len());
    let inside = fence(raw, 0).filter(|&open| open < brace).and_then(|open| {
        let start = open + raw.get(open..)?.find(['\n', '{'])?;
        Some((Some(open), start, fence(raw, start).unwrap_or(raw.len())))
    });
    inside.unwrap_or((None, 0, raw.len()))
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
