//! Where two JSON values differ, for a person: two requests, two outputs.

use serde_json::Value;

/// One place at which two values differ; `None` where it has nothing there.
struct Place<'a> {
    path: String,
    recorded: Option<&'a Value>,
    asked: Option<&'a Value>,
}

/// The index of the recorded request that is nearest to the one asked: the fewest places, then the longest
/// agreement within them; the earlier one of two that are as near.
pub(super) fn nearest<'a>(asked: &Value, recorded: impl IntoIterator<Item = &'a Value>) -> Option<usize> {
    let distance = |candidate: &Value| {
        let places = places(candidate, asked);
        let agreement: usize = places.iter().map(|place| common_start(place).0).sum();
        (places.len(), usize::MAX - agreement)
    };
    recorded.into_iter().enumerate().min_by_key(|(_, candidate)| distance(candidate)).map(|(index, _)| index)
}

/// A few lines, three for each of the first places, under these two names.
pub fn describe(recorded: &Value, asked: &Value, names: [&str; 2]) -> String {
    const SHOWN: usize = 6;
    let places = places(recorded, asked);
    let mut lines: Vec<String> = places
        .iter()
        .take(SHOWN)
        .map(|place| {
            let start = common_start(place).1;
            let recorded = excerpt(place.recorded, start);
            let asked = excerpt(place.asked, start);
            let width = names.iter().map(|name| name.len() + 1).max().unwrap_or(0);
            let [a, b] = names.map(|name| format!("{name}:"));
            format!("  {}\n    {a:<width$} {recorded}\n    {b:<width$} {asked}", place.path)
        })
        .collect();
    if places.len() > SHOWN {
        lines.push(format!("  and {} more places", places.len() - SHOWN));
    }
    lines.join("\n")
}

fn places<'a>(recorded: &'a Value, asked: &'a Value) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    walk(String::new(), Some(recorded), Some(asked), &mut found);
    found
}

fn walk<'a>(path: String, recorded: Option<&'a Value>, asked: Option<&'a Value>, found: &mut Vec<Place<'a>>) {
    match (recorded, asked) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let only_asked = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_asked) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(path, a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(format!("{path}[{index}]"), a.get(index), b.get(index), found);
            }
        }
        (recorded, asked) => found.push(Place { path, recorded, asked }),
    }
}

/// How many characters of two strings agree, from the start and from the end together; and from the start alone.
fn common_start(place: &Place<'_>) -> (usize, usize) {
    let (Some(Value::String(a)), Some(Value::String(b))) = (place.recorded, place.asked) else {
        return (0, 0);
    };
    let start = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let end = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b).count();
    (start + end, start)
}

/// The text around the character from which on it differs.
fn excerpt(value: Option<&Value>, from: usize) -> String {
    const BEFORE: usize = 24;
    const LENGTH: usize = 88;
    let text = match value {
        None => return "nothing".to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let skipped = from.saturating_sub(BEFORE);
    let shown: String = text.chars().skip(skipped).take(LENGTH).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if text.chars().nth(skipped + LENGTH).is_some() { "…" } else { "" };
    format!("{before}{}{after}", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 2] = ["recorded", "asked"];

    #[test]
    fn the_nearest_request_and_its_differences_are_shown() {
        let recorded = [
            json!({ "model": "m", "messages": [{ "content": "The CPU of web-1 is at 91 percent of what it has." }] }),
            json!({ "model": "m", "messages": [{ "content": "The CPU of web-1 is at 85 percent of what it has." }], "seed": 1 }),
            json!({ "model": "other", "messages": [] }),
        ];
        let asked =
            json!({ "model": "m", "messages": [{ "content": "The CPU of web-1 is at 92 percent of what it has." }] });
        assert_eq!(nearest(&asked, &recorded), Some(0));
        assert_eq!(nearest(&asked, []), None);
        assert_eq!(
            describe(&recorded[1], &asked, NAMES),
            "  messages[0].content\n    recorded: The CPU of web-1 is at 85 percent of what it has.\
             \n    asked:    The CPU of web-1 is at 92 percent of what it has.\
             \n  seed\n    recorded: 1\n    asked:    nothing"
        );
        let long = |middle: &str| json!({ "t": format!("{}{middle}\n{}", "é".repeat(300), "y".repeat(300)) });
        let shown = describe(&long("A"), &long("B"), NAMES);
        assert!(shown.contains("…éééé") && shown.contains("éA\\nyy") && shown.len() < 600, "{shown}");
    }
}
