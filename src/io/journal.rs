//! A run's journal as a file of lines, appended without syncing: it survives the death of the process, not of the
//! machine.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::port::Journal;

/// `events.ndjson` of a run.
pub struct FileJournal(File);

impl FileJournal {
    /// Opens or creates the file and reads what it holds. A last line that was cut short by the writer's death is
    /// removed: it was never acted on.
    ///
    /// # Errors
    /// Why the file cannot be read or written, as a lower-case fragment.
    pub fn open(path: &Path) -> Result<(FileJournal, String), String> {
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
        Ok((FileJournal(file), text))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        self.0.write_all(lines).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_dropped_and_appending_goes_on_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let (mut journal, text) = FileJournal::open(&path).unwrap();
        assert_eq!(text, "");
        journal.append(b"{\"a\":1}\n{\"b\":").unwrap();
        let (mut journal, text) = FileJournal::open(&path).unwrap();
        assert_eq!(text, "{\"a\":1}\n");
        journal.append(b"{\"c\":3}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"c\":3}\n");
    }
}
