//! A status in plain words must be the one that the facts have: what is, the newest; what was, the worst.

use crate::domain::{Fact, FactValue, Status};

use super::Reason;
use super::style::fold_words;
use super::tokens::{Kind, Token, sentences};

/// Words for a status of a service.
const WORDS: &[(&str, Status)] = &[
    ("online", Status::Online),
    ("en ligne", Status::Online),
    ("up", Status::Online),
    ("available", Status::Online),
    ("disponible", Status::Online),
    ("healthy", Status::Online),
    ("back", Status::Online),
    ("restored", Status::Online),
    ("degraded", Status::Degraded),
    ("degrade", Status::Degraded),
    ("unhealthy", Status::Degraded),
    ("offline", Status::Offline),
    ("hors ligne", Status::Offline),
    ("hors service", Status::Offline),
    ("en panne", Status::Offline),
    ("down", Status::Offline),
    ("dead", Status::Offline),
    ("unavailable", Status::Offline),
    ("indisponible", Status::Offline),
    ("unreachable", Status::Offline),
    ("injoignable", Status::Offline),
    ("out of service", Status::Offline),
    ("out", Status::Offline),
];

/// What makes a status one of today.
const NOW: &[&str] = &[
    "is",
    "remains",
    "stays",
    "still",
    "now",
    "currently",
    "est",
    "reste",
    "demeure",
    "toujours",
    "encore",
    "actuellement",
    "isn t",
    "is not",
    "n est pas",
    "n est plus",
    "remain",
    "stayed",
    "remained",
];

/// What makes it one of before.
const PAST: &[&str] = &["was", "were", "been", "etait", "ete", "fut", "went", "became", "fell", "gone"];

/// What makes it a case and no statement, or says it of something else.
#[rustfmt::skip]
const CASES: &[&str] = &[
    "if", "when", "whenever", "while", "where", "which", "that", "as", "until", "unless", "once", "standby", "si", "lorsque", "lorsqu", "quand", "des", "ou", "secours", "qui", "tant", "instance",
];

/// Checks the words for a status against the facts.
pub(super) fn stated(tokens: &[Token<'_>], facts: &[Fact], reasons: &mut Vec<Reason>) {
    let status = |tail: &str| {
        facts.iter().find_map(|fact| match fact.value {
            FactValue::Status(status) if fact.name.ends_with(tail) => Some(status),
            _ => None,
        })
    };
    let (Some(newest), Some(worst)) = (status(".newest"), status(".value")) else { return };
    for sentence in
        sentences(tokens).into_iter().flat_map(|s| s.split(|t| matches!(t.kind, Kind::Mark(',' | '(' | ')'))))
    {
        let said = fold_words(sentence);
        // `, which is offline,` states.
        let said = [" qui ", " which "]
            .iter()
            .find_map(|which| said.strip_prefix(which))
            .map_or(said.clone(), |rest| format!(" {rest}"));
        if CASES.iter().any(|case| said.contains(&format!(" {case} "))) {
            continue;
        }
        for (word, claimed) in WORDS {
            let Some((before, _)) = said.split_once(&format!(" {word} ")) else { continue };
            let near: Vec<&str> = before.split(' ').filter(|word| !word.is_empty()).rev().take(3).collect();
            let denied = near.iter().any(|word| ["not", "pas", "plus", "t", "no", "never"].contains(word));
            let has = |listed: &[&str]| near.iter().any(|word| listed.contains(word));
            let holds = |status: Status| (status == *claimed) != denied;
            if has(NOW) && !holds(newest) || !has(NOW) && has(PAST) && !holds(worst) {
                reasons.push(Reason::Status(word.to_string()));
            }
        }
    }
}
