//! What was judged and by what: as each aspect of a metric has it, with the figures that it takes to do it again by hand.

use super::super::safe;
use super::super::text::{align_right, fix, grid, print, space};
use super::{Basis, LABEL, PAGE, Place};
use crate::domain::{
    Anomaly, Aspect, Cause, Deviation, Evidence, Figure, InputRecord, Language, Operand, Sample, Severity, Status,
    Timestamp,
};
use crate::wording::elapsed;

/// What is judged, and its bands. `file` is the rules file.
pub fn rule(anomaly: &Anomaly, file: Option<&str>) -> String {
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
    let from = file.map_or_else(String::new, |file| format!(" ({})", safe(file)));
    let bands = match &anomaly.condition {
        Some(condition) => format!("{}: {}", anomaly.severity.word(), safe(condition)),
        None => bands(anomaly),
    };
    format!("{what}{from}\n{bands}")
}

fn bands(anomaly: &Anomaly) -> String {
    let side = if anomaly.aspect == Aspect::Below { " down" } else { "" };
    let band = |severity: Severity| {
        let band = value(anomaly, anomaly.bands.get(severity)?);
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
pub fn samples(anomaly: &Anomaly, basis: Basis, place: Place) -> String {
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
            (["", "from", "until", "silence", ""], silences)
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
            Basis::Readings if is_silence => (began(sample).to_string(), value(anomaly, sample.value)),
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

/// Since when a silence counts that ends with a sample.
fn began(sample: &Sample) -> Timestamp {
    let micros = (sample.value.get() * 1e6).round() as i64; // saturates
    Timestamp::nearest(sample.time.micros().saturating_sub(micros))
}

/// What the worst value is made of.
pub fn figures(anomaly: &Anomaly) -> Vec<(&'static str, String)> {
    match (&anomaly.evidence, anomaly.aspect) {
        (Some(Evidence::Unusual(deviation)), _) => unusual(anomaly, deviation),
        (Some(Evidence::Change { before, after }), _) => vec![("Change", change(anomaly, before, after))],
        (Some(Evidence::Operands(operands)), _) if !operands.is_empty() => {
            vec![("Figures", operands_of(anomaly, operands))]
        }
        (_, Aspect::Stale) => {
            let counted = "counted from the reading before; not outside the hours of the rule, nor in maintenance";
            vec![("Silence", counted.to_string())]
        }
        _ => Vec::new(),
    }
}

fn unusual(anomaly: &Anomaly, deviation: &Deviation) -> Vec<(&'static str, String)> {
    let Deviation { value, unit, low, high, cause, up, samples, surprise, peak } = deviation;
    let stated = |figure: Figure| stated(figure, unit.as_deref());
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
    let score = format!(
        "from 0, as usual, to 1: how far the value is out of the ordinary, beside the greatest surprise before it\n\
         s / (s + 1/8 + 0.075 m) = {}, cut off after three digits\nsurprise s = {surprise}, and m = {peak}, the greatest \
         before it; `agent kinds detect` says how a surprise is counted",
        anomaly.value
    );
    vec![
        ("Value", format!("{} at {time} (record {row})", stated(*value))),
        ("Usual", format!("{low} to {}: {why}", stated(*high))),
        ("Score", score),
    ]
}

/// The two readings, and what comes out of them.
fn change(anomaly: &Anomaly, before: &Sample, after: &Sample) -> String {
    let seconds = Figure::new((after.time.micros() - before.time.micros()) as f64 / 1e6).unwrap_or(Figure::ZERO);
    let change = after.value.get() - before.value.get();
    let is_reset = anomaly.aspect == Aspect::Counter && change < 0.0;
    let change = Figure::new(if is_reset { after.value.get() } else { change }).unwrap_or(Figure::ZERO);
    let sign = if change.get() > 0.0 { "+" } else { "" };
    let reset = if is_reset { ", counted from 0: the counter was reset" } else { "" };
    let one = |sample: &Sample| format!("{} at {} (record {})", sample.value, sample.time, sample.row);
    let made = value(anomaly, anomaly.value);
    format!("from {}\nto {}\n{sign}{change} in {seconds} s{reset}, which is {made}", one(before), one(after))
}

/// The figures of the worst record.
fn operands_of(anomaly: &Anomaly, operands: &[Operand]) -> String {
    let one = |Operand { metric, value }: &Operand| format!("{} {value}", safe(metric));
    let row = anomaly.worst.row;
    match operands {
        [of, to] if anomaly.condition.is_none() => {
            let hundred = if anomaly.unit.as_deref() == Some("%") { " × 100" } else { "" };
            format!("{} / {}{hundred} = {} (record {row})", one(of), one(to), value(anomaly, anomaly.value))
        }
        _ => format!("{} (record {row})", operands.iter().map(one).collect::<Vec<_>>().join(", ")),
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
fn value(anomaly: &Anomaly, figure: Figure) -> String {
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

fn stated(figure: Figure, unit: Option<&str>) -> String {
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
