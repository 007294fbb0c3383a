use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    column::reader::ColumnReader,
    errors::ParquetError,
    file::{
        metadata::ParquetMetaData,
        reader::{ChunkReader, FileReader, Length, SerializedFileReader},
    },
};

use super::{
    MAX_FILE_BYTES,
    object::{Object, ObjectStream, ReadError},
};

/// The largest column of a row group that is read: what a page of it may take in memory.
const MAX_CHUNK_BYTES: i64 = 2 << 30;

/// About as long as the header of a page.
const HEADER_BYTES: usize = 1 << 10;

/// A Parquet file, of which single values are read.
pub struct Table {
    file: SerializedFileReader<Chunks>,
    location: String,
}

struct Chunks(Arc<Object>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.known().bytes
    }
}

impl ChunkReader for Chunks {
    type T = ObjectStream;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(ObjectStream::new(self.0.clone(), start, HEADER_BYTES))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.0.read_near(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl Table {
    /// Reads what a Parquet file says of itself.
    ///
    /// # Errors
    /// [`ReadError::Content`] if it is none.
    pub fn open(object: Arc<Object>) -> Result<Self, ReadError> {
        let location = object.known().location.clone();
        let file = SerializedFileReader::new(Chunks(object));
        let file = file.map_err(|error| failed(&location, &error))?;
        Ok(Self { file, location })
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> &ParquetMetaData {
        self.file.metadata()
    }

    /// Opens a column of a row group; the column is a place among the leaves of the schema.
    ///
    /// # Errors
    /// [`ReadError::Content`].
    pub fn column(&self, group: usize, column: usize) -> Result<ColumnReader, ReadError> {
        let chunk = self.metadata().row_groups().get(group).and_then(|group| group.columns().get(column));
        let chunk = chunk.ok_or_else(|| self.wrong("it has no such row group or column"))?;
        if chunk.uncompressed_size() > MAX_CHUNK_BYTES {
            return Err(self.wrong("it has row groups of more than 2 GiB"));
        }
        let failed = |error: ParquetError| failed(&self.location, &error);
        self.file.get_row_group(group).map_err(failed)?.get_column_reader(column).map_err(failed)
    }

    /// Reads one value of a column of bytes; pages before it are passed over.
    ///
    /// # Errors
    /// [`ReadError::Content`], also for a null.
    pub fn value(&self, group: u32, row: u64, column: u32) -> Result<Bytes, ReadError> {
        let ColumnReader::ByteArrayColumnReader(mut reader) = self.column(group as usize, column as usize)?
        else {
            return Err(self.wrong("its pictures are no bytes"));
        };
        let failed = |error: ParquetError| failed(&self.location, &error);
        let before = usize::try_from(row).map_err(|_| self.wrong("it has no such row"))?;
        let passed = reader.skip_records(before).map_err(failed)?;
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (rows, _, _) = reader.read_records(1, Some(&mut levels), None, &mut values).map_err(failed)?;
        if passed != before || rows != 1 {
            return Err(self.wrong(&format!("it has no row {row} in row group {group}")));
        }
        let value = values.pop().ok_or_else(|| self.wrong("the picture is null"))?;
        if value.len() as u64 > MAX_FILE_BYTES {
            return Err(self.wrong(&format!("{} bytes are more than a picture may have", value.len())));
        }
        // A copy, so that one picture doesn't keep its page in memory.
        Ok(Bytes::copy_from_slice(value.data()))
    }

    fn wrong(&self, what: &str) -> ReadError {
        ReadError::Content(format!("{}: {what}", self.location))
    }
}

fn failed(location: &str, error: &ParquetError) -> ReadError {
    ReadError::Content(format!("{location} can't be read as Parquet: {error}"))
}
