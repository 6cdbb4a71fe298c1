//! Clauses without a fact: what they speak of must be of the plan or of the facts, and what they say would rise or fall
//! must not be turned around. Slices are by spans of tokens.

use super::{Field, Reason};
use super::facts::Known;
use super::levels::{DENYING, Level, level};
use super::lexicon::{CONDITIONS, NEGATIONS};
use super::tokens::{Kind, Token, Word};
use super::vocabulary::Words;

/// Checks a benefit against the planned one.
pub(super) fn benefit(
    text: &str,
    tokens: &[Token<'_>],
    (known, words): (&Known<'_>, &Words),
    reasons: &mut Vec<Reason>,
) {
    let plan = known.planned(Field::Benefit);
    for clause in clauses(tokens).into_iter().filter(|clause| !clause.iter().any(is_fact)) {
        another(text, clause, words, reasons);
    }
    let (said, planned) = (moves(tokens), moves(plan));
    let planned: Vec<Level> = planned.into_iter().map(|(level, _)| level).collect();
    for (level, at) in said {
        if let (true, false, Some(token)) =
            (planned.contains(&level.opposite()), planned.contains(&level), tokens.get(at))
        {
            reasons.push(Reason::Reversed(text[token.span.clone()].to_string()));
        }
    }
    // A plan that says that there is no estimate: a wording of it must say so too.
    let denies = plan.first().and_then(Token::word).is_some_and(|word| DENIALS.contains(&word.folded.as_ref()));
    let denied = tokens.iter().filter_map(Token::word).any(|word| DENIALS.contains(&word.folded.as_ref()));
    if denies && !denied {
        reasons.push(Reason::Slotless(text.chars().take(80).collect()));
    }
}

/// What makes a sentence one that denies.
const DENIALS: &[&str] = &[
    "no",
    "not",
    "cannot",
    "nothing",
    "none",
    "nor",
    "neither",
    "t",
    "unknown",
    "without",
    "impossible",
    "aucun",
    "aucune",
    "ne",
    "n",
    "rien",
    "inconnu",
    "inconnue",
    "sans",
    "ni",
    "pas",
];

/// A noun with an article before the target, of which nothing is known: `the clients that call {target}`.
pub(super) fn objects(text: &str, tokens: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
    let target = |token: &Token<'_>| match &token.kind {
        Kind::Fact { fact, .. } => fact.name == "target",
        Kind::Name => true,
        _ => false,
    };
    let Some(end) = tokens.iter().position(target) else { return };
    let before = tokens.get(..end).unwrap_or_default();
    for pair in before.windows(2) {
        let [Some(article), Some(noun)] = [pair.first(), pair.last()].map(|token| token.and_then(Token::word)) else {
            continue;
        };
        let is_article = ["the", "le", "la", "les"].contains(&article.lower.as_ref());
        if let (true, true, Some(token)) = (is_article, words.is_unknown(noun), pair.last()) {
            reasons.push(Reason::Foreign(text[token.span.clone()].to_string()));
        }
    }
}

fn is_fact(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Fact { .. } | Kind::Name | Kind::Faulty)
}

/// Cut at marks and at what joins clauses.
fn clauses<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let joins = ["and", "but", "which", "while", "whereas", "so", "et", "mais", "qui", "tandis", "donc"];
    let ends = |token: &Token<'_>| match &token.kind {
        Kind::Mark(c) => !"'’\"“”«»-".contains(*c),
        Kind::Word(word) => joins.contains(&word.folded.as_ref()),
        _ => false,
    };
    tokens.split(ends).filter(|clause| !clause.is_empty()).collect()
}

/// `and the backups would be faster`: what would be so is nothing that the plan or a fact speaks of. What follows a
/// condition is supposed; `cache-friendly` tells only what kind.
fn another(text: &str, clause: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
    let folded = |at: usize| clause.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let supposed =
        |at: &usize| CONDITIONS.contains(&folded(*at)) || folded(*at) == "s" && folded(at + 2).starts_with("il");
    let end = (0..clause.len()).find(supposed).unwrap_or(clause.len());
    let clause = clause.get(..end).unwrap_or_default();
    if !clause.iter().filter_map(Token::word).any(is_conditional) {
        return;
    }
    let is_noun =
        |at: usize| !folded(at).contains('-') && at.checked_sub(1).is_none_or(|at| NOUNS_FOLLOW.contains(&folded(at)));
    let unknown =
        |(at, token): &(usize, &Token<'_>)| token.word().is_some_and(|word| words.is_unknown(word)) && is_noun(*at);
    if let Some((_, token)) = clause.iter().enumerate().find(unknown) {
        reasons.push(Reason::Foreign(text[token.span.clone()].to_string()));
    }
}

/// What a noun stands right after, or nothing.
#[rustfmt::skip]
const NOUNS_FOLLOW: &[&str] = &[
    "a", "an", "the", "of", "its", "their", "our", "un", "une", "le", "la", "les", "l", "des", "du", "de", "d", "son", "sa", "ses", "leur",
    "leurs", "also", "aussi",
];

/// By its accents: `disparaît` is no conditional.
fn is_conditional(word: &Word) -> bool {
    ["should", "would", "could", "might", "may", "can"].contains(&word.lower.as_ref())
        || word.lower.ends_with("rait")
        || word.lower.ends_with("raient")
}

/// What would rise or fall, as the verb after an auxiliary or in the French conditional, and where.
fn moves(tokens: &[Token<'_>]) -> Vec<(Level, usize)> {
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let mut moves = Vec::new();
    let conditional = |at: &usize| tokens.get(*at).and_then(Token::word).is_some_and(is_conditional);
    for at in (0..tokens.len()).filter(conditional) {
        // The verb itself in French, else one of the next.
        let verb = (at..at + 4).find_map(|at| {
            let (level, _) = level(at, folded)?;
            matches!(level, Level::Rising | Level::Falling).then_some((level, at))
        });
        let Some((level, verb)) = verb else { continue };
        let denied = (at..=verb + 1).any(|at| DENYING.contains(&folded(at)) || NEGATIONS.contains(&folded(at)));
        moves.push((if denied { level.opposite() } else { level }, verb));
    }
    moves
}
