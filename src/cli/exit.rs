//! How the process ends.

use std::process::ExitCode;

use crate::diagnostic::Diagnostic;

/// The exit codes, each with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// The run failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The report has an anomaly as severe as `--fail-on` says.
    FailOn = 3,
    /// The graph or its files do not compile (`EX_CONFIG`).
    Config = 78,
    /// Interrupted by a signal; the run can be resumed.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a subcommand ended early.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    pub fn new(exit: Exit, diagnostic: Diagnostic) -> Failure {
        Failure { exit, diagnostics: vec![diagnostic] }
    }

    /// The graph or its files do not compile.
    pub fn config(diagnostics: Vec<Diagnostic>) -> Failure {
        Failure { exit: Exit::Config, diagnostics }
    }

    pub fn run(diagnostic: Diagnostic) -> Failure {
        Failure::new(Exit::Failed, diagnostic)
    }

    pub fn usage(diagnostic: Diagnostic) -> Failure {
        Failure::new(Exit::Usage, diagnostic)
    }
}
