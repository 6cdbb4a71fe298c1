//! Grounding: what a model wrote is held to the facts of its recommendation, word by word. Knows one recommendation, and
//! nothing of how the text came.
//!
//! **Guaranteed**, as far as words can be seen: a sentence that passes states no figure that is not exactly one fact, in
//! digits of any script, in number words, percentages, multiples or spans of time (`tokens`, `figures`); no unit that the
//! fact does not have; no other name of the run and no token that is shaped like an identifier (`others`); of two figures
//! side by side the one that was comes first, and a rise is one by the figures (`pairs`); nothing but plain characters, no
//! address and no markup (`style`); and the slots that the plan cannot do without.
//!
//! **Best effort**: the rest refuses what it positively recognises as wrong, and never a word for being unknown. Promises,
//! another language, an author who speaks (`style`), the opposite of the planned verb (`decision`), the opposite of a
//! planned level (`beside`), a figure under the name of another (`kinds`), another status (`statuses`), a cause that the plan
//! does not tell (`causes`), all of what the plan has one of (`scope`), and listed things that no plan speaks of: days, people,
//! money, secrets, accidents, other actions (`vocabulary`). What it misses is a flaw of wording: ids, targets and
//! parameters are fields of the recommendation whatever its text says, and an honest sentence that is refused costs a call.

mod beside;
mod causes;
mod decision;
mod facts;
mod figures;
mod kinds;
mod levels;
mod lexicon;
mod list;
mod others;
mod pairs;
mod scope;
mod sense;
mod statuses;
mod style;
mod tokens;
mod verbs;
mod vocabulary;

use std::fmt;

use crate::domain::{Language, Recommendation, Words};

use super::{Slot, Wording, fill, slots_in};
use facts::Known;
use tokens::{Kind, Token, tokenize};

/// Longest sentence that may stand for this planned one, in characters, slots unfilled; filled it may be as long again.
fn longest(planned: &str) -> usize {
    (planned.chars().count() + 100).max(400)
}

/// A wording that may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounded {
    /// With slots; literals that were bound to facts are slots now.
    pub slots: Words,
    /// With every slot filled.
    pub words: Words,
    /// What was bound or dropped.
    pub ledger: Vec<String>,
}

/// Which sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Action,
    Benefit,
}

impl Field {
    fn of(self, words: &Words) -> &str {
        match self {
            Field::Action => &words.action,
            Field::Benefit => &words.benefit_estimate,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Action => "action",
            Field::Benefit => "benefit_estimate",
        })
    }
}

/// What is wrong with a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in `{field}`, {reason}")]
pub struct Fault {
    pub field: Field,
    pub reason: Reason,
}

/// Each names the offending text, fit to be told to the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the sentence is empty or no sentence")]
    NoSentence,
    #[error("the sentence is longer than {0} characters, or than twice that once its slots are filled")]
    TooLong(usize),
    #[error("no fact is named `{0}`; use only the slots of the list")]
    UnknownSlot(String),
    #[error("a brace belongs to no slot; write slots as {{name}}, with single braces")]
    StrayBrace,
    #[error("`{0}` is glued to a slot; leave white space around slots")]
    Glued(String),
    #[error("`{0}` after a slot is wrong; the slot carries its unit")]
    Unit(String),
    #[error("the figure `{0}` is no fact; write the slot of the fact that is meant, or no figure")]
    Figure(String),
    #[error("the figure `{0}` could be several facts; write the slot of the one that is meant")]
    Ambiguous(String),
    #[error("`{0}` counts, measures or multiplies in words; use a slot or leave it out")]
    Counting(String),
    #[error("`{0}` looks like a name, and no fact has it; use only the names of the facts")]
    Identifier(String),
    #[error("`{0}` is another service, host or metric of this run; name only what the facts name")]
    Other(String),
    #[error("the character {0} has no place in a plain sentence")]
    Character(String),
    #[error("`{0}` is markup, an address or a path; write a plain sentence")]
    Markup(String),
    #[error("`{0}` promises; say what should or would happen")]
    Promise(String),
    #[error("`{0}` tells a level as a change or a total as an increment; say what it goes from and to")]
    Change(String),
    #[error("`{0}` turns the planned action around")]
    Negation(String),
    #[error("`{0}` is the opposite of the planned action; keep to what is planned")]
    Opposite(String),
    #[error("`{0}` is planned, and the sentence does not say it; say it, or the same in another verb, of the target")]
    Lead(String),
    #[error("`{word}` beside {{{slot}}} contradicts the planned sentence; say of the slot what is planned")]
    Beside { word: String, slot: String },
    #[error("`{0}` leads from what is planned to what was, or says a rise where the figures fall; turn it around")]
    Reversed(String),
    #[error("`{what}` says it of the wrong thing: it is {meaning}")]
    Misplaced { what: String, meaning: String },
    #[error("`{0}` is not the status that the facts have")]
    Status(String),
    #[error("`{0}` is nothing that the plan or a fact speaks of; leave it out")]
    Foreign(String),
    #[error("`{0}` tells a cause for certain, and no fact does; leave it out or say that it is supposed")]
    Cause(String),
    #[error("`{0}` speaks of all or none of something, and no fact does; leave it out")]
    Sweeping(String),
    #[error("`{0}` goes beyond the planned action")]
    Drastic(String),
    #[error("`{0}` speaks of the author; write only the recommendation")]
    Author(String),
    #[error("the sentence is not in {0}")]
    Language(&'static str),
    #[error("{{{0}}} is missing; the sentence must state it")]
    MissingSlot(String),
    #[error("{{{0}}} is an estimate; it belongs in `benefit_estimate`, with its assumptions")]
    EstimateInAction(String),
}

/// Holds a wording to the facts. Literals that are exactly one fact's rendering become its slot.
///
/// # Errors
/// Everything that is wrong with the two sentences.
pub fn ground(written: &Wording, about: &Recommendation, language: Language) -> Result<Grounded, Vec<Fault>> {
    let known = Known::of(about, language);
    let vocabulary = vocabulary::Words::of(about, &known);
    let mut faults = Vec::new();
    let mut ledger = Vec::new();
    let mut sentence = |field, text: &str| {
        let mut reasons = Vec::new();
        let bound = check_sentence(field, text.trim(), about, (&known, &vocabulary), &mut reasons, &mut ledger);
        faults.extend(reasons.into_iter().map(|reason| Fault { field, reason }));
        bound
    };
    let slots = Words {
        action: sentence(Field::Action, &written.action),
        benefit_estimate: sentence(Field::Benefit, &written.benefit_estimate),
    };
    faults.extend(left_out(&slots, about));
    let mut filled = |field: Field, text: &str| {
        let filled = fill(text, &about.facts, language).unwrap_or_default(); // an unknown slot is a fault already
        let longest = longest(field.of(&about.slots));
        if filled.chars().count() > 2 * longest {
            faults.push(Fault { field, reason: Reason::TooLong(longest) });
        }
        filled
    };
    let words = Words {
        action: filled(Field::Action, &slots.action),
        benefit_estimate: filled(Field::Benefit, &slots.benefit_estimate),
    };
    if faults.is_empty() { Ok(Grounded { slots, words, ledger }) } else { Err(faults) }
}

/// One sentence by itself; the answer is its text with literals bound.
fn check_sentence(
    field: Field,
    text: &str,
    about: &Recommendation,
    (known, vocabulary): (&Known<'_>, &vocabulary::Words<'_>),
    reasons: &mut Vec<Reason>,
    ledger: &mut Vec<String>,
) -> String {
    let planned = field.of(&about.slots);
    if text.chars().count() > longest(planned) {
        reasons.push(Reason::TooLong(longest(planned)));
        return text.to_string(); // bounded work on hostile text
    }
    let tokens = tokenize(text, known, reasons);
    if tokens.iter().filter(|token| matches!(token.kind, Kind::Word(_))).count() < 2 {
        reasons.push(Reason::NoSentence);
    }
    style::characters(text, reasons);
    style::language(&tokens, known.language, reasons);
    style::authors(text, &tokens, reasons);
    style::promises(text, &tokens, known.language, reasons);
    style::drastic(text, &tokens, &about.slots, vocabulary, reasons);
    vocabulary::foreign(field, text, &tokens, vocabulary, reasons);
    causes::grounded(field, text, &tokens, vocabulary, reasons);
    others::named(text, &tokens, (known, vocabulary), reasons);
    sense::changes(text, &tokens, &about.slots, reasons);
    if field == Field::Action {
        decision::kept(text, &tokens, &about.slots, (known, vocabulary), reasons);
    }
    if field == Field::Benefit {
        sense::turned(text, &tokens, known, reasons);
    }
    beside::contradicting(text, &tokens, known.planned(field), reasons);
    scope::sweeping(text, &tokens, known.planned(field), vocabulary, reasons);
    pairs::ordered(text, &tokens, known.planned(Field::Benefit), reasons);
    kinds::fitting(text, &tokens, known, reasons);
    statuses::stated(&tokens, known.facts, reasons);
    figures::counting(text, &tokens, reasons);
    let doubled = figures::units(text, &tokens, reasons);
    bind(field, text, &tokens, &doubled, ledger)
}

/// The text with literals turned into slots, and without units that a slot carries already.
fn bind(
    field: Field,
    text: &str,
    tokens: &[Token<'_>],
    doubled: &[std::ops::Range<usize>],
    ledger: &mut Vec<String>,
) -> String {
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for token in tokens {
        if let Kind::Fact { fact, literal: true } = token.kind {
            let slot = format!("{{{}}}", fact.name);
            ledger.push(format!("{field}: bound `{}` to {slot}", &text[token.span.clone()]));
            edits.push((token.span.clone(), slot));
        }
    }
    for unit in doubled {
        ledger.push(format!("{field}: dropped `{}`, which the slot before it carries", text[unit.clone()].trim()));
        edits.push((unit.clone(), String::new()));
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut bound = text.to_string();
    for (span, replacement) in edits.into_iter().rev() {
        bound.replace_range(span, &replacement); // spans are tokens', which do not overlap
    }
    bound
}

/// What the plan's own words state and the model's may not leave out: target and parameters of the action, the
/// estimate and the assumptions of the benefit.
fn left_out(slots: &Words, about: &Recommendation) -> Vec<Fault> {
    let planned = &about.slots;
    let mut faults = Vec::new();
    let mut fault = |field, reason| faults.push(Fault { field, reason });

    for name in names(&planned.action) {
        let stated = names(&slots.action).any(|n| n == name)
            || name == "target" && tokens::mentions(&slots.action, &about.target);
        if (name == "target" || name.starts_with("parameter.")) && !stated {
            fault(Field::Action, Reason::MissingSlot(name.to_string()));
        }
    }
    let is_estimate = |name: &&str| name.starts_with("projected.");
    if let Some(name) = names(&slots.action).filter(is_estimate).find(|n| names(&planned.action).all(|p| p != *n)) {
        fault(Field::Action, Reason::EstimateInAction(name.to_string()));
    }

    let stated: Vec<&str> = names(&slots.benefit_estimate).collect();
    let foreign = stated.iter().any(|n| is_estimate(n) && names(&planned.benefit_estimate).all(|p| p != *n));
    let facts = about.facts.iter().map(|fact| fact.name.as_str());
    let mut required: Vec<&str> = names(&planned.benefit_estimate).filter(|n| n.starts_with("assumed.")).collect();
    if foreign {
        // An estimate that the plan does not tie to assumptions might rest on any of them.
        required.extend(facts.filter(|n| n.starts_with("assumed.")));
    }
    required.sort_unstable();
    required.dedup();
    for name in required.into_iter().filter(|n| !stated.contains(n)) {
        fault(Field::Benefit, Reason::MissingSlot(name.to_string()));
    }
    let estimate = names(&planned.benefit_estimate).find(is_estimate);
    if let Some(name) = estimate.filter(|_| !stated.iter().any(is_estimate)) {
        fault(Field::Benefit, Reason::MissingSlot(name.to_string()));
    } else if estimate.is_none() {
        // Without one the figure that the benefit is about is a parameter, rather one that the action does not state.
        let mut about: Vec<&str> = names(&planned.benefit_estimate).filter(|n| n.starts_with("parameter.")).collect();
        let own = |n: &&str| names(&planned.action).all(|p| p != *n);
        if about.iter().any(own) {
            about.retain(own);
        }
        if let Some(name) = about.first().filter(|_| !about.iter().any(|n| stated.contains(n))) {
            fault(Field::Benefit, Reason::MissingSlot(name.to_string()));
        }
    }
    faults
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    slots_in(text).into_iter().map(|Slot { name, .. }| name)
}

#[cfg(test)]
mod tests;
