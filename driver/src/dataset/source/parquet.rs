use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

use howdah_executor::source::{Library, ObjectRef, Place, Table};
use howdah_proto::settings::DataFormat;
use parquet::{
    basic::Type as Physical,
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
};

use super::{Shard, Unlabelled, file_name, malformed};
use crate::dataset::{
    DatasetError,
    listing::{Listed, Listing, PartName},
};

/// Names that the column of pictures may have, as bytes or as a group with a column `bytes`.
const PICTURES: [&str; 4] = ["image", "img", "picture", "jpg"];
/// Names that the column of labels may have.
const LABELS: [&str; 5] = ["label", "labels", "fine_label", "class", "cls"];
/// How many rows are read at once.
const ROWS: usize = 4096;
/// The most rows of a file.
const MAX_ROWS: i64 = 100_000_000;

/// Where in a file's schema what is looked for is, as places among its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    pictures: usize,
    paths: Option<usize>,
    /// None if there is no such column.
    labels: Option<usize>,
}

/// Lists the rows of Parquet files: encoded pictures in a column `image` (bytes, or a group of `bytes` and `path` as
/// Hugging Face's), and `label`, a number or a name. Only labels and paths are read. Numbers get the names that the
/// file declares in the way of Hugging Face's `ClassLabel`, if it does.
pub(super) fn list(shards: &[Shard], library: &mut Library) -> Result<Listed, DatasetError> {
    let mut declared: Option<Vec<String>> = None;
    let mut tables = Vec::with_capacity(shards.len());
    for shard in shards {
        let table = library.table(&shard.object)?;
        let columns = columns(&shard.object, &table)?;
        let labels = columns.labels.ok_or_else(|| missing(&shard.object, &table, "labels", &LABELS))?;
        let names = declared_names(&table, labels);
        if !tables.is_empty() && names != declared {
            let reason = "it declares other names of classes than the files before it";
            return Err(malformed(&shard.object, DataFormat::Parquet, reason));
        }
        declared = names;
        tables.push((shard, table, columns, labels));
    }
    let has_names = declared.is_some();
    let mut listing = declared.map_or_else(Listing::default, Listing::declared);
    for (shard, table, columns, labels) in tables {
        read(shard, &table, (columns, labels), has_names, &mut listing)?;
    }
    Ok(listing.finish())
}

fn read(
    shard: &Shard,
    table: &Table,
    (columns, label_column): (Columns, usize),
    has_names: bool,
    listing: &mut Listing,
) -> Result<(), DatasetError> {
    let known = &shard.object;
    let wrong = |reason: String| malformed(known, DataFormat::Parquet, reason);
    let (mut labels, mut paths) = (Vec::new(), Vec::new());
    let groups = table.metadata().num_row_groups();
    let rows_of = |group: usize| table.metadata().row_group(group).num_rows();
    if (0..groups).map(rows_of).sum::<i64>() > MAX_ROWS {
        return Err(wrong(format!("it says that it has more than {MAX_ROWS} rows")));
    }
    for group in 0..groups {
        let rows =
            usize::try_from(rows_of(group)).map_err(|_| wrong("it has less than no rows".to_owned()))?;
        labels.push(values(known, table.column(group, label_column)?, rows)?);
        paths.push(match columns.paths {
            Some(column) => values(known, table.column(group, column)?, rows)?,
            None => vec![None; rows],
        });
    }
    let all: Vec<&str> = paths.iter().flatten().flatten().map(String::as_str).collect();
    let distinct: HashSet<&str> = all.iter().copied().filter(|path| !path.is_empty()).collect();
    // Names of pictures, if each has one of its own.
    let named = !all.is_empty() && distinct.len() == labels.iter().map(Vec::len).sum::<usize>();
    let mut number = 0;
    for (group, (labels, paths)) in labels.iter().zip(&paths).enumerate() {
        for (row, (label, path)) in labels.iter().zip(paths).enumerate() {
            let relative = match path {
                Some(path) if named => path.clone(),
                _ => format!("{}/{number:08}", file_name(known)),
            };
            number += 1;
            let Some(label) = label else {
                listing.skip(format!("{}/{relative}", known.location), "its label is null");
                continue;
            };
            let label = match label.parse::<u32>() {
                Ok(place) if has_names && (place as usize) < listing.names() => place,
                Ok(place) if has_names => {
                    let names = listing.names();
                    return Err(wrong(format!(
                        "{relative} has the label {place}, but there are {names} classes"
                    )));
                }
                Err(_) if has_names => {
                    return Err(wrong(format!("{relative} has the label {label}, which is no class")));
                }
                _ => listing.label(label),
            };
            let column = columns.pictures as u32;
            let place = Place::Value { group: group as u32, row: row as u64, column };
            // How long it is isn't known before it is read.
            listing.push_part(known, place, PartName { relative, label, bytes: 0 }, shard.held_out);
        }
    }
    Ok(())
}

/// Finds the columns of pictures and labels.
fn columns(known: &ObjectRef, table: &Table) -> Result<Columns, DatasetError> {
    let schema = table.metadata().file_metadata().schema_descr();
    let leaves: Vec<(String, Physical, bool)> = schema
        .columns()
        .iter()
        .map(|column| (column.path().string(), column.physical_type(), column.max_rep_level() == 0))
        .collect();
    let find = |path: &str, types: &[Physical]| {
        leaves.iter().position(|(name, physical, single)| name == path && types.contains(physical) && *single)
    };
    let bytes = [Physical::BYTE_ARRAY];
    let pictures = PICTURES.iter().find_map(|name| {
        find(name, &bytes).map(|pictures| (pictures, None)).or_else(|| {
            Some((find(&format!("{name}.bytes"), &bytes)?, find(&format!("{name}.path"), &bytes)))
        })
    });
    let label_types = [Physical::INT32, Physical::INT64, Physical::BYTE_ARRAY];
    let labels = LABELS.iter().find_map(|name| find(name, &label_types));
    let (pictures, paths) = pictures.ok_or_else(|| missing(known, table, "pictures", &PICTURES))?;
    Ok(Columns { pictures, paths, labels })
}

fn missing(known: &ObjectRef, table: &Table, what: &str, names: &[&str]) -> DatasetError {
    let schema = table.metadata().file_metadata().schema_descr();
    let shown = |column: &parquet::schema::types::ColumnDescPtr| {
        format!("{} ({})", column.path().string(), column.physical_type())
    };
    let there: Vec<String> = schema.columns().iter().map(shown).collect();
    let (names, there) = (names.join(" or "), there.join(", "));
    let reason = format!("it has no column of {what} (called {names}), only {there}");
    malformed(known, DataFormat::Parquet, reason)
}

/// Finds the rows of a Parquet file, a row group at a time; without a column of labels, too.
pub(super) fn unlabelled(
    known: &Arc<ObjectRef>,
    library: &mut Library,
    found: &mut dyn FnMut(Unlabelled) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    let table = library.table(known)?;
    let columns = columns(known, &table)?;
    let mut number = 0_u64;
    for group in 0..table.metadata().num_row_groups() {
        let rows = table.metadata().row_group(group).num_rows();
        let rows = u64::try_from(rows).ok().filter(|rows| *rows <= MAX_ROWS as u64).ok_or_else(|| {
            malformed(known, DataFormat::Parquet, format!("it says that a row group has {rows} rows"))
        })?;
        let mut paths = match columns.paths {
            Some(column) => values(known, table.column(group, column)?, rows as usize)?,
            None => Vec::new(),
        }
        .into_iter();
        for row in 0..rows {
            let path = paths.next().flatten().filter(|path| !path.is_empty());
            let name = path.unwrap_or_else(|| format!("{number:08}"));
            number += 1;
            let place = Place::Value { group: group as u32, row, column: columns.pictures as u32 };
            if found(Unlabelled { name, place: Ok(place) }).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The names in the features that Hugging Face's `datasets` writes into a file.
fn declared_names(table: &Table, labels: usize) -> Option<Vec<String>> {
    let metadata = table.metadata().file_metadata();
    let column = metadata.schema_descr().column(labels);
    if column.physical_type() == Physical::BYTE_ARRAY {
        return None;
    }
    let entry = metadata.key_value_metadata()?.iter().find(|entry| entry.key == "huggingface")?;
    let value: serde_json::Value = serde_json::from_str(entry.value.as_deref()?).ok()?;
    let feature = value.get("info")?.get("features")?.get(column.name())?;
    let names = feature.get("names")?.as_array()?;
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    names.filter(|names| names.iter().collect::<HashSet<_>>().len() == names.len() && !names.is_empty())
}

/// Reads a column of so many rows as text, a null as none.
fn values(known: &ObjectRef, column: ColumnReader, rows: usize) -> Result<Vec<Option<String>>, DatasetError> {
    match column {
        ColumnReader::Int32ColumnReader(column) => {
            read_all(known, column, rows, |value| Some(value.to_string()))
        }
        ColumnReader::Int64ColumnReader(column) => {
            read_all(known, column, rows, |value| Some(value.to_string()))
        }
        ColumnReader::ByteArrayColumnReader(column) => {
            let text = |value: &ByteArray| std::str::from_utf8(value.data()).ok().map(str::to_owned);
            read_all(known, column, rows, text)
        }
        _ => Err(malformed(known, DataFormat::Parquet, "its labels are neither numbers nor text")),
    }
}

fn read_all<T: DataType>(
    known: &ObjectRef,
    mut column: ColumnReaderImpl<T>,
    rows: usize,
    text: impl Fn(&T::T) -> Option<String>,
) -> Result<Vec<Option<String>>, DatasetError> {
    let wrong = |reason: String| malformed(known, DataFormat::Parquet, reason);
    let mut out = Vec::new();
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    while out.len() < rows {
        levels.clear();
        values.clear();
        let wanted = ROWS.min(rows - out.len());
        let (read, _, _) = column
            .read_records(wanted, Some(&mut levels), None, &mut values)
            .map_err(|error| wrong(error.to_string()))?;
        if read == 0 {
            return Err(wrong(format!("a row group of {rows} rows ends after {}", out.len())));
        }
        // Levels tell which rows are null; without levels none can be.
        let full = levels.iter().copied().max().unwrap_or(0);
        if levels.is_empty() || values.len() == read {
            out.extend(values.iter().map(&text));
            continue;
        }
        let mut there = values.iter();
        let is_there = |level: &i16| *level == full && !values.is_empty();
        out.extend(
            levels.iter().map(|level| if is_there(level) { there.next().and_then(&text) } else { None }),
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
