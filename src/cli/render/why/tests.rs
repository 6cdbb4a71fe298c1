use super::*;
use crate::domain::{Aspect, Bands, Counts, Figure, Phase, Sample, Severity, Stretch, Timestamp};

fn figure(value: f64) -> Figure {
    Figure::new(value).unwrap()
}

fn sample(minute: u32, row: u64, value: f64) -> Sample {
    Sample { time: Timestamp::parse(&format!("2023-10-01T12:{minute:02}:00Z")).unwrap(), row, value: figure(value) }
}

fn cpu() -> Anomaly {
    Anomaly {
        name: "cpu_usage@web-1".into(),
        metric: "cpu_usage".into(),
        aspect: Default::default(),
        condition: None,
        service: None,
        entity: Some("web-1".into()),
        value: figure(99.5),
        threshold: figure(90.0),
        severity: Severity::High,
        unit: Some("%".into()),
        bands: Bands { low: Some(figure(70.0)), medium: Some(figure(80.0)), high: Some(figure(90.0)) },
        records: 250,
        reached: Counts { low: 12, medium: 5, high: 3 },
        first: sample(1, 3, 71.0),
        worst: sample(7, 88, 99.5),
        last: sample(30, 410, 82.0),
        stretch: Stretch { from: sample(5, 80, 81.0).time, to: sample(9, 95, 78.0).time },
        newest: sample(45, 500, 41.0),
        mean: figure(58.25),
        evidence: None,
        services: vec![],
        description: "CPU usage of web-1 was at or above 70% in 20 of 250 records, from 12:01 to 12:30, and worst \
                      at 12:07 with 99.5%."
            .into(),
        episode: None,
    }
}

/// Of a rules file that is not kept any more.
fn named() -> Background {
    Background { file: Some("rules/infrastructure.toml".into()), ..Background::default() }
}

fn input() -> InputRecord {
    InputRecord { path: "fixtures/infrastructure.json".into(), records: 500, ..InputRecord::default() }
}

#[test]
fn from_the_rule_over_the_records_to_the_sentence() {
    insta::assert_snapshot!(why(&cpu(), Basis::Readings, Place::Reported, &named(), &[input()], &[]), @r#"
    cpu_usage@web-1: high

    Rule       cpu_usage (rules/infrastructure.toml)
               low from 70%, medium from 80%, high from 90%
               the text of the rules is not kept any more: whether there is `for`, `clear`, `hours`, an
               override or maintenance is not known
    Records    250 of the 500 in fixtures/infrastructure.json state it for web-1, with a mean of 58.25%
               20 reached a band: 12 low, 5 medium, 3 high

               record  time                  value
    first           3  2023-10-01T12:01:00Z    71%  first to reach a band
    worst          88  2023-10-01T12:07:00Z  99.5%  the value of the report
    last          410  2023-10-01T12:30:00Z    82%  last to reach a band
    newest        500  2023-10-01T12:45:00Z    41%  newest that has it, reached or not

    Threshold  99.5% reaches 90% (high band; a value equal to a band has reached it)
    Sentence   CPU usage of web-1 was at or above 70% in 20 of 250 records, from 12:01 to 12:30, and
               worst at 12:07 with 99.5%.
    "#);
}

#[test]
fn one_that_is_not_in_the_report_is_not_said_to_be() {
    for (place, remark) in [(Place::LeftOut, "not in the report"), (Place::NoReport, "has no report")] {
        let page = why(&cpu(), Basis::Readings, place, &Background::default(), &[input()], &[]);
        assert!(page.lines().next().unwrap().contains(remark) && !page.contains("value of the report"), "{page}");
    }
}

#[test]
fn a_silence_in_a_window_in_which_nothing_came_is_told_as_people_do() {
    let stale = Anomaly {
        aspect: Aspect::Stale,
        unit: Some("s".into()),
        value: figure(259_800.0),
        mean: figure(259_800.0),
        records: 1,
        ..cpu()
    };
    let page = why(&stale, Basis::Readings, Place::Reported, &Background::default(), &[], &[]);
    let said = "1 silence was judged for web-1, though no record came, 3 d 0 h 10 min (259800 s) long in the mean";
    assert!(page.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{page}");
}

#[test]
fn an_episode_says_how_far_it_is() {
    let page = |phase, windows, place| {
        let since = sample(1, 3, 71.0).time;
        let episode = Episode { id: "x".into(), phase, since, worst_severity: Severity::High, windows };
        why(
            &Anomaly { episode: Some(episode), ..cpu() },
            Basis::Readings,
            place,
            &Background::default(),
            &[input()],
            &[],
        )
    };
    let opened = page(Phase::Opened, 1, Place::Reported);
    let said = "opened, since 2023-10-01T12:01:00Z, 1 window with records of it, high at worst";
    assert!(opened.contains(&format!("\nEpisode    {said}\n")), "{opened}");
    let over = page(Phase::Resolved, 7, Place::Over);
    assert!(over.starts_with("cpu_usage@web-1: high (not in the report: the episode is over)\n"), "{over}");
    assert!(over.contains("resolved, since 2023-10-01T12:01:00Z, 7 windows"), "{over}");
}

#[test]
fn an_incident_says_what_else_is_part_of_it_and_what_came_first() {
    let page = |anomalies: &[String], first: &str| {
        let incident = Incident {
            id: format!("{first}/20231001T120100Z"),
            severity: Severity::High,
            since: sample(1, 3, 71.0).time,
            until: sample(30, 410, 82.0).time,
            entities: vec!["web-1".into()],
            services: vec![],
            first: first.into(),
            anomalies: anomalies.to_vec(),
        };
        let page = why(&cpu(), Basis::Readings, Place::Reported, &Background::default(), &[input()], &[&incident]);
        let rows = page.split("Incident   ").nth(1).unwrap().split("Sentence").next().unwrap();
        rows.lines().map(str::trim).collect::<Vec<_>>().join("\n")
    };
    let when = "/20231001T120100Z, from 2023-10-01T12:01:00Z to 2023-10-01T12:30:00Z\n";
    let [cpu, io] = ["cpu_usage@web-1", "io_wait@web-1"].map(String::from);
    let both = &[cpu.clone(), io.clone()];
    assert_eq!(page(both, &cpu), format!("{cpu}{when}with {io}\nthis likely came first"));
    assert_eq!(page(both, &io), format!("{io}{when}with {io}\n{io} likely came first"));
    assert_eq!(page(&both[..1], &cpu), format!("{cpu}{when}nothing else is part of it"));
    assert_eq!(page(&both[..1], &io), format!("{io}{when}{io}, now over or silent, likely came first"));
    assert_eq!(page(both, "x"), format!("x{when}with {io}\nx, now over or silent, likely came first"));
    let many: Vec<String> = (0..=NAMED).map(|n| format!("m{n}")).chain([cpu.clone()]).collect();
    assert!(page(&many, &cpu).contains("m9 and 1 more"), "{}", page(&many, &cpu));
}

#[test]
fn a_service_is_shown_by_its_words() {
    let service = Anomaly {
        name: "service_status.cache".into(),
        metric: "service_status".into(),
        aspect: Default::default(),
        condition: None,
        service: Some("cache".into()),
        entity: None,
        value: figure(2.0),
        threshold: figure(2.0),
        unit: None,
        bands: Bands { low: None, medium: Some(figure(1.0)), high: Some(figure(2.0)) },
        first: sample(1, 3, 1.0),
        worst: sample(7, 88, 2.0),
        last: sample(30, 410, 2.0),
        newest: sample(45, 500, 0.0),
        mean: figure(0.08),
        description: "cache was \u{1b}[31mdown".into(),
        ..cpu()
    };
    let input = InputRecord { path: "-".into(), ..input() };
    insta::assert_snapshot!(why(&service, Basis::Readings, Place::Reported, &Background::default(), &[input], &[]), @r#"
    service_status.cache: high

    Rule       status of the service cache
               medium from 1 (degraded), high from 2 (offline)
    Records    250 of the 500 in standard input state it, with a mean of 0.08
               20 reached a band: 12 low, 5 medium, 3 high

               record  time                         value
    first           3  2023-10-01T12:01:00Z  1 (degraded)  first to reach a band
    worst          88  2023-10-01T12:07:00Z   2 (offline)  the value of the report
    last          410  2023-10-01T12:30:00Z   2 (offline)  last to reach a band
    newest        500  2023-10-01T12:45:00Z    0 (online)  newest that has it, reached or not

    Threshold  2 (offline) reaches 2 (offline) (high band; a value equal to a band has reached it)
    Sentence   cache was \u{1b}[31mdown
    "#);
}
