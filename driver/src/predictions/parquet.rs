use std::{
    io::{self, Write},
    sync::Arc,
};

use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    data_type::{ByteArray, ByteArrayType, DataType, FloatType},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};

use super::{Columns, PredictionWriter, Ranked, Row};

/// Rows of a row group: what is held in memory.
const GROUP_ROWS: usize = 16_384;

/// A Parquet file with the columns of [`Columns::names`], all but the first optional.
pub(super) struct Parquet<'a, W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Columns<'a>,
    rows: Rows,
}

/// Rows that wait until their group is full, column by column; none where a row has nothing.
#[derive(Default)]
struct Rows {
    paths: Vec<ByteArray>,
    ranks: Vec<Rank>,
    errors: Vec<Option<ByteArray>>,
}

#[derive(Default, Clone)]
struct Rank {
    classes: Vec<Option<ByteArray>>,
    probabilities: Vec<Option<f32>>,
}

impl<'a, W: Write + Send> Parquet<'a, W> {
    pub(super) fn begin(to: W, columns: Columns<'a>) -> io::Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(schema(&columns).map_err(into_io)?);
        let file = SerializedFileWriter::new(to, schema, Arc::new(properties)).map_err(into_io)?;
        Ok(Self { file, columns, rows: Rows::of(columns.ranks()) })
    }

    fn write_group(&mut self) -> io::Result<()> {
        let rows = std::mem::replace(&mut self.rows, Rows::of(self.columns.ranks()));
        if rows.paths.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(into_io)?;
        rows.write(&mut group).map_err(into_io)?;
        group.close().map_err(into_io)?;
        Ok(())
    }
}

impl Rows {
    fn of(ranks: usize) -> Self {
        Self { ranks: vec![Rank::default(); ranks], ..Self::default() }
    }

    /// Writes the columns in the order of the schema.
    fn write<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        column::<ByteArrayType, W>(group, &self.paths, None)?;
        for rank in self.ranks {
            optional::<ByteArrayType, W>(group, rank.classes)?;
            optional::<FloatType, W>(group, rank.probabilities)?;
        }
        optional::<ByteArrayType, W>(group, self.errors)
    }
}

impl<W: Write + Send> PredictionWriter for Parquet<'_, W> {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let (ranked, error) = match row.result {
            Ok(probabilities) => (Ranked::top(probabilities, self.columns.ranks()), None),
            Err(reason) => (Vec::new(), Some(reason.as_str().into())),
        };
        self.rows.paths.push(row.picture.into());
        self.rows.errors.push(error);
        for (rank, column) in self.rows.ranks.iter_mut().enumerate() {
            let ranked = ranked.get(rank);
            let class = ranked.and_then(|ranked| self.columns.classes.get(ranked.class));
            column.classes.push(class.map(|class| class.as_str().into()));
            column.probabilities.push(ranked.map(|ranked| ranked.probability));
        }
        if self.rows.paths.len() >= GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    /// A group is whole when it is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.write_group()?;
        self.file.into_inner().map_err(into_io)?.flush()
    }
}

fn schema(columns: &Columns<'_>) -> Result<Type, ParquetError> {
    let field = |name: &str| {
        let text = name == "path" || name == "error" || name.starts_with("class");
        let physical = if text { Physical::BYTE_ARRAY } else { Physical::FLOAT };
        let repetition = if name == "path" { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(text.then_some(LogicalType::String))
            .build()
            .map(Arc::new)
    };
    let fields = columns.names().iter().map(|name| field(name)).collect::<Result<_, _>>()?;
    Type::group_type_builder("predictions").with_fields(fields).build()
}

fn optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column::<T, W>(group, &values, Some(&levels))
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let lacking = || ParquetError::General("a column is missing".to_owned());
    let mut column = group.next_column()?.ok_or_else(lacking)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Gives the error of what is written to, if it is one.
fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    use super::*;
    use crate::predictions::{
        Format,
        testing::{write, written},
    };

    #[test]
    fn rows_come_back_with_nulls_where_there_is_nothing() {
        let bytes = Bytes::from(written(Format::Parquet, Some(2)));
        let reader = SerializedFileReader::new(bytes).unwrap();
        let rows: Vec<Vec<(String, Field)>> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns()).collect();
        let text = |text: &str| Field::Str(text.to_owned());
        let values = |row: usize| rows[row].iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let good = [
            text("a.jpg"),
            text("cat, big"),
            Field::Float(0.75),
            text("dog"),
            Field::Float(0.25),
            Field::Null,
        ];
        assert_eq!(values(0), good);
        let bad = [text("b, \"c\"\n.jpg"), Field::Null, Field::Null, Field::Null, Field::Null];
        assert_eq!(values(1), [&bad[..], &[text("it is cut off")]].concat());
        assert_eq!(rows[0][3].0, "class_2");
    }

    #[test]
    fn many_rows_are_cut_into_groups_and_none_make_a_file_too() {
        for (times, groups) in [(0, 0), (1, 1), (GROUP_ROWS / 2, 1), (GROUP_ROWS / 2 + 1, 2)] {
            let mut bytes = Vec::new();
            write(Format::Parquet, None, times, &mut bytes).unwrap();
            let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
            let metadata = reader.metadata();
            assert_eq!(metadata.num_row_groups(), groups);
            assert_eq!(metadata.file_metadata().num_rows(), 2 * times as i64);
        }
    }
}
