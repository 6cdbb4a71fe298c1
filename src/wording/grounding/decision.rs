//! The decision: the action must say what is planned of the target, and nothing that turns it around. What a verb
//! governs decides: `lower the peak` may be what raising a limit is for, `lower the limit` is not. Slices are by spans of
//! tokens.

use crate::domain::Language;

use super::facts::Known;
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, neighbours, sentences};
use super::verbs::{self, Class, Direction};
use super::vocabulary::{Words, is_same};
use super::{Field, Reason, lexicon};

/// Checks an action against the planned one.
pub(super) fn kept(
    text: &str,
    tokens: &[Token<'_>],
    planned: &crate::domain::Words,
    (known, words): (&Known<'_>, &Words),
    reasons: &mut Vec<Reason>,
) {
    let language = known.language;
    let (plan, benefit) = (known.planned(Field::Action), known.planned(Field::Benefit));
    let planned = planned.action.as_str();
    let Some(decision) = Decision::of(plan, language) else { return };
    if decision.is_left(tokens, words) {
        reasons.push(Reason::Lead(planned[decision.span.clone()].to_string())); // `plan` is of `planned`
    }
    let direction = decision.class.map_or(Direction::Neither, |class| class.direction);
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let opposite = |word: &str| verbs::is_opposite(word, direction, language);
    let undoing = |word: &str| verbs::is_undoing(word, language) && !decision.says(word);
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word().map(|word| word.folded.as_ref()) else { continue };
        let said = || text[token.span.clone()].to_string();
        if opposite(word)
            && !is_planned(tokens, at, plan, opposite)
            && decision.is_governed(tokens, at, opposite, plan, words)
        {
            reasons.push(Reason::Opposite(said()));
        } else if undoing(word)
            && !is_planned(tokens, at, plan, undoing)
            && !is_estimated(tokens, at, benefit, |planned| is_same(planned, word, language))
            && !is_of_noun(tokens, at, words)
            && !verbs::watches(folded(at + 1), folded(at + 2))
            && decision.is_governed(tokens, at, undoing, plan, words)
            || decision.is_negated(tokens, at, words)
                && !is_planned(tokens, at, plan, |word| lexicon::NEGATIONS.has(word))
        {
            reasons.push(Reason::Negation(said()));
        }
        let planned = |word: &str| plan.iter().filter_map(Token::word).any(|planned| planned.folded == word);
        // `open connections` tells of them, `à moins de` of a condition.
        let noun = word == "open" && words.is_given(folded(at + 1));
        let unless = at.checked_sub(1).is_some_and(|at| ["a", "au"].contains(&folded(at)));
        if verbs::is_other_way(word, planned) && !noun && !unless {
            reasons.push(Reason::Opposite(said()));
        }
    }
    let forward = (0..tokens.len()).any(|at| verbs::leads_forward(&[at, at + 1, at + 2, at + 3].map(folded)));
    if forward {
        reasons.push(Reason::Negation("newest".to_string()));
    }
    let (said, planned) = (fold_words(tokens), fold_words(plan));
    let turns = |phrase: &&&str| {
        said.split_once(&format!(" {phrase} ")).is_some_and(|(_, rest)| !rest.starts_with('|'))
            && !has_phrase(&planned, phrase)
    };
    let taken_back = verbs::TAKING_BACK.iter().find(|phrase| has_phrase(&said, phrase));
    if let Some(phrase) = verbs::UNDOING_PHRASES.iter().find(turns).or(taken_back) {
        reasons.push(Reason::Negation(phrase.to_string()));
    }
    if direction == Direction::Up && scales_in(tokens) {
        reasons.push(Reason::Opposite("in".to_string()));
    }
}

/// Whether the planned benefit has a word of the kind before the same slot: `cooling takes {drop} off`.
fn is_estimated(tokens: &[Token<'_>], at: usize, benefit: &[Token<'_>], kind: impl Fn(&str) -> bool) -> bool {
    let next =
        |tokens: &[Token<'_>], at| neighbours(tokens, at)[1].filter(|name| *name != "target").map(str::to_string);
    let mut places =
        (0..benefit.len()).filter(|&at| benefit.get(at).and_then(Token::word).is_some_and(|word| kind(&word.folded)));
    let here = next(tokens, at);
    here.is_some() && places.any(|at| next(benefit, at) == here)
}

/// `heat removal`: what is taken away is not the decision.
fn is_of_noun(tokens: &[Token<'_>], at: usize, words: &Words) -> bool {
    let word =
        |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word).map_or("", |w| w.folded.as_ref());
    let before = word(at.checked_sub(1));
    word(Some(at)).ends_with("al") && before.len() > 3 && words.is_given(before)
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
        scales
            && (is(last, &|word| word == "back")
                || is(middle, &|word| word == "in")
                || middle.word().is_none() && is(last, &|word| word == "in"))
    })
}

/// What a planned action decides: a verb, and what it is done to.
struct Decision<'a> {
    folded: &'a str,
    class: Option<&'static Class>,
    span: std::ops::Range<usize>,
    /// The words between the verb and the first mark or conjunction.
    objects: Vec<&'a str>,
    language: Language,
}

impl<'a> Decision<'a> {
    /// The first word; after a weak verb the first one that tells more.
    fn of(plan: &'a [Token<'_>], language: Language) -> Option<Decision<'a>> {
        let objects: Vec<&str> = plan
            .iter()
            .skip(1)
            .take(14)
            .take_while(|token| !matches!(token.kind, Kind::Mark(':' | '(' | ',' | '.' | ';')))
            .map(|token| token.word().map_or("", |word| word.folded.as_ref()))
            .take_while(|word| !ENDS_OBJECTS.contains(word))
            .filter(|word| word.len() > 2 && !lexicon::is_function_word(word) && !NO_OBJECTS.contains(word))
            .collect();
        let lead = |token: &'a Token<'_>| {
            let folded = token.word()?.folded.as_ref();
            let class = folded.split('-').find_map(|part| Class::of_head(part, language));
            Some(Decision { folded, class, span: token.span.clone(), objects: objects.clone(), language })
        };
        let first = lead(plan.first()?)?;
        if !verbs::is_weak(first.folded) {
            return Some(first);
        }
        Some(plan.iter().take(6).filter_map(lead).find(|lead| lead.class.is_some()).unwrap_or(first))
    }

    /// Whether the word is the planned verb or one that says the same.
    fn says(&self, word: &str) -> bool {
        let stem = ["er", "ir", "re", "ez", "e"].iter().find_map(|end| self.folded.strip_suffix(end));
        match self.class {
            Some(class) => class.has(word, self.language),
            None => word.starts_with(stem.unwrap_or(self.folded)),
        }
    }

    fn is_object(&self, word: &str) -> bool {
        self.objects.iter().any(|object| is_same(object, word, self.language))
    }

    /// Whether the sentence begins with a verb that does nothing, and none about the target or a parameter has the planned
    /// one; or has neither that nor what it is done to, and begins with the verb of another decision or has no word of the
    /// plan. `the raised limit` says what is, `be raised` what to do.
    fn is_left(&self, tokens: &[Token<'_>], words: &Words<'_>) -> bool {
        let decides = |token: &Token<'_>| match &token.kind {
            Kind::Fact { fact, .. } => fact.name == "target" || fact.name.starts_with("parameter."),
            Kind::Name => true,
            _ => false,
        };
        // What is done before `then` is not done to what comes after it.
        let then =
            |token: &Token<'_>| token.word().is_some_and(|word| ["then", "puis"].contains(&word.folded.as_ref()));
        let (mut verb, mut object) = (false, false);
        let steps = sentences(tokens).into_iter().flat_map(|sentence| sentence.split(then));
        for step in steps.filter(|step| step.iter().any(decides)) {
            for at in 0..step.len() {
                let word = |at: Option<usize>| at.and_then(|at| step.get(at)).and_then(Token::word);
                let folded = |at: Option<usize>| word(at).map_or("", |word| word.folded.as_ref());
                let (before, this) = (folded(at.checked_sub(1)), folded(Some(at)));
                let to_do = !this.ends_with("ed") || before == "be" || self.language == Language::Fr;
                let lacking = ["without", "sans", "no", "aucun", "aucune"].contains(&before);
                verb = verb || self.says(this) && to_do && !lacking;
                object = object || self.is_object(this);
            }
        }
        let mut said = tokens.iter().filter_map(Token::word).map(|word| word.folded.as_ref());
        let first = said.clone().next().unwrap_or_default();
        let another = Class::of_head(first, self.language)
            .is_some_and(|class| self.class.is_none_or(|planned| !std::ptr::eq(class, planned)));
        !verb
            && (verbs::is_idle(first, self.language)
                || !object && (another || !said.any(|word| words.is_of_plan(word))))
    }

    /// Whether a word of this kind is said of what the decision is about: the target, a parameter, what is planned for
    /// them, the decision itself, or something that a pronoun stands for. What comes after counts, else what is before.
    fn is_governed(
        &self,
        tokens: &[Token<'_>],
        at: usize,
        kind: impl Fn(&str) -> bool,
        plan: &[Token<'_>],
        words: &Words,
    ) -> bool {
        let after = tokens.iter().enumerate().skip(at + 1).take(6);
        let is_parameter = |token: &Token<'_>| matches!(&token.kind, Kind::Fact { fact, .. } if fact.name != "target");
        let before = tokens.iter().enumerate().take(at).rev().take(4).filter(|(_, token)| !is_parameter(token));
        let planned = || plan.iter().filter_map(Token::word).any(|word| kind(&word.folded));
        self.is_about(tokens, after, words)
            .or_else(|| self.is_about(tokens, before, words))
            .unwrap_or_else(|| !planned())
    }

    /// Whether the first thing among these tokens is one of the decision.
    fn is_about<'t>(
        &self,
        tokens: &[Token<'_>],
        among: impl Iterator<Item = (usize, &'t Token<'t>)>,
        words: &Words,
    ) -> Option<bool> {
        let (mut noun, mut elsewhere) = (false, false);
        // `that is` tells more of something said before.
        let ahead = |at: usize| {
            let next = tokens.get(at + 1).and_then(Token::word).map_or("", |word| word.folded.as_ref());
            ["is", "was", "are", "were"].contains(&next)
        };
        for (at, token) in among {
            match &token.kind {
                Kind::Mark('-' | '\'' | '’' | '"' | '“' | '«') => {}
                Kind::Mark(_) | Kind::Faulty => return noun.then_some(false),
                Kind::Fact { fact, .. } => {
                    let before = at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
                    let amount = before.is_some_and(|word| ["by", "de", "d", "of"].contains(&word.folded.as_ref()));
                    let decided = fact.name == "target" || fact.name.starts_with("parameter.");
                    if noun {
                        return Some(false);
                    }
                    if !(amount && fact.name != "target") {
                        return decided.then_some(true);
                    }
                }
                Kind::Name => return Some(true),
                Kind::Word(word) => {
                    let word = word.folded.as_ref();
                    if elsewhere && self.is_object(word) {
                        return Some(false); // `drop idle connections` is about idle ones
                    }
                    if PRONOUNS.contains(&word) && at + 1 < tokens.len() && !ahead(at)
                        || self.is_object(word)
                        || self.says(word)
                    {
                        return Some(true);
                    }
                    let plain = word.len() < 4 || lexicon::is_function_word(word) || NO_OBJECTS.contains(&word);
                    if noun && plain {
                        return Some(false);
                    }
                    elsewhere = elsewhere || !plain && words.is_of_plan(word);
                    noun = noun || !plain;
                }
            }
        }
        noun.then_some(false)
    }

    /// Whether the word denies the decision: `do not restart`, `never`, `must not`, `ne pas limiter`; or a slot right
    /// after it. `it was not online` and `data that aren't used` tell what is.
    fn is_negated(&self, tokens: &[Token<'_>], at: usize, words: &Words) -> bool {
        let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word);
        let folded = |at: Option<usize>| word(at).map_or("", |word| word.folded.as_ref());
        let (this, before) = (folded(Some(at)), folded(at.checked_sub(1)));
        let (earlier, next) = (folded(at.checked_sub(2)), folded(Some(at + 1)));
        // In French `dont` is `whose`.
        if !lexicon::NEGATIONS.has(this) || this == "dont" && self.language == Language::Fr {
            return false;
        }
        let commands =
            |before: &str| ["", "and", "but", "or", "then", "et", "mais", "ou", "puis", "please"].contains(&before);
        let mut following = tokens.iter().skip(at + 1).take(3);
        let stated = following.find_map(|token| match &token.kind {
            Kind::Fact { .. } => Some(true),
            Kind::Mark('\'' | '’' | '“' | '"') => None,
            Kind::Mark(_) => Some(false),
            Kind::Word(word) if super::levels::is_state(&word.folded) => Some(false),
            _ => None,
        });
        if stated == Some(true) {
            return true;
        }
        let about = || self.is_about(tokens, tokens.iter().enumerate().skip(at + 1).take(6), words) == Some(true);
        match this {
            "don" | "dont" => commands(before),
            "not" if before == "do" => commands(earlier),
            "not" if MODALS.contains(&before) || next == "to" => true,
            "not" if ["", "but", "and", "then"].contains(&before) => {
                !next.is_empty() && !["at", "only", "yet", "in"].contains(&next)
            }
            "not" | "doesn" => about() && !["is", "was", "are", "were", "isn", "wasn"].contains(&before),
            "pas" if before == "ne" || before == "n" => about(),
            "pas" => MODALS.contains(&before) || self.says(before) || before.is_empty() && self.says(earlier),
            _ => true, // never, cannot, should not: not of anything in an action
        }
    }
}

const MODALS: &[&str] = &[
    "should",
    "must",
    "shall",
    "can",
    "could",
    "need",
    "may",
    "might",
    "ought",
    "doit",
    "doivent",
    "devrait",
    "devraient",
    "faut",
    "faudrait",
    "peut",
    "peuvent",
];

/// What ends the objects of a planned verb.
const ENDS_OBJECTS: &[&str] = &["and", "or", "et", "ou", "behind", "derriere", "pour", "so", "afin"];

/// Between a verb and its object.
#[rustfmt::skip]
const NO_OBJECTS: &[&str] = &[
    "out", "back", "down", "into", "onto", "over", "under", "front", "devant", "chez", "vers", "sur", "en", "place", "newest", "new",
    "plus", "more", "automatic", "automatique", "their", "whose", "dont", "leur", "leurs", "celui", "celle", "most", "derriere",
    "version", "precedente", "place", "planned", "current", "present", "prevu", "prevue", "actuel", "actuelle", "service",
];

const PRONOUNS: &[&str] = &["it", "them", "everything", "this", "that", "ceci", "cela", "tout"];
