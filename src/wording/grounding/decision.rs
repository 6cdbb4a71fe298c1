//! The decision: the action must say the planned verb of the target, and nothing that turns it around. Words that would
//! are allowed where the plan itself has such a word beside the same slot. Slices are by spans of tokens.

use crate::domain::Language;

use super::facts::Known;
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, neighbours, sentences, tokenize};
use super::verbs::{self, Class, Direction};
use super::{Reason, lexicon};

/// Checks an action against the planned one.
pub(super) fn kept(text: &str, tokens: &[Token<'_>], planned: &str, known: &Known<'_>, reasons: &mut Vec<Reason>) {
    let language = known.language;
    let plan = tokenize(planned, known, &mut Vec::new());
    let lead = Lead::of(&plan, language);
    if let Some(lead) = lead.as_ref().filter(|lead| !lead.is_said(tokens, language)) {
        reasons.push(Reason::Lead(planned[lead.span.clone()].to_string())); // `plan` is of `planned`
    }
    let direction = lead.and_then(|lead| lead.class).map_or(Direction::Neither, |class| class.direction);
    let opposite = |word: &str| verbs::is_opposite(word, direction, language);
    let undoing = |word: &str| verbs::is_undoing(word, language);
    // In French `dont` is `whose`.
    let negating = |word: &str| lexicon::NEGATIONS.contains(&word) && (word != "dont" || language == Language::En);
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word().map(|word| word.folded.as_str()) else { continue };
        let said = || text[token.span.clone()].to_string();
        if opposite(word) && !is_planned(tokens, at, &plan, opposite) {
            reasons.push(Reason::Opposite(said()));
        } else if undoing(word) && !is_planned(tokens, at, &plan, undoing)
            || negating(word) && !is_planned(tokens, at, &plan, negating)
        {
            reasons.push(Reason::Negation(said()));
        }
    }
    let (said, planned) = (fold_words(tokens), fold_words(&plan));
    let turns = |phrase: &&&str| {
        said.split_once(&format!(" {phrase} ")).is_some_and(|(_, rest)| !rest.starts_with('|'))
            && !has_phrase(&planned, phrase)
    };
    if let Some(phrase) = verbs::UNDOING_PHRASES.iter().find(turns) {
        reasons.push(Reason::Negation(phrase.to_string()));
    }
    if direction == Direction::Up && scales_in(tokens) {
        reasons.push(Reason::Opposite("in".to_string()));
    }
}

/// Whether the plan has a word of the kind beside a slot that stands on the same side of this word, with no other word of
/// the kind between. The target does not count, nor does the place of a word that the plan has beside no slot.
pub(super) fn is_planned(tokens: &[Token<'_>], at: usize, plan: &[Token<'_>], kind: impl Fn(&str) -> bool) -> bool {
    let is_one = |token: &Token<'_>| token.word().is_some_and(|word| kind(&word.folded));
    let here = anchors(tokens, at, is_one);
    plan.iter().enumerate().filter(|(_, token)| is_one(token)).any(|(at, _)| {
        let there = anchors(plan, at, is_one);
        there == [None, None] || there.iter().zip(&here).any(|(there, here)| there.is_some() && there == here)
    })
}

/// The slots before and after a word, but for the target.
fn anchors<'a>(tokens: &[Token<'a>], at: usize, is_one: impl Fn(&Token<'_>) -> bool) -> [Option<&'a str>; 2] {
    let is_fact = |token: &Token<'_>| matches!(token.kind, Kind::Fact { .. });
    let before = tokens.get(..at).unwrap_or_default().iter().rev();
    let after = tokens.get(at + 1..).unwrap_or_default().iter();
    let clear = [
        !before.take_while(|token| !is_fact(token)).any(&is_one),
        !after.take_while(|token| !is_fact(token)).any(&is_one),
    ];
    let [before, after] = neighbours(tokens, at).map(|name| name.filter(|name| *name != "target"));
    let [before_clear, after_clear] = clear;
    [before.filter(|_| before_clear), after.filter(|_| after_clear)]
}

/// `scale {target} in`.
fn scales_in(tokens: &[Token<'_>]) -> bool {
    let is = |token: &Token<'_>, what: &dyn Fn(&str) -> bool| token.word().is_some_and(|word| what(&word.folded));
    tokens.windows(3).any(|window| {
        let [verb, middle, last] = window else { return false };
        let scales = is(verb, &|word| word.starts_with("scal"));
        scales && (is(middle, &|word| word == "in") || middle.word().is_none() && is(last, &|word| word == "in"))
    })
}

/// The verb of a planned action.
struct Lead<'a> {
    folded: &'a str,
    class: Option<&'static Class>,
    span: std::ops::Range<usize>,
}

impl<'a> Lead<'a> {
    /// The first word; after a weak verb the first one that tells more.
    fn of(plan: &'a [Token<'_>], language: Language) -> Option<Lead<'a>> {
        let lead = |token: &'a Token<'_>| {
            let folded = token.word()?.folded.as_str();
            let class = folded.split('-').find_map(|part| Class::of_head(part, language));
            Some(Lead { folded, class, span: token.span.clone() })
        };
        let first = lead(plan.first()?)?;
        if !verbs::is_weak(first.folded) {
            return Some(first);
        }
        Some(plan.iter().take(6).filter_map(lead).find(|lead| lead.class.is_some()).unwrap_or(first))
    }

    /// Whether a sentence about the target or a parameter has the verb or one that says the same. `the raised limit`
    /// says what is, `be raised` what to do.
    fn is_said(&self, tokens: &[Token<'_>], language: Language) -> bool {
        let stem = ["er", "ir", "re", "ez", "e"].iter().find_map(|end| self.folded.strip_suffix(end));
        let stem = stem.unwrap_or(self.folded);
        let says = |word: &str| match self.class {
            Some(class) => class.has(word, language),
            None => word.starts_with(stem),
        };
        let decides = |token: &Token<'_>| match &token.kind {
            Kind::Fact { fact, .. } => fact.name == "target" || fact.name.starts_with("parameter."),
            Kind::Name => true,
            _ => false,
        };
        sentences(tokens).into_iter().filter(|sentence| sentence.iter().any(decides)).any(|sentence| {
            (0..sentence.len()).any(|at| {
                let word = |at: Option<usize>| at.and_then(|at| sentence.get(at)).and_then(Token::word);
                let folded = |at: Option<usize>| word(at).map_or("", |word| word.folded.as_str());
                let before = folded(at.checked_sub(1));
                let this = folded(Some(at));
                let to_do = !this.ends_with("ed") || before == "be" || language == Language::Fr;
                says(this) && to_do && !["without", "sans", "no", "aucun", "aucune"].contains(&before)
            })
        })
    }
}
