//! Figures in words, and units where a slot has its own. Slices are by spans of tokens
//! or by places that a search of the same text gave.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

use std::ops::Range;

use crate::domain::Fact;

use super::tokens::{Kind, Token, Word};
use super::{Reason, lexicon};

/// Numbers, multiples, counts of one and spans of time in words.
pub(super) fn counting(text: &str, tokens: &[Token<'_>], reasons: &mut Vec<Reason>) {
    for at in 0..tokens.len() {
        if let Some(length) = counts(tokens, at) {
            let first = tokens[at].span.start; // `counts` looked at these tokens
            let last = tokens[(at + length - 1).min(tokens.len() - 1)].span.end;
            reasons.push(Reason::Counting(text[first..last].to_string()));
        }
    }
    for token in tokens {
        if let Kind::Mark('%') = token.kind
            && !tokens.iter().any(|t| matches!(t.kind, Kind::Fact { .. } | Kind::Faulty) && follows(text, t, token))
        {
            reasons.push(Reason::Counting("%".to_string()));
        }
    }
}

/// How many tokens from `at` on are a figure in words.
fn counts(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let word = |offset: usize| tokens.get(at + offset).and_then(Token::word);
    let folded = |offset: usize| word(offset).map_or("", |w| w.folded.as_ref());
    let before = |back: usize| {
        at.checked_sub(back).and_then(|i| tokens.get(i)).and_then(Token::word).map_or("", |w| w.folded.as_ref())
    };
    let Word { lower, folded: this } = word(0)?;
    let (next, after) = (folded(1), folded(2));
    match this.as_ref() {
        // `les deux` is `both`, unless it counts something.
        "deux" if next.ends_with("iemes") || ["tiers", "quarts"].contains(&next) => Some(2),
        "deux" if ["les", "ces", "des", "aux", "ses"].contains(&before(1)) && !lexicon::is_counted(next) => None,
        "deux" => Some(if next.is_empty() { 1 } else { 2 }),
        "neuf" if lexicon::is_counted(next) => Some(2), // else `new`
        "tiers" if ["un", "le", "d", "du", "deux"].contains(&before(1)) => Some(1), // else a third party
        "couple" | "pair" | "paire" | "handful" | "poignee" | "trio" if ["of", "de", "d"].contains(&next) => Some(2),
        "magnitude" => Some(1),
        "grandeur" if before(1) == "de" && before(2) == "ordre" => Some(1),
        // `one instance at a time` is a manner.
        "one" if (1..6).any(|on| ["another", "by", "others"].contains(&folded(on))) => None,
        "one" if (folded(2), folded(3), folded(4)) == ("at", "a", "time") => None,
        "one" if next == "time" => None,
        "one" => one(&[next, after]),
        "single" | "seul" | "seule" if lexicon::is_counted(next) => Some(2),
        // `a second instance` is another one.
        "second" | "seconde" if !next.is_empty() && !lexicon::is_function_word(next) => None,
        "un" | "une"
            if ["second", "seconde"].contains(&next) && !after.is_empty() && !lexicon::is_function_word(after) =>
        {
            None
        }
        "a" if next == "second" && !after.is_empty() && !lexicon::is_function_word(after) => None,
        "an" | "un" | "une" if lexicon::is_time_unit(next) && !["pointe", "creuse"].contains(&folded(3)) => Some(2),
        "a" if lower == "a" && lexicon::is_time_unit(next) => Some(2), // `à jour` is no day
        "within" | "in" | "under" | "for" | "during" | "over" | "en" | "sous" | "dans" | "ici" | "pendant"
        | "durant" => span_of_time(tokens, at),
        "several" | "few" | "many" | "plusieurs" | "quelques" | "maintes"
            if lexicon::is_time_unit(next) && !next.starts_with("milli") =>
        {
            Some(2)
        }
        "times" if COMPARATIVES.contains(&next) => Some(2),
        "fois" if COMPARATIVES.contains(&next) => Some(2),
        this if lexicon::is_number(this) => Some(if lexicon::is_counted(next) { 2 } else { 1 }),
        _ => None,
    }
}

const COMPARATIVES: &[&str] =
    &["faster", "slower", "more", "less", "fewer", "lower", "higher", "better", "plus", "moins", "mieux", "as"];

/// `one replica`, `one more replica`; not `one of`.
fn one(following: &[&str]) -> Option<usize> {
    let adjectives = ["more", "additional", "extra", "new", "spare", "single", "further", "other"];
    match following {
        [noun, ..] if lexicon::is_counted(noun) => Some(2),
        [adjective, noun] if adjectives.contains(adjective) && lexicon::is_counted(noun) => Some(3),
        _ => None,
    }
}

/// `within minutes`, `en quelques secondes`, `in the next few hours`, `dans l'heure`: a span of time right after its
/// preposition, but for words that say no more than how many or which. Bare it is in the plural. Hours of much or little
/// traffic are none, nor is `in milliseconds`, which names a unit.
fn span_of_time(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let word = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let apostrophe = |at: usize| matches!(tokens.get(at).map(|token| &token.kind), Some(Kind::Mark('\'' | '’')));
    let unit = (at + 1..at + 6).find(|&at| !(DETERMINERS.contains(&word(at)) || apostrophe(at)))?;
    let plural = word(unit).ends_with('s');
    let ordinal = ["second", "seconde"].contains(&word(unit)) && !word(unit + 1).is_empty();
    let rush = ["creuses", "pointe"].iter().any(|rush| [word(unit + 1), word(unit + 2)].contains(rush));
    let is_span = lexicon::is_time_unit(word(unit)) && !word(unit).starts_with("milli") && word(unit) != "an";
    (is_span && (plural || unit > at + 1) && !ordinal && !rush).then_some(unit + 1 - at)
}

/// What may stand between a preposition and a span of time.
#[rustfmt::skip]
const DETERMINERS: &[&str] = &[
    "a", "an", "the", "few", "several", "some", "mere", "next", "coming", "of", "couple", "under", "less", "than", "matter", "single",
    "l", "la", "le", "les", "un", "une", "quelques", "plusieurs", "prochaine", "prochaines", "prochain", "prochains", "last", "past", "many", "these", "des", "derniere", "dernieres", "dernier",
    "derniers", "longues", "longs", "long", "hundreds", "dozens", "cette", "moins", "d",
];

/// Units after slots. The slot's own unit is said twice: its place is the answer, to be dropped. Any other is a
/// fault, since it would change what the figure means.
pub(super) fn units(text: &str, tokens: &[Token<'_>], reasons: &mut Vec<Reason>) -> Vec<Range<usize>> {
    let mut doubled = Vec::new();
    for (at, (token, next)) in tokens.iter().zip(tokens.iter().skip(1)).enumerate() {
        let Kind::Fact { fact, literal } = &token.kind else { continue };
        if !token.is_number() || !follows(text, token, next) {
            continue;
        }
        let written = &text[next.span.clone()];
        if let Some(rate) = rate(text, tokens, at) {
            reasons.push(Reason::Unit(rate));
        }
        // `{headroom} connections`, where headroom is a share.
        let counted =
            fact.unit.is_some() && next.word().is_some_and(|word| lexicon::is_counted_in_plural(&word.folded));
        let is_unit = counted
            || match &next.kind {
                Kind::Mark(c) => "%°".contains(*c),
                // `{uptime} s'élève`: an elided pronoun.
                Kind::Word(word) => lexicon::is_unit(&word.folded) && !text[next.span.end..].starts_with(['\'', '’']),
                _ => false,
            };
        match own_unit(text, fact, next) {
            Some(end) if !literal => doubled.push(token.span.end..end),
            None if !is_unit => {}
            _ => reasons.push(Reason::Unit(written.to_string())),
        }
    }
    doubled
}

/// `per second` after the token at `at`, with what is counted before it: `requests per second`.
fn rate(text: &str, tokens: &[Token<'_>], at: usize) -> Option<String> {
    let words = tokens.iter().skip(at + 1).take(4).map_while(|token| Some((token, token.word()?)));
    let words: Vec<_> = words.collect();
    let is_rate = |pair: &[(&Token<'_>, &Word)]| {
        let [(_, per), (_, unit)] = pair else { return false };
        ["per", "par", "a", "each", "every", "chaque"].contains(&per.lower.as_ref()) && lexicon::is_unit(&unit.folded)
            || ["per", "par"].contains(&per.lower.as_ref()) && lexicon::is_sharer(&unit.folded)
    };
    let place = words.windows(2).position(is_rate)?;
    let (first, last) = (words.first()?.0, words.get(place + 1)?.0);
    Some(text[first.span.start..last.span.end].to_string()) // tokens' spans rise
}

/// Where the fact's own unit ends, if it stands at `next`.
fn own_unit(text: &str, fact: &Fact, next: &Token<'_>) -> Option<usize> {
    let unit = fact.unit.as_deref()?;
    let rest = text.get(next.span.start..)?.strip_prefix(unit)?;
    (!rest.starts_with(|c: char| c.is_alphanumeric() || "'’".contains(c))).then_some(next.span.start + unit.len())
}

/// Whether nothing but white space is between two tokens.
fn follows(text: &str, token: &Token<'_>, next: &Token<'_>) -> bool {
    text.get(token.span.end..next.span.start).is_some_and(|between| between.chars().all(char::is_whitespace))
}
