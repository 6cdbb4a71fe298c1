use super::Format;
use super::account::Account;
use super::text::quote;
use crate::diagnostic::{Diagnostic, codes::input};

/// What is known of an input beside its records.
pub(super) struct About {
    /// What messages call it.
    pub name: String,
    pub format: Format,
    pub max_bad_ratio: f64,
    /// Where it begins as one object around an array of objects: its key. For messages only.
    pub wrapper: Option<String>,
}

impl About {
    /// Whether what was read can stand for the input.
    ///
    /// # Errors
    /// No record, or too many that could not be used.
    pub fn verdict(&self, account: &Account) -> Result<(), Diagnostic> {
        let (records, bad) = (account.tally.records, account.tally.bad);
        let all = records + bad;
        let name = &self.name;
        let Some(first) = &account.first_bad else {
            if records > 0 {
                return Ok(());
            }
            let format = self.format.name();
            return Err(Diagnostic::new(input::NO_RECORD, format!("{name} has no record (it was read as {format})"))
                .help("there is nothing in it to report on; check that whatever writes it has run"));
        };
        let unit = if self.format == Format::Json { "element" } else { "line" };
        let example =
            format!("the first, {unit} {}: {} ({}): {}", first.row, first.code.title, first.code.id, first.detail);
        let help = if let Some(key) = self.wrapper.as_ref().filter(|_| all == 1) {
            format!(
                "it is one object with an array of objects under {0}; records must be the elements of the array at the \
                 top, or one a line: `jq -c '.[{1}][]' FILE | agent run GRAPH --input -`",
                quote(key.as_bytes()),
                serde_json::Value::from(key.as_str())
            )
        } else if first.code == input::NO_TIME {
            "if the time has another name, say so on the ingest node: `schema = { timestamp = \"…\" }`".to_string()
        } else {
            format!(
                "mend the input; it was read as {}, so if it is not, set `format` on the ingest node",
                self.format.name()
            )
        };
        if records == 0 {
            let what = format!("{name} has no valid record; {bad} could not be used, {example}");
            return Err(Diagnostic::new(input::NO_RECORD, what).help(help));
        }
        if bad as f64 / all as f64 > self.max_bad_ratio {
            let limit = self.max_bad_ratio;
            let what = format!(
                "{bad} of {all} records of {name} could not be used, more than max_bad_ratio = {limit} permits; {example}"
            );
            return Err(Diagnostic::new(input::TOO_MANY_BAD, what).help(help));
        }
        Ok(())
    }
}
