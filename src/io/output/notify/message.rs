//! What is posted.

use serde::Serialize;
use serde_json::{Value, json};

use super::change::{Change, Phase};
use crate::domain::{Language, Report, Severity, WindowRecord};

/// Lines that a message shows; the report has them all.
const ANOMALIES: usize = 10;
const RECOMMENDATIONS: usize = 5;
/// Names in the line that notifications show.
const NAMES: usize = 3;
/// Slack takes 3,000 characters in a section.
const SECTION: usize = 2_900;
/// Characters of one sentence, before they are escaped.
const SENTENCE: usize = 400;
/// Slack takes 255 characters in the id of a block.
const BLOCK_ID: usize = 255;

/// One anomaly as it is told.
pub struct Finding {
    pub name: String,
    pub severity: Severity,
    pub description: String,
}

/// What a message is made of. As JSON: the report itself, and of which run and window it is.
#[derive(Serialize)]
pub struct Message<'a> {
    #[serde(rename = "idempotency_key")]
    pub key: &'a str,
    pub run: &'a str,
    pub window: Option<&'a WindowRecord>,
    #[serde(skip)]
    pub language: Language,
    pub changes: &'a [Change],
    /// Worst first.
    #[serde(skip)]
    pub findings: &'a [Finding],
    pub report: &'a Report,
}

impl Message<'_> {
    /// Block Kit, all of it as plain text: nothing that telemetry or a model wrote is read as markup. `text` is what
    /// notifications show, and receivers without blocks; the key is the id of the first block.
    pub fn slack(&self) -> Value {
        let french = self.language == Language::Fr;
        let headline = self.headline();
        let advice = self.report.recommendations.iter().take(RECOMMENDATIONS);
        let advice: Vec<String> =
            advice.map(|made| format!("• {} {}", shown(&made.action), shown(&made.benefit_estimate))).collect();
        let id: String = self.key.chars().take(BLOCK_ID).collect();
        let mut blocks = vec![json!({ "type": "header", "block_id": id, "text": plain(&headline) })];
        let recommended = if french { "Recommandé" } else { "Recommended" };
        for (title, lines, of) in [
            (None, self.anomalies(), self.findings.len() + self.unmentioned().count() + self.over().count()),
            (Some(recommended), advice, self.report.recommendations.len()),
        ] {
            let Some(section) = section(title, &lines, of, french) else { continue };
            blocks.push(json!({ "type": "section", "text": plain(&section) }));
        }
        blocks.push(json!({ "type": "context", "elements": [plain(&shown(&self.context()))] }));
        json!({ "text": self.one_line(&headline), "mrkdwn": false, "blocks": blocks })
    }

    /// The headline and the first names. Some receivers read this as Markdown, so no sign that means something there or
    /// to Slack is left in a name.
    fn one_line(&self, headline: &str) -> String {
        let told = self.changes.iter().map(|change| change.anomaly.as_str());
        let mut names: Vec<&str> = Vec::new();
        for name in told.chain(self.findings.iter().map(|finding| finding.name.as_str())) {
            if !names.contains(&name) && names.len() < NAMES {
                names.push(name);
            }
        }
        let names: Vec<String> = names.into_iter().map(|name| inert(&cut(name))).collect();
        let colon = colon(self.language);
        if names.is_empty() { headline.to_string() } else { format!("{headline}{colon} {}", names.join(", ")) }
    }

    fn headline(&self) -> String {
        let untold = self.unmentioned().map(|change| change.severity);
        let severities: Vec<Severity> = self.findings.iter().map(|finding| finding.severity).chain(untold).collect();
        let over = self.over().count();
        match (self.language, severities.iter().max(), severities.len(), over) {
            (Language::En, None, _, 0) => "No anomaly".to_string(),
            (Language::En, None, _, 1) => "1 anomaly is over".to_string(),
            (Language::En, None, _, n) => format!("{n} anomalies are over"),
            (Language::En, Some(worst), 1, _) => format!("1 anomaly, {} severity", worst.word()),
            (Language::En, Some(worst), n, _) => format!("{n} anomalies, the worst of {} severity", worst.word()),
            (Language::Fr, None, _, 0) => "Aucune anomalie".to_string(),
            (Language::Fr, None, _, 1) => "1 anomalie terminée".to_string(),
            (Language::Fr, None, _, n) => format!("{n} anomalies terminées"),
            (Language::Fr, Some(worst), 1, _) => format!("1 anomalie, gravité {}", word(*worst, Language::Fr)),
            (Language::Fr, Some(worst), n, _) => {
                format!("{n} anomalies, la pire de gravité {}", word(*worst, Language::Fr))
            }
        }
    }

    /// Open episodes of which the receiver was not told, and of which this window says nothing.
    fn unmentioned(&self) -> impl Iterator<Item = &Change> {
        let is_found = |change: &Change| self.findings.iter().any(|finding| finding.name == change.anomaly);
        self.changes.iter().filter(move |change| change.phase != Phase::Resolved && !is_found(change))
    }

    fn over(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.phase == Phase::Resolved)
    }

    /// What has changed first, then the others, worst first; then what is told late, and what is over at the end.
    fn anomalies(&self) -> Vec<String> {
        let colon = colon(self.language);
        let is_of = |change: &Change, name: &str| change.phase != Phase::Resolved && change.anomaly == name;
        let change = |name: &str| self.changes.iter().find(|change| is_of(change, name));
        let (news, others): (Vec<&Finding>, Vec<&Finding>) =
            self.findings.iter().partition(|finding| change(&finding.name).is_some());
        let found = news.into_iter().chain(others).take(ANOMALIES).map(|finding| {
            let severity = word(finding.severity, self.language);
            let mark = change(&finding.name).map(|change| mark(change.phase, self.language));
            let mark = mark.map(|mark| format!(", {mark}")).unwrap_or_default();
            format!("• {severity}{mark}{colon} {}", shown(&finding.description))
        });
        let late = self.unmentioned().take(ANOMALIES).map(|change| {
            let (severity, mark) = (word(change.severity, self.language), mark(change.phase, self.language));
            format!("• {severity}, {mark}{colon} {}", shown(&change.anomaly))
        });
        let over = self.over().take(ANOMALIES).map(|change| {
            let mark = mark(change.phase, self.language);
            format!("• {mark}{colon} {}", shown(&change.anomaly))
        });
        found.chain(late).chain(over).collect()
    }

    fn context(&self) -> String {
        let run = if self.language == Language::Fr { "exécution" } else { "run" };
        match self.window {
            Some(window) => format!("{} – {} · {run} {}", window.span.start, window.span.end, self.run),
            None => format!("{} · {run} {}", self.report.timestamp, self.run),
        }
    }
}

/// Lines under a title, as many as fit; says how many of the `of` there are were left out.
fn section(title: Option<&str>, lines: &[String], of: usize, french: bool) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let mut text = title.unwrap_or_default().to_string();
    let mut length = text.chars().count();
    let mut shown = 0;
    for line in lines {
        length += line.chars().count() + 1;
        if length > SECTION {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
        shown += 1;
    }
    let left = of.saturating_sub(shown);
    if left > 0 {
        text.push_str(&if french { format!("\n… et {left} de plus") } else { format!("\n… and {left} more") });
    }
    Some(text)
}

fn word(severity: Severity, language: Language) -> &'static str {
    match (language, severity) {
        (Language::En, severity) => severity.word(),
        (Language::Fr, Severity::Low) => "faible",
        (Language::Fr, Severity::Medium) => "moyenne",
        (Language::Fr, Severity::High) => "élevée",
    }
}

fn colon(language: Language) -> &'static str {
    match language {
        Language::En => ":",
        Language::Fr => "\u{a0}:",
    }
}

fn mark(phase: Phase, language: Language) -> &'static str {
    match (language, phase) {
        (Language::En, Phase::Opened) => "new",
        (Language::En, Phase::Escalated) => "worse",
        (Language::En, Phase::Resolved) => "over",
        (Language::Fr, Phase::Opened) => "nouvelle",
        (Language::Fr, Phase::Escalated) => "aggravée",
        (Language::Fr, Phase::Resolved) => "terminée",
    }
}

/// A text object that is shown as it is: no markup, no emoji, no links, no mentions.
fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// A text of others on one line. Slack reads three characters in every text, plain ones too.
fn shown(text: &str) -> String {
    cut(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The same with the wide forms of all ASCII punctuation but the hyphen: to be read, and to mean nothing.
fn inert(text: &str) -> String {
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(' ');
    text.chars().map(|c| if c.is_ascii_punctuation() && c != '-' { wide(c) } else { c }).collect()
}

/// On one line, which no letter turns around, and not too long.
fn cut(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut letters = text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c });
    let mut text: String = letters.by_ref().take(SENTENCE).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClosedBy, Timestamp, WindowSpan};

    fn report(advice: usize) -> Report {
        let advice: Vec<Value> = (0..advice)
            .map(|n| {
                json!({ "id": format!("r{n}"), "action": format!("Restart <db> & cache {n}."), "target": "db",
                        "parameters": {}, "benefit_estimate": "Saves 3 ms." })
            })
            .collect();
        serde_json::from_value(json!({
            "timestamp": "2023-10-01T12:00:58Z", "insights": {}, "anomalies": [], "recommendations": advice,
            "service_status_summary": { "online": [], "degraded": [], "offline": [] },
        }))
        .unwrap()
    }

    fn finding(name: &str, severity: Severity, description: &str) -> Finding {
        Finding { name: name.to_string(), severity, description: description.to_string() }
    }

    fn change(anomaly: &str, phase: Phase) -> Change {
        Change { anomaly: anomaly.to_string(), episode: None, phase, severity: Severity::High }
    }

    fn slack(language: Language, advice: usize, findings: &[Finding], changes: &[Change]) -> Value {
        let [start, end] = ["2023-10-01T12:00:00Z", "2023-10-01T12:01:00Z"].map(|t| Timestamp::parse(t).unwrap());
        let closed_by = ClosedBy::Watermark;
        let window = WindowRecord { span: WindowSpan { start, end }, closed_by, partial: false, late: 0, carried: 0 };
        let report = report(advice);
        let window = Some(&window);
        let message = Message { key: "r1/alert", run: "r1", window, language, report: &report, findings, changes };
        message.slack()
    }

    #[test]
    fn the_words_of_a_message() {
        let findings = [
            finding("cpu@a", Severity::High, "CPU on a <!channel> peaked & fell."),
            finding("lag@b", Severity::Low, "Lag on b."),
        ];
        let changes = [change("lag@b", Phase::Opened), change("mem@c", Phase::Resolved)];
        let texts = [
            slack(Language::En, 1, &findings, &changes),
            slack(Language::Fr, 1, &findings, &changes),
            slack(Language::En, 0, &[], &[change("cpu@a", Phase::Resolved)]),
            slack(Language::Fr, 0, &[], &[]),
            slack(Language::En, 0, &findings[..1], &[change("cpu@a", Phase::Escalated)]),
            // The same again before the end was told, and one that is told late.
            slack(Language::En, 0, &findings[..1], &[change("cpu@a", Phase::Resolved), change("cpu@a", Phase::Opened)]),
            slack(Language::En, 0, &[], &[change("cpu@b", Phase::Opened), change("cpu@a", Phase::Resolved)]),
        ];
        let texts: Vec<String> = texts.iter().map(|message| all_texts(message).join("\n")).collect();
        insta::assert_snapshot!(texts.join("\n--\n"), @r"
        2 anomalies, the worst of high severity: lag＠b, mem＠c, cpu＠a
        2 anomalies, the worst of high severity
        • low, new: Lag on b.
        • high: CPU on a &lt;!channel&gt; peaked &amp; fell.
        • over: mem@c
        Recommended
        • Restart &lt;db&gt; &amp; cache 0. Saves 3 ms.
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1
        --
        2 anomalies, la pire de gravité élevée : lag＠b, mem＠c, cpu＠a
        2 anomalies, la pire de gravité élevée
        • faible, nouvelle : Lag on b.
        • élevée : CPU on a &lt;!channel&gt; peaked &amp; fell.
        • terminée : mem@c
        Recommandé
        • Restart &lt;db&gt; &amp; cache 0. Saves 3 ms.
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · exécution r1
        --
        1 anomaly is over: cpu＠a
        1 anomaly is over
        • over: cpu@a
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1
        --
        Aucune anomalie
        Aucune anomalie
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · exécution r1
        --
        1 anomaly, high severity: cpu＠a
        1 anomaly, high severity
        • high, worse: CPU on a &lt;!channel&gt; peaked &amp; fell.
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1
        --
        1 anomaly, high severity: cpu＠a
        1 anomaly, high severity
        • high, new: CPU on a &lt;!channel&gt; peaked &amp; fell.
        • over: cpu@a
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1
        --
        1 anomaly, high severity: cpu＠b, cpu＠a
        1 anomaly, high severity
        • high, new: cpu@b
        • over: cpu@a
        2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1
        ");
        let object = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
        let context = "2023-10-01T12:00:00Z – 2023-10-01T12:01:00Z · run r1";
        let blocks = json!([
            { "type": "header", "block_id": "r1/alert", "text": object("1 anomaly, high severity") },
            { "type": "section", "text": object("• high: CPU on a &lt;!channel&gt; peaked &amp; fell.") },
            { "type": "section", "text": object("Recommended\n• Restart &lt;db&gt; &amp; cache 0. Saves 3 ms.") },
            { "type": "context", "elements": [object(context)] },
        ]);
        let expected = json!({ "text": "1 anomaly, high severity: cpu＠a", "mrkdwn": false, "blocks": blocks });
        assert_eq!(slack(Language::En, 1, &findings[..1], &[]), expected);
    }

    /// Every text of a message: what notifications show, then block by block.
    fn all_texts(message: &Value) -> Vec<String> {
        let mut texts = vec![message["text"].as_str().unwrap().to_string()];
        for block in message["blocks"].as_array().unwrap() {
            let elements = block["elements"].as_array().cloned().unwrap_or_else(|| vec![block["text"].clone()]);
            for object in elements {
                assert_eq!((&object["type"], &object["emoji"]), (&json!("plain_text"), &json!(false)), "{block}");
                texts.push(object["text"].as_str().unwrap().to_string());
            }
        }
        texts
    }

    #[test]
    fn what_telemetry_wrote_is_no_markup_no_link_and_no_mention() {
        for hostile in [
            "<!channel>",
            "<@U1>",
            "<#C1|general>",
            "<https://evil.example|sign in>",
            "https://evil.example",
            "[sign in](https://evil.example)",
            "@channel",
            "*bold* _it_ ~no~ `code` ```block```",
            "&lt;!here&gt; &amp;",
            ":skull:",
            "a\n• high: db-1 is down\r\n> quoted",
            "\u{202e}lennahc!",
            "\u{2028}# Title",
        ] {
            let named = format!("cpu_usage@{hostile}");
            let findings = [finding(&named, Severity::High, &format!("CPU usage of {hostile} peaked."))];
            let gone = format!("lag@{hostile}");
            let changes = [change(&named, Phase::Opened), change(&gone, Phase::Resolved)];
            let message = slack(Language::En, 0, &findings, &changes);
            assert_eq!(message["mrkdwn"], false);
            let texts = all_texts(&message);
            let [line, header, section, _] = &texts[..] else { panic!("{texts:?}") };
            let names = line.strip_prefix("1 anomaly, high severity: ").unwrap();
            let means = |c: char| (c.is_ascii_punctuation() && !"-,".contains(c)) || c.is_control();
            assert!(!names.contains(means) && !names.replace(", ", "").contains(','), "{line}");
            assert_eq!(header, "1 anomaly, high severity");
            // Each line is one of ours, and the three signs that count in plain text stand for themselves.
            assert_eq!(section.lines().count(), 2, "{section}");
            assert!(section.lines().all(|line| line.starts_with("• ")), "{section}");
            let bare = section.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            assert!(!bare.contains(['<', '>', '&', '\u{202e}', '\u{2028}']), "{section}");
        }
        assert_eq!(inert("cpu_usage@web-1"), "cpu＿usage＠web-1", "can still be read");
    }

    #[test]
    fn a_message_stays_within_what_slack_takes() {
        let long = "<".repeat(5_000);
        let findings: Vec<Finding> = (0..40).map(|n| finding(&format!("m@{n}"), Severity::Low, &long)).collect();
        let changes: Vec<Change> = (0..40).map(|n| change(&format!("gone@{n}"), Phase::Resolved)).collect();
        let message = slack(Language::En, 30, &findings, &changes);
        let blocks = message["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks.iter().filter(|block| block["type"] == "section") {
            let text = block["text"]["text"].as_str().unwrap();
            assert!(text.chars().count() <= 3_000 && text.contains("more"), "{text}");
            let whole = ["&lt;", "&gt;", "&amp;"].iter().fold(text.to_string(), |text, sign| text.replace(sign, ""));
            assert!(!whole.contains(['&', ';']), "no entity is cut: {text}");
            let told = text.lines().filter(|line| line.starts_with("• ")).count();
            let of = if text.starts_with("Recommended") { 30 } else { 80 };
            assert!(text.ends_with(&format!("… and {} more", of - told)), "{text}");
        }
        assert!(message["text"].as_str().unwrap().chars().count() <= 3 * (SENTENCE + 3) + 100);
    }
}
