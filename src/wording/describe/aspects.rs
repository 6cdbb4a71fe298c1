//! The sentences of anomalies that are about something else than how high or low a value is.

use super::{moments, severity_word, share, spell};
use crate::domain::{Anomaly, Cause, Deviation, Evidence, Figure, Language, Operand};
use crate::wording::{count, elapsed, number, quantity};

/// A value that is unusual for its series. `subject` begins with a capital.
pub fn unusual(anomaly: &Anomaly, subject: &str, language: Language) -> String {
    let severity = severity_word(anomaly.severity, language);
    let score = number(anomaly.value, language);
    let when = anomaly.worst.time;
    let Some(Evidence::Unusual(deviation)) = &anomaly.evidence else {
        return match language {
            Language::En => format!("{subject} was unusual at {when} ({severity} severity, score {score})."),
            Language::Fr => {
                format!("{subject}\u{a0}: valeur inhabituelle le {when} (gravité {severity}, score {score}).")
            }
        };
    };
    let value = quantity(deviation.value, deviation.unit.as_deref(), language);
    let usual = usual(deviation, language);
    let others = anomaly.reached.total().saturating_sub(1);
    let among = match (language, others) {
        (_, 0) => String::new(),
        (Language::En, _) => {
            format!(", the greatest of {} surprises, {}", count(others + 1, language), spell(anomaly, language))
        }
        (Language::Fr, _) => {
            format!(", la plus forte de {} surprises, {}", count(others + 1, language), spell(anomaly, language))
        }
    };
    match (language, anomaly.is_over()) {
        (Language::En, false) => {
            format!("{subject} was unusual at {when}: {value}, {usual} ({severity} severity, score {score}){among}.")
        }
        (Language::En, true) => {
            format!(
                "{subject} gave no more surprise: at {when} it was {value}, {usual} ({severity} severity, score {score})."
            )
        }
        (Language::Fr, false) => format!(
            "{subject}\u{a0}: valeur inhabituelle de {value} le {when}, {usual} (gravité {severity}, score {score}){among}."
        ),
        (Language::Fr, true) => format!(
            "{subject}\u{a0}: plus de surprise depuis {value} le {when}, {usual} (gravité {severity}, score {score})."
        ),
    }
}

/// What would have been usual.
fn usual(deviation: &Deviation, language: Language) -> String {
    let Deviation { cause, up, samples, unit, .. } = deviation;
    let figure = |figure: Figure| quantity(figure, unit.as_deref(), language);
    let (low, high) = (figure(deviation.low), figure(deviation.high));
    let bare = number(deviation.low, language);
    let range = match language {
        Language::En => format!("{bare} to {high}"),
        Language::Fr => format!("{bare} à {high}"),
    };
    let samples = count((*samples).into(), language);
    match (language, cause) {
        (Language::En, Cause::Outside) => format!("outside the usual {range}"),
        (Language::En, Cause::Stays) if *up => {
            format!("above {high} for {samples} readings in a row, as never before")
        }
        (Language::En, Cause::Stays) => format!("below {low} for {samples} readings in a row, as never before"),
        (Language::En, Cause::HourOfWeek) => format!("where {range} is usual for this hour of the week"),
        (Language::En, Cause::HourOfDay) => format!("where {range} is usual for this hour of the day"),
        (Language::En, Cause::Jump) => format!("where {range} would be usual after the reading before"),
        (Language::Fr, Cause::Outside) => format!("hors de l'habituel ({range})"),
        (Language::Fr, Cause::Stays) if *up => {
            format!("au-dessus de {high} pendant {samples} relevés de suite, du jamais vu")
        }
        (Language::Fr, Cause::Stays) => format!("en dessous de {low} pendant {samples} relevés de suite, du jamais vu"),
        (Language::Fr, Cause::HourOfWeek) => {
            format!("alors que {range} est habituel à cette heure de la semaine")
        }
        (Language::Fr, Cause::HourOfDay) => format!("alors que {range} est habituel à cette heure du jour"),
        (Language::Fr, Cause::Jump) => format!("alors que le relevé précédent laissait attendre {range}"),
    }
}

/// A series that sent nothing. `series` has no capital: `CPU usage on web-1`.
pub fn stale(anomaly: &Anomaly, series: &str, language: Language) -> String {
    let severity = severity_word(anomaly.severity, language);
    let [silence, threshold] = [anomaly.value, anomaly.threshold].map(|figure| elapsed(figure, language)); // both in seconds
    let until = anomaly.worst.time;
    match (language, anomaly.is_over()) {
        (Language::En, false) => format!(
            "There was no reading of {series} for {silence} ({severity} severity, threshold {threshold}), up to {until}."
        ),
        (Language::En, true) => format!(
            "Readings of {series} come again: there was none for {silence} ({severity} severity, threshold {threshold}), \
             up to {until}."
        ),
        (Language::Fr, false) => format!(
            "Aucun relevé reçu pour {series} pendant {silence} (gravité {severity}, seuil de {threshold}), jusqu'au {until}."
        ),
        (Language::Fr, true) => format!(
            "Relevés de nouveau reçus pour {series}\u{a0}: il n'y en avait eu aucun pendant {silence} (gravité {severity}, \
             seuil de {threshold}), jusqu'au {until}."
        ),
    }
}

/// A value that changed fast: which way, where the two readings are known. `subject` begins with a capital.
pub fn rate(anomaly: &Anomaly, subject: &str, language: Language) -> Option<String> {
    let Some(Evidence::Change { before, after }) = &anomaly.evidence else { return None };
    let rose = after.value.get() > before.value.get();
    let severity = severity_word(anomaly.severity, language);
    let unit = anomaly.unit.as_deref();
    let [rate, threshold] = [anomaly.value, anomaly.threshold].map(|figure| quantity(figure, unit, language));
    let (share, when) = (share(anomaly, language), moments(anomaly, language));
    let have = if subject.starts_with("Les ") { "ont" } else { "a" };
    Some(match (language, anomaly.is_over()) {
        (Language::En, false) => {
            // Others of the records that are counted may have gone the other way.
            let way = if rose { "upwards" } else { "downwards" };
            format!(
                "{subject} changed by up to {rate}, {way} ({severity} severity, threshold {threshold}): {share}, {when}."
            )
        }
        (Language::En, true) => {
            let way = if rose { "upwards" } else { "downwards" };
            format!(
                "{subject} is steady again: it had changed by up to {rate}, {way} ({severity} severity, threshold {threshold}), {when}."
            )
        }
        (Language::Fr, false) => {
            let way = if rose { "hausse" } else { "baisse" };
            format!(
                "{subject} {have} varié de {rate} au plus vite, en {way} (gravité {severity}, seuil de {threshold})\u{a0}: {share}, \
                 {when}."
            )
        }
        (Language::Fr, true) => {
            let change = if rose { "hausse" } else { "baisse" };
            format!(
                "{subject}\u{a0}: retour à la normale, après une {change} de {rate} au plus vite (gravité {severity}, seuil de \
                 {threshold}), {when}."
            )
        }
    })
}

/// A service whose status changed often. The unit is `/15 min`.
pub fn flapping(anomaly: &Anomaly, subject: &str, language: Language) -> String {
    let severity = severity_word(anomaly.severity, language);
    let [changes, threshold] = [anomaly.value, anomaly.threshold].map(|figure| number(figure, language));
    let within = anomaly.unit.as_deref().unwrap_or_default().trim_start_matches('/');
    let when = moments(anomaly, language);
    match (language, anomaly.is_over()) {
        (Language::En, false) => format!(
            "{subject} was flapping: its status changed {changes} times within {within} at worst ({severity} severity, \
             threshold {threshold}), {when}."
        ),
        (Language::En, true) => format!(
            "{subject} is steady again: its status changed {changes} times within {within} at worst ({severity} severity, \
             threshold {threshold}), {when}."
        ),
        (Language::Fr, false) => format!(
            "{subject} était instable\u{a0}: son état a changé jusqu'à {changes} fois en {within} (gravité {severity}, seuil de \
             {threshold}), {when}."
        ),
        (Language::Fr, true) => format!(
            "{subject} est de nouveau stable\u{a0}: son état avait changé jusqu'à {changes} fois en {within} (gravité {severity}, \
             seuil de {threshold}), {when}."
        ),
    }
}

/// The figures of the record that a condition held in, as they follow a sentence; nothing where they are not known.
pub fn operands(anomaly: &Anomaly, language: Language) -> String {
    let Some(Evidence::Operands(operands)) = &anomaly.evidence else { return String::new() };
    let one = |Operand { metric, value, .. }: &Operand| format!("{metric} {}", number(*value, language));
    let all: Vec<String> = operands.iter().filter(|operand| operand.of.is_none()).map(one).collect();
    let at = anomaly.worst.time;
    let is_only = anomaly.first.time == at && anomaly.last.time == at;
    match language {
        _ if all.is_empty() => String::new(),
        Language::En if is_only => format!(", with {}", all.join(", ")),
        Language::En => format!("; at {at}: {}", all.join(", ")),
        Language::Fr if is_only => format!(", avec {}", all.join(", ")),
        Language::Fr => format!("\u{a0}; le {at}\u{a0}: {}", all.join(", ")),
    }
}
