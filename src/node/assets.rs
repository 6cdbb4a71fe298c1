//! What a node reads while it is built.

use std::cell::RefCell;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::Language;
use crate::port::Files;

/// What a node may read while it is built: text files that its config names. What it read is part of its fingerprint.
pub struct Assets<'a> {
    pub language: Language,
    source: &'a SourceFile,
    files: &'a dyn Files,
    read: RefCell<Vec<SourceFile>>,
}

impl<'a> Assets<'a> {
    pub fn new(language: Language, source: &'a SourceFile, files: &'a dyn Files) -> Assets<'a> {
        Assets { language, source, files, read: RefCell::default() }
    }

    /// # Errors
    /// AG0002, underlining the path in the graph file.
    pub fn read(&self, path: &AssetPath) -> Result<SourceFile, Diagnostic> {
        match self.files.read(&path.path) {
            Ok(file) => {
                self.read.borrow_mut().push(file.clone());
                Ok(file)
            }
            Err(why) => Err(Diagnostic::new(codes::graph::UNREADABLE, format!("cannot read `{}`: {why}", path.path))
                .at(self.source, path.span.clone())
                .help("the path is relative to the graph file")),
        }
    }

    /// A path that is written relative to the graph file, as the process has to open it. `-` stays `-`.
    pub fn locate(&self, path: &str) -> String {
        self.files.locate(path)
    }

    /// The graph file, for diagnostics about values of the config.
    pub fn source(&self) -> &SourceFile {
        self.source
    }

    /// Everything that was read, in order.
    pub fn into_read(self) -> Vec<SourceFile> {
        self.read.into_inner()
    }
}

/// Path of a text file that a config names, with its place in the graph file. In JSON Schema a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetPath {
    pub path: String,
    pub span: Range<usize>,
}

impl<'de> Deserialize<'de> for AssetPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(AssetPath { path: spanned.into_inner(), span })
    }
}

impl JsonSchema for AssetPath {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AssetPath".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
