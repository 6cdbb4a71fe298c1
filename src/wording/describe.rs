//! The sentence that describes an anomaly.

use super::{number, quantity};
use crate::domain::{Anomaly, Figure, Language, Severity, Status};

/// A full sentence: what was worst, how bad that is, in how many records, since when and until when. `label` is what
/// the language calls the metric, in French with its article; without one the metric's name stands for it.
pub fn describe(anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    let when = moments(anomaly, language);
    let subject = subject(anomaly, label, language);
    let severity = severity_word(anomaly.severity, language);
    // A service is described by words: its levels are an order, not a measure.
    if anomaly.service.is_some() {
        let status = |level: f64| Status::from_level(level as u8).unwrap_or(Status::Offline); // levels are 0, 1, 2
        let worst = status_word(status(anomaly.value.get()), language);
        let began = anomaly.bands.lowest().map_or(Status::Degraded, |(_, level)| status(level.get()));
        let spells = spells(anomaly, began, language);
        return match language {
            Language::En => format!("{subject} was {worst} at worst ({severity} severity): {spells}, {when}."),
            Language::Fr => {
                format!("{subject} a été {worst} au pire (gravité {severity})\u{a0}: {spells}, {when}.")
            }
        };
    }
    let value = quantity(anomaly.value, anomaly.unit.as_deref(), language);
    let threshold = quantity(anomaly.threshold, anomaly.unit.as_deref(), language);
    let share = share(anomaly, language);
    match language {
        Language::En => {
            format!("{subject} peaked at {value} ({severity} severity, threshold {threshold}): {share}, {when}.")
        }
        Language::Fr => {
            let verb = if subject.starts_with("Les ") { "ont" } else { "a" };
            format!(
                "{subject} {verb} atteint {value} (gravité {severity}, seuil de {threshold})\u{a0}: {share}, {when}."
            )
        }
    }
}

/// A severity as an adjective: of the feminine `gravité` in French.
pub fn severity_word(severity: Severity, language: Language) -> &'static str {
    match (language, severity) {
        (Language::En, severity) => severity.word(),
        (Language::Fr, Severity::Low) => "faible",
        (Language::Fr, Severity::Medium) => "moyenne",
        (Language::Fr, Severity::High) => "élevée",
    }
}

/// A status as an adjective: of the masculine `service` in French.
pub fn status_word(status: Status, language: Language) -> &'static str {
    match (language, status) {
        (Language::En, status) => status.word(),
        (Language::Fr, Status::Online) => "en ligne",
        (Language::Fr, Status::Degraded) => "dégradé",
        (Language::Fr, Status::Offline) => "hors ligne",
    }
}

/// `CPU usage on web-1`, with a capital.
fn subject(anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    let what = match (&anomaly.service, label, language) {
        (Some(service), _, Language::En) => format!("service {service}"),
        (Some(service), _, Language::Fr) => format!("le service {service}"),
        (None, Some(label), _) => label.to_string(),
        (None, None, Language::En) => format!("the metric {}", anomaly.metric),
        (None, None, Language::Fr) => format!("la mesure {}", anomaly.metric),
    };
    let mut rest = what.chars();
    let capital: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let place = match (&anomaly.entity, language) {
        (None, _) => String::new(),
        (Some(host), Language::En) => format!(" on {host}"),
        (Some(host), Language::Fr) => format!(" sur {host}"),
    };
    format!("{capital}{}{place}", rest.as_str())
}

/// How many of the records reached the lowest band.
fn share(anomaly: &Anomaly, language: Language) -> String {
    let (reached, records) = counts(anomaly, language);
    let Some((lowest, band)) = anomaly.bands.lowest() else { return String::new() }; // a rule has at least one
    let lowest = severity_word(lowest, language);
    let band = quantity(band, anomaly.unit.as_deref(), language);
    let one = anomaly.reached.total() == 1;
    match language {
        Language::En => {
            let were = if one { "was" } else { "were" };
            format!("{reached} of {records} {were} at or above the {lowest} threshold of {band}")
        }
        Language::Fr => {
            let have = if one { "a" } else { "ont" };
            format!("{reached} sur {records} {have} atteint le seuil de gravité {lowest} ({band})")
        }
    }
}

/// In how many of the records the service was as bad as `began` or worse.
fn spells(anomaly: &Anomaly, began: Status, language: Language) -> String {
    let (reached, records) = counts(anomaly, language);
    match (language, began) {
        (Language::En, Status::Offline) => format!("it was offline in {reached} of {records}"),
        (Language::En, _) => format!("it was not online in {reached} of {records}"),
        (Language::Fr, Status::Offline) => format!("il était hors ligne dans {reached} sur {records}"),
        (Language::Fr, _) => format!("il n'était pas en ligne dans {reached} sur {records}"),
    }
}

/// The two counts, the noun with the one that the language puts it after: `3 of 240 records`, `3 relevés sur 240`.
fn counts(anomaly: &Anomaly, language: Language) -> (String, String) {
    let text = |count: u64| number(Figure::count(count), language);
    let (reached, records) = (anomaly.reached.total(), anomaly.records);
    match language {
        Language::En => {
            (text(reached), format!("{} {}", text(records), if records == 1 { "record" } else { "records" }))
        }
        Language::Fr => {
            (format!("{} {}", text(reached), if reached == 1 { "relevé" } else { "relevés" }), text(records))
        }
    }
}

/// First, last and worst moment; only one where they are the same.
fn moments(anomaly: &Anomaly, language: Language) -> String {
    let (first, last, worst) = (anomaly.first.time, anomaly.last.time, anomaly.worst.time);
    match (language, first == last) {
        (Language::En, true) => format!("at {first}"),
        (Language::En, false) => format!("first at {first}, last at {last}, worst at {worst}"),
        (Language::Fr, true) => format!("le {first}"),
        (Language::Fr, false) => format!("la première fois le {first}, la dernière le {last}, au pire le {worst}"),
    }
}
