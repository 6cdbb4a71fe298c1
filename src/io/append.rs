//! Lines at the end of a file, each once and whole, also when the process dies while it writes and tries again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::atomic::sync_folder;

/// How much is read at once when the beginning of a torn line is looked for.
const BLOCK: u64 = 64 << 10;

/// Appends `line`, which has no newline, to the file at `path`; makes the file if there is none.
///
/// Where the last line is the very same, nothing is written: a task that is run again does not repeat itself. A last
/// line without its newline is what a killed process left: it is completed if it is this line or another whole one, and
/// cut off if it is the torn beginning of a line of this kind (an object whose first key is the same). Anything else is
/// not ours and stays. One write call; if it fails, the file is as it was before.
///
/// With `anywhere` nothing is written either where the line stands further up: others may have come after it. The file is
/// looked through from its end, in blocks.
///
/// With `synced` the line is on the disk when this returns, and survives a power cut.
///
/// Several writers take turns where the file system can lock files. What is no regular file (a pipe, a terminal) is
/// only written to.
///
/// # Errors
/// What the system says.
pub fn append_line(path: &Path, line: &str, anywhere: bool, synced: bool) -> io::Result<()> {
    let text = [line, "\n"].concat();
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes());
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let _ = file.lock(); // some file systems cannot; released when the file is closed
    let length = file.metadata()?.len();
    let end = tail(&mut file, length, line)?;
    let above = anywhere && !matches!(end, Tail::Same | Tail::SameOpen) && holds(&mut file, length, line)?;
    let (keep, text) = match if above { Tail::Same } else { end } {
        Tail::Same => (length, String::new()), // though perhaps not on the disk yet
        Tail::Whole => (length, text),
        Tail::Open => (length, format!("\n{text}")),
        Tail::SameOpen => (length, "\n".to_string()),
        Tail::Torn(at) => (at, text),
    };
    if keep < length {
        file.set_len(keep)?;
    }
    file.write_all(text.as_bytes()).inspect_err(|_| {
        let _ = file.set_len(keep); // a disk that is full must not leave half a line
    })?;
    if synced {
        file.sync_data()?;
        path.parent().filter(|folder| length == 0 && !folder.as_os_str().is_empty()).map_or(Ok(()), sync_folder)?;
    }
    Ok(())
}

/// How a file ends.
enum Tail {
    /// With a newline, or it is empty.
    Whole,
    /// With the line in question.
    Same,
    /// With the line in question, without its newline.
    SameOpen,
    /// With another whole line without its newline.
    Open,
    /// With the beginning of a line, which begins here.
    Torn(u64),
}

fn tail(file: &mut File, length: u64, line: &str) -> io::Result<Tail> {
    let wanted = line.len() as u64 + 2; // the newlines before and after it
    let end = read(file, length.saturating_sub(wanted), length)?;
    if end.last().is_none_or(|last| *last == b'\n') {
        let last = end.strip_suffix(b"\n").and_then(|end| end.strip_suffix(line.as_bytes()));
        let is_same = last.is_some_and(|before| before.last().is_none_or(|last| *last == b'\n'));
        return Ok(if is_same { Tail::Same } else { Tail::Whole });
    }
    let mut begins = length;
    let mut open = Vec::new();
    while begins > 0 {
        let from = begins.saturating_sub(BLOCK);
        let block = read(file, from, begins)?;
        let newline = memchr::memrchr(b'\n', &block);
        let part = newline.map_or(block.as_slice(), |at| block.get(at + 1..).unwrap_or_default());
        begins -= part.len() as u64;
        open.splice(0..0, part.iter().copied());
        if newline.is_some() {
            break;
        }
    }
    let head = line.split_inclusive(':').next().unwrap_or(line).as_bytes();
    Ok(if open == line.as_bytes() {
        Tail::SameOpen
    } else if (open.starts_with(head) || head.starts_with(&open))
        && serde_json::from_slice::<serde::de::IgnoredAny>(&open).is_err()
    {
        Tail::Torn(begins)
    } else {
        Tail::Open
    })
}

/// Whether the line is one of the file's.
fn holds(file: &mut File, length: u64, line: &str) -> io::Result<bool> {
    let wanted = [b"\n", line.as_bytes(), b"\n"].concat();
    let first = wanted.get(1..).unwrap_or_default(); // it has no newline before it
    if read(file, 0, length.min(first.len() as u64))? == first {
        return Ok(true);
    }
    let finder = memchr::memmem::Finder::new(&wanted);
    let overlap = wanted.len() as u64 - 1;
    let mut end = length;
    loop {
        let from = end.saturating_sub(BLOCK + overlap);
        if finder.find(&read(file, from, end)?).is_some() {
            return Ok(true);
        }
        if from == 0 {
            return Ok(false);
        }
        end = from + overlap;
    }
}

fn read(file: &mut File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(to - from).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LINE: &str = r#"{"timestamp":"2024-01-01T00:01:00Z","a":1}"#;
    const OTHER: &str = r#"{"timestamp":"2024-01-01T00:00:00Z","a":1}"#;

    /// The file after the line was appended, and once more.
    fn appended(before: &str, line: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.ndjson");
        if !before.is_empty() {
            fs::write(&path, before).unwrap();
        }
        append_line(&path, line, false, false).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        append_line(&path, line, false, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), after, "a second time changes nothing");
        after
    }

    #[test]
    fn a_line_is_there_once_whatever_was_left_before() {
        let long = format!(r#"{{"timestamp":"{}"#, "x".repeat(3 * BLOCK as usize));
        for (before, expected) in [
            (String::new(), format!("{LINE}\n")),
            (format!("{OTHER}\n"), format!("{OTHER}\n{LINE}\n")),
            (format!("{LINE}\n"), format!("{LINE}\n")),
            (format!("{OTHER}\n{LINE}\n"), format!("{OTHER}\n{LINE}\n")),
            // An earlier window's line may be the same as this one's only by its end.
            (format!("x{LINE}\n"), format!("x{LINE}\n{LINE}\n")),
            (LINE.to_string(), format!("{LINE}\n")),
            (format!("{OTHER}\n{LINE}"), format!("{OTHER}\n{LINE}\n")),
            (OTHER.to_string(), format!("{OTHER}\n{LINE}\n")),
            (format!("{OTHER}\n{long}"), format!("{OTHER}\n{LINE}\n")),
            (long.clone(), format!("{LINE}\n")),
            ("notes of a person".to_string(), format!("notes of a person\n{LINE}\n")),
            (format!("[{OTHER}"), format!("[{OTHER}\n{LINE}\n")),
            ("\n".to_string(), format!("\n{LINE}\n")),
        ] {
            assert_eq!(appended(&before, LINE), expected, "{before:.80}");
        }
    }

    /// Wherever blocks of the file begin and end.
    #[test]
    fn a_line_further_up_is_found_if_it_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.ndjson");
        let padding = |bytes: usize| format!("\"{}\"\n", "x".repeat(bytes));
        let far = BLOCK as usize * 2;
        for behind in (0..LINE.len() + 8).map(|at| far + at).chain([0, 1, 100]) {
            for before in ["", OTHER, "\n"] {
                let file = format!("{before}{}{LINE}\n{}", if before.len() > 1 { "\n" } else { "" }, padding(behind));
                fs::write(&path, &file).unwrap();
                append_line(&path, LINE, true, false).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap().len(), file.len(), "{behind} bytes behind");
            }
        }
        // Parts of lines are others, and so is one that is not looked for.
        let parts = format!("x{LINE}\n{LINE}x\n");
        fs::write(&path, &parts).unwrap();
        append_line(&path, LINE, true, false).unwrap();
        append_line(&path, OTHER, true, false).unwrap();
        append_line(&path, LINE, true, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{parts}{LINE}\n{OTHER}\n"));
        append_line(&path, LINE, false, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{parts}{LINE}\n{OTHER}\n{LINE}\n"));
        // What is torn stays until another line comes.
        let torn = format!("{LINE}\n{}", &OTHER[..9]);
        fs::write(&path, &torn).unwrap();
        append_line(&path, LINE, true, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), torn);
    }

    #[test]
    fn a_line_torn_anywhere_is_replaced() {
        for torn in [LINE, OTHER] {
            for at in 1..torn.len() {
                let before = format!("{OTHER}\n{}", &torn[..at]);
                assert_eq!(appended(&before, LINE), format!("{OTHER}\n{LINE}\n"), "{before}");
            }
        }
    }

    #[test]
    fn writers_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.ndjson");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for at in 0..50 {
                        append_line(path, &format!(r#"{{"writer":{writer},"at":{at}}}"#), false, false).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 200);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn what_cannot_be_appended_to_is_an_error_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        assert!(append_line(folder.path(), LINE, false, false).is_err());
        let nowhere = append_line(&folder.path().join("no/such"), LINE, false, false).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
        #[cfg(unix)]
        append_line(Path::new("/dev/null"), LINE, false, true).unwrap();
    }
}
