use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::detect::testing::{Record, batch, minute, records};
use crate::diagnostic::SourceFile;
use crate::domain::{Cause, Counts, Evidence, Insufficient, Phase, Severity, Status, Timestamp, WindowSpan};
use crate::port::Files;

const RULES: &str = "
    [metrics.cpu]
    label = { en = 'CPU usage', fr = \"l'utilisation du processeur\" }
    unit = '%'
    low = 70
    high = 90
    [metrics.lag]
    medium = -3
    [status]
    degraded = 'medium'
    offline = 'high'";

struct OneFile(&'static str);

impl Files for OneFile {
    fn read(&self, path: &str) -> Result<SourceFile, String> {
        if path == "rules.toml" { Ok(SourceFile::new(path, self.0)) } else { Err("no such file".to_string()) }
    }
    fn locate(&self, path: &str) -> String {
        path.to_string()
    }
}

fn build(rules: &'static str, path: &str, language: Language) -> Result<Detect, Vec<Diagnostic>> {
    let graph = SourceFile::new("g.toml", format!("rules = '{path}'"));
    let config = Config { rules: AssetPath { path: path.to_string(), span: 8..graph.text.len() } };
    Detect::new(config, &Assets::new(language, &graph, &OneFile(rules)))
}

fn run(batches: &[Batch], language: Language) -> Vec<Anomaly> {
    let detect = build(RULES, "rules.toml", language).unwrap();
    let mut gathered = detect.open(None);
    batches.iter().for_each(|b| detect.push(&mut gathered, b));
    let newest = Timestamp::from_micros(0).unwrap();
    detect.close(
        gathered,
        &mut Memory::default(),
        &Window { records: 1, newest, span: None, partial: false },
        &mut Vec::new(),
    )
}

#[test]
fn sentences_are_in_the_language_of_the_run() {
    let batch = batch(&records("0 web-1 cpu=93.5 lag=2 \n 1 web-1 cpu=12 db=offline"));
    let lines = |language| {
        let lines: Vec<String> =
            run(std::slice::from_ref(&batch), language).into_iter().map(|a| a.description).collect();
        lines.join("\n").replace('\u{a0}', "_")
    };
    insta::assert_snapshot!(lines(Language::En), @r"
    CPU usage on web-1 peaked at 93.5% (high severity, threshold 90%): 1 of 2 records was at or above the low threshold of 70%, at 2023-11-14T22:13:00Z.
    Service db on web-1 was offline at worst (high severity): it was not online in 1 of 1 record, at 2023-11-14T22:14:00Z.
    The metric lag on web-1 peaked at 2 (medium severity, threshold -3): 1 of 1 record was at or above the medium threshold of -3, at 2023-11-14T22:13:00Z.
    ");
    insta::assert_snapshot!(lines(Language::Fr), @r"
    L'utilisation du processeur sur web-1 a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 1 relevé sur 2 a atteint le seuil de gravité faible (70_%), le 2023-11-14T22:13:00Z.
    Le service db sur web-1 a été hors ligne au pire (gravité élevée)_: il n'était pas en ligne dans 1 relevé sur 1, le 2023-11-14T22:14:00Z.
    La mesure lag sur web-1 a atteint 2 (gravité moyenne, seuil de -3)_: 1 relevé sur 1 a atteint le seuil de gravité moyenne (-3), le 2023-11-14T22:13:00Z.
    ");
}

const LASTING: &str = "
    [metrics.cpu]
    low = 70
    high = 90
    [metrics.mem]
    low = 70
    high = 90
    clear = 60
    [metrics.lag]
    low = 10
    high = 20
    for = '2m'
    [status]
    degraded = 'medium'
    offline = 'high'";

/// `name value/first..worst..last/reached`, the moments as minutes, and the phase, where there is one, with the
/// minute of its beginning, the windows and the worst severity.
fn line(a: &Anomaly) -> String {
    let at = |time: Timestamp| (time.micros() - minute(0)) / 60_000_000;
    let samples = format!("{}..{}..{}", at(a.first.time), at(a.worst.time), at(a.last.time));
    let facts = format!("{} {} {}/{samples}/{}", a.name, a.value, a.severity.word(), a.reached.total());
    let Some(e) = &a.episode else { return facts };
    assert_eq!(e.id, format!("{}/{}", a.name, e.since.label()));
    let worst = e.worst_severity.word();
    format!("{} {facts} since {} in {} worst {worst}", e.phase.word(), at(e.since), e.windows)
}

/// What is found of the windows, which are ten minutes long; each is `records => anomalies`.
fn check_windows(windows: &[(&str, &[&str])]) {
    check_rules(LASTING, windows);
}

fn check_rules(rules: &'static str, windows: &[(&str, &[&str])]) {
    let detect = build(rules, "rules.toml", Language::En).unwrap();
    for batch_size in [1, 2, 100] {
        // The state once kept in memory, once written down and read again after every window.
        let (mut kept, mut state) = (Memory::default(), Memory::default());
        for (number, (text, expected)) in windows.iter().enumerate() {
            let records = records(text);
            let begin = |n: usize| Timestamp::from_micros(minute(n as i64 * 10)).unwrap();
            let newest = records.iter().map(|r| r.time).max().and_then(Timestamp::from_micros);
            let window = Window {
                records: records.len() as u64,
                newest: newest.unwrap_or(begin(number)),
                span: Some(WindowSpan { start: begin(number), end: begin(number + 1) }),
                partial: false,
            };
            let close = |state: &mut Memory| {
                let mut gathered = detect.open(Some(begin(number)));
                records.chunks(batch_size).for_each(|some| detect.push(&mut gathered, &batch(some)));
                detect.close(gathered, state, &window, &mut Vec::new())
            };
            let found = close(&mut kept);
            assert_eq!(close(&mut state), found);
            state = postcard::from_bytes(&postcard::to_allocvec(&state).unwrap()).unwrap();
            assert_eq!(state, kept);
            let lines: Vec<String> = found.iter().map(line).collect();
            assert_eq!(lines, *expected, "window {number}: {text}");
        }
    }
}

#[test]
fn an_episode_goes_from_window_to_window() {
    check_windows(&[
        ("0 - cpu=10", &[]),
        ("11 - cpu=75 \n 12 - cpu=5", &["opened cpu 75 low/11..11..11/1 since 11 in 1 worst low"]),
        ("21 - cpu=72", &["ongoing cpu 72 low/11..21..21/1 since 11 in 2 worst low"]),
        ("31 - cpu=95 \n 32 - cpu=80", &["escalated cpu 95 high/11..31..32/2 since 11 in 3 worst high"]),
        ("41 - cpu=71", &["ongoing cpu 71 low/11..41..41/1 since 11 in 4 worst high"]),
        ("51 - cpu=91", &["ongoing cpu 91 high/11..51..51/1 since 11 in 5 worst high"]),
        ("61 - cpu=69", &["resolved cpu 95 high/11..31..51/0 since 11 in 6 worst high"]),
        ("71 - cpu=69", &[]),
        ("81 - cpu=99", &["opened cpu 99 high/81..81..81/1 since 81 in 1 worst high"]),
    ]);
}

#[test]
fn each_series_has_episodes_of_its_own_and_what_is_over_comes_last() {
    check_windows(&[
        (
            "0 a cpu=95 db=offline \n 0 b cpu=75 \n 0 - cpu=80",
            &[
                "opened cpu@a 95 high/0..0..0/1 since 0 in 1 worst high",
                "opened service_status.db@a 2 high/0..0..0/1 since 0 in 1 worst high",
                "opened cpu 80 low/0..0..0/1 since 0 in 1 worst low",
                "opened cpu@b 75 low/0..0..0/1 since 0 in 1 worst low",
            ],
        ),
        (
            "11 a cpu=5 db=degraded \n 11 b cpu=96",
            &[
                "escalated cpu@b 96 high/0..11..11/1 since 0 in 2 worst high",
                "ongoing service_status.db@a 1 medium/0..11..11/1 since 0 in 2 worst high",
                "resolved cpu@a 95 high/0..0..0/0 since 0 in 2 worst high",
            ],
        ),
        (
            "21 a db=online \n 22 - cpu=1",
            &[
                "resolved service_status.db@a 2 high/0..0..11/0 since 0 in 3 worst high",
                "resolved cpu 80 low/0..0..0/0 since 0 in 2 worst low",
            ],
        ),
    ]);
}

#[test]
fn an_episode_ends_below_its_clear_level_only() {
    check_windows(&[
        ("1 - mem=75", &["opened mem 75 low/1..1..1/1 since 1 in 1 worst low"]),
        ("11 - mem=69 \n 12 - mem=20", &[]),
        ("21 - mem=60", &[]),
        ("31 - mem=71", &["ongoing mem 71 low/1..31..31/1 since 1 in 4 worst low"]),
        ("41 - mem=59.999999", &["resolved mem 75 low/1..1..31/0 since 1 in 5 worst low"]),
        ("51 - mem=65", &[]),
    ]);
}

#[test]
fn values_that_fall_are_judged_as_those_that_rise() {
    const RULES: &str = "
        [metrics.charge]
        below = { low = 30, high = -5, clear = 35 }
        [metrics.load]
        high = 9
        below = { medium = 1, for = '5m' }";
    check_rules(
        RULES,
        &[
            ("0 a charge=30.1 load=5", &[]),
            ("11 a charge=30 \n 12 a charge=20", &["opened charge@a 20 low/11..12..12/2 since 11 in 1 worst low"]),
            (
                "21 a charge=-5 \n 22 a charge=90 load=10",
                &[
                    "opened load@a 10 high/22..22..22/1 since 22 in 1 worst high",
                    "escalated charge@a -5 high/11..21..21/1 since 11 in 2 worst high",
                ],
            ),
            ("31 a charge=35", &[]),
            (
                "41 a charge=35.1 load=0.5",
                &[
                    "resolved load@a 10 high/22..22..22/0 since 22 in 2 worst high",
                    "resolved charge@a -5 high/11..21..21/0 since 11 in 4 worst high",
                ],
            ),
            ("51 a load=1", &["opened load@a#below 1 medium/41..51..51/1 since 41 in 1 worst medium"]),
            ("61 a load=1.1", &["resolved load@a#below 1 medium/41..51..51/0 since 41 in 2 worst medium"]),
        ],
    );
}

#[test]
fn rules_that_look_back_know_the_window_before() {
    const RULES: &str = "
        [metrics.temp]
        unit = 'K'
        rate = { low = 2, high = 5 }
        [metrics.jobs]
        counter = { medium = 1, per = '1m' }";
    check_rules(
        RULES,
        &[
            ("0 a temp=20 jobs=100 \n 1 a temp=21 jobs=100", &[]),
            // 8 K in 4 minutes; 4 jobs in 9.
            ("5 a temp=29 \n 10 a jobs=104", &["opened temp@a#rate 2 low/5..5..5/1 since 5 in 1 worst low"]),
            // What comes late is in its place within the window, and of an earlier one it says nothing.
            (
                "19 a temp=28 jobs=105 \n 18 a temp=33 \n 4 a temp=90",
                &["escalated temp@a#rate 5 high/5..19..19/1 since 5 in 2 worst high"],
            ),
            // A dip, and a reset that counts from zero.
            (
                "20 a jobs=104 \n 21 a temp=28 jobs=30",
                &[
                    "opened jobs@a#counter 15 medium/21..21..21/1 since 21 in 1 worst medium",
                    "resolved temp@a#rate 5 high/5..19..19/0 since 5 in 3 worst high",
                ],
            ),
        ],
    );
}

proptest! {
    /// In one window, whatever the batches: the rate of every reading by the one before it in time.
    #[test]
    fn rates_do_not_depend_on_batches(values in vec((0u32..3, -9i32..9), 1..300), size in 1usize..80) {
        let rules = "[metrics.cpu]\nrate = { low = 4, per = '1m' }";
        let records: Vec<Record> = values.iter().zip(1u64..).map(|((entity, value), row)| Record {
            row, time: minute(row as i64), entity: Some(format!("h{entity}")),
            metrics: vec![("cpu".to_string(), f64::from(*value))], services: vec![],
        }).collect();
        let mut expected = std::collections::BTreeMap::new();
        for host in ["h0", "h1", "h2"] {
            let own: Vec<&Record> = records.iter().filter(|r| r.entity.as_deref() == Some(host)).collect();
            let rates = own.windows(2).map(|pair| {
                (pair[1].metrics[0].1 - pair[0].metrics[0].1).abs() / (pair[1].row - pair[0].row) as f64
            });
            let over: Vec<f64> = rates.filter(|rate| *rate >= 4.0).collect();
            if !over.is_empty() {
                expected.insert(format!("cpu@{host}#rate"), over.len() as u64);
            }
        }
        let detect = build(rules, "rules.toml", Language::En).unwrap();
        let mut gathered = detect.open(None);
        records.chunks(size).for_each(|some| detect.push(&mut gathered, &batch(some)));
        let newest = Timestamp::from_micros(minute(0)).unwrap();
        let window = Window { records: 1, newest, span: None, partial: false };
        let found = detect.close(gathered, &mut Memory::default(), &window, &mut Vec::new());
        let found: std::collections::BTreeMap<String, u64> = found.into_iter().map(|a| (a.name, a.reached.total())).collect();
        prop_assert_eq!(found, expected);
    }
}

const COMBINED: &str = "
    [conditions.overload]
    label = { en = 'overload' }
    when = 'cpu > 80 && (lat > 200 || errors >= 9)'
    severity = 'high'
    for = '1m'
    [ratios.errors]
    of = 'bad'
    to = 'all'
    unit = '%'
    low = 5
    high = 50
    clear = 2
    below = { low = 0.5 }";

#[test]
fn rules_may_judge_several_metrics_of_a_record() {
    check_rules(
        COMBINED,
        &[
            (
                "0 a cpu=90 lat=300 bad=1 all=0 \n 1 a cpu=80.00001 lat=250 bad=7 all=100 \n 1 b errors=99 overload=1",
                &[
                    "opened overload@a 1 high/0..0..1/2 since 0 in 1 worst high",
                    "opened errors@a 7 low/1..1..1/1 since 1 in 1 worst low",
                ],
            ),
            // What decides it is absent; the ratio is above `clear`.
            ("11 a cpu=90 bad=3 all=100 \n 12 b cpu=80.000000001 lat=300", &[]),
            (
                "21 a lat=100 bad=9 all=100 \n 22 a lat=100 bad=1 all=50",
                &[
                    "ongoing errors@a 9 low/1..21..21/1 since 1 in 3 worst low",
                    // One that is false decides it.
                    "resolved overload@a 1 high/0..0..1/0 since 0 in 2 worst high",
                ],
            ),
            (
                "31 a cpu=10 bad=0 all=7 \n 32 b cpu=90 bad=1 all=10 \n 33 b cpu=90 lat=1000",
                &[
                    "opened overload@b 1 high/32..32..33/2 since 32 in 1 worst high",
                    "opened errors@a#below 0 low/31..31..31/1 since 31 in 1 worst low",
                    "opened errors@b 10 low/32..32..32/1 since 32 in 1 worst low",
                    "resolved errors@a 9 low/1..21..21/0 since 1 in 4 worst low",
                ],
            ),
        ],
    );
    let wanted = build(COMBINED, "rules.toml", Language::En).unwrap().wants().metrics;
    assert_eq!(wanted.into_iter().collect::<Vec<_>>(), ["all", "bad", "cpu", "lat"]);
}

#[test]
fn a_condition_is_told_in_a_sentence() {
    let lines = |language| {
        let detect = build(COMBINED, "rules.toml", language).unwrap();
        let mut state = Memory::default();
        let mut lines = Vec::new();
        for (n, text) in ["0 web cpu=93 lat=300 \n 2 web cpu=80.5 lat=201", "12 web cpu=5"].iter().enumerate() {
            let mut gathered = detect.open(None);
            detect.push(&mut gathered, &batch(&records(text)));
            let [start, end] = [n as i64, n as i64 + 1].map(|n| Timestamp::from_micros(minute(n * 10)).unwrap());
            let window = Window { records: 1, newest: start, span: Some(WindowSpan { start, end }), partial: false };
            let found = detect.close(gathered, &mut state, &window, &mut Vec::new());
            lines.extend(found.into_iter().map(|a| a.description.replace('\u{a0}', "_")));
        }
        lines.join("\n")
    };
    insta::assert_snapshot!(lines(Language::En), @r"
    Overload on web: `cpu > 80 && (lat > 200 || errors >= 9)` held in 2 of 2 records (high severity), first at 2023-11-14T22:13:00Z, last at 2023-11-14T22:15:00Z; at 2023-11-14T22:13:00Z: cpu 93, lat 300.
    Overload on web is over: `cpu > 80 && (lat > 200 || errors >= 9)` held (high severity), first at 2023-11-14T22:13:00Z, last at 2023-11-14T22:15:00Z; at 2023-11-14T22:13:00Z: cpu 93, lat 300.
    ");
    insta::assert_snapshot!(lines(Language::Fr), @r"
    La condition overload sur web_: `cpu > 80 && (lat > 200 || errors >= 9)` était vrai dans 2 relevés sur 2 (gravité élevée), la première fois le 2023-11-14T22:13:00Z, la dernière le 2023-11-14T22:15:00Z_; le 2023-11-14T22:13:00Z_: cpu 93, lat 300.
    La condition overload sur web_: retour à la normale, `cpu > 80 && (lat > 200 || errors >= 9)` a été vrai (gravité élevée), la première fois le 2023-11-14T22:13:00Z, la dernière le 2023-11-14T22:15:00Z_; le 2023-11-14T22:13:00Z_: cpu 93, lat 300.
    ");
}

#[test]
fn what_holds_for_some_entities_instead_is_chosen_by_their_names() {
    const RULES: &str = "
        [metrics.cpu]
        high = 90
        rate = { high = 1000 }
        [[metrics.cpu.override]]
        entity = 'db-*'
        high = 50
        for = '1m'
        [[metrics.cpu.override]]
        entity = 'd?-1'
        off = true
        [[metrics.cpu.override]]
        entity = 'x?'
        off = true
        [[metrics.cpu.override]]
        entity = 'r*'
        rate = { low = 1 }";
    check_rules(
        RULES,
        &[
            (
                "0 db-1 cpu=60 \n 1 db-1 cpu=60 \n 0 x1 cpu=99 \n 1 x1 cpu=1 \n 1 web cpu=60 \n 1 - cpu=91 \n 1 x12 cpu=92",
                &[
                    "opened cpu@db-1 60 high/0..0..1/2 since 0 in 1 worst high",
                    "opened cpu@x12 92 high/1..1..1/1 since 1 in 1 worst high",
                    "opened cpu 91 high/1..1..1/1 since 1 in 1 worst high",
                ],
            ),
            (
                "11 r1 cpu=89 \n 12 r1 cpu=99 \n 13 db-1 cpu=49 \n 13 - cpu=89 \n 13 x12 cpu=3",
                &[
                    "opened cpu@r1 99 high/12..12..12/1 since 12 in 1 worst high",
                    "opened cpu@r1#rate 10 low/12..12..12/1 since 12 in 1 worst low",
                    "resolved cpu@db-1 60 high/0..0..1/0 since 0 in 2 worst high",
                    "resolved cpu@x12 92 high/1..1..1/0 since 1 in 2 worst high",
                    "resolved cpu 91 high/1..1..1/0 since 1 in 2 worst high",
                ],
            ),
        ],
    );
}

#[test]
fn what_is_outside_the_hours_or_in_maintenance_is_not_judged() {
    // The windows begin on a Tuesday at 22:13 UTC, which is 23:13 in Paris.
    const RULES: &str = "
        zone = 'Europe/Paris'
        [metrics.cpu]
        low = 70
        hours = 'Tue 23:00-23:30'
        [conditions.both]
        when = 'cpu > 70 && lag > 1'
        severity = 'low'
        hours = 'Tue 23:30-24:00'
        [status]
        offline = 'high'
        [[maintenance]]
        from = '2023-11-14 23:15'
        to = 2023-11-14T22:18:00Z
        entities = ['x', 'db-*']";
    check_rules(
        RULES,
        &[
            (
                "0 a cpu=75 lag=2 \n 2 db-1 cpu=99 s=offline \n 4 db-1 cpu=98 \n 3 a cpu=7 \n 5 db-1 cpu=80",
                &[
                    "opened cpu@db-1 80 low/5..5..5/1 since 5 in 1 worst low",
                    "opened cpu@a 75 low/0..0..0/1 since 0 in 1 worst low",
                ],
            ),
            (
                "11 a cpu=76 lag=0 \n 17 a cpu=99 lag=2 \n 17 - cpu=99",
                &[
                    "ongoing cpu@a 76 low/0..11..11/1 since 0 in 2 worst low",
                    "opened both@a 1 low/17..17..17/1 since 17 in 1 worst low",
                ],
            ),
            ("21 a cpu=1 \n 22 db-1 cpu=99", &["resolved both@a 1 low/17..17..17/0 since 17 in 2 worst low"]),
        ],
    );
}

proptest! {
    /// In one window, whatever the batches: a condition holds where its parts decide it, absent ones included.
    #[test]
    fn conditions_do_not_depend_on_batches(
        values in vec((0u32..3, option::of(0i32..4), option::of(0i32..4)), 1..100), size in 1usize..40,
    ) {
        let rules = "[conditions.c]\nwhen = 'a > 1 && (b < 2 || !(a - b == 0)) || a / b > 1'\nseverity = 'low'";
        let records: Vec<Record> = values.iter().zip(1u64..).map(|((entity, a, b), row)| Record {
            row, time: minute(row as i64), entity: Some(format!("h{entity}")),
            metrics: [("a", a), ("b", b)].into_iter().filter_map(|(n, v)| Some((n.to_string(), f64::from((*v)?)))).collect(),
            services: vec![],
        }).collect();
        let and = |x: Option<bool>, y: Option<bool>| match (x, y) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        let or = |x: Option<bool>, y: Option<bool>| and(x.map(|x| !x), y.map(|y| !y)).map(|z| !z);
        let mut expected = std::collections::BTreeMap::<String, (u64, u64)>::new();
        for (entity, a, b) in &values {
            let both = a.zip(*b);
            let first = and(a.map(|a| a > 1), or(b.map(|b| b < 2), both.map(|(a, b)| a != b)));
            let held = or(first, both.filter(|(_, b)| *b != 0).map(|(a, b)| f64::from(a) / f64::from(b) > 1.0));
            if let Some(held) = held {
                let (reached, known) = expected.entry(format!("c@h{entity}")).or_default();
                (*reached, *known) = (*reached + u64::from(held), *known + 1);
            }
        }
        expected.retain(|_, (reached, _)| *reached > 0);
        let detect = build(rules, "rules.toml", Language::En).unwrap();
        let mut gathered = detect.open(None);
        records.chunks(size).for_each(|some| detect.push(&mut gathered, &batch(some)));
        let newest = Timestamp::from_micros(minute(0)).unwrap();
        let window = Window { records: 1, newest, span: None, partial: false };
        let found = detect.close(gathered, &mut Memory::default(), &window, &mut Vec::new());
        let found: std::collections::BTreeMap<_, _> = found.into_iter().map(|a| (a.name, (a.reached.total(), a.records))).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn rules_of_services_that_no_record_states_say_so() {
    let lacking = |text: &str| {
        let rules = "[status]\noffline = 'high'\nflapping = { high = 3 }";
        let detect = build(rules, "rules.toml", Language::En).unwrap();
        let (mut gathered, mut notes) = (detect.open(None), Vec::new());
        detect.push(&mut gathered, &batch(&records(text)));
        let window = Window { records: 1, newest: Timestamp::from_micros(0).unwrap(), span: None, partial: false };
        detect.close(gathered, &mut Memory::default(), &window, &mut notes);
        let line = |note: &Note| match note {
            Note::Insufficient(Insufficient { rule, series, of, needs }) => format!("{rule} {series}/{of} {needs}"),
            other => panic!("{other:?}"),
        };
        notes.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    let none =
        "service_status 0/0 records that state services; service_status#flapping 0/0 records that state services";
    assert_eq!(lacking("0 a cpu=1"), none);
    assert_eq!(lacking("0 a db=online"), "service_status#flapping 1/1 two readings at different times");
    assert_eq!(
        lacking("0 a db=online \n 1 a db=online \n 1 b api=offline"),
        "service_status#flapping 1/2 two readings at different times"
    );
    assert_eq!(lacking("0 a db=online \n 1 a db=online"), "");
}

#[test]
fn no_data_is_not_healthy_until_it_is_forgotten() {
    let opened: &[&str] = &["opened cpu@a 75 low/1..1..1/1 since 1 in 1 worst low"];
    check_windows(&[
        ("1 a cpu=75", opened),
        ("11 b cpu=5", &[]),
        ("21 a mem=5", &[]),
        ("31 a cpu=5", &["resolved cpu@a 75 low/1..1..1/0 since 1 in 2 worst low"]),
    ]);
    // The windows of a whole day between.
    let silence =
        |windows| [[("1 a cpu=75", opened)].as_slice(), &vec![("11 - mem=1", [].as_slice()); windows]].concat();
    let over: &[&str] = &["resolved cpu@a 75 low/1..1..1/0 since 1 in 2 worst low"];
    check_windows(&[silence(143).as_slice(), &[("1441 a cpu=5", over)]].concat());
    check_windows(&[silence(144).as_slice(), &[("1451 a cpu=5", &[])]].concat());
}

#[test]
fn values_must_last_across_windows() {
    check_windows(&[
        ("1 - lag=15 \n 2 - lag=15 \n 3 - lag=2 \n 4 - lag=30 \n 5 - lag=30 \n 6 - lag=1", &[]),
        ("12 - lag=12 \n 13 - lag=11 \n 14 - lag=13", &["opened lag 13 low/12..14..14/3 since 12 in 1 worst low"]),
        ("21 - lag=25", &["escalated lag 25 high/12..21..21/1 since 12 in 2 worst high"]),
        ("31 - lag=5 \n 39 - lag=12", &[]), // not so long, and yet not well: it goes on, and nothing is said
        ("41 - lag=5 \n 49 - lag=5", &["resolved lag 25 high/12..21..21/0 since 12 in 4 worst high"]),
        // Begun at the end of one window, not lasting before the middle of the next.
        ("59 - lag=11", &[]),
        ("60 - lag=12 \n 61 - lag=14 \n 62 - lag=3", &["opened lag 14 low/59..61..61/2 since 59 in 1 worst low"]),
        ("71 - lag=3", &["resolved lag 14 low/59..61..61/0 since 59 in 2 worst low"]),
        ("89 - lag=30", &[]),
        ("90 - lag=3 \n 91 - lag=30", &[]),
    ]);
    // Begun, then nothing for a window: it may have gone on.
    check_windows(&[
        ("9 - lag=15", &[]),
        ("11 - cpu=1", &[]),
        ("21 - lag=15", &["opened lag 15 low/9..21..21/1 since 9 in 1 worst low"]),
    ]);
}

/// Windows of ten minutes; of each anomaly the minutes of its stretch.
#[test]
fn a_stretch_goes_from_window_to_window_until_one_is_below() {
    let check = |windows: &[(&str, &[&str])]| {
        let detect = build(LASTING, "rules.toml", Language::En).unwrap();
        for batch_size in [1, 2, 100] {
            let mut state = Memory::default();
            for (number, (text, expected)) in windows.iter().enumerate() {
                let [start, end] = [number, number + 1].map(|n| Timestamp::from_micros(minute(n as i64 * 10)).unwrap());
                let mut gathered = detect.open(Some(start));
                records(text).chunks(batch_size).for_each(|some| detect.push(&mut gathered, &batch(some)));
                let window =
                    Window { records: 1, newest: start, span: Some(WindowSpan { start, end }), partial: false };
                let found = detect.close(gathered, &mut state, &window, &mut Vec::new());
                let at = |time: Timestamp| (time.micros() - minute(0)) / 60_000_000;
                let stretch =
                    |a: &Anomaly| format!("{} {} {}-{}", a.name, a.value, at(a.stretch.from), at(a.stretch.to));
                assert_eq!(found.iter().map(stretch).collect::<Vec<_>>(), *expected, "window {number}: {text}");
            }
        }
    };
    check(&[
        ("1 - cpu=75 \n 2 - cpu=5 \n 8 - cpu=71 \n 9 - cpu=72", &["cpu 75 1-1"]),
        // Goes on from the window before, though the episode was worse earlier.
        ("11 - cpu=74 \n 12 - cpu=5 \n 19 - cpu=73", &["cpu 74 8-11"]),
        // Nothing says that it broke off.
        ("21 - mem=5", &[]),
        ("31 - cpu=95 \n 32 - cpu=71 \n 33 - cpu=5 \n 34 - cpu=71", &["cpu 95 19-32"]),
        ("41 - cpu=76", &["cpu 76 34-41"]),
        ("51 - cpu=5", &["cpu 95 19-32"]),
    ]);
    // Above `clear` the episode goes on, and the stretch does not.
    check(&[
        ("1 - mem=75", &["mem 75 1-1"]),
        ("11 - mem=65", &[]),
        ("21 - mem=95", &["mem 95 21-21"]),
        ("31 - mem=80", &["mem 80 21-31"]),
        ("41 - mem=5", &["mem 95 21-31"]),
    ]);
    // With `for` it began in the window before.
    check(&[
        ("1 - lag=15 \n 9 - lag=1 \n 9 - lag=15", &[]),
        ("10 - lag=12 \n 12 - lag=11 \n 13 - lag=1 \n 14 - lag=30", &["lag 12 9-12"]),
        ("21 - lag=12", &["lag 12 14-21"]),
    ]);
}

#[test]
fn what_comes_late_from_an_earlier_window_makes_and_breaks_nothing() {
    check_windows(&[
        ("9 - lag=15", &[]),
        // Carried over: neither the low one breaks the stretch, nor does the other begin one.
        ("10 - lag=14 \n 8 - lag=1 \n 11 - lag=15", &["opened lag 15 low/9..11..11/2 since 9 in 1 worst low"]),
        ("21 - lag=1", &["resolved lag 15 low/9..11..11/0 since 9 in 2 worst low"]),
        ("39 - lag=11", &[]),
        // Of older ones alone: the stretch may have gone on.
        ("38 - lag=1", &[]),
        ("51 - lag=12", &["opened lag 12 low/39..51..51/1 since 39 in 1 worst low"]),
        ("50 - lag=1", &[]),
        ("71 - lag=13", &["ongoing lag 13 low/39..71..71/1 since 39 in 2 worst low"]),
    ]);
}

#[test]
fn values_must_last_within_one_window_too() {
    let check = |text: &str, expected: &[&str]| {
        let detect = build(LASTING, "rules.toml", Language::En).unwrap();
        for batch_size in [1, 2, 100] {
            let mut gathered = detect.open(None);
            records(text).chunks(batch_size).for_each(|some| detect.push(&mut gathered, &batch(some)));
            let window = Window { records: 1, newest: Timestamp::from_micros(0).unwrap(), span: None, partial: false };
            let mut state = Memory::default();
            let found = detect.close(gathered, &mut state, &window, &mut Vec::new());
            let lines: Vec<String> = found.iter().map(line).collect();
            assert_eq!(
                (lines.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), state),
                (expected, Memory::default()),
                "{text}"
            );
        }
    };
    check("1 - lag=15 \n 2 - lag=15 \n 3 - lag=5 \n 4 - lag=15 \n 5 - lag=15", &[]);
    check(
        "1 - lag=30 \n 2 - lag=5 \n 3 - lag=15 \n 4 - lag=12 \n 5 - lag=11 \n 6 - lag=1 \n 7 - lag=40",
        &["lag 15 low/3..3..5/3"],
    );
    check("1 - lag=12 \n 3 - lag=11 \n 4 - lag=1 \n 5 - lag=12 \n 7 - lag=13", &["lag 13 low/1..7..7/4"]);
    check("1 a lag=12 \n 2 b lag=1 \n 3 a lag=11 \n 3 b lag=12", &["lag@a 12 low/1..1..3/2"]);
    // `clear` is of windows; a rule without `for` is one anomaly from the first to the last.
    check("1 - mem=75 \n 2 - mem=5 \n 3 - mem=71", &["mem 75 low/1..1..3/2"]);
}

#[test]
fn what_is_over_is_told_in_a_sentence() {
    let batch = |text: &str| batch(&records(text));
    let lines = |language| {
        let detect = build(RULES, "rules.toml", language).unwrap();
        let mut state = Memory::default();
        let mut lines = Vec::new();
        for (n, text) in
            ["0 web-1 cpu=93.5 db=offline \n 2 web-1 cpu=80", "12 web-1 cpu=5 db=online"].iter().enumerate()
        {
            let mut gathered = detect.open(None);
            detect.push(&mut gathered, &batch(text));
            let [start, end] = [n as i64, n as i64 + 1].map(|n| Timestamp::from_micros(minute(n * 10)).unwrap());
            let window = Window { records: 1, newest: start, span: Some(WindowSpan { start, end }), partial: false };
            lines = detect.close(gathered, &mut state, &window, &mut Vec::new());
        }
        lines.into_iter().map(|a| a.description.replace('\u{a0}', "_")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lines(Language::En), @r"
    CPU usage on web-1 has recovered: it peaked at 93.5% (high severity, threshold 90%), first at 2023-11-14T22:13:00Z, last at 2023-11-14T22:15:00Z, worst at 2023-11-14T22:13:00Z.
    Service db on web-1 has recovered: it was offline at worst (high severity), at 2023-11-14T22:13:00Z.
    ");
    insta::assert_snapshot!(lines(Language::Fr), @r"
    L'utilisation du processeur sur web-1_: retour à la normale, après un pic de 93,5_% (gravité élevée, seuil de 90_%), la première fois le 2023-11-14T22:13:00Z, la dernière le 2023-11-14T22:15:00Z, au pire le 2023-11-14T22:13:00Z.
    Le service db sur web-1_: retour à la normale, après avoir été hors ligne au pire (gravité élevée), le 2023-11-14T22:13:00Z.
    ");
}

#[test]
fn it_wants_the_metrics_of_its_rules() {
    let wanted = build(RULES, "rules.toml", Language::En).unwrap().wants();
    assert_eq!(wanted.metrics.iter().map(String::as_str).collect::<Vec<_>>(), ["cpu", "lag"]);
}

#[test]
fn rules_that_cannot_be_used_are_diagnosed_where_they_are() {
    let faults = |rules, path: &str| match build(rules, path, Language::En) {
        Ok(_) => vec![],
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    assert_eq!(faults(RULES, "rules.tml"), ["g.toml:1:9: AG0002: cannot read `rules.tml`: no such file"]);
    assert_eq!(
        faults("[metrics.a]\n[metrics.b]\nlow = 2\nhigh = 1", "rules.toml"),
        [
            "rules.toml:1:10: AG0014: the rule of `a` judges nothing",
            "rules.toml:2:10: AG0014: the bands of `b` do not rise: low is 2, high is 1",
        ]
    );
}

/// Records with times of their own, in order. Values are multiples of a quarter, so that sums are exact.
fn some_records() -> impl Strategy<Value = Vec<Record>> {
    let status = prop::sample::select(Status::ALL.to_vec());
    let entity = option::of(prop::sample::select(vec!["a".to_string(), "b".to_string(), "é".to_string()]));
    let quarter = |range: std::ops::Range<i32>| option::of(range.prop_map(|n| f64::from(n) / 4.0));
    let fields = (entity, quarter(0..440), quarter(-40..40), option::of(status.clone()), option::of(status));
    vec(fields, 1..40).prop_map(|fields| {
        let record = |(at, (entity, cpu, lag, db, api))| Record {
            row: at as u64 + 1,
            time: minute(at as i64),
            entity,
            metrics: [("cpu", cpu), ("lag", lag)].into_iter().filter_map(|(n, v)| Some((n.into(), v?))).collect(),
            services: [("db", db), ("api", api)].into_iter().filter_map(|(n, s)| Some((n.into(), s?))).collect(),
        };
        fields.into_iter().enumerate().map(record).collect()
    })
}

/// Readings of `lag` of one or two entities, a minute apart, each with how many places it may fall back.
fn some_lags() -> impl Strategy<Value = Vec<(Record, u64)>> {
    let value = prop::sample::select(vec![f64::NAN, 5.0, 9.0, 10.0, 12.0, 25.0]);
    let entity = prop::sample::select(vec!["a", "a", "a", "a", "b"]);
    // Mostly of one sort, so that stretches are long and quiet blocks are too.
    let stretch = (prop::sample::select(vec![5.0, 12.0]), 1usize..90).prop_map(|(value, length)| vec![value; length]);
    let some = prop_oneof![vec(value, 1..20), stretch];
    vec((entity, some), 1..8).prop_flat_map(|some| {
        let values: Vec<(&str, f64)> =
            some.iter().flat_map(|(entity, values)| values.iter().map(|value| (*entity, *value))).collect();
        let record = |(at, (entity, value)): (usize, &(&str, f64))| Record {
            row: at as u64 + 1,
            time: minute(at as i64),
            entity: Some(entity.to_string()),
            metrics: vec![("lag".into(), *value)],
            services: vec![],
        };
        let records: Vec<Record> = values.iter().enumerate().map(record).collect();
        let fall = prop_oneof![4 => Just(0), 1 => 0u64..=32, 1 => Just(32)];
        let falls = vec(fall, records.len());
        falls.prop_map(move |falls| records.iter().cloned().zip(falls).collect())
    })
}

/// What a rule with `for` finds of blocks of these sizes, over and over.
fn lasting(records: &[Record], sizes: &[usize]) -> Vec<Anomaly> {
    let detect = build(LASTING, "rules.toml", Language::En).unwrap();
    let mut gathered = detect.open(None);
    let mut rest = records;
    for size in sizes.iter().cycle() {
        let (block, left) = rest.split_at(rest.len().min(*size));
        detect.push(&mut gathered, &batch(block));
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    let newest = Timestamp::from_micros(0).unwrap();
    let window = Window { records: 1, newest, span: None, partial: false };
    detect.close(gathered, &mut Memory::default(), &window, &mut Vec::new())
}

/// As an input has them: rows are places.
fn placed(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().zip(1..).for_each(|(record, row)| record.row = row);
    records
}

/// Without the places in the input.
fn placeless(mut anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
    for anomaly in &mut anomalies {
        let Anomaly { first, worst, last, newest, .. } = anomaly;
        for sample in [first, worst, last, newest] {
            sample.row = 0;
        }
    }
    anomalies
}

/// Without the places, and without what counts records.
fn uncounted(anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
    let mut anomalies = placeless(anomalies);
    for anomaly in &mut anomalies {
        (anomaly.records, anomaly.reached) = (0, Counts::default());
        anomaly.mean = anomaly.value;
        anomaly.description.clear();
    }
    anomalies
}

proptest! {
    #[test]
    fn the_order_of_records_changes_places_only(
        (records, shuffled) in some_records().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))
    ) {
        let mut shuffled = shuffled;
        shuffled.iter_mut().zip(1..).for_each(|(record, row)| record.row = row);
        let [expected, mut got] = [records, shuffled].map(|r| run(&[batch(&r)], Language::En));
        // What comes late neither makes nor breaks a stretch, which so depends on what was late.
        for (expected, got) in expected.iter().zip(&mut got) {
            prop_assert!(got.stretch.from <= got.worst.time && got.worst.time <= got.stretch.to);
            got.stretch = expected.stretch;
        }
        prop_assert_eq!(placeless(expected), placeless(got));
    }

    /// Windows of ten minutes, each with a reading every minute at most, against the rules said in the plainest way.
    #[test]
    fn phases_are_what_the_manual_says(
        windows in vec(vec(option::weighted(0.8, prop::sample::select(vec![5.0, 8.0, 10.0, 12.0, 25.0])), 10), 1..7),
        batch_size in 1usize..5,
    ) {
        let rules = "[metrics.lag]\nlow = 10\nhigh = 20\nfor = '2m'\nclear = 7";
        let detect = build(rules, "rules.toml", Language::En).unwrap();
        let (mut state, mut open, mut since) = (Memory::default(), None::<f64>, None::<usize>);
        for (number, window) in windows.iter().enumerate() {
            // The plainest way: value by value.
            let (mut up, mut all) = (vec![], vec![]);
            let mut stretch = vec![];
            for (at, value) in window.iter().enumerate().filter_map(|(at, value)| Some((number * 10 + at, (*value)?))) {
                all.push(value);
                if value < 10.0 {
                    since = None;
                    stretch.clear();
                    continue;
                }
                let begin = *since.get_or_insert(at);
                stretch.push(value);
                if at - begin >= 2 {
                    up.append(&mut stretch);
                }
            }
            let max = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let expected = match open {
                _ if all.is_empty() => None,
                None if up.is_empty() => None,
                None => Some((Phase::Opened, max(&up))),
                Some(worst) if max(&all) < 7.0 => Some((Phase::Resolved, worst)),
                Some(_) if up.is_empty() => None,
                Some(worst) if max(&up) >= 20.0 && worst < 20.0 => Some((Phase::Escalated, max(&up))),
                Some(_) => Some((Phase::Ongoing, max(&up))),
            };
            match expected {
                Some((Phase::Resolved, _)) => open = None,
                Some((_, value)) => open = Some(open.map_or(value, |worst: f64| worst.max(value))),
                None => {}
            }
            let record = |(at, value): (usize, &Option<f64>)| {
                Some(format!("{} - lag={}", number * 10 + at, (*value)?))
            };
            let text: Vec<String> = window.iter().enumerate().filter_map(record).collect();
            let mut gathered = detect.open(None);
            records(&text.join("\n")).chunks(batch_size).for_each(|some| detect.push(&mut gathered, &batch(some)));
            let [start, end] = [number, number + 1].map(|n| Timestamp::from_micros(minute(n as i64 * 10)).unwrap());
            let window = Window { records: 1, newest: start, span: Some(WindowSpan { start, end }), partial: false };
            let found = detect.close(gathered, &mut state, &window, &mut Vec::new());
            let got: Vec<_> = found.iter().map(|a| (a.episode.as_ref().unwrap().phase, a.value.get())).collect();
            prop_assert_eq!(got, expected.into_iter().collect::<Vec<_>>(), "window {}", number);
        }
    }

    /// However far out of order, and however cut.
    #[test]
    fn blocks_change_nothing_of_what_must_last(
        (lags, disorder) in some_lags().prop_flat_map(|lags| (Just(lags.clone()), Just(lags).prop_shuffle())),
        shuffled in any::<bool>(), sizes in vec(1usize..200, 1..5),
    ) {
        let lags = if shuffled { disorder } else { lags };
        let records = placed(lags.into_iter().map(|(record, _)| record).collect());
        prop_assert_eq!(lasting(&records, &[records.len()]), lasting(&records, &sizes));
        prop_assert_eq!(lasting(&records, &[1]), lasting(&records, &sizes));
    }

    /// Where no more than 32 newer ones come before any record, the order of time decides, in the plainest way.
    #[test]
    fn disorder_changes_nothing_of_what_must_last(mut lags in some_lags(), size in 1usize..200) {
        let sorted: Vec<Record> = lags.iter().map(|(record, _)| record.clone()).collect();
        lags.sort_by_key(|(record, fall)| record.row + fall); // at most 32 newer ones get before one
        let shuffled = placed(lags.into_iter().map(|(record, _)| record).collect());
        let found = lasting(&shuffled, &[size]);
        for anomaly in &found {
            let of = sorted.iter().filter(|record| record.entity == anomaly.entity);
            let readings: Vec<(i64, f64)> =
                of.map(|r| (r.time, r.metrics[0].1)).filter(|(_, value)| value.is_finite()).collect();
            let lasted = readings.chunk_by(|a, b| (a.1 >= 10.0) == (b.1 >= 10.0));
            let lasted = lasted.filter(|some| some[0].1 >= 10.0 && some[some.len() - 1].0 - some[0].0 >= minute(2) - minute(0));
            prop_assert_eq!(anomaly.reached.total(), lasted.map(<[_]>::len).sum::<usize>() as u64);
        }
        prop_assert_eq!(placeless(found), placeless(lasting(&sorted, &[size])));
    }

    #[test]
    fn how_records_are_split_into_batches_changes_nothing(records in some_records(), size in 1usize..7) {
        let split: Vec<Batch> = records.chunks(size).map(batch).collect();
        prop_assert_eq!(run(&[batch(&records)], Language::Fr), run(&split, Language::Fr));
    }

    #[test]
    fn a_duplicate_record_changes_counts_only(records in some_records(), at in any::<prop::sample::Index>()) {
        let mut doubled = records.clone();
        let again = at.get(&records).clone();
        doubled.push(Record { row: doubled.len() as u64 + 1, ..again.clone() });
        let [before, after] = [records, doubled].map(|r| run(&[batch(&r)], Language::En));
        for (a, b) in before.iter().zip(&after) {
            let here = a.entity == again.entity
                && (again.metrics.iter().any(|(name, _)| *name == a.metric)
                    || again.services.iter().any(|(name, _)| Some(name) == a.service.as_ref()));
            prop_assert_eq!(b.records, a.records + u64::from(here), "{}", &a.name);
        }
        prop_assert_eq!(uncounted(before), uncounted(after));
    }

    #[test]
    fn any_finite_values_make_a_valid_report(values in vec(prop::num::f64::ANY, 1..20)) {
        let mut records = records(&"0 - \n".repeat(values.len()));
        records.iter_mut().zip(&values).for_each(|(record, v)| record.metrics = vec![("lag".into(), *v)]);
        let found = run(&[batch(&records)], Language::Fr);
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let reached = finite.iter().filter(|v| **v >= -3.0).count() as u64;
        prop_assert_eq!(found.first().map_or(0, |a| a.reached.total()), reached);
        prop_assert_eq!(found.first().map_or(reached, |a| a.records), if reached > 0 { finite.len() as u64 } else { 0 });
        let text = serde_json::to_string(&found).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<Anomaly>>(&text).unwrap(), found);
    }
}

#[test]
fn silence_is_judged_also_when_it_goes_on() {
    const RULES: &str = "
        [metrics.cpu]
        stale = { medium = '15m', high = '30m' }
        [[metrics.cpu.override]]
        entity = 'batch-*'
        off = true";
    check_rules(
        RULES,
        &[
            ("0 a cpu=1 \n 1 batch-1 cpu=1 \n 5 a cpu=1", &[]),
            ("12 b cpu=1", &["opened cpu@a#stale 900 medium/20..20..20/1 since 20 in 1 worst medium"]),
            (
                "",
                &[
                    "ongoing cpu@a#stale 1500 medium/20..30..30/1 since 20 in 2 worst medium",
                    "opened cpu@b#stale 1080 medium/27..30..30/1 since 27 in 1 worst medium",
                ],
            ),
            (
                "31 a cpu=1 \n 39 b cpu=1",
                &[
                    "ongoing cpu@b#stale 1620 medium/27..39..39/1 since 27 in 2 worst medium",
                    "ongoing cpu@a#stale 1560 medium/20..31..31/1 since 20 in 3 worst medium",
                ],
            ),
            (
                "41 a cpu=1 \n 42 b cpu=1",
                &[
                    "resolved cpu@b#stale 1620 medium/27..39..39/0 since 27 in 3 worst medium",
                    "resolved cpu@a#stale 1560 medium/20..31..31/0 since 20 in 4 worst medium",
                ],
            ),
        ],
    );
    assert!(build(RULES, "rules.toml", Language::En).unwrap().expects_records());
}

#[test]
fn silence_for_a_day_is_no_longer_news() {
    const RULES: &str = "[metrics.cpu]\nstale = { low = '10m' }";
    let detect = build(RULES, "rules.toml", Language::En).unwrap();
    let mut memory = Memory::default();
    let mut told = Vec::new();
    for hour in 0..60 {
        let [start, end] = [hour, hour + 1].map(|n| Timestamp::from_micros(minute(n * 60)).unwrap());
        let span = Some(WindowSpan { start, end });
        let mut gathered = detect.open(Some(start));
        if hour == 0 {
            detect.push(&mut gathered, &batch(&records("30 - cpu=1")));
        }
        let window = Window { records: 0, newest: start, span, partial: false };
        told.push(detect.close(gathered, &mut memory, &window, &mut Vec::new()).len());
    }
    assert_eq!(told, [vec![1; 24], vec![0; 36]].concat());
    assert_eq!(memory.episodes, Default::default());
}

#[test]
fn silence_outside_the_hours_and_in_maintenance_does_not_count() {
    // The first minute is 22:13 UTC of a Tuesday.
    const RULES: &str = "
        [metrics.cpu]
        stale = { low = '10m' }
        hours = '22:00-22:20, 22:30-23:00'
        [[maintenance]]
        from = 2023-11-14T22:44:00Z
        to = 2023-11-14T22:54:00Z
        entities = ['a']";
    check_rules(
        RULES,
        &[
            ("0 a cpu=1 \n 6 a cpu=1", &[]),
            ("18 a cpu=1", &[]), // a minute after the hours have begun again
            ("", &["opened cpu@a#stale 720 low/28..30..30/1 since 28 in 1 worst low"]),
            // Maintenance at its end, which does not count; the minute before does.
            ("", &["ongoing cpu@a#stale 780 low/28..40..40/1 since 28 in 2 worst low"]),
            ("46 a cpu=1", &["ongoing cpu@a#stale 1080 low/28..46..46/1 since 28 in 3 worst low"]),
        ],
    );
}

#[test]
fn a_status_that_changes_often_is_flapping() {
    const RULES: &str = "
        [status]
        offline = 'low'
        flapping = { medium = 3, high = 5, within = '10m' }";
    check_rules(
        RULES,
        &[
            (
                "0 - db=online web=online \n 1 - db=degraded \n 2 - db=online web=degraded \n 3 - db=degraded",
                &["opened service_status.db#flapping 3 medium/3..3..3/1 since 3 in 1 worst medium"],
            ),
            (
                "10 - db=online \n 10 - db=degraded",
                &["escalated service_status.db#flapping 5 high/3..10..10/2 since 3 in 2 worst high"],
            ),
            (
                "20 - db=offline",
                &[
                    "opened service_status.db 2 low/20..20..20/1 since 20 in 1 worst low",
                    "resolved service_status.db#flapping 5 high/3..10..10/0 since 3 in 3 worst high",
                ],
            ),
        ],
    );
    let found = detect_all(RULES, "0 a db=online \n 1 a db=degraded \n 2 a db=online \n 3 a db=degraded");
    let [flapping] = &found.0[..] else { panic!("{found:?}") };
    assert_eq!(
        (flapping.name.as_str(), flapping.service.as_deref(), flapping.is_status()),
        ("service_status.db@a#flapping", Some("db"), false)
    );
    insta::assert_snapshot!(flapping.description, @"Service db on a was flapping: its status changed 3 times within 10 min at worst (medium severity, threshold 3), at 2023-11-14T22:16:00Z.");
}

/// Of an input that is one window: the anomalies, and what could not be judged.
fn detect_all(rules: &'static str, text: &str) -> (Vec<Anomaly>, Vec<Insufficient>) {
    let detect = build(rules, "rules.toml", Language::En).unwrap();
    let records = records(text);
    let mut gathered = detect.open(None);
    detect.push(&mut gathered, &batch(&records));
    let newest = records.iter().map(|record| record.time).max().and_then(Timestamp::from_micros).unwrap();
    let window = Window { records: records.len() as u64, newest, span: None, partial: false };
    let mut notes = Vec::new();
    let anomalies = detect.close(gathered, &mut Memory::default(), &window, &mut notes);
    let insufficient = notes.into_iter().map(|note| match note {
        Note::Insufficient(rule) => rule,
        other => panic!("{other:?}"),
    });
    (anomalies, insufficient.collect())
}

/// A minute each: 10 and 11 in turn, and something else at some of them.
fn unrest(minutes: i64, other: &[(i64, f64)]) -> String {
    let value = |at: i64| other.iter().find(|(minute, _)| *minute == at).map_or(10.0 + (at % 2) as f64, |(_, v)| *v);
    (0..minutes).map(|at| format!("{at} a load={}\n", value(at))).collect()
}

const UNUSUAL: &str = "
    [metrics.load]
    label = { en = 'load' }
    unit = 'jobs'
    high = 1000
    unusual = { severity = 'low', season = 'none' }";

#[test]
fn what_is_unusual_is_told_with_what_would_have_been_usual() {
    let (found, lacking) = detect_all(UNUSUAL, &unrest(120, &[(80, 50.0), (100, 51.0)]));
    let [unusual] = &found[..] else { panic!("{found:?}") };
    assert_eq!((unusual.name.as_str(), unusual.severity, unusual.worst.row), ("load@a#unusual", Severity::Low, 81));
    let Some(Evidence::Unusual(deviation)) = &unusual.evidence else { panic!("{unusual:?}") };
    assert_eq!((deviation.value.get(), deviation.cause, deviation.up), (50.0, Cause::Outside, true));
    assert!(deviation.low.get() >= 10.0 && deviation.high.get() <= 11.0, "{deviation:?}");
    insta::assert_snapshot!(unusual.description, @"Load on a was unusual at 2023-11-14T23:33:00Z: 50 jobs, outside the usual 10.01 to 11 jobs (low severity, score 0.988).");
    assert_eq!(lacking, []);
    // Steady again, and too few to tell.
    assert!(detect_all(UNUSUAL, &unrest(120, &[])).0.is_empty());
    let (found, lacking) = detect_all(UNUSUAL, &unrest(50, &[(40, 50.0)]));
    assert!(found.is_empty());
    let of = |rule: &Insufficient| format!("{} {}/{}: {}", rule.rule, rule.series, rule.of, rule.needs);
    assert_eq!(lacking.iter().map(of).collect::<Vec<_>>(), ["load#unusual 1/1: more than 50 readings"]);
}

#[test]
fn rules_without_enough_records_say_so() {
    const RULES: &str = "
        [metrics.cpu]
        high = 90
        rate = { high = 5 }
        [metrics.gone]
        high = 1
        [conditions.both]
        when = 'cpu > 1 && gone > 1'
        severity = 'high'";
    let (_, lacking) = detect_all(RULES, "0 a cpu=1 \n 0 b cpu=1 \n 1 b cpu=2");
    let lines: Vec<String> =
        lacking.iter().map(|rule| format!("{} {}/{}: {}", rule.rule, rule.series, rule.of, rule.needs)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    cpu#rate 1/2: two readings at different times
    gone 0/0: values of `gone` to judge
    ");
}

#[test]
fn a_condition_says_what_its_metrics_were() {
    const RULES: &str = "
        [conditions.overload]
        when = 'cpu > 80 && share > 0.5'
        severity = 'medium'
        [[conditions.overload.override]]
        entity = 'batch-*'
        off = true
        [[conditions.overload.override]]
        entity = 'db-*'
        severity = 'high'
        [ratios.share]
        of = 'errors'
        to = 'calls'
        high = 0.9
        [[ratios.share.override]]
        entity = 'db-*'
        high = 0.6";
    let text = "0 web cpu=70 errors=9 calls=10 \n 1 web cpu=85 errors=6 calls=10 \n 2 web cpu=95 errors=8 calls=10
        3 batch-1 cpu=99 errors=8 calls=10 \n 4 db-1 cpu=99 errors=8 calls=10";
    let (found, _) = detect_all(RULES, text);
    let lines: Vec<String> =
        found.iter().map(|a| format!("{} {}: {}", a.name, a.severity.word(), a.description)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    share@db-1 high: The metric share on db-1 peaked at 0.8 (high severity, threshold 0.6): 1 of 1 record was at or above the high threshold of 0.6, at 2023-11-14T22:17:00Z.
    overload@db-1 high: The condition overload on db-1: `cpu > 80 && share > 0.5` held in 1 of 1 record (high severity), at 2023-11-14T22:17:00Z, with cpu 99, share 0.8.
    share@web high: The metric share on web peaked at 0.9 (high severity, threshold 0.9): 1 of 3 records was at or above the high threshold of 0.9, at 2023-11-14T22:13:00Z.
    overload@web medium: The condition overload on web: `cpu > 80 && share > 0.5` held in 2 of 3 records (medium severity), first at 2023-11-14T22:14:00Z, last at 2023-11-14T22:15:00Z; at 2023-11-14T22:14:00Z: cpu 85, share 0.6.
    ");
}

proptest! {
    /// What is unusual, what is silent and what flaps does not depend on where the windows are cut: each alert is in one.
    #[test]
    fn windows_cut_anywhere_find_what_the_whole_finds(
        odd in vec((60i64..200, 20.0f64..60.0), 0..6), length in 7i64..90, silent in 60i64..190
    ) {
        const RULES: &str = "[metrics.load]\nunusual = { season = 'none' }\nrate = { high = 20 }";
        let text: Vec<Record> = records(&unrest(200, &odd)).into_iter().filter(|r| !(silent..silent + 9).contains(&((r.time - minute(0)) / 60_000_000))).collect();
        let detect = build(RULES, "rules.toml", Language::En).unwrap();
        let mut gathered = detect.open(None);
        detect.push(&mut gathered, &batch(&text));
        let newest = Timestamp::from_micros(minute(199)).unwrap();
        let window = Window { records: 200, newest, span: None, partial: false };
        let whole = detect.close(gathered, &mut Memory::default(), &window, &mut Vec::new());
        let (mut memory, mut counts) = (Memory::default(), std::collections::BTreeMap::<String, u64>::new());
        for begin in (0..200).step_by(length as usize) {
            let [start, end] = [begin, begin + length].map(|n| Timestamp::from_micros(minute(n)).unwrap());
            let here: Vec<Record> = text.iter().filter(|r| (start.micros()..end.micros()).contains(&r.time)).cloned().collect();
            let mut gathered = detect.open(Some(start));
            detect.push(&mut gathered, &batch(&here));
            let window = Window { records: here.len() as u64, newest: start, span: Some(WindowSpan { start, end }), partial: false };
            for anomaly in detect.close(gathered, &mut memory, &window, &mut Vec::new()) {
                *counts.entry(anomaly.name.clone()).or_default() += anomaly.reached.total();
            }
        }
        let expected: std::collections::BTreeMap<String, u64> = whole.iter().map(|a| (a.name.clone(), a.reached.total())).collect();
        prop_assert_eq!(counts, expected);
    }
}
