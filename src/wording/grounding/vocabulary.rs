//! Words by what they bring into a sentence. Those of the plan and of the facts, and words that mean the same, are
//! given. Days, people, prices, secrets, accidents, other actions are foreign unless they are given. Of any other word
//! nothing is said. Words count in any form, by the endings of the language.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::domain::{Language, Recommendation};

use super::facts::Known;
use super::list::List;
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, Word};
use super::{Field, Reason, lexicon};

/// Which groups of words that go together, a bit each.
type Groups = u64;

/// The words of one language, as its file has them.
#[derive(Default)]
struct Vocabulary {
    ordinary: HashSet<&'static str>,
    foreign: HashSet<&'static str>,
    /// The groups that a word is given for.
    given: HashMap<&'static str, Groups>,
    /// The groups in which a word may be said, of one meaning or of things that go together, where one that they are given
    /// for is.
    said: HashMap<&'static str, Groups>,
}

static ENGLISH: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read(include_str!("vocabulary/en.txt")));
static FRENCH: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read(include_str!("vocabulary/fr.txt")));

impl Vocabulary {
    fn of(language: Language) -> &'static Vocabulary {
        match language {
            Language::En => &ENGLISH,
            Language::Fr => &FRENCH,
        }
    }

    /// `[ordinary]` and `[foreign]`: words in any order. `[alike]`: lines of given words, a colon, and
    /// others; 64 at most, which a test checks. `#` starts a comment.
    fn read(text: &'static str) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        let (mut section, mut group) = ("", 1);
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match section {
                _ if line.starts_with('[') => section = line,
                "[alike]" => {
                    let (given, others) = line.split_once(':').unwrap_or_default();
                    for (words, groups) in [(given, &mut vocabulary.given), (others, &mut vocabulary.said)] {
                        for word in words.split_whitespace() {
                            *groups.entry(word).or_default() |= group;
                        }
                    }
                    group <<= 1;
                }
                "[foreign]" => vocabulary.foreign.extend(line.split_whitespace()),
                _ => vocabulary.ordinary.extend(line.split_whitespace()),
            }
        }
        vocabulary
    }
}

/// The groups of all words that the word is a form of.
fn groups(word: &str, of: &HashMap<&'static str, Groups>, language: Language) -> Groups {
    cuts(word, language).filter_map(|stem| of.get(stem)).fold(0, |all, groups| all | groups)
}

/// What one recommendation may be worded in.
pub(super) struct Words<'a> {
    language: Language,
    about: &'a Recommendation,
    /// Words of the plan, folded, sorted.
    planned: Vec<String>,
    /// Of the plan and the facts, folded, sorted, and the groups that they are given for; gathered when a word is doubtful.
    given: OnceCell<(Vec<String>, Groups)>,
    /// Those that a name of the run that is none of the facts' is about.
    elsewhere: Groups,
}

impl<'a> Words<'a> {
    pub fn of(about: &'a Recommendation, known: &Known<'_>) -> Words<'a> {
        let planned = [Field::Action, Field::Benefit].map(|field| known.planned(field));
        let planned = planned.into_iter().flatten().filter_map(Token::word).flat_map(parts);
        let planned = sorted(planned.map(str::to_string).collect());
        let given = &Vocabulary::of(known.language).given;
        let others = known.others.iter().filter(|name| name.contains(' ')).flat_map(|name| name.split(' '));
        let elsewhere = others.filter_map(|part| given.get(part)).fold(0, |all, groups| all | groups);
        Words { language: known.language, about, planned, given: OnceCell::new(), elsewhere }
    }

    fn given(&self) -> &(Vec<String>, Groups) {
        self.given.get_or_init(|| {
            // Facts say much the same of each metric, so most words come many times.
            let facts = self.about.facts.iter().flat_map(|fact| [fact.name.as_str(), &fact.subject, &fact.meaning]);
            let words = facts.chain([self.about.target.as_str()]);
            let words: HashSet<&str> =
                words.flat_map(|text| text.split(|c: char| !c.is_alphabetic())).filter(|word| word.len() > 1).collect();
            let words = words.into_iter().map(|word| lexicon::fold(&word.to_lowercase()));
            let words = sorted(words.chain(self.planned.iter().cloned()).collect());
            let given = &Vocabulary::of(self.language).given;
            let alike = words.iter().fold(0, |all, word| all | groups(word, given, self.language));
            (words, alike)
        })
    }

    /// Whether it is what a name of two words is about, in the words of the language: `disque` of `disk usage`. Not where
    /// the plan or the facts speak of it, nor an ordinary word.
    pub fn is_about_other(&self, folded: &str) -> bool {
        // Names are English, so that there the name itself is looked for; and much is traffic.
        if self.language == Language::En || folded == "trafic" {
            return false;
        }
        let of = Vocabulary::of(self.language).given.get(folded);
        of.is_some_and(|of| of & self.elsewhere != 0) && !self.is_ordinary(folded) && !self.is_given(folded)
    }

    pub fn is_french(&self) -> bool {
        self.language == Language::Fr
    }

    /// Whether the plan or a fact has the word, or one that means the same.
    pub fn is_given(&self, folded: &str) -> bool {
        let said = &Vocabulary::of(self.language).said;
        let (words, alike) = self.given();
        has(words, folded, self.language) || groups(folded, said, self.language) & alike != 0
    }

    /// Whether the plan has the word, in any form.
    pub fn is_of_plan(&self, folded: &str) -> bool {
        folded.len() > 2 && !lexicon::is_function_word(folded) && has(&self.planned, folded, self.language)
    }

    fn is_ordinary(&self, folded: &str) -> bool {
        stem(folded, &Vocabulary::of(self.language).ordinary, self.language).is_some()
    }

    /// Whether it names what neither the plan nor a fact speaks of. Of two readings the longer stem counts: `important`
    /// is not of `import`.
    fn is_foreign(&self, folded: &str) -> bool {
        let Vocabulary { ordinary, foreign, .. } = Vocabulary::of(self.language);
        let foreign = stem(folded, foreign, self.language).map_or(0, str::len);
        foreign > 0 && foreign >= stem(folded, ordinary, self.language).map_or(0, str::len) && !self.is_given(folded)
    }
}

/// Words that name what no fact speaks of, and names: a capital inside a sentence.
pub(super) fn foreign(field: Field, text: &str, tokens: &[Token<'_>], words: &Words<'_>, reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let written = &text[token.span.clone()]; // tokens are of this text
        let starts = at == 0 || matches!(tokens.get(at - 1).map(|t| &t.kind), Some(Kind::Mark(c)) if *c != ',');
        let length = written.chars().count();
        let name = !starts
            && (length > 3 || written.contains(char::is_lowercase))
            && written.starts_with(char::is_uppercase)
            && !lexicon::TERMS.contains(&written)
            && !lexicon::is_function_word(&word.folded)
            && !words.is_given(&word.folded)
            && !parts(word).all(|part| words.is_given(part));
        if !name && !words.is_foreign(&word.folded) && !parts(word).any(|part| words.is_foreign(part)) {
            continue;
        }
        let idiom = IDIOMS.iter().any(|phrase| {
            let length = phrase.split(' ').count();
            (at.saturating_sub(length - 1)..=at).any(|start| {
                let said = tokens.iter().skip(start).take(length).map(|t| t.word().map_or("", |w| w.folded.as_ref()));
                said.eq(phrase.split(' '))
            })
        });
        if !idiom {
            reasons.push(Reason::Foreign(written.to_string()));
        }
    }
    let said = fold_words(tokens);
    let speed = tokens.iter().find(|token| token.word().is_some_and(|word| FASTER.contains(&&*word.folded)));
    if let Some(token) =
        speed.filter(|_| field == Field::Benefit && !words.is_given("latency") && !words.is_given("latence"))
    {
        reasons.push(Reason::Foreign(text[token.span.clone()].to_string()));
    }
    let given = |phrase: &str| phrase.split(' ').filter(|word| word.len() > 2).all(|word| words.is_given(word));
    if let Some(phrase) = FOREIGN_PHRASES.iter().find(|phrase| has_phrase(&said, phrase) && !given(phrase)) {
        reasons.push(Reason::Foreign(phrase.to_string()));
    }
}

/// Phrases of words of which one would be foreign elsewhere.
const IDIOMS: &[&str] = &[
    "heures de pointe",
    "heure de pointe",
    "heures creuses",
    "peak hours",
    "off-peak hours",
    "busy hours",
    "the cost of",
    "a cost of",
    "au cout d",
    "au cout de",
    "account for",
    "accounts for",
    "accounted for",
    "accounting for",
    "take into account",
    "taking into account",
];

/// What a benefit may not promise where nothing is of latency.
const FASTER: &[&str] = &["faster", "quicker", "speedier", "vite", "rapide", "rapides"];

/// What no single word of it tells.
#[rustfmt::skip]
const FOREIGN_PHRASES: &[&str] = &[
    "mise a jour", "mises a jour", "power cut", "data centre", "data center", "heat wave", "on call", "centre de donnees", "mot de passe", "mots de passe",
    "machine virtuelle", "machines virtuelles", "virtual machine", "virtual machines", "base de donnees", "bases de donnees",
    "duree de vie", "life span", "service life",
];

/// `load-balanced` is two words.
fn parts<'w>(word: &'w Word<'_>) -> impl Iterator<Item = &'w str> {
    word.folded.split('-').filter(|part| !part.is_empty())
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words.dedup();
    words
}

/// Whether one of these sorted words is a form of the word. Forms of one word share their first four bytes.
fn has(sorted: &[String], word: &str, language: Language) -> bool {
    let head = &word.as_bytes()[..word.len().min(4)];
    let start = sorted.partition_point(|given| given.as_bytes() < head);
    let alike = sorted.iter().skip(start).take_while(|given| given.as_bytes().starts_with(head));
    alike.into_iter().any(|given| is_same(given, word, language))
}

/// The longest of these of which the word is a form: `replica` of `replicas`, `stop` of `stopped`.
fn stem<'a>(word: &'a str, stems: &HashSet<&'static str>, language: Language) -> Option<&'a str> {
    cuts(word, language).find(|stem| stems.contains(stem))
}

/// What the word may be a form of, itself first.
fn cuts(word: &str, language: Language) -> impl Iterator<Item = &str> {
    let cuts = word.char_indices().rev().map(|(at, c)| word.split_at(at + c.len_utf8())); // at boundaries of characters
    let cuts = cuts.take_while(|(_, ending)| ending.len() <= LONGEST_ENDING);
    cuts.filter(move |(stem, ending)| is_ending(stem, ending, language)).map(|(stem, _)| stem)
}

/// Bytes, with a letter that is doubled before it; a test checks it.
const LONGEST_ENDING: usize = 9;

fn is_ending(stem: &str, ending: &str, language: Language) -> bool {
    let endings = match language {
        Language::En => &ENGLISH_ENDINGS,
        Language::Fr => &FRENCH_ENDINGS,
    };
    // `stop`, `stopped`
    let doubled = stem.chars().next_back().and_then(|last| ending.strip_prefix(last));
    let is_one = |ending: &str| endings.has(ending) && (stem.len() > 3 || ending.len() < 4);
    ending.is_empty() || stem.len() > 1 && (is_one(ending) || doubled.is_some_and(|e| !e.is_empty() && is_one(e)))
}

/// Whether two words are forms of one: `improve` and `improving`.
pub(super) fn is_same(a: &str, b: &str, language: Language) -> bool {
    if a == b {
        return true;
    }
    let common = a.char_indices().zip(b.chars()).take_while(|((_, a), b)| a == b).last();
    let Some(end) = common.map(|((at, c), _)| at + c.len_utf8()).filter(|&end| end >= 4) else { return false };
    // Both are cut at the end of what they share, or one letter before it.
    [end, end - 1].into_iter().filter(|&at| at >= 4).any(|at| {
        let cut = |word: &str| word.get(at..).is_some_and(|ending| is_ending(&word[..at], ending, language));
        cut(a) && cut(b)
    })
}

#[rustfmt::skip]
static ENGLISH_ENDINGS: List = List::of(&[
    "s", "es", "e", "ed", "d", "er", "ers", "est", "r", "rs", "ing", "ings", "ly", "ily", "y", "ies", "ied", "ion", "ions", "ation",
    "ations", "tion", "tions", "ment", "ments", "ement", "ements", "al", "ally", "able", "ably", "ful", "fully", "less", "ness", "ive", "ively",
    "or", "ors", "le", "ance", "ances", "ence", "ent", "ently", "ant", "antly", "age", "en", "ened", "ening", "th", "n", "ity", "ities",
]);

#[rustfmt::skip]
static FRENCH_ENDINGS: List = List::of(&[
    "e", "s", "es", "x", "aux", "al", "ale", "ales", "er", "ez", "ent", "ant", "ants", "ante", "antes", "ait", "aient",
    "ais", "ons", "ions", "iez", "erait", "eraient", "ee", "ees", "ir", "it", "is", "ie", "ies", "issent", "issant",
    "issait", "irait", "iraient", "re", "rait", "raient", "u", "ue", "us", "ues", "ement", "ements", "ment", "ments",
    "tion", "tions", "ation", "ations", "ition", "ion", "ions", "eur", "eurs", "euse", "euses", "rice", "age", "ages", "ure",
    "ures", "able", "ables", "ible", "ibles", "ite", "ites", "ance", "ances", "ence", "ences", "ique", "iques", "if",
    "ifs", "ive", "ives", "ivement", "l", "le", "les", "ne", "nes", "nement", "t", "te", "tes", "ts", "ent", "d", "de", "des",
    "ssent", "ssant", "sse", "sses", "se", "ses", "ses", "se", "c", "che", "ches", "r", "nt", "ns", "nne", "nnes", "nnent", "enne", "ennent", "iennent",
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_as_words_are_looked_up() {
        for language in Language::ALL {
            let vocabulary = Vocabulary::of(language);
            let alike = vocabulary.given.keys().chain(vocabulary.said.keys());
            for word in vocabulary.ordinary.iter().chain(&vocabulary.foreign).chain(alike) {
                assert_eq!(*word, lexicon::fold(&word.to_lowercase()));
            }
        }
        for text in [include_str!("vocabulary/en.txt"), include_str!("vocabulary/fr.txt")] {
            assert!(text.lines().filter(|line| line.contains(':') && !line.starts_with('#')).count() <= 64);
        }
        assert!(ENGLISH_ENDINGS.words.iter().chain(FRENCH_ENDINGS.words).all(|ending| ending.len() < LONGEST_ENDING));
    }

    #[test]
    fn words_count_in_any_form() {
        let is = |word, stem, language| super::stem(word, &HashSet::from([stem]), language).is_some();
        for (word, stem) in [("replicas", "replica"), ("stopped", "stop"), ("improving", "improv"), ("be", "be")] {
            assert!(is(word, stem, Language::En), "{word}");
        }
        for (word, stem) in [("database", "data"), ("catalogue", "cat"), ("stopwatch", "stop")] {
            assert!(!is(word, stem, Language::En), "{word}");
        }
        assert!(is("passerait", "pass", Language::Fr) && !is("paysage", "pas", Language::Fr));
        assert!(is_same("improve", "improving", Language::En) && !is_same("restart", "restaurant", Language::En));
    }
}
