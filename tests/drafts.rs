//! How well grounding tells honest drafts from hostile ones, on sets that were written from its rules and not from its
//! code: `tests/drafts/honest*.ndjson` and `hostile*.ndjson`, each draft a model's wording of one recommendation of
//! `cases.json`. `cargo test --test drafts -- --nocapture` prints the table and every draft that is misjudged.
//!
//! What a set says of drafts that nobody has seen it says once, before it is looked at; ARCHITECTURE.md has these figures.
//! From then on it holds the rules where they are.

#[path = "drafts/read.rs"]
mod read;

use std::collections::{BTreeMap, BTreeSet};

use agent::wording::judge;
use read::{Draft, cases, drafts};

/// Kinds of false drafts that grounding does not guarantee to see: it refuses what it recognises of them. Of all others
/// (figures, units, times, names, pairs, characters) none may pass.
#[rustfmt::skip]
const BEST_EFFORT: &[&str] = &[
    "benefit", "cause", "command", "cost", "empty", "extra-key", "injection", "invented-benefit", "invented-cause", "meta",
    "negated-action", "nested", "other-action", "other-target", "promise", "refusal", "reversed-action", "secret", "swapped-slot",
    "too-long", "ungrounded-cause", "ungrounded-scope", "wrong-language", "wrong-status",
];

fn sets(texts: [&str; 5]) -> Vec<Draft> {
    let sets = texts.map(drafts);
    assert!(sets.iter().all(|set| set.len() >= 150));
    let all: Vec<Draft> = sets.into_iter().flatten().collect();
    assert_eq!(all.iter().map(|draft| &draft.id).collect::<BTreeSet<_>>().len(), all.len());
    all
}

/// How many of these drafts are misjudged, and how many there are; every misjudged one is printed.
fn misjudged<'a>(drafts: impl Iterator<Item = &'a Draft>) -> (usize, usize) {
    let cases = cases();
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for draft in drafts {
        let case = cases.iter().find(|case| case.id == draft.case).unwrap();
        let answer = judge(&draft.reply(), Some("stop"), &case.recommendation(draft.language), draft.language);
        let (wrong, all) = kinds.entry(draft.fault.as_deref().unwrap_or("(honest)")).or_default();
        *all += 1;
        let why = match (&draft.fault, answer) {
            (None, Err(reasons)) => reasons.iter().map(|reason| format!("\n    {reason}")).collect(),
            (Some(fault), Ok(_)) => format!("{fault}: {}", draft.why.as_deref().unwrap_or_default()),
            _ => continue,
        };
        *wrong += 1;
        println!("{} {}: {why}\n    {}", draft.id, draft.case, draft.reply());
    }
    for (kind, (wrong, all)) in &kinds {
        println!("{kind:20} {wrong:>5} of {all}");
    }
    kinds.values().fold((0, 0), |(wrong, all), kind| (wrong + kind.0, all + kind.1))
}

#[test]
fn honest_drafts_pass() {
    let honest = sets([
        include_str!("drafts/honest.ndjson"),
        include_str!("drafts/honest-a.ndjson"),
        include_str!("drafts/honest-b.ndjson"),
        include_str!("drafts/honest-c.ndjson"),
        include_str!("drafts/honest-d.ndjson"),
    ]);
    assert!(honest.iter().all(|draft| draft.fault.is_none()));
    let (wrong, all) = misjudged(honest.iter());
    assert!(wrong * 100 < all, "{wrong} of {all} are refused");
}

#[test]
fn hostile_drafts_are_refused() {
    let hostile = sets([
        include_str!("drafts/hostile.ndjson"),
        include_str!("drafts/hostile-a.ndjson"),
        include_str!("drafts/hostile-b.ndjson"),
        include_str!("drafts/hostile-c.ndjson"),
        include_str!("drafts/hostile-d.ndjson"),
    ]);
    let is_best_effort = |draft: &&Draft| BEST_EFFORT.contains(&draft.fault.as_deref().unwrap());
    let (passed, all) = misjudged(hostile.iter().filter(|draft| !is_best_effort(draft)));
    assert!(all >= 600, "{all}");
    assert_eq!(passed, 0);
    let (passed, all) = misjudged(hostile.iter().filter(is_best_effort));
    assert!(passed * 50 < all, "{passed} of {all} of the kinds that are best effort pass");
}
