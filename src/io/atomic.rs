//! Files that are whole or not there: written beside their place, then renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::port::Writing;

/// Puts `bytes` at `path`. A reader sees the old content or the new one, never a part; when it fails, the old content
/// stays and nothing is left beside it.
///
/// Permissions of an existing file are kept, and as far as possible its owner. A symbolic link stays one: its
/// destination is replaced. What is no regular file (a device, a pipe) is written into, since replacing it would
/// destroy it.
///
/// Survives the death of the process at any moment, not that of the machine: nothing is forced to the disk.
///
/// # Errors
/// What the system says: no such folder, no permission, no space. A file without write permission is not replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, false, &mut |to| to.write_all(bytes))
}

/// [`write_atomic`] that survives a power cut as well: the content is on the disk before the name is, and both are when
/// this returns.
///
/// # Errors
/// The same.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, true, &mut |to| to.write_all(bytes))
}

/// [`write_atomic`], or [`write_synced`] where `synced`, of what `write` writes piece by piece.
///
/// # Errors
/// The same, and those of `write`.
pub fn write_whole(path: &Path, synced: bool, write: &mut Writing<'_>) -> io::Result<()> {
    replace(path, synced, write)
}

/// Forces the names in a folder to the disk. Where folders cannot be opened as files, the system has to see to it.
///
/// # Errors
/// What the system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn replace(path: &Path, synced: bool, write: &mut Writing<'_>) -> io::Result<()> {
    let existing = match fs::metadata(path) {
        Ok(existing) if existing.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(existing) if !existing.is_file() => return write(&mut OpenOptions::new().write(true).open(path)?),
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let target = destination(path)?;
    if existing.is_some() {
        OpenOptions::new().write(true).open(&target)?; // renaming over it would not ask for its permissions
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::metadata(folder)?; // what is wrong with the folder itself is said in the system's words
    // The error of a temporary file names a path that nobody knows.
    let temporary = builder().prefix(".").suffix(".tmp").tempfile_in(folder);
    let mut temporary = temporary.map_err(|error| io::Error::from(error.kind()))?;
    write(&mut temporary)?;
    if let Some(existing) = existing {
        adopt(temporary.as_file(), &existing)?;
    }
    if synced {
        temporary.as_file().sync_all()?;
    }
    temporary.persist(&target).map_err(|error| error.error)?;
    if synced { sync_folder(folder) } else { Ok(()) }
}

/// Where a chain of symbolic links ends, whether anything is there or not.
fn destination(path: &Path) -> io::Result<PathBuf> {
    const LINKS: usize = 40; // as Linux follows them
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&at) {
            Ok(next) => at = at.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(at), // no link, or nothing there: writing says what is wrong
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A new file gets the permissions that the process gives new files, not those of a temporary one.
#[cfg(unix)]
fn builder() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    builder.permissions(fs::Permissions::from_mode(0o666)); // less the umask
    builder
}

#[cfg(not(unix))]
fn builder() -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}

/// Owner first, since changing it may clear permissions. Only a privileged process may change it, so a failure there
/// is none.
fn adopt(file: &File, existing: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(existing.uid()), Some(existing.gid()));
    }
    file.set_permissions(existing.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_anew_and_over_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["output.json"]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_leaves_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            write_atomic(&folder.path().join("no/such/folder.json"), b"x").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert_eq!(write_atomic(&folder.path().join("sub"), b"x").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        fs::write(folder.path().join("file"), "old").unwrap();
        assert!(write_atomic(&folder.path().join("file/x"), b"x").is_err());
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["file", "sub"]);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn permissions_are_kept_and_new_files_get_the_usual_ones() {
            let folder = tempfile::tempdir().unwrap();
            let [path, usual] = ["output.json", "usual"].map(|name| folder.path().join(name));
            write_atomic(&path, b"one").unwrap();
            fs::write(&usual, "").unwrap();
            assert_eq!(mode(&path), mode(&usual));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            write_atomic(&path, b"two").unwrap();
            assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o640, b"two".to_vec()));
        }

        #[test]
        fn a_link_stays_and_its_destination_is_written() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("data")).unwrap();
            fs::write(at("data/real"), "old").unwrap();
            symlink("data/real", at("near")).unwrap();
            symlink("near", at("far")).unwrap();
            symlink("data/later", at("dangling")).unwrap();
            symlink("round", at("round")).unwrap();
            write_atomic(&at("far"), b"new").unwrap();
            write_atomic(&at("dangling"), b"made").unwrap();
            assert_eq!(fs::read(at("data/real")).unwrap(), b"new");
            assert_eq!(fs::read(at("data/later")).unwrap(), b"made");
            assert!(["far", "near", "dangling"].iter().all(|name| at(name).is_symlink()));
            assert_eq!(names(&at("data")), ["later", "real"]);
            assert!(write_atomic(&at("round"), b"x").is_err());
        }

        #[test]
        fn a_device_is_written_into() {
            write_atomic(Path::new("/dev/null"), b"gone").unwrap();
            assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        }

        #[test]
        fn a_file_without_write_permission_is_not_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("output.json");
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            if OpenOptions::new().write(true).open(&path).is_ok() {
                println!("skipped: this user may write every file");
                return;
            }
            assert_eq!(write_atomic(&path, b"new").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
    }
}
