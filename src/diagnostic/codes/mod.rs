//! Every code that a diagnostic can carry, with the page that `agent explain` prints. A code is never reused.
//!
//! AG00xx graph files, rules, playbooks · AG01xx input · AG02xx model · AG03xx runs and journals · AG04xx output ·
//! AG05xx tests of users, from 51 who may call the API.

pub mod api;
pub mod graph;
pub mod input;
pub mod model;
pub mod output;
pub mod run;
pub mod test;

/// A code and its page.
#[derive(Debug)]
pub struct Code {
    pub id: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Two codes are the same when their ids are.
impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.id == other.id
    }
}

/// All codes, by id.
pub fn all() -> impl Iterator<Item = &'static Code> {
    [graph::CODES, input::CODES, model::CODES, run::CODES, output::CODES, test::CODES, api::CODES]
        .into_iter()
        .flatten()
        .copied()
}

/// Declares codes as constants and lists them in `CODES`.
macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal, $cause:literal, $remedy:literal;)*) => {
        $(pub const $name: &$crate::diagnostic::Code =
            &$crate::diagnostic::Code { id: $id, title: $title, cause: $cause, remedy: $remedy };)*
        /// The codes of this area, by id.
        pub const CODES: &[&$crate::diagnostic::Code] = &[$($name),*];
    };
}
use codes;

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_unique_sorted_and_have_a_page() {
        let ids: Vec<&str> = super::all().map(|c| c.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
        for code in super::all() {
            assert!(code.id.len() == 6 && code.id.starts_with("AG"), "{}", code.id);
            assert!(!code.title.is_empty() && code.cause.ends_with('.') && code.remedy.ends_with('.'), "{}", code.id);
        }
    }
}
