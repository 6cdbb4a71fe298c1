use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn time(minute: i64) -> Timestamp {
    Timestamp::from_micros((28_401_120 + minute) * 60_000_000).unwrap() // from 2024-01-01T00:00:00Z
}

/// `cpu_usage@web-1 3-7`: a name, and the minutes of its stretch. `!` before it makes it severe.
fn anomaly(text: &str) -> Anomaly {
    let (name, minutes) = text.split_once(' ').unwrap();
    let (from, to) = minutes.split_once('-').unwrap();
    let (name, severity) = name.strip_prefix('!').map_or((name, Severity::Low), |name| (name, Severity::High));
    let mut made = Anomaly::example(name, 75.0, severity);
    let service = made.metric.strip_prefix("service_status.").map(str::to_string);
    if service.is_some() {
        (made.service, made.metric) = (service, "service_status".to_string());
    }
    made.stretch = Stretch { from: time(from.parse().unwrap()), to: time(to.parse().unwrap()) };
    made
}

fn anomalies(text: &str) -> Vec<Anomaly> {
    text.split(", ").map(anomaly).collect()
}

fn minutes(minutes: u64) -> Wait {
    Wait(Duration::from_secs(60 * minutes))
}

fn alone(anomalies: &[Anomaly], together: Wait) -> Vec<Incident> {
    incidents(anomalies, together, &HashMap::new()).into_iter().map(|(incident, _)| incident).collect()
}

/// The anomalies of each incident, with a pause of at most five minutes.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = alone(&anomalies(text), minutes(5)).iter().map(|of| of.anomalies.join(" ")).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn what_is_near_in_time_and_of_one_entity_or_service_is_one_incident() {
    check("cpu@a 0-4, mem@a 2-3", &["cpu@a mem@a"]);
    check("cpu@a 0-4, mem@a 9-9", &["cpu@a mem@a"]);
    check("cpu@a 0-4, mem@a 10-12", &["cpu@a", "mem@a"]);
    check("cpu@a 0-4, cpu@b 0-4", &["cpu@a", "cpu@b"]);
    check("cpu 0-4, mem 3-5, mem@a 3-5", &["cpu mem", "mem@a"]);
    // Through another one, also one that is long over when the last begins.
    check("cpu@a 0-1, mem@a 6-7, disk@a 12-13", &["cpu@a mem@a disk@a"]);
    check("cpu@a 0-60, mem@a 2-3, disk@a 50-51, net@a 70-71", &["cpu@a mem@a disk@a", "net@a"]);
    // A service that fails on several hosts is one cause, and brings what else is wrong on them.
    check("service_status.db@a 0-4, service_status.db@b 6-7", &["service_status.db@a service_status.db@b"]);
    check("service_status.db@a 0-4, service_status.web@b 0-4", &["service_status.db@a", "service_status.web@b"]);
    check(
        "latency@a 0-9, service_status.db@a 2-9, service_status.db@b 3-8, errors@b 4-5, errors@c 4-5",
        &["latency@a service_status.db@a service_status.db@b errors@b", "errors@c"],
    );
    // But not what was wrong there at another time.
    check("cpu@a 0-1, service_status.db@a 20-21", &["cpu@a", "service_status.db@a"]);
}

#[test]
fn nothing_or_something_is_permitted_between() {
    let of = |text: &str, together| alone(&anomalies(text), together).len();
    assert_eq!(of("cpu@a 0-4, mem@a 4-5", minutes(0)), 1);
    assert_eq!(of("cpu@a 0-4, mem@a 5-5", minutes(0)), 2);
    assert_eq!(of("cpu@a 0-4, mem@a 100000-100001", Wait(Duration::MAX)), 1);
    assert_eq!(alone(&[], minutes(5)), []);
}

#[test]
fn an_incident_says_what_it_is_of() {
    let found = alone(
        &anomalies("cpu@web-2 3-5, !mem@web-2 4-9, service_status.db@web-2 4-6, service_status.db@a 7-8"),
        minutes(5),
    );
    let expected = serde_json::json!([{
        "id": "cpu@web-2/20240101T000300Z",
        "severity": "high",
        "since": "2024-01-01T00:03:00Z",
        "until": "2024-01-01T00:09:00Z",
        "entities": ["a", "web-2"],
        "services": ["db"],
        "first": "cpu@web-2",
        "anomalies": ["cpu@web-2", "service_status.db@web-2", "mem@web-2", "service_status.db@a"],
    }]);
    assert_eq!(serde_json::to_value(&found).unwrap(), expected);
}

#[test]
fn the_first_is_the_earliest_then_a_service_then_the_worse() {
    let first = |text: &str| alone(&anomalies(text), minutes(5))[0].first.clone();
    assert_eq!(first("!cpu@a 1-2, mem@a 0-2"), "mem@a");
    assert_eq!(first("!cpu@a 0-2, service_status.db@a 0-1"), "service_status.db@a");
    assert_eq!(first("cpu@a 0-2, !mem@a 0-2"), "mem@a");
    assert_eq!(first("mem@a 0-2, cpu@a 0-2"), "cpu@a");
    let further = Anomaly { value: crate::domain::Figure::new(79.0).unwrap(), ..anomaly("mem@a 0-2") };
    assert_eq!(alone(&[anomaly("cpu@a 0-2"), further], minutes(5))[0].first, "mem@a");
}

#[test]
fn what_was_one_incident_stays_one_and_of_several_the_oldest_goes_on() {
    let origin = |id: &str, minute| Origin { since: time(minute), id: id.to_string(), first: format!("{id}'s first") };
    let check = |text: &str, known: &[(&str, &str, i64)], expected: &[&str]| {
        let known = known.iter().map(|(name, id, minute)| (name.to_string(), origin(id, *minute))).collect();
        let anomalies = anomalies(text);
        let found = incidents(&anomalies, minutes(5), &known);
        let shown = |of: &Incident| format!("{} {} {}: {}", of.id, of.first, of.since, of.anomalies.join(" "));
        assert_eq!(found.iter().map(|(incident, _)| shown(incident)).collect::<Vec<_>>(), expected, "{text}");
    };
    check("cpu@a 8-9, mem@a 9-9", &[("mem@a", "x", 2)], &["x x's first 2024-01-01T00:02:00Z: cpu@a mem@a"]);
    // What joined these is over.
    check(
        "cpu@a 1-9, cpu@b 8-9",
        &[("cpu@a", "x", 1), ("cpu@b", "x", 1)],
        &["x x's first 2024-01-01T00:01:00Z: cpu@a cpu@b"],
    );
    check(
        "cpu@a 8-9, mem@a 9-9, cpu@b 9-9",
        &[("cpu@a", "y", 3), ("mem@a", "x", 2), ("cpu@b", "y", 3)],
        &["x x's first 2024-01-01T00:02:00Z: cpu@a cpu@b mem@a"],
    );
    // No two have one id, though it was forgotten what `cpu@a` was of.
    check(
        "cpu@a 1-9, cpu@b 8-9",
        &[("cpu@b", "cpu@a/20240101T000100Z", 1)],
        &["cpu@a/20240101T000100Z cpu@a/20240101T000100Z's first 2024-01-01T00:01:00Z: cpu@a cpu@b"],
    );
}

/// Time must not grow with the square of their number.
#[test]
fn very_many() {
    let of = |n: usize| match n % 4 {
        0 => anomaly(&format!("cpu@host-{} 0-{}", n / 4 % 100, n % 97)),
        1 => anomaly(&format!("m{n} {}-{}", n % 89, 100 + n)),
        2 => anomaly(&format!("service_status.s{}@host-{n} 1-2", n % 7)),
        _ => anomaly(&format!("service_status.db@host-{n} {n}-{n}")),
    };
    let many: Vec<Anomaly> = (0..20_000).map(of).collect();
    let begun = Instant::now();
    let found = alone(&many, minutes(5));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed()); // a square takes minutes
    assert_eq!(found.iter().map(|of| of.anomalies.len()).sum::<usize>(), many.len());
}

/// Of a few hosts and services, with different names.
fn made() -> impl Strategy<Value = Vec<Anomaly>> {
    let one = (0..3usize, 0..4usize, 0..60i64, 0..20i64, any::<bool>());
    prop::collection::vec(one, 0..24).prop_map(|all| {
        let mut names = BTreeSet::new();
        let text = |(n, (what, host, first, length, severe)): (usize, (usize, usize, i64, i64, bool))| {
            let what = [format!("m{n}"), "service_status.db".into(), "service_status.web".into()][what].clone();
            let at = ["", "@a", "@b", "@c"][host];
            let severe = if severe { "!" } else { "" };
            (format!("{what}{at}"), format!("{severe}{what}{at} {first}-{}", first + length))
        };
        let all: Vec<(String, String)> = all.into_iter().enumerate().map(text).collect();
        all.into_iter().filter(|(name, _)| names.insert(name.clone())).map(|(_, text)| anomaly(&text)).collect()
    })
}

proptest! {
    #[test]
    fn every_anomaly_is_in_the_one_incident_of_what_it_is_related_to(anomalies in made(), pause in 0..10u64) {
        let related = |a: &Anomaly, b: &Anomaly| {
            let bond = a.entity == b.entity || (a.service.is_some() && a.service == b.service);
            let apart = |a: &Stretch, b: &Stretch| b.from.micros() - a.to.micros();
            let apart = apart(&a.stretch, &b.stretch).max(apart(&b.stretch, &a.stretch));
            bond && apart <= pause as i64 * 60_000_000
        };
        // All that can be reached, the slow way.
        let mut expected: Vec<BTreeSet<&str>> = Vec::new();
        for anomaly in &anomalies {
            let mut reached = vec![anomaly];
            let mut at = 0;
            while let Some(from) = reached.get(at).copied() {
                let next = anomalies.iter().filter(|b| related(from, b) && !reached.iter().any(|r| r.name == b.name));
                let next: Vec<&Anomaly> = next.collect();
                reached.extend(next);
                at += 1;
            }
            expected.push(reached.into_iter().map(|a| a.name.as_str()).collect());
        }
        expected.sort();
        expected.dedup();
        let found = alone(&anomalies, minutes(pause));
        let mut names: Vec<BTreeSet<&str>> =
            found.iter().map(|of| of.anomalies.iter().map(String::as_str).collect()).collect();
        names.sort();
        prop_assert_eq!(names, expected);
        prop_assert_eq!(found.iter().map(|of| of.anomalies.len()).sum::<usize>(), anomalies.len());
        let ids: BTreeSet<&str> = found.iter().map(|of| of.id.as_str()).collect();
        prop_assert_eq!(ids.len(), found.len());
    }

    #[test]
    fn the_order_of_the_input_is_no_matter(
        (anomalies, shuffled) in made().prop_flat_map(|made| (Just(made.clone()), Just(made).prop_shuffle())),
    ) {
        prop_assert_eq!(alone(&shuffled, minutes(5)), alone(&anomalies, minutes(5)));
    }

    #[test]
    fn what_nobody_is_related_to_can_be_left_out(anomalies in made()) {
        let found = alone(&anomalies, minutes(5));
        for single in found.iter().filter(|of| of.anomalies.len() == 1) {
            let rest: Vec<Anomaly> = anomalies.iter().filter(|a| a.name != single.first).cloned().collect();
            let expected: Vec<Incident> = found.iter().filter(|of| *of != single).cloned().collect();
            prop_assert_eq!(alone(&rest, minutes(5)), expected);
        }
    }
}
