//! What a published sentence is made of: plain characters, the right language, no promise, no author, nothing more
//! drastic than was planned. Slices are by spans of tokens
//! or by places that a search of the same text gave.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

use std::cell::LazyCell;

use crate::domain::{Language, Words};

use super::list::List;
use super::tokens::{Kind, Token, Word, excerpt};
use super::vocabulary::Words as Vocabulary;
use super::{Reason, lexicon};

/// Characters that sentences of both languages need. Everything else is out: other scripts hide figures and imitate
/// letters, controls and zero-width marks hide words, brackets and stars are markup.
pub(super) fn characters(text: &str, reasons: &mut Vec<Reason>) {
    let mut seen = Vec::new();
    for c in text.chars().filter(|&c| !is_plain(c)) {
        if !seen.contains(&c) && seen.len() < 3 {
            seen.push(c);
            let named = if c.is_control() || c.is_whitespace() || !c.is_alphanumeric() && !c.is_ascii() {
                format!("U+{:04X}", u32::from(c))
            } else {
                format!("`{c}` (U+{:04X})", u32::from(c))
            };
            reasons.push(if c.is_numeric() { Reason::Figure(c.to_string()) } else { Reason::Character(named) });
        }
    }
    let lower = text.to_lowercase();
    for mark in ["://", "www.", "mailto:", "~/", "~~", "--"] {
        if lower.contains(mark) {
            reasons.push(Reason::Markup(mark.to_string()));
        }
    }
    if let Some(at) = text.match_indices('/').map(|(at, _)| at).find(|&at| is_path(text, at)) {
        reasons.push(Reason::Markup(excerpt(&text[at..])));
    }
    let is_flag = |at: usize| {
        let mut around = text[at..].chars().skip(1);
        around.next() == Some('-') && around.next().is_some_and(char::is_alphabetic)
    };
    if let Some(at) = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at).find(|&at| is_flag(at)) {
        reasons.push(Reason::Markup(excerpt(&text[at..]))); // an option of a command
    }
    let entity = |(at, _): (usize, &str)| {
        let rest = &text[at + 1..];
        rest.find(|c: char| !c.is_alphanumeric() && c != '#').is_some_and(|end| end > 0 && rest[end..].starts_with(';'))
    };
    if text.match_indices('&').any(entity) || text.starts_with(['-', '–', '—', '+', '=', '@', '•']) {
        reasons.push(Reason::Markup(excerpt(text)));
    }
}

/// A slash that starts a word.
fn is_path(text: &str, slash: usize) -> bool {
    let before = text[..slash].chars().next_back();
    let after = text[slash + 1..].chars().next();
    before.is_none_or(|c| c.is_whitespace() || "(\"'’«“".contains(c)) && after.is_some_and(char::is_alphanumeric)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "àâäæçéèêëîïôöœùûüÿñÀÂÄÆÇÉÈÊËÎÏÔÖŒÙÛÜŸÑ".contains(c)
        || " !\"%&'()+,-./:;=?@_{}~".contains(c)
        || "\u{a0}\u{202f}\u{2009}«»‘’“”‐\u{2011}–—…°≈≥≤→".contains(c)
}

/// Function words tell which language a sentence is in.
pub(super) fn language(tokens: &[Token<'_>], language: Language, reasons: &mut Vec<Reason>) {
    let words: Vec<&Word> = tokens.iter().filter_map(Token::word).collect();
    let count = |list: &List| words.iter().filter(|word| list.has(&word.lower)).count();
    let (english, french) = (count(&lexicon::ENGLISH), count(&lexicon::FRENCH));
    let (own, other, name) = match language {
        Language::En => (english, french, "English"),
        Language::Fr => (french, english, "French"),
    };
    if other > own || own == 0 && words.len() >= 10 {
        reasons.push(Reason::Language(name));
    }
}

/// A model that speaks of itself, or to its reader, has not worded a recommendation.
pub(super) fn authors(text: &str, tokens: &[Token<'_>], reasons: &mut Vec<Reason>) {
    for token in tokens {
        let Kind::Word(word) = &token.kind else { continue };
        let (written, after) = (&text[token.span.clone()], &text[token.span.end..]);
        let first_person = written == "I" && !after.starts_with('/') || ["je", "moi", "myself"].contains(&&*word.lower);
        let elided = word.lower == "j" && after.starts_with(['\'', '’']);
        if first_person || elided || ["ai", "ia", "llm", "sorry", "désolé"].contains(&&*word.lower) && written != "ai"
        {
            reasons.push(Reason::Author(written.to_string()));
        }
    }
    let lower = format!(" {}", text.to_lowercase());
    for phrase in [
        "language model",
        "modèle de langage",
        "previous instruction",
        "instructions précédentes",
        " here is ",
        " here are ",
        "you asked",
        "as requested",
        " voici ",
        "comme demandé",
        "reformul",
        "rephras",
        "system:",
        "système :",
        " assistant",
        "l'assistant",
        "this recommendation as",
        "cette recommandation comme",
    ] {
        if lower.contains(phrase) {
            reasons.push(Reason::Author(phrase.to_string()));
        }
    }
}

/// Neither what to do nor what it should bring is certain.
pub(super) fn promises(text: &str, tokens: &[Token<'_>], language: Language, reasons: &mut Vec<Reason>) {
    let folded = fold_words(tokens);
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let next = tokens.get(at + 1).and_then(Token::word);
        let this = word.folded.as_ref();
        let starts = |stems: &[&str]| stems.iter().any(|stem| this.starts_with(stem));
        let guarantee = starts(lexicon::GUARANTEE_STEMS) && !denied(tokens, at);
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
        let hedged =
            before.is_some_and(|word| ["almost", "nearly", "near", "presque", "quasi"].contains(&word.folded.as_ref()));
        let listed = lexicon::PROMISES.has(this) && !is_mere(tokens, at, this) && !hedged;
        let listed = listed || lexicon::PROMISE_STEMS.beginning(this).is_some() && !supposed(tokens, at);
        // Without its accent it is the French `on`.
        let sure = ["sûr", "sûre", "sûrs", "sûres"].contains(&word.lower.as_ref());
        // `certain requests` are some.
        let certain = ["certain", "certaine", "certains", "certaines"].contains(&this)
            && next.is_none_or(|next| lexicon::is_function_word(&next.folded) || next.folded == "a");
        let future = language == Language::Fr && is_future(word, next);
        if guarantee || listed || sure || certain || future {
            reasons.push(Reason::Promise(text[token.span.clone()].to_string()));
        }
    }
    if let Some(phrase) = lexicon::PROMISE_PHRASES.iter().find(|phrase| has_phrase(&folded, phrase)) {
        reasons.push(Reason::Promise(phrase.to_string()));
    }
}

/// `never` and `always` of what is or may be: `requests that never reach it`, `toujours en ligne`, `is always`. They
/// promise beside `again` and after a verb of what would be.
fn is_mere(tokens: &[Token<'_>], at: usize, this: &str) -> bool {
    let folded =
        |at: Option<usize>| at.and_then(|at| tokens.get(at)).and_then(Token::word).map_or("", |w| w.folded.as_ref());
    let before: Vec<&str> = (1..=3).map(|back| folded(at.checked_sub(back))).collect();
    let after: Vec<&str> = (1..=4).map(|on| folded(Some(at + on))).collect();
    let ahead = [
        "will", "would", "should", "can", "could", "ll", "plus", "shall", "must", "again", "devrait", "pourrait",
        "doit",
    ];
    let conditional = |word: &&str| ahead.contains(word) || word.ends_with("rait") || word.ends_with("raient");
    ["never", "jamais", "always", "toujours"].contains(&this) && !before.iter().chain(&after).any(conditional)
}

/// After `if` in the same clause, or where an estimate says of how much.
fn supposed(tokens: &[Token<'_>], at: usize) -> bool {
    let before = tokens.get(..at).unwrap_or_default().iter().rev();
    let mut clause = before.take_while(|token| !matches!(token.kind, Kind::Mark(',' | ';' | ':' | '.' | '!' | '?')));
    let supposes = |word: &Word| lexicon::CONDITIONS.contains(&word.folded.as_ref()) || word.folded == "s";
    let estimate = tokens
        .get(at)
        .and_then(Token::word)
        .is_some_and(|word| word.folded.ends_with("rait") || word.folded.ends_with("raient"));
    let figures = tokens.iter().any(Token::is_number);
    clause.any(|token| token.word().is_some_and(supposes)) || estimate && figures
}

/// `not a guarantee`, `n'est pas garanti`.
fn denied(tokens: &[Token<'_>], at: usize) -> bool {
    let start = at.saturating_sub(4);
    let before = fold_words(tokens.get(start..at).unwrap_or_default());
    let next = tokens.get(at + 1).and_then(Token::word).map(|word| word.folded.as_ref());
    next == Some("pas") || lexicon::DENIALS.iter().any(|denial| before.ends_with(&format!(" {denial} ")))
}

/// A French verb in the future, simple or with `aller`.
fn is_future(word: &Word, next: Option<&Word>) -> bool {
    let this = word.folded.as_ref();
    let endings = ["era", "eront", "ira", "iront", "dra", "dront", "ura", "uront", "vra", "vront", "tra", "tront"];
    let simple =
        this.len() > 3 && endings.iter().any(|ending| this.ends_with(ending)) && !lexicon::NO_FUTURE.contains(&this);
    let infinitive = |word: &Word| ["er", "ir", "re"].iter().any(|ending| word.folded.ends_with(ending));
    simple || ["va", "vont"].contains(&this) && next.is_some_and(infinitive)
}

/// An action that destroys or switches off must be the planned one.
/// Where it clears what the plan clears, another verb may say so; an estimate may remove a share of something.
pub(super) fn drastic(
    text: &str,
    tokens: &[Token<'_>],
    planned: &Words,
    vocabulary: &Vocabulary<'_>,
    reasons: &mut Vec<Reason>,
) {
    let plan =
        LazyCell::new(|| lexicon::fold(&format!(" {} {} ", planned.action, planned.benefit_estimate).to_lowercase()));
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let Some(stem) = lexicon::DRASTIC_STEMS.beginning(&word.folded) else { continue };
        let apart = tokens.iter().skip(at + 1).take(3).any(Token::is_number) || vocabulary.is_given(&word.folded);
        if !apart && !plan.contains(&format!(" {stem}")) {
            reasons.push(Reason::Drastic(text[token.span.clone()].to_string()));
        }
    }
    let folded = fold_words(tokens);
    let phrase = lexicon::DRASTIC_PHRASES.iter().find(|p| has_phrase(&folded, p) && !plan.contains(&format!(" {p} ")));
    if let Some(phrase) = phrase {
        reasons.push(Reason::Drastic(phrase.to_string()));
    }
}

/// The words with one space around each; slots, names and marks break phrases.
pub(super) fn fold_words(tokens: &[Token<'_>]) -> String {
    let mut folded = String::from(" ");
    for token in tokens {
        match &token.kind {
            Kind::Word(word) => folded.push_str(&word.folded),
            Kind::Mark('\'' | '’') => continue,
            _ => folded.push('|'),
        }
        folded.push(' ');
    }
    folded
}

pub(super) fn has_phrase(folded: &str, phrase: &str) -> bool {
    let ends = |at: usize| folded.as_bytes().get(at) == Some(&b' ');
    folded.match_indices(phrase).any(|(at, _)| at > 0 && ends(at - 1) && ends(at + phrase.len()))
}
