//! Other services, hosts and metrics of the run that are called by plain words. `database` is such a name where a service
//! is called so; a sentence about another target may use it as a common noun only: `add a database`. Slices are by spans
//! of tokens.

use std::collections::BTreeSet;

use crate::domain::{Language, Recommendation};

use super::facts::Known;
use super::tokens::{Token, Word, tokenize};
use super::{Reason, lexicon};

/// The names that a sentence may not use, folded. Not those that the plan's own sentences use as words, nor words that no
/// sentence can do without.
pub(super) fn names(about: &Recommendation, known: &Known<'_>) -> BTreeSet<String> {
    let folded = about.others.iter().map(|name| lexicon::fold(&name.to_lowercase()));
    let mut names: BTreeSet<String> =
        folded.filter(|name| name.chars().count() > 1 && !lexicon::is_function_word(name)).collect();
    if names.is_empty() {
        return names;
    }
    for planned in [&about.slots.action, &about.slots.benefit_estimate] {
        for token in tokenize(planned, known, &mut Vec::new()) {
            token.word().into_iter().flat_map(parts).for_each(|part| {
                names.remove(part);
            });
        }
    }
    names
}

/// Words that name something else of the run.
pub(super) fn named(
    text: &str,
    tokens: &[Token<'_>],
    names: &BTreeSet<String>,
    language: Language,
    reasons: &mut Vec<Reason>,
) {
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        if parts(word).any(|part| names.contains(part)) && !is_common_noun(tokens, at, language) {
            reasons.push(Reason::Other(text[token.span.clone()].to_string()));
        }
    }
}

/// `a cache`, `a response cache`, `un nouveau cache`: one that is not there yet. Not `a cache restart`, which is done to
/// the one that is.
fn is_common_noun(tokens: &[Token<'_>], at: usize, language: Language) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word);
    let articles = match language {
        Language::En => ["a", "an"],
        Language::Fr => ["un", "une"],
    };
    let is_article = |word: &Word| articles.contains(&word.lower.as_str());
    let is_done = |word: &Word| lexicon::OPERATIONS.contains(&word.folded.as_str());
    let is_adjective = |word: &Word| !lexicon::is_function_word(&word.folded) && !is_done(word);
    let before = word(at.checked_sub(1));
    let new = before.is_some_and(is_article)
        || before.is_some_and(is_adjective) && word(at.checked_sub(2)).is_some_and(is_article);
    new && !word(Some(at + 1)).is_some_and(is_done)
}

/// `load-balanced` is two words.
fn parts(word: &Word) -> impl Iterator<Item = &str> {
    word.folded.split('-')
}
