//! The sets of drafts and the cases that they word.

use std::collections::BTreeMap;

use agent::domain::{
    Fact, FactValue, Figure, Language, Parameter, Recommendation, Severity, Status, Timestamp, WordingSource, Words,
};
use agent::wording::fill;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub id: String,
    target: String,
    action_id: String,
    facts: Vec<CaseFact>,
    /// By language.
    templates: BTreeMap<String, Words>,
    others: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFact {
    name: String,
    kind: String,
    value: Value,
    unit: Option<String>,
    subject: String,
    time: Option<Timestamp>,
    meaning_en: String,
    meaning_fr: String,
}

impl Case {
    pub fn recommendation(&self, language: Language) -> Recommendation {
        let facts: Vec<Fact> = self.facts.iter().map(|fact| fact.of(language)).collect();
        let parameter = |fact: &Fact| {
            let name = fact.name.strip_prefix("parameter.")?.to_string();
            let FactValue::Number(figure) = fact.value else { return None };
            Some((name, Parameter::Number(figure)))
        };
        let slots = self.templates[language.code()].clone();
        let filled = |text: &str| fill(text, &facts, language).unwrap();
        Recommendation {
            id: format!("{}:{}", self.action_id, self.target),
            target: self.target.clone(),
            severity: Severity::High,
            anomalies: Vec::new(),
            incident: None,
            episodes: Vec::new(),
            parameters: facts.iter().filter_map(parameter).collect(),
            words: Words { action: filled(&slots.action), benefit_estimate: filled(&slots.benefit_estimate) },
            slots,
            facts,
            wording: WordingSource::Template,
            // As `plan` keeps them: names that are made of words.
            others: self.others.iter().filter(|name| name.chars().all(is_of_words)).cloned().collect(),
        }
    }
}

fn is_of_words(c: char) -> bool {
    c.is_alphabetic() || "-_".contains(c)
}

impl CaseFact {
    fn of(&self, language: Language) -> Fact {
        let text = || self.value.as_str().unwrap();
        Fact {
            name: self.name.clone(),
            value: match self.kind.as_str() {
                "number" => FactValue::Number(Figure::new(self.value.as_f64().unwrap()).unwrap()),
                "time" => FactValue::Time(Timestamp::parse(text()).unwrap()),
                "name" => FactValue::Name(text().to_string()),
                "status" => FactValue::Status(Status::from_word(text()).unwrap()),
                other => panic!("{other}"),
            },
            unit: self.unit.clone(),
            subject: self.subject.clone(),
            time: self.time,
            meaning: match language {
                Language::En => self.meaning_en.clone(),
                Language::Fr => self.meaning_fr.clone(),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    pub id: String,
    pub language: Language,
    pub case: String,
    draft: Option<Value>,
    /// The whole reply, where it is not just a draft.
    reply: Option<String>,
    /// Its kind; `None` where the draft is honest.
    pub fault: Option<String>,
    pub why: Option<String>,
}

impl Draft {
    pub fn reply(&self) -> String {
        self.reply.clone().unwrap_or_else(|| {
            let draft = self.draft.as_ref().unwrap();
            json!({ "action": draft["action"], "benefit_estimate": draft["benefit_estimate"] }).to_string()
        })
    }
}

pub fn drafts(text: &str) -> Vec<Draft> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}
