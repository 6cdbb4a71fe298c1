//! What a sentence may name: the facts' renderings and the names that occur in them.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::domain::{Fact, FactValue, Language, Parameter, Recommendation};

use super::tokens::{Token, tokenize};
use super::{Field, kinds, lexicon, others};
use crate::wording::number;

/// The vocabulary of one recommendation.
pub(super) struct Known<'a> {
    pub facts: &'a [Fact],
    pub language: Language,
    /// Names of the run that may not, folded.
    pub others: BTreeSet<String>,
    /// The planned sentences.
    action: Vec<Token<'a>>,
    benefit: Vec<Token<'a>>,
    /// Names that may stand in a sentence, longest first.
    names: Vec<&'a str>,
    /// What they begin with.
    firsts: Vec<u8>,
    /// Renderings of numbers and times, with plain spaces, longest first; made when a text holds a figure.
    literals: OnceCell<Vec<(String, &'a Fact)>>,
    /// What each metric is called; made when a text holds a figure of one.
    metrics: OnceCell<kinds::Metrics<'a>>,
}

/// A literal that stands at a place.
pub(super) enum Literal<'a> {
    Bound(&'a Fact, usize),
    Ambiguous(usize),
}

impl<'a> Known<'a> {
    pub fn of(about: &'a Recommendation, language: Language) -> Known<'a> {
        let mut names: Vec<&str> = vec![&about.target];
        for fact in &about.facts {
            names.push(&fact.name);
        }
        names.extend(about.facts.iter().map(|fact| fact.subject.as_str()));
        names.extend(about.facts.iter().filter_map(|fact| fact.name.split_once('.')).map(|(head, _)| head)); // `cpu_usage`
        for fact in &about.facts {
            if let FactValue::Name(name) = &fact.value {
                names.push(name);
            }
        }
        for (name, parameter) in &about.parameters {
            names.push(name);
            if let Parameter::Text(text) = parameter {
                names.push(text);
            }
        }
        // A plain word needs no leave to stand in a sentence, and gets none beyond what words have.
        names.dedup(); // facts of one metric stand together
        names.retain(|name| name.bytes().any(|c| !c.is_ascii_lowercase()) && !lexicon::is_quantity(name));
        names.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        names.dedup();

        let mut firsts: Vec<u8> = names.iter().filter_map(|name| name.bytes().next()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let mut known = Known {
            firsts,
            facts: &about.facts,
            language,
            others: BTreeSet::new(),
            action: Vec::new(),
            benefit: Vec::new(),
            names,
            literals: OnceCell::new(),
            metrics: OnceCell::new(),
        };
        known.action = tokenize(&about.slots.action, &known, &mut Vec::new());
        known.benefit = tokenize(&about.slots.benefit_estimate, &known, &mut Vec::new());
        known.others = others::names(about, &known);
        known
    }

    /// A planned sentence.
    pub fn planned(&self, field: Field) -> &[Token<'a>] {
        match field {
            Field::Action => &self.action,
            Field::Benefit => &self.benefit,
        }
    }

    pub fn metrics(&self) -> &kinds::Metrics<'a> {
        self.metrics.get_or_init(|| kinds::Metrics::of(self.facts))
    }

    fn literals(&self) -> &[(String, &'a Fact)] {
        self.literals.get_or_init(|| {
            let all =
                self.facts.iter().flat_map(|fact| renderings(fact, self.language).into_iter().map(move |r| (r, fact)));
            let mut literals: Vec<(String, &Fact)> = all.collect();
            literals.sort_by_key(|(rendering, _)| std::cmp::Reverse(rendering.chars().count()));
            literals
        })
    }

    /// Names that may stand in a sentence and are joined of several parts themselves.
    pub fn joined_names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied().filter(|name| name.contains(['-', '_']))
    }

    /// Bytes of the longest known name that the text starts with.
    pub fn name_at(&self, text: &str) -> Option<usize> {
        let first = text.bytes().next()?;
        if !self.firsts.contains(&first) {
            return None;
        }
        let ends = |rest: &str| {
            let mut after = rest.chars();
            match (after.next(), after.next()) {
                (Some(c), _) if c.is_alphanumeric() || c == '_' => false,
                (Some('-' | '.' | ':' | '@'), Some(c)) => !(c.is_alphanumeric() || c == '{' || c == '_'),
                _ => true,
            }
        };
        self.names.iter().find(|name| text.strip_prefix(**name).is_some_and(ends)).map(|name| name.len())
    }

    /// The longest rendering of a fact that the text starts with.
    pub fn literal_at(&self, text: &str) -> Option<Literal<'a>> {
        // As every rendering starts.
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return None;
        }
        let ends = |rest: &str| {
            let mut after = rest.chars();
            match (after.next(), after.next()) {
                (None, _) => true,
                (Some('/'), Some(c)) => c.is_ascii_digit() || c == '{', // `41/500`, if the other is a fact too
                (Some('.' | ',' | ':' | '\'' | '’' | '-' | '–'), Some(c)) => !(c.is_alphanumeric() || c == '{'),
                (Some(c), _) => c.is_whitespace() || ".,;:!?)»”\"'’-–—/…".contains(c),
            }
        };
        let fitting = |rendering: &str| starts_with(text, rendering).filter(|&n| text.get(n..).is_some_and(ends));
        let (length, fact) = self.literals().iter().find_map(|(r, fact)| Some((fitting(r)?, *fact)))?;
        let others = self.literals().iter().filter(|(r, f)| f.name != fact.name && fitting(r) == Some(length));
        Some(if others.count() > 0 { Literal::Ambiguous(length) } else { Literal::Bound(fact, length) })
    }
}

/// A number with its unit in the language's notation and in plain notation; a time in ISO 8601.
fn renderings(fact: &Fact, language: Language) -> Vec<String> {
    let figure = match &fact.value {
        FactValue::Number(figure) => *figure,
        FactValue::Time(time) => return vec![time.to_string()],
        FactValue::Name(_) | FactValue::Status(_) => return Vec::new(),
    };
    let mut numbers = vec![number(figure, language).replace('\u{202f}', " "), figure.to_string()];
    numbers.dedup();
    match fact.unit.as_deref() {
        None => numbers,
        Some(unit) => numbers.iter().flat_map(|n| [format!("{n} {unit}"), format!("{n}{unit}")]).collect(),
    }
}

/// Bytes of `text` that read as `rendering`; any space that does not break is as good as a plain one.
fn starts_with(text: &str, rendering: &str) -> Option<usize> {
    let mut at = 0;
    for wanted in rendering.chars() {
        let c = text.get(at..)?.chars().next()?;
        let same = c == wanted || wanted == ' ' && matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}');
        if !same {
            return None;
        }
        at += c.len_utf8();
    }
    Some(at)
}
