//! The sentence that describes missing records.

use super::describe::severity_word;
use super::{count, quantity};
use crate::domain::{Figure, Language, Severity, Timestamp};

/// Records that were due of one entity and did not come.
pub struct Shortfall<'a> {
    pub entity: Option<&'a str>,
    pub expected: u64,
    pub missing: u64,
    /// The missing share and the band that it reached, in percent.
    pub share: Figure,
    pub threshold: Figure,
    pub severity: Severity,
    /// The longest silence.
    pub longest: Option<(Timestamp, Timestamp)>,
    /// Time of the newest record; `None` when none ever came.
    pub newest: Option<Timestamp>,
}

impl Shortfall<'_> {
    /// A full sentence: how many of how many, how bad that is, and since when.
    pub fn describe(&self, language: Language) -> String {
        let severity = severity_word(self.severity, language);
        let [share, threshold] = [self.share, self.threshold].map(|figure| quantity(figure, Some("%"), language));
        let [missing, expected] = [self.missing, self.expected].map(|n| count(n, language));
        let silent = self.missing == self.expected;
        let tail = self.tail(silent, language);
        match language {
            Language::En => {
                let from = self.entity.map(|entity| format!(" from {entity}")).unwrap_or_default();
                if silent {
                    let ever = if self.newest.is_none() { " ever" } else { "" };
                    let rest = match self.expected {
                        1 => "the one that was due is missing".to_string(),
                        _ => format!("all {expected} that were due are missing"),
                    };
                    let grade = format!("{severity} severity, threshold {threshold}");
                    return format!("No record{ever} came{from} ({grade}): {rest}{tail}.");
                }
                let are = if self.missing == 1 { "is" } else { "are" };
                let grade = format!("{share}, {severity} severity, threshold {threshold}");
                format!("{missing} of {expected} records that were due{from} {are} missing ({grade}){tail}.")
            }
            Language::Fr => {
                let from = self.entity.map(|entity| format!(" de {entity}")).unwrap_or_default();
                if silent {
                    let ever = if self.newest.is_none() { "jamais " } else { "" };
                    let rest = match self.expected {
                        1 => "le seul attendu manque".to_string(),
                        _ => format!("les {expected} attendus manquent tous"),
                    };
                    let grade = format!("gravité {severity}, seuil de {threshold}");
                    return format!("Aucun relevé n'est {ever}venu{from} ({grade})\u{a0}: {rest}{tail}.");
                }
                let (records, lack) = if self.missing == 1 { ("relevé", "manque") } else { ("relevés", "manquent") };
                let grade = format!("{share}, gravité {severity}, seuil de {threshold}");
                format!("{missing} {records} sur les {expected} attendus{from} {lack} ({grade}){tail}.")
            }
        }
    }

    fn tail(&self, silent: bool, language: Language) -> String {
        match (language, silent, self.newest, self.longest) {
            (Language::En, true, Some(newest), _) => format!(", the newest is of {newest}"),
            (Language::Fr, true, Some(newest), _) => format!(", le plus récent est du {newest}"),
            (Language::En, false, _, Some((from, to))) => format!(", the longest gap from {from} to {to}"),
            (Language::Fr, false, _, Some((from, to))) => format!(", la plus longue interruption du {from} au {to}"),
            (_, true, None, _) | (_, false, _, None) => String::new(),
        }
    }
}

/// Records come again as they are due.
pub struct Recovery<'a> {
    pub entity: Option<&'a str>,
    /// The greatest share that was missing in one window, and the band that it reached, in percent.
    pub share: Figure,
    pub threshold: Figure,
    pub severity: Severity,
    /// From before the first gap to after the last.
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Recovery<'_> {
    /// A full sentence: what it was, and from when to when.
    pub fn describe(&self, language: Language) -> String {
        let Recovery { entity, from, to, .. } = self;
        let severity = severity_word(self.severity, language);
        let [share, threshold] = [self.share, self.threshold].map(|figure| quantity(figure, Some("%"), language));
        match language {
            Language::En => {
                let whose = entity.map(|entity| format!(" from {entity}")).unwrap_or_default();
                format!(
                    "Records{whose} come as they are due again: {share} of them were missing at worst \
                     ({severity} severity, threshold {threshold}), from {from} to {to}."
                )
            }
            Language::Fr => {
                let whose = entity.map(|entity| format!(" de {entity}")).unwrap_or_default();
                format!(
                    "Les relevés{whose} arrivent de nouveau comme attendu\u{a0}: il en manquait {share} au pire \
                     (gravité {severity}, seuil de {threshold}), du {from} au {to}."
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let [from, to] = ["2023-10-01T12:00:10Z", "2023-10-01T12:00:40Z"].map(|text| Timestamp::parse(text).unwrap());
        let figure = |value| Figure::new(value).unwrap();
        let some = || Shortfall {
            entity: Some("web-1"),
            expected: 1200,
            missing: 400,
            share: figure(33.33),
            threshold: figure(20.0),
            severity: Severity::Medium,
            longest: Some((from, to)),
            newest: Some(to),
        };
        let all = || Shortfall { missing: 1200, share: figure(100.0), severity: Severity::High, ..some() };
        let one = || Shortfall { missing: 1, expected: 1, ..all() };
        let forms = [
            some(),
            Shortfall { entity: None, longest: None, ..some() },
            Shortfall { missing: 1, expected: 6, severity: Severity::Low, ..some() },
            all(),
            Shortfall { newest: None, longest: None, ..all() },
            one(),
            Shortfall { entity: None, newest: None, ..one() },
        ];
        let visible = |text: String| text.replace('\u{a0}', "_").replace('\u{202f}', "'");
        let lines: Vec<String> =
            forms.iter().flat_map(|form| Language::ALL.map(|language| visible(form.describe(language)))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        400 of 1,200 records that were due from web-1 are missing (33.33%, medium severity, threshold 20%), the longest gap from 2023-10-01T12:00:10Z to 2023-10-01T12:00:40Z.
        400 relevés sur les 1'200 attendus de web-1 manquent (33,33_%, gravité moyenne, seuil de 20_%), la plus longue interruption du 2023-10-01T12:00:10Z au 2023-10-01T12:00:40Z.
        400 of 1,200 records that were due are missing (33.33%, medium severity, threshold 20%).
        400 relevés sur les 1'200 attendus manquent (33,33_%, gravité moyenne, seuil de 20_%).
        1 of 6 records that were due from web-1 is missing (33.33%, low severity, threshold 20%), the longest gap from 2023-10-01T12:00:10Z to 2023-10-01T12:00:40Z.
        1 relevé sur les 6 attendus de web-1 manque (33,33_%, gravité faible, seuil de 20_%), la plus longue interruption du 2023-10-01T12:00:10Z au 2023-10-01T12:00:40Z.
        No record came from web-1 (high severity, threshold 20%): all 1,200 that were due are missing, the newest is of 2023-10-01T12:00:40Z.
        Aucun relevé n'est venu de web-1 (gravité élevée, seuil de 20_%)_: les 1'200 attendus manquent tous, le plus récent est du 2023-10-01T12:00:40Z.
        No record ever came from web-1 (high severity, threshold 20%): all 1,200 that were due are missing.
        Aucun relevé n'est jamais venu de web-1 (gravité élevée, seuil de 20_%)_: les 1'200 attendus manquent tous.
        No record came from web-1 (high severity, threshold 20%): the one that was due is missing, the newest is of 2023-10-01T12:00:40Z.
        Aucun relevé n'est venu de web-1 (gravité élevée, seuil de 20_%)_: le seul attendu manque, le plus récent est du 2023-10-01T12:00:40Z.
        No record ever came (high severity, threshold 20%): the one that was due is missing.
        Aucun relevé n'est jamais venu (gravité élevée, seuil de 20_%)_: le seul attendu manque.
        ");
    }
}
