use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::domain::{Fault, FaultExample};

/// How many examples are kept of each kind of fault.
const EXAMPLES: usize = 20;

/// What was noted of an input, by code.
#[derive(Default)]
pub(super) struct Faults {
    /// What examples are to name before the detail, where there are several inputs.
    pub place: Option<String>,
    by_code: BTreeMap<&'static str, Fault>,
}

/// One fault of a record that is still being read. The detail is there only if somebody will see it.
pub(super) type Noted = (&'static Code, Option<String>);

impl Faults {
    /// A fault as it is kept: `detail` is made only while examples are wanted, since every record may have the fault.
    pub fn describe(&self, code: &'static Code, detail: impl FnOnce() -> String) -> Noted {
        let full = self.by_code.get(code.id).is_some_and(|fault| fault.examples.len() >= EXAMPLES);
        let detail = (!full).then(detail);
        (code, detail.map(|detail| self.place.iter().map(|place| format!("{place}: ")).collect::<String>() + &detail))
    }

    pub fn add(&mut self, row: u64, (code, detail): Noted) {
        let fault = self.by_code.entry(code.id).or_insert_with(|| Fault {
            code: code.id.to_string(),
            what: code.title.to_string(),
            count: 0,
            examples: Vec::new(),
        });
        fault.count += 1;
        if let Some(detail) = detail.filter(|_| fault.examples.len() < EXAMPLES) {
            fault.examples.push(FaultExample { row, detail });
        }
    }

    pub fn note(&mut self, code: &'static Code, row: u64, detail: impl FnOnce() -> String) {
        let noted = self.describe(code, detail);
        self.add(row, noted);
    }

    /// Adds those of what comes next, whose rows are counted from `before`.
    pub fn join(&mut self, next: Faults, before: u64) {
        for (code, theirs) in next.by_code {
            let own =
                self.by_code.entry(code).or_insert_with(|| Fault { count: 0, examples: Vec::new(), ..theirs.clone() });
            own.count += theirs.count;
            let room = EXAMPLES.saturating_sub(own.examples.len());
            let shifted = |example: FaultExample| FaultExample { row: example.row + before, ..example };
            own.examples.extend(theirs.examples.into_iter().take(room).map(shifted));
        }
    }

    pub fn forget(&mut self, code: &'static Code) {
        self.by_code.remove(code.id);
    }

    /// Sorted by code.
    pub fn list(&self) -> Vec<Fault> {
        self.by_code.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes::input;

    #[test]
    fn everything_is_counted_and_the_first_are_kept() {
        let mut faults = Faults::default();
        for row in 1..=30 {
            faults.note(input::NO_TIME, row, || row.to_string());
        }
        faults.note(input::MALFORMED, 7, || "x".to_string());
        let list = faults.list();
        assert_eq!(
            list.iter().map(|f| (f.code.as_str(), f.count)).collect::<Vec<_>>(),
            [("AG0108", 1), ("AG0109", 30)]
        );
        assert_eq!(list.last().map(|f| f.examples.len()), Some(EXAMPLES));
        assert_eq!(list.last().and_then(|f| f.examples.last()).map(|e| e.row), Some(20));
    }
}
