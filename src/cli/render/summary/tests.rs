use unicode_width::UnicodeWidthStr;

use super::*;
use crate::domain::{
    Coverage, Fault, FaultExample, Figure, Incident, Insights, Insufficient, ModelIdentity, ReportRecommendation,
    RunStatus, ServiceSummary, Timestamp, Usage,
};

fn figure(value: f64) -> Figure {
    Figure::new(value).unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn anomaly(severity: Severity, metric: &str, value: f64, threshold: f64) -> ReportAnomaly {
    ReportAnomaly {
        metric: metric.into(),
        value: figure(value),
        threshold: figure(threshold),
        severity,
        description: format!(
            "{metric} was at or above its low band in 12 of 500 records, from 2023-10-01T12:00:00Z to \
             2023-10-02T12:00:00Z, and worst at 2023-10-01T18:30:00Z."
        ),
    }
}

fn recommendation(id: &str, target: &str) -> ReportRecommendation {
    ReportRecommendation {
        id: id.into(),
        action: format!("Run two replicas of {target} behind the load balancer until latency stays below 200 ms."),
        target: target.into(),
        parameters: Default::default(),
        benefit_estimate: "Latency would come down to 167 ms, if load spreads evenly over 2 replicas.".into(),
    }
}

fn report() -> Report {
    let insights =
        [("average_latency_ms", Some(figure(156.018))), ("max_cpu_usage", Some(figure(99.0))), ("fans", None)];
    Report {
        timestamp: time("2023-10-02T12:00:00Z"),
        insights: Insights(insights.map(|(name, value)| (name.to_string(), value)).into_iter().collect()),
        anomalies: vec![
            anomaly(Severity::High, "cpu_usage@web-1", 99.0, 90.0),
            anomaly(Severity::Medium, "error_rate", 0.085, 0.08),
            anomaly(Severity::Low, "service_status.cache", 1.0, 1.0),
        ],
        recommendations: vec![recommendation("scale-out:api", "api"), recommendation("restart:cache", "cache")],
        service_status_summary: ServiceSummary {
            online: vec!["api".into(), "database".into()],
            degraded: vec!["cache".into()],
            offline: vec![],
        },
    }
}

fn record() -> RunRecord {
    RunRecord {
        version: 1,
        window: None,
        run: "20231002-120001-beef".into(),
        graph: "infrastructure".into(),
        status: RunStatus::Done,
        started: time("2023-10-02T12:00:01Z"),
        ended: Some(time("2023-10-02T12:00:01.012Z")),
        error: None,
        inputs: vec![InputRecord {
            path: "fixtures/infrastructure.json".into(),
            records: 500,
            bad: 1,
            first: Some(time("2023-10-01T12:00:00Z")),
            last: Some(time("2023-10-02T12:00:00Z")),
            entities: 3,
            faults: vec![Fault {
                code: "AG0105".into(),
                what: "not a number".into(),
                count: 2,
                examples: vec![FaultExample { row: 17, detail: "cpu_usage is \"high\"".into() }],
            }],
            ..InputRecord::default()
        }],
        coverage: vec![Coverage { insight: "max_cpu_usage".into(), metric: "cpu_usage".into(), records: 498, of: 500 }],
        completeness: vec![],
        tasks: vec![],
        model: None,
        calls: vec![],
        usage: Usage::default(),
        currency: None,
        wordings: vec![],
        deliveries: vec![],
        episodes: vec![],
        insufficient: vec![],
        incidents: vec![],
        stored: vec![],
    }
}

fn written() -> Vec<String> {
    vec!["output.json".into(), "run record: state/runs/20231002-120001-beef/run.json".into()]
}

fn plain(width: usize) -> Style {
    Style { color: false, width }
}

fn fits(shown: &str, width: usize) {
    for line in shown.lines() {
        assert!(line.width() <= width, "{} columns in {line:?}", line.width());
        assert!(!line.ends_with(' '), "{line:?}");
    }
}

#[test]
fn one_screen_at_120_columns() {
    let shown = summary(&report(), &record(), &written(), plain(120));
    fits(&shown, 120);
    insta::assert_snapshot!(shown, @r#"
    Read       fixtures/infrastructure.json: 500 records of 3 hosts, 2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z; 1 bad
               record left out; 1 kind of fault noted
    Insights   average_latency_ms 156.018, max_cpu_usage 99 (in 498 of 500 records), fans no data

    Anomalies: 1 high, 1 medium, 1 low
    severity  metric                value  threshold  description
    high      cpu_usage@web-1          99         90  cpu_usage@web-1 was at or above its low band in 12 of 500 records,
                                                      from 2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst at
                                                      2023-10-01T18:30:00Z.
    medium    error_rate            0.085       0.08  error_rate was at or above its low band in 12 of 500 records, from
                                                      2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst at
                                                      2023-10-01T18:30:00Z.
    low       service_status.cache      1          1  service_status.cache was at or above its low band in 12 of 500
                                                      records, from 2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst
                                                      at 2023-10-01T18:30:00Z.

    Recommendations: 2
    1.  Run two replicas of api behind the load balancer until latency stays below 200 ms.
        Target: api
        Benefit: Latency would come down to 167 ms, if load spreads evenly over 2 replicas.
    2.  Run two replicas of cache behind the load balancer until latency stays below 200 ms.
        Target: cache
        Benefit: Latency would come down to 167 ms, if load spreads evenly over 2 replicas.

    Services   degraded: cache; online: api, database
    Wording    2 by templates, since no model was asked
    Written    output.json
               run record: state/runs/20231002-120001-beef/run.json
    Run        20231002-120001-beef, 12 ms
    "#);
}

#[test]
fn figures_above_their_sentences_at_60_columns() {
    let shown = summary(&report(), &record(), &written(), plain(60));
    fits(&shown, 60);
    insta::assert_snapshot!(shown, @r#"
    Read       fixtures/infrastructure.json: 500 records of 3
               hosts, 2023-10-01T12:00:00Z to
               2023-10-02T12:00:00Z; 1 bad record left out; 1
               kind of fault noted
    Insights   average_latency_ms 156.018, max_cpu_usage 99 (in
               498 of 500 records), fans no data

    Anomalies: 1 high, 1 medium, 1 low
    high      cpu_usage@web-1: 99, threshold 90
              cpu_usage@web-1 was at or above its low band in 12
              of 500 records, from 2023-10-01T12:00:00Z to
              2023-10-02T12:00:00Z, and worst at
              2023-10-01T18:30:00Z.
    medium    error_rate: 0.085, threshold 0.08
              error_rate was at or above its low band in 12 of
              500 records, from 2023-10-01T12:00:00Z to
              2023-10-02T12:00:00Z, and worst at
              2023-10-01T18:30:00Z.
    low       service_status.cache: 1, threshold 1
              service_status.cache was at or above its low band
              in 12 of 500 records, from 2023-10-01T12:00:00Z to
              2023-10-02T12:00:00Z, and worst at
              2023-10-01T18:30:00Z.

    Recommendations: 2
    1.  Run two replicas of api behind the load balancer until
        latency stays below 200 ms.
        Target: api
        Benefit: Latency would come down to 167 ms, if load
        spreads evenly over 2 replicas.
    2.  Run two replicas of cache behind the load balancer until
        latency stays below 200 ms.
        Target: cache
        Benefit: Latency would come down to 167 ms, if load
        spreads evenly over 2 replicas.

    Services   degraded: cache; online: api, database
    Wording    2 by templates, since no model was asked
    Written    output.json
               run record:
               state/runs/20231002-120001-beef/run.json
    Run        20231002-120001-beef, 12 ms
    "#);
}

#[test]
fn severities_have_colours_and_the_rest_of_the_layout_stays() {
    let style = Style { color: true, width: 120 };
    let coloured = summary(&report(), &record(), &written(), style);
    let stripped = coloured
        .split('\u{1b}')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('m').unwrap().1 })
        .collect::<String>();
    assert_eq!(stripped, summary(&report(), &record(), &written(), plain(120)));
    insta::assert_snapshot!(anomalies(&report().anomalies, None, style).replace('\u{1b}', "ESC"), @r#"
    ESC[1mAnomalies:ESC[0m 1 high, 1 medium, 1 low
    severity  metric                value  threshold  description
    ESC[1mESC[31mhighESC[0m      cpu_usage@web-1          99         90  cpu_usage@web-1 was at or above its low band in 12 of 500 records,
                                                      from 2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst at
                                                      2023-10-01T18:30:00Z.
    ESC[33mmediumESC[0m    error_rate            0.085       0.08  error_rate was at or above its low band in 12 of 500 records, from
                                                      2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst at
                                                      2023-10-01T18:30:00Z.
    ESC[36mlowESC[0m       service_status.cache      1          1  service_status.cache was at or above its low band in 12 of 500
                                                      records, from 2023-10-01T12:00:00Z to 2023-10-02T12:00:00Z, and worst
                                                      at 2023-10-01T18:30:00Z.
    "#);
}

#[test]
fn anomalies_that_belong_together_are_counted_as_incidents() {
    let names = ["cpu_usage@web-1", "error_rate", "service_status.cache"];
    let line = |groups: &[&[&str]]| {
        let incident = |group: &&[&str]| Incident {
            id: format!("{}/20231001T120000Z", group[0]),
            severity: Severity::High,
            since: time("2023-10-01T12:00:00Z"),
            until: time("2023-10-01T12:00:00Z"),
            entities: vec![],
            services: vec![],
            first: group[0].into(),
            anomalies: group.iter().map(|name| name.to_string()).collect(),
        };
        let record = RunRecord { incidents: groups.iter().map(incident).collect(), ..record() };
        let shown = summary(&report(), &record, &[], plain(120));
        shown.lines().find_map(|line| line.strip_prefix("Anomalies: ")).unwrap().to_string()
    };
    assert_eq!(line(&[&names]), "1 high, 1 medium, 1 low, in 1 incident");
    assert_eq!(line(&[&names[..1], &["other"], &names[1..]]), "1 high, 1 medium, 1 low, in 2 incidents");
    // Nothing new is said by it, or it is not known of each of them.
    for groups in [&[&names[..1], &names[1..2], &names[2..]][..], &[&names[..2]], &[]] {
        assert_eq!(line(groups), "1 high, 1 medium, 1 low");
    }
}

#[test]
fn what_rules_could_not_judge_takes_two_lines_at_most() {
    let rule =
        |rule: &str, series, of, needs: &str| Insufficient { rule: rule.into(), series, of, needs: needs.into() };
    let absent = |name: &str| rule(name, 0, 0, "records that have it");
    let line = |insufficient: &[Insufficient], width| {
        let record = RunRecord { insufficient: insufficient.to_vec(), ..record() };
        let shown = summary(&report(), &record, &[], plain(width));
        fits(&shown, width);
        let (_, after) = shown.split_once("Insufficient data: ").unwrap_or_default();
        after.split("\n\n").next().unwrap().to_string()
    };
    assert_eq!(line(&[], 100), "");
    assert_eq!(line(&[absent("io_wait")], 100), "io_wait (no record has what it judges)");
    let few = rule("orders#unusual", 1, 3, "more than 50 readings");
    let both = [absent("fans"), few.clone(), absent("io_wait#rate"), absent("fans#stale"), few.clone()];
    assert_eq!(
        line(&both, 100),
        "orders#unusual (1 of 3 series: it takes more than 50 readings), fans,\nio_wait#rate (nothing came that they judge)"
    );
    let many: Vec<Insufficient> = (0..30).map(|n| absent(&format!("metric_{n}"))).collect();
    assert_eq!(
        line(&many, 100),
        "metric_0, metric_1, metric_2, metric_3, metric_4, metric_5, metric_6, metric_7,\n\
         metric_8, metric_9, metric_10, metric_11, metric_12 and 17 more (nothing came that they judge)"
    );
    assert_eq!(line(&many, 40), "metric_0 and 29 more\n(nothing came that they judge)");
    assert_eq!(line(&[absent(&"x".repeat(200))], 40), "1 rule; the run\nrecord lists them");
    // A window of a live run says it in its record only.
    let span = crate::domain::WindowSpan { start: time("2023-10-02T12:00:00Z"), end: time("2023-10-02T12:01:00Z") };
    let window = crate::domain::WindowRecord {
        span,
        closed_by: crate::domain::ClosedBy::Idle,
        partial: false,
        late: 0,
        carried: 0,
    };
    let record = RunRecord { insufficient: both.to_vec(), window: Some(window), ..record() };
    assert!(!summary(&report(), &record, &[], plain(100)).contains("Insufficient"));
}

#[test]
fn nothing_found_is_said() {
    let mut report = report();
    report.anomalies.clear();
    report.recommendations.clear();
    report.service_status_summary = ServiceSummary::default();
    let mut record = record();
    record.inputs = vec![InputRecord { path: "-".into(), records: 1, ..InputRecord::default() }];
    insta::assert_snapshot!(summary(&report, &record, &[], plain(80)), @r#"
    Read       standard input: 1 record
    Insights   average_latency_ms 156.018, max_cpu_usage 99 (in 498 of 500 records),
               fans no data

    Anomalies: none

    Recommendations: none

    Services   the records name none
    Run        20231002-120001-beef, 12 ms
    "#);
}

#[test]
fn who_worded_and_why_not_the_model() {
    let mut record = record();
    record.model =
        Some(ModelIdentity { provider: "mistral".into(), model: "mistral-small".into(), base_url: String::new() });
    let worded = |id: &str, source, rejected: &[&str]| WordingRecord {
        recommendation: id.into(),
        source,
        repairs: 1,
        usage: Usage::default(),
        ledger: vec![],
        rejected: rejected.iter().map(|r| r.to_string()).collect(),
    };
    record.wordings = vec![worded("scale-out:api", WordingSource::Model, &["first try"])];
    let check = |record: &RunRecord, expected: &str| assert_eq!(wording(&report(), record), expected);
    check(&record, "1 by mistral-small (mistral), 1 by templates");
    record.wordings.push(worded("restart:cache", WordingSource::Template, &["a", "the figure `95%` is no fact's"]));
    check(&record, "1 by mistral-small (mistral), 1 by templates\nrestart:cache: the figure `95%` is no fact's");
    record.wordings = vec![worded("restart:cache", WordingSource::Template, &[])];
    check(&record, "2 by templates\nrestart:cache: no draft came");
    record.wordings = vec![worded("scale-out:api", WordingSource::Remembered, &[])];
    check(&record, "1 as in earlier windows, 1 by templates");
    record.wordings = vec![worded("restart:cache", WordingSource::Template, &[])];
    record.model = None;
    check(&record, "2 by templates, since no model was asked");
}

#[test]
fn what_it_took_to_ask_is_one_line() {
    let mut record = record();
    record.usage = Usage { calls: 1, failed: 1, ..Usage::default() };
    assert_eq!(usage(&record), "1 call, 1 failed");
    record.usage = Usage {
        calls: 12,
        failed: 0,
        cached: 3,
        retries: 2,
        fallbacks: 1,
        prompt_tokens: 7204,
        completion_tokens: 2600,
        cost: Figure::new(0.012_345),
    };
    record.currency = Some("EUR".into());
    let expected = "12 calls, 3 answers kept from earlier runs, 9804 tokens (2600 of them written), cost 0.0123 EUR, \
                    2 retries, 1 by a stand-in";
    assert_eq!(usage(&record), expected);
    for (amount, expected) in [
        (0.0, "0.00"),
        (12.345, "12.35"),
        (0.5, "0.500"),
        (0.000_408, "0.000408"),
        (1e-12, "0.000000000"),
        (1e9, "1000000000.00"),
    ] {
        assert_eq!(money(amount), expected);
    }
}

#[test]
fn tasks_that_did_not_finish_are_listed() {
    let mut record = record();
    record.tasks = vec![TaskRecord {
        node: "wording".into(),
        item: Some(1),
        attempts: 3,
        outcome: crate::domain::TaskOutcome::Skipped,
        error: Some("no answer in time".into()),
        elapsed_ms: 30_000,
    }];
    let shown = summary(&report(), &record, &[], plain(100));
    assert!(shown.contains("Missing    wording[1] skipped after 3 attempts: no answer in time\n"), "{shown}");
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let mut report = report();
    report.anomalies = (0..57).map(|n| anomaly(Severity::Low, &format!("m{n}"), 1.0, 1.0)).collect();
    report.recommendations = (0..30).map(|n| recommendation(&format!("r{n}"), "web")).collect();
    let shown = summary(&report, &record(), &[], plain(100));
    assert!(
        shown.contains("… and 37 more in the report\n") && shown.contains("… and 10 more in the report\n"),
        "{shown}"
    );
}

#[test]
fn a_line_for_each_kind_of_fault_names_the_first_place() {
    let mut inputs = record().inputs;
    let fault = |count, row, detail: &str| Fault {
        code: "AG0108".into(),
        what: "malformed record".into(),
        count,
        examples: vec![FaultExample { row, detail: detail.into() }],
    };
    inputs[0].format = "csv".into();
    inputs.push(InputRecord { path: "-".into(), format: "json".into(), ..InputRecord::default() });
    inputs[1].faults = vec![fault(1, 3, "`{\"a\":`"), fault(2, 1, &"x".repeat(130))];
    insta::assert_snapshot!(faults(&inputs), @r#"
    note: fixtures/infrastructure.json: AG0105: not a number, 2 times, first at line 17: cpu_usage is "high"
    note: standard input: AG0108: malformed record, at element 3: `{"a":`
    note: standard input: AG0108: malformed record, 2 times, first at element 1: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    "#);
    assert_eq!(faults(&[InputRecord::default()]), "");
}

#[test]
fn no_text_of_telemetry_or_model_acts_on_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\u{200b}\r\n\u{9b}2J".to_string();
    let mut report = report();
    let mut record = record();
    report.insights.0.insert(evil.clone(), None);
    for anomaly in &mut report.anomalies {
        (anomaly.metric, anomaly.description) = (evil.clone(), evil.clone());
    }
    for r in &mut report.recommendations {
        (r.action, r.target, r.benefit_estimate) = (evil.clone(), evil.clone(), evil.clone());
    }
    report.service_status_summary.offline = vec![evil.clone()];
    record.run = evil.clone();
    record.inputs[0].path = evil.clone();
    record.inputs[0].faults[0] = Fault {
        code: evil.clone(),
        what: evil.clone(),
        count: 1,
        examples: vec![FaultExample { row: 1, detail: evil.clone() }],
    };
    record.model = Some(ModelIdentity { provider: evil.clone(), model: evil.clone(), base_url: evil.clone() });
    record.wordings = vec![WordingRecord {
        recommendation: evil.clone(),
        source: WordingSource::Template,
        repairs: 0,
        usage: Usage::default(),
        ledger: vec![],
        rejected: vec![evil.clone()],
    }];
    record.tasks = vec![TaskRecord {
        node: evil.clone(),
        item: None,
        attempts: 1,
        outcome: crate::domain::TaskOutcome::Failed,
        error: Some(evil.clone()),
        elapsed_ms: 0,
    }];
    for width in [0, 60, 120, usize::MAX] {
        let shown = summary(&report, &record, std::slice::from_ref(&evil), plain(width));
        let bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!shown.contains(bad), "{shown:?}");
        assert!(!faults(&record.inputs).contains(bad));
        fits(&shown, width.clamp(40, 400));
    }
}
