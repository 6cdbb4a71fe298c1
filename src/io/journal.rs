//! A run's journal as a file of lines. Unsynced it survives the death of the process, not of the machine: what the
//! system still holds in memory at a power cut is lost. Synced each write is on the disk before anything follows from it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::io::atomic::sync_folder;
use crate::port::Journal;

/// `events.ndjson` of a run.
pub struct FileJournal {
    file: File,
    synced: bool,
}

impl FileJournal {
    /// Opens or creates the file and reads what it holds. A last line that was cut short by the writer's death is
    /// removed: it was never acted on. Where it is `synced` the name of the file is, too.
    ///
    /// # Errors
    /// Why the file cannot be read or written, as a lower-case fragment.
    pub fn open(path: &Path, synced: bool) -> Result<(FileJournal, String), String> {
        let fail = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(fail)?;
            bytes.truncate(whole);
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{}: it is not UTF-8 text", path.display()))?;
        if let (true, Some(folder)) = (synced, path.parent()) {
            sync_folder(folder).map_err(fail)?;
        }
        Ok((FileJournal { file, synced }, text))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        let written = self.file.write_all(lines);
        written.and_then(|()| if self.synced { self.file.sync_data() } else { Ok(()) }).map_err(|e| e.to_string())
    }

    fn is_synced(&self) -> bool {
        self.synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_dropped_and_appending_goes_on_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let (mut journal, text) = FileJournal::open(&path, false).unwrap();
        assert_eq!(text, "");
        journal.append(b"{\"a\":1}\n{\"b\":").unwrap();
        let (mut journal, text) = FileJournal::open(&path, true).unwrap();
        assert_eq!(text, "{\"a\":1}\n");
        journal.append(b"{\"c\":3}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"c\":3}\n");
    }

    /// A device has nothing to force to a disk and says so; an unsynced journal does not ask.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_synced_journal_waits_for_the_disk() {
        let open = |synced| FileJournal::open(Path::new("/dev/null"), synced).unwrap().0;
        let (mut unsynced, mut synced) = (open(false), open(true));
        assert_eq!((unsynced.is_synced(), unsynced.append(b"{}\n")), (false, Ok(())));
        assert!(synced.is_synced() && synced.append(b"{}\n").is_err());
    }
}
