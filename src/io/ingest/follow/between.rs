use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::identity::{Head, Identity, Saved};

/// Files that are remembered after they were let go and nobody has to read them again.
const REMEMBERED: usize = 16;

/// As a [`crate::domain::Position`] writes it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Saves {
    pub files: Vec<Saved>,
    pub done: Done,
    /// Lanes so far.
    pub lanes: u32,
    /// What stood at a path of which no file is known was written to since then; nothing did before the first look.
    pub floor: Option<SystemTime>,
}

/// Files that were read to their end and let go, so that they are not taken for new ones; and so that a later process
/// finds those that it has to read again, since their records are of windows that were not closed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Done {
    files: VecDeque<Saved>,
    /// So many of them, from the front, need not be read again.
    #[serde(skip)]
    settled: usize,
}

impl Done {
    pub fn add(&mut self, saved: Saved) {
        self.files.push_back(saved);
    }

    /// A later process would read on from where these were done.
    pub fn settle(&mut self, done: &Done) {
        let lanes: BTreeSet<u32> = done.files.iter().map(|saved| saved.lane).collect();
        self.settled = self.files.iter().rposition(|saved| lanes.contains(&saved.lane)).map_or(0, |last| last + 1);
        let surplus = self.settled.saturating_sub(REMEMBERED);
        self.files.drain(..surplus);
        self.settled -= surplus;
    }

    pub fn files(&self) -> impl Iterator<Item = &Saved> {
        self.files.iter()
    }

    /// The system gives the number of a deleted file to another one, so the beginning counts too.
    fn has(&self, identity: Identity, file: &File) -> bool {
        self.files.iter().any(|known| known.identity == identity && known.head.fits(file))
    }
}

/// Paths at which nothing stands now, or an empty file, and beside which there are files that may have stood there: that which is followed,
/// or those that match it.
pub fn deserted(followed: &str, is_pattern: bool) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    if !is_pattern {
        paths.insert(PathBuf::from(followed));
    } else if let (Ok(pattern), Ok(rotated)) = (glob::Pattern::new(followed), glob::glob(&format!("{followed}[._-]*")))
    {
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        for rotated in rotated.flatten() {
            let name = rotated.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let names = name.rmatch_indices(['.', '-', '_']).filter_map(|(at, _)| name.get(..at));
            let mut stood = names.map(|name| rotated.with_file_name(name));
            paths.extend(stood.find(|path| pattern.matches_path_with(path, options)));
        }
    }
    paths.retain(|path| fs::metadata(path).map_or(true, |about| about.is_file() && about.len() == 0));
    paths
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
