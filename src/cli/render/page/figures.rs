//! Charts of a page: series with the thresholds of their rules, when they were beyond them, and the worst of them.

use super::Page;
use super::words::{moment, words};
use crate::cli::render::chart::{Band, Frame, Mark, ON_PAGE, Panel, Spot, broken_after, escape, plot, short};
use crate::domain::{
    Anomaly, Aspect, Bands, ChartBucket, ChartSeries, Evidence, Figure, Language, ReportAnomaly, Severity, Timestamp,
};
use crate::wording::quantity;

/// The time that all charts are drawn over, in microseconds; `None` where there is nothing to draw.
///
/// Mostly all there is. Where few buckets lie far away from the rest, as of one wrong clock, it is the time around the
/// middle nine tenths of them, as long again on either side.
pub fn axis(series: &[ChartSeries]) -> Option<(i64, i64)> {
    let mut buckets: Vec<(i64, i64)> =
        series.iter().flat_map(ChartSeries::buckets).map(|bucket| (bucket.from, bucket.to)).collect();
    buckets.sort_unstable();
    let last = buckets.len().checked_sub(1)?;
    let (early, late) = (buckets.get(last / 20)?.0, buckets.get(last - last / 20)?.1);
    let room = late.saturating_sub(early);
    let (from, to) = (early.saturating_sub(room), late.saturating_add(room));
    let inside = || buckets.iter().filter(|(begin, end)| *begin >= from && *end <= to);
    Some((inside().map(|(begin, _)| *begin).min()?, inside().map(|(_, end)| *end).max()?))
}

/// The series that an anomaly is of; of a condition those that it compares.
pub fn series_of<'a>(series: &'a [ChartSeries], name: &str, found: Option<&Anomaly>) -> Vec<&'a ChartSeries> {
    let plain = || series.iter().filter(|series| *name == series.name).collect();
    let Some(found) = found else { return plain() };
    let is_of = |series: &&ChartSeries, metric: &str| {
        series.entity == found.entity && series.service == found.service && series.metric == metric
    };
    match &found.evidence {
        Some(Evidence::Operands(operands)) if found.condition.is_some() => {
            let metrics = operands.iter().map(|operand| operand.metric.as_str()).take(2);
            metrics.filter_map(|metric| series.iter().find(|series| is_of(series, metric))).collect()
        }
        _ => series.iter().filter(|series| is_of(series, &found.metric)).take(1).collect(),
    }
}

/// A series with what was found of it. `id` is unique on the page.
pub fn chart(page: &Page<'_>, series: &ChartSeries, found: Option<&Anomaly>, axis: (i64, i64), id: &str) -> String {
    let (w, language) = (words(page.language), page.language);
    let panel = panel(series, found, axis, language);
    let unit = series.unit.as_deref();
    let name = series.label.as_deref().unwrap_or(&series.metric);
    let title = format!(
        "{}{} {name}{}",
        w.chart_of,
        w.colon,
        series.entity.as_ref().map_or_else(String::new, |e| format!(" ({e})"))
    );
    let all = || series.least.iter().chain(&series.greatest).copied();
    let figure = |figure: Option<Figure>| match (&panel.levels, figure) {
        (Some(levels), Some(figure)) => levels.get(figure.get() as usize).cloned().unwrap_or_default(),
        (None, Some(figure)) => quantity(figure, unit, language),
        (_, None) => String::new(),
    };
    let by = |a: &Figure, b: &Figure| a.get().total_cmp(&b.get());
    let [from, to] = [axis.0, axis.1].map(|time| moment(whole_second(time), language));
    let mut text = w
        .chart_text
        .replace("{from}", &from)
        .replace("{to}", &to)
        .replace("{least}", &figure(all().min_by(by)))
        .replace("{greatest}", &figure(all().max_by(by)));
    if panel.spots.len() < series.at.len() {
        text = format!("{text} {}", w.chart_clipped);
    }
    if let Some(found) = found {
        text = format!("{text} {}", found.description);
    }
    let caption = match unit {
        Some(unit) => format!("<bdi>{}</bdi> ({})", escape(&series.name), escape(unit)),
        None => format!("<bdi>{}</bdi>", escape(&series.name)),
    };
    let mut svg = open(ON_PAGE, id, &title, &text);
    plot(&mut svg, &panel, axis, ON_PAGE, language);
    format!("<figure><figcaption>{caption}</figcaption>{svg}</g></svg></figure>\n")
}

fn open(frame: Frame, id: &str, title: &str, text: &str) -> String {
    let (width, height) = (frame.left + frame.width + frame.right, frame.height + 34.0);
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc><g transform=\"translate({} 10)\">\n",
        escape(title),
        escape(text),
        frame.left
    )
}

fn whole_second(micros: i64) -> Timestamp {
    Timestamp::nearest(micros.div_euclid(1_000_000).saturating_mul(1_000_000))
}

fn panel(series: &ChartSeries, found: Option<&Anomaly>, axis: (i64, i64), language: Language) -> Panel {
    let w = words(language);
    let is_inside = |bucket: &ChartBucket| bucket.from >= axis.0 && bucket.to <= axis.1;
    let spot = |bucket: ChartBucket| Spot {
        from: bucket.from,
        to: bucket.to,
        least: bucket.least.get(),
        greatest: bucket.greatest.get(),
        // The mean of levels is none.
        mean: if series.service.is_some() { Some(bucket.greatest.get()) } else { Some(bucket.mean.get()) },
    };
    let unit = series.unit.as_deref();
    let levels = series.service.is_some().then(|| w.statuses.map(str::to_string));
    let judged = series.bands.iter().filter(|bands| found.is_none_or(|found| is_judged_by(found, bands.aspect)));
    let all = judged.clone().flat_map(|bands| Severity::ALL.into_iter().map(|severity| (severity, bands.bands)));
    let bands = all.filter_map(|(severity, bands)| {
        let value = bands.get(severity)?;
        let name = short_word(w.severity(severity), language);
        let of_levels = levels.is_some();
        let text = if of_levels { name } else { format!("{name} {}", short(value.get(), language)) };
        Some(Band { severity, value: value.get(), name: Some(text) })
    });
    let inside: Vec<ChartBucket> = series.buckets().filter(is_inside).collect();
    let mut episodes: Vec<(i64, i64, Severity)> = Vec::new();
    for bands in judged.clone().filter(|bands| !bands.partly) {
        episodes.extend(beyond(bands.aspect, &bands.bands, &inside));
    }
    let stretch = found.map(|found| (found.stretch.from.micros(), found.stretch.to.micros(), found.severity));
    if episodes.is_empty() {
        let within = |(from, to, severity): (i64, i64, Severity)| (from.max(axis.0), to.min(axis.1), severity);
        episodes.extend(stretch.map(within).filter(|(from, to, _)| from <= to));
    }
    let worst = found.and_then(|found| worst(found, series)).filter(|(time, _)| (axis.0..=axis.1).contains(time));
    let mark = found.zip(worst).map(|(found, (time, value))| {
        let figure = Figure::new(value).unwrap_or_default();
        let name = if levels.is_some() { None } else { Some(quantity(figure, unit, language)) };
        Mark { time, value, severity: found.severity, name }
    });
    Panel {
        title: series.name.clone(),
        unit: series.unit.clone(),
        bands: bands.collect(),
        episodes,
        spots: inside.into_iter().map(spot).collect(),
        marks: mark.into_iter().collect(),
        levels,
    }
}

/// `high` of `High severity`, `élevée` of `Gravité élevée`.
fn short_word(words: &str, language: Language) -> String {
    let word = if language == Language::Fr { words.split(' ').next_back() } else { words.split(' ').next() };
    word.unwrap_or_default().to_lowercase()
}

/// Whether these bands are what an anomaly is held to: of another aspect none are.
fn is_judged_by(found: &Anomaly, aspect: Aspect) -> bool {
    found.condition.is_some() || found.aspect == aspect
}

/// When values were beyond a band, from the first bucket of them to the last. Between two of them there is none that was
/// not, and no hole.
fn beyond(aspect: Aspect, bands: &Bands, buckets: &[ChartBucket]) -> Vec<(i64, i64, Severity)> {
    let most = broken_after(buckets.iter().map(|bucket| bucket.from));
    let mut episodes: Vec<(i64, i64, Severity)> = Vec::new();
    let mut before: Option<&ChartBucket> = None;
    for bucket in buckets {
        let severity = reached(aspect, bands, bucket);
        if let Some(severity) = severity {
            let goes_on = before.is_some_and(|before| bucket.from.saturating_sub(before.from) <= most);
            match episodes.last_mut().filter(|_| goes_on) {
                Some((_, until, known)) if *known == severity => *until = bucket.to,
                other => {
                    other.into_iter().for_each(|(_, until, _)| *until = bucket.from);
                    episodes.push((bucket.from, bucket.to, severity));
                }
            }
        }
        before = severity.map(|_| bucket);
    }
    episodes
}

fn reached(aspect: Aspect, bands: &Bands, bucket: &ChartBucket) -> Option<Severity> {
    let reaches = |band: Figure| match aspect {
        Aspect::Below => bucket.least <= band,
        _ => bucket.greatest >= band,
    };
    Severity::ALL.into_iter().rev().find(|severity| bands.get(*severity).is_some_and(reaches))
}

/// When and where on its series the worst of an anomaly is; silence and changes of a status have no such point.
fn worst(found: &Anomaly, series: &ChartSeries) -> Option<(i64, f64)> {
    let of = match &found.evidence {
        Some(Evidence::Unusual(deviation)) => (found.worst.time, deviation.value),
        Some(Evidence::Change { after, .. }) => (after.time, after.value),
        Some(Evidence::Operands(operands)) if found.condition.is_some() => {
            (found.worst.time, operands.iter().find(|operand| operand.metric == series.metric)?.value)
        }
        _ if matches!(found.aspect, Aspect::Above | Aspect::Below) => (found.worst.time, found.worst.value),
        _ => return None,
    };
    Some((of.0.micros(), of.1.get()))
}

/// The value beside the threshold, where there is no chart. Nothing of a status, or where one is not a finite distance.
pub fn gauge(page: &Page<'_>, reported: &ReportAnomaly, found: Option<&Anomaly>, id: &str) -> Option<String> {
    const HEIGHT: f64 = 26.0;
    let (w, language) = (words(page.language), page.language);
    let (value, threshold) = (reported.value.get(), reported.threshold.get());
    let greatest = value.max(threshold) * 1.1;
    let is_status = reported.metric.starts_with(crate::detect::SERVICE_STATUS);
    if value < 0.0 || threshold < 0.0 || greatest <= 0.0 || !greatest.is_finite() || is_status {
        return None;
    }
    if found.is_some_and(|found| found.condition.is_some()) {
        return None;
    }
    let frame = Frame { height: HEIGHT, left: 4.0, right: 4.0, width: 472.0, ..ON_PAGE };
    let unit = found.and_then(|found| found.unit.as_deref());
    let text = w
        .gauge_text
        .replace("{value}", &quantity(reported.value, unit, language))
        .replace("{threshold}", &quantity(reported.threshold, unit, language));
    let x = |value: f64| value / greatest * frame.width;
    let class = reported.severity.word();
    let mut svg = open(frame, id, &format!("{}{} {}", w.chart_of, w.colon, reported.metric), &text);
    let (long, at) = (x(value), x(threshold));
    let anchor = if at > frame.width * 0.6 { "end" } else { "start" };
    svg.push_str(&format!(
        "<rect class=\"rest\" x=\"0\" y=\"0\" width=\"{}\" height=\"16\" fill=\"#ddd\"/>\
         <rect class=\"bar {class}\" x=\"0\" y=\"0\" width=\"{long:.1}\" height=\"16\" fill=\"#c62828\"/>\
         <path class=\"tick\" d=\"M{at:.1} -4V20\" stroke=\"#444\" stroke-width=\"2\"/>\
         <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{} {}</text></g></svg>",
        frame.width,
        HEIGHT + 7.0,
        escape(w.threshold),
        escape(&quantity(reported.threshold, unit, language))
    ));
    Some(format!("<figure class=\"gauge\">{svg}</figure>\n"))
}
