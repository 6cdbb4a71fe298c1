use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::test::{self, is_test_file};
use super::{load, terminal};

/// Compile graphs exactly as `run` does, without running them.
///
/// Of a file of tests (`NAME.test.toml`) the tests are read, and their graphs compiled; `agent test` runs them.
///
/// Needs no network and no secret. Exit code 78 if one does not compile.
#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// Graph files, and files of their tests.
    #[arg(required = true)]
    graphs: Vec<PathBuf>,
}

pub fn check(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let mut faults = Vec::new();
    for path in &arguments.graphs {
        let checked = if is_test_file(path) {
            test::check(path).map(|tests| if tests == 1 { "1 test".to_string() } else { format!("{tests} tests") })
        } else {
            let compiled = load::read(path).and_then(|source| load::compiled(path, &source, &[], &environment));
            compiled.map(|compiled| format!("{} nodes", compiled.plan.nodes.len()))
        };
        match checked {
            Ok(what) => terminal::out(&format!("{}: ok, {what}\n", path.display())),
            Err(failure) => faults.extend(failure.diagnostics),
        }
    }
    if faults.is_empty() { Ok(Exit::Done) } else { Err(Failure::config(faults)) }
}
