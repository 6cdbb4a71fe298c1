use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::detect::incidents;
use crate::domain::{Episode, Phase, Severity, Stretch, Wait};

fn time(minute: i64) -> Timestamp {
    Timestamp::from_micros(minute * 60_000_000).unwrap()
}

fn incident(id: &str, since: i64, anomalies: &str) -> Incident {
    Incident {
        id: id.to_string(),
        severity: Severity::Low,
        since: time(since),
        until: time(since),
        entities: Vec::new(),
        services: Vec::new(),
        first: "f".to_string(),
        anomalies: anomalies.split(' ').map(str::to_string).collect(),
    }
}

/// `a:1 b:2.`: the anomaly `a` of the episode `a:1`; a full stop where it is over.
fn said(text: &str) -> Vec<Mention> {
    let mention = |text: &str| {
        let episode = text.trim_end_matches('.');
        let anomaly = episode.split(':').next().unwrap().to_string();
        Mention { anomaly, episode: episode.to_string(), is_over: text != episode }
    };
    text.split_whitespace().map(mention).collect()
}

/// The episodes of each incident, oldest first.
fn shown(open: &Open) -> Vec<String> {
    let one = |known: &Known| {
        let episodes: Vec<&str> = known.episodes.keys().map(String::as_str).collect();
        format!("{}: {}", known.origin.id, episodes.join(" "))
    };
    open.0.iter().map(one).collect()
}

#[test]
fn incidents_last_as_long_as_an_episode_of_theirs() {
    let mut open = Open::default();
    let mut step = |minute, mentions: &str, incidents: &[Incident], expected: &[&str]| {
        let left = std::mem::take(&mut open).next(&said(mentions), incidents, time(minute));
        assert_eq!(shown(&left), expected, "{mentions}");
        let text = serde_json::to_string(&left).unwrap();
        open = serde_json::from_str(&text).unwrap();
        assert_eq!(open, left);
    };
    let (x, y) = (|anomalies| incident("x", 1, anomalies), |anomalies| incident("y", 2, anomalies));
    step(1, "a:1", &[x("a")], &["x: a:1"]);
    step(2, "a:1 b:2 c:2", &[x("a b"), y("c")], &["x: a:1 b:2", "y: c:2"]);
    // The first is over, the other one silent.
    step(3, "a:1. c:2 d:3", &[y("c d")], &["x: b:2", "y: c:2 d:3"]);
    // They meet; what is silent goes along.
    step(4, "b:2 c:2", &[x("b c")], &["x: b:2 c:2 d:3"]);
    step(5, "", &[], &["x: b:2 c:2 d:3"]);
    step(6, "b:2. c:2. d:3.", &[], &[]);
    // Two nodes found one series: over where both say so. A new episode of it is another one.
    step(7, "a:7 a:8", &[x("a")], &["x: a:7 a:8"]);
    step(8, "a:7. a:8 a:8.", &[x("a")], &["x: a:8"]);
    step(9, "a:8. a:9", &[y("a")], &["y: a:9"]);
}

#[test]
fn an_episode_tells_of_which_incident_its_anomaly_is() {
    let open = Open::default().next(&said("a:1 b:2"), &[incident("x", 1, "b"), incident("y", 2, "a")], time(1));
    let of = |text: &str| {
        let mut origins: Vec<String> =
            open.origins(&said(text)).iter().map(|(name, origin)| format!("{name} {}", origin.id)).collect();
        origins.sort();
        origins.join(", ")
    };
    assert_eq!(of("a:1 b:2 c:3"), "a y, b x");
    assert_eq!(of("a:9 b:2."), "");
    // Of several episodes of one name the oldest incident counts.
    let renamed = |episode: &str| Mention { anomaly: "a".into(), episode: episode.into(), is_over: false };
    for mentions in [["a:1", "b:2"], ["b:2", "a:1"]] {
        let origins = open.origins(&mentions.map(renamed));
        assert_eq!((origins.len(), origins["a"].id.as_str()), (1, "x"));
    }
}

#[test]
fn what_nobody_mentions_any_more_is_kept_within_a_limit() {
    let mut open = Open::default();
    for n in 0..UNMENTIONED as i64 + 5 {
        let (name, id) = (format!("a{n}"), format!("i{n}"));
        open = open.next(&said(&format!("{name}:1")), &[incident(&id, n, &name)], time(n));
    }
    assert_eq!(open.0.len(), UNMENTIONED + 1, "and what is mentioned");
    assert_eq!(shown(&open)[0], "i4: a4:1");
    let many: Vec<String> = (0..2 * UNMENTIONED).map(|n| format!("b{n}:1")).collect();
    let names: Vec<String> = (0..2 * UNMENTIONED).map(|n| format!("b{n}")).collect();
    let all = open.next(&said(&many.join(" ")), &[incident("i", 9, &names.join(" "))], time(9999));
    assert_eq!(all.0.iter().map(|known| known.episodes.len()).sum::<usize>(), 3 * UNMENTIONED);
}

/// What a series does in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Doing {
    /// Open, and mentioned.
    Bad,
    /// Open, if it was, and not mentioned.
    Silent,
    Fine,
}

/// The anomalies of each window, of a few series on a few hosts.
fn windows() -> impl Strategy<Value = Vec<Vec<Anomaly>>> {
    let doing = prop_oneof![3 => Just(Doing::Bad), 1 => Just(Doing::Silent), 2 => Just(Doing::Fine)];
    let series = ["cpu@a", "mem@a", "cpu@b", "service_status.db@a", "service_status.db@b", "mem@c"];
    let of_window = prop::collection::vec((doing, 0..9i64), series.len());
    prop::collection::vec(of_window, 1..12).prop_map(move |windows| {
        let mut since: BTreeMap<&str, Timestamp> = BTreeMap::new();
        let one = |(window, all): (usize, Vec<(Doing, i64)>)| -> Vec<Anomaly> {
            let start = 10 * window as i64;
            let found = series.iter().zip(all).filter_map(|(&name, (doing, minute))| {
                let was_open = since.contains_key(name);
                if doing == Doing::Silent || (doing == Doing::Fine && !was_open) {
                    return None;
                }
                let mut anomaly = Anomaly::example(name, 75.0, Severity::Low);
                let since_then = *since.entry(name).or_insert_with(|| time(start + minute));
                let phase = match doing {
                    Doing::Fine => Phase::Resolved,
                    _ if was_open => Phase::Ongoing,
                    _ => Phase::Opened,
                };
                let id = format!("{name}/{}", since_then.label());
                let worst_severity = Severity::Low;
                anomaly.episode = Some(Episode { id, phase, since: since_then, worst_severity, windows: 1 });
                anomaly.service = anomaly.metric.strip_prefix("service_status.").map(str::to_string);
                anomaly.stretch = Stretch { from: since_then, to: time(start + minute).max(since_then) };
                if doing == Doing::Fine {
                    since.remove(name);
                }
                Some(anomaly)
            });
            found.collect()
        };
        windows.into_iter().enumerate().map(one).collect()
    })
}

proptest! {
    /// No two incidents have one id; an episode's incident goes on, or goes on in an older one; and nothing is kept of what
    /// is over.
    #[test]
    fn an_episode_stays_in_its_incident_or_goes_along_to_an_older_one(windows in windows()) {
        let mut open = Open::default();
        let mut before: HashMap<String, Origin> = HashMap::new();
        for (window, found) in windows.into_iter().enumerate() {
            let mentions = mentions(&found);
            let going_on: Vec<Anomaly> = found.iter().filter(|anomaly| !anomaly.is_over()).cloned().collect();
            let grouped = incidents(&going_on, Wait(Duration::from_secs(60)), &open.origins(&mentions));
            let ids: HashSet<&str> = grouped.iter().map(|(incident, _)| incident.id.as_str()).collect();
            prop_assert_eq!(ids.len(), grouped.len());
            for (incident, anomalies) in &grouped {
                for anomaly in anomalies {
                    let episode = anomaly.episode.clone().unwrap().id;
                    let origin = origin(incident);
                    let earlier = before.get(&episode);
                    prop_assert!(earlier.is_none_or(|earlier| origin <= *earlier), "{:?} {:?}", earlier, origin);
                    before.insert(episode, origin);
                }
            }
            let incidents: Vec<Incident> = grouped.into_iter().map(|(incident, _)| incident).collect();
            open = open.next(&mentions, &incidents, time(10 * window as i64));
            let over: HashSet<&str> = mentions.iter().filter(|m| m.is_over).map(|m| m.episode.as_str()).collect();
            let mut kept = open.0.iter().flat_map(|known| known.episodes.keys());
            prop_assert!(kept.all(|id| before.contains_key(id) && !over.contains(id.as_str())));
            let origins: HashSet<&str> = open.0.iter().map(|known| known.origin.id.as_str()).collect();
            prop_assert_eq!(origins.len(), open.0.len());
        }
    }
}
