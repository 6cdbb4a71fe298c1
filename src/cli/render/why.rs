//! Why an anomaly is in a report: from the rule over the records to the sentence.

use super::text::{align_right, fix, grid, labelled, print, space};
use super::{Style, safe};
use crate::domain::{Anomaly, Episode, Figure, Incident, InputRecord, Severity, Status};

/// Wide enough for a sentence to be read, whatever the terminal: the page is often kept in a file.
const PAGE: Style = Style { color: false, width: 100 };
const LABEL: usize = 9;
/// Other anomalies of an incident that are named; the run record has them all.
const NAMED: usize = 10;

/// Where an anomaly stands, now that its run has gone as far as it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Reported,
    /// A later node did not hand it on to the report.
    LeftOut,
    /// Its episode is over, so it is no part of the report.
    Over,
    /// The run has written none.
    NoReport,
}

/// What an anomaly is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What records say.
    Readings,
    /// That records come at all.
    Arrivals,
}

/// The page of `anomaly`. `rule_file` is the rules file as the graph names it, `inputs` the sources whose records it
/// was found in, `incidents` those that it is part of: one of each plan.
pub fn why(
    anomaly: &Anomaly,
    basis: Basis,
    place: Place,
    rule_file: Option<&str>,
    inputs: &[InputRecord],
    incidents: &[&Incident],
) -> String {
    let page = |rows: Vec<(&'static str, String)>| labelled(rows, LABEL, PAGE, |_| None);
    let remark = match place {
        Place::Reported => "",
        Place::LeftOut => " (not in the report: a later node of the graph left it out)",
        Place::Over => " (not in the report: the episode is over)",
        Place::NoReport => " (the run has no report)",
    };
    let mut printed = format!("{}: {}{remark}\n\n", safe(&anomaly.name), anomaly.severity.word());
    printed.push_str(&page(vec![("Rule", rule(anomaly, rule_file)), ("Records", records(anomaly, basis, inputs))]));
    printed.push('\n');
    printed.push_str(&samples(anomaly, basis, place));
    printed.push('\n');
    let reached = format!(
        "{} reaches {} ({} band; a value equal to a band has reached it)",
        value(anomaly, anomaly.value),
        value(anomaly, anomaly.threshold),
        anomaly.severity.word()
    );
    let mut rows = vec![("Threshold", reached)];
    if anomaly.condition.is_some() {
        rows = vec![("Value", "1 where the condition holds, 0 where it does not".to_string())];
    }
    rows.extend(anomaly.episode.as_ref().map(|of| ("Episode", episode(of, basis))));
    rows.extend(incidents.iter().map(|of| ("Incident", incident(of, &anomaly.name))));
    rows.push(("Sentence", safe(&anomaly.description).into_owned()));
    printed.push_str(&page(rows));
    printed
}

fn episode(episode: &Episode, basis: Basis) -> String {
    let windows = if episode.windows == 1 { "1 window".to_string() } else { format!("{} windows", episode.windows) };
    let (phase, worst) = (episode.phase.word(), episode.worst_severity.word());
    let of = match basis {
        Basis::Readings => "with records of it",
        Basis::Arrivals => "in which records were due",
    };
    format!("{phase}, since {}, {windows} {of}, {worst} at worst", episode.since)
}

/// Which one, what else is part of it, and what likely came first.
fn incident(of: &Incident, name: &str) -> String {
    let first = safe(&of.first);
    let first = match () {
        () if of.first == name => "this likely came first".to_string(),
        () if of.anomalies.contains(&of.first) => format!("{first} likely came first"),
        () => format!("{first}, now over or silent, likely came first"),
    };
    let others: Vec<&str> = of.anomalies.iter().map(String::as_str).filter(|other| *other != name).collect();
    let mut listed = others.iter().take(NAMED).map(|other| safe(other)).collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = others.len().checked_sub(NAMED) {
        listed.push_str(&format!(" and {more} more"));
    }
    let beside = match others.is_empty() {
        true if of.first == name => "nothing else is part of it".to_string(),
        true => first,
        false => format!("with {listed}\n{first}"),
    };
    format!("{}, from {} to {}\n{beside}", safe(&of.id), of.since, of.until)
}

fn rule(anomaly: &Anomaly, rule_file: Option<&str>) -> String {
    let what = match &anomaly.service {
        Some(service) => format!("status of the service {}", safe(service)),
        None => safe(&anomaly.metric).into_owned(),
    };
    if let Some(condition) = &anomaly.condition {
        let from = rule_file.map_or_else(String::new, |file| format!(" ({})", safe(file)));
        return format!("{what}{from}\n{}: {}", anomaly.severity.word(), safe(condition));
    }
    let bands: Vec<String> = Severity::ALL
        .into_iter()
        .filter_map(|severity| {
            Some(format!("{} from {}", severity.word(), value(anomaly, anomaly.bands.get(severity)?)))
        })
        .collect();
    let from = rule_file.map_or_else(String::new, |file| format!(" ({})", safe(file)));
    format!("{what}{from}\n{}", bands.join(", "))
}

fn records(anomaly: &Anomaly, basis: Basis, inputs: &[InputRecord]) -> String {
    let whose = anomaly.entity.as_deref().map_or_else(String::new, |entity| format!(" for {}", safe(entity)));
    let path = |input: &InputRecord| match input.path.as_str() {
        "-" => "standard input".to_string(),
        path => safe(path).into_owned(),
    };
    let paths = inputs.iter().map(path).collect::<Vec<_>>().join(" and ");
    let reached = anomaly.reached;
    if basis == Basis::Arrivals {
        return format!("{} of the {} that were due{whose} did not come in {paths}", reached.total(), anomaly.records);
    }
    format!(
        "{} of the {} in {paths} state it{whose}, with a mean of {}\n{} reached a band: {} low, {} medium, {} high",
        anomaly.records,
        inputs.iter().map(|input| input.records).sum::<u64>(),
        value(anomaly, anomaly.mean),
        reached.total(),
        reached.low,
        reached.medium,
        reached.high,
    )
}

/// The records that the sentence speaks of, with their places in the input.
fn samples(anomaly: &Anomaly, basis: Basis, place: Place) -> String {
    let mut table = grid(PAGE.columns());
    table.set_header(["", "record", "time", "value", ""]);
    let worst = match place {
        Place::Reported => "the value of the report",
        Place::LeftOut | Place::Over | Place::NoReport => "the value of the anomaly",
    };
    let meanings = match basis {
        Basis::Readings => {
            ["first to reach a band", worst, "last to reach a band", "newest that has it, reached or not"]
        }
        Basis::Arrivals => ["before the first gap", "before the longest gap", "after the last gap", "newest that came"],
    };
    let samples = [&anomaly.first, &anomaly.worst, &anomaly.last, &anomaly.newest];
    for ((name, sample), meaning) in ["first", "worst", "last", "newest"].into_iter().zip(samples).zip(meanings) {
        // Row 0 is no record: the gap is still open, or nothing ever came.
        let (row, value) = match basis {
            Basis::Arrivals if sample.row == 0 => ("none".to_string(), String::new()),
            Basis::Arrivals => (sample.row.to_string(), String::new()),
            Basis::Readings => (sample.row.to_string(), value(anomaly, sample.value)),
        };
        table.add_row([name.to_string(), row, sample.time.to_string(), value, meaning.to_string()]);
    }
    space(&mut table);
    fix(&mut table, 0, LABEL);
    align_right(&mut table, [1, 3]);
    print(&table, 0, PAGE, |_| None)
}

/// A number with the rule's unit; a service's level with its word.
fn value(anomaly: &Anomaly, figure: Figure) -> String {
    if anomaly.service.is_some() {
        let status = Status::ALL.into_iter().find(|s| f64::from(s.level()) == figure.get());
        return status.map_or_else(|| figure.to_string(), |status| format!("{figure} ({})", status.word()));
    }
    match anomaly.unit.as_deref() {
        Some("%") => format!("{figure}%"), // as in the sentence
        Some(unit) => format!("{figure} {}", safe(unit)),
        None => figure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bands, Counts, Phase, Sample, Timestamp};

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

    fn input() -> InputRecord {
        InputRecord { path: "fixtures/infrastructure.json".into(), records: 500, ..InputRecord::default() }
    }

    #[test]
    fn from_the_rule_over_the_records_to_the_sentence() {
        insta::assert_snapshot!(why(&cpu(), Basis::Readings, Place::Reported, Some("rules/infrastructure.toml"), &[input()], &[]), @r#"
        cpu_usage@web-1: high

        Rule       cpu_usage (rules/infrastructure.toml)
                   low from 70%, medium from 80%, high from 90%
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
            let page = why(&cpu(), Basis::Readings, place, None, &[input()], &[]);
            assert!(page.lines().next().unwrap().contains(remark) && !page.contains("value of the report"), "{page}");
        }
    }

    #[test]
    fn an_episode_says_how_far_it_is() {
        let page = |phase, windows, place| {
            let since = sample(1, 3, 71.0).time;
            let episode = Episode { id: "x".into(), phase, since, worst_severity: Severity::High, windows };
            why(&Anomaly { episode: Some(episode), ..cpu() }, Basis::Readings, place, None, &[input()], &[])
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
            let page = why(&cpu(), Basis::Readings, Place::Reported, None, &[input()], &[&incident]);
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
        insta::assert_snapshot!(why(&service, Basis::Readings, Place::Reported, None, &[input], &[]), @r#"
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
}
