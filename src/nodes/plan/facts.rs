//! Facts: what was measured, named as sentences and formulas name it.

use crate::domain::{Anomaly, Fact, FactValue, Figure, Language, Status, Timestamp};

use crate::wording::{aspect_of, aspect_word};

use super::book::Cause;
use super::formula::Variables;

/// What is known of every anomaly, as the part of a name after the prefix. The first five can be used in formulas too.
const MEASURES: [&str; 8] = ["value", "threshold", "records", "reached", "newest", "first", "last", "worst_at"];
/// Of a metric also this; both can be used in formulas.
const METRIC_MEASURES: [&str; 2] = ["lowest", "mean"];

/// Parts of names that formulas may use, and with `in_sentences` all that slots may use.
pub fn measures_of(cause: &Cause, in_sentences: bool) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = match (cause, in_sentences) {
        (Cause::Metric(_), _) => &METRIC_MEASURES,
        (_, false) => &[],
        (Cause::Any, true) => &["metric", "aspect"],
        (Cause::Service(_), true) => &["service"],
    };
    let common = if in_sentences { &MEASURES[..] } else { &MEASURES[..5] }; // eight are there
    common.iter().chain(own).copied()
}

/// Whether there is such a measure.
pub fn has(cause: &Cause, measure: &str, in_sentences: bool) -> bool {
    measures_of(cause, in_sentences).any(|known| known == measure)
}

/// Adds the numbers of `anomaly` under `prefix`. A status counts as its level.
pub fn add_numbers(variables: &mut Variables, prefix: &str, anomaly: &Anomaly) {
    let mut add = |name: &str, value: f64| variables.insert(format!("{prefix}.{name}"), value);
    add("value", anomaly.value.get());
    add("threshold", anomaly.threshold.get());
    add("records", anomaly.records as f64);
    add("reached", anomaly.reached.total() as f64);
    add("newest", anomaly.newest.value.get());
    if anomaly.service.is_none() {
        add("mean", anomaly.mean.get());
        if let Some((_, lowest)) = anomaly.bands.lowest() {
            add("lowest", lowest.get());
        }
    }
}

/// Everything that sentences may say of `anomaly`.
pub fn measured(cause: &Cause, anomaly: &Anomaly, subject: &str, language: Language) -> Vec<Fact> {
    let series = match (&anomaly.service, language) {
        (None, language) => aspect_of(anomaly.aspect, &anomaly.metric, language),
        (Some(service), Language::En) => format!("the status of {service}"),
        (Some(service), Language::Fr) => format!("l'état de {service}"),
    };
    let mut facts = Vec::new();
    let mut add = |name: &str, value: FactValue, unit: Option<&String>, time: Option<Timestamp>| {
        facts.push(Fact {
            name: format!("{}.{name}", cause.prefix()),
            value,
            unit: unit.cloned(),
            subject: anomaly.service.as_deref().unwrap_or(subject).to_string(),
            time,
            meaning: meaning(name, &series, language),
        });
    };
    let level = |figure: Figure| match Status::ALL.into_iter().find(|s| f64::from(s.level()) == figure.get()) {
        Some(status) if anomaly.is_status() => FactValue::Status(status),
        _ => FactValue::Number(figure),
    };
    let unit = anomaly.unit.as_ref();
    add("value", level(anomaly.value), unit, Some(anomaly.worst.time));
    add("threshold", level(anomaly.threshold), unit, None);
    add("records", FactValue::Number(Figure::count(anomaly.records)), None, None);
    add("reached", FactValue::Number(Figure::count(anomaly.reached.total())), None, None);
    add("newest", level(anomaly.newest.value), unit, Some(anomaly.newest.time));
    for (name, sample) in [("first", anomaly.first), ("last", anomaly.last), ("worst_at", anomaly.worst)] {
        add(name, FactValue::Time(sample.time), None, Some(sample.time));
    }
    match (cause, &anomaly.service) {
        (Cause::Any, _) => {
            let aspect = match anomaly.is_status() || anomaly.condition.is_some() {
                true => either(language, "bad state", "mauvais état"),
                false => aspect_word(anomaly.aspect, language),
            };
            add("metric", FactValue::Name(anomaly.metric.clone()), None, None);
            add("aspect", FactValue::Name(aspect.to_string()), None, None);
        }
        (_, Some(service)) => add("service", FactValue::Name(service.clone()), None, None),
        (_, None) => {
            add("mean", FactValue::Number(anomaly.mean), unit, None);
            if let Some((_, lowest)) = anomaly.bands.lowest() {
                add("lowest", FactValue::Number(lowest), unit, None);
            }
        }
    }
    facts
}

/// What a measured fact is, for the model that words it.
fn meaning(measure: &str, series: &str, language: Language) -> String {
    let (en, fr) = match measure {
        "value" => ("worst value of", "pire valeur de"),
        "threshold" => ("alert threshold that was reached by", "seuil d'alerte atteint par"),
        "records" => ("number of records that state", "nombre de relevés qui donnent"),
        "reached" => (
            "number of records at or above the lowest alert threshold of",
            "nombre de relevés ayant atteint le plus bas seuil d'alerte de",
        ),
        "newest" => ("newest value of", "dernière valeur de"),
        "first" => ("first time that the lowest threshold was reached by", "première atteinte du plus bas seuil par"),
        "last" => ("last time that the lowest threshold was reached by", "dernière atteinte du plus bas seuil par"),
        "worst_at" => ("time of the worst value of", "heure de la pire valeur de"),
        "mean" => ("mean over all records of", "moyenne sur tous les relevés de"),
        "lowest" => ("lowest alert threshold of", "plus bas seuil d'alerte de"),
        "metric" => return either(language, "name of the metric", "nom de la métrique").to_string(),
        "aspect" => {
            return either(language, "what stands out of the metric", "ce qui ressort de la métrique").to_string();
        }
        _ => return either(language, "name of the service", "nom du service").to_string(),
    };
    format!("{} {series}", either(language, en, fr))
}

fn either(language: Language, en: &'static str, fr: &'static str) -> &'static str {
    match language {
        Language::En => en,
        Language::Fr => fr,
    }
}
