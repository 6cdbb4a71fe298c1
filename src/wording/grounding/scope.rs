//! Of how much something is said: words for all or none of something, which neither plan nor facts have. Slices are by
//! spans of tokens.

use super::decision::is_planned;
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token};
use super::vocabulary::Words;
use super::{Reason, lexicon};

/// Beginnings of verbs of telling and knowing.
const TELLING: &[&str] =
    &["say", "tell", "know", "reveal", "show", "indic", "indiqu", "dit", "dire", "sait", "savoir", "montr", "permet"];

/// `all`, `everything`, `most of`: no fact says so of anything.
pub(super) fn sweeping(text: &str, tokens: &[Token<'_>], plan: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
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
