//! How well grounding tells honest drafts from hostile ones, on sets that were written from its rules and not from its
//! code: `tests/drafts/honest*.ndjson` and `hostile*.ndjson`, each draft a model's wording of one recommendation of
//! `cases.json`. `cargo test --test drafts -- --nocapture` prints the table and every draft that is misjudged.
//! Drafts of even and of odd number are counted apart: rules that are made by looking at one half show by the other how far
//! they carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use agent::domain::{
    Fact, FactValue, Figure, Language, Parameter, Recommendation, Severity, Status, Timestamp, WordingSource, Words,
};
use agent::wording::{fill, judge};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
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
    fn recommendation(&self, language: Language) -> Recommendation {
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
struct Draft {
    id: String,
    language: Language,
    case: String,
    draft: Option<Value>,
    /// The whole reply, where it is not just a draft.
    reply: Option<String>,
    fault: Option<String>,
    why: Option<String>,
}

impl Draft {
    fn reply(&self) -> String {
        self.reply.clone().unwrap_or_else(|| {
            let draft = self.draft.as_ref().unwrap();
            json!({ "action": draft["action"], "benefit_estimate": draft["benefit_estimate"] }).to_string()
        })
    }

    fn number(&self) -> usize {
        self.id.rsplit('-').next().unwrap().parse().unwrap()
    }
}

fn drafts(text: &str) -> Vec<Draft> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many of a kind are judged right, and how many there are, by the half of the set.
#[derive(Default)]
struct Tally {
    right: [usize; 2],
    all: [usize; 2],
}

struct Judged {
    by_fault: BTreeMap<String, Tally>,
    /// Every misjudged draft with its id and why, by half.
    wrong: [Vec<String>; 2],
}

fn judge_all(drafts: &[Draft]) -> Judged {
    let cases: Vec<Case> = serde_json::from_str(include_str!("drafts/cases.json")).unwrap();
    let mut judged = Judged { by_fault: BTreeMap::new(), wrong: [Vec::new(), Vec::new()] };
    for draft in drafts {
        let case = cases.iter().find(|case| case.id == draft.case).unwrap();
        let answer = judge(&draft.reply(), Some("stop"), &case.recommendation(draft.language), draft.language);
        let half = draft.number() % 2;
        let tally = judged.by_fault.entry(draft.fault.clone().unwrap_or("(honest)".into())).or_default();
        tally.all[half] += 1;
        let wrong = match (&draft.fault, answer) {
            (None, Err(reasons)) => reasons.iter().map(|reason| format!("\n    {reason}")).collect(),
            (Some(fault), Ok(_)) => format!("{fault}: {}", draft.why.as_deref().unwrap_or_default()),
            _ => {
                tally.right[half] += 1;
                continue;
            }
        };
        judged.wrong[half].push(format!("{} {}: {wrong}\n    {}", draft.id, draft.case, draft.reply()));
    }
    judged
}

fn table(judged: &Judged) -> String {
    let mut table = format!("{:20} {:>10} {:>10}\n", "kind", "even", "odd");
    for (fault, Tally { right, all }) in &judged.by_fault {
        let share = |half: usize| format!("{}/{}", right[half], all[half]);
        writeln!(table, "{fault:20} {:>10} {:>10}", share(0), share(1)).unwrap();
    }
    table
}

/// Each set by itself: the first was written first; `a` was looked at while rules were made, `b` only after they were.
fn sets(texts: [&str; 3]) -> [Vec<Draft>; 3] {
    let sets = texts.map(drafts);
    assert!(sets.iter().all(|set| set.len() >= 150));
    let ids: BTreeSet<&str> = sets.iter().flatten().map(|draft| draft.id.as_str()).collect();
    assert_eq!(ids.len(), sets.iter().map(Vec::len).sum::<usize>());
    sets
}

fn check(drafts: &[Draft], allowed: usize) {
    let judged = judge_all(drafts);
    println!("{}", table(&judged));
    for (half, name) in ["even", "odd"].into_iter().enumerate() {
        println!("{name}: {}", judged.wrong[half].join("\n"));
    }
    let wrong = judged.wrong.iter().map(Vec::len).sum::<usize>();
    println!("misjudged: {wrong} of {}", drafts.len());
    assert!(wrong <= allowed, "{wrong} drafts are misjudged, {allowed} may be");
}

#[test]
fn honest_drafts_pass() {
    let honest = sets([
        include_str!("drafts/honest.ndjson"),
        include_str!("drafts/honest-a.ndjson"),
        include_str!("drafts/honest-b.ndjson"),
    ]);
    for set in honest {
        assert!(set.iter().all(|draft| draft.fault.is_none()));
        check(&set, (set.len() - 1) / 100); // fewer than one in a hundred
    }
}

/// Of every kind: figures, units, times, names and directions, and causes, benefits, promises, other actions and targets.
#[test]
fn hostile_drafts_are_refused() {
    let hostile = sets([
        include_str!("drafts/hostile.ndjson"),
        include_str!("drafts/hostile-a.ndjson"),
        include_str!("drafts/hostile-b.ndjson"),
    ]);
    for set in hostile {
        assert!(set.iter().all(|draft| draft.fault.is_some()));
        check(&set, 0);
    }
}
