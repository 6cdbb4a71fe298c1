use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::file::Test;
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::io::files::GraphFolder;
use crate::port::Files;

/// How the name of a test file ends.
pub const ENDING: &str = ".test.toml";

/// One test, and the file that it stands in.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub path: &'a Path,
    pub source: &'a SourceFile,
    pub written: &'a Spanned<Test>,
}

impl<'a> Case<'a> {
    pub fn test(&self) -> &'a Test {
        self.written.get_ref()
    }

    pub fn name(&self) -> &'a str {
        self.test().name.get_ref()
    }

    /// The graph beside the file that has its name.
    pub fn stem(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}.toml", name.strip_suffix(ENDING).unwrap_or(&name))
    }

    /// A path that is written in the test file, as the process has to open it.
    pub fn locate(&self, path: &str) -> String {
        GraphFolder::of(self.path).locate(path)
    }

    /// Why the test cannot be run.
    pub fn fault(&self, span: Range<usize>, message: String) -> Diagnostic {
        Diagnostic::new(codes::test::TEST, message).at(self.source, span)
    }

    /// What is not as the test expects.
    pub fn failure(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(codes::test::FAILED, message).at(self.source, span)
    }
}
