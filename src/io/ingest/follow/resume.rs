use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use super::Follower;
use super::between::Saves;
use super::identity::Saved;
use super::tail::{Failure, Tail};
use crate::io::decode::Mark;

impl Follower {
    /// Goes on where an earlier process stopped. Files that it found later, up to where it had `seen`, are read from their
    /// beginning, in the lanes that they had, also those that it was done with.
    pub(super) fn resume(&mut self, from: Saves, seen: Saves) {
        self.lanes = from.lanes.max(seen.lanes);
        let is_later =
            |saved: &&Saved| from.files.iter().chain(from.done.files()).all(|known| known.lane != saved.lane);
        let later = seen.done.files().chain(&seen.files).filter(is_later);
        let later = later.map(|saved| Saved { mark: Mark::default(), skip: 0, ..saved.clone() });
        // It may have been short then, so that nothing told it from another.
        let known_better = |saved: &Saved| {
            let mut same = seen.done.files().chain(&seen.files).filter(|later| later.lane == saved.lane);
            let longer = same.find(|later| later.head.length > saved.head.length);
            Saved { head: longer.map_or_else(|| saved.head.clone(), |longer| longer.head.clone()), ..saved.clone() }
        };
        let files: Vec<Saved> = from.files.iter().map(known_better).chain(later).collect();
        let (mut known, mut moved) = (BTreeSet::new(), Vec::new());
        for saved in files {
            match saved.find() {
                Some((_, file)) => {
                    known.insert(saved.identity);
                    self.go_on(&saved, file);
                }
                None => moved.push(saved),
            }
        }
        for saved in moved {
            match saved.find_copy(&known) {
                Some((_, file)) => self.go_on(&saved, file),
                None => self.missing.push(saved),
            }
        }
        self.done.clone_from(&from.done);
        self.done.settle(&from.done);
        self.floor = from.floor;
    }

    /// A lane for a file that was not known.
    pub(super) fn lane(&mut self) -> u32 {
        self.lanes += 1;
        self.lanes - 1
    }

    /// Goes on in a file that has come back; says so where it is another one.
    pub(super) fn come_back(&mut self, path: &Path, file: &File) -> Option<Saved> {
        let name = path.to_string_lossy();
        if let Some(index) = self.missing.iter().position(|saved| saved.path == name && saved.is(file)) {
            return Some(self.missing.remove(index));
        }
        let (others, missing) = std::mem::take(&mut self.missing).into_iter().partition(|saved| saved.path == name);
        self.missing = missing;
        let others: Vec<Saved> = others;
        others.iter().for_each(|saved| self.give_up(saved));
        None
    }

    pub(super) fn give_up(&mut self, saved: &Saved) {
        let Saved { path, mark, head, .. } = saved;
        if mark.offset > 0 {
            self.lost(&format!("`{path}`, of which {} bytes were read, is gone or another", mark.offset));
        } else if head.length > 0 {
            self.lost(&format!("`{path}`, which has to be read again from its beginning, is gone or another"));
        }
    }

    pub(super) fn go_on(&mut self, saved: &Saved, file: File) {
        let path = Path::new(&saved.path);
        let opened = Tail::header(&file).map_err(Failure::from).and_then(|header| {
            let strand = self.feed.resume(&saved.path, self.is_pattern(), saved.mark, &header)?;
            Ok(Tail::open(path, file, strand, saved.skip, saved.lane)?)
        });
        match opened {
            Ok(mut tail) => {
                self.again += saved.skip;
                tail.here = saved.here;
                self.tails.push(tail);
            }
            Err(Failure::System(error)) => self.lost(&format!("`{}` cannot be read any more: {error}", saved.path)),
            Err(Failure::Content(fault)) => self.lost(&fault.message),
        }
    }
}
