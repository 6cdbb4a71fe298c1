//! What a sentence claims beyond its slots: sentences that have none, words for all or none of something, and words for
//! high and low, up and down beside a slot that contradict the planned sentence. Slices are by spans of tokens.

use super::decision::is_planned;
use super::facts::Known;
use super::levels::{DENYING, Level, level};
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, neighbours, sentences, tokenize};
use super::{Field, Reason, lexicon};

/// Checks a sentence against the planned one.
pub(super) fn backed(
    field: Field,
    text: &str,
    tokens: &[Token<'_>],
    planned: &str,
    known: &Known<'_>,
    reasons: &mut Vec<Reason>,
) {
    let plan = tokenize(planned, known, &mut Vec::new());
    slotless(field, text, tokens, &plan, known, reasons);
    sweeping(text, tokens, &plan, reasons);
    for side in [Side::Before, Side::After] {
        contradicting(field, side, text, tokens, &plan, reasons);
    }
}

/// A sentence without any fact may only use words of the plan and of the facts' names, in any form; a benefit may add that
/// it is an estimate.
fn slotless(
    field: Field,
    text: &str,
    tokens: &[Token<'_>],
    plan: &[Token<'_>],
    known: &Known<'_>,
    reasons: &mut Vec<Reason>,
) {
    let of_plan = plan.iter().filter_map(Token::word).map(|word| word.folded.as_str());
    let of_names = known.facts.iter().flat_map(|fact| fact.name.split(['.', '_']));
    let given: Vec<&str> = of_plan.chain(of_names).collect();
    let same = |word: &str, given: &str| {
        let (short, long) = if word.len() < given.len() { (word, given) } else { (given, word) };
        short == long || short.len() > 3 && long.starts_with(short)
    };
    let backed = |word: &str| {
        let disclaims = field == Field::Benefit && lexicon::DISCLAIMERS.contains(&word);
        disclaims || lexicon::is_function_word(word) || given.iter().any(|given| same(word, given))
    };
    for sentence in sentences(tokens) {
        let stated = sentence.iter().any(|token| matches!(token.kind, Kind::Fact { .. } | Kind::Name | Kind::Faulty));
        let foreign = sentence.iter().filter_map(Token::word).any(|word| !backed(&word.folded));
        if let (false, true, Some(first), Some(last)) = (stated, foreign, sentence.first(), sentence.last()) {
            let said: String = text[first.span.start..last.span.end].chars().take(80).collect();
            reasons.push(Reason::Slotless(said));
        }
    }
}

/// `all`, `everything`, `most of`: no fact says so of anything.
fn sweeping(text: &str, tokens: &[Token<'_>], plan: &[Token<'_>], reasons: &mut Vec<Reason>) {
    let sweeps = |word: &str| lexicon::SWEEPING.contains(&word);
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let next = tokens.get(at + 1).and_then(Token::word).map(|word| word.folded.as_str());
        let while_doing = word.folded == "tout" && next == Some("en");
        if sweeps(&word.folded) && !while_doing && !is_planned(tokens, at, plan, sweeps) {
            reasons.push(Reason::Sweeping(text[token.span.clone()].to_string()));
        }
    }
    let (said, planned) = (fold_words(tokens), fold_words(plan));
    let phrase = lexicon::SWEEPING_PHRASES.iter().find(|p| has_phrase(&said, p) && !has_phrase(&planned, p));
    if let Some(phrase) = phrase {
        reasons.push(Reason::Sweeping(phrase.to_string()));
    }
}

/// Of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// A word for a level beside a slot, and the tokens that it is of.
struct Beside {
    level: Level,
    words: std::ops::RangeInclusive<usize>,
}

fn contradicting(
    field: Field,
    side: Side,
    text: &str,
    tokens: &[Token<'_>],
    plan: &[Token<'_>],
    reasons: &mut Vec<Reason>,
) {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Fact { fact, .. } = &token.kind else { continue };
        let Some(Beside { level, words }) = beside(tokens, at, side) else { continue };
        let planned = planned_levels((field, side), plan, (&fact.name, neighbours(tokens, at)[1]), level);
        if planned.contains(&level.opposite())
            && !planned.contains(&level)
            && let (Some(first), Some(last)) = (tokens.get(*words.start()), tokens.get(*words.end()))
        {
            let word = text[first.span.start..last.span.end].to_string();
            reasons.push(Reason::Beside { word, slot: fact.name.clone() });
        }
    }
}

/// Levels that the plan has beside a slot and that could contradict this one: where the same slot follows, else wherever
/// it stands; without any, what is so of every alert and every estimate.
fn planned_levels(
    place: (Field, Side),
    plan: &[Token<'_>],
    (slot, next): (&str, Option<&str>),
    said: Level,
) -> Vec<Level> {
    let (field, side) = place;
    let is_slot = |token: &Token<'_>| matches!(&token.kind, Kind::Fact { fact, .. } if fact.name == slot);
    let places: Vec<usize> = (0..plan.len()).filter(|&at| plan.get(at).is_some_and(is_slot)).collect();
    let same: Vec<usize> = places.iter().copied().filter(|&at| neighbours(plan, at)[1] == next).collect();
    let places = if same.is_empty() { places } else { same };
    let levels = places.into_iter().filter_map(|at| Some(beside(plan, at, side)?.level));
    let levels: Vec<Level> = levels.filter(|&level| level == said || level == said.opposite()).collect();
    if levels.is_empty() { always(field, side, slot).to_vec() } else { levels }
}

/// An alert's figures are of records at or above its threshold, or not online; an estimate is of an improvement.
fn always(field: Field, side: Side, slot: &str) -> &'static [Level] {
    use Level::{Above, Falling, Offline};
    let (head, tail) = slot.split_once('.').unwrap_or((slot, ""));
    let of_plan = ["parameter", "assumed", "projected"].contains(&head);
    match (field, side, tail) {
        (Field::Action, Side::Before, "value" | "reached") if !of_plan => &[Above, Offline],
        (Field::Action, _, "lowest" | "threshold") if !of_plan => &[Above],
        (Field::Action, Side::Before, "worst_at" | "first" | "last") if !of_plan => &[Offline],
        (Field::Benefit, Side::Before, "value") if !of_plan => &[Falling],
        (Field::Benefit, Side::Before, _) if head == "projected" || tail.starts_with("projected_") => &[Falling],
        _ => &[],
    }
}

/// The nearest word for a level on a side of a slot. Other slots, ends of sentences and brackets are in the way; commas
/// and colons too, but not of `online` and `offline`, which are said of what was named before. `above` and `below` count
/// within a few words, and so does everything after a slot.
fn beside(tokens: &[Token<'_>], at: usize, side: Side) -> Option<Beside> {
    let places: Vec<usize> = match side {
        Side::Before => (0..at).rev().collect(),
        Side::After => (at + 1..tokens.len().min(at + 4)).collect(),
    };
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_str());
    let mut same_clause = true;
    for place in places {
        match &tokens.get(place)?.kind {
            Kind::Fact { .. } | Kind::Mark('.' | ';' | '!' | '?' | '(' | ')') => return None,
            Kind::Mark(',' | ':' | '—') => same_clause = false,
            _ => {}
        }
        let Some((level, start)) = level(place, folded) else { continue };
        let far = matches!(level, Level::Above | Level::Below) && at.abs_diff(place) > 6;
        if far || !same_clause && (side == Side::After || !level.is_state()) {
            continue;
        }
        let denied = (start.saturating_sub(3)..start).any(|at| DENYING.contains(&folded(at)));
        let level = if denied { level.opposite() } else { level };
        return Some(Beside { level, words: start..=place });
    }
    None
}
