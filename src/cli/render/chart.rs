//! Series with their bands and episodes as an SVG picture: text only, no script, no font, nothing fetched.

use std::fmt::Write;

use super::safe;
use crate::domain::{Severity, Timestamp};

/// Columns of the plot: a value each, from the least to the greatest.
pub const COLUMNS: usize = 840;
/// Of one panel, in pixels.
const HEIGHT: f64 = 110.0;
const GAP: f64 = 46.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 28.0;
/// Microseconds.
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// Distances of ticks, and how many there are at most.
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
const TICKS: i64 = 9;

/// One series.
#[derive(Debug, Clone)]
pub struct Panel {
    pub title: String,
    pub unit: Option<String>,
    pub bands: Vec<(Severity, f64)>,
    /// Beginning, end (microseconds), and how bad.
    pub episodes: Vec<(i64, i64, Severity)>,
    /// Least and greatest value of each column; `None` without a record.
    pub columns: Vec<Option<(f64, f64)>>,
    /// Time and value of readings to point at, and how bad each is.
    pub alerts: Vec<(i64, f64, Severity)>,
}

/// The panels one below the other, over the same time (microseconds).
pub fn chart(title: &str, panels: &[Panel], (from, to): (i64, i64)) -> String {
    let (width, height) = (LEFT + COLUMNS as f64 + 36.0, TOP + panels.len() as f64 * (HEIGHT + GAP) + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let _ = writeln!(svg, "<text x=\"8\" y=\"16\">{}, times in UTC</text>", escape(title)); // to a string: cannot fail
    for (at, panel) in panels.iter().enumerate() {
        let top = TOP + at as f64 * (HEIGHT + GAP) + 14.0;
        let _ = writeln!(svg, "<g transform=\"translate({LEFT} {top})\">");
        draw(&mut svg, panel, (from, to));
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, (from, to): (i64, i64)) {
    let x = |time: i64| (time - from) as f64 / (to - from).max(1) as f64 * COLUMNS as f64;
    let values = panel.columns.iter().flatten();
    let bands = panel.bands.iter().map(|(_, band)| (*band, *band));
    let (least, greatest) = values
        .copied()
        .chain(bands)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (least, greatest)| (a.min(least), b.max(greatest)));
    let (least, greatest) = match greatest > least {
        true => (least, greatest),
        false if least.is_finite() => (least - 1.0, least + 1.0), // one value only
        false => (0.0, 1.0),                                      // none
    };
    let y = |value: f64| HEIGHT - (value - least) / (greatest - least) * HEIGHT;
    let unit = panel.unit.as_ref().map_or_else(String::new, |unit| format!(" ({unit})"));
    let _ = writeln!(
        svg,
        "<text x=\"0\" y=\"-4\" font-weight=\"bold\">{}</text>",
        escape(&format!("{}{unit}", panel.title))
    );
    for (since, until, severity) in &panel.episodes {
        let (begin, wide) = (x(*since), (x(*until) - x(*since)).max(1.0)); // to be seen at all
        let fill = color(*severity);
        let _ = writeln!(
            svg,
            "<rect x=\"{begin:.1}\" y=\"0\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"{fill}\" opacity=\"0.25\"/>"
        );
    }
    for (severity, band) in &panel.bands {
        let (at, stroke) = (y(*band), color(*severity));
        let _ = writeln!(svg, "<path d=\"M0 {at:.1}H{COLUMNS}\" stroke=\"{stroke}\" stroke-dasharray=\"4 3\"/>");
    }
    let mut line = String::new();
    for (at, column) in panel.columns.iter().enumerate() {
        let Some((least, greatest)) = column else { continue };
        let _ = write!(line, "{}{at} {:.1}", if line.is_empty() { 'M' } else { 'L' }, y(*greatest));
        if greatest > least {
            let _ = write!(line, "V{:.1}", y(*least));
        }
    }
    match line.is_empty() {
        true => svg.push_str("<text x=\"4\" y=\"14\" fill=\"#666\">no values of it in the records</text>\n"),
        false => drop(writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"#1f4e79\"/>")),
    }
    for (time, value, severity) in &panel.alerts {
        let (x, y, fill) = (x(*time), y(*value), color(*severity));
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"#444\"/>");
    }
    let _ = writeln!(svg, "<path d=\"M0 0V{HEIGHT}H{COLUMNS}\" fill=\"none\" stroke=\"#444\"/>");
    for (value, at) in [(greatest, 8.0), (least, HEIGHT)] {
        let _ = writeln!(svg, "<text x=\"-4\" y=\"{at}\" text-anchor=\"end\">{}</text>", short(value));
    }
    for time in ticks(from, to) {
        let (at, text) = (x(time), label(time));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {HEIGHT}v4\" stroke=\"#444\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
            HEIGHT + 16.0
        );
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
fn short(value: f64) -> String {
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-4..1e7).contains(&f64::abs(rounded)) {
        format!("{rounded:e}")
    } else {
        format!("{rounded}")
    }
}

/// Round moments, no more than [`TICKS`].
fn ticks(from: i64, to: i64) -> impl Iterator<Item = i64> {
    let fits = |step: &i64| (to - from) / step < TICKS;
    let step = STEPS.into_iter().map(|minutes| minutes * MINUTE).find(fits).unwrap_or(i64::MAX / 2);
    let first = from.div_euclid(step) * step;
    (0..=TICKS).map(move |n| first + n * step).filter(move |time| (from..=to).contains(time))
}

/// `2023-10-01` at midnight, else `12:30`.
fn label(time: i64) -> String {
    let text = Timestamp::nearest(time).to_string();
    let (date, clock) = text.split_once('T').unwrap_or((&text, ""));
    if time.rem_euclid(DAY) == 0 { date.to_string() } else { clock.get(..5).unwrap_or(clock).to_string() }
}

fn escape(text: &str) -> String {
    safe(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
