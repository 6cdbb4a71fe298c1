use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The records of an answer, each on a line, as written.
///
/// # Errors
/// Why there are none where they should be, as a lower-case fragment.
pub(super) fn records(body: &[u8], path: Option<&str>) -> Result<Vec<Vec<u8>>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8 text".to_string())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parsed = serde_json::from_str::<&RawValue>(text);
    let whole = match (parsed, path) {
        (Ok(whole), _) => whole,
        // A line that is no record is for the decoder to judge.
        (Err(_), None) if text.starts_with('{') => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            return Ok(lines.map(|line| line.as_bytes().to_vec()).collect());
        }
        (Err(error), _) => return Err(format!("the answer is no JSON: {error}")),
    };
    let found = match path {
        None => whole,
        Some(path) => at(whole, path).ok_or_else(|| {
            let keys = serde_json::from_str::<BTreeMap<String, &RawValue>>(whole.get()).unwrap_or_default();
            let keys: Vec<String> = keys.into_keys().take(10).map(|key| format!("`{}`", key.escape_debug())).collect();
            match keys.is_empty() {
                true => format!("the answer has nothing under `{path}`"),
                false => format!("the answer has nothing under `{path}`; its keys are {}", keys.join(", ")),
            }
        })?,
    };
    // Line breaks of valid JSON stand between its parts only.
    let line = |raw: &RawValue| raw.get().bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }).collect();
    match found.get().as_bytes().first() {
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(found.get()).map_err(|error| error.to_string())?;
            Ok(elements.into_iter().map(line).collect())
        }
        Some(b'{') => Ok(vec![line(found)]),
        Some(b'n') => Ok(Vec::new()), // null, for an empty list
        _ => Err("the records are neither an array nor an object".to_string()),
    }
}

/// A text or number of an answer; `None` where it is absent, null, empty or anything else.
pub(super) fn text(body: &[u8], path: &str) -> Option<String> {
    let whole: &RawValue = serde_json::from_slice(body).ok()?;
    match serde_json::from_str(at(whole, path)?.get()).ok()? {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn at<'a>(whole: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    path.split('.').try_fold(whole, |value, key| {
        serde_json::from_str::<BTreeMap<String, &'a RawValue>>(value.get()).ok()?.remove(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_in_answers_of_all_shapes() {
        let found = |body: &str, path: Option<&str>| {
            let lines = records(body.as_bytes(), path)?;
            Ok::<_, String>(lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect::<Vec<_>>())
        };
        let two = ["{\"a\":1}", "{\"a\":2}"].map(String::from).to_vec();
        for (body, path) in [
            ("[{\"a\":1},{\"a\":2}]", None),
            ("{\"a\":1}\n\n{\"a\":2}\n", None),
            ("{\"data\":{\"items\":[{\"a\":1},{\"a\":2}]}}", Some("data.items")),
            ("{\"data\":[{\"a\":1},{\"a\":2}],\"n\":1}", Some("data")),
        ] {
            assert_eq!(found(body, path), Ok(two.clone()), "{body}");
        }
        assert_eq!(found("[\n {\n\"a\": 1.50\r\n}\n]", None), Ok(vec!["{ \"a\": 1.50  }".to_string()]));
        assert_eq!(found("{\"a\":1}", None), Ok(vec!["{\"a\":1}".to_string()]));
        for (body, path) in [("", None), ("[]", None), ("{\"d\":null}", Some("d")), (" \n", Some("d"))] {
            assert_eq!(found(body, path), Ok(vec![]), "{body}");
        }
        for (body, path, expected) in [
            ("<html>", None, "the answer is no JSON: expected value at line 1 column 1"),
            ("{\"a\":{}}", Some("a.b"), "the answer has nothing under `a.b`; its keys are `a`"),
            ("[1]", Some("a"), "the answer has nothing under `a`"),
            ("{\"a\":5}", Some("a"), "the records are neither an array nor an object"),
        ] {
            assert_eq!(found(body, path), Err(expected.to_string()), "{body}");
        }
    }

    #[test]
    fn texts_are_found() {
        let body = b"{\"meta\":{\"next\":\"abc\",\"page\":2,\"none\":null,\"empty\":\"\",\"more\":true}}";
        for (path, expected) in [
            ("meta.next", Some("abc")),
            ("meta.page", Some("2")),
            ("meta.none", None),
            ("meta.empty", None),
            ("meta.more", None),
            ("meta.absent", None),
        ] {
            assert_eq!(text(body, path).as_deref(), expected, "{path}");
        }
    }
}
