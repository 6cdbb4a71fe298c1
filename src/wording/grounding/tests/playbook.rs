//! Drafts for the shipped playbook's actions, in `playbook_drafts.toml`; the facts are made up from the slots of its
//! sentences.

use super::*;

const PLAYBOOK: &str = include_str!("../../../../graphs/playbooks/infrastructure.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drafts {
    honest: Vec<Draft>,
    hostile: Vec<Draft>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    /// Id of the action.
    of: String,
    language: Language,
    action: Option<String>,
    benefit: Option<String>,
    /// What the fault says. An honest draft with one is refused though it should not be.
    fault: Option<String>,
}

fn drafts() -> Drafts {
    toml::from_str(include_str!("../playbook_drafts.toml")).unwrap()
}

fn actions() -> Vec<(String, Language, Words)> {
    let playbook: toml::Table = PLAYBOOK.parse().unwrap();
    let actions = playbook["actions"].as_array().unwrap().iter();
    let worded = |action: &toml::Value, language: Language| {
        let text = |key: &str| action[language.code()][key].as_str().unwrap().to_string();
        let words = Words { action: text("action"), benefit_estimate: text("benefit_estimate") };
        (action["id"].as_str().unwrap().to_string(), language, words)
    };
    actions.flat_map(|action| Language::ALL.map(|language| worded(action, language))).collect()
}

/// Every slot of the sentences is a fact; no two figures are the same.
fn planned(id: &str, language: Language) -> Recommendation {
    let (.., slots) = actions().into_iter().find(|(i, l, _)| i == id && *l == language).unwrap();
    let mut names: Vec<&str> = [&slots.action, &slots.benefit_estimate].into_iter().flat_map(|s| names(s)).collect();
    names.sort_unstable();
    names.dedup();
    let value = |at: usize, name: &str| match name {
        "target" => FactValue::Name("edge_proxy".into()),
        "anomaly.metric" => FactValue::Name("queue_length".into()),
        name if name.starts_with("service_status.") && name.ends_with("e") || name == "service_status.newest" => {
            FactValue::Name("offline".into())
        }
        name if ["worst_at", "first", "last"].iter().any(|end| name.ends_with(end)) => {
            FactValue::Time(Timestamp::parse("2024-03-14T21:00:00Z").unwrap())
        }
        // An estimate is of less than what was.
        name if name.contains("projected") => FactValue::Number(Figure::count(100 + at as u64)),
        _ => FactValue::Number(Figure::count(1000 + at as u64)),
    };
    let facts: Vec<Fact> = names.iter().enumerate().map(|(at, name)| fact(name, value(at, name), None)).collect();
    Recommendation { target: "edge_proxy".into(), facts, slots, others: Vec::new(), ..scale_out(language) }
}

fn refusal(draft: &Draft) -> Option<String> {
    let about = planned(&draft.of, draft.language);
    let written = Wording {
        action: draft.action.clone().unwrap_or_else(|| about.slots.action.clone()),
        benefit_estimate: draft.benefit.clone().unwrap_or_else(|| about.slots.benefit_estimate.clone()),
    };
    let faults = ground(&written, &about, draft.language).err()?;
    Some(faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn the_playbooks_own_words_pass() {
    for (of, language, _) in actions() {
        let refusal = refusal(&Draft { of: of.clone(), language, action: None, benefit: None, fault: None });
        assert_eq!(refusal, None, "{of} {language:?}");
    }
}

#[test]
fn honest_drafts_pass_but_for_the_known_ones() {
    let honest = drafts().honest;
    let of = |language| honest.iter().filter(|draft| draft.language == language).count();
    assert!(of(Language::En) >= 20 && of(Language::Fr) >= 20);
    let mut unexpected = Vec::new();
    for draft in &honest {
        let (refusal, known) = (refusal(draft), draft.fault.as_deref());
        let as_known = match (&refusal, known) {
            (None, None) => true,
            (Some(refusal), Some(known)) => refusal.contains(known),
            _ => false,
        };
        if !as_known {
            unexpected.push(format!("{} {:?}: {refusal:?}", draft.of, draft.language));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let refused = honest.iter().filter(|draft| draft.fault.is_some()).count();
    assert!(refused * 10 <= honest.len(), "{refused} of {} honest drafts are refused", honest.len());
}

#[test]
fn hostile_drafts_are_refused_for_what_they_are() {
    let hostile = drafts().hostile;
    let of = |language| hostile.iter().filter(|draft| draft.language == language).count();
    assert!(of(Language::En) >= 20 && of(Language::Fr) >= 20);
    let passed: Vec<String> = hostile
        .iter()
        .filter_map(|draft| {
            let (expected, refusal) = (draft.fault.as_deref().unwrap(), refusal(draft));
            let told = refusal.as_ref().is_some_and(|refusal| refusal.contains(expected));
            (!told).then(|| format!("{:?} {:?} {expected}: {refusal:?}", draft.action, draft.benefit))
        })
        .collect();
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}
