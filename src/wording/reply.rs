//! From a model's reply to a wording that may be published, or to the reasons why not.

use serde_json::Value;

use super::grounding::{Fault, Grounded, ground};
use super::repair::{Edit, Irreparable, repair};
use super::{Wording, misfits};
use crate::domain::{Language, Recommendation};

/// Longer than any answer that could fit the schema; keeps the work on a hostile reply bounded.
const MAX_BYTES: usize = 16 * 1024;

/// Edits of one reply that the ledger lists one by one.
const MAX_EDITS: usize = 12;

/// Ends of an answer that is whole. Compared without case; everything else (`length`, `content_filter`, `tool_calls`,
/// words not known yet) is no success.
const WHOLE: &[&str] = &["", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"];

/// Why a reply cannot be published. Told to the model when it is asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the answer did not end by itself but with `{0}`; answer in full, and shortly")]
    Unfinished(String),
    #[error("the answer is far too long; answer with the JSON object alone")]
    TooLong,
    #[error("{0}; answer with one JSON object and nothing else")]
    Syntax(#[from] Irreparable),
    #[error("{0}")]
    Schema(String),
    #[error("{0}")]
    Grounding(Fault),
    #[error("a name in it stands for nothing; use slots instead of names")]
    Unnamed,
}

/// Reads a reply and holds it to the facts. The ledger starts with the edits of syntax.
///
/// # Errors
/// Everything that is wrong at the first stage that fails: end, syntax, schema, grounding.
pub fn judge(
    text: &str,
    finish_reason: Option<&str>,
    about: &Recommendation,
    language: Language,
) -> Result<Grounded, Vec<Rejection>> {
    let (wording, edits) = read(text, finish_reason)?;
    let mut grounded = ground(&wording, about, language)
        .map_err(|faults| faults.into_iter().map(Rejection::Grounding).collect::<Vec<_>>())?;
    let mut ledger: Vec<String> = edits.iter().take(MAX_EDITS).map(Edit::to_string).collect();
    if let Some(more) = edits.len().checked_sub(MAX_EDITS).filter(|&more| more > 0) {
        ledger.push(format!("and {more} more edits of syntax"));
    }
    ledger.append(&mut grounded.ledger);
    Ok(Grounded { ledger, ..grounded })
}

fn read(text: &str, finish_reason: Option<&str>) -> Result<(Wording, Vec<Edit>), Vec<Rejection>> {
    let end = finish_reason.unwrap_or_default().to_ascii_lowercase();
    if !WHOLE.contains(&end.as_str()) {
        return Err(vec![Rejection::Unfinished(legible(&end, 40))]);
    }
    if text.len() > MAX_BYTES {
        return Err(vec![Rejection::TooLong]);
    }
    let (value, json, edits) = match serde_json::from_str::<Value>(text) {
        Ok(value) => (value, text.to_string(), Vec::new()),
        Err(_) => {
            let repaired = repair(text).map_err(|why| vec![why.into()])?;
            let value = serde_json::from_str(&repaired.json).map_err(|e| vec![Rejection::Schema(e.to_string())])?;
            (value, repaired.json, repaired.edits)
        }
    };
    let misfits = misfits(&value);
    if !misfits.is_empty() {
        return Err(misfits.into_iter().map(Rejection::Schema).collect());
    }
    // From the text, not from the tree: the tree has forgotten a key that came twice.
    match serde_json::from_str(&json) {
        Ok(wording) => Ok((wording, edits)),
        Err(error) => Err(vec![Rejection::Schema(error.to_string())]),
    }
}

/// Foreign text for a message: controls and unseen characters are made visible, and at most `characters` are kept.
pub fn legible(text: &str, characters: usize) -> String {
    let mut kept: String = text
        .chars()
        .take(characters)
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '\u{fffd}',
            '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => '\u{fffd}',
            '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if text.chars().nth(characters).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, finish_reason: Option<&str>, expected: Result<usize, &str>) {
        let got = read(text, finish_reason);
        match (got, expected) {
            (Ok((_, edits)), Ok(count)) => assert_eq!(edits.len(), count, "{text:?}"),
            (Err(why), Err(part)) => {
                let why: Vec<String> = why.iter().map(Rejection::to_string).collect();
                assert!(why.join("; ").contains(part), "{text:?}: {why:?}");
            }
            (got, _) => panic!("{text:?}: {got:?}"),
        }
    }

    #[test]
    fn a_reply_is_read_only_when_it_is_whole_and_fits() {
        let whole = r#"{"action": "a b", "benefit_estimate": "c d"}"#;
        for end in [None, Some(""), Some("stop"), Some("STOP"), Some("eos"), Some("end_turn")] {
            check(whole, end, Ok(0));
        }
        for end in ["length", "model_length", "max_tokens", "content_filter", "tool_calls", "error", "load"] {
            check(whole, Some(end), Err(end));
        }
        check(&format!("```json\n{whole}\n```"), None, Ok(1));
        check("", None, Err("no JSON object"));
        check("null", None, Err("the answer does not fit the schema"));
        check(r#"{"action": "a b"}"#, None, Err("benefit_estimate"));
        check(r#"{"action": "a", "action": "b", "benefit_estimate": "c"}"#, None, Err("duplicate field `action`"));
        check(r#"{"action": "a", "benefit_estimate": "c", "target": "db"}"#, None, Err("target"));
        check(&format!("{whole}{}", " ".repeat(MAX_BYTES)), None, Err("far too long"));
    }

    #[test]
    fn foreign_text_is_made_legible() {
        assert_eq!(legible("a\u{202e}b\nc\u{1b}[31m", 20), "a\u{fffd}b c\u{fffd}[31m");
        assert_eq!(legible("éééé", 3), "ééé…");
    }
}
