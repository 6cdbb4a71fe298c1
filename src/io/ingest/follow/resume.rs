use std::fs::File;
use std::path::Path;

use super::Follower;
use super::between::Saves;
use super::identity::{Identity, Saved};
use super::tail::{Failure, Tail};
use crate::io::decode::Mark;

impl Follower {
    /// Goes on where an earlier process stopped. Files that it found later, up to where it had `seen`, are read from their
    /// beginning, in the lanes that they had.
    pub(super) fn resume(&mut self, from: Saves, seen: Saves) {
        self.lanes = from.lanes.max(seen.lanes);
        let is_later = |saved: &&Saved| from.files.iter().all(|known| known.lane != saved.lane);
        let later =
            seen.files.iter().filter(is_later).map(|saved| Saved { mark: Mark::default(), skip: 0, ..saved.clone() });
        let files: Vec<Saved> = from.files.iter().cloned().chain(later).collect();
        let known = files.iter().map(|saved| saved.identity).collect();
        for saved in files {
            match saved.find(&known) {
                Some((_, file)) => self.go_on(&saved, file),
                None => self.missing.push(saved),
            }
        }
        (self.done, self.seen) = (from.done, seen);
    }

    /// The lane of a file that was not known.
    pub(super) fn lane(&mut self, identity: Identity, file: &File) -> u32 {
        self.seen.done.lane(identity, file).unwrap_or_else(|| {
            self.lanes += 1;
            self.lanes - 1
        })
    }

    /// Goes on in a file that has come back; says so where it is another one.
    pub(super) fn come_back(&mut self, path: &Path, file: &File) -> Option<Saved> {
        let name = path.to_string_lossy();
        let index = self.missing.iter().position(|saved| saved.path == name)?;
        let saved = self.missing.remove(index);
        if saved.is(file) {
            return Some(saved);
        }
        self.give_up(&saved);
        None
    }

    pub(super) fn give_up(&mut self, saved: &Saved) {
        if saved.mark.offset > 0 {
            self.lost(&format!("`{}`, of which {} bytes were read, is gone or another", saved.path, saved.mark.offset));
        }
    }

    pub(super) fn go_on(&mut self, saved: &Saved, file: File) {
        let path = Path::new(&saved.path);
        let opened = Tail::header(&file).map_err(Failure::from).and_then(|header| {
            let strand = self.feed.resume(&saved.path, self.is_pattern(), saved.mark, &header)?;
            Ok(Tail::open(path, file, strand, saved.skip, saved.lane)?)
        });
        match opened {
            Ok(tail) => {
                self.again += saved.skip;
                self.tails.push(tail);
            }
            Err(Failure::System(error)) => self.lost(&format!("`{}` cannot be read any more: {error}", saved.path)),
            Err(Failure::Content(fault)) => self.lost(&fault.message),
        }
    }
}
