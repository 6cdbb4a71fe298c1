//! Records that were acknowledged and are not yet safe elsewhere: segments of NDJSON in a folder, or in memory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes that are looked at at once for the last newline of a segment.
const BLOCK: u64 = 1 << 16;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub segment: u64,
    pub offset: u64,
    /// Lines of the segment before it.
    pub rows: u64,
}

/// What there is to read behind a place.
#[derive(Debug, PartialEq, Eq)]
pub enum More {
    /// Bytes of the same segment.
    Bytes(Vec<u8>),
    /// The segment is read to its end; this one is next.
    Segment(u64),
    Nothing,
}

/// Appended to by one thread, read by another.
pub struct Spool {
    folder: Option<PathBuf>,
    /// Whether every write is forced to the disk.
    sync: bool,
    /// Bytes after which a segment ends.
    segment: u64,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    segments: BTreeMap<u64, Segment>,
    /// The one that is written, and its file if it has one.
    current: Option<(u64, Option<File>)>,
    released: Place,
    /// The highest number so far.
    last: u64,
}

/// What of a segment is acknowledged.
struct Segment {
    length: u64,
    body: Body,
}

enum Body {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Spool {
    /// Finds what an earlier process left. Everything before `from` is released.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn open(folder: Option<&Path>, from: Place, segment: u64, sync: bool) -> io::Result<Spool> {
        let mut segments = BTreeMap::new();
        for entry in folder.map(fs::read_dir).transpose()?.into_iter().flatten() {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|extension| extension == "ndjson");
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| is_ours) {
                let length = whole_lines(&File::open(&path)?)?;
                segments.insert(number, Segment { length, body: Body::File(path) });
            }
        }
        let last = segments.keys().next_back().copied().unwrap_or_default().max(from.segment);
        let state = Mutex::new(State { segments, current: None, released: from, last });
        Ok(Spool { folder: folder.map(Path::to_path_buf), sync, segment, state, arrived: Condvar::new() })
    }

    /// The lock is held for copies of bytes and numbers only, which leave nothing half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds whole lines. When it returns, they are read again by whoever opens the spool.
    ///
    /// # Errors
    /// What the system says; then none of them are there.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        // Only one thread appends, so the current segment stays the same while the lock is not held.
        let taken = self.lock().current.take();
        let (number, mut file) = match taken {
            Some(current) => current,
            None => self.begin()?,
        };
        if let Some(file) = &mut file
            && let Err(error) = file.write_all(lines).and_then(|()| if self.sync { file.sync_data() } else { Ok(()) })
        {
            // The next write begins another segment; what is behind the length of this one counts for nothing.
            let length = self.lock().segments.get(&number).map_or(0, |segment| segment.length);
            let _ = file.set_len(length);
            return Err(error);
        }
        let mut state = self.lock();
        if let Some(segment) = state.segments.get_mut(&number) {
            segment.length += lines.len() as u64;
            if let Body::Memory(bytes) = &mut segment.body {
                bytes.extend_from_slice(lines);
            }
            if segment.length < self.segment {
                state.current = Some((number, file));
            }
        }
        drop(state);
        self.arrived.notify_all();
        Ok(())
    }

    /// Begins a segment.
    fn begin(&self) -> io::Result<(u64, Option<File>)> {
        let mut state = self.lock();
        let number = state.last + 1;
        let (body, file) = match &self.folder {
            None => (Body::Memory(Vec::new()), None),
            Some(folder) => {
                let path = folder.join(format!("{number:020}.ndjson"));
                let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
                if self.sync {
                    File::open(folder)?.sync_all()?; // its name too
                }
                (Body::File(path), Some(file))
            }
        };
        state.last = number;
        state.segments.insert(number, Segment { length: 0, body });
        Ok((number, file))
    }

    /// What is behind a place, at most `most` bytes; waits for it no longer than `patience`.
    ///
    /// # Errors
    /// What the system says of the segment.
    pub fn more(&self, segment: u64, offset: u64, most: u64, patience: Duration) -> io::Result<More> {
        let nothing = |state: &mut State| matches!(state.look(segment, offset), Found::Nothing);
        let waited = self.arrived.wait_timeout_while(self.lock(), patience, nothing);
        let (state, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let (path, length) = match state.look(segment, offset) {
            Found::Nothing => return Ok(More::Nothing),
            Found::Segment(next) => return Ok(More::Segment(next)),
            Found::Bytes(found) => {
                let length = (found.length - offset).min(most);
                match &found.body {
                    Body::File(path) => (path.clone(), length),
                    Body::Memory(bytes) => {
                        let range = usize::try_from(offset).ok().zip(usize::try_from(offset + length).ok());
                        let bytes = range.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default();
                        return Ok(More::Bytes(bytes.to_vec()));
                    }
                }
            }
        };
        drop(state);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        File::open(path)?.read_exact_at(&mut bytes, offset)?;
        Ok(More::Bytes(bytes))
    }

    /// Everything before `place` is safe: segments that lie before it are deleted.
    pub fn release(&self, place: Place) {
        let mut state = self.lock();
        state.released = place;
        let current = state.current.as_ref().map(|(number, _)| *number).or(Some(state.last));
        let is_done = |number: &u64, segment: &Segment| {
            *number < place.segment
                || (*number == place.segment && segment.length <= place.offset && Some(*number) != current)
        };
        let done: Vec<u64> = state.segments.iter().filter(|(n, s)| is_done(n, s)).map(|(number, _)| *number).collect();
        let done: Vec<Segment> = done.iter().filter_map(|number| state.segments.remove(number)).collect();
        drop(state);
        for segment in done {
            if let Body::File(path) = segment.body
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!("cannot delete `{}`: {error}", path.display());
            }
        }
    }

    /// Bytes that are not released.
    pub fn size(&self) -> u64 {
        let state = self.lock();
        let released = state.released;
        let left = |(number, segment): (&u64, &Segment)| {
            segment.length.saturating_sub(if *number == released.segment { released.offset } else { 0 })
        };
        state.segments.range(released.segment..).map(left).sum()
    }
}

enum Found<'a> {
    Bytes(&'a Segment),
    Segment(u64),
    Nothing,
}

impl State {
    fn look(&self, segment: u64, offset: u64) -> Found<'_> {
        if let Some(found) = self.segments.get(&segment).filter(|found| found.length > offset) {
            return Found::Bytes(found);
        }
        let next = self.segments.range(segment + 1..).find(|(_, next)| next.length > 0);
        next.map_or(Found::Nothing, |(number, _)| Found::Segment(*number))
    }
}

/// Bytes up to the last newline: what is behind it was cut off while it was written, and never acknowledged.
fn whole_lines(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.resize(usize::try_from(end - start).unwrap_or_default(), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    /// Reads everything behind `place`, and moves it.
    fn read(spool: &Spool, place: &mut Place) -> String {
        let mut text = Vec::new();
        loop {
            match spool.more(place.segment, place.offset, 5, NOW).unwrap() {
                More::Bytes(bytes) => {
                    place.offset += bytes.len() as u64;
                    text.extend(bytes);
                }
                More::Segment(next) => *place = Place { segment: next, ..Place::default() },
                More::Nothing => return String::from_utf8(text).unwrap(),
            }
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.iter().map(|name| name.trim_start_matches('0').to_string()).collect()
    }

    #[test]
    fn what_was_appended_is_read_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        for path in [Some(folder.path()), None] {
            let spool = Spool::open(path, Place::default(), 8, false).unwrap();
            let mut place = Place::default();
            assert_eq!(read(&spool, &mut place), "");
            for text in ["1\n", "2\n", "345678\n", "9\n"] {
                spool.append(text.as_bytes()).unwrap();
            }
            assert_eq!(read(&spool, &mut place), "1\n2\n345678\n9\n");
            assert_eq!(spool.size(), 13);
            spool.release(Place { segment: 1, offset: 4, rows: 2 });
            assert_eq!(spool.size(), 9);
            spool.release(place);
            assert_eq!(spool.size(), 0);
            spool.append(b"10\n").unwrap();
            assert_eq!(read(&spool, &mut place), "10\n");
        }
        assert_eq!(files(folder.path()), ["2.ndjson"], "the one that is written stays");
    }

    #[test]
    fn another_process_goes_on_where_the_first_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let open = |from| Spool::open(Some(folder.path()), from, 8, true).unwrap();
        let spool = open(Place::default());
        for text in ["1\n", "234567890\n", "2\n", "3\n"] {
            spool.append(text.as_bytes()).unwrap();
        }
        drop(spool);
        // Killed in the middle of a write.
        let torn = folder.path().join(format!("{:020}.ndjson", 2));
        OpenOptions::new().append(true).open(&torn).unwrap().write_all(b"{\"tor").unwrap();
        for from in
            [Place::default(), Place { segment: 1, offset: 2, rows: 1 }, Place { segment: 9, ..Place::default() }]
        {
            let spool = open(from);
            let mut place = from;
            let expected = ["1\n234567890\n2\n3\n", "234567890\n2\n3\n", ""][from.segment.min(2) as usize];
            assert_eq!(read(&spool, &mut place), expected);
            assert_eq!(spool.size(), expected.len() as u64);
        }
        let from = Place { segment: 2, offset: 2, rows: 1 };
        let spool = open(from);
        spool.append(b"4\n").unwrap();
        let mut place = from;
        assert_eq!(read(&spool, &mut place), "3\n4\n", "nothing is written behind what was torn");
        spool.release(place);
        assert_eq!(files(folder.path()), ["3.ndjson"]);
    }

    #[test]
    fn a_reader_is_woken_by_what_arrives() {
        let spool = Spool::open(None, Place::default(), 8, false).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let since = std::time::Instant::now();
                let more = spool.more(0, 0, 9, Duration::from_secs(20)).unwrap();
                (more, since.elapsed())
            });
            std::thread::sleep(Duration::from_millis(20));
            spool.append(b"1\n").unwrap();
            let (more, waited) = reader.join().unwrap();
            assert_eq!(more, More::Segment(1));
            assert!(waited < Duration::from_secs(10));
        });
    }
}
