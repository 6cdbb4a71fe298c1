//! How well grounding tells honest drafts from hostile ones, on sets that were written from its rules and not from its
//! code: `tests/drafts/honest*.ndjson` and `hostile*.ndjson`, each draft a model's wording of one recommendation of
//! `cases.json`. `cargo test --test drafts -- --nocapture` prints the table and every draft that is misjudged.
//! Drafts of even and of odd number are counted apart: rules that are made by looking at one half show by the other how far
//! they carry.

#[path = "drafts/read.rs"]
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use agent::wording::judge;
use read::{Draft, cases, drafts};

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
    let cases = cases();
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
