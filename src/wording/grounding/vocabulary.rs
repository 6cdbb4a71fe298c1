//! Words by what they bring into a sentence. Those of the plan and of the facts, and words that mean the same, are
//! given. Days, people, prices, secrets, accidents, other actions are foreign unless they are given. Of the rest some are
//! ordinary; what is not even that counts where a sentence says why. Words count in any form, by the endings of the
//! language.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use crate::domain::{Language, Recommendation};

use super::facts::Known;
use super::style::{fold_words, has_phrase};
use super::tokens::{Kind, Token, Word, tokenize};
use super::{Reason, lexicon};

/// The words of one language, as its file has them.
#[derive(Default)]
struct Vocabulary {
    general: HashSet<&'static str>,
    foreign: HashSet<&'static str>,
    /// Words, and others that may be said where one of them is given: of one meaning, or of things that go together.
    alike: Vec<(HashSet<&'static str>, Vec<&'static str>)>,
    /// Places in `alike` where a word is given: every draft is asked for all its words.
    given: HashMap<&'static str, Vec<usize>>,
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

    /// `[general]` and `[foreign]`: words in any order. `[alike]`: lines of given words, a colon, and
    /// others. `#` starts a comment.
    fn read(text: &'static str) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        let mut section = "";
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match section {
                _ if line.starts_with('[') => section = line,
                "[alike]" => {
                    let (given, others) = line.split_once(':').unwrap_or_default();
                    let given: HashSet<&str> = given.split_whitespace().collect();
                    for word in &given {
                        vocabulary.given.entry(word).or_default().push(vocabulary.alike.len());
                    }
                    vocabulary.alike.push((given, others.split_whitespace().collect()));
                }
                "[foreign]" => vocabulary.foreign.extend(line.split_whitespace()),
                _ => vocabulary.general.extend(line.split_whitespace()),
            }
        }
        vocabulary
    }

    /// What may be said where one of these words is given.
    fn alike_to(&self, given: &HashSet<String>, language: Language) -> HashSet<&'static str> {
        let stems = given.iter().flat_map(|word| cuts(word, language)).filter_map(|stem| self.given.get(stem));
        let groups: BTreeSet<usize> = stems.flatten().copied().collect();
        groups.into_iter().filter_map(|at| self.alike.get(at)).flat_map(|(_, others)| others).copied().collect()
    }
}

/// What one recommendation may be worded in.
pub(super) struct Words {
    language: Language,
    /// Words of the plan that say something, folded.
    plan: HashSet<String>,
    /// Of the plan and the facts, folded.
    given: HashSet<String>,
    alike: HashSet<&'static str>,
}

impl Words {
    pub fn of(about: &Recommendation, known: &Known<'_>) -> Words {
        let language = known.language;
        let words = |text: &String| -> Vec<String> {
            let tokens = tokenize(text, known, &mut Vec::new());
            tokens.iter().filter_map(Token::word).flat_map(parts).map(str::to_string).collect()
        };
        let telling = |part: &&String| part.len() > 2 && !lexicon::is_function_word(part);
        let planned: Vec<String> =
            [&about.slots.action, &about.slots.benefit_estimate].into_iter().flat_map(words).collect();
        let plan = planned.iter().filter(telling).cloned().collect();
        let meanings: BTreeSet<&String> = about.facts.iter().map(|fact| &fact.meaning).collect();
        let mut given: HashSet<String> = meanings.into_iter().flat_map(words).collect();
        given.extend(planned);
        let names = about.facts.iter().map(|fact| &fact.name);
        let subjects = about.facts.iter().map(|fact| &fact.subject);
        for name in names.chain(subjects).chain([&about.target]) {
            let letters = name.split(|c: char| !c.is_alphabetic()).filter(|part| part.len() > 1);
            given.extend(letters.map(|part| lexicon::fold(&part.to_lowercase())));
        }
        let alike = Vocabulary::of(language).alike_to(&given, language);
        Words { language, plan, alike, given }
    }

    /// Whether it is what one of these names is about, in the words of the language: `disque` of `disk usage`. Not where
    /// the plan or the facts speak of it, nor a word that a sentence about anything may use.
    pub fn is_about_other(&self, folded: &str, names: &BTreeSet<String>) -> bool {
        let parts = |name: &str, of: &HashSet<&'static str>| {
            name.contains(' ') && name.split(' ').any(|part| of.contains(part))
        };
        let groups = &Vocabulary::of(self.language).alike;
        let named = groups.iter().any(|(of, _)| of.contains(folded) && names.iter().any(|name| parts(name, of)));
        named && !self.is_ordinary(folded) && !self.is_given(folded)
    }

    pub fn is_french(&self) -> bool {
        self.language == Language::Fr
    }

    /// Whether the plan or a fact has the word, or one that means the same.
    pub fn is_given(&self, folded: &str) -> bool {
        stem(folded, &self.alike, self.language).is_some()
            || self.given.iter().any(|given| is_same(given, folded, self.language))
    }

    /// Whether the plan has the word, in any form.
    pub fn is_of_plan(&self, folded: &str) -> bool {
        self.plan.iter().any(|planned| is_same(planned, folded, self.language))
    }

    /// Whether the second word may be said where the first is given.
    pub fn goes_with(&self, given: &str, word: &str) -> bool {
        Vocabulary::of(self.language).alike.iter().any(|(of, others)| {
            let mut others = others.iter().copied();
            stem(given, of, self.language).is_some() && others.any(|other| is_same(other, word, self.language))
        })
    }

    /// Whether it is a word that a sentence about anything may use.
    pub fn is_ordinary(&self, folded: &str) -> bool {
        folded.len() < 2 || stem(folded, &Vocabulary::of(self.language).general, self.language).is_some()
    }

    /// Whether it names what neither the plan nor a fact speaks of. Of two readings the longer stem counts: `important`
    /// is not of `import`.
    fn is_foreign(&self, folded: &str) -> bool {
        let Vocabulary { general, foreign, .. } = Vocabulary::of(self.language);
        let foreign = stem(folded, foreign, self.language).map_or(0, str::len);
        foreign > 0 && foreign >= stem(folded, general, self.language).map_or(0, str::len) && !self.is_given(folded)
    }

    /// Whether nothing is known of the word.
    pub fn is_unknown(&self, word: &Word) -> bool {
        let known = |part: &str| self.is_ordinary(part) || self.is_given(part);
        !known(&word.folded) && !parts(word).all(known)
    }
}

/// Words that name what no fact speaks of, and names: a capital inside a sentence.
pub(super) fn foreign(text: &str, tokens: &[Token<'_>], words: &Words, reasons: &mut Vec<Reason>) {
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let written = &text[token.span.clone()]; // tokens are of this text
        let starts = at == 0 || matches!(tokens.get(at - 1).map(|t| &t.kind), Some(Kind::Mark(c)) if *c != ',');
        let idiom = IDIOMS.iter().any(|phrase| {
            let length = phrase.split(' ').count();
            (at.saturating_sub(length - 1)..=at).any(|start| {
                let said = tokens.iter().skip(start).take(length).map(|t| t.word().map_or("", |w| w.folded.as_str()));
                said.eq(phrase.split(' '))
            })
        });
        if idiom {
            continue;
        }
        let length = written.chars().count();
        let name = !starts
            && (length > 3 || written.contains(char::is_lowercase))
            && written.starts_with(char::is_uppercase)
            && words.is_unknown(word);
        let shouted = length > 3 && !written.contains(char::is_lowercase) && !words.is_given(&word.folded);
        if name || shouted || words.is_foreign(&word.folded) || parts(word).any(|part| words.is_foreign(part)) {
            reasons.push(Reason::Foreign(written.to_string()));
        }
    }
    let said = fold_words(tokens);
    if let Some(phrase) = FOREIGN_PHRASES.iter().find(|phrase| has_phrase(&said, phrase)) {
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

/// What no single word of it tells.
const FOREIGN_PHRASES: &[&str] =
    &["mise a jour", "mises a jour", "power cut", "data centre", "data center", "heat wave", "on call"];

/// `load-balanced` is two words.
fn parts(word: &Word) -> impl Iterator<Item = &str> {
    word.folded.split('-').filter(|part| !part.is_empty())
}

/// The longest of these of which the word is a form: `replica` of `replicas`, `stop` of `stopped`.
fn stem<'a>(word: &'a str, stems: &HashSet<&'static str>, language: Language) -> Option<&'a str> {
    cuts(word, language).find(|stem| stems.contains(stem))
}

/// What the word may be a form of, itself first.
fn cuts(word: &str, language: Language) -> impl Iterator<Item = &str> {
    let cuts = word.char_indices().rev().map(|(at, c)| word.split_at(at + c.len_utf8())); // at boundaries of characters
    cuts.filter(move |(stem, ending)| is_ending(stem, ending, language)).map(|(stem, _)| stem)
}

fn is_ending(stem: &str, ending: &str, language: Language) -> bool {
    let endings = match language {
        Language::En => ENGLISH_ENDINGS,
        Language::Fr => FRENCH_ENDINGS,
    };
    // `stop`, `stopped`
    let doubled = stem.chars().next_back().and_then(|last| ending.strip_prefix(last));
    let is_one = |ending: &str| endings.contains(&ending) && (stem.len() > 3 || ending.len() < 4);
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
const ENGLISH_ENDINGS: &[&str] = &[
    "s", "es", "e", "ed", "d", "er", "ers", "est", "r", "rs", "ing", "ings", "ly", "ily", "y", "ies", "ied", "ion", "ions", "ation",
    "ations", "tion", "tions", "ment", "ments", "ement", "ements", "al", "ally", "able", "ably", "ful", "fully", "less", "ness", "ive", "ively",
    "or", "ors", "le", "ance", "ances", "ence", "ent", "ently", "ant", "antly", "age", "en", "ened", "ening", "th", "n", "ity", "ities",
];

#[rustfmt::skip]
const FRENCH_ENDINGS: &[&str] = &[
    "e", "s", "es", "x", "aux", "al", "ale", "ales", "er", "ez", "ent", "ant", "ants", "ante", "antes", "ait", "aient",
    "ais", "ons", "ions", "iez", "erait", "eraient", "ee", "ees", "ir", "it", "is", "ie", "ies", "issent", "issant",
    "issait", "irait", "iraient", "re", "rait", "raient", "u", "ue", "us", "ues", "ement", "ements", "ment", "ments",
    "tion", "tions", "ation", "ations", "ition", "ion", "ions", "eur", "eurs", "euse", "euses", "rice", "age", "ages", "ure",
    "ures", "able", "ables", "ible", "ibles", "ite", "ites", "ance", "ances", "ence", "ences", "ique", "iques", "if",
    "ifs", "ive", "ives", "ivement", "l", "le", "les", "ne", "nes", "nement", "t", "te", "tes", "ts", "ent", "d", "de", "des",
    "ssent", "ssant", "sse", "sses", "se", "ses", "ses", "se", "c", "che", "ches", "r", "nt", "ns", "nne", "nnes", "nnent", "enne", "ennent", "iennent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_as_words_are_looked_up() {
        for language in Language::ALL {
            let vocabulary = Vocabulary::of(language);
            let alike = vocabulary.alike.iter().flat_map(|(of, others)| of.iter().chain(others));
            for word in vocabulary.general.iter().chain(&vocabulary.foreign).chain(alike) {
                assert_eq!(*word, lexicon::fold(&word.to_lowercase()));
            }
            assert!(vocabulary.alike.iter().all(|(of, others)| !of.is_empty() && !others.is_empty()));
        }
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
