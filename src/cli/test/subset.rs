//! Whether a JSON value has what is expected of it: objects at least these keys, lists at least these elements in any order,
//! numbers alike to nine significant digits, all else the same.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;

use super::json::Json;
use crate::domain::Figure;

/// Characters of a value that a message shows.
const SHOWN: usize = 160;

/// What is not there, and where it is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// What of `expected` the value at `path` does not have. `None` is a value that is not there.
pub fn mismatches(path: &str, expected: &Spanned<Json>, actual: Option<&Value>) -> Vec<Mismatch> {
    if let Some(verdict) = condition(path, expected, actual) {
        return verdict.map(|message| fault(expected, message)).into_iter().collect();
    }
    match (expected.get_ref(), actual) {
        (_, None) => vec![fault(expected, format!("there is no `{path}`"))],
        (Json::Table(entries), Some(Value::Object(object))) => {
            let entry =
                |(key, value): &(String, Spanned<Json>)| mismatches(&format!("{path}.{key}"), value, object.get(key));
            let mut found: Vec<Mismatch> = entries.iter().flat_map(entry).collect();
            let keys: Vec<&str> = object.keys().map(String::as_str).collect();
            for missing in found.iter_mut().filter(|m| m.help.is_none() && m.message.starts_with("there is no ")) {
                missing.help = Some(format!("`{path}` has: {}", keys.join(", ")));
            }
            found
        }
        (Json::List(items), Some(Value::Array(values))) => unmatched(path, items, values),
        (Json::Plain(wanted), Some(actual)) if is_same(wanted, actual) => Vec::new(),
        (wanted, Some(actual)) => {
            let message = format!("`{path}` is {}, not {}", shown(actual), shown(&wanted.value()));
            vec![fault(expected, message)]
        }
    }
}

fn fault(expected: &Spanned<Json>, message: String) -> Mismatch {
    Mismatch { span: expected.span(), message, help: None }
}

/// Numbers as a report has them.
fn is_same(wanted: &Value, actual: &Value) -> bool {
    match (wanted.as_f64(), actual.as_f64()) {
        (Some(wanted), Some(actual)) => Figure::new(wanted) == Figure::new(actual),
        _ => wanted == actual,
    }
}

/// A table that says something of a value instead of being one: `{ contains = "…" }` of a text, `{ length = 3 }` of a list,
/// `{ about = 5, within = 0.1 }` of a number, `{ absent = true }`. `None` is any other expectation; inside, what is wrong.
fn condition(path: &str, expected: &Spanned<Json>, actual: Option<&Value>) -> Option<Option<String>> {
    let Json::Table(entries) = expected.get_ref() else { return None };
    let entry = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, value)| value.get_ref());
    if let (Some(about), Some(within), 2) = (entry("about"), entry("within"), entries.len())
        && let (Some(about), Some(within), Some(actual)) = (about.number(), within.number(), actual?.as_f64())
    {
        let is_near = (actual - about).abs() <= within;
        return Some((!is_near).then(|| format!("`{path}` is {actual}, not within {within} of {about}")));
    }
    let (key, value) = expected.get_ref().only()?;
    match (key, value.get_ref().value(), actual) {
        ("absent", Value::Bool(true), None | Some(Value::Null)) => Some(None),
        ("absent", Value::Bool(true), Some(actual)) if !actual.is_object() => {
            Some(Some(format!("`{path}` is {}, and should not be there", shown(actual))))
        }
        ("contains", Value::String(part), Some(Value::String(text))) => {
            let message = || format!("`{path}` is {}, which does not contain {part:?}", shown(&text.as_str().into()));
            Some((!text.contains(&part)).then(message))
        }
        ("length", wanted, Some(Value::Array(items))) if wanted.is_u64() => {
            let differs = wanted.as_u64() != Some(items.len() as u64);
            let message =
                || format!("`{path}` has {} elements, not {wanted}: {}", items.len(), shown(&items.as_slice().into()));
            Some(differs.then(message))
        }
        _ => None,
    }
}

/// What of the expected elements has no element of its own.
fn unmatched(path: &str, expected: &[Spanned<Json>], actual: &[Value]) -> Vec<Mismatch> {
    let element = |at: usize| format!("{path}[{at}]");
    let compare = |wanted: &Spanned<Json>| -> Vec<Vec<Mismatch>> {
        actual.iter().enumerate().map(|(at, value)| mismatches(&element(at), wanted, Some(value))).collect()
    };
    let compared: Vec<Vec<Vec<Mismatch>>> = expected.iter().map(compare).collect();
    let fits: Vec<Vec<usize>> = compared
        .iter()
        .map(|row| row.iter().enumerate().filter(|(_, found)| found.is_empty()).map(|(at, _)| at).collect())
        .collect();
    // Kuhn's matching: lists are short.
    let mut taken: Vec<Option<usize>> = vec![None; actual.len()];
    let alone: Vec<usize> =
        (0..fits.len()).filter(|wanted| !settle(*wanted, &fits, &mut taken, &mut vec![false; actual.len()])).collect();
    let told = |wanted: usize| {
        let place = expected.get(wanted)?;
        let nearest = compared.get(wanted)?.iter().min_by_key(|found| found.len());
        let help = match nearest {
            None => format!("`{path}` is empty"),
            Some(found) if found.is_empty() => "the elements that fit are matched by other expectations".to_string(),
            Some(found) => {
                let lines: Vec<&str> = found.iter().take(3).map(|m| m.message.as_str()).collect();
                format!("of the nearest one, {}", lines.join("; "))
            }
        };
        let message = format!("no element of `{path}` is {}", shown(&place.get_ref().value()));
        Some(Mismatch { help: Some(help), ..fault(place, message) })
    };
    alone.into_iter().filter_map(told).collect()
}

/// Finds a place for an expectation, moving others if it must.
fn settle(wanted: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &at in fits.get(wanted).into_iter().flatten() {
        if tried.get(at).copied().unwrap_or(true) {
            continue;
        }
        tried[at] = true; // `get` found it, and `taken` is as long
        if taken[at].is_none_or(|other| settle(other, fits, taken, tried)) {
            taken[at] = Some(wanted);
            return true;
        }
    }
    false
}

/// A value on one line, cut where it is long.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::diagnostic::{SourceFile, decode_file};

    #[derive(Deserialize)]
    struct Holder {
        v: Spanned<Json>,
    }

    /// The messages, with the text that is underlined.
    fn check(expected: &str, actual: Value, messages: &[&str]) {
        let source = SourceFile::new("t", format!("v = {expected}"));
        let holder: Holder = decode_file(&source).unwrap();
        let told: Vec<String> = mismatches("v", &holder.v, Some(&actual))
            .into_iter()
            .map(|m| format!("{}: {} [{}]", &source.text[m.span], m.message, m.help.unwrap_or_default()))
            .collect();
        assert_eq!(told, messages, "{expected} of {actual}");
    }

    #[test]
    fn objects_have_at_least_the_keys() {
        check("{ a = 1 }", json!({ "a": 1.0, "b": 2 }), &[]);
        check("{ a = 1, c = { d = 'x' } }", json!({ "a": 1, "c": { "d": "x", "e": null } }), &[]);
        check("{ a = 2 }", json!({ "a": 1 }), &["2: `v.a` is 1, not 2 []"]);
        check("{ b = 2 }", json!({ "a": 1 }), &["2: there is no `v.b` [`v` has: a]"]);
        check("{ a = 0.1234567891 }", json!({ "a": 0.123456789 }), &[]);
        check("2024-01-01T02:00:00+02:00", json!("2024-01-01T00:00:00Z"), &[]);
        check("'1'", json!(1), &["'1': `v` is 1, not \"1\" []"]);
        check("[1]", json!({ "a": 1 }), &["[1]: `v` is {\"a\":1}, not [1] []"]);
    }

    #[test]
    fn each_expected_element_has_one_of_its_own() {
        check("[2, 1]", json!([1, 2, 3]), &[]);
        check("[]", json!([1]), &[]);
        check(
            "[1, 1]",
            json!([1, 2]),
            &["1: no element of `v` is 1 [the elements that fit are matched by other expectations]"],
        );
        // The first would take the only one that the second fits.
        check("[{ a = 1 }, { a = 1, b = 2 }]", json!([{ "a": 1, "b": 2 }, { "a": 1 }]), &[]);
        check(
            "[{ a = 1, b = 3 }]",
            json!([{ "a": 2, "b": 2 }, { "a": 1, "b": 2 }]),
            &["{ a = 1, b = 3 }: no element of `v` is {\"a\":1,\"b\":3} [of the nearest one, `v[1].b` is 2, not 3]"],
        );
        check("[1]", json!([]), &["1: no element of `v` is 1 [`v` is empty]"]);
    }

    #[test]
    fn conditions_instead_of_values() {
        check("{ a = { contains = 'web' } }", json!({ "a": "on web-1" }), &[]);
        check(
            "{ contains = 'db' }",
            json!("web"),
            &["{ contains = 'db' }: `v` is \"web\", which does not contain \"db\" []"],
        );
        check("{ contains = 'db' }", json!({ "contains": "db" }), &[]);
        check("{ length = 2 }", json!([1, 2]), &[]);
        check("{ length = 0 }", json!([1]), &["{ length = 0 }: `v` has 1 elements, not 0: [1] []"]);
        check("{ about = 5, within = 0.5 }", json!(5.5), &[]);
        check(
            "{ about = 5, within = 0.5 }",
            json!(5.6),
            &["{ about = 5, within = 0.5 }: `v` is 5.6, not within 0.5 of 5 []"],
        );
        check("{ a = { absent = true }, b = { absent = true } }", json!({ "a": null }), &[]);
        check("{ absent = true }", json!(1), &["{ absent = true }: `v` is 1, and should not be there []"]);
    }
}
