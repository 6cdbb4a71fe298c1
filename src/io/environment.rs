//! Settings and other variables: those of the process before those of `.env`, and these before those of `agent.toml`.
//! Nothing is written into the process's environment.

mod file;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::diagnostic::{Diagnostic, codes};

pub use settings::{SETTINGS, Setting, setting};

/// The name of a file of settings, where none is named.
const CONFIG: &str = "agent.toml";

/// Variables by name. A value that is empty or white space counts as not set. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, (String, Origin)>,
}

/// Where a value comes from; what goes before others first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    /// The environment of the process.
    Process,
    /// `.env` or `agent.toml`.
    File(Arc<Path>),
    /// Nobody has set it.
    Default,
}

impl Environment {
    /// The variables of the process, then those of the `.env` of the current folder or the nearest parent that has one,
    /// then those of the file that AGENT_CONFIG names, or else of the nearest `agent.toml`.
    /// A broken line of `.env` is left out and reported; so is a file of settings that cannot be used (AG0212).
    ///
    /// They are read once in the life of the process.
    pub fn load() -> &'static (Environment, Vec<Diagnostic>) {
        static LOADED: OnceLock<(Environment, Vec<Diagnostic>)> = OnceLock::new();
        LOADED.get_or_init(Environment::read)
    }

    fn read() -> (Environment, Vec<Diagnostic>) {
        let folder = std::env::current_dir().ok();
        let mut environment = Environment::from_pairs(of_process());
        let mut problems = Vec::new();
        if let Some(path) = folder.as_deref().and_then(|folder| nearest(folder, ".env")) {
            problems.extend(environment.add_dotenv(&path).unwrap_or_else(|fault| vec![fault]));
        }
        environment.add_config(folder.as_deref(), &mut problems);
        (environment, problems)
    }

    /// The same with this file in place of `.env`.
    ///
    /// # Errors
    /// AG0202: the file cannot be read.
    pub fn load_with(path: &Path) -> Result<(Environment, Vec<Diagnostic>), Diagnostic> {
        let mut environment = Environment::from_pairs(of_process());
        let mut problems = environment.add_dotenv(path)?;
        environment.add_config(std::env::current_dir().ok().as_deref(), &mut problems);
        Ok((environment, problems))
    }

    fn add_dotenv(&mut self, path: &Path) -> Result<Vec<Diagnostic>, Diagnostic> {
        let bytes = std::fs::read(path)
            .map_err(|e| Diagnostic::new(codes::model::DOTENV, format!("cannot read `{}`: {e}", path.display())))?;
        let (pairs, problems) = read_dotenv(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        self.add(pairs, &Origin::File(path.into()));
        Ok(problems)
    }

    fn add_config(&mut self, folder: Option<&Path>, problems: &mut Vec<Diagnostic>) {
        let named = self.get("AGENT_CONFIG").map(|path| PathBuf::from(path.trim()));
        let Some(path) = named.or_else(|| nearest(folder?, CONFIG)) else { return };
        self.add([("AGENT_CONFIG", path.to_string_lossy())], &Origin::Default);
        match file::read(&path) {
            Ok((pairs, found)) => {
                self.add(pairs, &Origin::File(path.into()));
                problems.extend(found);
            }
            Err(fault) => problems.push(fault),
        }
    }

    /// What is set already stays.
    fn add<K: Into<String>, V: Into<String>>(&mut self, pairs: impl IntoIterator<Item = (K, V)>, origin: &Origin) {
        for (name, value) in pairs {
            let value = value.into();
            if !value.trim().is_empty() {
                self.variables.entry(name.into()).or_insert_with(|| (value, origin.clone()));
            }
        }
    }

    /// The first of several equal names that is set counts.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Environment {
        let mut environment = Environment::default();
        environment.add(pairs, &Origin::Process);
        environment
    }

    /// The same, with what a flag says before all else.
    #[must_use]
    pub fn with_flag(mut self, flag: &'static str, name: &str, value: &str) -> Environment {
        self.variables.insert(name.to_string(), (value.to_string(), Origin::Flag(flag)));
        self
    }

    /// The same, and this where the variable is not set.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Environment {
        self.add([(name, value)], &Origin::Default);
        self
    }

    /// The same with some of them set, or taken away.
    #[must_use]
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Environment {
        let mut variables = self.variables.clone();
        for (name, value) in changes {
            match value {
                Some(value) => drop(variables.insert(name.to_string(), (value.to_string(), Origin::Process))),
                None => drop(variables.remove(name)),
            }
        }
        Environment { variables }
    }

    /// The value as it stands, white space around it included.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.found(name).map(|(value, _)| value)
    }

    /// The value, and where it comes from.
    pub fn found(&self, name: &str) -> Option<(&str, &Origin)> {
        self.variables.get(name).map(|(value, origin)| (value.as_str(), origin))
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

fn nearest(folder: &Path, name: &str) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file())
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
        assert_eq!(nearest(&deep, ".env"), Some(root.path().join(".env")));
        std::fs::create_dir(deep.join(".env")).unwrap(); // a folder of that name is none
        assert_eq!(nearest(&deep, ".env"), Some(root.path().join(".env")));
    }

    #[test]
    fn of_several_places_the_first_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path(".env"), "B=dotenv\nC=dotenv\nD=dotenv\n").unwrap();
        std::fs::write(path("agent.toml"), "B = 'file'\nC = 'file'\nE = 'file'\nA = 'file'\n").unwrap();
        let mut environment = Environment::from_pairs([("A", "process"), ("B", "process"), ("D", " ")]);
        assert_eq!(environment.add_dotenv(&path(".env")), Ok(vec![]));
        let mut problems = Vec::new();
        environment.add_config(Some(&folder.path().join("below")), &mut problems);
        let environment = environment.with_flag("--a", "A", "flag").with_default("E", "default").with_default("F", "f");
        let file = |name| Origin::File(path(name).into());
        for (name, value, origin) in [
            ("A", "flag", Origin::Flag("--a")),
            ("B", "process", Origin::Process),
            ("C", "dotenv", file(".env")),
            ("D", "dotenv", file(".env")),
            ("E", "file", file("agent.toml")),
            ("F", "f", Origin::Default),
            ("AGENT_CONFIG", path("agent.toml").to_str().unwrap(), Origin::Default),
        ] {
            assert_eq!(environment.found(name), Some((value, &origin)), "{name}");
        }
        assert_eq!(problems, []);

        // One that is named has to be there, and goes before one that is found.
        let mut environment = Environment::from_pairs([("AGENT_CONFIG", "/nowhere/x.toml")]);
        environment.add_config(Some(folder.path()), &mut problems);
        assert_eq!((environment.get("E"), problems[0].code), (None, codes::model::CONFIG));
    }
}
