//! Words beside a slot that turn its meaning around: a level told as a change, a total as an increment. A few frequent ones; a lexical check cannot know them all. Slices are by spans of tokens
//! or by places that a search of the same text gave.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

use crate::domain::Words;

use super::facts::Known;
use super::levels::{DENYING, Level, level};
use super::tokens::{Kind, Token, Word};
use super::{Field, Reason, lexicon};

/// Levels told as changes (`by {projected.cpu_usage}`) and totals told as increments (`{parameter.replicas} more`),
/// unless the plan's own words put it so.
pub(super) fn changes(text: &str, tokens: &[Token<'_>], planned: &Words, reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Fact { fact, .. } = &token.kind else { continue };
        let is_change = fact.name.split(['.', '_']).any(|part| lexicon::CHANGES.contains(&part));
        if !token.is_number() {
            continue;
        }
        let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word);
        let folded = |at: Option<usize>| word(at).map_or("", |word| word.folded.as_ref());
        let about = lexicon::APPROXIMATELY.has(folded(at.checked_sub(1)));
        // Over the apostrophe of `d'environ` too.
        let mut before = at.checked_sub(if about { 2 } else { 1 });
        if before.and_then(|at| tokens.get(at)).is_some_and(|t| matches!(t.kind, Kind::Mark('\'' | '’'))) {
            before = before.and_then(|at| at.checked_sub(1));
        }
        let earlier = before.and_then(|at| at.checked_sub(1));
        let changing = lexicon::CHANGE_STEMS.beginning(folded(earlier)).is_some();
        // `baisser de 93 % à 46 %` names both levels.
        let changed = |word: &str| {
            lexicon::CHANGE_STEMS.beginning(word).is_some() || RISING.iter().any(|stem| word.starts_with(stem))
        };
        // `shared by {replicas}` says by whom.
        let by = folded(before) == "by" && by_or_to(tokens, before, &changed)
            || ["de", "d"].contains(&folded(before)) && changing && folded(Some(at + 1)) != "a";
        // `raise the limit to {parameter.limit_increase}`
        let amounts =
            ["amount", "com", "equal", "equat", "clos", "correspond", "up", "equi", "revien", "correspon", "s"];
        let to = ["to", "a"].contains(&folded(before))
            && by_or_to(tokens, before, &changed)
            && !amounts.iter().any(|stem| folded(earlier).starts_with(stem));
        if is_change
            && to
            && !planned_with(planned, &format!("{{{}}}", fact.name), |around| {
                around.0.ends_with(" to") || around.0.ends_with(" à")
            })
        {
            let start = before.and_then(|at| tokens.get(at)).map_or(token.span.start, |token| token.span.start);
            reasons.push(Reason::Change(text[start..token.span.end].to_string()));
        }
        if is_change {
            continue;
        }
        let more = lexicon::MORE.contains(&folded(Some(at + 1)));
        let slot = format!("{{{}}}", fact.name);
        if by && !planned_with(planned, &slot, |around| around.0.ends_with(folded(before))) {
            let start = before.and_then(|at| tokens.get(at)).map_or(token.span.start, |token| token.span.start);
            reasons.push(Reason::Change(text[start..token.span.end].to_string()));
        }
        if more && !planned_with(planned, &slot, |around| around.1.starts_with(folded(Some(at + 1)))) {
            let end = tokens.get(at + 1).map_or(token.span.end, |token| token.span.end);
            reasons.push(Reason::Change(text[token.span.start..end].to_string()));
        }
    }
}

/// Whether a word for a change stands in the clause before a place.
fn by_or_to(tokens: &[Token<'_>], place: Option<usize>, changed: &dyn Fn(&str) -> bool) -> bool {
    let clause = (0..place.unwrap_or_default()).rev().map_while(|at| tokens.get(at)).take(8);
    let mut clause = clause.take_while(|token| !matches!(token.kind, Kind::Mark('.' | ';' | ':' | ',')));
    clause.any(|token| token.word().is_some_and(|word| changed(&word.folded)))
}

/// Beginnings of English words that change a level.
const RISING: &[&str] = &[
    "fall", "fell", "drop", "ris", "climb", "shrink", "declin", "sink", "increas", "rais", "lower", "reduc", "decreas",
    "expand", "extend", "grow", "scal", "cut", "dropp", "enlarg",
];

/// Whether the plan's words use the slot with this before or after it.
fn planned_with(planned: &Words, slot: &str, fits: impl Fn((&str, &str)) -> bool) -> bool {
    let plan = format!("{} | {}", planned.action, planned.benefit_estimate).to_lowercase();
    let slot = slot.to_lowercase();
    plan.match_indices(&slot).any(|(at, _)| fits((plan[..at].trim_end(), plan[at + slot.len()..].trim_start())))
}

/// What would rise where the planned benefit falls, or the other way round.
pub(super) fn turned(text: &str, tokens: &[Token<'_>], known: &Known<'_>, reasons: &mut Vec<Reason>) {
    let planned: Vec<Level> = moves(known.planned(Field::Benefit)).into_iter().map(|(level, _)| level).collect();
    for (level, at) in moves(tokens) {
        if let (true, false, Some(token)) =
            (planned.contains(&level.opposite()), planned.contains(&level), tokens.get(at))
        {
            reasons.push(Reason::Reversed(text[token.span.clone()].to_string()));
        }
    }
}

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
        let denied = (at..=verb + 1).any(|at| DENYING.contains(&folded(at)) || lexicon::NEGATIONS.has(folded(at)));
        moves.push((if denied { level.opposite() } else { level }, verb));
    }
    moves
}
