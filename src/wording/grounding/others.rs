//! Other services, hosts and metrics of the run that are called by plain words. `database` is such a name where a service
//! is called so; a sentence about another target may use it as a common noun only: `add a database`. Slices are by spans
//! of tokens.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::domain::{Language, Recommendation};

use super::facts::Known;
use super::tokens::{Token, Word};
use super::vocabulary::Words;
use super::{Field, Reason, lexicon};

/// The names that a sentence may not use, folded, with a space between their words. Not those that the plan's own
/// sentences use as words, nor words that no sentence can do without.
pub(super) fn names(about: &Recommendation, known: &Known<'_>) -> BTreeSet<String> {
    let folded = about.others.iter().map(|name| lexicon::fold(&name.to_lowercase()).replace(['-', '_'], " "));
    let mut names: BTreeSet<String> =
        folded.filter(|name| name.chars().count() > 1 && !lexicon::is_function_word(name)).collect();
    for planned in [Field::Action, Field::Benefit].map(|field| known.planned(field)) {
        for at in 0..planned.len() {
            while let Some(name) = stands_at(&names, planned, at).map(|(name, _)| name.to_string()) {
                names.remove(&name);
            }
        }
    }
    names
}

/// Words that name something else of the run.
pub(super) fn named(
    text: &str,
    tokens: &[Token<'_>],
    (known, words): (&Known<'_>, &Words<'_>),
    reasons: &mut Vec<Reason>,
) {
    let (names, language) = (&known.others, known.language);
    for (at, token) in tokens.iter().enumerate() {
        let written = &text[token.span.clone()];
        let extends = |name: &&str| {
            let rest = written.strip_prefix(*name).and_then(|rest| rest.strip_prefix('-'));
            rest.or_else(|| written.strip_suffix(*name).and_then(|rest| rest.strip_suffix('-'))).is_some()
        };
        let shaped = token.word().is_some_and(|word| {
            lexicon::is_named_by_parts(&word.folded) && !word.folded.split('-').all(|part| words.is_given(part))
        });
        if shaped || written.contains('-') && token.word().is_some() && known.joined_names().any(|name| extends(&name))
        {
            reasons.push(Reason::Identifier(written.to_string()));
            continue;
        }
        let about = token.word().is_some_and(|word| words.is_about_other(&word.folded));
        if about && !is_common_noun(tokens, at, language) {
            reasons.push(Reason::Other(text[token.span.clone()].to_string()));
        }
        let Some((_, length)) = stands_at(names, tokens, at) else { continue };
        if length > 1 || !is_common_noun(tokens, at, language) {
            let end = tokens.get(at + length - 1).map_or(token.span.end, |last| last.span.end);
            reasons.push(Reason::Other(text[token.span.start..end].to_string())); // tokens' spans rise
        }
    }
}

/// The name that stands at a place, and how many tokens it is. A hyphen is as good as a space, and a part of a word with
/// one is a word.
fn stands_at<'n>(names: &'n BTreeSet<String>, tokens: &[Token<'_>], at: usize) -> Option<(&'n str, usize)> {
    let folded = tokens.get(at)?.word()?.folded.as_ref();
    let whole = match folded.contains('-') {
        true => names.get(&folded.replace('-', " ")).or_else(|| folded.split('-').find_map(|part| names.get(part))),
        false => names.get(folded),
    };
    if let Some(name) = whole {
        return Some((name, 1));
    }
    let from = names.range::<str, _>((Bound::Excluded(folded), Bound::Unbounded));
    from.take_while(|name| name.starts_with(folded)).find_map(|name| {
        let length = name.split(' ').count();
        let mut said = tokens.get(at..at + length)?.iter().map(|token| token.word().map(|word| word.folded.as_ref()));
        (length > 1 && name.split(' ').all(|part| said.next() == Some(Some(part)))).then_some((name.as_str(), length))
    })
}

/// `a cache`, `a response cache`, `un nouveau cache`: one that is not there yet. Not `a cache restart`, which is done to
/// the one that is.
fn is_common_noun(tokens: &[Token<'_>], at: usize, language: Language) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word);
    let articles = match language {
        Language::En => ["a", "an"],
        Language::Fr => ["un", "une"],
    };
    let is_article = |word: &Word| articles.contains(&word.lower.as_ref());
    let is_done = |word: &Word| lexicon::OPERATIONS.contains(&word.folded.as_ref());
    let is_adjective = |word: &Word| !lexicon::is_function_word(&word.folded) && !is_done(word);
    let before = word(at.checked_sub(1));
    let new = before.is_some_and(is_article)
        || before.is_some_and(is_adjective) && word(at.checked_sub(2)).is_some_and(is_article);
    new && !word(Some(at + 1)).is_some_and(is_done)
}
