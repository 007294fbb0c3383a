//! Where a partition's pictures are read: here if they can be seen, else from the driver.

mod library;
mod local;
mod object;
mod part;
mod pixels;
mod remote;
mod table;

use std::collections::VecDeque;

use bytes::Bytes;
use howdah_proto::{JobId, pb};
use tokio::runtime::Handle;
use tonic::transport::Channel;

pub use library::{Library, Unpacked};
pub use local::{modified_unix_ns, read_listed};
use object::is_url;
pub use object::{Listed, Object, ObjectRef, ObjectStream, ReadError};
pub use part::{Colour, Part, Place};
pub use pixels::encoded_bytes;
pub use table::Table;

/// The largest picture file that is read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// How many files are asked of the driver at once: what bounds the memory.
const WINDOW: usize = 32;

/// The driver can't be asked for the pictures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't get pictures from the driver: {0}")]
pub struct SourceError(pub String);

/// One file of a partition: its bytes, or why they can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// Its place in the partition.
    pub place: usize,
    /// What was read.
    pub content: Result<Bytes, String>,
}

/// Reads the files of a partition in order, a window at a time.
pub struct FileReader<'a> {
    files: &'a [pb::FileEntry],
    window: usize,
    next: usize,
    ready: VecDeque<ReadFile>,
    job: JobId,
    driver: Channel,
    library: Library,
    stores: Stores,
    runtime: Handle,
}

impl<'a> FileReader<'a> {
    /// Starts before the first file. Must be used from a thread that may block on `runtime`.
    pub fn new(files: &'a [pb::FileEntry], job: JobId, driver: Channel, runtime: Handle) -> Self {
        let library = Library::new(Some(runtime.clone()));
        let (window, stores, ready) = (WINDOW, Stores::Answer, VecDeque::new());
        Self { files, window, next: 0, ready, job, driver, library, stores, runtime }
    }

    /// Reads no file before it is wanted: for large ones.
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        Self { window: 1, ..self }
    }

    /// Reads the next file; none after the last.
    ///
    /// # Errors
    /// [`SourceError`] if the driver had to be asked and could not be.
    pub fn read_next(&mut self) -> Result<Option<ReadFile>, SourceError> {
        if self.ready.is_empty() && self.next < self.files.len() {
            self.fill()?;
        }
        Ok(self.ready.pop_front())
    }

    fn fill(&mut self) -> Result<(), SourceError> {
        let end = self.files.len().min(self.next + self.window);
        let window = &self.files[self.next..end];
        let mut contents: Vec<Option<Result<Bytes, String>>> =
            window.iter().map(|file| read_here(&mut self.library, &mut self.stores, file)).collect();
        let missing: Vec<usize> =
            (0..contents.len()).filter(|place| contents.get(*place).is_some_and(Option::is_none)).collect();
        if !missing.is_empty() {
            let indexes = missing.iter().map(|place| window[*place].index).collect();
            let fetched = self.runtime.block_on(remote::read(self.driver.clone(), self.job, indexes))?;
            for (place, content) in missing.into_iter().zip(fetched) {
                contents[place] = Some(content);
            }
        }
        for (offset, content) in contents.into_iter().enumerate() {
            let content = content.unwrap_or_else(|| Err("the driver did not send it".to_owned()));
            self.ready.push_back(ReadFile { place: self.next + offset, content });
        }
        self.next = end;
        Ok(())
    }
}

/// Whether object stores answer here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stores {
    Answer,
    /// One did not: the driver is asked instead, as each question to it takes its time.
    Silent,
}

/// Reads a picture here; none if it can't be seen here, or isn't what was listed.
fn read_here(
    library: &mut Library,
    stores: &mut Stores,
    file: &pb::FileEntry,
) -> Option<Result<Bytes, String>> {
    let Some(part) = &file.part else { return local::read(file) };
    let part = match Part::try_from(part) {
        Ok(part) => part,
        Err(reason) => return Some(Err(reason)),
    };
    if *stores == Stores::Silent && is_url(&part.object.location) {
        return None;
    }
    match library.read(&part) {
        Ok(bytes) => Some(Ok(bytes)),
        Err(ReadError::Content(reason)) => Some(Err(reason)),
        Err(ReadError::Absent { .. } | ReadError::Changed { .. }) => None,
        Err(ReadError::Unanswered { .. }) => {
            *stores = Stores::Silent;
            None
        }
    }
}
