//! The kind `output.file`.

use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, codes};
use crate::domain::Report;
use crate::io::atomic::write_atomic;
use crate::node::{Assets, Cx, Task, TaskError};

/// Writes a report as JSON to a file.
///
/// The report is written to a temporary file beside the target, which then takes its place: a reader never sees half a
/// report, and a failed run leaves the old one. Writing the same report again changes nothing.
///
/// ```toml
/// [nodes.output]
/// kind = "output.file"
/// inputs = { report = "report" }
/// path = "../output.json"     # relative to the graph file; "-" is standard output
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Path of the file, relative to the graph file; `-` is standard output. `--output` overrides it.
    pub path: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub report: Report,
}

/// Where a report went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Path of the file, or `-`.
    pub path: String,
    pub bytes: u64,
}

pub struct OutputFile {
    path: String,
}

impl Task for OutputFile {
    const KIND: &'static str = "output.file";
    const VERSION: u32 = 1;
    type Config = Config;
    type Input = Input;
    type Output = Written;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(OutputFile { path: assets.locate(&config.path) })
    }

    async fn run(&self, input: Input, _: &Cx) -> Result<Written, TaskError> {
        let mut text = serde_json::to_vec_pretty(&input.report).map_err(|e| TaskError::Permanent(e.to_string()))?;
        text.push(b'\n');
        let written = match self.path.as_str() {
            "-" => {
                let mut out = io::stdout().lock();
                out.write_all(&text).and_then(|()| out.flush())
            }
            path => write_atomic(Path::new(path), &text),
        };
        match written {
            // A reader that has had enough (`| head`) is no failure.
            Err(error) if self.path == "-" && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
        .map(|()| Written { path: self.path.clone(), bytes: text.len() as u64 })
        .map_err(|error| TaskError::Diagnosed(Box::new(self.unwritable(&error))))
    }

    fn writes(&self) -> Option<&str> {
        Some(&self.path)
    }
}

impl OutputFile {
    fn unwritable(&self, error: &io::Error) -> Diagnostic {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "its folder does not exist".to_string(),
            io::ErrorKind::IsADirectory => "it is a folder".to_string(),
            io::ErrorKind::PermissionDenied => "permission denied".to_string(),
            io::ErrorKind::StorageFull => "the disk is full".to_string(),
            _ => error.to_string(),
        };
        let (message, help) = match self.path.as_str() {
            "-" => {
                (format!("cannot write the report to standard output: {why}"), "`--output PATH` writes it to a file")
            }
            path => (
                format!("cannot write the report to `{path}`: {why}"),
                "an older report at that place is untouched; `--output PATH` writes elsewhere",
            ),
        };
        Diagnostic::new(codes::output::UNWRITABLE, message).help(help)
    }
}
