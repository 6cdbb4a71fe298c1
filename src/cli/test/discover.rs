//! From what the command line names to test files.

use std::path::{Path, PathBuf};

use super::case::ENDING;
use crate::cli::exit::Failure;
use crate::diagnostic::{Diagnostic, codes};

/// Each once, those of a folder by name.
///
/// # Errors
/// Exit 2: a path that leads to no test file.
pub fn test_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        match path {
            folder if folder.is_dir() => walk(folder, &mut found),
            file if is_test_file(file) && file.is_file() => found.push(file.clone()),
            graph => found.extend(beside(graph)),
        }
        if found.is_empty() {
            return Err(nothing(path));
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

pub fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

/// The test file of a graph.
fn beside(graph: &Path) -> Option<PathBuf> {
    let name = graph.file_name()?.to_string_lossy().into_owned();
    let file = graph.with_file_name(format!("{}{ENDING}", name.strip_suffix(".toml")?));
    file.is_file().then_some(file)
}

/// What cannot be looked into is as if it were not there; so are hidden folders.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !path.is_symlink() && !is_hidden {
            walk(&path, found);
        } else if is_test_file(&path) {
            found.push(path);
        }
    }
}

fn nothing(path: &Path) -> Failure {
    let shown = path.display();
    let (message, help) = match path {
        folder if folder.is_dir() => {
            (format!("no file below `{shown}` ends in {ENDING}"), codes::test::NO_TESTS.remedy.to_string())
        }
        file if !file.exists() => (format!("there is no `{shown}`"), "check the path".to_string()),
        graph => {
            let stem = graph.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let file = graph.with_file_name(format!("{stem}{ENDING}"));
            let help = format!("write them into `{}`; `agent test --help` says how", file.display());
            (format!("`{shown}` has no tests"), help)
        }
    };
    Failure::usage(Diagnostic::new(codes::test::NO_TESTS, message).help(help))
}
