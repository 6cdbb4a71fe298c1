use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::{StateDir, private, unusable};
use crate::diagnostic::{Diagnostic, codes};
use crate::io::atomic::write_whole;
use crate::port::Writing;

/// What a live graph keeps between processes: `<state>/live/<name>-<hash of the graph's path>/`.
///
/// ```text
///     checkpoint  lock  sources/<node>/…
/// ```
#[derive(Debug)]
pub struct LiveDir {
    path: PathBuf,
    synced: bool,
    /// Held until this is dropped, or the process ends however.
    _lock: File,
}

impl StateDir {
    /// The folder of the live graph whose file lies at this absolute path, locked.
    ///
    /// # Errors
    /// AG0319 when another process runs the graph, AG0304.
    pub fn live(&self, name: &str, graph: &str) -> Result<LiveDir, Diagnostic> {
        let path = self.live_path(name, graph);
        let unusable = |error: std::io::Error| unusable(&path, &error);
        private().recursive(true).create(&path).map_err(unusable)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {
                self.sync(&path)?;
                Ok(LiveDir { path, synced: self.synced, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process runs `{graph}`");
                Err(Diagnostic::new(codes::run::RUNNING, message).help(codes::run::RUNNING.remedy))
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// The last checkpoint of the live graph whose file lies at this absolute path, whoever runs it.
    pub fn checkpoint_of(&self, name: &str, graph: &str) -> Option<File> {
        File::open(self.live_path(name, graph).join("checkpoint")).ok()
    }

    fn live_path(&self, name: &str, graph: &str) -> PathBuf {
        let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let hash = blake3::hash(graph.as_bytes()).to_hex();
        self.root.join("live").join(format!("{safe:.40}-{hash:.16}"))
    }
}

impl LiveDir {
    /// The last checkpoint; `None` where there is none yet.
    ///
    /// # Errors
    /// AG0304.
    pub fn checkpoint(&self) -> Result<Option<File>, Diagnostic> {
        let path = self.path.join("checkpoint");
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// Puts the checkpoint that is written in the place of the former, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, write: &mut Writing<'_>) -> std::io::Result<()> {
        write_whole(&self.path.join("checkpoint"), self.synced, write)
    }

    /// Forgets everything: the graph starts anew.
    ///
    /// # Errors
    /// AG0304.
    pub fn forget(&self) -> Result<(), Diagnostic> {
        let gone = |path: &Path, removed: std::io::Result<()>| match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(path, &error)),
            _ => Ok(()),
        };
        let (checkpoint, sources) = (self.path.join("checkpoint"), self.path.join("sources"));
        gone(&checkpoint, fs::remove_file(&checkpoint))?;
        gone(&sources, fs::remove_dir_all(&sources))
    }

    /// A folder of a source's own, which is made if need be. Names of nodes are letters, digits, `_` and `-`.
    ///
    /// # Errors
    /// What the system says.
    pub fn source(&self, node: &str) -> std::io::Result<PathBuf> {
        let folder = self.path.join("sources").join(node);
        private().recursive(true).create(&folder)?;
        Ok(folder)
    }
}
