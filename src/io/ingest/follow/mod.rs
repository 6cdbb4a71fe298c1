//! Files that are followed: read to their end, and on as they grow, are truncated, rotated and replaced.

mod between;
mod identity;
mod merge;
mod pace;
mod resume;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::file::Config;
use super::several::matching;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::{Batch, InputRecord, Position};
use crate::io::decode::Feed;
use crate::node::{Next, PATIENCE, Pass, Reader};
use between::{Done, Saves, between, deserted};
use identity::{Head, Identity, Saved};
use merge::Joined;
pub use pace::Pace;
use tail::{Failure, Look, Tail};

/// Records of several files that are handed on at once.
const ROWS: usize = 8192;
/// Bytes that are read at once, of all files together.
const BLOCK: usize = 1 << 18;
/// The least that is read at once of one.
const LEAST: usize = 1 << 13;
/// The longest step of the clocks by which file systems say when a file was written to.
const STEP: Duration = Duration::from_secs(1);
/// More files than this are not all looked at each time.
const FEW: usize = 32;

/// Follows the file at a path, or all that match a pattern.
pub struct Follower {
    node: String,
    path: String,
    feed: Feed,
    tails: Vec<Tail>,
    done: Done,
    /// See [`Saves::floor`].
    floor: Option<SystemTime>,
    /// The next lane.
    lanes: u32,
    /// Where an earlier process stopped, of files that are not there: a disk may be mounted later.
    missing: Vec<Saved>,
    opened: Instant,
    pace: Pace,
    /// When all files were looked at.
    looked: Option<Instant>,
    /// Something was read, now or by an earlier process.
    begun: bool,
    /// Records that an earlier process handed on.
    again: u64,
    /// What was warned of.
    warned: BTreeSet<String>,
}

/// What is waited for, where nothing can be read yet.
fn waiting(path: &str) -> Result<String, Diagnostic> {
    let paths = matching(path)?.unwrap_or_else(|| vec![PathBuf::from(path)]);
    Ok(match paths.iter().any(|path| path.exists()) {
        true => format!("waiting for something in `{path}`, which is empty"),
        false => format!("waiting for `{path}`, which is not there yet"),
    })
}

impl Follower {
    /// # Errors
    /// AG0101: the pattern is none. AG0106, AG0107: nothing can be made of the file.
    pub fn open(config: &Config, pass: &Pass<'_>, pace: Pace) -> Result<Follower, Diagnostic> {
        let mut follower = Follower {
            node: pass.node.to_string(),
            path: config.path.clone(),
            feed: Feed::new(&config.options(pass.wanted)),
            tails: Vec::new(),
            done: Done::default(),
            floor: None,
            lanes: 0,
            missing: Vec::new(),
            opened: Instant::now(),
            pace,
            looked: None,
            begun: pass.from.is_some(),
            again: 0,
            warned: BTreeSet::new(),
        };
        let saves = |position: &Position| serde_json::from_str::<Saves>(&position.0);
        match (pass.from.map(saves).transpose(), pass.seen.map(saves).transpose()) {
            (Ok(from), Ok(seen)) => follower.resume(from.unwrap_or_default(), seen.unwrap_or_default()),
            (Err(error), _) | (_, Err(error)) => {
                follower.lost(&format!("where reading stopped is not readable ({error})"));
            }
        }
        follower.scan()?;
        for path in deserted(&follower.path, follower.is_pattern()) {
            follower.catch_up(&path, None); // what comes there may come late
        }
        follower.floor.get_or_insert_with(|| SystemTime::now() - STEP);
        if follower.tails.is_empty() && follower.warned.is_empty() {
            tracing::warn!("{}", waiting(&follower.path)?);
        }
        Ok(follower)
    }

    fn lost(&mut self, what: &str) {
        tracing::warn!("{what}; what it got since then is lost");
        self.feed.note(input::LOST, 0, what);
    }

    fn is_pattern(&self) -> bool {
        self.path.contains(['*', '?', '['])
    }

    /// Warns once of each thing.
    fn warn(&mut self, path: &Path, error: &io::Error) {
        let what = format!("`{}` cannot be followed: {error}", path.display());
        if self.warned.insert(what.clone()) {
            tracing::warn!("{what}; it is tried again");
            self.feed.note(input::UNFOLLOWED, 0, &what);
        }
    }

    /// Finds out which files there are now.
    fn scan(&mut self) -> Result<(), Diagnostic> {
        let paths = matching(&self.path)?.unwrap_or_else(|| vec![PathBuf::from(&self.path)]);
        let mut here = BTreeSet::new();
        for path in paths {
            let (identity, empty, written) = match fs::metadata(&path) {
                Ok(about) => (Identity::of(&about), about.is_file() && about.len() == 0, about.modified().ok()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.warn(&path, &error);
                    continue;
                }
            };
            if let Some(tail) = self.tails.iter_mut().find(|tail| tail.identity == identity) {
                tail.path = path;
                tail.here = written.unwrap_or(tail.here);
                here.insert(identity);
                continue;
            }
            // Nothing tells an empty file from what is in its place when it has something.
            if empty {
                continue;
            }
            self.catch_up(&path, Some(identity));
            match self.discover(&path, &path) {
                Ok(identity) => {
                    here.insert(identity);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.warn(&path, &error),
            }
        }
        if self.opened.elapsed() > self.pace.forget {
            let missing = std::mem::take(&mut self.missing);
            missing.iter().for_each(|saved| self.give_up(saved));
        }
        self.tails.iter_mut().for_each(|tail| tail.gone = !here.contains(&tail.identity));
        Ok(())
    }

    /// Whether it is what stands at `path`, or stood there.
    fn is_of(&self, path: &Path, tail: &Tail) -> bool {
        !self.is_pattern() || tail.path == path
    }

    /// Takes up the files that stood at `path` before the one that stands there `now`, if any, and after those that are
    /// known.
    fn catch_up(&mut self, path: &Path, now: Option<Identity>) {
        let known = self.tails.iter().filter(|tail| self.is_of(path, tail)).map(|tail| tail.here);
        if let Some(newest) = known.max().or(self.floor) {
            self.take_up_since(newest, path, now);
        }
    }

    /// Takes up what was rotated away from `path` since then, whether it was renamed or copied, and nobody looked at.
    fn take_up_since(&mut self, newest: SystemTime, path: &Path, now: Option<Identity>) {
        let mut known: Vec<_> = self.tails.iter().map(Tail::origin).collect();
        let none = Head::default();
        known.extend(now.map(|now| (now, &none)));
        for rotated in between(path, newest, &known, &self.done) {
            if let Err(error) = self.discover(path, &rotated) {
                self.warn(&rotated, &error);
            }
        }
    }

    /// Takes up a file that was not known and stands, or stood, at `path`; now it is `at` another, or the same.
    fn discover(&mut self, path: &Path, at: &Path) -> io::Result<Identity> {
        let file = File::open(at)?;
        let identity = Identity::of(&file.metadata()?);
        if let Some(saved) = (path == at).then(|| self.come_back(path, &file)).flatten() {
            self.go_on(&saved, file);
            return Ok(identity);
        }
        let name = at.to_string_lossy();
        let strand = self.feed.strand(&name, self.is_pattern());
        let lane = self.lane();
        self.tails.push(Tail::open(path, file, strand, 0, lane)?);
        tracing::info!("following `{name}`");
        Ok(identity)
    }

    /// Whether a file that has nothing new was rotated away and gets nothing more.
    fn is_done(&self, tail: &Tail) -> bool {
        let quiet = tail.quiet_since.elapsed();
        let follows = |other: &Tail| !other.gone && self.is_of(&tail.path, other);
        let replaced = || self.tails.iter().any(follows) || tail.is_deleted();
        tail.gone && (quiet > self.pace.forget || (quiet > self.pace.linger && replaced()))
    }

    /// Looks at every file that has nothing to hand on.
    fn read(&mut self) -> Result<(), Diagnostic> {
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= self.pace.scan);
        if due {
            self.looked = Some(Instant::now());
        }
        if due || !self.is_pattern() {
            self.scan()?;
        }
        let sleepy = self.tails.len() > FEW && !due;
        let mut index = 0;
        while let Some(tail) = self.tails.get_mut(index) {
            let sleeps = sleepy && tail.quiet_since.elapsed() > self.pace.linger;
            if tail.next_time().is_some() || sleeps {
                index += 1;
                continue;
            }
            match tail.look() {
                Ok(Look::Truncated) => {
                    self.truncated(index);
                    self.read_on(index)?;
                }
                Ok(Look::Read) => self.read_on(index)?,
                Ok(Look::Quiet) => {
                    if self.tails.get(index).is_some_and(|tail| self.is_done(tail)) && self.let_go(index)? {
                        continue;
                    }
                }
                Err(error) => {
                    let path = tail.path.clone();
                    self.warn(&path, &error);
                }
            }
            index += 1;
        }
        Ok(())
    }

    /// Lets go of a file, unless its last line, which has no newline, is a record that has to be handed on first.
    fn let_go(&mut self, index: usize) -> Result<bool, Diagnostic> {
        if let Some(tail) = self.tails.get_mut(index) {
            tail.finished = true;
        }
        self.read_on(index)?;
        let done = self.tails.get(index).is_some_and(|tail| tail.next_time().is_none());
        if done {
            let tail = self.tails.remove(index);
            self.forget(&tail);
            tracing::info!("`{}` was rotated away and is read to its end", tail.path.display());
        }
        Ok(done)
    }

    /// What is not known at its path was written to after it.
    fn forget(&mut self, tail: &Tail) {
        self.done.add(tail.saved());
        let written = tail.written().unwrap_or(tail.here);
        let is_single = !self.is_pattern();
        let mut others = self.tails.iter_mut().filter(|other| is_single || other.path == tail.path).peekable();
        if others.peek().is_none() {
            self.floor = self.floor.max(Some(written));
        }
        others.for_each(|other| other.here = other.here.max(written));
    }

    fn read_on(&mut self, index: usize) -> Result<(), Diagnostic> {
        let alone = !self.begun && !self.is_pattern();
        let hungry = self.tails.iter().filter(|tail| !tail.is_quiet()).count();
        let size = (BLOCK / hungry.max(1)).max(LEAST);
        let Some(tail) = self.tails.get_mut(index).filter(|tail| !tail.unusable) else { return Ok(()) };
        match tail.read(&mut self.feed, size) {
            Ok(()) => self.begun |= tail.next_time().is_some(),
            Err(Failure::System(error)) => {
                let path = tail.path.clone();
                self.warn(&path, &error);
            }
            Err(Failure::Content(fault)) if alone => return Err(fault),
            Err(Failure::Content(fault)) => {
                tail.unusable = true;
                tracing::warn!("{}; it is left out until another takes its place", fault.message);
                self.feed.note(input::UNFOLLOWED, 0, &fault.message);
            }
        }
        Ok(())
    }

    /// Starts again at the beginning of a file; what it had before may be in a copy.
    fn truncated(&mut self, index: usize) {
        let named = self.is_pattern();
        let known = self.tails.iter().map(|tail| tail.identity).collect();
        let Some(tail) = self.tails.get_mut(index) else { return };
        let (saved, read) = (tail.saved(), tail.strand.arrived());
        let was_usable = !tail.unusable;
        tail.restart(self.feed.strand(&saved.path, named), self.lanes);
        self.lanes += 1;
        let copy = if was_usable { saved.find_copy(&known) } else { None };
        let what = format!("`{}` was truncated after {read} bytes were read", saved.path);
        let rest = match &copy {
            Some((copy, _)) => format!("; the rest is in `{}`", copy.display()),
            None => "; no copy of it is found, so what it may have got after that is lost".to_string(),
        };
        tracing::warn!("{what}{rest}");
        self.feed.note(input::TRUNCATED, 0, &format!("{what}{rest}"));
        if let Some((_, file)) = copy {
            let copied = file.metadata().and_then(|about| about.modified());
            self.go_on(&saved, file);
            // It may have been filled and emptied again since.
            if let Ok(copied) = copied {
                self.take_up_since(copied, Path::new(&saved.path), None);
            }
        }
    }

    /// The next records in the order of time, as far as files give them.
    fn send(&mut self) -> Option<Batch> {
        let mut joined = Joined::default();
        while joined.len() < ROWS {
            let times = || self.tails.iter().enumerate().filter_map(|(index, tail)| Some((tail.next_time()?, index)));
            let Some((_, first)) = times().min() else { break };
            let others = times().filter(|(_, index)| *index != first).map(|(time, _)| time).min();
            let tail = self.tails.get_mut(first)?;
            match others {
                None if joined.len() == 0 => return tail.send_all(),
                None => tail.send(i64::MAX, &mut joined),
                // Not a moment past the others: what a window's grace bears is up to the records, not to us.
                Some(time) => tail.send(time, &mut joined),
            }
            if tail.next_time().is_none() {
                break; // what it has next may be older than what others have
            }
        }
        joined.finish()
    }
}

impl Reader for Follower {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let since = Instant::now();
        loop {
            self.read()?;
            if let Some(batch) = self.send() {
                return Ok(Next::Batch(batch));
            }
            if since.elapsed() + self.pace.look > PATIENCE {
                return Ok(Next::Idle);
            }
            thread::sleep(self.pace.look);
        }
    }

    fn position(&self) -> Option<Position> {
        let files = self.tails.iter().map(Tail::saved).chain(self.missing.clone()).collect();
        let saves = Saves { files, done: self.done.clone(), lanes: self.lanes, floor: self.floor };
        serde_json::to_string(&saves).ok().map(Position)
    }

    fn release(&mut self, position: &Position) {
        if let Ok(saves) = serde_json::from_str::<Saves>(&position.0) {
            self.done.settle(&saves.done);
        }
    }

    fn record(&self) -> InputRecord {
        let record = self.feed.record();
        let unsent: u64 = self.tails.iter().map(Tail::unsent).sum();
        let records = record.records.saturating_sub(unsent + self.again);
        InputRecord { node: self.node.clone(), path: self.path.clone(), records, ..record }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.feed.bytes(), None)
    }
}
