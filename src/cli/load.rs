//! Graph files from the disk to a compiled graph.

use std::path::Path;
use std::sync::OnceLock;

use super::exit::{Exit, Failure};
use super::log::{self, LogFormat};
use super::render::safe;
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::graph::{Compiled, Override, Surroundings, compile};
use crate::io::files::{GraphFolder, read_text};
use crate::io::llm::Environment;
use crate::io::state::StateDir;
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

/// What a flag says before all else.
static LOG_FORMAT: OnceLock<LogFormat> = OnceLock::new();

fn with_flags(environment: Environment) -> Environment {
    match LOG_FORMAT.get() {
        Some(format) => environment.with_flag("--log-format", "AGENT_LOG_FORMAT", format.word()),
        None => environment,
    }
}

/// Takes in what flags say, and chooses how standard error is written.
///
/// # Errors
/// Exit 2: AGENT_LOG_FORMAT says neither of the two.
pub fn begin(log_format: Option<LogFormat>) -> Result<(), Failure> {
    log_format.map(|format| LOG_FORMAT.set(format)); // once in a process
    let environment = with_flags(Environment::load().0.clone());
    let Some(text) = environment.get("AGENT_LOG_FORMAT").map(str::trim) else { return Ok(()) };
    let format = LogFormat::of(text).ok_or_else(|| {
        let message = format!("AGENT_LOG_FORMAT is neither `text` nor `json`: `{}`", safe(text));
        Failure::usage(Diagnostic::new(codes::run::USAGE, message).help("leave it out for text"))
    })?;
    log::choose(format);
    Ok(())
}

/// The environment, with what is wrong in `.env` as warnings.
///
/// # Errors
/// Exit 78: there is a file of settings, and it cannot be used.
pub fn environment() -> Result<Environment, Failure> {
    warned(Environment::load().clone())
}

/// The same with this file in place of `.env`, where there is one.
///
/// # Errors
/// Exit 2: there is no such file. Exit 78 as without it.
pub fn environment_with(file: Option<&Path>) -> Result<Environment, Failure> {
    match file {
        None => environment(),
        Some(path) => Environment::load_with(path).map_err(Failure::usage).and_then(warned),
    }
}

fn warned((environment, faults): (Environment, Vec<Diagnostic>)) -> Result<Environment, Failure> {
    let (fatal, others): (Vec<_>, Vec<_>) = faults.into_iter().partition(|fault| fault.code == codes::model::CONFIG);
    for fault in others {
        let help = fault.help.as_ref().filter(|_| fault.code == codes::model::UNKNOWN_SETTING);
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        super::terminal::err(&format!("warning: {fault}{help}\n"));
    }
    if fatal.is_empty() { Ok(with_flags(environment)) } else { Err(Failure::config(fatal)) }
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

/// The folder of what is kept between runs.
///
/// # Errors
/// There is none to be had.
pub fn state_dir(environment: &Environment) -> Result<StateDir, Failure> {
    let synced = synced(environment)?;
    let opened = StateDir::open(environment.get("AGENT_STATE_DIR")).map(|state| state.synced(synced));
    opened.map_err(|why| {
        let help = "set $AGENT_STATE_DIR to a folder, or run with --no-journal";
        Failure::run(Diagnostic::new(codes::run::STATE_UNUSABLE, why).help(help))
    })
}
