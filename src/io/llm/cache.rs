//! Answers of earlier runs. Asked for the same again, nothing is sent: the key is everything that a request holds.
//!
//! Only what was accepted is kept, under the question that was asked first: after a repair the next run gets the mended
//! answer at once. Errors, answers that were cut short, rejected ones, and those of stand-ins are not kept.
//!
//! A file for each answer, written beside its place and renamed into it: whole or not there, whichever process writes
//! it. Its first line is a hash of the rest; what does not fit is as good as not there. Those that nobody asked for the
//! longest make room.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, codes};
use crate::domain::ModelIdentity;
use crate::io::atomic::write_atomic;
use crate::io::environment::Environment;
use crate::io::state::StateDir;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

/// Bumped when keys or files mean something else.
const VERSION: u32 = 1;
/// More than a file of an answer that can be accepted has by far; not read, not written.
const LONGEST: u64 = 64 << 10;
/// Files after which they are counted again, since other processes write too.
const TRUSTED: u32 = 256;
/// A file that was being written when its process died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    files: u64,
    bytes: u64,
}

const BOUNDS: Bounds = Bounds { files: 10_000, bytes: 64 << 20 };

/// The folder of the kept answers. No failure of it is one of the run: without it the model is asked.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    bounds: Bounds,
    tally: Mutex<Option<Tally>>,
}

/// What the folder holds, as far as this process knows.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    files: u64,
    bytes: u64,
    /// Written since it was counted.
    written: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    reply: ModelReply,
}

impl Cache {
    /// The one of the user's state directory; `None` where LLM_CACHE turns it off, or there is no such directory.
    ///
    /// # Errors
    /// AG0203.
    pub fn of_user(environment: &Environment) -> Result<Option<Cache>, Diagnostic> {
        match environment.get("LLM_CACHE").map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "on") => {}
            Some("off") => return Ok(None),
            Some(_) => {
                let help = "leave it out to keep accepted answers, or write `off`";
                let message = "LLM_CACHE is neither `on` nor `off`";
                return Err(Diagnostic::new(codes::model::SETTING, message).help(help));
            }
        }
        let state = StateDir::open(environment.get("AGENT_STATE_DIR"));
        Ok(state.ok().map(|state| Cache::new(state.path().join("cache"), BOUNDS)))
    }

    fn new(folder: PathBuf, bounds: Bounds) -> Cache {
        Cache { folder, bounds, tally: Mutex::new(None) }
    }

    /// Where the answer of a key is; `None` for what is no key: one may come from a journal.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let is_key = key.len() == 64 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_key.then(|| self.folder.join(key))
    }

    fn get(&self, key: &str) -> Option<ModelReply> {
        let path = self.path(key)?;
        let length = fs::metadata(&path).ok()?.len();
        let text = if length <= LONGEST { fs::read_to_string(&path).ok() } else { None };
        let entry = text.as_deref().and_then(read).filter(|entry| entry.key == key);
        match entry {
            Some(entry) => {
                // What was asked for lately stays; without permission it is as if it had not been.
                let _ = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(entry.reply)
            }
            None => {
                tracing::debug!(path = %path.display(), "an answer that was kept cannot be read: left out");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    fn keep(&self, key: &str, reply: &ModelReply) {
        let Some(path) = self.path(key) else { return };
        let reply = ModelReply { cached: false, cost: None, ticket: None, ..reply.clone() };
        let Ok(json) = serde_json::to_string(&Entry { key: key.to_string(), reply }) else { return };
        let text = format!("{}\n{json}\n", blake3::hash(json.as_bytes()).to_hex());
        if text.len() as u64 > LONGEST {
            return;
        }
        let is_new = !path.exists();
        if let Err(error) = self.make().and_then(|()| write_atomic(&path, text.as_bytes())) {
            tracing::warn!(folder = %self.folder.display(), %error, "an answer of the model cannot be kept for later runs");
        } else if is_new {
            self.make_room(text.len() as u64);
        }
    }

    fn drop_entry(&self, key: &str) {
        if let Some(path) = self.path(key) {
            let _ = fs::remove_file(path); // most often it is not there
        }
    }

    /// The folder, for its owner only: answers name hosts and services.
    fn make(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&self.folder)
    }

    /// Counts a file that was written, and deletes the oldest ones when there are too many: an eighth more than needed,
    /// so that it is not done for each.
    fn make_room(&self, bytes: u64) {
        let mut known = self.tally.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Bounds { files: most_files, bytes: most_bytes } = self.bounds;
        let tally = match *known {
            Some(Tally { written, files, bytes: before }) if written < TRUSTED => {
                Tally { files: files + 1, bytes: before + bytes, written: written + 1 }
            }
            _ => self.files().iter().fold(Tally::default(), |sum, (_, bytes, _)| Tally {
                files: sum.files + 1,
                bytes: sum.bytes + bytes,
                ..sum
            }),
        };
        *known = Some(tally);
        if tally.files <= most_files && tally.bytes <= most_bytes {
            return;
        }
        let mut files = self.files();
        files.sort_by_key(|(_, _, used)| *used);
        let mut left = Tally { files: files.len() as u64, bytes: files.iter().map(|f| f.1).sum(), written: 0 };
        for (path, bytes, _) in files {
            if left.files <= most_files - most_files / 8 && left.bytes <= most_bytes - most_bytes / 8 {
                break;
            }
            let _ = fs::remove_file(path); // another process may have been faster
            left = Tally { files: left.files - 1, bytes: left.bytes.saturating_sub(bytes), written: 0 };
        }
        *known = Some(left);
    }

    /// Path, length and last use of all answers. Removes what writers left that died.
    fn files(&self) -> Vec<(PathBuf, u64, SystemTime)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let name = entry.file_name();
            if name.to_str().and_then(|name| self.path(name)).is_some() {
                found.push((entry.path(), metadata.len(), used));
            } else if used.elapsed().is_ok_and(|age| age > ABANDONED) && is_temporary(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        found
    }
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') && name.ends_with(".tmp")
}

fn read(text: &str) -> Option<Entry> {
    let (hash, json) = text.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    (blake3::hash(json.as_bytes()).to_hex().as_str() == hash).then(|| serde_json::from_str(json).ok())?
}

/// A model that asks only what no earlier run got an accepted answer to.
pub(super) struct Cached {
    pub inner: Arc<dyn Model>,
    pub cache: Arc<Cache>,
    /// What is sent besides a request's own parts: temperature, seed and the like.
    pub parameters: Value,
}

impl Cached {
    fn key(&self, request: &ModelRequest) -> String {
        let ModelRequest { asked_by: _, system, user, schema_name, schema, max_tokens } = request;
        let content = (VERSION, self.inner.identity(), &self.parameters, system, user, schema_name, schema, max_tokens);
        // Text, a list of parts: no two contents have the same. They always have one.
        blake3::hash(serde_json::to_string(&content).unwrap_or_default().as_bytes()).to_hex().to_string()
    }

    async fn ask(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let key = self.key(request);
        // Read here and now: it is one small file, and requests keep the order in which they came.
        let mut reply = match self.cache.get(&key) {
            Some(kept) => {
                ModelReply { prompt_tokens: 0, completion_tokens: 0, attempts: 0, elapsed_ms: 0, cached: true, ..kept }
            }
            None => self.inner.complete(request).await?,
        };
        reply.ticket = Some(key);
        Ok(reply)
    }
}

impl Model for Cached {
    fn identity(&self) -> ModelIdentity {
        self.inner.identity()
    }

    fn is_in_order(&self) -> bool {
        self.inner.is_in_order()
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(self.ask(request))
    }

    fn judged(&self, ticket: &str, accepted: Option<&ModelReply>) {
        match accepted {
            Some(reply) if reply.cached && reply.ticket.as_deref() == Some(ticket) => {}
            Some(reply) if reply.stand_in.is_none() && reply.finish_reason.as_deref() != Some("length") => {
                self.cache.keep(ticket, reply);
            }
            // Kept by a program that judged otherwise.
            Some(_) | None => self.cache.drop_entry(ticket),
        }
        self.inner.judged(ticket, accepted);
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
