//! What a person is told when something is wrong: what, where, why, and what to do. Pure: knows no files and no
//! terminal; `cli` renders.

mod cel;
pub mod codes;
mod source;
mod suggest;
mod toml;

use std::fmt;
use std::ops::Range;

pub use cel::cel_fault;
pub use codes::Code;
pub use source::SourceFile;
pub use suggest::did_you_mean;
pub use toml::{decode, decode_file, inside, line_and_column, parse_toml};

/// One thing that is wrong, with its code, its place and its remedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    pub code: &'static Code,
    /// A lower-case fragment: what is wrong.
    pub message: String,
    /// The text and the bytes of it that the message is about.
    pub place: Option<(SourceFile, Range<usize>)>,
    /// Stands under the underlined place: what was expected there.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(code: &'static Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), place: None, label: None, help: None }
    }

    pub fn at(mut self, source: &SourceFile, span: Range<usize>) -> Diagnostic {
        self.place = Some((source.clone(), span));
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    pub fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }
}

/// One line without colour or excerpt: `graphs/a.toml:3:8: AG0003: unknown key `pth` (did you mean `path`?)`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((source, span)) = &self.place {
            let (line, column) = line_and_column(&source.text, span.start);
            write!(f, "{}:{line}:{column}: ", source.name)?;
        }
        write!(f, "{}: {}", self.code.id, self.message)
    }
}

impl std::error::Error for Diagnostic {}
