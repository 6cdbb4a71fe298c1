//! Words for high and low, up and down, online and offline beside a slot, where the plan says the opposite of it. Slices are
//! by spans of tokens.

use super::Reason;
use super::levels::{DENYING, LACKING, Level, level};
use super::tokens::{Kind, Token, neighbours};

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

/// Checks the words for levels beside every slot against the planned sentence.
pub(super) fn contradicting(text: &str, tokens: &[Token<'_>], plan: &[Token<'_>], reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Fact { fact, .. } = &token.kind else { continue };
        for side in [Side::Before, Side::After] {
            let Some(Beside { level, words }) = beside(tokens, at, side) else { continue };
            // `at most` of the worst value is so.
            if words.clone().count() > 1 && fact.name.ends_with(".value") && level == Level::Below {
                continue;
            }
            if is_contrary(level, at, tokens, plan)
                && let (Some(first), Some(last)) = (tokens.get(*words.start()), tokens.get(*words.end()))
            {
                let word = text[first.span.start..last.span.end].to_string();
                reasons.push(Reason::Beside { word, slot: fact.name.clone() });
            }
        }
    }
}

/// Whether the plan has the slot, and the opposite level beside it wherever it has. `{lowest} in {reached} of {records}` is
/// held to where the plan counts records.
fn is_contrary(said: Level, at: usize, tokens: &[Token<'_>], plan: &[Token<'_>]) -> bool {
    let Some(Kind::Fact { fact, .. }) = tokens.get(at).map(|token| &token.kind) else { return false };
    let is_slot =
        |token: &Token<'_>| matches!(&token.kind, Kind::Fact { fact: planned, .. } if planned.name == fact.name);
    let mut places: Vec<usize> = (0..plan.len()).filter(|&at| plan.get(at).is_some_and(is_slot)).collect();
    let next = neighbours(tokens, at)[1];
    let counted = |at: &usize| neighbours(plan, *at)[1] == next;
    if next.is_some_and(|next| next.ends_with(".reached") || next.ends_with(".records")) && places.iter().any(counted) {
        places.retain(counted);
    }
    let levels = |at: usize| [Side::Before, Side::After].map(|side| Some(beside(plan, at, side)?.level));
    let opposite = |at: usize| levels(at).contains(&Some(said.opposite())) && !levels(at).contains(&Some(said));
    !places.is_empty() && places.into_iter().all(opposite)
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
