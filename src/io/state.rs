//! The user's state directory: a folder per run with its journal, record and report. Knows names and locks, nothing
//! of what the files say except whether a run has ended.
//!
//! ```text
//! <state>/runs/20231001-120000-beef-4a1f/       the last part is the graph's
//!     events.ndjson  run.json  report.json  cassette.ndjson  empty  lock
//! <state>/live/host-0123456789abcdef/         what a live graph keeps between processes
//!     checkpoint  sources/  lock
//! ```

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::diagnostic::{Diagnostic, codes, did_you_mean};
use crate::domain::{RunStatus, Timestamp};
use crate::io::atomic::sync_folder;
use crate::io::journal::FileJournal;

/// Names the newest run wherever a run is asked for.
pub const LAST: &str = "last";
/// Folders of runs that are being deleted begin so; they are no runs any more.
const DELETED: &str = ".deleted-";
/// A file in the folder of a run whose window had no records.
const EMPTY: &str = "empty";

/// The state directory. Nothing is made on disk before a run is.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    /// What is kept survives a power cut.
    synced: bool,
}

impl StateDir {
    /// `env_override` is the value of `$AGENT_STATE_DIR`; else the platform's folder for the state of programs.
    ///
    /// # Errors
    /// The user has no home, so there is no such folder.
    pub fn open(env_override: Option<&str>) -> Result<StateDir, String> {
        let root = match env_override.filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => dirs::state_dir()
                .or_else(dirs::data_local_dir)
                .ok_or("this user has no home folder; set $AGENT_STATE_DIR")?
                .join("agent"),
        };
        let root = std::path::absolute(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(StateDir { root, synced: false })
    }

    /// The same, with what matters forced to the disk before anything follows from it: journals and checkpoints.
    #[must_use]
    pub fn synced(self, synced: bool) -> StateDir {
        StateDir { synced, ..self }
    }

    pub fn is_synced(&self) -> bool {
        self.synced
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes the folder of a new run of the graph file at this absolute path, and locks it. `suffix` is asked again while
    /// a run of that id exists.
    ///
    /// # Errors
    /// AG0304.
    pub fn create_run(
        &self,
        graph: &str,
        started: Timestamp,
        mut suffix: impl FnMut() -> u16,
    ) -> Result<(RunDir, RunLock), Diagnostic> {
        const TRIES: usize = 64;
        let runs = self.runs();
        private().recursive(true).create(&runs).map_err(|error| unusable(&runs, &error))?;
        let mut is_again = false;
        for _ in 0..TRIES {
            let run = self.at(format!("{}-{}", run_id(started, suffix()), graph_key(graph)));
            match private().create(&run.path) {
                Ok(()) => match self.sync(&runs).and_then(|()| run.lock()) {
                    Ok(lock) => return Ok((run, lock)),
                    Err(fault) if is_again => return Err(fault),
                    // Another process took it for a void one before it was locked.
                    Err(_) => is_again = true,
                },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unusable(&run.path, &error)),
            }
        }
        Err(unusable(&runs, &io::Error::other(format!("{TRIES} runs of this second have the ids that were tried"))))
    }

    /// The run of exactly this id.
    ///
    /// # Errors
    /// AG0301 when it is not kept, AG0304.
    pub fn run(&self, id: &str) -> Result<RunDir, Diagnostic> {
        let runs = self.list()?;
        runs.iter().find(|run| run.id == id).cloned().ok_or_else(|| unknown(id, &runs))
    }

    /// The run that a user means: `last`, an id, or the beginning of one id only.
    ///
    /// # Errors
    /// AG0301, AG0302 when several ids begin so, AG0304.
    pub fn resolve(&self, name: &str) -> Result<RunDir, Diagnostic> {
        let runs = self.list()?;
        if name == LAST {
            return runs.first().cloned().ok_or_else(|| unknown(name, &runs));
        }
        let meant: Vec<&RunDir> = runs.iter().filter(|run| !name.is_empty() && run.id.starts_with(name)).collect();
        match meant[..] {
            [] => Err(unknown(name, &runs)),
            [run] => Ok(run.clone()),
            _ => match meant.iter().find(|run| run.id == name) {
                Some(run) => Ok((*run).clone()),
                None => {
                    let some: Vec<String> = meant.iter().take(5).map(|run| format!("`{}`", run.id)).collect();
                    let message = format!("{} runs begin with `{name}`", meant.len());
                    Err(Diagnostic::new(codes::run::AMBIGUOUS_RUN, message)
                        .help(format!("such as {}", some.join(", "))))
                }
            },
        }
    }

    /// All kept runs, newest first.
    ///
    /// # Errors
    /// AG0304. A state directory that is not there yet has no runs.
    pub fn list(&self) -> Result<Vec<RunDir>, Diagnostic> {
        Ok(self.scan()?.0)
    }

    /// All kept runs, newest first, and the folders that earlier deletions left.
    fn scan(&self) -> Result<(Vec<RunDir>, Vec<PathBuf>), Diagnostic> {
        let runs = self.runs();
        let (mut found, mut left) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((found, left)),
            Err(error) => return Err(unusable(&runs, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unusable(&runs, &error))?;
            match entry.file_name().into_string() {
                Ok(id) if is_id(&id) && entry.file_type().is_ok_and(|kind| kind.is_dir()) => found.push(self.at(id)),
                Ok(name) if name.starts_with(DELETED) => left.push(entry.path()),
                _ => {} // somebody else's
            }
        }
        found.sort_by(|a, b| b.id.cmp(&a.id)); // ids begin with the time
        Ok((found, left))
    }

    /// Deletes the oldest finished runs beyond the newest `keep` runs of each graph, those of windows without records
    /// first; gives how many went. A run that somebody works on is never deleted. One that was interrupted can still be
    /// resumed, so as many of these are kept again.
    ///
    /// # Errors
    /// AG0304. A run that cannot be deleted stays, and is tried again next time.
    pub fn retain(&self, keep: usize) -> Result<usize, Diagnostic> {
        let (runs, left) = self.scan()?;
        for folder in left {
            let _ = fs::remove_dir_all(folder);
        }
        // Which graph a run is of stands in its name, so that nothing needs to be looked into where none has too many.
        let mut graphs: HashMap<String, Vec<RunDir>> = HashMap::new();
        for run in runs {
            graphs.entry(key_of(&run.id).to_string()).or_default().push(run);
        }
        let surplus = graphs.into_values().filter(|runs| runs.len() > keep).flat_map(|runs| beyond(runs, keep));
        Ok(surplus.filter(|run| self.delete(run)).count())
    }

    /// Whether the run is gone: not if somebody works on it.
    fn delete(&self, run: &RunDir) -> bool {
        let Ok(lock) = run.try_lock() else { return false };
        // Renamed first: a folder that is half deleted must not look like a run.
        let gone = self.runs().join(format!("{DELETED}{}", run.id));
        let is_gone = fs::rename(&run.path, &gone).is_ok();
        drop(lock);
        if is_gone {
            let _ = fs::remove_dir_all(&gone); // what is left goes next time
        }
        is_gone
    }

    /// Forces the names on the way to `folder` to the disk, where this is synced.
    fn sync(&self, folder: &Path) -> Result<(), Diagnostic> {
        let above = self.root.parent().unwrap_or(&self.root);
        let mut ways = folder.ancestors().take_while(|way| self.synced && way.starts_with(above));
        ways.try_for_each(|way| sync_folder(way).map_err(|error| unusable(way, &error)))
    }

    fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    fn at(&self, id: String) -> RunDir {
        RunDir { path: self.runs().join(&id), id, synced: self.synced }
    }
}

/// Of the runs of one graph, newest first, those that may go.
fn beyond(runs: Vec<RunDir>, keep: usize) -> Vec<RunDir> {
    let (empty, full): (Vec<RunDir>, Vec<RunDir>) = runs.into_iter().partition(|run| run.path.join(EMPTY).exists());
    let room = keep.saturating_sub(full.len());
    let full = full.into_iter().skip(keep);
    let mut interrupted = 0;
    let full = full.filter(|run| {
        let can_go_on = !run.is_finished();
        interrupted += usize::from(can_go_on);
        !can_go_on || interrupted > keep
    });
    full.chain(empty.into_iter().skip(room)).collect()
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    id: String,
    path: PathBuf,
    synced: bool,
}

impl RunDir {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.ndjson")
    }

    /// Opens the journal, or begins it, and reads what it holds.
    ///
    /// # Errors
    /// Why it cannot be read or written, as a lower-case fragment.
    pub fn journal(&self) -> Result<(FileJournal, String), String> {
        FileJournal::open(&self.events(), self.synced)
    }

    pub fn record(&self) -> PathBuf {
        self.path.join("run.json")
    }

    pub fn report(&self) -> PathBuf {
        self.path.join("report.json")
    }

    /// What the model answered.
    pub fn replies(&self) -> PathBuf {
        self.path.join("replies.ndjson")
    }

    pub fn cassette(&self) -> PathBuf {
        self.path.join("cassette.ndjson")
    }

    /// Notes that its window had no records: it goes before others do.
    pub fn mark_empty(&self) {
        let _ = File::create(self.path.join(EMPTY)); // without it the run is kept a little longer
    }

    /// Takes the run for this process.
    ///
    /// # Errors
    /// AG0303 when another process has it, AG0301 when it was deleted meanwhile, AG0304.
    pub fn lock(&self) -> Result<RunLock, Diagnostic> {
        // Whoever only looks whether the run is locked holds it for a moment.
        const LOOKS: usize = 5;
        let mut tried = self.try_lock();
        for _ in 0..LOOKS {
            if !matches!(tried, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            tried = self.try_lock();
        }
        match tried {
            Ok(lock) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process works on the run `{}`", self.id);
                Err(Diagnostic::new(codes::run::RUN_LOCKED, message))
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::NotFound => Err(unknown(&self.id, &[])),
            Err(TryLockError::Error(error)) => Err(unusable(&self.path, &error)),
        }
    }

    /// Whether a process works on it at this moment.
    pub fn is_locked(&self) -> bool {
        // Opened without making it: looking at a run leaves no trace.
        let Ok(file) = File::open(self.lock_file()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Whether its record says that it ended, well or not.
    pub fn is_finished(&self) -> bool {
        #[derive(Deserialize)]
        struct Ended {
            status: RunStatus,
        }
        let ended = fs::read(self.record()).ok().and_then(|record| serde_json::from_slice::<Ended>(&record).ok());
        ended.is_some_and(|ended| ended.status != RunStatus::Running)
    }

    fn try_lock(&self) -> Result<RunLock, TryLockError> {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(self.lock_file());
        let file = open.map_err(TryLockError::Error)?;
        file.try_lock()?;
        // Between opening and locking the run may have been deleted; then the lock is one of nothing.
        fs::metadata(self.lock_file()).map_err(TryLockError::Error)?;
        Ok(RunLock { _file: file })
    }

    /// Whether its process died before anything was journaled. Only of a run that the caller has locked.
    pub fn is_void(&self) -> bool {
        let is_missing = |path: PathBuf| fs::metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let is_empty = fs::metadata(self.events()).is_ok_and(|about| about.len() == 0);
        is_missing(self.record()) && (is_empty || is_missing(self.events()))
    }

    /// Deletes a run that never came into being: nothing was done of it.
    pub fn discard(self, lock: RunLock) {
        // Renamed first, so that nobody who waits for the lock gets a run that is about to be deleted.
        let gone = self.path.with_file_name(format!("{DELETED}{}", self.id));
        if fs::rename(&self.path, &gone).is_ok() {
            drop(lock);
            let _ = fs::remove_dir_all(&gone); // what is left goes with the next sweep
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }
}

/// A run that belongs to this process until this is dropped, or the process ends however.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Makes folders that only the user may enter: journals hold what the telemetry names.
fn private() -> DirBuilder {
    #[allow(unused_mut, reason = "changed on unix only")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn unknown(name: &str, runs: &[RunDir]) -> Diagnostic {
    let message = match (name, runs) {
        (LAST, []) => "no run is kept yet".to_string(),
        _ => format!("there is no run `{name}`"),
    };
    let ids = runs.iter().map(|run| run.id.as_str());
    let near = did_you_mean(name, ids.chain((!runs.is_empty()).then_some(LAST)));
    Diagnostic::new(codes::run::UNKNOWN_RUN, message).help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`agent runs` lists the runs that are kept".to_string(),
    })
}

fn unusable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::new(codes::run::STATE_UNUSABLE, format!("cannot use `{}`: {error}", path.display()))
        .help("set $AGENT_STATE_DIR to another folder, or run with --no-journal")
}

mod id;
mod live;
#[cfg(test)]
mod tests;
mod texts;

pub use id::run_id;
use id::{graph_key, is_id, key_of};
pub use live::LiveDir;
