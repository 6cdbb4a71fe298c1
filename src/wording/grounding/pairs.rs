//! Two figures that a sentence sets side by side: `from {a} to {b}`, `{a} → {b}`, `{a} instead of {b}`, `higher than {a}`.
//! What was measured comes before what is planned, an earlier measurement before a later one, and a rise or fall must be
//! one by the figures. Slices are by spans of tokens.

use crate::domain::{Fact, FactValue};

use super::levels::{FELL, Level, ROSE, level};
use super::tokens::{Kind, Token, sentences};
use super::{Reason, lexicon};

/// Which side of the decision a figure belongs to, by the name of its fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Measured, or assumed of today.
    Before,
    /// Planned or projected.
    After,
    Neither,
}

fn side(fact: &Fact) -> Side {
    let (head, tail) = fact.name.split_once('.').unwrap_or((&fact.name, ""));
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| tail.starts_with(beginning));
    match head {
        "projected" => Side::After,
        "parameter" | "assumed" if starts(&["observed", "current", "affected", "present"]) => Side::Before,
        "parameter" if starts(&["required", "abort", "cache", "standby"]) => Side::Neither,
        "parameter" => Side::After,
        "assumed" => Side::Neither,
        _ if ["value", "mean", "newest", "worst"].contains(&tail) => Side::Before,
        _ => Side::Neither,
    }
}

fn figure(fact: &Fact) -> Option<f64> {
    match fact.value {
        FactValue::Number(figure) => Some(figure.get()),
        _ => None,
    }
}

/// Checks every two figures of one unit that a sentence sets side by side.
pub(super) fn ordered(text: &str, tokens: &[Token<'_>], plan: &[Token<'_>], reasons: &mut Vec<Reason>) {
    let facts: Vec<(usize, &Fact)> = tokens.iter().enumerate().filter_map(fact).collect();
    for pair in facts.windows(2) {
        let [(at, first), (next, second)] = pair else { continue };
        if is_change(first)
            || is_change(second)
            || first.unit != second.unit
            || figure(first).is_none()
            || figure(second).is_none()
        {
            continue;
        }
        let Some((from, to)) = step(tokens, *at, *next, first, second) else { continue };
        // `{value}, against {newest} now` compares two measurements, whichever was first.
        let leads = from.name == first.name;
        let reversed = side(from) == Side::After && side(to) == Side::Before || leads && is_later(from, to);
        let moves = moved(tokens, *at).is_some_and(|level| match level {
            Level::Rising => figure(to) < figure(from),
            Level::Falling => figure(to) > figure(from),
            _ => false,
        });
        if let (true, Some(start), Some(end)) = (reversed || moves, tokens.get(*at), tokens.get(*next)) {
            reasons.push(Reason::Reversed(text[start.span.start..end.span.end].to_string()));
        }
    }
    for sentence in sentences(tokens) {
        compared(text, sentence, reasons);
    }
    for (at, to) in facts.iter().filter(|(_, fact)| side(fact) == Side::After && !is_change(fact)) {
        let mut measured = plan.iter().filter_map(|token| fact((0, token))).map(|(_, fact)| fact);
        let from = measured.find(|from| side(from) == Side::Before && from.unit == to.unit).and_then(figure);
        let lower = from.zip(figure(to)).is_some_and(|(from, to)| to < from);
        let before = tokens.get(..*at).unwrap_or_default();
        let leads = before.iter().rev().filter_map(Token::word).find(|word| !lexicon::APPROXIMATELY.has(&word.folded));
        let to_it = leads.is_some_and(|word| ["to", "a", "jusqu", "towards"].contains(&&*word.folded));
        if lower && to_it && moved(tokens, *at) == Some(Level::Rising) {
            reasons.push(Reason::Reversed(
                text[tokens[at.saturating_sub(2)].span.start..tokens[*at].span.end].to_string(),
            )); // places of tokens
        }
    }
    for pair in facts.windows(2) {
        let [(at, first), (next, second)] = pair else { continue };
        if first.unit == second.unit && is_contradicted(tokens.get(at + 1..*next).unwrap_or_default(), first, second) {
            reasons.push(Reason::Reversed(text[tokens[*at].span.start..tokens[*next].span.end].to_string())); // places of tokens
        }
    }
}

fn fact<'t, 'a>((at, token): (usize, &'t Token<'a>)) -> Option<(usize, &'t Fact)> {
    match &token.kind {
        Kind::Fact { fact, .. } => Some((at, *fact)),
        _ => None,
    }
}

/// Whether it is a step itself and no level.
fn is_change(fact: &Fact) -> bool {
    fact.name.split(['.', '_']).any(|part| lexicon::CHANGES.contains(&part))
}

/// Whether both were measured, the first one after the second.
fn is_later(from: &Fact, to: &Fact) -> bool {
    let measured = side(from) == Side::Before && side(to) == Side::Before;
    measured && from.time.zip(to.time).is_some_and(|(from, to)| from > to)
}

/// From what to what the words between two facts lead, if they do.
fn step<'f>(
    tokens: &[Token<'_>],
    at: usize,
    next: usize,
    first: &'f Fact,
    second: &'f Fact,
) -> Option<(&'f Fact, &'f Fact)> {
    let between = tokens.get(at + 1..next).filter(|between| between.len() <= 14)?;
    let mut words: Vec<&str> = between.iter().filter_map(Token::word).map(|word| word.folded.as_ref()).collect();
    // `to about`, `a un niveau d'environ`: what stands before the figure itself and leads nowhere.
    let vague = |word: &&str| lexicon::APPROXIMATELY.has(word);
    while words.pop_if(|word| vague(&&**word)).is_some() {}
    let said = format!(" {} ", words.join(" "));
    let near = words.len() <= 5 && !between.iter().any(|token| matches!(token.kind, Kind::Mark('.' | ';' | ':' | ',')));
    let arrow = near && between.iter().any(|token| matches!(token.kind, Kind::Mark('→' | '>')));
    let before = at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
    let from = before.is_some_and(|word| ["from", "de", "d", "depuis"].contains(&word.folded.as_ref()));
    let leads = [" to ", " a ", " vers ", " into ", " jusqu a "].iter().any(|word| said.ends_with(word));
    let replaces = [
        " instead of ",
        " rather than ",
        " as opposed to ",
        " in place of ",
        " par rapport a ",
        " compare a ",
        " comparee a ",
        " compared to ",
        " compared with ",
        " relative to ",
        " plutot qu a ",
        " au lieu d ",
        " au lieu de ",
        " plutot que ",
        " contre ",
        " against ",
        " et non ",
        " from ",
        " not ",
    ];
    if replaces.iter().any(|phrase| said.ends_with(phrase)) {
        Some((second, first))
    } else if arrow || near && from && leads {
        Some((first, second))
    } else {
        None
    }
}

/// A measurement that stayed below a threshold, or did not reach it, and is more by the figures.
fn is_contradicted(between: &[Token<'_>], first: &Fact, second: &Fact) -> bool {
    let parts = [first, second].map(|fact| fact.name.rsplit_once('.').unwrap_or_default());
    let [(of, what), (other, limit)] = parts;
    let measured =
        ["value", "mean", "newest"].contains(&what) && ["threshold", "lowest"].contains(&limit) && of == other;
    let ends = |token: &Token<'_>| matches!(token.kind, Kind::Mark('.' | ';' | ':' | '(' | ')'));
    let words: Vec<&str> = between.iter().filter_map(Token::word).map(|word| word.folded.as_ref()).collect();
    if !measured || words.len() > 12 || between.iter().any(ends) || figure(first) <= figure(second) {
        return false;
    }
    let has = |listed: &[&str]| words.iter().any(|word| listed.contains(word));
    let stays = [
        "is", "was", "stayed", "stays", "remained", "remains", "est", "etait", "reste", "restait", "restee", "demeure",
    ];
    let below = has(&["below", "under", "sous", "dessous", "deca", "inferieur", "inferieure"]);
    let reaches = words
        .iter()
        .any(|word| ["reach", "attei", "hit", "cross", "franchi"].iter().any(|stem| word.starts_with(stem)));
    let denied = has(&["not", "never", "pas", "jamais", "didn", "hasn", "without", "sans"]);
    below && has(&stays) && !denied || reaches && denied
}

/// The nearest rise or fall before a figure in its clause.
fn moved(tokens: &[Token<'_>], at: usize) -> Option<Level> {
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    let clause = (0..at).rev().take_while(|&at| {
        tokens.get(at).is_some_and(|token| {
            !matches!(token.kind, Kind::Fact { .. } | Kind::Mark(',' | ';' | ':' | '.' | '(' | ')'))
        })
    });
    clause
        .filter_map(|at| {
            if ROSE.contains(&folded(at)) {
                return Some(Level::Rising);
            }
            let (level, _) = level(at, folded)?;
            Some(if FELL.contains(&folded(at)) { Level::Falling } else { level })
        })
        .find(|l| matches!(l, Level::Rising | Level::Falling))
}

/// `higher than {a}` in a sentence about what is projected: by the figures.
fn compared(text: &str, sentence: &[Token<'_>], reasons: &mut Vec<Reason>) {
    let folded = |at: usize| sentence.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    for (at, measured) in sentence.iter().enumerate().filter_map(fact).filter(|(_, fact)| side(fact) == Side::Before) {
        let projected = sentence.iter().enumerate().filter_map(fact).map(|(_, fact)| fact);
        let mut projected = projected.filter(|fact| side(fact) == Side::After && fact.unit == measured.unit);
        let Some((projected, measured)) = projected.next().and_then(figure).zip(figure(measured)) else { continue };
        let near = at.saturating_sub(4)..at;
        let than = near
            .clone()
            .find(|&at| ["than", "que", "superieur", "superieure", "inferieur", "inferieure"].contains(&folded(at)));
        let Some(than) = than else { continue };
        let words = [folded(than), folded(than.saturating_sub(1)), folded(than.saturating_sub(2))];
        let is = |listed: &[&str]| words.iter().any(|word| listed.contains(word));
        let higher = is(&[
            "higher",
            "more",
            "greater",
            "larger",
            "worse",
            "superieur",
            "superieure",
            "haut",
            "haute",
            "eleve",
            "elevee",
        ]);
        let lower = is(&["lower", "less", "fewer", "smaller", "inferieur", "inferieure", "bas", "basse", "faible"]);
        let denied = (than.saturating_sub(5)..than).any(|at| ["not", "no", "pas", "t", "moins"].contains(&folded(at)));
        let wrong = higher && projected < measured || lower && projected > measured;
        if let (true, false, Some(first), Some(last)) =
            (wrong, denied, sentence.get(than.saturating_sub(1)), sentence.get(at))
        {
            reasons.push(Reason::Reversed(text[first.span.start..last.span.end].to_string()));
        }
    }
}
