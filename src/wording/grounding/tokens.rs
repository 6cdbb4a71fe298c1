//! A sentence as tokens: facts (as slots or as literals), known names, words, marks. What is no sentence's token,
//! a figure or name that no fact has, is a fault found here. Slices are by spans of tokens, or by places that a search
//! of the same text gave.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

use std::borrow::Cow;
use std::ops::Range;

use crate::domain::{Fact, FactValue};

use super::facts::{Known, Literal};
use super::{Reason, lexicon};
use crate::wording::slots_in;

#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub kind: Kind<'a>,
    /// Bytes of the text that was cut up, on boundaries of characters: the text may be sliced by it.
    pub span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind<'a> {
    /// A slot, or a literal that is exactly one fact's rendering.
    Fact {
        fact: &'a Fact,
        literal: bool,
    },
    /// A name that the facts have.
    Name,
    /// Anything else of letters, hyphens inside included.
    Word(Word<'a>),
    /// A figure or name that no fact has, or a slot of no fact; a fault already.
    Faulty,
    Mark(char),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// In lower case.
    pub lower: Cow<'a, str>,
    /// In lower case and without accents, as the lexicons are.
    pub folded: Cow<'a, str>,
}

impl<'a> Token<'a> {
    pub fn word(&self) -> Option<&Word<'a>> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Fact { fact: Fact { value: FactValue::Number(_), .. }, .. })
    }
}

/// Cuts the text up. Spans rise and do not overlap; white space is in none of them.
pub(super) fn tokenize<'t, 'a: 't>(text: &'t str, known: &Known<'a>, reasons: &mut Vec<Reason>) -> Vec<Token<'t>> {
    let slots = slots_in(text);
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let rest = &text[at..]; // `get` above proved the boundary
        let (kind, length) = if let Some(slot) = slots.iter().find(|slot| slot.span.start == at) {
            (slot_kind(slot.name, known, reasons), slot.span.len())
        } else if let Some((kind, length)) = literal(text, at, known, reasons) {
            (kind, length)
        } else if let Some(length) = known.name_at(rest) {
            (Kind::Name, length)
        } else if c.is_alphanumeric() {
            let length = chunk(rest);
            (classify(&rest[..length], reasons), length)
        } else {
            match c {
                '{' | '}' => reasons.push(Reason::StrayBrace),
                '_' | '@' => reasons.push(Reason::Identifier(excerpt(rest))),
                _ => {}
            }
            (Kind::Mark(c), c.len_utf8())
        };
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    glue(text, &tokens, reasons);
    tokens
}

/// Whether the text has the name as a whole token.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(|c| inside(c) || "-.@{".contains(c)) && !after.is_some_and(|c| inside(c) || c == '@')
    })
}

fn slot_kind<'a>(name: &str, known: &Known<'a>, reasons: &mut Vec<Reason>) -> Kind<'a> {
    match known.facts.iter().find(|fact| fact.name == name) {
        Some(fact) => Kind::Fact { fact, literal: false },
        None => {
            reasons.push(Reason::UnknownSlot(excerpt(name)));
            Kind::Faulty
        }
    }
}

/// A rendering of a fact, where a figure may begin.
fn literal<'a>(text: &str, at: usize, known: &Known<'a>, reasons: &mut Vec<Reason>) -> Option<(Kind<'a>, usize)> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|c| !c.is_whitespace() && !"(«“\"'’/:=~≈≥≤—".contains(c)) {
        return None;
    }
    match known.literal_at(&text[at..])? {
        Literal::Bound(fact, length) => Some((Kind::Fact { fact, literal: true }, length)),
        Literal::Ambiguous(length) => {
            reasons.push(Reason::Ambiguous(excerpt(&text[at..at + length])));
            Some((Kind::Faulty, length))
        }
    }
}

/// Bytes of a run of letters and digits, with the marks that join them inside names and numbers.
fn chunk(rest: &str) -> usize {
    let mut chars = rest.char_indices().peekable();
    let mut previous = ' ';
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, c)| c);
        let joins = match c {
            '_' | '-' | '\u{2010}' | '\u{2011}' | '.' | '@' | ':' => next.is_some_and(char::is_alphanumeric),
            ',' | '\'' | '’' => previous.is_numeric() && next.is_some_and(char::is_numeric),
            _ => c.is_alphanumeric(),
        };
        // `__init__`: underscores join wherever they stand.
        if !joins && c != '_' {
            return at;
        }
        previous = c;
    }
    rest.len()
}

fn classify<'a>(text: &'a str, reasons: &mut Vec<Reason>) -> Kind<'a> {
    if text.bytes().all(|byte| byte.is_ascii_lowercase()) && text.len() <= LONGEST_WORD {
        return Kind::Word(Word { lower: text.into(), folded: text.into() });
    }
    if text.contains(char::is_numeric) {
        let is_figure = text.starts_with(char::is_numeric);
        let what = excerpt(text);
        reasons.push(if is_figure { Reason::Figure(what) } else { Reason::Identifier(what) });
        return Kind::Faulty;
    }
    let plain = text.replace(['\u{2010}', '\u{2011}'], "-");
    let abbreviation = plain.split('.').all(|part| part.chars().count() == 1) || plain == "p.ex";
    let odd = |part: &str| {
        let camel = part.chars().zip(part.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
        camel && !lexicon::TERMS.contains(&part) || part.chars().count() > LONGEST_WORD
    };
    if plain.contains(['_', '@', ':']) || plain.contains('.') && !abbreviation || plain.split('-').any(odd) {
        reasons.push(Reason::Identifier(excerpt(text)));
        return Kind::Faulty;
    }
    let lower = plain.to_lowercase();
    Kind::Word(Word { folded: lexicon::fold(&lower).into(), lower: lower.into() })
}

/// Of a word that is no identifier, in characters.
const LONGEST_WORD: usize = 30;

/// What stands right beside a fact may not make another figure or name of it: `-{a}`, `{a}.{b}`, `{target}-db`.
fn glue(text: &str, tokens: &[Token<'_>], reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(token.kind, Kind::Fact { .. }) {
            continue;
        }
        let mut before = text[..token.span.start].chars().rev();
        let mut after = text[token.span.end..].chars();
        let wordy = |c: char| c.is_alphanumeric() || "_{}".contains(c);
        let (left, lefter) = (before.next(), before.next());
        let (right, righter) = (after.next(), after.next());
        let joins = |mark: Option<char>, marks: &str, beyond: Option<char>| {
            mark.is_some_and(wordy) || mark.is_some_and(|c| marks.contains(c)) && beyond.is_some_and(wordy)
        };
        let signed = token.is_number()
            && left.is_some_and(|c| "-+–\u{2010}\u{2011}.,".contains(c))
            && !lefter.is_some_and(char::is_alphanumeric);
        let composed = tokens.get(at + 1).filter(|next| {
            let between = &text[token.span.end..next.span.start]; // tokens do not overlap
            token.is_number() && next.is_number() && between.chars().all(char::is_whitespace)
        });
        let rate = token.is_number() && right == Some('/') && righter.is_some_and(char::is_alphabetic);
        let left_joined = joins(left, "_-\u{2010}\u{2011}.@,", lefter);
        let right_joined = joins(right, "_-\u{2010}\u{2011}.@:,–'’", righter) && !possessive(&text[token.span.end..]);
        if let Some(next) = composed {
            reasons.push(Reason::Glued(text[token.span.start..next.span.end].to_string()));
        } else if signed || rate || left_joined || right_joined {
            let lead = text[..token.span.start].rsplit(char::is_whitespace).next().unwrap_or_default();
            reasons.push(Reason::Glued(excerpt(&text[token.span.start - lead.len()..]))); // `lead` ends at the token
        }
    }
}

/// `{target}'s`.
fn possessive(after: &str) -> bool {
    let s = after.strip_prefix(['\'', '’']).and_then(|rest| rest.strip_prefix('s'));
    s.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "_-{".contains(c)))
}

/// Cut at ends of sentences, colons and semicolons; not after an abbreviation.
pub(super) fn sentences<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).and_then(Token::word);
        let abbreviated = before.is_some_and(|w| w.lower.contains('.') || lexicon::ABBREVIATIONS.contains(&&*w.lower));
        let ends = matches!(token.kind, Kind::Mark('.' | ';' | ':' | '!' | '?' | '…'));
        if ends && !(abbreviated && matches!(token.kind, Kind::Mark('.'))) {
            sentences.extend(tokens.get(start..at));
            start = at + 1;
        }
    }
    sentences.extend(tokens.get(start..));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The names of the nearest facts before and after a token, as far as the sentence goes; colons do not end it here.
pub(super) fn neighbours<'a>(tokens: &[Token<'a>], at: usize) -> [Option<&'a str>; 2] {
    let name = |token: &Token<'a>| match token.kind {
        Kind::Fact { fact, .. } => Some(Some(fact.name.as_str())),
        Kind::Mark('.' | ';' | '!' | '?') => Some(None),
        _ => None,
    };
    let before = tokens.get(..at).unwrap_or_default().iter().rev().find_map(name);
    let after = tokens.get(at + 1..).unwrap_or_default().iter().find_map(name);
    [before.flatten(), after.flatten()]
}

/// The first few characters of a text, for a message.
pub(super) fn excerpt(text: &str) -> String {
    let word: String = text.split_whitespace().next().unwrap_or(text).chars().take(40).collect();
    if word.len() < text.split_whitespace().next().unwrap_or(text).len() { word + "…" } else { word }
}
