//! Names that stay here: hosts, services and addresses of a recommendation are replaced before anything is sent, and put
//! back into what comes. Which name stands for which depends on the recommendation alone, by order of appearance, so that
//! a replay sends the same bytes; it is kept nowhere.

use std::collections::HashSet;

use super::grounding::ground;
use super::{Grounded, Wording};
use crate::domain::{Fact, FactValue, Language, Recommendation, Words};

/// Beginnings of made-up names; the first that the recommendation does not have itself is taken.
const STEMS: &[&str] = &["entity", "member", "party"];

/// The made-up name of every name of one recommendation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudonyms {
    stem: &'static str,
    /// Real and made-up, the longest real one first.
    pairs: Vec<(String, String)>,
}

/// Why a recommendation cannot be sent under other names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the names in it cannot be replaced: one of them is part of a slot's name")]
pub struct Irreplaceable;

impl Pseudonyms {
    /// # Errors
    /// A name is a part of a slot's name, which the answer has to repeat.
    pub fn of(about: &Recommendation) -> Result<Pseudonyms, Irreplaceable> {
        let mut names: Vec<&str> = vec![&about.target];
        for fact in &about.facts {
            names.push(&fact.subject);
            if let FactValue::Name(name) = &fact.value {
                names.push(name);
            }
        }
        let is_slot = |name: &&str| about.facts.iter().any(|fact| has(&fact.name, name));
        if names.iter().any(is_slot) {
            return Err(Irreplaceable);
        }
        // What else of the run is called by a word that the plan may use too; not `latency` of `latency.value`.
        names.extend(about.others.iter().map(String::as_str).filter(|name| !is_slot(name)));
        let mut seen = HashSet::new();
        names.retain(|name| !name.is_empty() && seen.insert(*name));

        let text = serde_json::to_string(about).unwrap_or_default().to_lowercase();
        let stem = STEMS.iter().find(|stem| !text.contains(**stem)).ok_or(Irreplaceable)?;
        let mut pairs: Vec<(String, String)> =
            names.iter().enumerate().map(|(at, name)| (name.to_string(), format!("{stem}-{}", letters(at)))).collect();
        pairs.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        Ok(Pseudonyms { stem, pairs })
    }

    /// The recommendation under made-up names: what may be sent, and what an answer is held to.
    pub fn mask(&self, about: &Recommendation) -> Recommendation {
        let words = |words: &Words| Words {
            action: self.masked(&words.action),
            benefit_estimate: self.masked(&words.benefit_estimate),
        };
        let fact = |fact: &Fact| Fact {
            value: match &fact.value {
                FactValue::Name(name) => FactValue::Name(self.masked(name)),
                other => other.clone(),
            },
            subject: self.masked(&fact.subject),
            meaning: self.masked(&fact.meaning),
            ..fact.clone()
        };
        Recommendation {
            id: self.masked(&about.id),
            target: self.masked(&about.target),
            facts: about.facts.iter().map(fact).collect(),
            slots: words(&about.slots),
            words: words(&about.words),
            ..about.clone()
        }
    }

    /// What was accepted under made-up names, under the real ones, and held to the facts once more.
    pub fn unmask(&self, masked: &Grounded, about: &Recommendation, language: Language) -> Option<Grounded> {
        let wording = Wording {
            action: self.unmasked(&masked.slots.action)?,
            benefit_estimate: self.unmasked(&masked.slots.benefit_estimate)?,
        };
        let grounded = ground(&wording, about, language).ok()?;
        Some(Grounded { ledger: [masked.ledger.clone(), grounded.ledger].concat(), ..grounded })
    }

    fn masked(&self, text: &str) -> String {
        replaced(text, self.pairs.iter().map(|(real, made_up)| (real.as_str(), made_up.as_str())))
    }

    /// `None` where a made-up name is left over that stands for nothing.
    fn unmasked(&self, text: &str) -> Option<String> {
        let known = |(at, _): (usize, &str)| {
            let rest = text.get(at..).unwrap_or_default();
            self.pairs.iter().any(|(_, made_up)| is_at(text, at, made_up) && rest.is_char_boundary(made_up.len()))
        };
        let lower = text.to_ascii_lowercase(); // of the same length
        let whole = lower.match_indices(self.stem).all(known);
        let pairs = self.pairs.iter().map(|(real, made_up)| (made_up.as_str(), real.as_str()));
        whole.then(|| replaced(text, pairs))
    }
}

/// `a` to `z`, `aa`, …
fn letters(at: usize) -> String {
    let last = char::from(b'a' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { letters(at / 26 - 1) + &last.to_string() }
}

/// Whether the name, whatever its case, stands at this place of the text with no letter or digit beside it.
fn is_at(text: &str, at: usize, name: &str) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
    text.get(at..at + name.len()).is_some_and(|here| here.eq_ignore_ascii_case(name))
        && !before.is_some_and(char::is_alphanumeric)
        && !after.is_some_and(char::is_alphanumeric)
}

fn has(text: &str, name: &str) -> bool {
    text.char_indices().any(|(at, _)| is_at(text, at, name))
}

/// The text in one pass, so that nothing is replaced twice; of several that stand at a place the first counts.
fn replaced<'a>(text: &str, pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let mut done = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match pairs.clone().find(|(from, _)| is_at(text, at, from)) {
            Some((from, to)) => {
                done.push_str(to);
                at += from.len();
            }
            None => {
                done.push(c);
                at += c.len_utf8();
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Figure, Severity, WordingSource};

    fn about(target: &str, host: &str, others: &[&str]) -> Recommendation {
        let fact = |name: &str, value, meaning: String| Fact {
            name: name.into(),
            value,
            unit: None,
            subject: host.into(),
            time: None,
            meaning,
        };
        let words = |text: &str| Words { action: text.into(), benefit_estimate: format!("Less load on {target}.") };
        Recommendation {
            id: format!("scale-out:{target}"),
            target: target.into(),
            severity: Severity::Low,
            anomalies: vec![],
            incident: None,
            episodes: vec![],
            parameters: Default::default(),
            facts: vec![
                fact("target", FactValue::Name(target.into()), "what is scaled".into()),
                fact("load.value", FactValue::Number(Figure::count(7)), format!("load of {target} on {host}")),
            ],
            slots: words("Scale {target} behind a cache."),
            words: words(&format!("Scale {target} behind a cache.")),
            wording: WordingSource::Template,
            others: others.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn names_go_and_come_back() {
        let about = about("db", "db-1.example.com", &["cache"]);
        let pseudonyms = Pseudonyms::of(&about).unwrap();
        let masked = pseudonyms.mask(&about);
        assert_eq!(masked.id, "scale-out:entity-a");
        assert_eq!(masked.facts[1].meaning, "load of entity-a on entity-b");
        assert_eq!(masked.slots.action, "Scale {target} behind a entity-c.");
        assert_eq!(pseudonyms.unmasked("Entity-b serves entity-a").as_deref(), Some("db-1.example.com serves db"));
        assert_eq!(pseudonyms.unmasked("entity-z"), None);
        assert_eq!(pseudonyms, Pseudonyms::of(&about).unwrap());
    }

    #[test]
    fn a_name_that_a_slot_has_is_not_replaced() {
        assert_eq!(Pseudonyms::of(&about("load", "h", &[])), Err(Irreplaceable));
        assert_eq!(Pseudonyms::of(&about("db", "value", &[])), Err(Irreplaceable));
        assert!(Pseudonyms::of(&about("db", "h", &["load"])).is_ok());
        assert!(
            Pseudonyms::of(&about("entity", "h", &[]))
                .unwrap()
                .mask(&about("entity", "h", &[]))
                .id
                .ends_with(":member-a")
        );
    }

    proptest! {
        #[test]
        fn no_name_is_left_and_every_text_comes_back(target in "[a-z][a-z0-9.:-]{0,12}[a-z0-9]", host in "[a-z0-9][a-z0-9.-]{2,12}[a-z0-9]") {
            let about = about(&target, &host, &[]);
            if let Ok(pseudonyms) = Pseudonyms::of(&about) {
                let masked = pseudonyms.mask(&about);
                for text in [&masked.id, &masked.facts[1].meaning, &masked.words.benefit_estimate] {
                    // The letter of a made-up name may be a name as well, and so may the `entity` of one.
                    let bare = text.replace(&format!("{}-a", pseudonyms.stem), "").replace(&format!("{}-b", pseudonyms.stem), "");
                    prop_assert!(!has(&bare, &target) && !has(&bare, &host), "{text}");
                }
                prop_assert_eq!(pseudonyms.unmasked(&masked.facts[1].subject), Some(host));
                prop_assert_eq!(pseudonyms.unmasked(&masked.facts[1].meaning), Some(about.facts[1].meaning.clone()));
            }
        }
    }
}
