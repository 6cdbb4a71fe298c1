//! A report to look at: the same facts as the JSON report, the worst first, as a page or as text for a chat or a ticket.

mod figures;
pub mod html;
pub mod markdown;
mod story;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use crate::domain::{Anomaly, Charts, Language, Report, RunRecord};

/// What there is to show.
pub struct Page<'a> {
    pub report: &'a Report,
    pub language: Language,
    pub known: &'a Known,
}

/// What is known beside the report; of a report alone nothing is.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub record: Option<RunRecord>,
    /// As they were found, with the facts behind the sentences.
    pub anomalies: Vec<Anomaly>,
    /// The names of the anomalies that a recommendation answers, by its id.
    pub answers: BTreeMap<String, Vec<String>>,
    pub charts: Charts,
}
