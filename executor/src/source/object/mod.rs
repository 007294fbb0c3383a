//! Files and objects that are read at any place: here, or in an object store.

mod blocks;
mod cloud;
mod file;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

pub use cloud::{Listed, Stores, is_url};
pub use stream::ObjectStream;

use blocks::Blocks;

/// What a file or object was when it was listed: another one isn't read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// An absolute path, or a URL.
    pub location: String,
    /// Its length.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified_unix_ns: i64,
    /// What the store says of its content.
    pub etag: Option<String>,
}

impl ObjectRef {
    /// Whether its name says that it is packed with gzip.
    pub fn is_packed(&self) -> bool {
        self.location.ends_with(".gz")
    }
}

/// Why bytes can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file or object can't be read from here; perhaps from elsewhere.
    #[error("{location} can't be read: {reason}")]
    Absent {
        /// The path or URL.
        location: String,
        /// What went wrong.
        reason: String,
    },
    /// The store of the object gives no answer, or not a whole one: it may do so later, or to another machine.
    #[error("{location} can't be read: {reason}")]
    Unanswered {
        /// The URL.
        location: String,
        /// What went wrong.
        reason: String,
    },
    /// The file or object isn't the one that was listed.
    #[error("{location} has changed since it was listed")]
    Changed {
        /// The path or URL.
        location: String,
    },
    /// What was read makes no sense.
    #[error("{0}")]
    Content(String),
}

/// An open file or object.
#[derive(Debug)]
pub struct Object {
    known: Arc<ObjectRef>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    File(std::fs::File),
    Cloud(cloud::Remote, Blocks),
}

impl Object {
    /// Opens what was listed.
    ///
    /// # Errors
    /// [`ReadError::Absent`] if it can't be seen from here, [`ReadError::Changed`] if it is another one.
    pub fn open(
        known: Arc<ObjectRef>,
        stores: &mut Stores,
        runtime: Option<&Handle>,
    ) -> Result<Self, ReadError> {
        let data = if is_url(&known.location) {
            Data::Cloud(stores.open(&known.location, runtime)?, Blocks::default())
        } else {
            Data::File(file::open(&known)?)
        };
        Ok(Self { known, data })
    }

    /// What is known of it.
    pub fn known(&self) -> &Arc<ObjectRef> {
        &self.known
    }

    /// Reads so many bytes from `offset` on, all of them or none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, offset: u64, bytes: usize) -> Result<Bytes, ReadError> {
        if bytes == 0 {
            return Ok(Bytes::new());
        }
        let end = offset.checked_add(bytes as u64).filter(|end| *end <= self.known.bytes);
        let end = end.ok_or_else(|| {
            let ObjectRef { location, bytes: all, .. } = &*self.known;
            ReadError::Content(format!("{location} ends after {all} bytes, before what is looked for"))
        })?;
        match &self.data {
            Data::File(file) => file::read(file, &self.known, offset, bytes),
            Data::Cloud(remote, _) => remote.read(&self.known, offset..end),
        }
    }

    /// Reads up to so many bytes from `offset` on, where more will be read near by: an object store is asked for
    /// larger blocks, and the last ones are kept.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_near(&self, offset: u64, bytes: usize) -> Result<Bytes, ReadError> {
        let left = self.known.bytes.saturating_sub(offset);
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(bytes);
        match &self.data {
            Data::File(_) => self.read(offset, bytes),
            Data::Cloud(_, blocks) => {
                blocks.read(offset, bytes, self.known.bytes, |start, bytes| self.read(start, bytes))
            }
        }
    }
}

/// Looks up what is at a path or URL now.
///
/// # Errors
/// [`ReadError::Absent`] or [`ReadError::Unanswered`].
pub fn look_up(
    location: &str,
    stores: &mut Stores,
    runtime: Option<&Handle>,
) -> Result<ObjectRef, ReadError> {
    if is_url(location) { stores.open(location, runtime)?.look_up(location) } else { file::look_up(location) }
}
