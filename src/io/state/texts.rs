//! The texts that graphs were compiled from, each once and by its fingerprint, so that runs can be told apart by them
//! after the files have changed: `<state>/texts/<fingerprint>`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::SystemTime;

use super::{StateDir, private};
use crate::io::atomic::write_atomic;

/// Texts that are kept; those that were used longest ago go first.
const KEPT: usize = 512;

impl StateDir {
    /// Keeps a text. Where that cannot be, two runs are told apart by fingerprints alone.
    pub fn keep_text(&self, fingerprint: &str, text: &str) {
        let path = self.texts().join(fingerprint);
        // A run that uses it again keeps it young.
        if File::options().write(true).open(&path).is_ok_and(|file| file.set_modified(SystemTime::now()).is_ok()) {
            return;
        }
        let made = private().recursive(true).create(self.texts());
        if let Err(error) = made.and_then(|()| write_atomic(&path, text.as_bytes())) {
            tracing::debug!("cannot keep {}: {error}", path.display());
        }
        self.forget_texts();
    }

    /// The text of this fingerprint, if it is still kept.
    pub fn text(&self, fingerprint: &str) -> Option<String> {
        let is_one = fingerprint.chars().all(|c| c.is_ascii_hexdigit()); // it was read from a journal
        is_one.then(|| fs::read_to_string(self.texts().join(fingerprint)).ok())?
    }

    fn forget_texts(&self) {
        let entries = fs::read_dir(self.texts()).into_iter().flatten().flatten();
        let age = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let mut texts: Vec<(SystemTime, PathBuf)> = entries.filter_map(age).collect();
        texts.sort();
        for (_, path) in texts.iter().take(texts.len().saturating_sub(KEPT)) {
            let _ = fs::remove_file(path); // what is left goes next time
        }
    }

    fn texts(&self) -> PathBuf {
        self.path().join("texts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_once_and_the_unused_go() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().to_str()).unwrap();
        assert_eq!(state.text("00"), None);
        let name = |number: usize| format!("{number:04x}");
        let long_ago = SystemTime::now() - std::time::Duration::from_secs(1_000_000);
        for number in 0..KEPT {
            state.keep_text(&name(number), &format!("text {number}"));
            let file = File::options().write(true).open(state.texts().join(name(number))).unwrap();
            file.set_modified(long_ago + std::time::Duration::from_secs(number as u64)).unwrap();
        }
        state.keep_text(&name(0), "text 0");
        state.keep_text(&name(KEPT), "new");
        assert_eq!(state.text(&name(0)).as_deref(), Some("text 0"), "used again");
        assert_eq!((state.text(&name(1)), state.text(&name(KEPT)).as_deref()), (None, Some("new")));
        assert_eq!(fs::read_dir(state.texts()).unwrap().count(), KEPT);
        assert_eq!(state.text("../runs"), None);
    }
}
