use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Where predictions go.
#[derive(Debug)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file that is there when it is whole: until then it has another name beside it, and is removed when this is
    /// dropped.
    File {
        /// The file in its making.
        part: NamedTempFile,
        /// What it becomes.
        path: PathBuf,
    },
    /// A pipe or a device, which is written to as it is.
    Device(File),
}

impl Destination {
    /// Opens a file, or standard output.
    ///
    /// # Errors
    /// It can't be written.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        // A link stays a link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                return Ok(Self::Device(OpenOptions::new().write(true).open(path)?));
            }
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let part = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            // As any new file: the process's mask is taken off.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
        Ok(Self::File { part, path })
    }

    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// What is written to.
    ///
    /// # Errors
    /// It can't be had.
    pub fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::File { part, .. } => Box::new(part.as_file().try_clone()?),
            Self::Device(file) => Box::new(file.try_clone()?),
        })
    }

    /// Puts the file where it belongs, in place of one that is there.
    ///
    /// # Errors
    /// It can't be made durable, or renamed.
    pub fn commit(self) -> io::Result<()> {
        let Self::File { part, path } = self else { return Ok(()) };
        part.as_file().sync_all()?;
        part.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_when_the_new_one_is_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "old").unwrap();
        let dropped = Destination::open(Some(&path)).unwrap();
        dropped.writer().unwrap().write_all(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(dropped);
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["out.csv".to_owned()], b"old".to_vec())
        );
        let kept = Destination::open(Some(&path)).unwrap();
        kept.writer().unwrap().write_all(b"new").unwrap();
        kept.commit().unwrap();
        assert_eq!((names(folder.path()).len(), fs::read(&path).unwrap()), (1, b"new".to_vec()));
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let through = Destination::open(Some(&link)).unwrap();
        through.writer().unwrap().write_all(b"new").unwrap();
        through.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(matches!(Destination::open(Some(Path::new("/dev/null"))), Ok(Destination::Device(_))));
        assert!(Destination::open(Some(folder.path())).is_err());
    }
}
