use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::identity::{HEAD, Head, Identity, Saved};

/// Files that are remembered after they were let go.
const REMEMBERED: usize = 16;

/// As a [`crate::domain::Position`] writes it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Saves {
    pub files: Vec<Saved>,
    pub done: Done,
    /// Lanes so far.
    pub lanes: u32,
}

/// Files that were read to their end and let go, so that they are not taken for new ones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Done(VecDeque<(Identity, Head, u32)>);

impl Done {
    pub fn add(&mut self, identity: Identity, file: &File, lane: u32) {
        if let Ok(head) = Head::of(file, HEAD) {
            self.0.push_back((identity, head, lane));
        }
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The system gives the number of a deleted file to another one, so the beginning counts too.
    fn has(&self, identity: Identity, file: &File) -> bool {
        self.lane(identity, file).is_some()
    }

    /// The lane that a file had.
    pub fn lane(&self, identity: Identity, file: &File) -> Option<u32> {
        self.0.iter().find(|(known, head, _)| *known == identity && head.fits(file)).map(|(_, _, lane)| *lane)
    }
}

/// Files that stood at `path` after the last one that was read and before the one that stands there now, oldest first:
/// they were rotated away before anybody looked. They have the name of `path` with something behind it, were written to
/// since `newest`, and are neither among `known` nor a copy of one of them.
pub fn between(path: &Path, newest: SystemTime, known: &[(Identity, &Head)], done: &Done) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_rotated = |sibling: &str| sibling.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['.', '-', '_']));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_rotated(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        let Ok(about) = file.metadata() else { continue };
        let identity = Identity::of(&about);
        let is_known = || known.iter().any(|(id, head)| *id == identity || (head.is_telling() && head.fits(&file)));
        let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if about.is_file() && about.len() > 0 && written >= newest && !is_known() && !done.has(identity, &file) {
            found.push((written, entry.path()));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}
