//! The sentence that describes an anomaly.

mod aspects;

use super::{count, quantity};
use crate::domain::{Anomaly, Aspect, Language, Severity, Status};

/// A full sentence: what was worst, how bad that is, in how many records, since when and until when. `label` is what
/// the language calls the metric, in French with its article; without one the metric's name stands for it. Of an episode
/// that is over it says what it was.
pub fn describe(anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    let when = moments(anomaly, language);
    let subject = subject(anomaly, label, language);
    let severity = severity_word(anomaly.severity, language);
    match anomaly.aspect {
        Aspect::Unusual => return aspects::unusual(anomaly, &subject, language),
        Aspect::Stale => return aspects::stale(anomaly, &series(anomaly, label, language), language),
        Aspect::Flapping => return aspects::flapping(anomaly, &subject, language),
        Aspect::Rate => {
            let subject = capital(&series_of(Aspect::Above, anomaly, label, language));
            if let Some(sentence) = aspects::rate(anomaly, &subject, language) {
                return sentence;
            }
        }
        Aspect::Above | Aspect::Below | Aspect::Counter => {}
    }
    // A status is described by words: its levels are an order, not a measure.
    if anomaly.is_status() {
        let status = |level: f64| Status::from_level(level as u8).unwrap_or(Status::Offline); // levels are 0, 1, 2
        let worst = status_word(status(anomaly.value.get()), language);
        if anomaly.is_over() {
            return match language {
                Language::En => {
                    format!("{subject} has recovered: it was {worst} at worst ({severity} severity), {when}.")
                }
                Language::Fr => format!(
                    "{subject}\u{a0}: retour à la normale, après avoir été {worst} au pire (gravité {severity}), {when}."
                ),
            };
        }
        let began = anomaly.bands.lowest().map_or(Status::Degraded, |(_, level)| status(level.get()));
        let spells = spells(anomaly, began, language);
        return match language {
            Language::En => format!("{subject} was {worst} at worst ({severity} severity): {spells}, {when}."),
            Language::Fr => {
                format!("{subject} a été {worst} au pire (gravité {severity})\u{a0}: {spells}, {when}.")
            }
        };
    }
    if let Some(condition) = &anomaly.condition {
        return held(anomaly, &subject, condition, language);
    }
    let value = quantity(anomaly.value, anomaly.unit.as_deref(), language);
    let threshold = quantity(anomaly.threshold, anomaly.unit.as_deref(), language);
    let falls = anomaly.aspect == Aspect::Below;
    if anomaly.is_over() {
        return match language {
            Language::En => {
                let peaked = if falls { "fell to" } else { "peaked at" };
                format!(
                    "{subject} has recovered: it {peaked} {value} ({severity} severity, threshold {threshold}), {when}."
                )
            }
            Language::Fr => format!(
                "{subject}\u{a0}: retour à la normale, après {} {value} (gravité {severity}, seuil de {threshold}), \
                 {when}.",
                if falls { "une chute à" } else { "un pic de" }
            ),
        };
    }
    let share = share(anomaly, language);
    match language {
        Language::En => {
            let peaked = if falls { "fell to" } else { "peaked at" };
            format!("{subject} {peaked} {value} ({severity} severity, threshold {threshold}): {share}, {when}.")
        }
        Language::Fr => {
            let verb = if subject.starts_with("Les ") { "ont" } else { "a" };
            let reached = if falls { "chuté à" } else { "atteint" };
            format!(
                "{subject} {verb} {reached} {value} (gravité {severity}, seuil de {threshold})\u{a0}: {share}, {when}."
            )
        }
    }
}

/// The sentence of a condition over several metrics: how often it held.
fn held(anomaly: &Anomaly, subject: &str, condition: &str, language: Language) -> String {
    let severity = severity_word(anomaly.severity, language);
    let when = spell(anomaly, language);
    let (reached, records) = counts(anomaly, language);
    let operands = aspects::operands(anomaly, language);
    match (language, anomaly.is_over()) {
        (Language::En, false) => {
            format!("{subject}: `{condition}` held in {reached} of {records} ({severity} severity), {when}{operands}.")
        }
        (Language::En, true) => {
            format!("{subject} is over: `{condition}` held ({severity} severity), {when}{operands}.")
        }
        (Language::Fr, false) => format!(
            "{subject}\u{a0}: `{condition}` était vrai dans {reached} sur {records} (gravité {severity}), {when}{operands}."
        ),
        (Language::Fr, true) => {
            format!(
                "{subject}\u{a0}: retour à la normale, `{condition}` a été vrai (gravité {severity}), {when}{operands}."
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

/// What of `series` a rule judges, as a noun phrase: `the rate of change of CPU usage`; in French of a series with its
/// article or of a name.
pub fn aspect_of(aspect: Aspect, series: &str, language: Language) -> String {
    let of = || match series.split_once(' ') {
        Some(("le", rest)) => format!("du {rest}"),
        Some(("les", rest)) => format!("des {rest}"),
        _ => format!("de {series}"),
    };
    match (aspect, language) {
        (Aspect::Above | Aspect::Below, _) => series.to_string(),
        (Aspect::Unusual, Language::En) => format!("the score of how unusual {series} is"),
        (Aspect::Unusual, Language::Fr) => format!("le score d'écart à l'habitude {}", of()),
        (Aspect::Stale, Language::En) => format!("the time without a reading of {series}"),
        (Aspect::Stale, Language::Fr) => format!("la durée sans relevé {}", of()),
        (Aspect::Flapping, Language::En) => format!("the changes of {series}"),
        (Aspect::Flapping, Language::Fr) => format!("les changements {}", of()),
        (Aspect::Rate, Language::En) => format!("the rate of change of {series}"),
        (Aspect::Rate, Language::Fr) => format!("la vitesse de variation {}", of()),
        (Aspect::Counter, Language::En) => format!("the increase of {series}"),
        (Aspect::Counter, Language::Fr) => format!("la progression {}", of()),
    }
}

/// What is out of the ordinary, as a short noun phrase.
pub fn aspect_word(aspect: Aspect, language: Language) -> &'static str {
    match (aspect, language) {
        (Aspect::Above, Language::En) => "high value",
        (Aspect::Above, Language::Fr) => "valeur élevée",
        (Aspect::Below, Language::En) => "low value",
        (Aspect::Below, Language::Fr) => "valeur basse",
        (Aspect::Rate, Language::En) => "fast change",
        (Aspect::Rate, Language::Fr) => "variation rapide",
        (Aspect::Counter, Language::En) => "fast increase",
        (Aspect::Counter, Language::Fr) => "progression rapide",
        (Aspect::Stale, Language::En) => "silence",
        (Aspect::Stale, Language::Fr) => "absence de relevés",
        (Aspect::Unusual, Language::En) => "unusual value",
        (Aspect::Unusual, Language::Fr) => "valeur inhabituelle",
        (Aspect::Flapping, Language::En) => "flapping status",
        (Aspect::Flapping, Language::Fr) => "état instable",
    }
}

/// `CPU usage on web-1`, with a capital.
fn subject(anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    capital(&series(anomaly, label, language))
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let capital: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    capital + rest.as_str()
}

/// `CPU usage on web-1`, as it stands within a sentence.
fn series(anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    // Sentences about these name the aspect by their verb.
    let named = match anomaly.aspect {
        Aspect::Unusual | Aspect::Stale | Aspect::Flapping => Aspect::Above,
        aspect => aspect,
    };
    series_of(named, anomaly, label, language)
}

/// The same, with what of it this aspect is.
fn series_of(named: Aspect, anomaly: &Anomaly, label: Option<&str>, language: Language) -> String {
    let what = match (&anomaly.service, label, language) {
        (Some(service), _, Language::En) => format!("service {service}"),
        (Some(service), _, Language::Fr) => format!("le service {service}"),
        (None, Some(label), language) => aspect_of(named, label, language),
        (None, None, Language::En) if anomaly.condition.is_some() => format!("the condition {}", anomaly.metric),
        (None, None, Language::Fr) if anomaly.condition.is_some() => format!("la condition {}", anomaly.metric),
        (None, None, Language::En) => aspect_of(named, &format!("the metric {}", anomaly.metric), language),
        (None, None, Language::Fr) => aspect_of(named, &format!("la mesure {}", anomaly.metric), language),
    };
    let place = match (&anomaly.entity, language) {
        (None, _) => String::new(),
        (Some(host), Language::En) => format!(" on {host}"),
        (Some(host), Language::Fr) => format!(" sur {host}"),
    };
    what + &place
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
            let side = if anomaly.aspect == Aspect::Below { "below" } else { "above" };
            format!("{reached} of {records} {were} at or {side} the {lowest} threshold of {band}")
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
    let text = |of: u64| count(of, language);
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

/// First and last moment; only one where they are the same.
fn spell(anomaly: &Anomaly, language: Language) -> String {
    let (first, last) = (anomaly.first.time, anomaly.last.time);
    if !anomaly.is_over() && anomaly.episode.as_ref().is_some_and(|episode| episode.windows > 1) {
        // The counts beside are of the window, the first is of the episode.
        return match language {
            Language::En => format!("in this window, last at {last}, the episode since {first}"),
            Language::Fr => format!("dans cette fenêtre, la dernière fois le {last}, l'épisode depuis le {first}"),
        };
    }
    match (language, first == last) {
        (Language::En, true) => format!("at {first}"),
        (Language::En, false) => format!("first at {first}, last at {last}"),
        (Language::Fr, true) => format!("le {first}"),
        (Language::Fr, false) => format!("la première fois le {first}, la dernière le {last}"),
    }
}

/// First, last and worst moment; only one where they are the same.
fn moments(anomaly: &Anomaly, language: Language) -> String {
    let spell = spell(anomaly, language);
    match language {
        _ if anomaly.first.time == anomaly.last.time => spell,
        Language::En => format!("{spell}, worst at {}", anomaly.worst.time),
        Language::Fr => format!("{spell}, au pire le {}", anomaly.worst.time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Bands, Cause, Counts, Deviation, Episode, Evidence, Figure, Phase, Sample, Stretch, Timestamp,
    };

    fn figure(value: f64) -> Figure {
        Figure::new(value).unwrap()
    }

    fn sample(time: &str, value: f64) -> Sample {
        Sample { time: Timestamp::parse(time).unwrap(), row: 1, value: figure(value) }
    }

    /// 12 of 1,500 records reached a band, the worst of them the high one.
    fn cpu() -> Anomaly {
        Anomaly {
            name: "cpu_usage".into(),
            metric: "cpu_usage".into(),
            aspect: Default::default(),
            condition: None,
            service: None,
            entity: None,
            value: figure(93.5),
            threshold: figure(90.0),
            severity: Severity::High,
            unit: Some("%".into()),
            bands: Bands { low: Some(figure(70.0)), medium: Some(figure(80.0)), high: Some(figure(90.0)) },
            records: 1500,
            reached: Counts { low: 6, medium: 4, high: 2 },
            first: sample("2023-10-01T12:00:00Z", 71.0),
            worst: sample("2023-10-02T08:30:00Z", 93.5),
            last: sample("2023-10-03T23:45:00Z", 70.0),
            stretch: Stretch {
                from: sample("2023-10-02T08:00:00Z", 0.0).time,
                to: sample("2023-10-02T09:00:00Z", 0.0).time,
            },
            newest: sample("2023-10-04T00:00:00Z", 50.0),
            mean: figure(61.0),
            evidence: None,
            services: vec![],
            description: String::new(),
            episode: None,
        }
    }

    fn cache() -> Anomaly {
        Anomaly {
            metric: "service_status".into(),
            aspect: Default::default(),
            condition: None,
            service: Some("cache".into()),
            value: figure(2.0),
            threshold: figure(2.0),
            unit: None,
            bands: Bands { low: None, medium: Some(figure(1.0)), high: Some(figure(2.0)) },
            ..cpu()
        }
    }

    /// Reached once.
    fn once(anomaly: Anomaly, records: u64) -> Anomaly {
        let reached = Counts { low: 1, medium: 0, high: 0 };
        Anomaly { records, reached, first: anomaly.worst, last: anomaly.worst, ..anomaly }
    }

    fn on_host(anomaly: Anomaly) -> Anomaly {
        Anomaly { entity: Some("web-1".into()), ..anomaly }
    }

    /// No-break spaces made visible: `_`, and the narrow one `'`.
    fn sentences(forms: &[(Anomaly, [Option<&str>; 2])]) -> String {
        let visible = |text: String| text.replace('\u{a0}', "_").replace('\u{202f}', "'");
        let lines = forms.iter().flat_map(|(anomaly, [en, fr])| {
            [visible(describe(anomaly, *en, Language::En)), visible(describe(anomaly, *fr, Language::Fr))]
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_form_of_a_metric() {
        let usage = [Some("CPU usage"), Some("l'utilisation du processeur")];
        let only_medium = Bands { low: None, medium: Some(figure(80.0)), high: None };
        let medium = Anomaly { severity: Severity::Medium, threshold: figure(80.0), bands: only_medium, ..cpu() };
        let low_ratio = Anomaly {
            severity: Severity::Low,
            value: figure(0.0625),
            threshold: figure(0.05),
            bands: Bands { low: Some(figure(0.05)), ..Bands::default() },
            unit: None,
            ..cpu()
        };
        insta::assert_snapshot!(sentences(&[
            (cpu(), usage),
            (on_host(cpu()), usage),
            (medium, usage),
            (once(on_host(cpu()), 1500), usage),
            (once(cpu(), 1), usage),
            (low_ratio, [Some("error rate"), Some("le taux d'erreur")]),
            (cpu(), [Some("active connections"), Some("les connexions actives")]),
            (cpu(), [None, None]),
        ]), @r"
        CPU usage peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records were at or above the low threshold of 70%, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        L'utilisation du processeur a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (70_%), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        CPU usage on web-1 peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records were at or above the low threshold of 70%, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        L'utilisation du processeur sur web-1 a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (70_%), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        CPU usage peaked at 93.5% (medium severity, threshold 80%): 12 of 1,500 records were at or above the medium threshold of 80%, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        L'utilisation du processeur a atteint 93,5_% (gravité moyenne, seuil de 80_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité moyenne (80_%), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        CPU usage on web-1 peaked at 93.5% (high severity, threshold 90%): 1 of 1,500 records was at or above the low threshold of 70%, at 2023-10-02T08:30:00Z.
        L'utilisation du processeur sur web-1 a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 1 relevé sur 1'500 a atteint le seuil de gravité faible (70_%), le 2023-10-02T08:30:00Z.
        CPU usage peaked at 93.5% (high severity, threshold 90%): 1 of 1 record was at or above the low threshold of 70%, at 2023-10-02T08:30:00Z.
        L'utilisation du processeur a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 1 relevé sur 1 a atteint le seuil de gravité faible (70_%), le 2023-10-02T08:30:00Z.
        Error rate peaked at 0.0625 (low severity, threshold 0.05): 12 of 1,500 records were at or above the low threshold of 0.05, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Le taux d'erreur a atteint 0,0625 (gravité faible, seuil de 0,05)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (0,05), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        Active connections peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records were at or above the low threshold of 70%, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Les connexions actives ont atteint 93,5_% (gravité élevée, seuil de 90_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (70_%), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        The metric cpu_usage peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records were at or above the low threshold of 70%, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        La mesure cpu_usage a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (70_%), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        ");
    }

    #[test]
    fn counts_are_exact_however_large() {
        let many = Counts { low: 1_000_000_000, medium: 234_567_891, high: 0 };
        let text = describe(&Anomaly { records: 9_876_543_219, reached: many, ..cpu() }, None, Language::En);
        assert!(text.contains("1,234,567,891 of 9,876,543,219 records were"), "{text}");
    }

    #[test]
    fn every_form_of_a_service() {
        let degraded = Anomaly { value: figure(1.0), threshold: figure(1.0), severity: Severity::Medium, ..cache() };
        let offline_only = Bands { high: Some(figure(2.0)), ..Bands::default() };
        insta::assert_snapshot!(sentences(&[
            (cache(), [None, None]),
            (on_host(cache()), [None, None]),
            (degraded.clone(), [None, None]),
            (once(degraded, 240), [None, None]),
            (once(cache(), 1), [None, None]),
            (Anomaly { bands: offline_only, ..cache() }, [None, None]),
            (Anomaly { bands: offline_only, ..once(on_host(cache()), 2) }, [None, None]),
        ]), @r"
        Service cache was offline at worst (high severity): it was not online in 12 of 1,500 records, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Le service cache a été hors ligne au pire (gravité élevée)_: il n'était pas en ligne dans 12 relevés sur 1'500, la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        Service cache on web-1 was offline at worst (high severity): it was not online in 12 of 1,500 records, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Le service cache sur web-1 a été hors ligne au pire (gravité élevée)_: il n'était pas en ligne dans 12 relevés sur 1'500, la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        Service cache was degraded at worst (medium severity): it was not online in 12 of 1,500 records, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Le service cache a été dégradé au pire (gravité moyenne)_: il n'était pas en ligne dans 12 relevés sur 1'500, la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        Service cache was degraded at worst (medium severity): it was not online in 1 of 240 records, at 2023-10-02T08:30:00Z.
        Le service cache a été dégradé au pire (gravité moyenne)_: il n'était pas en ligne dans 1 relevé sur 240, le 2023-10-02T08:30:00Z.
        Service cache was offline at worst (high severity): it was not online in 1 of 1 record, at 2023-10-02T08:30:00Z.
        Le service cache a été hors ligne au pire (gravité élevée)_: il n'était pas en ligne dans 1 relevé sur 1, le 2023-10-02T08:30:00Z.
        Service cache was offline at worst (high severity): it was offline in 12 of 1,500 records, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        Le service cache a été hors ligne au pire (gravité élevée)_: il était hors ligne dans 12 relevés sur 1'500, la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        Service cache on web-1 was offline at worst (high severity): it was offline in 1 of 2 records, at 2023-10-02T08:30:00Z.
        Le service cache sur web-1 a été hors ligne au pire (gravité élevée)_: il était hors ligne dans 1 relevé sur 2, le 2023-10-02T08:30:00Z.
        ");
    }

    /// One of each other aspect, as it goes on and when it is over.
    #[test]
    fn other_aspects_have_sentences_of_their_own() {
        let deviation = |cause, up, samples| {
            let unit = Some("%".to_string());
            Evidence::Unusual(Deviation {
                value: figure(93.5),
                unit,
                low: figure(20.5),
                high: figure(40.0),
                cause,
                up,
                samples,
                surprise: figure(0.98),
                peak: figure(1.0),
                reckoning: None,
            })
        };
        let unusual = |cause, up, samples| Anomaly {
            aspect: Aspect::Unusual,
            value: figure(0.83),
            threshold: figure(0.5),
            unit: None,
            evidence: Some(deviation(cause, up, samples)),
            reached: Counts { low: 0, medium: 1, high: 0 },
            ..cpu()
        };
        let silence = figure(1800.0);
        let stale =
            Anomaly { aspect: Aspect::Stale, value: silence, threshold: silence, unit: Some("s".into()), ..cpu() };
        let flapping = Anomaly {
            aspect: Aspect::Flapping,
            value: figure(12.0),
            threshold: figure(10.0),
            unit: Some("/15 min".into()),
            ..cache()
        };
        let mut anomalies = vec![
            unusual(Cause::Outside, true, 1),
            Anomaly { reached: Counts { low: 0, medium: 3, high: 0 }, ..unusual(Cause::HourOfWeek, true, 1) },
            unusual(Cause::HourOfDay, true, 1),
            unusual(Cause::Jump, true, 1),
            unusual(Cause::Stays, true, 4),
            unusual(Cause::Stays, false, 8),
            Anomaly { evidence: None, ..unusual(Cause::Jump, true, 1) },
            stale,
            flapping,
        ];
        for at in [0, 7, 8] {
            let over = Some(Episode {
                id: "x".into(),
                phase: Phase::Resolved,
                since: anomalies[at].first.time,
                worst_severity: Severity::High,
                windows: 2,
            });
            anomalies.push(Anomaly { episode: over, ..anomalies[at].clone() });
        }
        let lines = |label, language| {
            let lines: Vec<String> = anomalies.iter().map(|a| describe(a, Some(label), language)).collect();
            lines.join("\n").replace('\u{a0}', "_")
        };
        insta::assert_snapshot!(lines("CPU usage", Language::En), @r"
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, outside the usual 20.5 to 40% (high severity, score 0.83).
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, where 20.5 to 40% is usual for this hour of the week (high severity, score 0.83), the greatest of 3 surprises, first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z.
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, where 20.5 to 40% is usual for this hour of the day (high severity, score 0.83).
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, where 20.5 to 40% would be usual after the reading before (high severity, score 0.83).
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, above 40% for 4 readings in a row, as never before (high severity, score 0.83).
        CPU usage was unusual at 2023-10-02T08:30:00Z: 93.5%, below 20.5% for 8 readings in a row, as never before (high severity, score 0.83).
        CPU usage was unusual at 2023-10-02T08:30:00Z (high severity, score 0.83).
        There was no reading of CPU usage for 30 min (high severity, threshold 30 min), up to 2023-10-02T08:30:00Z.
        Service cache was flapping: its status changed 12 times within 15 min at worst (high severity, threshold 10), first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        CPU usage gave no more surprise: at 2023-10-02T08:30:00Z it was 93.5%, outside the usual 20.5 to 40% (high severity, score 0.83).
        Readings of CPU usage come again: there was none for 30 min (high severity, threshold 30 min), up to 2023-10-02T08:30:00Z.
        Service cache is steady again: its status changed 12 times within 15 min at worst (high severity, threshold 10), first at 2023-10-01T12:00:00Z, last at 2023-10-03T23:45:00Z, worst at 2023-10-02T08:30:00Z.
        ");
        insta::assert_snapshot!(lines("l'utilisation du processeur", Language::Fr), @r"
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, hors de l'habituel (20,5 à 40_%) (gravité élevée, score 0,83).
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, alors que 20,5 à 40_% est habituel à cette heure de la semaine (gravité élevée, score 0,83), la plus forte de 3 surprises, la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z.
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, alors que 20,5 à 40_% est habituel à cette heure du jour (gravité élevée, score 0,83).
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, alors que le relevé précédent laissait attendre 20,5 à 40_% (gravité élevée, score 0,83).
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, au-dessus de 40_% pendant 4 relevés de suite, du jamais vu (gravité élevée, score 0,83).
        L'utilisation du processeur_: valeur inhabituelle de 93,5_% le 2023-10-02T08:30:00Z, en dessous de 20,5_% pendant 8 relevés de suite, du jamais vu (gravité élevée, score 0,83).
        L'utilisation du processeur_: valeur inhabituelle le 2023-10-02T08:30:00Z (gravité élevée, score 0,83).
        Aucun relevé reçu pour l'utilisation du processeur pendant 30_min (gravité élevée, seuil de 30_min), jusqu'au 2023-10-02T08:30:00Z.
        Le service cache était instable_: son état a changé jusqu'à 12 fois en 15 min (gravité élevée, seuil de 10), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        L'utilisation du processeur_: plus de surprise depuis 93,5_% le 2023-10-02T08:30:00Z, hors de l'habituel (20,5 à 40_%) (gravité élevée, score 0,83).
        Relevés de nouveau reçus pour l'utilisation du processeur_: il n'y en avait eu aucun pendant 30_min (gravité élevée, seuil de 30_min), jusqu'au 2023-10-02T08:30:00Z.
        Le service cache est de nouveau stable_: son état avait changé jusqu'à 12 fois en 15 min (gravité élevée, seuil de 10), la première fois le 2023-10-01T12:00:00Z, la dernière le 2023-10-03T23:45:00Z, au pire le 2023-10-02T08:30:00Z.
        ");
    }

    #[test]
    fn a_rate_says_which_way_it_went() {
        let rate = |before: f64, after: f64| {
            let [before, after] = [("2023-10-02T08:29:00Z", before), ("2023-10-02T08:30:00Z", after)]
                .map(|(time, value)| sample(time, value));
            Anomaly {
                aspect: Aspect::Rate,
                value: figure(3.0),
                threshold: figure(2.0),
                bands: Bands { low: None, medium: Some(figure(2.0)), high: None },
                unit: Some("%/min".into()),
                reached: Counts { low: 0, medium: 1, high: 0 },
                first: after,
                last: after,
                evidence: Some(Evidence::Change { before, after }),
                ..cpu()
            }
        };
        let (fall, rise) = (rate(60.0, 57.0), rate(57.0, 60.0));
        let over = |anomaly: &Anomaly| {
            let (id, since) = (String::new(), anomaly.first.time);
            let episode = Episode { id, phase: Phase::Resolved, since, worst_severity: Severity::High, windows: 2 };
            Anomaly { episode: Some(episode), ..anomaly.clone() }
        };
        let unknown = Anomaly { evidence: None, ..fall.clone() };
        let lines = |label, language| {
            let all = [&fall, &rise, &over(&fall), &over(&rise), &unknown];
            all.map(|anomaly| describe(anomaly, Some(label), language)).join("\n").replace('\u{a0}', "_")
        };
        insta::assert_snapshot!(lines("CPU usage", Language::En), @r"
        CPU usage changed by up to 3 %/min, downwards (high severity, threshold 2 %/min): 1 of 1,500 records was at or above the medium threshold of 2 %/min, at 2023-10-02T08:30:00Z.
        CPU usage changed by up to 3 %/min, upwards (high severity, threshold 2 %/min): 1 of 1,500 records was at or above the medium threshold of 2 %/min, at 2023-10-02T08:30:00Z.
        CPU usage is steady again: it had changed by up to 3 %/min, downwards (high severity, threshold 2 %/min), at 2023-10-02T08:30:00Z.
        CPU usage is steady again: it had changed by up to 3 %/min, upwards (high severity, threshold 2 %/min), at 2023-10-02T08:30:00Z.
        The rate of change of CPU usage peaked at 3 %/min (high severity, threshold 2 %/min): 1 of 1,500 records was at or above the medium threshold of 2 %/min, at 2023-10-02T08:30:00Z.
        ");
        insta::assert_snapshot!(lines("l'utilisation du processeur", Language::Fr), @r"
        L'utilisation du processeur a varié de 3_%/min au plus vite, en baisse (gravité élevée, seuil de 2_%/min)_: 1 relevé sur 1 500 a atteint le seuil de gravité moyenne (2_%/min), le 2023-10-02T08:30:00Z.
        L'utilisation du processeur a varié de 3_%/min au plus vite, en hausse (gravité élevée, seuil de 2_%/min)_: 1 relevé sur 1 500 a atteint le seuil de gravité moyenne (2_%/min), le 2023-10-02T08:30:00Z.
        L'utilisation du processeur_: retour à la normale, après une baisse de 3_%/min au plus vite (gravité élevée, seuil de 2_%/min), le 2023-10-02T08:30:00Z.
        L'utilisation du processeur_: retour à la normale, après une hausse de 3_%/min au plus vite (gravité élevée, seuil de 2_%/min), le 2023-10-02T08:30:00Z.
        La vitesse de variation de l'utilisation du processeur a atteint 3_%/min (gravité élevée, seuil de 2_%/min)_: 1 relevé sur 1 500 a atteint le seuil de gravité moyenne (2_%/min), le 2023-10-02T08:30:00Z.
        ");
    }

    #[test]
    fn of_an_episode_that_goes_on_the_counts_are_of_the_window_and_its_beginning_is_its_own() {
        let going_on = |windows| {
            let (id, since) = (String::new(), cpu().first.time);
            let episode = Episode { id, phase: Phase::Ongoing, since, worst_severity: Severity::High, windows };
            Anomaly { episode: Some(episode), ..cpu() }
        };
        let line = |windows, language| {
            describe(&going_on(windows), None, language).replace('\u{a0}', "_").replace('\u{202f}', "'")
        };
        assert_eq!(line(1, Language::En), describe(&cpu(), None, Language::En)); // nothing to tell apart yet
        insta::assert_snapshot!([Language::En, Language::Fr].map(|language| line(2, language)).join("\n"), @r"
        The metric cpu_usage peaked at 93.5% (high severity, threshold 90%): 12 of 1,500 records were at or above the low threshold of 70%, in this window, last at 2023-10-03T23:45:00Z, the episode since 2023-10-01T12:00:00Z, worst at 2023-10-02T08:30:00Z.
        La mesure cpu_usage a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 12 relevés sur 1'500 ont atteint le seuil de gravité faible (70_%), dans cette fenêtre, la dernière fois le 2023-10-03T23:45:00Z, l'épisode depuis le 2023-10-01T12:00:00Z, au pire le 2023-10-02T08:30:00Z.
        ");
    }
}
