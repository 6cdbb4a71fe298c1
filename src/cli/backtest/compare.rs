//! What other rules make of the same history.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Change, Episode, EpisodeChange, Firing, RuleChange, RuleFirings, SeriesFirings};

/// Rule by rule, those with the most changes first.
pub fn compare(before: &[RuleFirings], after: &[RuleFirings]) -> Vec<RuleChange> {
    let by_name = |rules: &'_ [RuleFirings]| -> BTreeMap<(String, String), usize> {
        rules.iter().enumerate().map(|(at, r)| ((r.node.clone(), r.rule.clone()), at)).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let mut changes: Vec<RuleChange> = names
        .into_iter()
        .map(|name| {
            let old = old.get(name).and_then(|at| before.get(*at));
            let new = new.get(name).and_then(|at| after.get(*at));
            let firing = |rule: Option<&RuleFirings>| rule.map_or(Firing::default(), |rule| rule.firing);
            RuleChange {
                node: name.0.clone(),
                rule: name.1.clone(),
                before: firing(old),
                after: firing(new),
                is_new: old.is_none(),
                is_gone: new.is_none(),
                insufficient: new.and_then(|rule| rule.insufficient.clone()),
                changes: of_rule(old, new),
            }
        })
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.changes.len()));
    changes
}

fn of_rule(old: Option<&RuleFirings>, new: Option<&RuleFirings>) -> Vec<EpisodeChange> {
    let by_name = |rule: Option<&'_ RuleFirings>| -> BTreeMap<String, Vec<Episode>> {
        let series = rule.map_or(&[] as &[SeriesFirings], |rule| &rule.series);
        series.iter().map(|s| (s.series.clone(), s.episodes.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = Vec::new();
    let of_series = |name: &&String| pairs(old.get(*name).unwrap_or(&none), new.get(*name).unwrap_or(&none));
    let changes = names.iter().flat_map(|name| {
        let changed = |(before, after): (Option<Episode>, Option<Episode>)| EpisodeChange {
            series: name.to_string(),
            what: what(before.as_ref(), after.as_ref()),
            before,
            after,
        };
        of_series(name).into_iter().map(changed)
    });
    changes.filter(|change| !change.what.is_empty()).collect()
}

/// Episodes of one series, both lists in the order of time: which are the same one.
fn pairs(old: &[Episode], new: &[Episode]) -> Vec<(Option<Episode>, Option<Episode>)> {
    let (mut old, mut new) = (old.iter().copied().peekable(), new.iter().copied().peekable());
    let mut pairs = Vec::new();
    loop {
        pairs.push(match (old.peek(), new.peek()) {
            (None, None) => return pairs,
            (Some(a), Some(b)) if a.since <= b.until && b.since <= a.until => (old.next(), new.next()),
            (Some(a), Some(b)) if a.since > b.since => (None, new.next()),
            (None, _) => (None, new.next()),
            (Some(_), _) => (old.next(), None),
        });
    }
}

fn what(before: Option<&Episode>, after: Option<&Episode>) -> Vec<Change> {
    let (Some(before), Some(after)) = (before, after) else {
        return vec![if before.is_some() { Change::Removed } else { Change::Added }];
    };
    let same = before.since == after.since && before.until == after.until;
    let time = match after.length().cmp(&before.length()) {
        std::cmp::Ordering::Greater => Some(Change::Longer),
        std::cmp::Ordering::Less => Some(Change::Shorter),
        std::cmp::Ordering::Equal => (!same).then_some(Change::Moved),
    };
    let severity = match after.severity.cmp(&before.severity) {
        std::cmp::Ordering::Greater => Some(Change::Worse),
        std::cmp::Ordering::Less => Some(Change::Milder),
        std::cmp::Ordering::Equal => None,
    };
    time.into_iter().chain(severity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Counts, Figure, Severity, Timestamp};

    fn episode(text: &str) -> Episode {
        let mut words = text.split(['-', ' ']);
        let mut minute = || Timestamp::nearest(words.next().unwrap().parse::<i64>().unwrap() * 60_000_000);
        let (since, until) = (minute(), minute());
        let severity = if words.next() == Some("high") { Severity::High } else { Severity::Low };
        Episode { since, until, open: false, severity, value: Figure::ZERO, records: Counts::default() }
    }

    #[track_caller]
    fn check(old: &[&str], new: &[&str], expected: &[&str]) {
        let of = |list: &[&str]| -> Vec<Episode> { list.iter().map(|text| episode(text)).collect() };
        let words = |changes: Vec<Change>| changes.iter().map(|c| c.word()).collect::<Vec<_>>().join(" ");
        let pairs = pairs(&of(old), &of(new));
        let got: Vec<String> = pairs.iter().map(|(a, b)| words(what(a.as_ref(), b.as_ref()))).collect();
        assert_eq!(got, expected, "{old:?} {new:?}");
        let both = pairs.iter().filter(|(a, b)| a.is_some() && b.is_some()).count();
        assert_eq!(pairs.len() + both, old.len() + new.len(), "each is in one pair");
    }

    #[test]
    fn episodes_that_overlap_are_the_same_one() {
        check(&[], &[], &[]);
        check(&["0-5"], &["0-5"], &[""]);
        check(&["0-5"], &[], &["removed"]);
        check(&[], &["0-5", "7-9 high"], &["added", "added"]);
        check(&["0-5"], &["0-7 high"], &["longer worse"]);
        check(&["0-5 high"], &["1-5"], &["shorter milder"]);
        check(&["0-5"], &["3-8"], &["moved"]);
        check(&["0-5", "20-25"], &["10-15", "20-25"], &["removed", "added", ""]);
        check(&["0-30"], &["0-10", "20-30"], &["shorter", "added"]);
        check(&["0-10", "20-30"], &["0-30"], &["longer", "removed"]);
    }
}
