//! How a checkpoint lies on the disk: a version, the state of each fold, then what the checkpoint says, and in the last
//! eight bytes how long that is. States come first and are written and read piece by piece, since they may be nearly all
//! of the memory that a run takes: they are never in memory a second time.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, VERSION};
use crate::node::AnyFold;

/// Bytes that tell the length of what the checkpoint says.
const TAIL: u64 = 8;

/// Of which node a fold's state is, and where it lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    fingerprint: String,
    start: u64,
    length: u64,
}

#[derive(Serialize, Deserialize)]
struct Content {
    checkpoint: Checkpoint,
    /// By the name of the node.
    states: BTreeMap<String, Place>,
}

/// A fold whose state is kept.
pub struct FoldState<'a> {
    pub name: String,
    pub fingerprint: String,
    pub fold: &'a dyn AnyFold,
}

/// Writes a checkpoint with the states of folds.
///
/// # Errors
/// What `to` says.
pub fn write<'a>(
    checkpoint: &Checkpoint,
    folds: impl Iterator<Item = FoldState<'a>>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut to = Counted { to, count: 0 };
    to.write_all(&encoded(&VERSION)?)?;
    let mut states = BTreeMap::new();
    for FoldState { name, fingerprint, fold } in folds {
        let start = to.count;
        fold.save(&mut to)?;
        states.insert(name, Place { fingerprint, start, length: to.count - start });
    }
    let content = encoded(&Content { checkpoint: checkpoint.clone(), states })?;
    to.write_all(&content)?;
    to.write_all(&(content.len() as u64).to_le_bytes())
}

fn encoded<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(io::Error::other) // our own types always serialise
}

struct Counted<'a> {
    to: &'a mut dyn Write,
    count: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A file, or what stands for one.
trait Stored: Read + Seek + Send {}
impl<T: Read + Seek + Send> Stored for T {}

/// What an earlier process left: what its checkpoint says, and the states of its folds, which are read when they are asked
/// for.
#[derive(Default)]
pub struct Kept {
    pub checkpoint: Checkpoint,
    states: BTreeMap<String, Place>,
    file: Option<Box<dyn Stored>>,
}

/// Why a fold starts anew.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Lost {
    #[error("the node has changed since the graph last ran")]
    Changed,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl Kept {
    /// # Errors
    /// It is of another version, or no checkpoint at all.
    pub fn read(mut file: impl Read + Seek + Send + 'static) -> Result<Kept, String> {
        let content = Self::content(&mut file)?;
        let Content { checkpoint, states } = content;
        Ok(Kept { checkpoint, states, file: Some(Box::new(file)) })
    }

    fn content(file: &mut (impl Read + Seek)) -> Result<Content, String> {
        let told = |error: io::Error| error.to_string();
        let size = file.seek(SeekFrom::End(0)).map_err(told)?;
        file.rewind().map_err(told)?;
        let mut first = Vec::new();
        file.by_ref().take(5).read_to_end(&mut first).map_err(told)?; // the longest that a u32 is written
        match postcard::take_from_bytes::<u32>(&first) {
            Ok((VERSION, _)) => {}
            Ok((other, _)) => return Err(format!("it has version {other}, this program reads version {VERSION}")),
            Err(error) => return Err(error.to_string()),
        }
        const CUT: &str = "it was cut off or changed";
        let mut tail = [0; TAIL as usize];
        let end = size.checked_sub(TAIL).ok_or(CUT)?;
        file.seek(SeekFrom::Start(end)).and_then(|_| file.read_exact(&mut tail)).map_err(told)?;
        let start = end.checked_sub(u64::from_le_bytes(tail)).ok_or(CUT)?;
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(told)?;
        file.take(end - start).read_to_end(&mut content).map_err(told)?;
        let content: Content = postcard::from_bytes(&content).map_err(|_| CUT.to_string())?;
        let is_inside = |place: &Place| place.start.checked_add(place.length).is_some_and(|end| end <= start);
        if content.states.values().all(is_inside) { Ok(content) } else { Err(CUT.to_string()) }
    }

    /// Gives a fold the state that it had, if its node is the same as then.
    ///
    /// # Errors
    /// Why it keeps the state it has.
    pub fn load(&mut self, name: &str, fingerprint: &str, fold: &mut dyn AnyFold) -> Result<(), Lost> {
        let Some((place, file)) = self.states.get(name).zip(self.file.as_mut()) else { return Ok(()) };
        if place.fingerprint != fingerprint {
            return Err(Lost::Changed);
        }
        let read =
            file.seek(SeekFrom::Start(place.start)).and_then(|_| fold.load(&mut file.take(place.length), place.length));
        read.map_err(|error| Lost::Unreadable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::domain::{Batch, Timestamp};
    use crate::node::{FoldValue, Gathered, Wanted, Window};

    /// Its state is this text.
    struct Text(String);

    impl AnyFold for Text {
        fn wants(&self) -> Wanted {
            Wanted::default()
        }
        fn open(&self, _: Option<Timestamp>) -> Gathered {
            Box::new(())
        }
        fn push(&self, _: &mut Gathered, _: &Batch) {}
        fn close(&mut self, _: Gathered, _: &Window) -> Result<FoldValue, serde_json::Error> {
            unreachable!("no window closes")
        }
        fn expects_records(&self) -> bool {
            false
        }
        fn save(&self, to: &mut dyn Write) -> io::Result<()> {
            to.write_all(self.0.as_bytes())
        }
        fn load(&mut self, from: &mut dyn Read, length: u64) -> io::Result<()> {
            let mut text = String::new();
            assert_eq!(from.read_to_string(&mut text)? as u64, length);
            self.0 = text;
            Ok(())
        }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { written: 7, reported: Some(60), pending: vec!["run".to_string()], ..Checkpoint::default() }
    }

    fn written() -> Vec<u8> {
        let folds =
            [("detect", "unusual"), ("insights", ""), ("more", "é")].map(|(name, state)| (name, Text(state.into())));
        let states = folds.iter().map(|(name, fold)| FoldState {
            name: name.to_string(),
            fingerprint: format!("f-{name}"),
            fold,
        });
        let mut bytes = Vec::new();
        write(&checkpoint(), states, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn each_fold_gets_its_own_state_back_in_any_order() {
        let mut kept = Kept::read(Cursor::new(written())).unwrap();
        assert_eq!(kept.checkpoint, checkpoint());
        for (name, state) in [("more", "é"), ("detect", "unusual"), ("insights", ""), ("detect", "unusual")] {
            let mut fold = Text("as it was".into());
            kept.load(name, &format!("f-{name}"), &mut fold).unwrap();
            assert_eq!(fold.0, state);
        }
        let mut fold = Text("as it was".into());
        assert_eq!(kept.load("detect", "another", &mut fold), Err(Lost::Changed));
        kept.load("new", "f-new", &mut fold).unwrap();
        assert_eq!(fold.0, "as it was");
    }

    #[test]
    fn what_was_cut_off_is_refused_and_what_was_changed_never_panics() {
        let whole = written();
        for end in 0..whole.len() {
            assert!(Kept::read(Cursor::new(whole[..end].to_vec())).is_err(), "{end}");
        }
        for (at, byte) in (0..whole.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            let mut changed = whole.clone();
            changed[at] = byte;
            let Ok(mut kept) = Kept::read(Cursor::new(changed)) else { continue };
            let _ = kept.load("detect", "f-detect", &mut Text(String::new()));
        }
        let other = [&[99][..], &whole[1..]].concat();
        assert_eq!(
            Kept::read(Cursor::new(other)).err().unwrap(),
            format!("it has version 99, this program reads version {VERSION}")
        );
    }
}
