//! Predictions written down, one file for each format.

mod csv;
mod destination;
mod json_lines;
mod parquet;
mod row;
mod table;
#[cfg(test)]
mod testing;

use std::io::{self, Write};

pub use destination::Destination;
pub use row::{Columns, Ranked, Row};

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for people.
    Table,
    /// Comma-separated values (RFC 4180), with a line of names.
    Csv,
    /// An object on each line.
    JsonLines,
    /// A Parquet file.
    Parquet,
}

/// Writes predictions in a format.
pub trait PredictionWriter {
    /// Writes what became of a picture.
    ///
    /// # Errors
    /// It can't be written.
    fn write(&mut self, row: &Row<'_>) -> io::Result<()>;

    /// Hands on what is whole.
    ///
    /// # Errors
    /// It can't be written.
    fn flush(&mut self) -> io::Result<()>;

    /// Writes the end, and hands on everything.
    ///
    /// # Errors
    /// It can't be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Format {
    /// Begins to write in this format.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin<'a>(
        self,
        to: impl Write + Send + 'a,
        columns: Columns<'a>,
    ) -> io::Result<Box<dyn PredictionWriter + 'a>> {
        Ok(match self {
            Self::Table => Box::new(table::Table::new(to, columns)),
            Self::Csv => Box::new(csv::Csv::begin(to, columns)?),
            Self::JsonLines => Box::new(json_lines::JsonLines::new(to, columns)),
            Self::Parquet => Box::new(parquet::Parquet::begin(to, columns)?),
        })
    }

    /// Whether somebody can read it as it is being written.
    pub fn is_stream(self) -> bool {
        self != Self::Parquet
    }
}
