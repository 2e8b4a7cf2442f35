//! Files that are whole or absent, also after a crash.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use freshlayer::ports::{Clock as _, Peers};
use tempfile::NamedTempFile;

use crate::clock::SystemClock;

/// Names of files and folders that are not finished begin so; a run that is killed leaves them behind.
pub(crate) const UNFINISHED: &str = ".unfinished-";
/// Adds the path to an error of the operating system.
pub(crate) fn at(action: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let context = format!("{action} {}", path.display());
    move |error| io::Error::new(error.kind(), format!("{context}: {error}"))
}

fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    fs::create_dir_all(folder).map_err(at("make the folder", folder))?;
    NamedTempFile::with_prefix_in(UNFINISHED, folder).map_err(at("write in", folder))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes a file that must not exist; `false` where it does. After a crash it is there whole or not at all.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = folder_of(path);
    let mut file = unfinished(folder)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at("write", path))?;
    link(file.path(), path)
}

/// As [`create`], with a finished file's content, which is linked where the file system can.
pub(crate) fn create_from(path: &Path, source: &Path) -> io::Result<bool> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(at("make the folder", folder))?;
    File::open(source).and_then(|file| file.sync_all()).map_err(at("flush", source))?;
    match link(source, path) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => create_copy(path, source),
        Ok(false) => {
            touch(path);
            Ok(false)
        }
        done => done,
    }
}

/// Makes a file that is wanted again look new, so that a prune leaves it. A file of another user is left as it is.
fn touch(path: &Path) {
    let file = File::options().append(true).open(path);
    let _may_stay = file.and_then(|file| file.set_modified(SystemClock::start().now().into()));
}

/// As [`create`], with a copy of a file's content: what happens to the file later does not matter.
pub(crate) fn create_copy(path: &Path, source: &Path) -> io::Result<bool> {
    let copy = unfinished(folder_of(path))?;
    fs::copy(source, copy.path()).map_err(at("copy to", path))?;
    copy.as_file().sync_all().map_err(at("write", path))?;
    link(copy.path(), path)
}

/// A link fails where the name is taken: that is what makes it a create-if-absent.
fn link(source: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(source, path) {
        Ok(()) => sync_folder(folder_of(path)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at("write", path)(error)),
    }
}

/// Replaces a file at once; readers see the old or the new content.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = unfinished(folder_of(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at("write", path))?;
    file.persist(path).map_err(|error| at("write", path)(error.error))?;
    sync_folder(folder_of(path))
}

/// Removes a file; one that is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at("remove", path)(error)),
    }
}

/// Tells whether a folder could not be renamed because another one has the name; file systems differ in how
/// they say it.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Makes a new name durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("flush", folder))
}

/// Holds a lock until it is dropped; the operating system drops it for a process that dies.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    fs::create_dir_all(folder_of(path)).map_err(at("make the folder", folder_of(path)))?;
    let file = File::options().create(true).append(true).open(&name).map_err(at("lock", &name))?;
    file.lock().map_err(at("lock", &name))?;
    Ok(file)
}

/// Removes the folders of runs whose owners are certainly gone; nothing else in there is ours. Failing to do
/// so is no reason to fail.
pub fn sweep(folder: &Path, peers: &dyn Peers) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let run = name.strip_prefix(freshlayer::RUN_FOLDER_PREFIX);
        let owner = run.and_then(|run| run.rsplit_once('-')).map(|(owner, _)| owner);
        if owner.is_some_and(|owner| peers.is_gone(owner)) {
            let _tried = fs::remove_dir_all(entry.path());
        }
    }
}
