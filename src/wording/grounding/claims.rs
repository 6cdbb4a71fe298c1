//! What a sentence claims beyond its slots: sentences that have none, words for all or none of something, and words for
//! high and low, up and down beside a slot that contradict the planned sentence. Slices are by spans of tokens.

use super::decision::is_planned;
use super::facts::Known;
use super::levels::{DENYING, LACKING, Level, level};
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, neighbours, sentences};
use super::vocabulary::Words;
use super::{Field, Reason, lexicon};

/// Checks a sentence against the planned one.
pub(super) fn backed(
    field: Field,
    text: &str,
    tokens: &[Token<'_>],
    (known, words): (&Known<'_>, &Words),
    reasons: &mut Vec<Reason>,
) {
    let plan = known.planned(field);
    slotless(field, text, tokens, words, reasons);
    sweeping(text, tokens, plan, words, reasons);
    if field == Field::Action {
        unreached(text, tokens, reasons);
    }
    for side in [Side::Before, Side::After] {
        contradicting(field, side, text, tokens, plan, reasons);
    }
}

/// What makes a statement of the word before it.
const STATES: &[&str] = &["is", "are", "was", "were", "est", "sont", "etait", "etaient", "has", "have", "a", "ont"];

/// A sentence without any fact must use words of the plan or the facts, and beside them ordinary ones; a benefit may add
/// that it is an estimate.
fn slotless(field: Field, text: &str, tokens: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
    for sentence in sentences(tokens) {
        let stated = sentence.iter().any(|token| matches!(token.kind, Kind::Fact { .. } | Kind::Name | Kind::Faulty));
        let said = || sentence.iter().filter_map(Token::word);
        let disclaims = |word: &&str| field == Field::Benefit && lexicon::DISCLAIMERS.contains(word);
        let telling = |word: &str| word.len() > 3 && !words.is_ordinary(word) && words.is_given(word);
        let states = |pair: &[Token<'_>]| {
            let [Some(of), Some(verb)] = [pair.first(), pair.last()].map(|token| token.and_then(Token::word)) else {
                return false;
            };
            words.is_unknown(of) && STATES.contains(&verb.folded.as_ref())
        };
        let backed = said().filter(|word| words.is_unknown(word)).count() < 2
            && !sentence.windows(2).any(states)
            && said().map(|word| word.folded.as_ref()).any(|word| telling(word) || words.is_of_plan(word));
        // `Estimated peak: …` is a heading.
        let end = sentence.last().map_or(0, |token| token.span.end);
        let follows = tokens.iter().find(|token| token.span.start >= end);
        let heading = follows.is_some_and(|token| matches!(token.kind, Kind::Mark(':'))) && said().count() < 5;
        let backed = backed || heading && said().all(|word| !words.is_unknown(word));
        let disclaimer =
            said().map(|word| word.folded.as_ref()).all(|word| disclaims(&word) || lexicon::is_function_word(word));
        if let (false, false, Some(first), Some(last)) =
            (stated, backed || disclaimer, sentence.first(), sentence.last())
        {
            let said: String = text[first.span.start..last.span.end].chars().take(80).collect();
            reasons.push(Reason::Slotless(said));
        }
    }
}

/// Beginnings of verbs of telling and knowing.
const TELLING: &[&str] =
    &["say", "tell", "know", "reveal", "show", "indic", "indiqu", "dit", "dire", "sait", "savoir", "montr", "permet"];

/// `all`, `everything`, `most of`: no fact says so of anything.
fn sweeping(text: &str, tokens: &[Token<'_>], plan: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
    let sweeps = |word: &str| lexicon::SWEEPING.contains(&word);
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let next = tokens.get(at + 1).and_then(Token::word).map(|word| word.folded.as_ref());
        // `tout déploiement` is any, `all {records} records` are counted.
        let any = ["tout", "toute"].contains(&word.folded.as_ref()) && next.is_some_and(|next| words.is_of_plan(next));
        let counted = tokens.get(at + 1).is_some_and(|token| token.is_number());
        // `nobody can say by how much`
        let after = tokens.iter().skip(at + 1).take(6).filter_map(Token::word);
        let untold = ["nobody", "nothing", "none", "rien"].contains(&word.folded.as_ref())
            && after.into_iter().any(|word| TELLING.iter().any(|stem| word.folded.starts_with(stem)));
        if untold {
            continue;
        }
        let while_doing = word.folded == "tout" && next == Some("en") || any || counted;
        let before = tokens.get(..at).unwrap_or_default().iter().rev();
        let mut clause = before.take_while(|token| !matches!(token.kind, Kind::Mark('.' | ';' | ':')));
        let supposed = clause.any(|token| {
            token.word().is_some_and(|word| lexicon::CONDITIONS.contains(&word.folded.as_ref()) || word.folded == "s")
        });
        let supposed = supposed && plan.iter().filter_map(Token::word).any(|word| sweeps(&word.folded));
        if sweeps(&word.folded) && !while_doing && !supposed && !is_planned(tokens, at, plan, sweeps) {
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

/// `did not reach the threshold of {cpu_usage.lowest}`: it was reached, or there would be no alert.
fn unreached(text: &str, tokens: &[Token<'_>], reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Fact { fact, .. } = &token.kind else { continue };
        if !fact.name.ends_with(".threshold") && !fact.name.ends_with(".lowest") {
            continue;
        }
        let clause = (0..at).rev().map_while(|at| tokens.get(at)).take(9);
        let clause = clause.take_while(|token| matches!(token.kind, Kind::Word(_) | Kind::Mark('\'' | '’')));
        let words: Vec<&str> = clause.filter_map(Token::word).map(|word| word.folded.as_ref()).collect();
        let reaches = words.iter().position(|word| {
            ["reach", "attein", "hit", "touch", "cross", "franchi"].iter().any(|stem| word.starts_with(stem))
        });
        let denied = |place: usize| {
            words.iter().skip(place).take(4).any(|word| DENYING.contains(word) || *word == "hasn" || *word == "jamais")
        };
        if let (Some(true), Some(start)) = (reaches.map(denied), tokens.get(at.saturating_sub(words.len()))) {
            reasons.push(Reason::Beside {
                word: text[start.span.start..token.span.start].trim().to_string(),
                slot: fact.name.clone(),
            });
        }
    }
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
        // `at most` of the worst value is so.
        if words.clone().count() > 1 && fact.name.ends_with(".value") && level == Level::Below {
            continue;
        }
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
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let mut same_clause = true;
    for place in places {
        match &tokens.get(place)?.kind {
            Kind::Fact { .. } | Kind::Mark('.' | ';' | '!' | '?' | '(' | ')') => return None,
            Kind::Mark(',' | ':' | '—') => same_clause = false,
            _ => {}
        }
        // What is set against a figure is said of the other one.
        if side == Side::Before && ["instead", "rather", "lieu", "plutot", "opposed", "versus"].contains(&folded(place))
        {
            return None;
        }
        let Some((level, start)) = level(place, folded) else { continue };
        // A word of the fact's own meaning says nothing against it: `the lowest threshold of`. After a figure it compares
        // by how much: `{drop} lower than`.
        let own = matches!(&tokens.get(at)?.kind, Kind::Fact { fact, .. } if fact.meaning.split(' ').any(|word| word == folded(place)));
        let by = start.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(Token::is_number);
        if is_attribute(tokens, place) || own || side == Side::Before && by {
            continue;
        }
        let far = matches!(level, Level::Above | Level::Below) && at.abs_diff(place) > 6;
        if far || !same_clause && (side == Side::After || !level.is_state()) {
            continue;
        }
        let in_clause = |at: usize| {
            let joins = ["and", "or", "but", "et", "ou", "mais"].contains(&folded(at));
            !joins && tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Word(_) | Kind::Mark('\'' | '’')))
        };
        let near = |word: &str| start.checked_sub(1).is_some_and(|at| folded(at) == word);
        let denied = (start.saturating_sub(5)..start)
            .rev()
            .take_while(|&at| in_clause(at))
            .any(|at| DENYING.contains(&folded(at)))
            || LACKING.iter().any(|word| near(word))
            || level.is_state() && (start.saturating_sub(3)..start).any(|at| LACKING.contains(&folded(at)))
            || ["pas", "not"].contains(&folded(place + 1));
        let level = if denied { level.opposite() } else { level };
        return Some(Beside { level, words: start..=place });
    }
    None
}

/// `the raised limit`, `la limite augmentée`: a participle that tells of its noun alone.
fn is_attribute(tokens: &[Token<'_>], at: usize) -> bool {
    let word =
        |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word).map_or("", |w| w.lower.as_ref());
    let (before, earlier, this) = (word(at.checked_sub(1)), word(at.checked_sub(2)), word(Some(at)));
    let articles =
        ["a", "an", "the", "this", "that", "its", "un", "une", "le", "la", "l", "cette", "ce", "sa", "son", "du"];
    let english = this.ends_with("ed") && articles.contains(&before) && !word(Some(at + 1)).is_empty();
    let french = ["é", "ée", "és", "ées"].iter().any(|ending| this.ends_with(ending));
    english || french && articles.contains(&earlier) && before.chars().count() > 2
}
