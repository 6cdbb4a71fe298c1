//! The report as Markdown for chats and tickets, in the flavour of GitHub.
//!
//! What comes from telemetry or a model is prose or a name. A name is a code span, in which nothing is markup, a link or
//! a mention. Of prose each word that could be something else than a word is one.

use std::fmt::Write;

use super::Page;
use super::story::{First, Group, Story, answers, figures, insights, told};
use super::words::{Words, moment, number_of};
use crate::cli::render::safe;
use crate::domain::{Parameter, ReportRecommendation};
use crate::wording::number;

/// The whole text.
pub fn markdown(page: &Page<'_>) -> String {
    let story = Story::of(page);
    let w = story.words;
    let mut out = String::new();
    head(&mut out, page, &story);
    for (at, group) in story.groups.iter().enumerate() {
        self::group(&mut out, page, w, at, group);
    }
    if !story.others.is_empty() {
        let title = if story.groups.is_empty() { w.recommendations } else { w.other_recommendations };
        line(&mut out, &format!("## {title}\n"));
        recommendations(&mut out, page, w, &story.others);
    }
    services(&mut out, page, w);
    let rows: Vec<_> = insights(page).collect();
    if !rows.is_empty() {
        line(&mut out, &format!("## {}\n", w.insights));
        line(&mut out, &format!("| {} | {} | {} |\n|---|---:|---|", w.name, w.value, w.coverage));
        for (insight, figure, coverage) in rows {
            let coverage = cell(&prose(&coverage.unwrap_or_default()));
            line(&mut out, &format!("| {} | {} | {coverage} |", cell(&code(insight)), cell(&prose(&figure))));
        }
        out.push('\n');
    }
    let told = told(page);
    if !told.is_empty() {
        line(&mut out, &format!("## {}\n", w.about));
    }
    for told in told {
        line(&mut out, &format!("- **{}**{}", told.term, w.colon));
        for item in told.lines {
            let name = item.name.as_deref().map_or_else(String::new, |name| code(name) + " ");
            let raw = item.raw.as_deref().map_or_else(String::new, |raw| " ".to_string() + &code(raw));
            line(&mut out, &format!("  - {name}{}{raw}", prose(&item.text)));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn line(out: &mut String, text: &str) {
    let (text, blank) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
    out.push_str(text.trim_end_matches(' '));
    out.push('\n');
    out.push_str(blank);
}

fn head(out: &mut String, page: &Page<'_>, story: &Story<'_>) {
    let (w, language) = (story.words, page.language);
    let graph = page.known.record.as_ref().map(|record| code(&record.graph));
    let graph = graph.map_or_else(String::new, |graph| format!("{} {graph}", w.colon));
    line(out, &format!("# {}{graph}\n", w.title));
    line(out, &format!("**{}**\n", story.headline));
    for (term, first) in &story.first {
        let text = match first {
            First::Prose(text) => prose(text),
            First::Names(names) => names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "),
            First::Time(time) => moment(*time, language),
        };
        line(out, &format!("- **{term}**{} {text}", w.colon));
    }
    line(out, &format!("- **{}**{} {}", w.newest_record, w.colon, moment(page.report.timestamp, language)));
    if let Some(window) = page.known.record.as_ref().and_then(|record| record.window.as_ref()) {
        let [start, end] = [window.span.start, window.span.end].map(|time| moment(time, language));
        line(out, &format!("- **{}**{} {}", w.window, w.colon, w.span(&start, &end)));
    }
    if page.known.record.as_ref().is_some_and(|record| !record.insufficient.is_empty()) && story.worst.is_none() {
        line(out, &format!("- {}", w.not_all_judged));
    }
    out.push('\n');
}

fn group(out: &mut String, page: &Page<'_>, w: &Words, at: usize, group: &Group<'_>) {
    let language = page.language;
    match group.incident {
        Some(incident) => {
            let places: Vec<String> =
                incident.entities.iter().chain(&incident.services).map(|name| code(name)).collect();
            let colon = if places.is_empty() { "" } else { w.colon };
            let severity = w.severity(incident.severity);
            line(out, &format!("## {} {} ({severity}){colon} {}\n", w.incident, at + 1, places.join(", ")));
            let (since, until) = (moment(incident.since, language), moment(incident.until, language));
            let (when, first) = (w.lasted(&since, &until), code(&incident.first));
            line(out, &format!("{when}. {}{} {first}\n", w.came_first, w.colon));
        }
        None => line(out, &format!("## {}\n", w.anomalies)),
    }
    for anomaly in &group.anomalies {
        let [value, threshold] = figures(page, anomaly).map(|figure| prose(&figure));
        let mut text = format!(
            "- **{}** {}{} {value} ({} {threshold}). {}",
            w.severity(anomaly.severity),
            code(&anomaly.metric),
            w.colon,
            w.threshold.to_lowercase(),
            prose(&anomaly.description)
        );
        let answers: Vec<String> = answers(page, &anomaly.metric).iter().map(ToString::to_string).collect();
        if !answers.is_empty() {
            let _ = write!(text, " *{} {}.*", w.see, answers.join(", ")); // to a string: cannot fail
        }
        line(out, &text);
    }
    out.push('\n');
    if !group.recommendations.is_empty() {
        line(out, &format!("### {}\n", w.recommendations));
        recommendations(out, page, w, &group.recommendations);
    }
}

fn recommendations(out: &mut String, page: &Page<'_>, w: &Words, list: &[(usize, &ReportRecommendation)]) {
    for (at, made) in list {
        line(out, &format!("- **{at}.** {}", prose(&made.action)));
        line(out, &format!("  - {}{} {}", w.target, w.colon, code(&made.target)));
        line(out, &format!("  - {}{} {}", w.benefit, w.colon, prose(&made.benefit_estimate)));
        let parameter = |(key, value): (&String, &Parameter)| {
            let value = match value {
                Parameter::Number(figure) => number(*figure, page.language),
                Parameter::Flag(flag) => flag.to_string(),
                Parameter::Text(text) => text.clone(),
            };
            format!("{} = {}", code(key), code(&value))
        };
        let parameters: Vec<String> = made.parameters.iter().map(parameter).collect();
        if !parameters.is_empty() {
            line(out, &format!("  - {}{} {}", w.parameters, w.colon, parameters.join(", ")));
        }
        let names: Vec<String> =
            page.known.answers.get(&made.id).into_iter().flatten().map(|name| code(name)).collect();
        if !names.is_empty() {
            line(out, &format!("  - {}{} {}", w.answers, w.colon, names.join(", ")));
        }
        line(out, &format!("  - id{} {}", w.colon, code(&made.id)));
    }
    out.push('\n');
}

fn services(out: &mut String, page: &Page<'_>, w: &Words) {
    line(out, &format!("## {}\n", w.services));
    let services = &page.report.service_status_summary;
    let [online, degraded, offline] = w.statuses;
    let lists = [(offline, &services.offline), (degraded, &services.degraded), (online, &services.online)];
    for (status, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.iter().map(|name| code(name)).collect();
        let many = number_of(names.len(), ["", ""], page.language);
        line(out, &format!("- **{status}** ({}){} {}", many.trim(), w.colon, names.join(", ")));
    }
    if lists.iter().all(|(_, names)| names.is_empty()) {
        line(out, w.no_services);
    }
    out.push('\n');
}

/// A code span that shows the text, whatever is in it.
pub fn code(text: &str) -> String {
    let text = safe(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // Of a span that begins or ends with a space or a backtick, or is empty, one space on either side is taken off.
    let is_bare = text.starts_with([' ', '`']) || text.ends_with([' ', '`']) || text.is_empty();
    let pad = if is_bare { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// In a cell of a table a bar would end it, also within a code span.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A sentence in which each word that could be something else than a word is a code span. What stands between backticks
/// already is one, as sentences about conditions have it.
pub fn prose(text: &str) -> String {
    let text = safe(text);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len() < 3 || parts.len().is_multiple_of(2) || parts.iter().any(|part| part.is_empty()) {
        return words(&text);
    }
    let part = |(at, part): (usize, &&str)| if at % 2 == 1 { code(part) } else { words(part) };
    parts.iter().enumerate().map(part).collect()
}

fn words(text: &str) -> String {
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let leads = |c: char| matches!(c, '(' | '"' | '«' | '“' | '’');
    let ends = |c: char| matches!(c, '.' | ',' | ';' | ':' | ')' | '"' | '»' | '”' | '?' | '!' | '%');
    let inner = word.trim_start_matches(leads).trim_end_matches(ends);
    let start = word.len() - word.trim_start_matches(leads).len();
    if inner.is_empty() {
        return if word.len() > 1 && word.contains(':') { code(word) } else { word.to_string() };
    }
    let (lead, end) = (word.get(..start).unwrap_or(""), word.get(start + inner.len()..).unwrap_or(""));
    // `:fire:`
    if inner.contains(':') && end.contains(':') {
        return code(word);
    }
    if is_plain(inner) { word.to_string() } else { format!("{lead}{}{end}", code(inner)) }
}

/// Whether a word is one: no markup, link, mention, reference or sign of anything else.
fn is_plain(word: &str) -> bool {
    let is_harmless = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '.' | ',' | ';' | ':' | '(' | ')' | '%' | '\'' | '’' | '"' | '/' | '+' | '-' | '=')
            || matches!(
                c,
                '?' | '°' | 'µ' | '–' | '—' | '…' | '«' | '»' | '“' | '”' | '²' | '³' | '·' | '×' | '≥' | '≤'
            )
            || matches!(c, '\u{a0}' | '\u{202f}')
    };
    let bytes = word.as_bytes();
    // `evil.example`, which some make a link of; a time has digits there.
    let has_domain = bytes.windows(3).any(|three| matches!(three, [a, b'.', b] if is_letter(*a) && is_letter(*b)));
    let is_time = word.chars().all(|c| c.is_ascii_digit() || matches!(c, 'T' | 'Z' | ':' | '-' | '.' | '+'));
    let is_hash = word.len() >= 7
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic);
    let is_issue = word.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("gh-"));
    let has_colons = word.matches(':').count() > 1 || word.contains("://") || word.contains(":/");
    // A letter of a script that runs from right to left would turn what stands around it.
    let turns = word.chars().any(|c| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'));
    is_time || (word.chars().all(is_harmless) && !has_domain && !is_hash && !is_issue && !has_colons && !turns)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !byte.is_ascii()
}
