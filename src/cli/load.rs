//! Graph files from the disk to a compiled graph.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::render::safe;
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::graph::{Compiled, Override, Surroundings, compile};
use crate::io::files::{GraphFolder, read_text};
use crate::io::llm::Environment;
use crate::node::Kind;
use crate::{io, nodes};

/// Every kind of this build, by name.
pub fn kinds() -> Vec<&'static Kind> {
    let mut kinds: Vec<&'static Kind> = nodes::KINDS.iter().chain(io::KINDS).collect();
    kinds.sort_by_key(|k| k.name);
    kinds
}

/// The text of a graph file.
///
/// # Errors
/// Exit 78: it cannot be read.
pub fn read(path: &Path) -> Result<SourceFile, Failure> {
    read_text(path).map_err(|why| {
        let message = format!("cannot read the graph file `{}`: {why}", path.display());
        let fault = Diagnostic::new(codes::graph::UNREADABLE, message).help("graphs/default.toml is an example");
        Failure::config(vec![fault])
    })
}

/// Compiles a graph file.
///
/// # Errors
/// Exit 78: all that is wrong with it and its files. Exit 2 when only a `--set` is, which names what is not there.
pub fn compiled(
    path: &Path,
    source: &SourceFile,
    overrides: &[Override],
    environment: &Environment,
) -> Result<Compiled, Failure> {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let kinds = kinds();
    let variables = |name: &str| environment.get(name).map(str::to_string);
    let around = Surroundings { kinds: &kinds, files: &GraphFolder::of(path), variables: &variables };
    compile(source, &stem, overrides, &around).map_err(|faults| {
        let exit = if faults.iter().all(|f| f.code == codes::graph::OVERRIDE) { Exit::Usage } else { Exit::Config };
        Failure { exit, diagnostics: faults }
    })
}

/// The environment, with what is wrong in `.env` as warnings.
pub fn environment() -> Environment {
    warned(Environment::load())
}

/// The same with this file in place of `.env`, where there is one.
///
/// # Errors
/// Exit 2: there is no such file.
pub fn environment_with(file: Option<&Path>) -> Result<Environment, Failure> {
    match file {
        None => Ok(environment()),
        Some(path) => Environment::load_with(path).map(warned).map_err(Failure::usage),
    }
}

fn warned((environment, faults): (Environment, Vec<Diagnostic>)) -> Environment {
    for fault in faults {
        super::terminal::err(&format!("warning: {fault}\n"));
    }
    environment
}

/// Whether journals are to survive a power cut: `AGENT_JOURNAL=synced`.
///
/// # Errors
/// Exit 2: it says neither. Whoever asks for more safety must not get less for a slip.
pub fn synced(environment: &Environment) -> Result<bool, Failure> {
    match environment.get("AGENT_JOURNAL").map(str::trim) {
        None | Some("unsynced") => Ok(false),
        Some("synced") => Ok(true),
        Some(other) => {
            let message = format!("AGENT_JOURNAL is neither `synced` nor `unsynced`: `{}`", safe(other));
            let help = "write `synced` to survive a power cut, or leave it out";
            Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help)))
        }
    }
}

/// Whether two names are of one file that exists.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}
