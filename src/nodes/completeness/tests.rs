use super::share::percent;
use super::*;
use crate::detect::testing::{batch, minute, records};
use crate::diagnostic::SourceFile;
use crate::domain::{Counts, Figure, Phase, WindowSpan};
use crate::port::Files;

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<SourceFile, String> {
        Err("no file".to_string())
    }
}

fn build(config: &str, language: Language) -> Result<Completing, Vec<Diagnostic>> {
    let source = SourceFile::new("g.toml", format!("expected_every = '1m'\n{config}"));
    Completing::new(toml::from_str(&source.text).unwrap(), &Assets::new(language, &source, &NoFiles))
}

/// The window of these minutes; `..` is the whole input, and `!` behind it says that it is partial.
fn window(text: &str) -> Window {
    let (text, partial) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    let (start, end) = text.split_once("..").unwrap();
    let at = |text: &str| Timestamp::from_micros(minute(text.parse().ok()?));
    let span = at(start).zip(at(end)).map(|(start, end)| WindowSpan { start, end });
    Window { records: 1, newest: Timestamp::from_micros(minute(0)).unwrap(), span, partial }
}

/// `2/5 a 1/3 b 1/2` per window: what came of what was due, of all and of each that misses something.
fn shares(completeness: &Completeness) -> String {
    let mut text = format!("{}/{}", completeness.received, completeness.expected);
    for entity in &completeness.entities {
        let name = entity.entity.as_deref().unwrap_or("-");
        text.push_str(&format!(" {name} {}/{}", entity.received, entity.expected));
    }
    text
}

/// Windows with their records: `WINDOW: RECORD, RECORD`, where a record is `MINUTE ENTITY`.
fn run(fold: &Completing, windows: &[&str]) -> Vec<Completeness> {
    let mut state = State::default();
    let close = |text: &&str| {
        let (span, text) = text.split_once(':').unwrap();
        let mut gathered = fold.open(None);
        // Two batches, whose dictionaries differ.
        let records = records(&text.replace(',', "\n"));
        let (first, rest) = records.split_at(records.len() / 2);
        fold.push(&mut gathered, &batch(first));
        fold.push(&mut gathered, &batch(rest));
        // State goes through the process's end and back.
        let bytes = postcard::to_allocvec(&state).unwrap();
        state = postcard::from_bytes(&bytes).unwrap();
        fold.close(gathered, &mut state, &window(span), &mut Vec::new())
    };
    windows.iter().map(close).collect()
}

#[test]
fn what_came_of_what_was_due() {
    for (config, windows, expected) in [
        // The whole input: from the first record to the last of all.
        ("", &["..: 0 a, 1 a, 2 a, 3 a"][..], &["4/4"][..]),
        ("", &["..: 0 a, 0 b, 1 a, 2 a, 3 a, 4 a"], &["6/9 b 1/4"]),
        ("", &["..: 3 a, 0 a, 0 a, 3 a"], &["2/4 a 2/4"]),
        ("", &["..: 0 -, 3 -"], &["2/4 - 2/4"]),
        ("", &["..:"], &["0/0"]),
        // The first window counts from its first record, each entity from its own.
        ("", &["0..5: 3 a, 4 a", "5..10: 5 a, 6 a, 7 a, 8 a, 9 a"], &["2/2", "5/5"]),
        ("", &["0..5: 3 a, 4 a", "5..10: 5 a, 8 a, 9 a, 7 b, 8 b, 9 b"], &["2/2", "6/8 a 3/5"]),
        // Whoever is silent for a whole window misses all of it. One that was due just before the end is not late yet.
        ("", &["0..5: 4 a, 4 b", "5..10: 5 b, 6 b, 7 b, 8 b, 9 b"], &["2/2", "5/10 a 0/5"]),
        (
            "",
            &["0..5: 4 a", "5..10:", "10..15:", "15..20: 16 a, 17 a, 18 a, 19 a"],
            &["1/1", "0/5 a 0/5", "0/5 a 0/5", "4/5 a 4/5"],
        ),
        // No window in which nobody sent anything; the next one that is counts it.
        ("", &["0..5: 4 a", "15..20: 15 a, 16 a, 17 a, 18 a, 19 a"], &["1/1", "5/15 a 5/15"]),
        // A partial window counts to its newest record.
        ("", &["0..9: 0 a, 8 b", "9..18!: 9 a, 9 b, 10 b, 13 b"], &["2/10 a 1/9", "4/9 a 1/4 b 3/5"]),
        // One that began late counts from its first record.
        ("", &["0..5: 4 a, 4 b", "15..20!: 17 a, 18 a, 19 a"], &["2/2", "3/5 b 0/2"]),
        // Those that must be there are expected before they ever come.
        (
            "entities = ['a', 'z']",
            &["0..5: 0 a, 1 a, 2 a, 3 a, 4 a", "5..10: 5 a, 6 a, 7 a, 8 a, 9 a, 8 z, 9 z"],
            &["5/10 z 0/5", "7/10 z 2/5"],
        ),
        // Who is gone for long is forgotten, unless it must be there.
        (
            "forget_after = '8m'",
            &["0..5: 4 a, 4 b", "5..10: 5 b, 6 b, 7 b, 8 b, 9 b", "10..15: 10 b, 11 b, 12 b, 13 b, 14 b"],
            &["2/2", "5/10 a 0/5", "5/5"],
        ),
        (
            "forget_after = '8m'\nentities = ['a']",
            &["0..5: 4 a", "5..10:", "10..15:"],
            &["1/1", "0/5 a 0/5", "0/5 a 0/5"],
        ),
    ] {
        let fold = build(config, Language::En).unwrap();
        let got: Vec<String> = run(&fold, windows).iter().map(shares).collect();
        assert_eq!(got, expected, "{config} {windows:?}");
    }
}

#[test]
fn gaps_go_on_from_window_to_window() {
    let fold = build("", Language::En).unwrap();
    let got = run(&fold, &["0..5: 0 a, 1 a, 4 a, 4 b", "5..10: 7 a, 8 a, 9 a, 5 b, 6 b, 7 b, 8 b, 9 b"]);
    let gaps: Vec<Vec<String>> = got
        .iter()
        .map(|completeness| {
            let shown = |gap: &Gap| {
                let [from, to] = [gap.from, gap.to].map(|time| (time.micros() - minute(0)) / 60_000_000);
                format!("{} {from}..{to} {}", gap.entity.as_deref().unwrap_or("-"), gap.missing)
            };
            assert_eq!(completeness.gap_count, completeness.gaps.len() as u64);
            completeness.gaps.iter().map(shown).collect()
        })
        .collect();
    assert_eq!(gaps, [vec!["a 1..4 2".to_string()], vec!["a 4..7 2".to_string()]]);
    assert_eq!(got[0].share, Figure::new(4.0 / 6.0));
}

#[test]
fn lists_are_bounded_and_counts_are_not() {
    let fold = build("", Language::En).unwrap();
    let hosts: Vec<String> = (0..50).map(|n| format!("0 host-{n:02}, {} host-{n:02}", 3 + n % 2)).collect();
    let got = run(&fold, &[&format!("..: {}", hosts.join(","))]).remove(0);
    assert_eq!((got.incomplete, got.entities.len(), got.anomalies.len()), (50, LISTED, 50));
    assert_eq!((got.gap_count, got.gaps.len()), (50, LISTED));
    assert_eq!(got.entities[0].entity.as_deref(), Some("host-01")); // 2 of 5, and the others 2 of 4
}

#[test]
fn an_anomaly_says_how_much_is_missing() {
    let windows = ["0..10: 0 a, 0 b, 0 c, 0 d", "10..20: 10 a, 11 a, 12 a, 14 a, 15 a, 16 a, 17 a, 18 a, 19 a"];
    let of = |config: &str, language| run(&build(config, language).unwrap(), &windows).remove(1).anomalies;
    let listed = |anomalies: &[Anomaly]| -> Vec<String> {
        let one = |a: &Anomaly| format!("{} {} {} {}", a.name, a.severity.word(), a.value, a.threshold);
        anomalies.iter().map(one).collect()
    };
    let found = of("", Language::En);
    assert_eq!(
        listed(&found),
        [
            "missing_records@b high 100 50",
            "missing_records@c high 100 50",
            "missing_records@d high 100 50",
            "missing_records@a low 10 5"
        ]
    );
    assert_eq!(listed(&of("medium = 0.1", Language::En))[3..], ["missing_records@a medium 10 10"]);
    assert_eq!(of("high = 1", Language::En).len(), 3);
    let a = &found[3];
    assert_eq!((a.records, a.reached.total(), a.unit.as_deref(), a.entity.as_deref()), (10, 1, Some("%"), Some("a")));
    // The episode began in the window before.
    assert_eq!([a.first, a.worst, a.last].map(|at| at.time.micros()), [minute(0), minute(12), minute(14)]);
    assert_eq!((a.worst.row, a.last.row, a.newest.row), (3, 4, 9));
    let sentences: Vec<String> = [Language::En, Language::Fr]
        .into_iter()
        .flat_map(|language| of("", language).into_iter().skip(2).map(|a| a.description.replace('\u{a0}', "_")))
        .collect();
    insta::assert_snapshot!(sentences.join("\n"), @r"
    No record came from d (high severity, threshold 50%): all 10 that were due are missing, the newest is of 2023-11-14T22:13:00Z.
    1 of 10 records that were due from a is missing (10%, low severity, threshold 5%), the longest gap from 2023-11-14T22:25:00Z to 2023-11-14T22:27:00Z.
    Aucun relevé n'est venu de d (gravité élevée, seuil de 50_%)_: les 10 attendus manquent tous, le plus récent est du 2023-11-14T22:13:00Z.
    1 relevé sur les 10 attendus de a manque (10_%, gravité faible, seuil de 5_%), la plus longue interruption du 2023-11-14T22:25:00Z au 2023-11-14T22:27:00Z.
    ");
}

/// `PHASE NAME VALUE SEVERITY/COUNT since MINUTE in WINDOWS worst SEVERITY` per window.
fn episodes(config: &str, windows: &[&str]) -> Vec<Vec<String>> {
    let line = |a: &Anomaly| {
        let e = a.episode.as_ref().unwrap();
        let since = (e.since.micros() - minute(0)) / 60_000_000;
        assert_eq!((e.since, e.id.clone()), (a.first.time, format!("{}/{}", a.name, e.since.label())));
        let (phase, severity, worst) = (e.phase.word(), a.severity.word(), e.worst_severity.word());
        let missing = a.reached.total();
        format!("{phase} {} {} {severity}/{missing} since {since} in {} worst {worst}", a.name, a.value, e.windows)
    };
    let found = run(&build(config, Language::En).unwrap(), windows);
    found.iter().map(|completeness| completeness.anomalies.iter().map(line).collect()).collect()
}

#[test]
fn missing_records_are_an_episode_from_window_to_window() {
    let found = episodes(
        "",
        &[
            "0..5: 0 a, 1 a, 2 a, 3 a, 4 a",
            "5..10: 5 a, 6 a, 7 a, 9 a",
            "10..15:",
            "15..20: 16 a, 18 a, 19 a",
            "20..25: 20 a, 21 a, 22 a, 23 a, 24 a",
            "25..30: 25 a, 26 a, 27 a, 28 a, 29 a",
            "30..35: 30 a, 31 a, 34 a",
        ],
    );
    let expected: [&[&str]; 7] = [
        &[],
        &["opened missing_records@a 20 medium/1 since 7 in 1 worst medium"],
        &["escalated missing_records@a 100 high/5 since 7 in 2 worst high"],
        &["ongoing missing_records@a 40 medium/2 since 7 in 3 worst high"],
        &["resolved missing_records@a 100 high/0 since 7 in 4 worst high"],
        &[],
        &["opened missing_records@a 40 medium/2 since 31 in 1 worst medium"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_episode_begins_when_the_share_has_lasted_and_ends_below_clear() {
    let windows = [
        "0..5: 0 a, 1 a, 2 a, 3 a, 4 a",
        "5..10: 5 a, 6 a", // silent from 6 on
        "10..15:",
        "15..20: 15 a, 17 a, 18 a, 19 a",
        "20..25: 20 a, 21 a, 22 a, 23 a, 24 a",
    ];
    let expected: [&[&str]; 5] = [
        &[],
        &[],
        &["opened missing_records@a 100 high/5 since 6 in 1 worst high"],
        &[],
        &["resolved missing_records@a 100 high/0 since 6 in 3 worst high"],
    ];
    assert_eq!(episodes("for = '8m'\nhigh = 0.5\nclear = 0.2", &windows), expected);
    // A stretch that breaks off, and a window in which nothing was due.
    let windows = ["0..5: 4 a", "5..10: 8 a, 9 a", "10..15: 10 a, 11 a, 12 a, 13 a, 14 a", "15..20: 18 a, 19 a"];
    assert_eq!(episodes("for = '5m'", &windows), vec![Vec::<String>::new(); 4]);
    let windows = ["0..4: 0 a, 1 a, 2 a, 3 a", "4..8:", "8..9: 8 b", "9..10!: 9 b", "10..14: 10 b, 11 b, 12 b, 13 b"];
    let found = episodes("", &windows);
    assert_eq!(found[1], ["opened missing_records@a 100 high/4 since 3 in 1 worst high"]);
    assert_eq!((found[3].len(), found[4].len()), (0, 1), "one that is cut says nothing where nothing is due");
    assert!(found[4][0].starts_with("ongoing "), "{found:?}");
}

#[test]
fn who_is_not_expected_any_more_has_no_episode() {
    let windows = [
        "0..5: 4 a, 4 b",
        "5..10: 5 b, 6 b, 7 b, 8 b, 9 b",
        "10..15: 10 b, 11 b, 12 b, 13 b, 14 b",
        "15..20: 15 a, 15 b, 16 b, 17 b, 18 b, 19 b",
    ];
    let found = episodes("forget_after = '8m'", &windows);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 1]);
    assert!(found[3][0].starts_with("opened missing_records@a 80 high/4 since 15"), "{found:?}");
}

#[test]
fn without_windows_there_are_no_episodes() {
    let of = |config: &str| run(&build(config, Language::En).unwrap(), &["..: 0 a, 1 a, 5 a, 6 a, 9 a"]).remove(0);
    let found = of("for = '8m'").anomalies;
    assert_eq!(found.iter().map(|a| (a.name.as_str(), &a.episode)).collect::<Vec<_>>(), [("missing_records@a", &None)]);
    assert_eq!(found[0].reached, Counts { low: 0, medium: 0, high: 5 });
    assert_eq!(of("for = '9m'").anomalies, []);
}

#[test]
fn what_is_over_is_told_in_a_sentence() {
    let windows = ["0..5: 4 a", "5..10:", "10..15: 10 a, 11 a, 12 a, 13 a, 14 a"];
    let told = |language| {
        let over = run(&build("", language).unwrap(), &windows).remove(2).anomalies.remove(0);
        assert_eq!(over.episode.unwrap().phase, Phase::Resolved);
        over.description.replace('\u{a0}', "_")
    };
    insta::assert_snapshot!(Language::ALL.map(told).join("\n"), @r"
    Records from a come as they are due again: 100% of them were missing at worst (high severity, threshold 50%), from 2023-11-14T22:17:00Z to 2023-11-14T22:23:00Z.
    Les relevés de a arrivent de nouveau comme attendu_: il en manquait 100_% au pire (gravité élevée, seuil de 50_%), du 2023-11-14T22:17:00Z au 2023-11-14T22:23:00Z.
    ");
}

#[test]
fn a_share_is_rounded_to_hundredths() {
    for (of, all, text) in
        [(4_994, 100_000, "4.99"), (4_995, 100_000, "5"), (531, 591, "89.85"), (1, 3, "33.33"), (2, 2, "100")]
    {
        assert_eq!(percent(of, all).to_string(), text);
    }
}

#[test]
fn bands_that_cannot_be_applied_are_diagnosed_where_they_are() {
    let faults = |config: &str| match build(config, Language::En) {
        Ok(_) => vec![],
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    assert_eq!(faults("low = 0.1\nhigh = 1"), Vec::<String>::new());
    assert_eq!(faults("low = 5"), ["g.toml:2:7: AG0005: 5 is no band of missing records"]);
    assert_eq!(faults("low = 0.5\nhigh = 0.2"), ["g.toml:3:8: AG0005: 0.2 is no band of missing records"]);
    assert_eq!(faults("medium = nan"), ["g.toml:2:10: AG0005: NaN is no band of missing records"]);
    assert_eq!(faults("high = 0.0"), ["g.toml:2:8: AG0005: 0 is no band of missing records"]);
    assert_eq!(faults("low = 0.05\nclear = 0.05\nfor = '1m'"), Vec::<String>::new());
    for (config, clear) in [("clear = 0.051", "0.051"), ("clear = 0.0", "0"), ("clear = nan", "NaN")] {
        let expected = format!("g.toml:2:9: AG0005: `clear` is {clear}, which is no share up to the lowest band");
        assert_eq!(faults(config), [expected]);
    }
}
