//! Why something is so: a cause none of whose words is of the plan or the facts, something that made the facts be so, and
//! a cause for certain where the plan only supposes one.

use super::list::List;
use super::style::fold_words;
use super::tokens::{Kind, Token, sentences};
use super::vocabulary::Words;
use super::{Field, Reason, lexicon};

/// What a cause follows, in both languages; also what is blamed.
#[rustfmt::skip]
static MARKERS: List = List::of(&[
    "because", "since", "due to", "owing to", "caused by", "as a result of", "thanks to", "on account of", "triggered by",
    "provoked by", "driven by", "blamed on", "in the wake of", "attributed to", "attributable to", "induced by",
    "brought on by", "result of", "fault of", "stems from", "comes from",
    "car", "parce que", "parce qu", "puisque", "puisqu", "a cause de", "a cause du", "a cause des", "a cause d",
    "en raison de", "en raison du", "en raison des", "en raison d", "due a", "dus a", "dues a", "du a", "suite a", "suite au",
    "suite aux", "a la suite", "par suite", "provoque par", "provoquee par", "cause par", "causee par", "imputable",
    "grace a", "grace au", "faute de", "sous l effet", "entraine par", "du fait", "vu que", "lie a",
    "liee a", "lies a",
]);

/// Words that make what follows in their sentence a supposition.
#[rustfmt::skip]
const SUPPOSING: &[&str] = &[
    "if", "whether", "should", "assuming", "assumes", "assumption", "assume", "assumed", "provided", "suppose", "supposing",
    "supposed", "were", "given", "condition", "would", "could", "might", "may", "unknown", "known", "hypothesis", "case",
    "si", "s", "suppose", "supposant", "supposer", "supposee", "condition", "hypothese", "pourvu", "cas", "pourrait", "serait", "ignore",
    "sait", "connue", "inconnue", "pourraient", "seraient", "admet", "admettant", "admis", "venait", "soit", "autant", "lorsque",
];

const ARTICLES: &[&str] =
    &["a", "an", "the", "un", "une", "le", "la", "les", "des", "l", "some", "its", "our", "their", "son", "sa", "ses"];

/// Verbs of making something so, in the past: who made it so is a cause.
#[rustfmt::skip]
const MADE: &[&str] = &[
    "made", "pushed", "drove", "sent", "forced", "triggered", "provoked", "overloaded", "saturated", "threw", "overwhelmed",
    "exhausted", "clogged", "flooded", "left", "rendu", "porte", "laisse", "fait", "pousse", "provoque", "entraine", "force", "sature", "surcharge", "declenche", "submerge",
];

/// Checks what is told as a cause or as a doer.
pub(super) fn grounded(field: Field, text: &str, tokens: &[Token<'_>], words: &Words<'_>, reasons: &mut Vec<Reason>) {
    for at in 0..tokens.len() {
        let Some(length) = marker(tokens, at) else { continue };
        let clause = tokens.iter().skip(at + length);
        let clause =
            clause.take_while(|token| !matches!(token.kind, Kind::Mark(',' | ';' | ':' | '.' | '!' | '?' | ')')));
        let clause: Vec<&Token<'_>> = clause.take(16).collect();
        let said = || clause.iter().filter_map(|token| token.word()).map(|word| word.folded.as_ref());
        let told = clause.iter().any(|token| token.word().is_none() && !matches!(token.kind, Kind::Mark(_)))
            || said().any(|word| word.len() > 2 && !lexicon::is_function_word(word) && words.is_given(word));
        let names = said().any(|word| ARTICLES.contains(&word)) && said().count() > 1;
        if let (false, true, Some(first), Some(last)) = (told, names, clause.first(), clause.last()) {
            reasons.push(Reason::Foreign(text[first.span.start..last.span.end].to_string())); // tokens are of this text
        }
    }
    makers(text, tokens, words, reasons);
    // An action may be to look for one.
    let sought = field == Field::Action && words.is_of_plan("cause");
    for sentence in sentences(tokens).into_iter().filter(|_| !sought) {
        let has =
            |found: &dyn Fn(&str) -> bool| sentence.iter().filter_map(Token::word).any(|word| found(&word.folded));
        let causes = sentence.iter().find(|token| token.word().is_some_and(|word| word.folded.starts_with("caus")));
        if let Some(token) = causes.filter(|_| !has(&|word| SUPPOSING.contains(&word))) {
            reasons.push(Reason::Cause(text[token.span.clone()].to_string()));
        }
    }
}

/// `dust in the filters made the temperature reach {x}`: whatever it is that did so. The passive tells only what was done.
fn makers(text: &str, tokens: &[Token<'_>], words: &Words<'_>, reasons: &mut Vec<Reason>) {
    let folded = |at: usize| tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref());
    for (at, token) in tokens.iter().enumerate() {
        if !MADE.contains(&folded(at)) || words.is_of_plan(folded(at)) {
            continue;
        }
        let before = at.checked_sub(1).map_or("", folded);
        let passive =
            ["is", "was", "were", "been", "be", "are", "ete", "est", "etait", "etaient", "etre"].contains(&before);
        let french = ["a", "ont", "avait", "avaient", "aurait"].contains(&before);
        let object = (at + 1..at + 4).find(|&at| {
            !ARTICLES.contains(&folded(at)) && !matches!(tokens.get(at).map(|t| &t.kind), Some(Kind::Mark('\'' | '’')))
        });
        let made = object.and_then(|at| tokens.get(at)).is_some_and(|token| match &token.kind {
            Kind::Fact { .. } | Kind::Name => true,
            Kind::Word(word) => {
                french || words.is_given(&word.folded) || ["it", "this", "them"].contains(&word.folded.as_ref())
            }
            _ => false,
        });
        let is_french = words.is_french();
        if made && !passive && french == is_french {
            reasons.push(Reason::Cause(text[token.span.clone()].to_string())); // tokens are of this text
        }
    }
}

/// How many words from `at` on are a marker.
fn marker(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let first = tokens.get(at)?.word()?.folded.as_ref();
    let starts = |marker: &&&str| marker.split(' ').next() == Some(first);
    let mut markers = MARKERS.alike(first).iter().filter(starts).peekable();
    markers.peek()?;
    let said = fold_words(tokens.get(at..tokens.len().min(at + 4)).unwrap_or_default());
    let said = said.trim_start();
    let marker = markers.find(|marker| said.strip_prefix(**marker).is_some_and(|rest| rest.starts_with(' ')));
    marker.map(|marker| marker.split(' ').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_as_words_are_looked_up() {
        for marker in MARKERS.words.iter().chain(SUPPOSING) {
            assert_eq!(*marker, super::super::lexicon::fold(&marker.to_lowercase()));
        }
    }
}
