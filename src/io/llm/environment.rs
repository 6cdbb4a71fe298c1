//! Variables: the process's before those of `.env`. Nothing is written into the process's environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, codes};

/// Variables by name. A value that is empty or white space counts as not set. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of the process, then those of the `.env` of the current folder or the nearest parent that has one.
    /// A broken line of `.env` is left out and reported; it never stops a run.
    pub fn load() -> (Environment, Vec<Diagnostic>) {
        let dotenv = std::env::current_dir().ok().and_then(|folder| find_dotenv(&folder));
        match dotenv.map(|path| Environment::load_with(&path)) {
            None => (Environment::from_pairs(of_process()), Vec::new()),
            Some(Ok(loaded)) => loaded,
            Some(Err(fault)) => (Environment::from_pairs(of_process()), vec![fault]),
        }
    }

    /// The variables of the process, then those of this file, and what is wrong with its lines.
    ///
    /// # Errors
    /// AG0202: the file cannot be read.
    pub fn load_with(path: &Path) -> Result<(Environment, Vec<Diagnostic>), Diagnostic> {
        let bytes = std::fs::read(path)
            .map_err(|e| Diagnostic::new(codes::model::DOTENV, format!("cannot read `{}`: {e}", path.display())))?;
        let (from_file, problems) = read_dotenv(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        Ok((Environment::from_pairs(of_process().chain(from_file)), problems))
    }

    /// The first of several equal names that is set counts.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Environment {
        let mut variables = BTreeMap::new();
        for (name, value) in pairs {
            let value = value.into();
            if !value.trim().is_empty() {
                variables.entry(name.into()).or_insert(value);
            }
        }
        Environment { variables }
    }

    /// The same, and this where the variable is not set.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Environment {
        self.variables.entry(name.to_string()).or_insert_with(|| value.to_string());
        self
    }

    /// The value as it stands, white space around it included.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Names and values that are not Unicode cannot be written in a graph file either.
fn of_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

fn find_dotenv(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(".env")).find(|path| path.is_file())
}

/// The pairs of a `.env` and what is wrong with its other lines, by line number only: they may hold credentials.
fn read_dotenv(name: &str, text: &str) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let text = text.trim_start_matches('\u{feff}');
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    let mut rest = text;
    loop {
        let mut reread = None;
        for item in dotenvy::from_read_iter(rest.as_bytes()) {
            let line = match item {
                Ok(pair) => {
                    pairs.push(pair);
                    continue;
                }
                Err(dotenvy::Error::LineParse(line, _)) => line,
                Err(_) => continue, // reading from memory does not fail, and no variable of the process is asked for
            };
            // A quote that is never closed swallows what follows: go on behind its own line.
            let start = if rest.ends_with(&line) && line.trim_end().contains('\n') {
                rest.len() - line.len()
            } else {
                rest.lines().find(|l| *l == line).map_or(0, |l| l.as_ptr() as usize - rest.as_ptr() as usize)
            };
            let before = text.len() - rest.len() + start;
            let number = text.as_bytes().iter().take(before).filter(|b| **b == b'\n').count() + 1;
            problems.push(
                Diagnostic::new(codes::model::DOTENV, format!("line {number} of `{name}` is not `NAME=value`"))
                    .help("mend the line, or put its value in single quotes; it is left out for now"),
            );
            let next = rest.get(start..).and_then(|r| r.find('\n')).map_or(rest.len(), |end| start + end + 1);
            reread = rest.get(next..);
            break;
        }
        match reread {
            Some(next) => rest = next,
            None => return (pairs, problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_set_counts() {
        let env = Environment::from_pairs([("A", ""), ("A", "  "), ("A", "one"), ("A", "two"), ("B", "")]);
        assert_eq!(env.get("A"), Some("one"));
        assert_eq!(env.get("B"), None);
        assert_eq!(format!("{env:?}"), r#"{"A"}"#);
    }

    #[test]
    fn broken_lines_of_dotenv_are_left_out_and_named_without_their_text() {
        let text = "\u{feff}# keys\nA=1\nthis is sk-secret\nexport B='two words'\r\nC=\"never closed sk-secret\nD=4 # four\n=5\nE=5\n";
        let (pairs, problems) = read_dotenv(".env", text);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("D", "4"), ("E", "5")]);
        let problems: Vec<String> = problems.iter().map(|p| p.to_string()).collect();
        assert_eq!(
            problems,
            [3, 5, 7].map(|n| format!("AG0202: line {n} of `.env` is not `NAME=value`")),
            "no text of a line"
        );
    }

    #[test]
    fn dotenv_is_found_in_the_folder_or_a_parent() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(root.path().join(".env"), "A=1").unwrap();
        assert_eq!(find_dotenv(&deep), Some(root.path().join(".env")));
        std::fs::create_dir(deep.join(".env")).unwrap(); // a folder of that name is none
        assert_eq!(find_dotenv(&deep), Some(root.path().join(".env")));
    }
}
