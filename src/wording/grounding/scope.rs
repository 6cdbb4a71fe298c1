//! Of how much something is said: of everything, or of all of what the plan does not speak of. Slices are by spans of
//! tokens.

use super::style::{fold_words, has_phrase};
use super::tokens::Token;
use super::vocabulary::Words;
use super::{Reason, lexicon};

/// Words for all there is.
const EVERYTHING: &[&str] = &["everything", "everyone", "everybody", "everywhere", "nobody", "partout"];

/// Words for all of a kind.
const ALL: &[&str] = &[
    "all", "every", "entire", "whole", "tous", "toutes", "entier", "entiere", "entiers", "entieres", "majority",
    "majorite",
];

/// What there may be many of, beside what is counted.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "fleet", "cluster", "platform", "estate", "system", "systems", "infrastructure", "metrics", "incidents", "outages", "problems", "data",
    "flotte", "parc", "plateforme", "systeme", "systemes", "metriques", "incidents", "problemes", "pannes", "donnees",
];

/// Beginnings of verbs of telling and knowing.
const TELLING: &[&str] =
    &["say", "tell", "know", "reveal", "show", "indic", "indiqu", "dit", "dire", "sait", "savoir", "montr", "permet"];

/// `everything`, and `all hosts` where the plan is of one: no fact says so.
pub(super) fn sweeping(
    text: &str,
    tokens: &[Token<'_>],
    plan: &[Token<'_>],
    words: &Words<'_>,
    reasons: &mut Vec<Reason>,
) {
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let mut after = tokens.iter().skip(at + 1).take(6).filter_map(Token::word);
        let sweeps = if EVERYTHING.contains(&&*word.folded) {
            // `nobody can say by how much`
            !after.any(|word| TELLING.iter().any(|stem| word.folded.starts_with(stem)))
        } else {
            let of_kind = |word: &str| lexicon::is_counted(word) || KINDS.contains(&word);
            let mut nouns = tokens.iter().skip(at + 1).take(3).map_while(Token::word);
            ALL.contains(&&*word.folded) && nouns.any(|noun| of_kind(&noun.folded) && !words.is_of_plan(&noun.folded))
        };
        let planned = |word: &str| plan.iter().filter_map(Token::word).any(|planned| planned.folded == word);
        if sweeps && !planned(&word.folded) {
            reasons.push(Reason::Sweeping(text[token.span.clone()].to_string()));
        }
    }
    let (said, planned) = (fold_words(tokens), fold_words(plan));
    let phrase =
        ["most of", "la plupart", "tout le reste"].iter().find(|p| has_phrase(&said, p) && !has_phrase(&planned, p));
    if let Some(phrase) = phrase {
        reasons.push(Reason::Sweeping(phrase.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_as_words_are_looked_up() {
        for word in [EVERYTHING, ALL, KINDS, TELLING].into_iter().flatten() {
            assert_eq!(*word, lexicon::fold(&word.to_lowercase()));
        }
    }
}
