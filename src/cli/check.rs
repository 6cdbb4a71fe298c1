use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::{load, terminal};

/// Compile graphs exactly as `run` does, without running them.
///
/// Needs no network and no secret. Exit code 78 if one does not compile.
#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// Graph files.
    #[arg(required = true)]
    graphs: Vec<PathBuf>,
}

pub fn check(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let environment = load::environment();
    let mut faults = Vec::new();
    for path in &arguments.graphs {
        let compiled = load::read(path).and_then(|source| load::compiled(path, &source, &[], &environment));
        match compiled {
            Ok(compiled) => {
                let nodes = compiled.plan.nodes.len();
                terminal::out(&format!("{}: ok, {nodes} nodes\n", path.display()));
            }
            Err(failure) => faults.extend(failure.diagnostics),
        }
    }
    if faults.is_empty() { Ok(Exit::Done) } else { Err(Failure::config(faults)) }
}
