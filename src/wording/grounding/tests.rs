//! Drafts as data: `drafts.toml` holds honest ones, which must pass, and hostile ones with the fault that they must be
//! told.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::domain::{Fact, FactValue, Figure, Parameter, Severity, Timestamp, WordingSource};

fn fact(name: &str, value: FactValue, unit: Option<&str>) -> Fact {
    let (name, unit) = (name.to_string(), unit.map(str::to_string));
    Fact { name, value, unit, subject: "api_gateway".into(), time: None, meaning: "as named".into() }
}

/// The recommendation that all drafts of the data word.
fn scale_out(language: Language) -> Recommendation {
    let number = |name, value, unit| fact(name, FactValue::Number(Figure::new(value).unwrap()), unit);
    let time = FactValue::Time(Timestamp::parse("2023-10-01T12:00:00Z").unwrap());
    let slots = match language {
        Language::En => Words {
            action: "Scale {target} out from {assumed.replicas} to {parameter.replicas} replicas.".into(),
            benefit_estimate: "CPU usage would fall from {cpu_usage.value} to about {projected.cpu_usage}, assuming \
                               {assumed.replicas} replica today and load that spreads evenly."
                .into(),
        },
        Language::Fr => Words {
            action: "Passer {target} de {assumed.replicas} à {parameter.replicas} répliques.".into(),
            benefit_estimate: "Le CPU passerait de {cpu_usage.value} à environ {projected.cpu_usage}, en supposant \
                               {assumed.replicas} réplique aujourd'hui et une charge bien répartie."
                .into(),
        },
    };
    Recommendation {
        id: "scale-out:api_gateway".into(),
        target: "api_gateway".into(),
        severity: Severity::High,
        anomalies: vec!["cpu_usage@web-1".into()],
        incident: None,
        episodes: Vec::new(),
        parameters: BTreeMap::from([
            ("replicas".into(), Parameter::Number(Figure::count(2))),
            ("strategy".into(), Parameter::Text("round_robin".into())),
        ]),
        facts: vec![
            fact("target", FactValue::Name("api_gateway".into()), None),
            fact("host", FactValue::Name("web-1".into()), None),
            number("cpu_usage.value", 93.0, Some("%")),
            number("cpu_usage.threshold", 90.0, Some("%")),
            number("cpu_usage.last", 90.0, Some("%")),
            number("cpu_usage.reached", 41.0, None),
            number("cpu_usage.records", 500.0, None),
            fact("cpu_usage.worst_at", time, None),
            number("latency_ms.value", 334.5, Some("ms")),
            number("network_in_kbps.value", 1_258_200.0, Some("kbps")),
            number("assumed.replicas", 1.0, None),
            number("parameter.replicas", 2.0, None),
            number("projected.cpu_usage", 46.5, Some("%")),
            number("projected.latency_ms", 180.0, Some("ms")),
        ],
        words: slots.clone(),
        slots,
        wording: WordingSource::Template,
        others: vec!["cache".into(), "database".into(), "humidity".into(), "payments".into()],
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drafts {
    honest: Vec<Draft>,
    hostile: Vec<Draft>,
}

/// A sentence that is left out is the plan's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    language: Language,
    action: Option<String>,
    benefit: Option<String>,
    /// What the fault says; of hostile drafts only.
    fault: Option<String>,
}

fn drafts() -> Drafts {
    toml::from_str(include_str!("drafts.toml")).unwrap()
}

fn check(draft: &Draft) -> Result<Grounded, String> {
    let about = scale_out(draft.language);
    let written = Wording {
        action: draft.action.clone().unwrap_or_else(|| about.slots.action.clone()),
        benefit_estimate: draft.benefit.clone().unwrap_or_else(|| about.slots.benefit_estimate.clone()),
    };
    ground(&written, &about, draft.language)
        .map_err(|faults| faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn honest_drafts_pass() {
    let honest = drafts().honest;
    let of = |language| honest.iter().filter(|draft| draft.language == language).count();
    assert!(of(Language::En) >= 20 && of(Language::Fr) >= 20);
    let refused: Vec<String> = honest
        .iter()
        .filter_map(|draft| Some(format!("{:?} {:?}: {}", draft.action, draft.benefit, check(draft).err()?)))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn hostile_drafts_are_refused_for_what_they_are() {
    let hostile = drafts().hostile;
    let of = |language| hostile.iter().filter(|draft| draft.language == language).count();
    assert!(hostile.len() >= 60 && of(Language::En) >= 20 && of(Language::Fr) >= 20);
    let passed: Vec<String> = hostile
        .iter()
        .filter_map(|draft| {
            let (text, expected) = (draft.action.as_ref().or(draft.benefit.as_ref())?, draft.fault.as_ref()?);
            match check(draft) {
                Ok(_) => Some(format!("{text:?} passed")),
                Err(faults) if !faults.contains(expected.as_str()) => Some(format!("{text:?}: {faults}")),
                Err(_) => None,
            }
        })
        .collect();
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    assert!(hostile.iter().all(|draft| draft.fault.is_some() && (draft.action.is_some() || draft.benefit.is_some())));
}

#[test]
fn the_plans_own_words_pass() {
    for language in Language::ALL {
        let grounded = check(&Draft { language, action: None, benefit: None, fault: None }).unwrap();
        assert_eq!(grounded.slots, scale_out(language).slots);
        assert!(grounded.ledger.is_empty());
    }
}

/// A planned sentence of any length may be said again, and something shorter than the usual limit always.
#[test]
fn the_limit_of_length_follows_the_planned_sentence() {
    let mut about = scale_out(Language::En);
    let tail = |count| format!("Scale {{target}} out to {{parameter.replicas}} replicas{}.", " and more".repeat(count));
    let mut check = |planned: usize, written: usize, passes: bool| {
        about.slots.action = tail(planned);
        let written = Wording { action: tail(written), benefit_estimate: about.slots.benefit_estimate.clone() };
        let faults = ground(&written, &about, Language::En).err().unwrap_or_default();
        let told = faults.iter().any(|fault| matches!(fault.reason, Reason::TooLong(_)));
        assert_eq!((told, faults.is_empty()), (!passes, passes), "{faults:?}");
    };
    check(0, 38, true); // 396 characters
    check(0, 39, false);
    check(100, 100, true);
    check(100, 111, true);
    check(100, 112, false);
}

mod playbook;

/// Whether a sentence may use the word `cache` when these are other names of the run and the plan says this.
fn check_other(others: &[&str], planned: &str, action: &str, passes: bool) {
    let mut about = scale_out(Language::En);
    about.others = others.iter().map(ToString::to_string).collect();
    about.slots.action = format!("Scale {{target}} to {{parameter.replicas}} replicas{planned}.");
    let action = format!("Scale {{target}} out to {{parameter.replicas}} replicas{action}.");
    let written = Wording { action, benefit_estimate: about.slots.benefit_estimate.clone() };
    let faults = ground(&written, &about, Language::En).err().unwrap_or_default();
    let reasons: Vec<&Reason> = faults.iter().map(|fault| &fault.reason).collect();
    let told = reasons.iter().any(|reason| matches!(reason, Reason::Other(_)));
    assert_eq!((told, reasons.is_empty()), (!passes, passes), "{others:?} {planned}: {reasons:?}");
}

#[test]
fn other_names_are_the_runs_and_not_the_plans_words() {
    check_other(&["cache"], "", " behind the cache", false);
    check_other(&[], "", " behind the cache", true);
    check_other(&["orders"], "", " behind the cache", true);
    check_other(&["Cache"], "", " behind the cache", false);
    // The playbook says it itself; a slot's name is no word of it.
    check_other(&["cache"], " behind a response cache", " behind the cache", true);
    check_other(&["cache"], " behind a Cache", " behind the cache", true);
    check_other(&["latency"], " at {latency_ms.value}", " because latency is {latency_ms.value}", false);
    check_other(&["replica", "replicas"], "", "", true);
    // What no sentence can do without is no name.
    check_other(&["a", "of", "the", "to"], "", " of the next release", true);
}

/// Slots and ledger of an action.
fn check_bound(language: Language, action: &str, slots: &str, ledger: &[&str]) {
    let draft = Draft { language, action: Some(action.into()), benefit: None, fault: None };
    let grounded = check(&draft).unwrap_or_else(|faults| panic!("{action}: {faults}"));
    assert_eq!(grounded.slots.action, slots);
    assert_eq!(grounded.ledger, ledger, "{action}");
}

#[test]
fn literals_that_are_one_facts_rendering_become_its_slot() {
    check_bound(
        Language::En,
        "Scale {target} out to {parameter.replicas} replicas: CPU reached 93% at 2023-10-01T12:00:00Z.",
        "Scale {target} out to {parameter.replicas} replicas: CPU reached {cpu_usage.value} at {cpu_usage.worst_at}.",
        &["action: bound `93%` to {cpu_usage.value}", "action: bound `2023-10-01T12:00:00Z` to {cpu_usage.worst_at}"],
    );
    check_bound(
        Language::En,
        "Scale api_gateway out to 2 replicas for 1,258,200 kbps.",
        "Scale api_gateway out to {parameter.replicas} replicas for {network_in_kbps.value}.",
        &["action: bound `2` to {parameter.replicas}", "action: bound `1,258,200 kbps` to {network_in_kbps.value}"],
    );
    check_bound(
        Language::Fr,
        "Passer {target} à 2 répliques : latence de 334,5 ms, CPU à 93\u{a0}%, débit de 1\u{202f}258 200 kbps.",
        "Passer {target} à {parameter.replicas} répliques : latence de {latency_ms.value}, CPU à {cpu_usage.value}, \
         débit de {network_in_kbps.value}.",
        &[
            "action: bound `2` to {parameter.replicas}",
            "action: bound `334,5 ms` to {latency_ms.value}",
            "action: bound `93\u{a0}%` to {cpu_usage.value}",
            "action: bound `1\u{202f}258 200 kbps` to {network_in_kbps.value}",
        ],
    );
    check_bound(
        Language::En,
        "Scale {target} out to {parameter.replicas} replicas, since CPU is at {cpu_usage.value}% and latency at \
         {latency_ms.value} ms.",
        "Scale {target} out to {parameter.replicas} replicas, since CPU is at {cpu_usage.value} and latency at \
         {latency_ms.value}.",
        &[
            "action: dropped `%`, which the slot before it carries",
            "action: dropped `ms`, which the slot before it carries",
        ],
    );
}

proptest! {
    /// Whatever passes states no figure but the facts'.
    #[test]
    fn no_figure_gets_through_that_is_no_fact(
        before in "[ a-zéA-Z0-9.,%{}_@/'\u{a0}-]{0,20}",
        literal in "[0-9]{1,3}([.,][0-9]{1,2})?( ?(%|ms|s))?",
        after in "[ a-zé0-9.,%{}-]{0,12}",
    ) {
        let about = scale_out(Language::En);
        let text = format!("{before}{literal}{after} {{target}} {{parameter.replicas}} to scale out");
        let written = Wording { action: text.clone(), benefit_estimate: about.slots.benefit_estimate.clone() };
        if let Ok(grounded) = ground(&written, &about, Language::En) {
            let bare = slots_in(&grounded.slots.action).into_iter().rev().fold(
                grounded.slots.action.clone(),
                |mut bare, slot| { bare.replace_range(slot.span, ""); bare },
            );
            let bare = bare.replace("web-1", "");
            prop_assert!(!bare.contains(char::is_numeric), "{text:?} → {:?}", grounded.slots.action);
            prop_assert!(!bare.contains('%'), "{text:?}");
        }
    }

    #[test]
    fn any_text_whatever_is_judged_without_panic(action in any::<String>(), benefit in "\\PC{0,60}") {
        for language in Language::ALL {
            let written = Wording { action: action.clone(), benefit_estimate: benefit.clone() };
            if let Ok(grounded) = ground(&written, &scale_out(language), language) {
                prop_assert!(!grounded.words.action.contains(char::is_control));
            }
        }
    }
}
