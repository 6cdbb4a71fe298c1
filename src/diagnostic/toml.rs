//! TOML with places: syntax errors, and types decoded so that every fault of a table is reported, not only the first.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::{Diagnostic, SourceFile, codes, did_you_mean};

/// Line and column, both from 1, the column in characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1) // rfind gave a char boundary
}

/// Bytes of the file for bytes of a string in it; the whole string where escapes keep the two apart.
pub fn inside(source: &SourceFile, text: &Spanned<String>, at: &Range<usize>) -> Range<usize> {
    let span = text.span();
    let raw = source.text.get(span.clone()).unwrap_or_default();
    match raw.find(text.get_ref().as_str()) {
        Some(start) => span.start + start + at.start..span.start + start + at.end,
        None => span,
    }
}

/// The file as a table with spans.
///
/// # Errors
/// All syntax errors of the file.
pub fn parse_toml(source: &SourceFile) -> Result<Spanned<DeTable<'_>>, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(table);
    }
    Err(errors
        .into_iter()
        .map(|e| {
            Diagnostic::new(codes::graph::SYNTAX, e.message().trim_end())
                .at(source, e.span().unwrap_or(0..0))
                .help("mend the TOML here; the other checks run once the file parses")
        })
        .collect())
}

/// The file as `T`.
///
/// # Errors
/// All syntax errors of the file; else one diagnostic per fault, as [`decode`] finds them.
pub fn decode_file<T: DeserializeOwned>(source: &SourceFile) -> Result<T, Vec<Diagnostic>> {
    let parse = || parse_toml(source).map(|table| Spanned::new(table.span(), DeValue::Table(table.into_inner())));
    match T::deserialize(ValueDeserializer::from(parse()?)) {
        Ok(decoded) => Ok(decoded),
        // The table is used up. To parse a file with faults again is cheaper than to copy every one without.
        Err(_) => decode(parse()?, source),
    }
}

/// A value as `T`. serde stops at the first fault, so the offending entry is cut out and the rest is tried again,
/// until nothing new comes: all faults are reported together.
///
/// `T` must not use serde's `flatten`, `untagged` or `tag`: they widen every span to the whole table.
///
/// # Errors
/// One diagnostic per fault.
pub fn decode<T: DeserializeOwned>(value: Spanned<DeValue<'_>>, source: &SourceFile) -> Result<T, Vec<Diagnostic>> {
    let mut rest = value;
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut cut: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(ValueDeserializer::from(rest.clone())) {
            Ok(decoded) if faults.is_empty() => return Ok(decoded),
            Ok(_) => return Err(faults),
            Err(error) => error,
        };
        let span = error.span().unwrap_or_else(|| rest.span());
        let message = error.message().trim_end().to_string();
        // A key that was cut out is missing now; that is our doing.
        let ours = message.strip_prefix("missing field `").and_then(|m| m.strip_suffix('`'));
        let is_ours = ours.is_some_and(|key| cut.iter().any(|c| c == key));
        let removed = remove(rest.get_mut(), &span);
        if !is_ours {
            faults.push(explain(&message, removed.as_deref().unwrap_or_default(), span, source));
        }
        match removed {
            Some(key) => cut.push(key),
            None => return Err(faults),
        }
    }
}

/// Turns serde's sentence into a coded diagnostic with a remedy. `key` is what the value belongs to; empty in a list.
fn explain(message: &str, key: &str, span: Range<usize>, source: &SourceFile) -> Diagnostic {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, Some((word, candidates))) = (message.starts_with("unknown field"), quoted.split_first()) {
        let help = match did_you_mean(word, candidates.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if candidates.is_empty() => "nothing is configured here".to_string(),
            None => match dotted(&span, source) {
                Some(quoted) => format!("if the name has a dot in it, quote it: `{quoted}`"),
                None => format!("the keys are: {}", candidates.join(", ")),
            },
        };
        return Diagnostic::new(codes::graph::UNKNOWN_KEY, format!("unknown key `{word}`")).at(source, span).help(help);
    }
    if let (true, Some((word, candidates))) = (message.starts_with("unknown variant"), quoted.split_first()) {
        let help = match did_you_mean(word, candidates.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of: {}", candidates.join(", ")),
        };
        return Diagnostic::new(codes::graph::WRONG_TYPE, format!("`{word}` is not known here"))
            .at(source, span)
            .help(help);
    }
    if let (true, Some(key)) = (message.starts_with("missing field"), quoted.first()) {
        return Diagnostic::new(codes::graph::MISSING_KEY, format!("the key `{key}` is missing"))
            .at(source, span)
            .help(format!("add `{key} = …`"));
    }
    let (message, help) = misfit(message, key, span.clone(), source);
    Diagnostic::new(codes::graph::WRONG_TYPE, message).at(source, span).help(help)
}

/// A value that does not fit, and what to write instead. Whatever decodes one says so with serde's `invalid_type` or
/// `invalid_value`: what was found becomes the message, and what was expected the help.
fn misfit(message: &str, key: &str, span: Range<usize>, source: &SourceFile) -> (String, String) {
    let written = source.text.get(span).unwrap_or_default();
    if message.ends_with("number overflowed") {
        return (format!("`{written}` is too large a number"), "write a smaller one".to_string());
    }
    if message.starts_with("wanted string or table") {
        return ("another kind of value is written here".to_string(), "write a word in quotes".to_string());
    }
    let split = message.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected "));
    let Some((found, expected)) = split else {
        return (message.to_string(), "write a value as the message describes".to_string());
    };
    let found = found.split_once(": ").map_or(found, |(_, found)| found);
    let found = match found.split_once(' ').unwrap_or((found, "")) {
        ("string", text) => format!("the text {text}"),
        ("integer", number) => format!("the number {number}"),
        ("floating", _) => format!("the number `{written}`"),
        ("boolean", word) => word.to_string(),
        ("map", _) => "a table".to_string(),
        ("sequence", _) => "a list".to_string(),
        _ => found.to_string(),
    };
    let subject = if key.is_empty() { "what stands here".to_string() } else { format!("`{key}`") };
    (format!("{subject} cannot be {found}"), way_out(expected, written).unwrap_or_else(|| format!("write {expected}")))
}

/// `[metrics."core.temp"]` where the key is the end of the header `[metrics.core.temp]`. Nodes have no dots in their names.
fn dotted(key: &Range<usize>, source: &SourceFile) -> Option<String> {
    let before = source.text.get(..key.start)?;
    let line = source.text.get(before.rfind('\n').map_or(0, |at| at + 1)..)?.lines().next()?;
    let header = line.trim().strip_prefix('[')?.split_once(']')?.0;
    let (table, name) = header.split_once('.')?;
    let has_dot = name.contains('.') && !name.contains(['"', '\'']) && table != "nodes";
    has_dot.then(|| format!("[{table}.\"{name}\"]"))
}

/// What to write instead of `written`, where more can be said than what was expected.
fn way_out(expected: &str, written: &str) -> Option<String> {
    let number = written.trim_matches(['"', '\'']);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && number.parse::<f64>().is_ok_and(|n| n > 0.0);
    match expected {
        "struct Label" if written.starts_with(['"', '\'']) => {
            Some(format!("a label is a table by language: `label = {{ en = {written} }}`"))
        }
        _ if expected.starts_with("a length of time") && is_number => {
            Some(format!("say of which unit, in quotes: write `\"{number}s\"` or `\"{number}m\"`"))
        }
        _ if expected.starts_with("a number") && is_number => Some(format!("write it without quotes: `{number}`")),
        // serde names the types of Rust; a user is told what to write.
        "u8" | "u16" | "u32" | "u64" | "usize" => Some("write a whole number from 0 on".to_string()),
        "i8" | "i16" | "i32" | "i64" | "isize" => Some("write a whole number".to_string()),
        "f32" | "f64" => Some("write a number".to_string()),
        "a boolean" => Some("write `true` or `false`".to_string()),
        "a string" => Some("write a text in quotes".to_string()),
        "a sequence" => Some("write a list: `[…, …]`".to_string()),
        "a map" | "struct Label" => Some("write a table: `{ … = … }`".to_string()),
        _ => None,
    }
}

/// Removes the innermost entry that `span` lies in, by its key or its value, and says its key.
fn remove(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    let inside = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    match value {
        DeValue::Table(table) => {
            let found = table
                .iter()
                .find(|(key, entry)| inside(key.span()) || inside(entry.span()))
                .map(|(key, entry)| (key.clone(), key.span() == *span || entry.span() == *span));
            let Some((key, exact)) = found else {
                // The span of a `[header]` table is its header: what lies below it must be looked for.
                return table.iter_mut().find_map(|(_, entry)| remove(entry.get_mut(), span));
            };
            // The span of a list of `[[header]]` tables is that of its first.
            let is_list = table.get(&key).is_some_and(|entry| entry.get_ref().is_array());
            if (!exact || is_list)
                && let Some(deeper) = table.get_mut(&key).and_then(|entry| remove(entry.get_mut(), span))
            {
                return Some(deeper);
            }
            table.remove(&key);
            Some(key.get_ref().to_string())
        }
        // Without the entry inside, else the table above removes the whole array.
        DeValue::Array(items) => {
            // A table that lacks something says nothing of the others.
            let is_it = |item: &Spanned<DeValue<'_>>| item.get_ref().is_table() && item.span() == *span;
            if items.iter().any(is_it) {
                let others = std::mem::replace(items, DeArray::new()).into_iter().filter(|item| !is_it(item));
                others.for_each(|item| items.push(item));
                return Some(String::new()); // it has no key
            }
            match items.iter_mut().find(|item| inside(item.span())) {
                Some(item) => remove(item.get_mut(), span),
                // As above: of `[[header]]` tables.
                None => items.iter_mut().find_map(|item| remove(item.get_mut(), span)),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Config {
        path: String,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        nested: Nested,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Nested {
        #[serde(default)]
        depth: u32,
    }

    fn faults(text: &str) -> Vec<String> {
        let source = SourceFile::new("t.toml", text);
        let table = match parse_toml(&source) {
            Ok(table) => table,
            Err(faults) => return faults.iter().map(|f| f.to_string()).collect(),
        };
        let span = table.span();
        let value = Spanned::new(span, DeValue::Table(table.into_inner()));
        match decode::<Config>(value, &source) {
            Ok(_) => vec![],
            Err(faults) => faults.iter().map(|f| format!("{f} [{}]", f.help.clone().unwrap_or_default())).collect(),
        }
    }

    #[test]
    fn every_fault_of_a_table_is_reported_with_its_place() {
        assert_eq!(faults("path = 'x'\nratio = 0.5"), Vec::<String>::new());
        assert_eq!(
            faults("pth = 'é'\nratio = 'high'\nnested = { depht = 2, depth = -1 }"),
            [
                "t.toml:3:12: AG0003: unknown key `depht` [did you mean `depth`?]",
                "t.toml:3:31: AG0005: `depth` cannot be the number `-1` [write a whole number from 0 on]",
                "t.toml:1:1: AG0003: unknown key `pth` [did you mean `path`?]",
                "t.toml:2:9: AG0005: `ratio` cannot be the text \"high\" [write a number]",
                "t.toml:1:1: AG0004: the key `path` is missing [add `path = …`]",
            ]
        );
    }

    #[test]
    fn common_mistakes_say_what_to_write() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Label {
            en: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Rule {
            label: Option<Label>,
            #[serde(default)]
            lasts: Option<crate::domain::Span>,
            #[serde(default)]
            grace: crate::domain::Wait,
        }
        let faults = |text: &str| -> Vec<String> {
            let source = SourceFile::new("t.toml", text);
            let faults = decode_file::<Rule>(&source).err().unwrap_or_default();
            faults.iter().map(|f| format!("{f} [{}]", f.help.clone().unwrap_or_default())).collect()
        };
        let seconds = "[say of which unit, in quotes: write `\"5s\"` or `\"5m\"`]";
        assert_eq!(
            faults("label = 'oven'\nlasts = '5'"),
            [
                "t.toml:1:9: AG0005: `label` cannot be the text \"oven\" \
                 [a label is a table by language: `label = { en = 'oven' }`]"
                    .to_string(),
                format!("t.toml:2:9: AG0005: `lasts` cannot be the text \"5\" {seconds}"),
            ]
        );
        assert_eq!(
            faults("grace = 5\nlasts = 0.5"),
            [
                format!("t.toml:1:9: AG0005: `grace` cannot be the number `5` {seconds}"),
                format!("t.toml:2:9: AG0005: `lasts` cannot be the number `0.5` {}", seconds.replace('5', "0.5")),
            ]
        );
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Rules {
            metrics: std::collections::BTreeMap<String, Rule>,
        }
        let source = SourceFile::new("t.toml", "[metrics.core.temp_c]\nhigh = 90");
        let faults_of_rules = decode_file::<Rules>(&source).err().unwrap_or_default();
        let help = "if the name has a dot in it, quote it: `[metrics.\"core.temp_c\"]`";
        assert_eq!(faults_of_rules[0].help.as_deref(), Some(help), "{faults_of_rules:?}");
        assert_eq!(faults("lasts = 'soon'").len(), 1);
        assert!(
            faults("lasts = 'soon'")[0]
                .ends_with("[write a length of time above zero, such as \"30s\", \"1m 30s\" or \"1d\"]")
        );
        assert_eq!(faults("lasts = '5s'\ngrace = '0s'"), Vec::<String>::new());
    }

    #[test]
    fn faults_below_headers_are_reported_together_too() {
        assert_eq!(
            faults("path = 'x'\nratio = 'high'\n[nested]\ndepht = 2\ndepth = -1"),
            [
                "t.toml:4:1: AG0003: unknown key `depht` [did you mean `depth`?]",
                "t.toml:5:9: AG0005: `depth` cannot be the number `-1` [write a whole number from 0 on]",
                "t.toml:2:9: AG0005: `ratio` cannot be the text \"high\" [write a number]",
            ]
        );
    }

    #[test]
    fn faults_of_several_tables_of_a_list_are_reported_together() {
        let source = SourceFile::new(
            "t.toml",
            "[[list]]\npath = 1\n[[list]]\npath = 'x'\nratio = 'high'\n[list.nested]\ndepth = -1",
        );
        let found = decode_file::<BTreeMap<String, Vec<Config>>>(&source).unwrap_err();
        assert_eq!(
            found.iter().map(|f| line_and_column(&source.text, f.place.clone().unwrap().1.start)).collect::<Vec<_>>(),
            [(2, 8), (7, 9), (5, 9)]
        );
    }

    #[test]
    fn syntax_errors_come_alone() {
        let got = faults("path = \nratio = ");
        assert_eq!(got.len(), 2, "{got:?}");
        assert!(got.iter().all(|f| f.contains("AG0001")), "{got:?}");
    }
}
