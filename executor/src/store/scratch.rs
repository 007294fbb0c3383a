use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{FlockOperation, flock};

use crate::rdd::RddError;

const PREFIX: &str = "howdah-scratch-";
const LOCK: &str = "lock";

/// Folders that are tried before it is given up; another name is taken only when another process has it.
const ATTEMPTS: u32 = 1000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder for the files of one process; it is removed when this is dropped. What a process that was killed left
/// behind is removed by the next one: a lock, which ends with its process, tells them apart.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    next: AtomicU64,
    _lock: File,
}

impl Scratch {
    /// Makes a scratch folder in `base`, by default in the system's folder for temporary files.
    ///
    /// # Errors
    /// [`RddError::File`], naming the folder.
    pub fn new(base: Option<&Path>) -> Result<Arc<Self>, RddError> {
        let base = base.map_or_else(std::env::temp_dir, Path::to_owned);
        fs::create_dir_all(&base).map_err(|error| RddError::file(&base, &error))?;
        remove_stale(&base);
        let mut refused = io::Error::from(ErrorKind::AlreadyExists);
        for _ in 0..ATTEMPTS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = base.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match lock_new(&folder) {
                Ok(lock) => return Ok(Arc::new(Self { folder, next: AtomicU64::new(0), _lock: lock })),
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::WouldBlock) => {
                    refused = error;
                }
                Err(error) => return Err(RddError::file(&folder, &error)),
            }
        }
        Err(RddError::file(&base, &refused))
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a file.
    ///
    /// # Errors
    /// [`RddError::File`].
    pub fn create(self: &Arc<Self>) -> Result<ScratchFile, RddError> {
        let path = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let open = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = open.map_err(|error| RddError::file(&path, &error))?;
        Ok(ScratchFile { file, path, bytes: 0, _folder: Arc::clone(self) })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes a scratch folder when this is dropped, even if somebody still has files in it: the threads of a process
/// that ends let go of nothing.
#[derive(Debug)]
pub struct ScratchGuard(Arc<Scratch>);

impl ScratchGuard {
    /// Guards a folder.
    pub fn new(scratch: &Arc<Scratch>) -> Self {
        Self(Arc::clone(scratch))
    }
}

impl Drop for ScratchGuard {
    fn drop(&mut self) {
        remove(&self.0.folder);
    }
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "can't remove the scratch folder");
        }
        _ => {}
    }
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub struct ScratchFile {
    file: File,
    path: PathBuf,
    bytes: u64,
    _folder: Arc<Scratch>,
}

impl ScratchFile {
    /// Bytes that have been written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds to its end.
    ///
    /// # Errors
    /// [`RddError::File`], for example because the disk is full.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), RddError> {
        self.file.write_all(bytes).map_err(|error| RddError::file(&self.path, &error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Reads exactly as many bytes as `into` has.
    ///
    /// # Errors
    /// [`RddError::File`], also if the file is shorter.
    pub fn read_at(&self, into: &mut [u8], at: u64) -> Result<(), RddError> {
        self.file.read_exact_at(into, at).map_err(|error| RddError::file(&self.path, &error))
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // One that is gone already is no harm, and the folder goes in the end.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_new(folder: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let lock = File::create_new(folder.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// Removes the folders whose processes are gone.
fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // Another process may be removing it at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(base: &Path) -> usize {
        fs::read_dir(base).unwrap().count()
    }

    #[test]
    fn files_are_gone_when_they_are_dropped_and_the_folder_with_the_last_of_them() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(base.path())).unwrap();
        let mut file = scratch.create().unwrap();
        file.append(b"abc").unwrap();
        let mut read = [0; 2];
        file.read_at(&mut read, 1).unwrap();
        assert_eq!(&read, b"bc");
        assert!(file.read_at(&mut read, 2).is_err());
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
        let file = scratch.create().unwrap();
        drop(scratch);
        assert_eq!(folders(base.path()), 1);
        drop(file);
        assert_eq!(folders(base.path()), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_live_one_uses_is_not() {
        let base = tempfile::tempdir().unwrap();
        let stale = base.path().join(format!("{PREFIX}1-1"));
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join(LOCK), "").unwrap();
        fs::write(stale.join("7"), "left behind").unwrap();
        let alive = Scratch::new(Some(base.path())).unwrap();
        assert!(!stale.exists());
        let second = Scratch::new(Some(base.path())).unwrap();
        assert!(alive.folder().exists() && second.folder() != alive.folder());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named() {
        let error = Scratch::new(Some(Path::new("/proc/nothing/here"))).unwrap_err().to_string();
        assert!(error.contains("/proc/nothing/here"), "{error}");
    }
}
