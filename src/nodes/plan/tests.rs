mod choice;

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{decode, parse_toml};
use crate::domain::{
    Bands, Counts, Episode, FactValue, Parameter, Phase, Sample, ServiceState, Severity, Status, Stretch, Timestamp,
    Words,
};
use crate::port::Files;
use crate::wording::grounding::{Reason, ground};
use crate::wording::{Wording, slots_in};

const PLAYBOOK: &str = include_str!("../../../graphs/playbooks/infrastructure.toml");

/// Metric, unit, bands, and a value that reaches the highest.
const METRICS: [(&str, Option<&str>, [f64; 3], f64); 12] = [
    ("cpu_usage", Some("%"), [70.0, 80.0, 90.0], 93.0),
    ("memory_usage", Some("%"), [75.0, 85.0, 92.0], 94.5),
    ("latency_ms", Some("ms"), [200.0, 250.0, 300.0], 334.0),
    ("disk_usage", Some("%"), [75.0, 85.0, 95.0], 97.0),
    ("io_wait", Some("%"), [8.0, 10.0, 15.0], 17.0),
    ("error_rate", None, [0.05, 0.08, 0.10], 0.12),
    ("temperature_celsius", Some("°C"), [70.0, 78.0, 85.0], 88.0),
    ("thread_count", None, [170.0, 185.0, 200.0], 212.0),
    ("active_connections", None, [80.0, 110.0, 140.0], 1260.0),
    ("network_in_kbps", Some("kbps"), [2000.0, 2500.0, 3000.0], 3150.0),
    ("network_out_kbps", Some("kbps"), [1800.0, 2200.0, 2600.0], 2750.0),
    ("power_consumption_watts", Some("W"), [300.0, 350.0, 400.0], 420.0),
];

fn figure(value: f64) -> Figure {
    Figure::new(value).unwrap()
}

fn sample(hour: i64, value: f64) -> Sample {
    let time = Timestamp::from_micros((1_696_161_600 + 3600 * hour) * 1_000_000).unwrap();
    Sample { time, row: hour as u64 + 1, value: figure(value) }
}

/// `metric=value`, with the default bands (10/20/30 for metrics without), or `service:status`; then `~first-last` in
/// hours (else 1 to 9), then `@host`.
fn anomaly(text: &str) -> Anomaly {
    let (text, entity) = text.split_once('@').map_or((text, None), |(rest, host)| (rest, Some(host.to_string())));
    let (text, [first, last]) = text.split_once('~').map_or((text, [1, 9]), |(rest, hours)| {
        let (first, last) = hours.split_once('-').unwrap();
        (rest, [first.parse().unwrap(), last.parse().unwrap()])
    });
    let at = |series: &str| entity.as_ref().map_or(series.to_string(), |host| format!("{series}@{host}"));
    let (name, metric, service, unit, bands, value) = match text.split_once(':') {
        Some((service, status)) => {
            let level = f64::from(Status::from_word(status).unwrap().level());
            let name = at(&format!("service_status.{service}"));
            (name, "service_status", Some(service.to_string()), None, [f64::NAN, 1.0, 2.0], level)
        }
        None => {
            let (metric, value) = text.split_once('=').unwrap();
            let known = METRICS.iter().find(|(name, ..)| *name == metric);
            let (_, unit, bands, _) = known.copied().unwrap_or(("", None, [10.0, 20.0, 30.0], 0.0));
            (at(metric), metric, None, unit, bands, value.parse().unwrap())
        }
    };
    let reached = (0..3).rev().find(|i| value >= bands[*i]).unwrap();
    let [low, medium, high] = bands.map(Figure::new);
    Anomaly {
        name,
        metric: metric.to_string(),
        aspect: Default::default(),
        condition: None,
        service,
        entity: entity.clone(),
        value: figure(value),
        threshold: figure(bands[reached]),
        severity: Severity::ALL[reached],
        unit: unit.map(Into::into),
        bands: Bands { low, medium, high },
        records: 48,
        reached: Counts { low: 1, medium: 2, high: 3 },
        first: sample(first, value),
        worst: sample(last.min(first + 1), value),
        last: sample(last, value),
        stretch: Stretch { from: sample(first, value).time, to: sample(last, value).time },
        newest: sample(24, 0.0),
        mean: figure(value / 3.0),
        evidence: None,
        services: vec![],
        description: String::new(),
        episode: None,
    }
}

/// Anomalies, separated by blanks; all see the services, `name:newest:worst`.
fn anomalies(text: &str, services: &str) -> Vec<Anomaly> {
    let services: Vec<ServiceState> = services
        .split_whitespace()
        .map(|service| {
            let parts: Vec<&str> = service.split(':').collect();
            let status = |word: &str| Status::from_word(word).unwrap();
            ServiceState { name: parts[0].into(), newest: status(parts[1]), worst: status(parts[2]) }
        })
        .collect();
    text.split_whitespace().map(|text| Anomaly { services: services.clone(), ..anomaly(text) }).collect()
}

const SERVICES: &str = "api_gateway:online:degraded cache:online:online database:online:online";

/// Any path is this playbook.
struct Only(SourceFile);

impl Files for Only {
    fn read(&self, _: &str) -> Result<SourceFile, String> {
        Ok(self.0.clone())
    }
}

fn build(playbook: &str, config: &str, language: Language) -> Result<Planner, Vec<Diagnostic>> {
    let graph = SourceFile::new("graph.toml", format!("playbook = \"p.toml\"\n{config}"));
    let table = parse_toml(&graph)?;
    let config = decode(Spanned::new(table.span(), toml::de::DeValue::Table(table.into_inner())), &graph)?;
    let files = Only(SourceFile::new("p.toml", playbook));
    Planner::new(config, &Assets::new(language, &graph, &files))
}

fn planner(language: Language) -> Planner {
    build(PLAYBOOK, "", language).unwrap()
}

fn decide(planner: &Planner, anomalies: &[Anomaly]) -> Vec<Recommendation> {
    let found = incidents(anomalies, planner.together, &HashMap::new());
    decide::decide(&planner.book, &planner.machine, &found, planner.language)
}

fn ids(recommendations: &[Recommendation]) -> Vec<&str> {
    recommendations.iter().map(|r| r.id.as_str()).collect()
}

#[test]
fn parameters_follow_the_figures() {
    let parameters = |text: &str, config: &str| {
        let planner = build(PLAYBOOK, config, Language::En).unwrap();
        serde_json::to_string(&decide(&planner, &anomalies(text, SERVICES))[0].parameters).unwrap()
    };
    assert_eq!(
        parameters("cpu_usage=93", ""),
        r#"{"affected_records":6,"current_replicas":1,"observed_peak":93,"projected_peak":46.5,"replicas":2}"#
    );
    assert_eq!(
        parameters("cpu_usage=93", "assumptions = { current_replicas = 3, target_utilisation = 50 }"),
        r#"{"affected_records":6,"current_replicas":3,"observed_peak":93,"projected_peak":46.5,"replicas":6}"#
    );
    assert_eq!(
        parameters("disk_usage=97", ""),
        r#"{"affected_records":6,"capacity_increase":39,"observed_peak":97,"projected_peak":69.8}"#
    );
    assert_eq!(
        parameters("database:offline", ""),
        r#"{"affected_records":6,"affected_share":12.5,"standby_availability":99}"#
    );
}

#[test]
fn assumptions_show_in_the_sentences() {
    let benefit = |config: &str| {
        let planner = build(PLAYBOOK, config, Language::En).unwrap();
        decide(&planner, &anomalies("latency_ms=300", SERVICES))[0].words.benefit_estimate.clone()
    };
    let standard = benefit("");
    assert!(standard.contains("30%") && standard.contains("about 70 ms instead of 100 ms"), "{standard}");
    let other = benefit("assumptions.cache_hit_share = 45.5");
    assert!(other.contains("45.5%") && other.contains("about 54.5 ms instead of 100 ms"), "{other}");
}

#[test]
fn what_cannot_be_computed_is_not_claimed() {
    // Without a target utilisation there is no number of replicas: the anomaly goes on to the last action.
    let lax = PLAYBOOK.replace("value = 70\nmin = 1\n", "value = 0\n");
    let planner = build(&lax, "", Language::En).unwrap();
    let decided = decide(&planner, &anomalies("cpu_usage=93", SERVICES));
    assert_eq!(ids(&decided), ["investigate.cpu_usage:api_gateway"]);
    // A benefit that needs such a figure is not estimated.
    let broken =
        PLAYBOOK.replace("round(100 * (1 - error_rate.lowest / error_rate.value), 1)", "1 / (error_rate.value * 0)");
    let planner = build(&broken, "", Language::En).unwrap();
    let decided = decide(&planner, &anomalies("error_rate=0.2", SERVICES));
    assert_eq!(ids(&decided), ["roll-back:api_gateway"]);
    assert!(decided[0].words.benefit_estimate.starts_with("No effect can be derived"), "{:?}", decided[0].words);
    assert!(decided[0].facts.iter().all(|fact| fact.name != "projected.fewer_errors"));
}

#[test]
fn conditions_choose() {
    let playbook = PLAYBOOK.replacen(
        "trigger = [\"cpu_usage\"]",
        "trigger = [\"cpu_usage\"]\nwhen = \"cpu_usage.value >= 90 || memory_usage.value > assumed.target_utilisation\"",
        1,
    );
    let planner = build(&playbook, "", Language::En).unwrap();
    for (text, expected) in [
        ("cpu_usage=93", "scale-out:api_gateway"),
        ("cpu_usage=89", "investigate.cpu_usage:api_gateway"),
        ("cpu_usage=89 memory_usage=75", "scale-out:api_gateway"),
        // Only what is of the same time counts.
        ("cpu_usage=89~1-3 memory_usage=75~5-9", "investigate.cpu_usage:api_gateway"),
        ("cpu_usage=89~1-3 memory_usage=75~5-9 io_wait=9~2-6", "investigate.cpu_usage:api_gateway"),
        ("cpu_usage=89~1-5 memory_usage=75~5-9", "scale-out:api_gateway"),
        ("cpu_usage=89@a memory_usage=75@b", "investigate.cpu_usage:a"),
    ] {
        assert_eq!(decide(&planner, &anomalies(text, SERVICES))[0].id, expected, "{text}");
    }
}

/// Every metric and status alone, and what merges, on nameless records and on a host.
fn situations() -> Vec<String> {
    let alone = METRICS.iter().map(|(metric, _, _, value)| format!("{metric}={value}"));
    let more = [
        "cache:offline",
        "cache:degraded",
        "cpu_usage=93 latency_ms=334 thread_count=212",
        "active_connections=126 latency_ms=250 thread_count=190",
        "error_rate=0.12 api_gateway:degraded",
        "io_wait=12 latency_ms=250",
        "temperature_celsius=84 power_consumption_watts=356",
        "queue_depth=31",
        "cpu_usage=93@web-1 latency_ms=250@web-1",
        "error_rate=0.12@web-1 cache:degraded@web-1",
        "error_rate=0.12 cache:offline",
        "active_connections=126@web-1",
        "latency_ms=250@web-1",
        "cache:offline@web-1 database:degraded@web-1",
    ];
    alone.chain(more.map(String::from)).collect()
}

#[test]
fn every_sentence() {
    for language in Language::ALL {
        let planner = planner(language);
        let mut page = String::new();
        let in_one_record = |anomaly: Anomaly| Anomaly {
            records: 1,
            reached: Counts { low: 0, medium: 1, high: 0 },
            first: anomaly.worst,
            last: anomaly.worst,
            newest: anomaly.worst,
            ..anomaly
        };
        let many = situations().into_iter().map(|text| (text.clone(), anomalies(&text, SERVICES)));
        let one = ["cpu_usage=85 latency_ms=250 cache:degraded", "error_rate=0.12 cache:offline", "queue_depth=31"];
        let one = one.map(|text| {
            let anomalies = anomalies(text, SERVICES).into_iter().map(in_one_record).collect();
            (format!("{text}, one record"), anomalies)
        });
        for (situation, anomalies) in many.chain(one) {
            page.push_str(&format!("# {situation}\n"));
            for r in decide(&planner, &anomalies) {
                for (slots, words) in
                    [(&r.slots.action, &r.words.action), (&r.slots.benefit_estimate, &r.words.benefit_estimate)]
                {
                    assert!(!words.contains(['{', '}']), "{words}");
                    assert!(slots_in(slots).iter().all(|slot| r.facts.iter().any(|fact| fact.name == slot.name)));
                }
                let parameters = serde_json::to_string(&r.parameters).unwrap();
                page.push_str(&format!(
                    "{} -> {}\n{parameters}\n{}\n{}\n\n",
                    r.id, r.target, r.words.action, r.words.benefit_estimate
                ));
            }
        }
        insta::assert_snapshot!(language.code(), page);
    }
}

/// A model that repeats the plan's words must not be refused for them, nor for their length.
#[test]
fn every_sentence_is_grounded() {
    for language in Language::ALL {
        let planner = planner(language);
        for situation in situations() {
            for mut r in decide(&planner, &anomalies(&situation, SERVICES)) {
                r.others.extend(["cache", "database", "load", "memory", "pool", "thread"].map(String::from));
                let Words { action, benefit_estimate } = r.slots.clone();
                let faults = ground(&Wording { action, benefit_estimate }, &r, language).err().unwrap_or_default();
                assert!(faults.is_empty(), "{}: {faults:?}", r.id);
            }
        }
    }
}

/// A figure in scientific notation is still the fact's: written out it is bound to it.
#[test]
fn scientific_figures_are_grounded() {
    for (language, written) in [(Language::En, "1.5e300"), (Language::Fr, "1,5e300")] {
        let mut one = decide(&planner(language), &anomalies("own=1.5e300", SERVICES)).remove(0);
        assert!(one.words.action.contains(written), "{}", one.words.action);
        // Each number once, so that no two facts read alike.
        one.facts.retain(|fact| fact.name != "parameter.observed_peak" && fact.name != "anomaly.newest");
        let reasons = |written: &str| -> Vec<Reason> {
            let action = match language {
                Language::En => format!("Investigate {{anomaly.metric}} on {{target}}: it reached {written}."),
                Language::Fr => format!("Rechercher la cause de {{anomaly.metric}} sur {{target}} : pic de {written}."),
            };
            let wording = Wording { action, benefit_estimate: one.slots.benefit_estimate.clone() };
            let faults = ground(&wording, &one, language).err().unwrap_or_default();
            faults.into_iter().map(|fault| fault.reason).collect()
        };
        assert_eq!(reasons(written), []);
        assert_ne!(reasons("1e300"), []);
    }
}

#[test]
fn facts_name_subject_time_and_unit() {
    for language in Language::ALL {
        let decided = decide(&planner(language), &anomalies("cpu_usage=93@web-1 cache:offline@web-1", SERVICES));
        let facts: Vec<String> = decided
            .iter()
            .flat_map(|r| &r.facts)
            .map(|fact| {
                let value = match &fact.value {
                    FactValue::Number(figure) => figure.to_string(),
                    FactValue::Time(time) => time.to_string(),
                    FactValue::Name(name) => name.clone(),
                    FactValue::Status(status) => status.word().to_string(),
                };
                let time = fact.time.map_or(String::new(), |time| format!(" at {time}"));
                let unit = fact.unit.as_deref().unwrap_or_default();
                format!("{} = {value}{unit} of {}{time}: {}", fact.name, fact.subject, fact.meaning)
            })
            .collect();
        insta::assert_snapshot!(format!("facts-{}", language.code()), facts.join("\n"));
    }
}

#[test]
fn the_manual_shows_a_playbook_that_works() {
    let manual = schemars::schema_for!(Config).get("description").unwrap().as_str().unwrap().to_string();
    let example = manual.split("```").nth(1).unwrap().strip_prefix("toml").unwrap();
    let planner = build(example, "assumptions.replicas = 3", Language::Fr).unwrap();
    let decided = decide(&planner, &anomalies("cpu_usage=93 latency_ms=250 io_wait=9", SERVICES));
    assert_eq!(ids(&decided), ["scale-out:api_gateway", "investigate.io_wait:api_gateway"]);
    assert_eq!(
        decided[0].words.action,
        "Porter api_gateway à 4 réplicas, le CPU ayant culminé à 93\u{a0}%. La latence était élevée aussi, jusqu'à 250\u{a0}ms."
    );
    assert!(decided[0].words.benefit_estimate.starts_with("Avec 3\u{a0}replicas aujourd'hui"));
}

/// The faults of the shipped playbook after `from` was replaced by `to`: place, code, message and remedy, and the text
/// that is underlined.
#[track_caller]
fn faults(from: &str, to: &str) -> Vec<String> {
    assert!(PLAYBOOK.contains(from), "{from}");
    let Err(faults) = build(&PLAYBOOK.replacen(from, to, 1), "", Language::En) else { return vec![] };
    faults
        .iter()
        .map(|fault| {
            let (source, span) = fault.place.clone().unwrap();
            let place = source.text.get(span).unwrap().lines().next().unwrap_or_default().to_string();
            format!("{} {} [{}] <{place}>", fault.code.id, fault.message, fault.help.clone().unwrap_or_default())
        })
        .collect()
}

#[test]
fn broken_playbooks_are_explained() {
    let cases = [
        ("* (1 - assumed.standby_availability / 100)", "* (1 - assumed.standby_availability / 100"),
        ("service_status.reached / service_status", "service_status.reched / service_status"),
        ("parameter.affected_share * (1", "parameter.affected_shares * (1"),
        ("parameter.affected_share * (1", "queue_depth.value * (1"),
        ("assumed.target_utilisation, 6)))\"", "assumed.target_utilization, 6)))\""),
        ("{parameter.replicas} replicas behind", "{parameter.replica} replicas behind"),
        ("{parameter.replicas} réplicas derrière", "{parameter replicas} réplicas derrière"),
        ("CPU usage peaked at {cpu_usage.value}", "CPU usage peaked at {latency_ms.value}"),
        ("latency_ms = \"Sur une période qui recoupe celle-ci, la latence a atteint {latency_ms.value}.\"\n", ""),
        ("[actions.en.also]\nservice_status", "[actions.en.also]\nio_wait = \"I/O wait.\"\nservice_status"),
        ("[actions.fr]\naction = \"Mettre", "[actions.de]\naction = \"Mettre"),
        ("id = \"roll-back\"", "id = \"fail-over\""),
        ("id = \"roll-back\"", "id = \"Roll back\""),
        ("service_status:offline", "service_status:broken"),
        ("trigger = [\"memory_usage\"]", "trigger = []"),
        ("trigger = [\"memory_usage\"]", "trigger = [\"*\"]"),
        ("trigger = [\"memory_usage\"]", "trigger = [\"parameter.x\"]"),
        ("trigger = [\"*\"]", "trigger = [\"queue_depth\"]"),
        ("trigger = [\"memory_usage\"]", "trigger = [\"memory_usage\"]\nwhen = \"memory_usage.valu > 90\""),
        ("trigger = [\"memory_usage\"]", "trigger = [\"memory_usage\"]\nwhen = \"memory_usage.value\""),
        ("{anomaly.metric}, starting with {target}", "{anomaly.metric} and {parameter.observed_peak}"),
        ("formula = \"cpu_usage.value\"", "formula = \"parameter.observed_peak\""),
        ("[assumptions.headroom]", "[assumptions.Head-room]"),
        ("target = \"service\"", "target = \"services\""),
        ("covers = [", "cover = ["),
        ("formula = \"service_status.reached\"\n", ""),
        ("value = 70", "value = nan"),
        ("value = 70", "value = 0.5"),
        ("value = 1\n", "value = 1.5\n"),
        ("value = 20\nmin = 0\n", "value = -20\nmin = 0\n"),
        ("max = 1_000_000", "max = 0"),
        ("id = \"fail-over\"", "id = "),
    ];
    let page: Vec<String> =
        cases.iter().map(|(from, to)| format!("{from:?} -> {to:?}\n{}", faults(from, to).join("\n"))).collect();
    insta::assert_snapshot!("faults", page.join("\n\n"));
}

#[test]
fn parameters_are_never_constants_only() {
    let playbook = r#"
        [[actions]]
        id = "wait"
        trigger = ["*"]
        target = "host"
        parameters.minutes = { formula = "5", meaning = { en = "minutes", fr = "minutes" } }
        en = { action = "Wait.", benefit_estimate = "None.", no_estimate = "None." }
        fr = { action = "Attendre.", benefit_estimate = "Aucun.", no_estimate = "Aucun." }
    "#;
    let faults = build(playbook, "", Language::En).err().unwrap();
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["p.toml:3:14: AG0015: no parameter of `wait` depends on a measured fact"]
    );
    assert!(build(&playbook.replace("\"5\"", "\"5 * anomaly.reached\""), "", Language::En).is_ok());
}

#[test]
fn both_languages_are_wanted() {
    let (before, _) = PLAYBOOK.rsplit_once("[actions.fr]").unwrap();
    let faults = build(before, "", Language::En).err().unwrap();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].code, codes::graph::PLAYBOOK);
    assert_eq!(faults[0].message, "the action `investigate` lacks its `fr` sentences");
    assert_eq!(faults[0].help.as_deref(), Some("add `[actions.fr]`"));
    let faults = build("actions = []", "", Language::En).err().unwrap();
    assert_eq!(faults[0].message, "a playbook without actions");
}

#[test]
fn assumptions_of_the_graph_are_the_playbooks() {
    let faults = |config: &str| -> Vec<String> {
        let faults = build(PLAYBOOK, config, Language::En).err().unwrap();
        faults.iter().map(|fault| format!("{fault} [{}]", fault.help.clone().unwrap_or_default())).collect()
    };
    assert_eq!(
        faults("assumptions = { current_replica = 3, headroom = 10 }"),
        [
            "graph.toml:2:17: AG0015: the playbook has no assumption `current_replica` [did you mean `current_replicas`?]"
        ]
    );
    assert_eq!(
        faults("assumptions.headroom = 'much'"),
        ["graph.toml:2:24: AG0005: `headroom` cannot be the text \"much\" [write a number]"]
    );
    assert_eq!(
        faults("assumptions = { current_replicas = -4, headroom = 10, target_utilisation = 100.5 }"),
        [
            "graph.toml:2:17: AG0015: the assumption `current_replicas` cannot be -4 [the playbook wants a whole number from 1 to 1000000]",
            "graph.toml:2:55: AG0015: the assumption `target_utilisation` cannot be 100.5 [the playbook wants a number from 1 to 100]",
        ]
    );
    assert_eq!(faults("assumptions.current_replicas = 1.5").len(), 1);
    assert!(build(PLAYBOOK, "assumptions = { current_replicas = 1, target_utilisation = 100 }", Language::En).is_ok());
    let open = PLAYBOOK.replace("min = 1\nmax = 1_000_000\ninteger = true\n", "");
    assert!(build(&open, "assumptions.current_replicas = -4.5", Language::En).is_ok());
}

#[tokio::test]
async fn runs_as_a_task() {
    let input = Input { anomalies: anomalies("cpu_usage=93", SERVICES) };
    let cx = Cx::new("plan".into(), Language::En, None);
    let plan = planner(Language::En).run(input, &cx).await.unwrap();
    assert_eq!(ids(&plan.recommendations), ["scale-out:api_gateway"]);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[tokio::test]
async fn what_is_over_needs_no_answer_and_episodes_go_along() {
    let of = |text: &str, phase| {
        let anomaly = anomaly(text);
        let (id, since) = (anomaly.name.clone(), anomaly.first.time);
        let episode = Episode { id, phase, since, worst_severity: anomaly.severity, windows: 2 };
        Anomaly { episode: Some(episode), ..anomaly }
    };
    let anomalies = vec![of("cpu_usage=95@web-1", Phase::Escalated), of("memory_usage=95@web-2", Phase::Resolved)];
    let cx = Cx::new("plan".into(), Language::En, None);
    let plan = planner(Language::En).run(Input { anomalies: anomalies.clone() }, &cx).await.unwrap();
    let [only] = plan.recommendations.as_slice() else { panic!("{:?}", ids(&plan.recommendations)) };
    assert_eq!(
        (only.anomalies.as_slice(), &only.episodes),
        (["cpu_usage@web-1".to_string()].as_slice(), &vec![anomalies[0].episode.clone().unwrap()])
    );
    assert!(only.is_news());
}

#[tokio::test]
async fn a_recommendation_names_its_incident() {
    let found = anomalies("cpu_usage=93~1-2@a io_wait=9~3-4@a cache:offline~4-5@a cache:offline~5-6@b", SERVICES);
    let plan = async |config: &str| {
        let planner = build(PLAYBOOK, config, Language::En).unwrap();
        let cx = Cx::new("plan".into(), Language::En, None);
        let plan = planner.run(Input { anomalies: found.clone() }, &cx).await.unwrap();
        let answers = plan.recommendations.iter().map(|r| format!("{} -> {}", r.id, r.incident.clone().unwrap()));
        let noted = cx.take_notes().into_iter().map(|note| match note {
            Note::Incident(incident) => format!("{}: {}", incident.id, incident.anomalies.join(" ")),
            other => panic!("{other:?}"),
        });
        (answers.collect::<Vec<_>>(), noted.collect::<Vec<_>>())
    };
    let (answers, noted) = plan("").await;
    let (early, late) = ("cpu_usage@a/20231001T130000Z", "io_wait@a/20231001T150000Z");
    assert_eq!(
        noted,
        [format!("{early}: cpu_usage@a"), format!("{late}: io_wait@a service_status.cache@a service_status.cache@b"),]
    );
    let mut expected = [
        format!("scale-out:a -> {early}"),
        format!("cache-reads:a -> {late}"),
        format!("fail-over:cache@a -> {late}"),
        format!("fail-over:cache@b -> {late}"),
    ];
    let sorted = |mut answers: Vec<String>| {
        answers.sort();
        answers
    };
    expected.sort();
    assert_eq!(sorted(answers), expected);
    let (answers, noted) = plan("together = '1h'").await;
    assert!(noted.len() == 1 && answers.iter().all(|answer| answer.ends_with(early)), "{noted:?} {answers:?}");
}

/// Two nodes that judge one stream find the same series, perhaps by other rules.
#[tokio::test]
async fn what_several_nodes_found_is_answered_once() {
    let input = Input { anomalies: anomalies("cpu_usage=75 cache:offline cpu_usage=93 cache:offline", SERVICES) };
    let cx = Cx::new("plan".into(), Language::En, None);
    let plan = planner(Language::En).run(input, &cx).await.unwrap();
    assert_eq!(ids(&plan.recommendations), ["scale-out:api_gateway", "fail-over:cache"]);
    assert_eq!(plan.recommendations[0].parameters["observed_peak"], Parameter::Number(figure(93.0)));
}

/// Far more than the rules of one host: time must not grow with the square, nor must a recommendation carry them all.
#[test]
fn a_host_of_very_many_services() {
    let found: Vec<Anomaly> = (0..3000).map(|i| anomaly(&format!("s{i}:offline@web-1"))).collect();
    let decided = decide(&planner(Language::En), &found);
    assert_eq!(decided.len(), found.len());
    assert!(decided.iter().all(|r| r.anomalies.len() == 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn other_values_give_other_parameters(
        metric in 0..METRICS.len(), a in 1u32..4000, b in 1u32..4000, host in any::<bool>(),
    ) {
        prop_assume!(a != b);
        let planner = planner(Language::En);
        let (name, _, [low, ..], _) = METRICS[metric];
        let parameters = |value: u32| {
            let host = if host { "@web-1" } else { "" };
            let text = format!("{name}={}{host}", low * (1.0 + f64::from(value) / 1000.0));
            let decided = decide(&planner, &anomalies(&text, SERVICES));
            assert_eq!(decided.len(), 1);
            decided[0].parameters.clone()
        };
        prop_assert_ne!(parameters(a), parameters(b));
    }

    /// Whatever the figures, every anomaly is answered exactly once, ids are unique, and the order of input is no matter.
    #[test]
    fn every_anomaly_is_answered_once(
        values in prop::collection::vec((0..METRICS.len() + 4, 0.0..1e12f64, 0..3usize, 0..20i64, 0..8i64), 0..16),
        seed in any::<usize>(),
    ) {
        let planner = planner(Language::Fr);
        let mut all = BTreeMap::new();
        for (metric, value, host, first, hours) in values {
            let host = format!("~{first}-{}{}", first + hours, ["", "@a", "@b"][host]);
            let made = match METRICS.get(metric) {
                Some((name, _, [low, ..], _)) => {
                    Anomaly { value: figure(low + value), ..anomaly(&format!("{name}={low}{host}")) }
                }
                None => {
                    let others = ["own=10", "cache:offline", "cache:degraded", "api_gateway:degraded"];
                    anomaly(&format!("{}{host}", others[metric - METRICS.len()]))
                }
            };
            all.insert(made.name.clone(), made);
        }
        let mut all: Vec<Anomaly> = all.into_values().collect();
        let decided = decide(&planner, &all);
        let mut answered: Vec<&str> = decided.iter().flat_map(|r| r.anomalies.iter().map(String::as_str)).collect();
        answered.sort_unstable();
        let mut given: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
        given.sort_unstable();
        prop_assert_eq!(answered, given);
        let mut unique = ids(&decided);
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), decided.len());
        if !all.is_empty() {
            let by = seed % all.len();
            all.rotate_left(by);
        }
        prop_assert_eq!(decide(&planner, &all), decided);
    }
}
