//! Series with their bands and episodes as an SVG picture: text only, no script, no font, nothing fetched.

use std::fmt::Write;

use super::safe;
use crate::domain::{Language, Severity, Timestamp};

/// Columns of the plot of a picture: a value each, from the least to the greatest.
pub const COLUMNS: usize = 840;
/// Microseconds.
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// Distances of ticks.
const STEPS: [i64; 17] = [
    1,
    5,
    15,
    30,
    60,
    180,
    360,
    720,
    1440,
    2880,
    7 * 1440,
    14 * 1440,
    30 * 1440,
    90 * 1440,
    365 * 1440,
    1825 * 1440,
    18_250 * 1440,
];
/// Between the names of two bands, so that they can be read.
const LINE: f64 = 13.0;

/// Where things are, in pixels, and how many ticks of time there are at most.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Of the plot.
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub right: f64,
    pub ticks: i64,
}

/// A picture of its own, for a wide screen.
pub const PICTURE: Frame = Frame { width: COLUMNS as f64, height: 110.0, left: 64.0, right: 36.0, ticks: 9 };
/// One of several on a page, to be read on a phone too.
pub const ON_PAGE: Frame = Frame { width: 310.0, height: 120.0, left: 66.0, right: 104.0, ticks: 4 };
const GAP: f64 = 46.0;
const TOP: f64 = 28.0;

/// One series.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    pub title: String,
    pub unit: Option<String>,
    pub bands: Vec<Band>,
    /// Beginning, end (microseconds), and how bad.
    pub episodes: Vec<(i64, i64, Severity)>,
    /// In the order of time.
    pub spots: Vec<Spot>,
    pub marks: Vec<Mark>,
    /// What the values 0, 1 and 2 are called, where they are levels.
    pub levels: Option<[String; 3]>,
}

/// A threshold.
#[derive(Debug, Clone)]
pub struct Band {
    pub severity: Severity,
    pub value: f64,
    /// What stands beside it.
    pub name: Option<String>,
}

/// What a stretch of time has of a series.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// Microseconds.
    pub from: i64,
    pub to: i64,
    pub least: f64,
    pub greatest: f64,
    /// Where it is known the line goes through it, in an area from the least to the greatest values.
    pub mean: Option<f64>,
}

/// A reading to point at.
#[derive(Debug, Clone)]
pub struct Mark {
    pub time: i64,
    pub value: f64,
    pub severity: Severity,
    pub name: Option<String>,
}

/// The panels one below the other, over the same time (microseconds).
pub fn chart(title: &str, panels: &[Panel], span: (i64, i64)) -> String {
    let frame = PICTURE;
    let (width, height) =
        (frame.left + frame.width + frame.right, TOP + panels.len() as f64 * (frame.height + GAP) + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let _ = writeln!(svg, "<text x=\"8\" y=\"16\">{}, times in UTC</text>", escape(title)); // to a string: cannot fail
    for (at, panel) in panels.iter().enumerate() {
        let top = TOP + at as f64 * (frame.height + GAP) + 14.0;
        let _ = writeln!(svg, "<g transform=\"translate({} {top})\">", frame.left);
        let unit = panel.unit.as_ref().map_or_else(String::new, |unit| format!(" ({unit})"));
        let title = escape(&format!("{}{unit}", panel.title));
        let _ = writeln!(svg, "<text x=\"0\" y=\"-4\" font-weight=\"bold\">{title}</text>");
        plot(&mut svg, panel, span, frame, Language::En);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// A panel with its axes. Colours are attributes, which the style of a page overrides by class.
pub fn plot(svg: &mut String, panel: &Panel, (from, to): (i64, i64), frame: Frame, language: Language) {
    let Frame { width, height, .. } = frame;
    let x = |time: i64| (time - from) as f64 / (to - from).max(1) as f64 * width;
    let (least, greatest) = extent(panel);
    let y = |value: f64| height - (value - least) / (greatest - least) * height;
    for (since, until, severity) in &panel.episodes {
        let (begin, wide) = (x(*since), (x(*until) - x(*since)).max(1.0)); // to be seen at all
        let (fill, class) = (color(*severity), severity.word());
        let _ = writeln!(
            svg,
            "<rect class=\"shade {class}\" x=\"{begin:.1}\" y=\"0\" width=\"{wide:.1}\" height=\"{height}\" fill=\"{fill}\" opacity=\"0.25\"/>"
        );
    }
    bands(svg, panel, frame, y);
    if panel.spots.is_empty() {
        svg.push_str("<text class=\"quiet\" x=\"4\" y=\"14\" fill=\"#666\">no values of it in the records</text>\n");
    }
    lines(svg, &panel.spots, x, y);
    for Mark { time, value, severity, name } in &panel.marks {
        let (x, y, fill, class) = (x(*time), y(*value), color(*severity), severity.word());
        let _ = writeln!(
            svg,
            "<circle class=\"mark {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"#444\"/>"
        );
        if let Some(name) = name {
            // Beside the point, on the side that has room.
            let (at, anchor) = if x > width * 0.6 { (x - 8.0, "end") } else { (x + 8.0, "start") };
            let below = if y < 12.0 { 12.0 } else { y + 4.0 };
            let _ = writeln!(
                svg,
                "<text class=\"name\" x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"{anchor}\" font-weight=\"bold\">{}</text>",
                escape(name)
            );
        }
    }
    let _ = writeln!(svg, "<path class=\"axis\" d=\"M0 0V{height}H{width}\" fill=\"none\" stroke=\"#444\"/>");
    let of_values = || vec![(short(greatest, language), 8.0), (short(least, language), height)];
    let labels = panel.levels.as_ref().map_or_else(of_values, |levels| {
        (0u8..)
            .zip(levels)
            .map(|(level, name)| (name.clone(), (y(f64::from(level)) + 4.0).clamp(8.0, height)))
            .collect()
    });
    for (text, at) in labels {
        let _ = writeln!(svg, "<text x=\"-4\" y=\"{at}\" text-anchor=\"end\">{}</text>", escape(&text));
    }
    for time in ticks(from, to, frame.ticks) {
        let (at, text) = (x(time), label(time));
        let _ = writeln!(
            svg,
            "<path class=\"axis\" d=\"M{at:.1} {height}v4\" stroke=\"#444\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
            height + 16.0
        );
    }
}

/// The least and the greatest value that is to be seen, with room between them.
fn extent(panel: &Panel) -> (f64, f64) {
    if panel.levels.is_some() {
        return (0.0, 2.0);
    }
    let values = panel.spots.iter().map(|spot| (spot.least, spot.greatest));
    let bands = panel.bands.iter().map(|band| (band.value, band.value));
    let marks = panel.marks.iter().map(|mark| (mark.value, mark.value));
    let (least, greatest) = values
        .chain(bands)
        .chain(marks)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (least, greatest)| (a.min(least), b.max(greatest)));
    match greatest > least && (greatest - least).is_finite() {
        true => (least, greatest),
        // Halved: the way between huge ones of unlike sign is no number.
        false if greatest > least => (least / 2.0, greatest / 2.0),
        false if least.is_finite() => (least - 1.0, least + 1.0), // one value only
        false => (0.0, 1.0),                                      // none
    }
}

/// Thresholds, each dashed in its own way, and named beside the plot where they have a name.
fn bands(svg: &mut String, panel: &Panel, frame: Frame, y: impl Fn(f64) -> f64) {
    let mut lowest = f64::INFINITY;
    let mut bands: Vec<&Band> = panel.bands.iter().collect();
    bands.sort_by(|a, b| a.value.total_cmp(&b.value));
    for Band { severity, value, name } in bands {
        let (at, stroke, class) = (y(*value), color(*severity), severity.word());
        let dashes = match severity {
            Severity::Low => "2 3",
            Severity::Medium => "4 3",
            Severity::High => "8 3",
        };
        let _ = writeln!(
            svg,
            "<path class=\"band {class}\" d=\"M0 {at:.1}H{}\" fill=\"none\" stroke=\"{stroke}\" stroke-dasharray=\"{dashes}\"/>",
            frame.width
        );
        if let Some(name) = name {
            let place = (at + 4.0).min(lowest - LINE);
            lowest = place;
            let _ = writeln!(
                svg,
                "<text class=\"quiet\" x=\"{}\" y=\"{place:.1}\">{}</text>",
                frame.width + 4.0,
                escape(name)
            );
        }
    }
}

/// A step of time that is longer breaks a line: five times the usual one.
pub fn broken_after(times: impl Iterator<Item = i64>) -> i64 {
    let times: Vec<i64> = times.collect();
    let mut steps: Vec<i64> = times.iter().zip(times.iter().skip(1)).map(|(a, b)| b.saturating_sub(*a)).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map_or(i64::MAX, |usual| usual.saturating_mul(5))
}

/// The values: a line from greatest to least where no mean is known, else the mean in an area. Where there was nothing for
/// much longer than usual the line is broken.
fn lines(svg: &mut String, spots: &[Spot], x: impl Fn(i64) -> f64, y: impl Fn(f64) -> f64) {
    let middle = |spot: &Spot| x(spot.from + (spot.to - spot.from) / 2);
    let mut line = String::new();
    let mut areas: Vec<Vec<&Spot>> = Vec::new();
    let most = broken_after(spots.iter().map(|spot| spot.from));
    for (at, spot) in spots.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| spots.get(before));
        let goes_on = before.is_some_and(|before| spot.mean.is_none() || spot.from.saturating_sub(before.from) <= most);
        let pen = if goes_on { 'L' } else { 'M' };
        if !goes_on {
            areas.push(Vec::new());
        }
        areas.last_mut().into_iter().for_each(|area| area.push(spot));
        let _ = write!(line, "{pen}{:.1} {:.1}", middle(spot), y(spot.mean.unwrap_or(spot.greatest)));
        match spot.mean {
            None if spot.greatest > spot.least => drop(write!(line, "V{:.1}", y(spot.least))),
            Some(_) if !goes_on => line.push_str("h0.1"), // to be seen where it stands alone
            _ => {}
        }
    }
    if spots.iter().any(|spot| spot.mean.is_some()) {
        let mut area = String::new();
        for some in areas {
            let there = some.iter().map(|spot| (middle(spot), y(spot.greatest)));
            let back = some.iter().rev().map(|spot| (middle(spot), y(spot.least)));
            for (at, (x, y)) in there.chain(back).enumerate() {
                let _ = write!(area, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
            }
            area.push('Z');
        }
        let _ =
            writeln!(svg, "<path class=\"area\" d=\"{area}\" fill=\"#1f4e79\" stroke=\"#1f4e79\" opacity=\"0.25\"/>");
    }
    if !line.is_empty() {
        let _ = writeln!(svg, "<path class=\"line\" d=\"{line}\" fill=\"none\" stroke=\"#1f4e79\"/>");
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "#c62828",
        Severity::Medium => "#ef8e19",
        Severity::Low => "#c9b400",
    }
}

/// Four significant digits.
pub fn short(value: f64, language: Language) -> String {
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    let text = match rounded != 0.0 && !(1e-4..1e7).contains(&f64::abs(rounded)) {
        true => format!("{rounded:e}"),
        false => format!("{rounded}"),
    };
    if language == Language::Fr { text.replace('.', ",") } else { text }
}

/// Round moments, no more than `most`.
fn ticks(from: i64, to: i64, most: i64) -> impl Iterator<Item = i64> {
    let fits = |step: &i64| (to - from) / step < most;
    let step = STEPS.into_iter().map(|minutes| minutes * MINUTE).find(fits).unwrap_or(i64::MAX / 2);
    let first = from.div_euclid(step) * step;
    (0..=most).map(move |n| first + n * step).filter(move |time| (from..=to).contains(time))
}

/// `2023-10-01` at midnight, else `12:30`.
fn label(time: i64) -> String {
    let text = Timestamp::nearest(time).to_string();
    let (date, clock) = text.split_once('T').unwrap_or((&text, ""));
    if time.rem_euclid(DAY) == 0 { date.to_string() } else { clock.get(..5).unwrap_or(clock).to_string() }
}

/// As the text of an element or the value of an attribute, of HTML and XML: shown as it is, whatever is in it.
pub fn escape(text: &str) -> String {
    let safe = safe(text);
    let mut escaped = String::with_capacity(safe.len());
    for c in safe.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_default()), // XML has no such characters
            c => escaped.push(c),
        }
    }
    escaped
}
