use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::html::html;
use super::markdown::{code, markdown, prose};
use super::*;
use crate::cli::render::safe;
use crate::domain::{
    Aspect, Bands, ChartBands, ChartSeries, Coverage, Episode, Fault, FaultExample, Figure, Incident, InputRecord,
    Insights, Insufficient, ModelIdentity, Parameter, Phase, ReportAnomaly, ReportRecommendation, RunStatus,
    ServiceSummary, Severity, TaskOutcome, TaskRecord, Timestamp, WordingRecord, WordingSource,
};

const HOSTILE: [&str; 26] = [
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "![](http://evil.example/x.png)",
    "](http://evil.example)",
    "http://evil.example/?a=1&b=2",
    "www.evil.example",
    "evil.example",
    "@everyone",
    "me@evil.example",
    "#12 and GH-12 and owner/repo#3",
    "\u{202e}gnirts\u{202c} \u{2066}x\u{2069} \u{200f}",
    "\u{1b}[31m\u{7}\0\r\n\t",
    "a | b || c",
    "`code` ``` ``",
    "*bold* _it_ ~~no~~ **",
    "# head",
    "- item",
    "1. item",
    "> quote",
    "---",
    "&lt;b&gt; &#60; &amp;",
    "\" onload=\"x\" '",
    ":fire: $x$ <!channel> <@U1>",
    "]]> <!-- --> <?php ?>",
];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn figure(value: f64) -> Figure {
    Figure::new(value).unwrap()
}

/// Everything that can be shown, with this text in every place that telemetry, a model, a file or the graph fills.
fn all(h: &str) -> (Report, Known) {
    let text = || h.to_string();
    let (start, end) = (at("2024-01-01T00:00:00Z"), at("2024-01-01T01:00:00Z"));
    let names = [h.to_string(), format!("{h}#rate"), format!("service_status.{h}")];
    let reported = |name: &String, severity| ReportAnomaly {
        metric: name.clone(),
        value: figure(95.0),
        threshold: figure(90.0),
        severity,
        description: text(),
    };
    let recommendation = |id: String| ReportRecommendation {
        id,
        action: text(),
        target: text(),
        parameters: [(text(), Parameter::Text(text())), ("n".into(), Parameter::Number(figure(1.5)))].into(),
        benefit_estimate: text(),
    };
    let report = Report {
        timestamp: end,
        insights: Insights([(text(), Some(figure(1234.5))), ("none".to_string(), None)].into_iter().collect()),
        anomalies: names
            .iter()
            .zip([Severity::High, Severity::Medium, Severity::Low])
            .map(|(n, s)| reported(n, s))
            .collect(),
        recommendations: vec![recommendation(text()), recommendation(format!("other {h}"))],
        service_status_summary: ServiceSummary { online: vec![text()], degraded: vec![text()], offline: vec![text()] },
    };
    let found = |name: &String| Anomaly {
        name: name.clone(),
        metric: text(),
        entity: Some(text()),
        unit: Some(text()),
        description: text(),
        value: figure(95.0),
        severity: Severity::High,
        episode: Some(Episode {
            id: text(),
            phase: Phase::Opened,
            since: start,
            worst_severity: Severity::High,
            windows: 1,
        }),
        ..Anomaly::example("x", 95.0, Severity::High)
    };
    let bands = Bands { low: Some(figure(70.0)), medium: None, high: Some(figure(90.0)) };
    let series = |name: String, metric: String| ChartSeries {
        name,
        metric,
        service: None,
        entity: Some(text()),
        label: Some(text()),
        unit: Some(text()),
        bands: vec![ChartBands { aspect: Aspect::Above, bands, partly: false }],
        start,
        width_micros: 1 << 26,
        at: vec![0, 1, 3, 40],
        least: [10.0, 20.0, 91.0, 5.0].map(figure).into(),
        greatest: [20.0, 75.0, 95.0, 5.0].map(figure).into(),
        mean: [15.0, 50.0, 93.0, 5.0].map(figure).into(),
        records: vec![2, 2, 2, 1],
    };
    let incident = Incident {
        id: text(),
        severity: Severity::High,
        since: start,
        until: end,
        entities: vec![text()],
        services: vec![text()],
        first: text(),
        anomalies: names[..2].to_vec(),
    };
    let wording = |source| WordingRecord {
        recommendation: text(),
        source,
        repairs: 0,
        usage: Default::default(),
        ledger: vec![],
        rejected: vec![text()],
    };
    let input = InputRecord {
        node: text(),
        path: text(),
        format: text(),
        records: 1000,
        bad: 2,
        first: Some(start),
        last: Some(end),
        faults: vec![Fault {
            code: text(),
            what: text(),
            count: 2,
            examples: vec![FaultExample { row: 7, detail: text() }],
        }],
        entities: 3,
        bytes: 1,
    };
    let record = RunRecord {
        version: 1,
        run: text(),
        graph: text(),
        status: RunStatus::Done,
        started: start,
        ended: Some(end),
        error: None,
        window: None,
        inputs: vec![input],
        coverage: vec![Coverage { insight: text(), metric: text(), records: 900, of: 1000 }],
        completeness: vec![],
        tasks: vec![TaskRecord {
            node: text(),
            item: None,
            attempts: 1,
            outcome: TaskOutcome::Skipped,
            error: Some(text()),
            elapsed_ms: 1,
        }],
        model: Some(ModelIdentity { provider: text(), model: text(), base_url: text() }),
        calls: vec![],
        usage: Default::default(),
        currency: None,
        wordings: vec![wording(WordingSource::Model), wording(WordingSource::Remembered)],
        deliveries: vec![],
        episodes: vec![],
        insufficient: vec![Insufficient { rule: text(), series: 1, of: 2, needs: text() }],
        incidents: vec![incident],
        stored: vec![],
    };
    let charts =
        Charts { series: vec![series(text(), text()), series(format!("{h} other"), format!("{h} o"))], left_out: 3 };
    let answers = [(text(), vec![text(), text()])].into();
    (report, Known { record: Some(record), anomalies: names.iter().map(found).collect(), answers, charts })
}

fn check_html(text: &str, hostile: &str) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document =
        roxmltree::Document::parse_with_options(text, options).unwrap_or_else(|why| panic!("{why}: {hostile:?}"));
    const ELEMENTS: [&str; 46] = [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "div",
        "span",
        "b",
        "a",
        "bdi",
        "time",
        "dl",
        "dt",
        "dd",
        "ol",
        "ul",
        "li",
        "figure",
        "figcaption",
        "svg",
        "desc",
        "g",
        "rect",
        "path",
        "circle",
        "text",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
    ];
    const ATTRIBUTES: [&str; 38] = [
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "id",
        "href",
        "datetime",
        "aria-label",
        "aria-labelledby",
        "role",
        "scope",
        "viewBox",
        "transform",
        "x",
        "y",
        "width",
        "height",
        "fill",
        "opacity",
        "d",
        "stroke",
        "stroke-dasharray",
        "stroke-width",
        "text-anchor",
        "font-weight",
        "cx",
        "cy",
        "r",
        "title",
        "alt",
        "cols",
        "rows",
        "span",
        "dir",
        "translate",
        "open",
    ];
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(ELEMENTS.contains(&node.tag_name().name()), "<{}>: {hostile:?}", node.tag_name().name());
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(ATTRIBUTES.contains(&key), "{key}: {hostile:?}");
            match key {
                "href" => assert!(value.starts_with('#'), "{value}"),
                // A name is read to people; what leads elsewhere or is code stands in none of these.
                "aria-label" => {}
                _ => assert!(!value.contains("http") && !value.contains("script:"), "{key}={value}"),
            }
        }
    }
    let style: Vec<&str> =
        document.descendants().filter(|node| node.has_tag_name("style")).filter_map(|node| node.text()).collect();
    assert!(style.len() == 1 && style[0].trim() == include_str!("page.css").trim(), "{hostile:?}");
    assert!(!style[0].contains("url(") && !style[0].contains("@import") && !style[0].contains("http"));
    assert!(!document.descendants().any(|node| node.is_pi() || node.is_comment()));
}

/// The blocks of a text: what no hostile name may change. And what of its inline parts there must not be.
fn check_markdown(text: &str, hostile: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let mut blocks = Vec::new();
    let mut plain = String::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Html(_) | Event::InlineHtml(_) | Event::FootnoteReference(_) | Event::InlineMath(_) => {
                panic!("{event:?}: {hostile:?}\n{text}")
            }
            Event::DisplayMath(_) | Event::TaskListMarker(_) | Event::Rule => panic!("{event:?}: {hostile:?}\n{text}"),
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Strikethrough) => {
                panic!("{event:?}: {hostile:?}\n{text}")
            }
            Event::Text(text) => plain.push_str(&text),
            Event::Code(_) => plain.push(' '),
            Event::SoftBreak | Event::HardBreak => blocks.push("break".to_string()),
            event => blocks.push(format!("{event:?}")),
        }
    }
    for sign in ["@", "://", "www.", "<", "evil.example", "GH-", "#1", "\u{202e}", ":fire:"] {
        assert!(!plain.contains(sign), "{sign} is no code: {hostile:?}\n{text}");
    }
    blocks
}

#[test]
fn hostile_names_are_shown_as_text() {
    let calm = |language| {
        let (report, known) = all("name");
        check_markdown(&markdown(&Page { report: &report, language, known: &known }), "name")
    };
    for language in Language::ALL {
        let blocks = calm(language);
        for hostile in HOSTILE {
            let (report, known) = all(hostile);
            for known in [&known, &Known::default()] {
                let page = Page { report: &report, language, known };
                let shown = html(&page);
                check_html(&shown, hostile);
                let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
                let document = roxmltree::Document::parse_with_options(&shown, options).unwrap();
                let body = document.descendants().find(|node| node.has_tag_name("body")).unwrap();
                let texts: String =
                    body.descendants().filter_map(|node| node.is_text().then(|| node.text())?).collect();
                // Every field of the report, and each as it is.
                assert!(texts.matches(&*safe(hostile)).count() >= 18, "{hostile:?}");
                let text = markdown(&page);
                let found = check_markdown(&text, hostile);
                if known.record.is_some() {
                    assert_eq!(found, blocks, "{hostile:?}\n{text}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_the_names_are_the_page_is_well_formed(pieces in prop::collection::vec(prop_oneof![
        any::<String>(), prop::sample::select(&HOSTILE[..]).prop_map(str::to_string), "[`|*_<>&@:/\\\\\\[\\]()#. -]{0,12}"
    ], 1..4)) {
        let name = pieces.concat();
        let (report, known) = all(&name);
        let page = Page { report: &report, language: Language::En, known: &known };
        check_html(&html(&page), &name);
        let (calm, calm_known) = all("name");
        let calm = check_markdown(&markdown(&Page { report: &calm, language: Language::En, known: &calm_known }), "name");
        prop_assert_eq!(check_markdown(&markdown(&page), &name), calm);
    }
}

#[test]
fn names_are_code_and_sentences_only_where_they_must() {
    assert_eq!(code("cpu_usage@web-1"), "`cpu_usage@web-1`");
    assert_eq!(code("a`b"), "``a`b``");
    assert_eq!(code("`x"), "`` `x ``");
    assert_eq!(code(""), "`  `");
    for plain in [
        "CPU usage peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records.",
        "L'état a chuté à 4\u{a0}°C.",
    ] {
        assert_eq!(prose(plain), plain);
    }
    assert_eq!(prose("at 2024-01-01T00:00:00Z, worst"), "at 2024-01-01T00:00:00Z, worst");
    assert_eq!(prose("on web_1, @all."), "on `web_1`, `@all`.");
    assert_eq!(prose("Both: `cpu > 80 && x` held"), "Both: `cpu > 80 && x` held");
}

#[test]
fn without_an_anomaly_the_page_says_so_and_what_was_not_judged() {
    let (mut report, mut known) = all("name");
    report.anomalies.clear();
    report.recommendations.clear();
    known.anomalies.clear();
    for (language, clear, not_judged) in [
        (Language::En, "No anomalies", "Not everything could be judged"),
        (Language::Fr, "Aucune anomalie", "Tout n’a pas pu être jugé"),
    ] {
        let page = Page { report: &report, language, known: &known };
        for text in [html(&page), markdown(&page)] {
            assert!(text.contains(clear) && text.contains(not_judged), "{text}");
        }
        check_html(&html(&page), "name");
    }
}

#[test]
fn a_page_of_very_many_anomalies_is_bounded_in_its_cards_and_whole_in_its_table() {
    let (mut report, mut known) = all("name");
    let one = report.anomalies[0].clone();
    report.anomalies = (0..3_000).map(|n| ReportAnomaly { metric: format!("cpu@host-{n}"), ..one.clone() }).collect();
    let incident = known.record.as_ref().unwrap().incidents[0].clone();
    known.record.as_mut().unwrap().incidents = (0..3_000)
        .map(|n| Incident { id: n.to_string(), anomalies: vec![format!("cpu@host-{n}")], ..incident.clone() })
        .collect();
    let shown = html(&Page { report: &report, language: Language::En, known: &known });
    check_html(&shown, "name");
    assert!(shown.matches("<article").count() <= 160, "{}", shown.matches("<article").count());
    assert!((0..3_000).all(|n| shown.contains(&format!("<bdi>cpu@host-{n}</bdi>"))));
}

/// Readings that are far apart for the length of a bucket are one episode all the same, coloured as bad as each was.
#[test]
fn an_episode_is_shaded_from_its_first_reading_to_its_last() {
    let (report, known) = all("name");
    let page = Page { report: &report, language: Language::En, known: &known };
    let values = [10.0, 72.0, 75.0, 95.0, 96.0, 71.0, 10.0, 93.0, 10.0].map(figure);
    let series = ChartSeries {
        width_micros: 1,
        at: (0..9).map(|n| n * 60_000_000).collect(),
        least: values.into(),
        greatest: values.into(),
        mean: values.into(),
        records: vec![1; 9],
        ..known.charts.series[0].clone()
    };
    let axis = (series.start.micros(), series.start.micros() + 480_000_001);
    let svg = super::figures::chart(&page, &series, None, axis, "c");
    let of = |class: &str| svg.matches(&format!("class=\"shade {class}\"")).count();
    assert_eq!((of("low"), of("high")), (2, 2), "{svg}");
    assert!(svg.contains("class=\"shade low\" x=\"38.7\" y=\"0\" width=\"77.5\""), "{svg}");
}
