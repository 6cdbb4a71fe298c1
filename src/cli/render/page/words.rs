//! Headings and terms in the languages of a page, and how they write moments and counts.

use crate::domain::{Language, Severity, Timestamp};
use crate::wording::count;

/// The noun of one, and of several.
pub type Noun = [&'static str; 2];

/// What a page says by itself.
pub struct Words {
    pub title: &'static str,
    /// With the space before it that the language wants.
    pub colon: &'static str,
    pub severities: [&'static str; 3],
    pub all_clear: &'static str,
    pub not_all_judged: &'static str,
    pub anomaly: Noun,
    pub in_incidents: Noun,
    pub record: Noun,
    pub all_records: Noun,
    pub bad_record: Noun,
    pub host: Noun,
    pub at_a_glance: &'static str,
    pub what: &'static str,
    pub place: &'static str,
    pub since: &'static str,
    pub lasted: [&'static str; 2],
    pub to_do: &'static str,
    pub no_action: &'static str,
    pub incident: &'static str,
    pub came_first: &'static str,
    pub anomalies: &'static str,
    pub recommendations: &'static str,
    pub other_recommendations: &'static str,
    pub recommendation: &'static str,
    pub answers: &'static str,
    pub see: &'static str,
    pub target: &'static str,
    pub benefit: &'static str,
    pub parameters: &'static str,
    pub value: &'static str,
    pub threshold: &'static str,
    pub severity: &'static str,
    pub series: &'static str,
    pub description: &'static str,
    pub services: &'static str,
    pub statuses: [&'static str; 3],
    pub no_services: &'static str,
    pub insights: &'static str,
    pub name: &'static str,
    pub coverage: &'static str,
    pub no_record: &'static str,
    pub some_records: &'static str,
    pub no_data: &'static str,
    pub newest_record: &'static str,
    pub about: &'static str,
    pub read: &'static str,
    pub stdin: &'static str,
    pub span: &'static str,
    pub faults: &'static str,
    pub first_at: &'static str,
    pub missing: &'static str,
    pub partial: &'static str,
    pub late: &'static str,
    pub carried: &'static str,
    pub came: &'static str,
    pub not_judged: &'static str,
    pub nothing_to_judge: &'static str,
    pub unfinished: &'static str,
    pub wording: &'static str,
    pub by_model: &'static str,
    pub by_template: &'static str,
    pub by_earlier: &'static str,
    pub run: &'static str,
    pub window: &'static str,
    pub more_anomalies: &'static str,
    pub other_charts: &'static str,
    pub left_out: &'static str,
    pub chart_of: &'static str,
    pub chart_text: &'static str,
    pub chart_clipped: &'static str,
    pub gauge_text: &'static str,
    pub times_in_utc: &'static str,
}

impl Words {
    /// When something began and ended, as a sentence begins.
    pub fn lasted(&self, since: &str, until: &str) -> String {
        let [moment, span] = self.lasted;
        if since == until { moment } else { span }.replace("{since}", since).replace("{until}", until)
    }

    /// From one moment to another.
    pub fn span(&self, from: &str, to: &str) -> String {
        self.span.replace("{from}", from).replace("{to}", to)
    }

    /// `High severity`.
    pub fn severity(&self, severity: Severity) -> &'static str {
        let [low, medium, high] = self.severities;
        match severity {
            Severity::Low => low,
            Severity::Medium => medium,
            Severity::High => high,
        }
    }
}

pub fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    }
}

static ENGLISH: Words = Words {
    title: "Operations report",
    colon: ":",
    severities: ["Low severity", "Medium severity", "High severity"],
    all_clear: "No anomalies",
    not_all_judged: "Not everything could be judged: see “Not judged” below.",
    anomaly: ["anomaly", "anomalies"],
    in_incidents: ["in {n} incident", "in {n} incidents"],
    record: ["record", "records"],
    all_records: ["the only record", "all records"],
    bad_record: ["bad record left out", "bad records left out"],
    host: ["host", "hosts"],
    at_a_glance: "At a glance",
    what: "What",
    place: "Where",
    since: "Since",
    lasted: ["At {since}", "From {since} to {until}"],
    to_do: "What to do",
    no_action: "The playbook has no action for this.",
    incident: "Incident",
    came_first: "Likely came first",
    anomalies: "Anomalies",
    recommendations: "What to do",
    other_recommendations: "Other recommendations",
    recommendation: "Recommendation",
    answers: "Answers",
    see: "See recommendation",
    target: "Target",
    benefit: "Benefit",
    parameters: "Parameters",
    value: "Value",
    threshold: "Threshold",
    severity: "Severity",
    series: "Series",
    description: "Description",
    services: "Services",
    statuses: ["online", "degraded", "offline"],
    no_services: "The records name no services.",
    insights: "Insights",
    name: "Figure",
    coverage: "Records behind it",
    no_record: "no record has it",
    some_records: "{some} of {all} records",
    no_data: "no data",
    newest_record: "As of",
    about: "About this report",
    read: "Read",
    stdin: "standard input",
    span: "{from} to {to}",
    faults: "Wrong with the input",
    first_at: "first in record",
    missing: "Missing",
    partial: "The window was cut short: records of it may be missing.",
    late: "records came too late and were left out",
    carried: "records are of an earlier window",
    came: "{came} of {due} records that were due came",
    not_judged: "Not judged",
    nothing_to_judge: "nothing came that it judges",
    unfinished: "Not done",
    wording: "Wording",
    by_model: "by a model",
    by_template: "by templates",
    by_earlier: "as in earlier windows",
    run: "Run",
    window: "Window",
    more_anomalies: "All anomalies, as a table",
    other_charts: "Series without an anomaly",
    left_out: "more series are not drawn",
    chart_of: "Chart",
    chart_text: "From {from} to {to} the values lie between {least} and {greatest}.",
    chart_clipped: "Some values lie far before or after that and are not drawn.",
    gauge_text: "The value {value} beside the threshold {threshold}.",
    times_in_utc: "Times are in UTC.",
};

static FRENCH: Words = Words {
    title: "Rapport d’exploitation",
    colon: "\u{a0}:",
    severities: ["Gravité faible", "Gravité moyenne", "Gravité élevée"],
    all_clear: "Aucune anomalie",
    not_all_judged: "Tout n’a pas pu être jugé\u{a0}: voir «\u{a0}Non jugé\u{a0}» plus bas.",
    anomaly: ["anomalie", "anomalies"],
    in_incidents: ["dans {n} incident", "dans {n} incidents"],
    record: ["relevé", "relevés"],
    all_records: ["le seul relevé", "tous les relevés"],
    bad_record: ["relevé inutilisable écarté", "relevés inutilisables écartés"],
    host: ["hôte", "hôtes"],
    at_a_glance: "L’essentiel",
    what: "Quoi",
    place: "Où",
    since: "Depuis",
    lasted: ["Le {since}", "Du {since} au {until}"],
    to_do: "Que faire",
    no_action: "Le guide n’a pas d’action pour cela.",
    incident: "Incident",
    came_first: "Sans doute d’abord",
    anomalies: "Anomalies",
    recommendations: "Que faire",
    other_recommendations: "Autres recommandations",
    recommendation: "Recommandation",
    answers: "Répond à",
    see: "Voir la recommandation",
    target: "Cible",
    benefit: "Bénéfice",
    parameters: "Paramètres",
    value: "Valeur",
    threshold: "Seuil",
    severity: "Gravité",
    series: "Série",
    description: "Description",
    services: "Services",
    statuses: ["en ligne", "dégradé", "hors ligne"],
    no_services: "Les relevés ne nomment aucun service.",
    insights: "Chiffres",
    name: "Chiffre",
    coverage: "Relevés concernés",
    no_record: "aucun relevé ne l’a",
    some_records: "{some} relevés sur {all}",
    no_data: "aucune donnée",
    newest_record: "État au",
    about: "À propos de ce rapport",
    read: "Lu",
    stdin: "entrée standard",
    span: "du {from} au {to}",
    faults: "Défauts de l’entrée",
    first_at: "d’abord au relevé",
    missing: "Manquant",
    partial: "La fenêtre a été écourtée\u{a0}: des relevés peuvent manquer.",
    late: "relevés arrivés trop tard ont été écartés",
    carried: "relevés sont d’une fenêtre antérieure",
    came: "{came} relevés reçus sur {due} attendus",
    not_judged: "Non jugé",
    nothing_to_judge: "rien de ce qu’elle juge n’est arrivé",
    unfinished: "Non terminé",
    wording: "Rédaction",
    by_model: "par un modèle",
    by_template: "par des modèles de phrase",
    by_earlier: "comme dans des fenêtres antérieures",
    run: "Exécution",
    window: "Fenêtre",
    more_anomalies: "Toutes les anomalies, en tableau",
    other_charts: "Séries sans anomalie",
    left_out: "autres séries ne sont pas tracées",
    chart_of: "Courbe",
    chart_text: "Du {from} au {to}, les valeurs sont comprises entre {least} et {greatest}.",
    chart_clipped: "Des valeurs bien antérieures ou postérieures ne sont pas tracées.",
    gauge_text: "La valeur {value} à côté du seuil {threshold}.",
    times_in_utc: "Les heures sont en UTC.",
};

/// `1 anomaly`, `1,200 anomalies`, or with the number where `{n}` stands; in French none is singular too.
pub fn number_of(number: usize, [one, several]: Noun, language: Language) -> String {
    let is_one = number == 1 || (number == 0 && language == Language::Fr);
    let (number, noun) = (count(number as u64, language), if is_one { one } else { several });
    if noun.contains("{n}") { noun.replace("{n}", &number) } else { format!("{number} {noun}") }
}

/// `1 October 2023, 12:00 UTC`, with seconds where there are some; `1er octobre 2023, 12:00 UTC`.
pub fn moment(time: Timestamp, language: Language) -> String {
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const FRENCH: [&str; 12] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let Ok(instant) = jiff::Timestamp::from_microsecond(time.micros()) else { return time.to_string() };
    let civil = instant.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let names = if language == Language::Fr { &FRENCH } else { &ENGLISH };
    let month = usize::try_from(civil.month()).ok().and_then(|month| names.get(month.checked_sub(1)?)).unwrap_or(&"");
    let day = match (civil.day(), language) {
        (1, Language::Fr) => "1er".to_string(),
        (day, _) => day.to_string(),
    };
    let seconds = if civil.second() == 0 { String::new() } else { format!(":{:02}", civil.second()) };
    format!("{day} {month} {}, {:02}:{:02}{seconds} UTC", civil.year(), civil.hour(), civil.minute())
}
