use std::{
    collections::HashMap,
    io::{BufReader, Read},
    sync::Arc,
};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use tokio::runtime::Handle;

use super::{
    Part, Place,
    object::{Listed, Object, ObjectRef, ObjectStream, ReadError, Stores, look_up},
    pixels,
    table::Table,
};

/// How many objects are kept open.
const KEPT_OPEN: usize = 64;
/// How much of a packed object is read at once.
const AHEAD_BYTES: usize = 256 << 10;
/// How large an object may be that is unpacked into memory.
const MAX_UNPACKED_BYTES: u64 = 1 << 30;

/// Files and objects, opened once for the many pictures in them.
pub struct Library {
    runtime: Option<Handle>,
    stores: Stores,
    open: HashMap<String, Open>,
}

#[derive(Clone)]
struct Open {
    object: Arc<Object>,
    table: Option<Arc<Table>>,
    unpacked: Option<Bytes>,
}

impl Library {
    /// Has nothing open. Without a runtime, object stores can't be asked; with one, it is blocked on.
    pub fn new(runtime: Option<Handle>) -> Self {
        Self { runtime, stores: Stores::default(), open: HashMap::new() }
    }

    /// Looks up what is at a path or URL now.
    ///
    /// # Errors
    /// [`ReadError::Absent`] or [`ReadError::Unanswered`].
    pub fn look_up(&mut self, location: &str) -> Result<Arc<ObjectRef>, ReadError> {
        look_up(location, &mut self.stores, self.runtime.as_ref()).map(Arc::new)
    }

    /// Lists the objects below a URL.
    ///
    /// # Errors
    /// [`ReadError::Absent`] or [`ReadError::Unanswered`].
    pub fn list(&mut self, location: &str) -> Result<Vec<Listed>, ReadError> {
        self.stores.list(location, self.runtime.as_ref())
    }

    /// Opens what was looked up.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn object(&mut self, known: &Arc<ObjectRef>) -> Result<Arc<Object>, ReadError> {
        self.entry(known).map(|open| open.object.clone())
    }

    /// Opens what was looked up as a Parquet file.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn table(&mut self, known: &Arc<ObjectRef>) -> Result<Arc<Table>, ReadError> {
        let open = self.entry(known)?;
        if let Some(table) = &open.table {
            return Ok(table.clone());
        }
        let table = Arc::new(Table::open(open.object.clone())?);
        open.table = Some(table.clone());
        Ok(table)
    }

    /// Reads from what was looked up, unpacked if it is packed with gzip.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn unpacked(&mut self, known: &Arc<ObjectRef>) -> Result<Unpacked, ReadError> {
        let open = self.entry(known)?;
        if !known.is_packed() {
            return Ok(Unpacked::Plain(open.object.clone()));
        }
        let content = match &open.unpacked {
            Some(content) => content.clone(),
            None => unpack(&open.object)?,
        };
        open.unpacked = Some(content.clone());
        Ok(Unpacked::Content(content))
    }

    /// Reads a picture, encoded: as it is, or raw pixels as PNM.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self, part: &Part) -> Result<Bytes, ReadError> {
        part.check().map_err(ReadError::Content)?;
        let known = &part.object;
        match part.place {
            Place::Whole => self.object(known)?.read(0, length(known.bytes)),
            Place::Range { offset, bytes } => self.object(known)?.read(offset, length(bytes)),
            Place::Pixels { offset, width, height, colour } => {
                let values = u64::from(width) * u64::from(height) * colour.values();
                let values = self.unpacked(known)?.read(offset, length(values))?;
                Ok(pixels::encoded(&values, width, height, colour))
            }
            Place::Value { group, row, column } => self.table(known)?.value(group, row, column),
        }
    }

    fn entry(&mut self, known: &Arc<ObjectRef>) -> Result<&mut Open, ReadError> {
        let same = self.open.get(&known.location).is_some_and(|open| open.object.known() == known);
        if !same {
            if self.open.len() >= KEPT_OPEN {
                self.open.clear();
            }
            let object = Arc::new(Object::open(known.clone(), &mut self.stores, self.runtime.as_ref())?);
            self.open.insert(known.location.clone(), Open { object, table: None, unpacked: None });
        }
        self.open
            .get_mut(&known.location)
            .ok_or_else(|| ReadError::Changed { location: known.location.clone() })
    }
}

/// The content of a file or object, unpacked.
pub enum Unpacked {
    /// It isn't packed.
    Plain(Arc<Object>),
    /// In memory.
    Content(Bytes),
}

impl Unpacked {
    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Plain(object) => object.known().bytes,
            Self::Content(content) => content.len() as u64,
        }
    }

    /// Reads so many bytes from `offset` on, all of them or none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, offset: u64, bytes: usize) -> Result<Bytes, ReadError> {
        match self {
            Self::Plain(object) => object.read(offset, bytes),
            Self::Content(content) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.checked_add(bytes).filter(|end| *end <= content.len());
                let end = end.ok_or_else(|| {
                    ReadError::Content(format!("there are {} bytes, which is too few", content.len()))
                })?;
                Ok(content.slice(start..end))
            }
        }
    }
}

/// Bounded by what a picture may have.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn unpack(object: &Arc<Object>) -> Result<Bytes, ReadError> {
    let location = &object.known().location;
    let wrong = |reason: String| ReadError::Content(format!("{location} can't be unpacked: {reason}"));
    let packed = BufReader::new(ObjectStream::new(object.clone(), 0, AHEAD_BYTES));
    let mut content = Vec::new();
    let mut limited = MultiGzDecoder::new(packed).take(MAX_UNPACKED_BYTES + 1);
    limited.read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
    if content.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(wrong("it would have more than 1 GiB".to_owned()));
    }
    Ok(content.into())
}
