//! Text files beside a graph file, and the wall clock.

use std::path::{Component, Path, PathBuf};

use crate::diagnostic::SourceFile;
use crate::domain::Timestamp;
use crate::port::{Clock, Files};

/// Rules, playbooks and prompts are read whole; nothing of that kind is larger.
const LARGEST: u64 = 16 << 20;

/// Files relative to the folder of a graph file.
pub struct GraphFolder {
    folder: PathBuf,
}

impl GraphFolder {
    /// The folder that `graph` lies in.
    pub fn of(graph: &Path) -> GraphFolder {
        GraphFolder { folder: graph.parent().map(Path::to_path_buf).unwrap_or_default() }
    }
}

impl Files for GraphFolder {
    fn read(&self, path: &str) -> Result<SourceFile, String> {
        read_text(Path::new(&self.locate(path)))
    }

    /// Lexically: `graphs/../fixtures/a.json` is `fixtures/a.json`, and what lies under the current folder is written
    /// relative to it, as a user would.
    fn locate(&self, path: &str) -> String {
        if path == "-" {
            return path.to_string();
        }
        let joined = normal(&self.folder.join(path));
        let here = std::env::current_dir().unwrap_or_default();
        let short = joined.strip_prefix(&here).map(Path::to_path_buf).unwrap_or(joined);
        if short.as_os_str().is_empty() { ".".to_string() } else { short.to_string_lossy().into_owned() }
    }
}

/// A text file, named as the path says.
///
/// # Errors
/// Why it cannot be read, as a lower-case fragment.
pub fn read_text(path: &Path) -> Result<SourceFile, String> {
    let metadata = std::fs::metadata(path).map_err(|e| why(&e))?;
    if metadata.is_dir() {
        return Err("it is a folder".into());
    }
    if metadata.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    let bytes = std::fs::read(path).map_err(|e| why(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(SourceFile::new(path.to_string_lossy().into_owned(), text))
}

fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// Removes `.` and `a/..` without asking the file system.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The machine's clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or_default();
        Timestamp::from_micros(micros).or(Timestamp::from_micros(0)).unwrap_or_else(|| unreachable!("1970 is in range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_beside_the_graph_file() {
        let folder = GraphFolder::of(Path::new("graphs/default.toml"));
        assert_eq!(folder.locate("../fixtures/a.json"), "fixtures/a.json");
        assert_eq!(folder.locate("rules/./a.toml"), "graphs/rules/a.toml");
        assert_eq!(folder.locate("../../a.toml"), "../a.toml");
        assert_eq!(folder.locate("-"), "-");
        let here = std::env::current_dir().unwrap();
        assert_eq!(folder.locate(here.join("x/y.json").to_str().unwrap()), "x/y.json");
        assert!(folder.read("none.toml").unwrap_err().contains("no such file"));
    }
}
