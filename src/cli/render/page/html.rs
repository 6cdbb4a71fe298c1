//! The page as one HTML file: no script, nothing fetched, well-formed as XML too.

use std::fmt::Write;

use super::Page;
use super::figures::{axis, chart, gauge, series_of};
use super::story::{First, Group, Story, answers, figures, found, insights, told};
use super::words::{Words, moment, number_of, words};
use crate::cli::render::chart::escape;
use crate::domain::{ChartSeries, Parameter, ReportAnomaly, ReportRecommendation, Severity, Timestamp};
use crate::wording::{count, number};

/// Anomalies of a group that have a card each; the table has them all.
const CARDS: usize = 40;
/// Charts of series without an anomaly.
const OTHERS: usize = 24;

/// The whole file. Every text passes [`escape`].
pub fn html(page: &Page<'_>) -> String {
    let story = Story::of(page);
    let mut sheet =
        Sheet { page, words: story.words, out: String::with_capacity(1 << 16), charts: 0, drawn: Vec::new() };
    sheet.head(&story);
    for (at, group) in story.groups.iter().enumerate() {
        sheet.group(at, group, &story);
    }
    if !story.others.is_empty() {
        let title =
            if story.groups.is_empty() { story.words.recommendations } else { story.words.other_recommendations };
        sheet.line(&format!("<section aria-labelledby=\"others\"><h2 id=\"others\">{}</h2>", escape(title)));
        sheet.recommendations(&story.others);
        sheet.line("</section>");
    }
    sheet.services();
    sheet.insights();
    sheet.all_anomalies();
    sheet.other_charts();
    sheet.about();
    sheet.out.push_str("</body>\n</html>\n");
    sheet.out
}

struct Sheet<'a> {
    page: &'a Page<'a>,
    words: &'static Words,
    out: String,
    /// So many ids are taken.
    charts: usize,
    /// Series that were drawn.
    drawn: Vec<&'a str>,
}

/// A sentence, its times kept on one line.
fn prose(text: &str) -> String {
    let is_time = |word: &str| {
        let mut bytes = word.bytes();
        bytes.by_ref().take(4).all(|byte| byte.is_ascii_digit()) && bytes.next() == Some(b'-') && word.contains('T')
    };
    let word = |word: &str| match is_time(word) {
        true => format!("<span class=\"time\">{}</span>", escape(word)),
        false => escape(word),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

impl<'a> Sheet<'a> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn time(&self, time: Timestamp) -> String {
        format!("<time datetime=\"{time}\">{}</time>", escape(&moment(time, self.page.language)))
    }

    fn badge(&self, severity: Severity) -> String {
        format!("<span class=\"badge {}\">{}</span>", severity.word(), escape(self.words.severity(severity)))
    }

    fn head(&mut self, story: &Story<'a>) {
        let (w, page) = (self.words, self.page);
        let graph = page.known.record.as_ref().map(|record| record.graph.as_str());
        let title = graph.map_or_else(|| w.title.to_string(), |graph| format!("{}{} {graph}", w.title, w.colon));
        let code = page.language.code();
        let _ = write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
             <title>{} – {}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
            escape(&story.headline),
            escape(&title),
            include_str!("page.css")
        );
        let class = story.worst.map_or("good", Severity::word);
        self.line("<header>");
        self.line(&format!("<h1>{}</h1>", escape(&title)));
        self.line(&format!("<p class=\"verdict {class}\">{}</p>", escape(&story.headline)));
        let mut as_of = format!("{}{} {}", w.newest_record, w.colon, self.time(page.report.timestamp));
        if let Some(window) = page.known.record.as_ref().and_then(|record| record.window.as_ref()) {
            let (start, end) = (self.time(window.span.start), self.time(window.span.end));
            let _ = write!(as_of, " · {}{} {}", w.window, w.colon, w.span(&start, &end)); // to a string: cannot fail
        }
        self.line(&format!("<p class=\"soft\">{as_of}</p>"));
        if page.known.record.as_ref().is_some_and(|record| !record.insufficient.is_empty()) && story.worst.is_none() {
            self.line(&format!("<p>{}</p>", escape(w.not_all_judged)));
        }
        self.line("</header>\n<main>");
        if !story.first.is_empty() {
            self.line(&format!("<dl class=\"glance\" aria-label=\"{}\">", escape(w.at_a_glance)));
            for (term, first) in &story.first {
                let text = match first {
                    First::Prose(text) => prose(text),
                    First::Names(names) => names.iter().map(|text| name(text)).collect::<Vec<_>>().join(", "),
                    First::Time(time) => self.time(*time),
                };
                self.line(&format!("<dt>{}</dt><dd>{text}</dd>", escape(term)));
            }
            self.line("</dl>");
        }
    }

    fn group(&mut self, at: usize, group: &Group<'a>, story: &Story<'a>) {
        let w = self.words;
        let id = format!("group-{}", at + 1);
        self.line(&format!("<section aria-labelledby=\"{id}\">"));
        match group.incident {
            Some(incident) => {
                let places: Vec<&str> =
                    incident.entities.iter().chain(&incident.services).map(String::as_str).collect();
                let severity = self.badge(incident.severity);
                let where_ = places.iter().map(|place| name(place)).collect::<Vec<_>>().join(", ");
                let colon = if places.is_empty() { "" } else { w.colon };
                self.line(&format!("<h2 id=\"{id}\">{severity} {} {}{colon} {where_}</h2>", w.incident, at + 1));
                let (since, until) = (self.time(incident.since), self.time(incident.until));
                let first = name(&incident.first);
                let when = w.lasted(&since, &until);
                self.line(&format!("<p>{when}. {}{} {first}.</p>", w.came_first, w.colon));
            }
            None => self.line(&format!("<h2 id=\"{id}\">{}</h2>", escape(w.anomalies))),
        }
        if !group.recommendations.is_empty() {
            self.line(&format!("<h3>{}</h3>", escape(w.recommendations)));
            self.recommendations(&group.recommendations);
        }
        if group.incident.is_some() {
            self.line(&format!("<h3>{}</h3>", escape(w.anomalies)));
        }
        self.line("<div class=\"cards\">");
        let axis = axis(&self.page.known.charts.series);
        // Of many groups each has few cards: the worst of them come first.
        let cards = if story.groups.len() > CARDS / 4 { 4 } else { CARDS };
        for anomaly in group.anomalies.iter().take(if at < CARDS { cards } else { 0 }) {
            self.anomaly(anomaly, axis, if group.incident.is_some() { "h4" } else { "h3" });
        }
        self.line("</div>");
        if let Some(more) = group.anomalies.len().checked_sub(cards).filter(|more| *more > 0) {
            let more = number_of(more, w.anomaly, self.page.language);
            self.line(&format!("<p class=\"soft\"><a href=\"#all\">+ {more}</a></p>"));
        }
        self.line("</section>");
    }

    fn anomaly(&mut self, anomaly: &'a ReportAnomaly, axis: Option<(i64, i64)>, heading: &str) {
        let (w, page) = (self.words, self.page);
        let found = found(page, &anomaly.metric);
        self.line(&format!("<article class=\"card {}\">", anomaly.severity.word()));
        let (badge, series) = (self.badge(anomaly.severity), name(&anomaly.metric));
        self.line(&format!("<div>{badge}<{heading}>{series}</{heading}></div>"));
        self.line(&format!("<p>{}</p>", prose(&anomaly.description)));
        let [value, threshold] = figures(page, anomaly);
        let mut facts = format!(
            "{}{} <b>{}</b> · {}{} {}",
            w.value,
            w.colon,
            escape(&value),
            w.threshold,
            w.colon,
            escape(&threshold)
        );
        let answers = answers(page, &anomaly.metric);
        if !answers.is_empty() {
            let links = answers.iter().map(|at| format!("<a href=\"#todo-{at}\">{at}</a>")).collect::<Vec<_>>();
            let _ = write!(facts, " · {} {}", w.see, links.join(", "));
        }
        self.line(&format!("<p class=\"soft\">{facts}</p>"));
        let series: &'a [ChartSeries] = &page.known.charts.series;
        let series = series_of(series, &anomaly.metric, found);
        match axis.filter(|_| !series.is_empty()) {
            Some(axis) => {
                for one in series {
                    self.charts += 1;
                    let drawn = chart(page, one, found, axis, &format!("c{}", self.charts));
                    self.out.push_str(&drawn);
                    self.drawn.push(&one.name);
                }
            }
            None => {
                self.charts += 1;
                let drawn = gauge(page, anomaly, found, &format!("c{}", self.charts));
                self.out.push_str(&drawn.unwrap_or_default());
            }
        }
        self.line("</article>");
    }

    fn recommendations(&mut self, list: &[(usize, &'a ReportRecommendation)]) {
        let (w, page) = (self.words, self.page);
        self.line("<ol class=\"todo\">");
        for (at, made) in list {
            self.line(&format!("<li class=\"card\" id=\"todo-{at}\">"));
            self.line(&format!(
                "<p><span class=\"number\" aria-label=\"{} {at}\">{at}</span><span class=\"action\">{}</span></p>",
                escape(w.recommendation),
                prose(&made.action)
            ));
            self.line("<dl class=\"facts\">");
            self.line(&format!("<dt>{}</dt><dd>{}</dd>", w.target, name(&made.target)));
            self.line(&format!("<dt>{}</dt><dd>{}</dd>", w.benefit, prose(&made.benefit_estimate)));
            if !made.parameters.is_empty() {
                let of = |(key, value): (&String, &Parameter)| {
                    let value = match value {
                        Parameter::Number(figure) => number(*figure, page.language),
                        Parameter::Flag(flag) => flag.to_string(),
                        Parameter::Text(text) => text.clone(),
                    };
                    format!("{} = {}", name(key), name(&value))
                };
                let parameters = made.parameters.iter().map(of).collect::<Vec<_>>().join(", ");
                self.line(&format!("<dt>{}</dt><dd>{parameters}</dd>", w.parameters));
            }
            if let Some(names) = page.known.answers.get(&made.id).filter(|names| !names.is_empty()) {
                let names = names.iter().map(|text| name(text)).collect::<Vec<_>>().join(", ");
                self.line(&format!("<dt>{}</dt><dd>{names}</dd>", w.answers));
            }
            self.line(&format!("<dt>id</dt><dd>{}</dd>", name(&made.id)));
            self.line("</dl>\n</li>");
        }
        self.line("</ol>");
    }

    fn services(&mut self) {
        let w = self.words;
        let services = &self.page.report.service_status_summary;
        self.line(&format!("<section aria-labelledby=\"services\"><h2 id=\"services\">{}</h2>", w.services));
        let [online, degraded, offline] = w.statuses;
        let lists = [
            ("high", offline, &services.offline),
            ("medium", degraded, &services.degraded),
            ("good", online, &services.online),
        ];
        if lists.iter().all(|(_, _, names)| names.is_empty()) {
            self.line(&format!("<p>{}</p>", escape(w.no_services)));
        } else {
            self.line("<dl class=\"facts\">");
            for (class, status, names) in lists.iter().filter(|(_, _, names)| !names.is_empty()) {
                let all = names.iter().map(|text| name(text)).collect::<Vec<_>>().join(", ");
                self.line(&format!(
                    "<dt><span class=\"{class}\">{status}</span> ({})</dt><dd>{all}</dd>",
                    count(names.len() as u64, self.page.language)
                ));
            }
            self.line("</dl>");
        }
        self.line("</section>");
    }

    fn insights(&mut self) {
        let w = self.words;
        let rows: Vec<_> = insights(self.page).collect();
        if rows.is_empty() {
            return;
        }
        let has_coverage = rows.iter().any(|(_, _, coverage)| coverage.is_some());
        let head = if has_coverage { format!("<th scope=\"col\">{}</th>", escape(w.coverage)) } else { String::new() };
        let mut table = format!(
            "<section aria-labelledby=\"insights\"><h2 id=\"insights\">{0}</h2>\n<div class=\"scroll\"><table>\
             <caption>{1}{2} {3}</caption>\n<thead><tr><th scope=\"col\">{4}</th>\
             <th scope=\"col\" class=\"figure\">{5}</th>{head}</tr></thead>\n<tbody>\n",
            w.insights,
            escape(w.newest_record),
            w.colon,
            self.time(self.page.report.timestamp),
            w.name,
            w.value
        );
        for (insight, figure, coverage) in rows {
            let coverage = coverage.map_or_else(String::new, |text| format!("<td>{}</td>", escape(&text)));
            let (insight, figure) = (name(insight), escape(&figure));
            let _ = writeln!(
                table,
                "<tr><th scope=\"row\">{insight}</th><td class=\"figure\">{figure}</td>{coverage}</tr>"
            );
        }
        table.push_str("</tbody></table></div>\n</section>");
        self.line(&table);
    }

    fn all_anomalies(&mut self) {
        let (w, language) = (self.words, self.page.language);
        if self.page.report.anomalies.is_empty() {
            return;
        }
        let mut table = format!(
            "<details id=\"all\"><summary>{0}</summary>\n<div class=\"scroll\"><table><caption>{1}</caption>\n<thead><tr>\
             <th scope=\"col\">{2}</th><th scope=\"col\">{3}</th><th scope=\"col\" class=\"figure\">{4}</th>\
             <th scope=\"col\" class=\"figure\">{5}</th><th scope=\"col\">{6}</th></tr></thead>\n<tbody>\n",
            escape(w.more_anomalies),
            escape(&number_of(self.page.report.anomalies.len(), w.anomaly, language)),
            w.severity,
            w.series,
            w.value,
            w.threshold,
            w.description
        );
        for anomaly in &self.page.report.anomalies {
            let [value, threshold] = [anomaly.value, anomaly.threshold].map(|v| escape(&number(v, language)));
            let _ = writeln!(
                table,
                "<tr><td>{}</td><th scope=\"row\">{}</th><td class=\"figure\">{value}</td>\
                 <td class=\"figure\">{threshold}</td><td>{}</td></tr>",
                self.badge(anomaly.severity),
                name(&anomaly.metric),
                prose(&anomaly.description)
            );
        }
        table.push_str("</tbody></table></div></details>");
        self.line(&table);
    }

    fn other_charts(&mut self) {
        let (w, page) = (self.words, self.page);
        let charts = &page.known.charts;
        let Some(axis) = axis(&charts.series) else { return };
        let drawn = std::mem::take(&mut self.drawn);
        let others: Vec<&ChartSeries> =
            charts.series.iter().filter(|series| !drawn.contains(&series.name.as_str())).collect();
        let left = charts.left_out + others.len().saturating_sub(OTHERS) as u64;
        if others.is_empty() && left == 0 {
            return;
        }
        self.line(&format!("<details><summary>{}</summary>\n<div class=\"cards\">", escape(w.other_charts)));
        for series in others.into_iter().take(OTHERS) {
            self.charts += 1;
            let drawn = chart(page, series, None, axis, &format!("c{}", self.charts));
            self.line(&format!("<div class=\"card\">{drawn}</div>"));
        }
        self.line("</div>");
        if left > 0 {
            self.line(&format!("<p class=\"soft\">{} {}</p>", count(left, page.language), escape(w.left_out)));
        }
        self.line("</details>");
    }

    fn about(&mut self) {
        let w = words(self.page.language);
        self.line(&format!("</main>\n<footer>\n<h2>{}</h2>\n<dl class=\"facts\">", escape(w.about)));
        for told in told(self.page) {
            let line = |line: &super::story::Line| {
                let name = line.name.as_deref().map_or_else(String::new, |text| name(text) + " ");
                let raw = line.raw.as_deref().map_or_else(String::new, |raw| " ".to_string() + &self::name(raw));
                format!("<li>{name}{}{raw}</li>", escape(&line.text))
            };
            let lines: String = told.lines.iter().map(line).collect();
            self.line(&format!("<dt>{}</dt><dd><ul class=\"plain\">{lines}</ul></dd>", escape(told.term)));
        }
        self.line("</dl>");
        self.line(&format!("<p class=\"soft\">{}</p>\n</footer>", escape(w.times_in_utc)));
    }
}
