//! What was judged and by what: as each aspect of a metric has it, with the figures that it takes to do it again by hand.

use super::super::safe;
use super::super::text::{align_right, fix, grid, print, space};
use super::terms::{self, Background, seconds};
use super::{Basis, LABEL, PAGE, Place, surprise};
use crate::detect::{Quantity, stretches};
use crate::domain::{
    Anomaly, Aspect, Bands, Evidence, Figure, InputRecord, Language, Operand, Sample, Severity, Status, StatusChange,
    Timestamp,
};
use crate::wording::elapsed;

/// Stretches of a silence, and gaps, that are named.
const NAMED: usize = 8;

/// What is judged, its bands, and what else the rule says.
pub fn rule(anomaly: &Anomaly, basis: Basis, background: &Background, inputs: &[InputRecord]) -> String {
    let what = match &anomaly.service {
        Some(service) => format!("status of the service {}", safe(service)),
        None => safe(&anomaly.metric).into_owned(),
    };
    let what = match anomaly.aspect {
        Aspect::Above | Aspect::Below => what,
        Aspect::Rate => format!("change of {what} from one reading to the next"),
        Aspect::Counter => format!("increase of {what} from one reading to the next"),
        Aspect::Stale => format!("silence of {what} between two readings"),
        Aspect::Unusual => format!("how unusual {what} is for itself, from 0 to 1"),
        Aspect::Flapping => format!("changes of the {what} in the {} up to each record", within(anomaly)),
    };
    let from = background.file.as_deref().map_or_else(String::new, |file| format!(" ({})", safe(file)));
    let bands = match &anomaly.condition {
        Some(condition) => format!("{}: {}", anomaly.severity.word(), safe(condition)),
        None => bands_of(anomaly, &anomaly.bands),
    };
    let more = match basis {
        Basis::Readings => terms::terms(anomaly, background, inputs),
        Basis::Arrivals => terms::settings(background),
    };
    let lines: Vec<String> = [format!("{what}{from}"), bands].into_iter().chain(more).collect();
    lines.join("\n")
}

/// Bands in the unit of an anomaly.
pub fn bands_of(anomaly: &Anomaly, bands: &Bands) -> String {
    let side = if anomaly.aspect == Aspect::Below { " down" } else { "" };
    let band = |severity: Severity| {
        let band = value(anomaly, bands.get(severity)?);
        Some(format!("{} from {band}{side}", severity.word()))
    };
    Severity::ALL.into_iter().filter_map(band).collect::<Vec<_>>().join(", ")
}

/// How many records there were to judge, and how many reached a band.
pub fn records(anomaly: &Anomaly, basis: Basis, inputs: &[InputRecord]) -> String {
    let whose = anomaly.entity.as_deref().map_or_else(String::new, |entity| format!(" for {}", safe(entity)));
    let path = |input: &InputRecord| match input.path.as_str() {
        "-" => "standard input".to_string(),
        path => safe(path).into_owned(),
    };
    let paths = inputs.iter().map(path).collect::<Vec<_>>().join(" and ");
    let (count, reached) = (anomaly.records, anomaly.reached);
    if basis == Basis::Arrivals {
        let read = if paths.is_empty() { String::new() } else { format!(" in {paths}") };
        return format!("{} of the {count} that were due{whose} did not come{read}", reached.total());
    }
    let all: u64 = inputs.iter().map(|input| input.records).sum();
    let mean = value(anomaly, anomaly.mean);
    if anomaly.condition.is_some() {
        return format!("{count} of the {all} in {paths} decide it{whose}\nit held in {} of them", reached.total());
    }
    let compared = "have one before them to compare with";
    let judged = match anomaly.aspect {
        Aspect::Above | Aspect::Below => {
            format!("{count} of the {all} in {paths} state it{whose}, with a mean of {mean}")
        }
        Aspect::Rate => format!("{count} of the {all} in {paths}{whose} {compared}; the mean change is {mean}"),
        Aspect::Counter => format!("{count} of the {all} in {paths}{whose} {compared}; the mean increase is {mean}"),
        Aspect::Flapping => format!("{count} of the {all} in {paths}{whose} {compared}"),
        Aspect::Unusual => format!("{count} of the {all} in {paths}{whose} come after enough others to be judged"),
        Aspect::Stale => {
            let judged =
                if count == 1 { "1 silence was judged".to_string() } else { format!("{count} silences were judged") };
            let read = if paths.is_empty() { ", though no record came".to_string() } else { format!(" in {paths}") };
            format!("{judged}{whose}{read}, {mean} long in the mean")
        }
    };
    let by_severity = format!("{} low, {} medium, {} high", reached.low, reached.medium, reached.high);
    format!("{judged}\n{} reached a band: {by_severity}", reached.total())
}

/// The records that the sentence speaks of, with their places in the input.
pub fn samples(anomaly: &Anomaly, basis: Basis, place: Place, background: &Background) -> String {
    let mut table = grid(PAGE.columns());
    let worst = match place {
        Place::Reported => "the value of the report",
        Place::LeftOut | Place::Over | Place::NoReport => "the value of the anomaly",
    };
    let is_condition = anomaly.condition.is_some();
    let is_silence = basis == Basis::Readings && anomaly.aspect == Aspect::Stale;
    let (heads, meanings) = match (basis, anomaly.aspect) {
        (Basis::Arrivals, _) => {
            let gaps = ["before the first gap", "before the longest gap", "after the last gap", "newest that came"];
            (["", "record", "time", "value", ""], gaps)
        }
        _ if is_condition => {
            let newest = if anomaly.newest.value.get() < 1.0 { "does not hold" } else { "holds" };
            let holds = ["holds for the first time", "holds", "holds for the last time", newest];
            (["", "record", "time", "", ""], holds)
        }
        (_, Aspect::Stale) => {
            let silences = ["the first that reached a band", worst, "the last that reached a band", "the newest"];
            // Of what does not count, only that of the worst is known.
            let rule = background.rule(anomaly);
            let has_breaks = rule.is_some_and(|rule| rule.hours.is_some())
                || !background.maintenance(anomaly.entity.as_deref()).is_empty();
            (["", if has_breaks { "from, at latest" } else { "from" }, "until", "silence", ""], silences)
        }
        (_, aspect) => {
            let head = match aspect {
                Aspect::Rate => "change",
                Aspect::Counter => "increase",
                Aspect::Unusual => "score",
                Aspect::Flapping => "changes",
                Aspect::Above | Aspect::Below | Aspect::Stale => "value",
            };
            let readings =
                ["first to reach a band", worst, "last to reach a band", "newest that has it, reached or not"];
            (["", "record", "time", head, ""], readings)
        }
    };
    table.set_header(heads);
    let samples = [&anomaly.first, &anomaly.worst, &anomaly.last, &anomaly.newest];
    for ((name, sample), meaning) in ["first", "worst", "last", "newest"].into_iter().zip(samples).zip(meanings) {
        // Row 0 is no record: the gap is still open, or nothing ever came.
        let (row, value) = match basis {
            Basis::Arrivals if sample.row == 0 => ("none".to_string(), String::new()),
            Basis::Arrivals => (sample.row.to_string(), String::new()),
            Basis::Readings if is_silence => (began(anomaly, sample).to_string(), value(anomaly, sample.value)),
            Basis::Readings if is_condition => (sample.row.to_string(), String::new()),
            Basis::Readings => (sample.row.to_string(), value(anomaly, sample.value)),
        };
        // The worst of a condition is its first.
        if !(is_condition && name == "worst") {
            table.add_row([name.to_string(), row, sample.time.to_string(), value, meaning.to_string()]);
        }
    }
    space(&mut table);
    fix(&mut table, 0, LABEL);
    align_right(&mut table, if is_silence { 3..4 } else { 1..2 });
    align_right(&mut table, [3]);
    print(&table, 0, PAGE, |_| None)
}

/// Since when a silence counts that ends with a sample; at the latest, where some of it may not count.
fn began(anomaly: &Anomaly, sample: &Sample) -> Timestamp {
    if let Some(Evidence::Silence { before, until, .. }) = &anomaly.evidence
        && *until == sample.time
    {
        return before.time;
    }
    let micros = (sample.value.get() * 1e6).round() as i64; // saturates
    Timestamp::nearest(sample.time.micros().saturating_sub(micros))
}

/// What the worst value is made of.
pub fn figures(anomaly: &Anomaly, basis: Basis, background: &Background) -> Vec<(&'static str, String)> {
    if basis == Basis::Arrivals {
        return missing(anomaly, background);
    }
    match &anomaly.evidence {
        Some(Evidence::Unusual(deviation)) => surprise::rows(anomaly, deviation),
        Some(Evidence::Change { before, after }) => vec![("Change", change(anomaly, before, after, background))],
        Some(Evidence::Operands(operands)) if !operands.is_empty() => vec![("Figures", operands_of(anomaly, operands))],
        Some(Evidence::Silence { before, until, ended_by }) => {
            vec![("Silence", silence(anomaly, before, *until, *ended_by, background))]
        }
        Some(Evidence::Changes { newest, earlier }) => vec![("Changes", changes(anomaly, newest, *earlier))],
        _ => Vec::new(),
    }
}

/// The table of how a surprise comes about, if it is one.
pub fn margins(anomaly: &Anomaly) -> Option<String> {
    match &anomaly.evidence {
        Some(Evidence::Unusual(deviation)) => surprise::margins(deviation),
        _ => None,
    }
}

/// The share that is missing, and the gaps in which it is.
fn missing(anomaly: &Anomaly, background: &Background) -> Vec<(&'static str, String)> {
    if anomaly.is_over() {
        return Vec::new(); // the figures of the window in which it was worst are in that one's report
    }
    let (missing, due) = (anomaly.reached.total(), anomaly.records);
    let share = format!("{missing} / {due} × 100 = {}, rounded to hundredths", value(anomaly, anomaly.value));
    let gaps: Vec<_> = background.gaps.iter().filter(|gap| gap.entity == anomaly.entity).collect();
    let mut lines: Vec<String> =
        gaps.iter().take(NAMED).map(|gap| format!("{} from {} to {}", gap.missing, gap.from, gap.to)).collect();
    let named: u64 = gaps.iter().take(NAMED).map(|gap| gap.missing).sum();
    if let Some(more @ 1..) = missing.checked_sub(named) {
        lines.push(format!("{more} more in other gaps, and where records came too slowly"));
    }
    vec![("Share", share), ("Gaps", lines.join("\n"))]
}

/// Since when and until when nothing was heard, and what of that counts.
fn silence(
    anomaly: &Anomaly,
    before: &Sample,
    until: Timestamp,
    ended_by: Option<u64>,
    background: &Background,
) -> String {
    let end = match ended_by {
        Some(row) => format!("until {until} (record {row})"),
        None => format!("until {until}, where what was read ends"),
    };
    let span = (before.time.micros(), until.micros());
    let whole = micros(span);
    let heard = format!("last heard at {} (record {})\n{end}: {whole}", before.time, before.row);
    let hours = background.rule(anomaly).and_then(|rule| rule.hours.as_ref());
    let counted = stretches(hours, &background.maintenance(anomaly.entity.as_deref()), span);
    if counted == [span] {
        return heard;
    }
    let one = |span: &(i64, i64)| {
        format!("{} from {} to {}", micros(*span), Timestamp::nearest(span.0), Timestamp::nearest(span.1))
    };
    let mut lines: Vec<String> = counted.iter().take(NAMED).map(one).collect();
    if let Some(more @ 1..) = counted.len().checked_sub(NAMED) {
        let rest = counted.iter().skip(NAMED).map(|(from, to)| to - from).sum();
        lines.push(format!("{} in {more} more", micros((0, rest))));
    }
    let value = value(anomaly, anomaly.value);
    format!("{heard}, of which {value} count, within the hours and outside of maintenance:\n{}", lines.join("\n"))
}

fn micros((from, to): (i64, i64)) -> String {
    seconds(std::time::Duration::from_micros(to.saturating_sub(from).unsigned_abs()))
}

/// The changes that are counted.
fn changes(anomaly: &Anomaly, newest: &[StatusChange], earlier: u64) -> String {
    let worst = &anomaly.worst;
    let mut lines = vec![format!(
        "{} later than {} before {} (record {})",
        value(anomaly, anomaly.value),
        within(anomaly),
        worst.time,
        worst.row
    )];
    if earlier > 0 {
        lines.push(format!("{earlier} earlier, and"));
    }
    let one = |StatusChange { time, row, from, to }: &StatusChange| {
        format!("{time} {} to {} (record {row})", from.word(), to.word())
    };
    lines.extend(newest.iter().map(one));
    lines.join("\n")
}

/// The two readings, and what comes out of them.
fn change(anomaly: &Anomaly, before: &Sample, after: &Sample, background: &Background) -> String {
    let elapsed = Figure::new((after.time.micros() - before.time.micros()) as f64 / 1e6).unwrap_or(Figure::ZERO);
    let change = after.value.get() - before.value.get();
    let is_reset = anomaly.aspect == Aspect::Counter && change < 0.0;
    let change = Figure::new(if is_reset { after.value.get() } else { change }).unwrap_or(Figure::ZERO);
    let sign = if change.get() > 0.0 { "+" } else { "" };
    let reset = if is_reset { ", counted from 0: the counter was reset" } else { "" };
    let one = |sample: &Sample| format!("{} at {} (record {})", sample.value, sample.time, sample.row);
    let made = value(anomaly, anomaly.value);
    let reckoned = match background.rule(anomaly).map(|rule| rule.quantity) {
        Some(Quantity::Rate { per, .. } | Quantity::Counter { per }) => {
            // Of the sign that is judged.
            let judged = if (change.get() < 0.0) == (anomaly.value.get() < 0.0) { change } else { change.negative() };
            format!("{judged} / {elapsed} s × {} = {made}", micros((0, per)))
        }
        _ => format!("which is {made}"),
    };
    format!("from {}\nto {}\n{sign}{change} in {elapsed} s{reset}: {reckoned}", one(before), one(after))
}

/// The figures of the worst record.
fn operands_of(anomaly: &Anomaly, operands: &[Operand]) -> String {
    let one = |operand: &Operand| format!("{} {}", safe(&operand.metric), operand.value);
    let row = anomaly.worst.row;
    match operands {
        [of, to] if anomaly.condition.is_none() => {
            let hundred = if anomaly.unit.as_deref() == Some("%") { " × 100" } else { "" };
            format!("{} / {}{hundred} = {} (record {row})", one(of), one(to), value(anomaly, anomaly.value))
        }
        _ => {
            let with_parts = |operand: &Operand| {
                let parts = operands.iter().filter(|part| part.of.as_ref() == Some(&operand.metric));
                let parts: Vec<String> = parts.map(one).collect();
                let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
                format!("{}{parts}", one(operand))
            };
            let named = operands.iter().filter(|operand| operand.of.is_none());
            format!("{} (record {row})", named.map(with_parts).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Why that is an anomaly.
pub fn reached(anomaly: &Anomaly) -> (&'static str, String) {
    if anomaly.condition.is_some() {
        return ("Value", "1 where the condition holds, 0 where it does not".to_string());
    }
    let [judged, band] = [anomaly.value, anomaly.threshold].map(|figure| value(anomaly, figure));
    let verb = if anomaly.aspect == Aspect::Flapping && anomaly.value.get() != 1.0 { "reach" } else { "reaches" };
    let severity = anomaly.severity.word();
    ("Threshold", format!("{judged} {verb} {band} ({severity} band; a value equal to a band has reached it)"))
}

/// A number with the rule's unit; the level of a service with its word.
pub fn value(anomaly: &Anomaly, figure: Figure) -> String {
    if anomaly.is_status() {
        let status = Status::ALL.into_iter().find(|s| f64::from(s.level()) == figure.get());
        return status.map_or_else(|| figure.to_string(), |status| format!("{figure} ({})", status.word()));
    }
    match anomaly.aspect {
        Aspect::Flapping if figure.get() == 1.0 => "1 change".to_string(),
        Aspect::Flapping => format!("{figure} changes"),
        Aspect::Stale => match (elapsed(figure, Language::En), stated(figure, anomaly.unit.as_deref())) {
            (said, exact) if said == exact || figure.get() < 60.0 => exact,
            (said, exact) => format!("{said} ({exact})"),
        },
        _ => stated(figure, anomaly.unit.as_deref()),
    }
}

pub fn stated(figure: Figure, unit: Option<&str>) -> String {
    match unit {
        Some("%") => format!("{figure}%"), // as in the sentence
        Some(unit) => format!("{figure} {}", safe(unit)),
        None => figure.to_string(),
    }
}

/// `15 min` of the unit of flapping, which is `/15 min`.
fn within(anomaly: &Anomaly) -> String {
    safe(anomaly.unit.as_deref().unwrap_or_default().trim_start_matches('/')).into_owned()
}
