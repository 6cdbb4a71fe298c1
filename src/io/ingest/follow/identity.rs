use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::io::decode::Mark;

/// How much of its beginning tells a file from another that took its place.
pub const HEAD: u64 = 1024;

/// What the system knows a file by, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
}

impl Identity {
    pub fn of(about: &Metadata) -> Identity {
        Identity { device: about.dev(), inode: about.ino() }
    }
}

/// A fingerprint of the beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    pub length: u64,
    pub hash: String,
}

impl Head {
    /// Of the first `length` bytes, at most 1 KiB.
    pub fn of(file: &File, length: u64) -> io::Result<Head> {
        let bytes = beginning(file, length.min(HEAD))?;
        Ok(Head { length: bytes.len() as u64, hash: blake3::hash(&bytes).to_hex().to_string() })
    }

    pub fn fits(&self, file: &File) -> bool {
        self.length == 0 || Head::of(file, self.length).is_ok_and(|head| head == *self)
    }

    /// Whether two files that begin so are surely of one origin.
    pub fn is_telling(&self) -> bool {
        self.length >= HEAD / 4
    }
}

/// The first `length` bytes of a file, or as many as there are.
pub fn beginning(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let read = read_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills the buffer from there, as far as the file goes.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where reading of one file stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub path: String,
    pub identity: Identity,
    pub head: Head,
    pub mark: Mark,
    /// Records behind the mark that were handed on too.
    pub skip: u64,
    /// Of its records, wherever the file is moved or copied to.
    pub lane: u32,
    /// When it had been written to, when it was last seen at its path. What stood there later was written to since.
    pub here: SystemTime,
}

impl Saved {
    /// The file where reading stopped, under whatever name it now has in its folder.
    pub fn find(&self) -> Option<(PathBuf, File)> {
        let same = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| Identity::of(&about) == self.identity);
        self.candidates().filter(same).find_map(|path| self.open(&path))
    }

    /// A copy of it, where its beginning is long enough to tell. `known` are others.
    pub fn find_copy(&self, known: &BTreeSet<Identity>) -> Option<(PathBuf, File)> {
        let other = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|about| about.is_file() && !known.contains(&Identity::of(&about)))
        };
        let mut others = self.candidates().filter(|path| self.head.is_telling() && other(path));
        others.find_map(|path| self.open(&path))
    }

    /// The path, and what stands beside it, by name.
    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let path = Path::new(&self.path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut siblings: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        siblings.sort();
        std::iter::once(path.to_path_buf()).chain(siblings)
    }

    /// The file, if it is the one.
    fn open(&self, path: &Path) -> Option<(PathBuf, File)> {
        let file = File::open(path).ok()?;
        self.fits(&file).then(|| (path.to_path_buf(), file))
    }

    fn fits(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|about| about.len() >= self.mark.offset) && self.head.fits(file)
    }

    /// Whether this is the file where reading stopped.
    pub fn is(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|about| Identity::of(&about) == self.identity) && self.fits(file)
    }
}
