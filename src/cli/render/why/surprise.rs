//! How a surprise comes about: of an `unusual` rule, by the formulas of its manual.

use super::super::text::{align_right, fix, grid, print, space};
use super::judged::stated;
use super::{LABEL, PAGE};
use crate::domain::{Anomaly, Cause, Deviation, Figure, Margin, Reckoning, Sample, View};

/// The margins of all views, below one another.
pub fn margins(deviation: &Deviation) -> Option<String> {
    let Reckoning { margins, .. } = deviation.reckoning.as_ref()?;
    let mut table = grid(PAGE.columns());
    table.set_header(["view", "last", "less", "compared", "usual", "beyond", "margin"]);
    for Margin { view, level, samples, least, greatest, low, high, beyond, margin } in margins {
        let (compared, usual) = match () {
            () if beyond.get() <= 0.0 => (least, format!("{low} to {high}")),
            () if *least > *high => (least, format!("up to {high}")),
            () => (greatest, format!("down to {low}")),
        };
        let name = match view {
            View::Value => "value",
            View::HourOfWeek => "week hour",
            View::HourOfDay => "day hour",
            View::Step => "step",
        };
        let cells = [name.to_string(), samples.to_string(), level.to_string(), compared.to_string(), usual];
        table.add_row(cells.into_iter().chain([beyond.to_string(), margin.to_string()]));
    }
    space(&mut table);
    fix(&mut table, 0, LABEL);
    align_right(&mut table, 1..7);
    Some(print(&table, 0, PAGE, |_| None))
}

/// The value, what would have been usual, and how the score comes about.
pub fn rows(anomaly: &Anomaly, deviation: &Deviation) -> Vec<(&'static str, String)> {
    let Deviation { value, unit, low, high, cause, up, samples, surprise, peak, reckoning } = deviation;
    let unit = unit.as_deref();
    let Sample { time, row, .. } = anomaly.worst;
    let side = if *up { "above" } else { "below" };
    let why = match cause {
        Cause::Outside => format!("{side} everything that was seen of it lately"),
        Cause::Stays => format!("{samples} readings in a row are {side} this, as never before so many"),
        Cause::HourOfWeek => format!("{side} what was seen in this hour of the week"),
        Cause::HourOfDay => format!("{side} what was seen in this hour of the day"),
        Cause::Jump => {
            let way = if *up { "upwards" } else { "downwards" };
            format!("the step {way} from the reading before is greater than any seen lately")
        }
    };
    let mut rows = vec![
        ("Value", format!("{} at {time} (record {row})", stated(*value, unit))),
        ("Usual", format!("{low} to {}: {why}", stated(*high, unit))),
    ];
    if let Some(reckoning) = reckoning {
        rows.push(("Step", step(reckoning, unit)));
        rows.push(("Margin", legend(reckoning)));
        rows.push(("Surprise", sum(reckoning, *surprise)));
    }
    let score = format!(
        "from 0, as usual, to 1: how far the value is out of the ordinary, beside the greatest surprise before it\n\
         s / (s + 1/8 + 0.075 m) = {}, cut off after three digits\nsurprise s = {surprise}, and m = {peak}, the greatest \
         before it; `agent kinds detect` has all formulas",
        anomaly.value
    );
    rows.push(("Score", score));
    rows
}

fn step(reckoning: &Reckoning, unit: Option<&str>) -> String {
    let Reckoning { change, range, step, .. } = reckoning;
    let step = stated(*step, unit);
    format!(
        "usual step {step}: the greater of {change}, the mean change from reading to reading, and 3% of the range {range}"
    )
}

fn legend(reckoning: &Reckoning) -> String {
    let others = "the least of the last readings, each less the level of its view, beyond the highest least of as many in a \
                  row before, or their greatest beyond the lowest greatest; in usual steps, 10 at most";
    let more = if reckoning.rises {
        "the series only ever rose, so nothing but its steps counts"
    } else {
        "all else adds 0: it lies inside, on a side that is not judged, or there are too few readings yet"
    };
    format!("{others}\n{more}")
}

fn sum(reckoning: &Reckoning, surprise: Figure) -> String {
    let Reckoning { margins, views, held, .. } = reckoning;
    let all: Vec<String> =
        margins.iter().map(|one| one.margin).filter(|m| m.get() > 0.0).map(|m| m.to_string()).collect();
    let sum = all.join(" + ");
    let sum = if all.len() > 1 { format!("({sum})") } else { sum };
    format!(
        "s = {sum} / {views} views = {surprise}\nmore than 1.5 h, so it counts: h = {held} is left of the surprises before"
    )
}
