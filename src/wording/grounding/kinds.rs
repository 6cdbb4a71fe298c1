//! What a slot is said of: a time as a time, a count of records as one, a figure of one metric not of another, a mean not
//! as a peak. By the names and meanings of the facts and the few words before the slot. Slices are by spans of tokens.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Fact, FactValue, Language};

use super::facts::Known;
use super::tokens::{Kind, Token, Word};
use super::{Reason, lexicon};

/// Checks every slot of a sentence.
pub(super) fn fitting(text: &str, tokens: &[Token<'_>], known: &Known<'_>, reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Fact { fact, .. } = &token.kind else { continue };
        let said = Said { tokens, at };
        let is_time = matches!(fact.value, FactValue::Time(_));
        let wrong = if is_time {
            !said.as_time(known.language)
        } else if is_count_of_records(fact) {
            said.of_no_records(fact)
        } else if said.of_another_family(fact) {
            true
        } else {
            token.is_number() && (said.as_moment(known.language) || said.of_another_kind(fact))
                || said.of_another_metric(fact, known)
        };
        if wrong {
            let start = tokens.get(at.saturating_sub(2)).map_or(token.span.start, |token| token.span.start);
            let what = text[start..token.span.end].to_string(); // spans rise
            reasons.push(Reason::Misplaced { what, meaning: fact.meaning.clone() });
        }
    }
}

fn is_count_of_records(fact: &Fact) -> bool {
    let tail = fact.name.rsplit('.').next().unwrap_or_default();
    fact.unit.is_none() && (["records", "reached"].contains(&tail) || tail.ends_with("_records"))
}

/// A slot among its tokens.
struct Said<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
}

const RECORDS: &[&str] = &[
    "record",
    "reading",
    "sample",
    "measur",
    "observ",
    "time",
    "datapoint",
    "point",
    "entr",
    "relev",
    "mesur",
    "echantillon",
    "enregistr",
    "fois",
    "occurrence",
    "occasion",
    "case",
    "cas",
    "instant",
    "moment",
    "row",
    "ligne",
    "value",
    "valeur",
];

/// Words for a mean, and the facts that are one.
const MEANS: (&[&str], &[&str]) =
    (&["mean", "averag", "moyen"], &["mean", "projected_mean", "observed_mean", "mean_latency"]);

/// Words that say which of a metric's figures is meant, and the ends of the names of facts that they may be said of.
const FIGURES: &[(&[&str], &[&str])] = &[
    (&["peak", "culmin", "maxim", "pic"], &["value"]),
    (&["threshold", "seuil"], &["threshold", "lowest", "limit_margin", "abort_above"]),
];

/// Things that are counted, by the beginnings of their names in both languages.
const FAMILIES: &[&[&str]] = &[
    &["replica", "replique", "instance", "pod", "container", "conteneur"],
    &["thread", "fils"],
    &["connection", "connexion", "pool"],
    &["request", "requete"],
    &["record", "releve"],
];

impl Said<'_, '_> {
    fn folded(&self, at: usize) -> &str {
        self.tokens.get(at).and_then(Token::word).map_or("", |word| word.folded.as_ref())
    }

    /// The word right before, over an apostrophe and words for `about`.
    fn before(&self) -> &str {
        let mut places = (0..self.at).rev();
        let place = places.find(|&at| {
            let apostrophe = self.tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Mark('\'' | '’')));
            !apostrophe && !lexicon::APPROXIMATELY.has(self.folded(at))
        });
        place.map_or("", |at| self.folded(at))
    }

    /// Whether a time stands where times stand: not after `reached`, and in French not after `à`.
    fn as_time(&self, language: Language) -> bool {
        let before = self.before();
        match language {
            Language::En => {
                !["reached", "hit", "exceeded", "above", "below", "of", "than", "over", "under", "by", "was", "is"]
                    .contains(&before)
                    || before == "of" && self.folded(self.at.saturating_sub(2)) == "as"
            }
            Language::Fr => {
                !["a", "atteint", "de", "depasse", "dessus", "dessous", "sous", "etait", "est", "valait", "vaut"]
                    .contains(&before)
                    || before == "de" && self.folded(self.at + 1) == "a"
                    || before == "a"
                        && self
                            .tokens
                            .get(self.at.saturating_sub(2))
                            .is_some_and(|token| matches!(token.kind, Kind::Fact { .. }))
            }
        }
    }

    /// Whether a number stands where only a time can: `le {replicas}`, `{replicas} o'clock`.
    fn as_moment(&self, language: Language) -> bool {
        let next = self.folded(self.at + 1);
        let clock = next == "o" || ["utc", "gmt", "heures", "oclock"].contains(&next);
        // `le {share} restant` has a noun after it.
        let bare = next.is_empty() || lexicon::is_function_word(next);
        clock || language == Language::Fr && self.before() == "le" && bare
    }

    fn clause(&self) -> impl Iterator<Item = (usize, &Token<'_>)> {
        let ends = |token: &&Token<'_>| matches!(token.kind, Kind::Mark('.' | ';' | ':' | '!' | '?'));
        let start = self.tokens.iter().take(self.at).rposition(|token| ends(&token)).map_or(0, |at| at + 1);
        self.tokens.iter().enumerate().skip(start).take_while(move |(at, token)| *at <= self.at || !ends(token))
    }

    /// Whether a count of records is said of other things (`{reached} replicas`), or as a level (`peaked at {reached}`) in a
    /// clause without records.
    fn of_no_records(&self, fact: &Fact) -> bool {
        let is_record = |word: &str| RECORDS.iter().any(|stem| word.starts_with(stem));
        let next = self.folded(self.at + 1);
        let others = lexicon::is_counted(next) && !is_record(next);
        let level = [
            "at", "to", "reached", "hit", "exceeded", "above", "a", "atteint", "depasse", "culmine", "is", "was",
            "est", "etait", "de", "d", "by",
        ];
        let records = self.clause().any(|(at, token)| match &token.kind {
            Kind::Fact { fact: other, .. } => {
                other.name != fact.name && is_count_of_records(other) && at.abs_diff(self.at) <= 6
            }
            Kind::Word(word) => is_record(&word.folded),
            _ => false,
        });
        (others || level.contains(&self.before())) && !records
    }

    /// `{parameter.replicas} threads`: a noun of other things than the fact counts.
    fn of_another_family(&self, fact: &Fact) -> bool {
        let family = |word: &str| FAMILIES.iter().position(|stems| stems.iter().any(|stem| word.starts_with(stem)));
        let mut parts = fact.name.split(['.', '_']).rev();
        let (counts, said) = (parts.find_map(family), family(self.folded(self.at + 1)));
        fact.unit.is_none() && counts.zip(said).is_some_and(|(counts, said)| counts != said)
    }

    /// `the mean of {latency_ms.value}`: another of the metric's figures.
    fn of_another_kind(&self, fact: &Fact) -> bool {
        let tail = fact.name.rsplit('.').next().unwrap_or_default();
        if !["value", "newest", "mean", "threshold", "lowest", "records", "reached"].contains(&tail) {
            return false;
        }
        let mut near = (self.at.saturating_sub(4)..self.at).rev();
        let near = near.by_ref().take_while(|&at| {
            let joins = ["and", "but", "while", "et", "mais", "tandis"].contains(&self.folded(at));
            !joins && self.tokens.get(at).is_some_and(|token| !matches!(token.kind, Kind::Mark(_) | Kind::Fact { .. }))
        });
        let near: Vec<usize> = near.collect();
        // `past the {x} threshold to {y}`: the noun of the figure before.
        let first = near.last().copied().unwrap_or(self.at);
        let of_last = first.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(Token::is_number);
        let words: Vec<&str> = near.into_iter().map(|at| self.folded(at)).collect();
        if of_last && words.first() == Some(&"to") {
            return false;
        }
        let links = |word: &&&str| {
            lexicon::is_function_word(word) || ["was", "etait", "est", "of", "were"].contains(word) || word.len() < 3
        };
        let head = words.iter().find(|word| !links(word));
        let suits =
            FIGURES.iter().find(|(stems, _)| head.is_some_and(|head| stems.iter().any(|stem| head.starts_with(stem))));
        // `the mean error rate was {…}`
        let (means, of_means) = MEANS;
        let mean = words.iter().any(|word| means.iter().any(|stem| word.starts_with(stem)));
        suits.is_some_and(|(_, tails)| !tails.contains(&tail)) || mean && !of_means.contains(&tail)
    }

    /// Whether the nearest metric named before the slot in its clause is another one.
    fn of_another_metric(&self, fact: &Fact, known: &Known<'_>) -> bool {
        let Some(metric) = metric(fact) else { return false };
        // By its name's beginning, if no other metric has it: in English that is what it is called.
        let beginning = |name: &str| name.split('_').next().unwrap_or_default().to_ascii_lowercase();
        let mut others = known.facts.iter().filter_map(self::metric).filter(|other| *other != metric).peekable();
        if others.peek().is_none() {
            return false;
        }
        let own = beginning(metric);
        let called = |(_, token): (usize, &Token<'_>)| token.word().is_some_and(|word| word.folded.starts_with(&own));
        if self.clause().any(called) && others.all(|other| !other.starts_with(&own)) {
            return false;
        }
        let metrics = &known.metrics().0;
        let starts = |names: &BTreeSet<String>, word: &str| names.iter().any(|name| word.starts_with(name.as_str()));
        let ends = |token: &Token<'_>| {
            matches!(token.kind, Kind::Fact { .. } | Kind::Mark(_)) && !matches!(token.kind, Kind::Mark('\'' | '’'))
        };
        let mut named = (0..self.at)
            .rev()
            .map_while(|at| self.tokens.get(at).filter(|token| !ends(token)).map(|token| (at, token)));
        let mut named = named.by_ref().filter_map(|(at, token)| Some((at, token.word()?)));
        let mine = self
            .clause()
            .filter_map(|(_, token)| token.word())
            .any(|word| metrics.get(metric).is_some_and(|own| starts(own, &word.folded)));
        let other = |word: &Word| metrics.iter().any(|(name, other)| *name != metric && starts(other, &word.folded));
        !mine && named.any(|(at, word)| self.at - at <= 6 && other(word))
    }
}

/// The metric that a fact is of: the first part of its name, where it has the figures of one.
fn metric(fact: &Fact) -> Option<&str> {
    let (head, _) = fact.name.split_once('.')?;
    (!["parameter", "assumed", "projected"].contains(&head)).then_some(head)
}

/// The metrics that the facts have figures of, each with the words, without their ending, that only its facts are
/// described by.
pub(super) struct Metrics<'a>(BTreeMap<&'a str, BTreeSet<String>>);

impl<'a> Metrics<'a> {
    pub fn of(facts: &'a [Fact]) -> Metrics<'a> {
        let mut described: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for fact in facts {
            let Some(metric) = metric(fact) else { continue };
            let words =
                [fact.meaning.as_str(), metric].into_iter().flat_map(|text| text.split(|c: char| !c.is_alphabetic()));
            described.entry(metric).or_default().extend(words.filter(|word| word.len() > 2));
        }
        let folded = |words: BTreeSet<&str>| -> BTreeSet<String> {
            let folded = words.into_iter().map(|word| lexicon::fold(&word.to_lowercase()));
            let telling = folded.filter(|word| {
                word.len() > 2
                    && !lexicon::is_function_word(word)
                    && !["count", "nombre", "usage", "rate"].contains(&word.as_str())
            });
            telling.map(|word| word.trim_end_matches('s').to_string()).collect()
        };
        let described: BTreeMap<&str, BTreeSet<String>> =
            described.into_iter().map(|(metric, words)| (metric, folded(words))).collect();
        let own = |metric: &str, words: &BTreeSet<String>| {
            let others = described.iter().filter(|(other, _)| **other != metric);
            words.iter().filter(|word| !others.clone().any(|(_, words)| words.contains(*word))).cloned().collect()
        };
        Metrics(described.iter().map(|(metric, words)| (*metric, own(metric, words))).collect())
    }
}
