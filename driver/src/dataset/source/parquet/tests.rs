use std::{fs, path::Path, sync::Arc};

use howdah_executor::source::MAX_FILE_BYTES;
use parquet::{
    data_type::{ByteArrayType, Int64Type},
    file::{
        metadata::KeyValue, properties::WriterProperties, reader::SerializedFileReader,
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};

use super::*;
use crate::dataset::source::testing::{labels, list_at};

const SCHEMA: &str = "message set { optional group image { optional binary bytes; optional binary path (UTF8); } \
                      optional int64 label; }";

struct Row(Option<&'static [u8]>, Option<&'static str>, Option<i64>);

/// Writes rows in groups of two.
fn write(at: &Path, rows: &[Row], names: Option<&str>) -> String {
    let metadata = names.map(|names| {
        let text =
            format!(r#"{{"info":{{"features":{{"label":{{"names":{names},"_type":"ClassLabel"}}}}}}}}"#);
        vec![KeyValue::new("huggingface".to_owned(), text)]
    });
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut file =
        SerializedFileWriter::new(fs::File::create(at).unwrap(), schema, Arc::new(properties)).unwrap();
    for group in rows.chunks(2) {
        let mut writer = file.next_row_group().unwrap();
        for texts in [
            group.iter().map(|row| row.0).collect::<Vec<_>>(),
            group.iter().map(|row| row.1.map(str::as_bytes)).collect(),
        ] {
            let mut column = writer.next_column().unwrap().unwrap();
            let levels: Vec<i16> = texts.iter().map(|text| if text.is_some() { 2 } else { 1 }).collect();
            let values: Vec<ByteArray> =
                texts.iter().flatten().map(|text| ByteArray::from(text.to_vec())).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let mut column = writer.next_column().unwrap().unwrap();
        let levels: Vec<i16> = group.iter().map(|row| i16::from(row.2.is_some())).collect();
        let values: Vec<i64> = group.iter().filter_map(|row| row.2).collect();
        column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        writer.close().unwrap();
    }
    file.close().unwrap();
    at.to_str().unwrap().to_owned()
}

#[test]
fn rows_are_pictures_with_the_names_that_the_file_declares() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        Row(Some(b"one"), Some("a.jpg"), Some(1)),
        Row(Some(b"two"), Some("b.jpg"), Some(0)),
        Row(Some(b"three"), Some("c.jpg"), Some(1)),
    ];
    let at = write(&folder.path().join("x.parquet"), &rows, Some(r#"["cat","dog"]"#));
    let listed = list_at(&at).unwrap();
    assert_eq!(labels(&listed), [("a.jpg", "dog"), ("b.jpg", "cat"), ("c.jpg", "dog")]);
    let mut library = Library::new(None);
    for (found, content) in listed.found.iter().zip([&b"one"[..], b"two", b"three"]) {
        assert_eq!(&found.file.read(&mut library).unwrap()[..], content);
    }
}

#[test]
fn without_names_of_their_own_rows_are_numbered_and_labels_are_names() {
    let folder = tempfile::tempdir().unwrap();
    let rows =
        [Row(Some(b"one"), None, Some(10)), Row(Some(b"two"), None, Some(9)), Row(Some(b"x"), None, Some(9))];
    let at = write(&folder.path().join("x.parquet"), &rows, None);
    let listed = list_at(&at).unwrap();
    let names = [("x.parquet/00000000", "10"), ("x.parquet/00000001", "9"), ("x.parquet/00000002", "9")];
    assert_eq!(labels(&listed), names);
    assert_eq!(listed.names, ["9", "10"]);
}

#[test]
fn a_null_picture_is_told_when_it_is_read_and_a_null_label_when_it_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [Row(None, None, Some(0)), Row(Some(b"two"), None, None), Row(Some(b"x"), None, Some(1))];
    let listed = list_at(&write(&folder.path().join("x.parquet"), &rows, None)).unwrap();
    assert_eq!((listed.found.len(), listed.skipped.len()), (2, 1));
    assert!(listed.skipped[0].1.contains("label is null"));
    let mut library = Library::new(None);
    let error = listed.found[0].file.read(&mut library).unwrap_err().to_string();
    assert!(error.contains("the picture is null"), "{error}");
    assert_eq!(&listed.found[1].file.read(&mut library).unwrap()[..], b"x");
}

#[test]
fn labels_out_of_range_missing_columns_and_files_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let rows = [Row(Some(b"one"), None, Some(2))];
    let error = list_at(&write(&path, &rows, Some(r#"["cat","dog"]"#))).unwrap_err().to_string();
    assert!(error.contains("has the label 2, but there are 2 classes"), "{error}");
    let whole = fs::read(&path).unwrap();
    for content in [&whole[..whole.len() / 2], b"no parquet", b""] {
        fs::write(&path, content).unwrap();
        assert!(list_at(path.to_str().unwrap()).unwrap_err().to_string().contains("as Parquet"));
    }
    let schema = Arc::new(parse_message_type("message set { required int32 size; }").unwrap());
    let file = fs::File::create(&path).unwrap();
    SerializedFileWriter::new(file, schema, Arc::default()).unwrap().close().unwrap();
    let error = list_at(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(
        error.contains("no column of pictures (called image or") && error.contains("only size (INT32)"),
        "{error}"
    );
}

#[test]
fn a_row_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = write(&folder.path().join("x.parquet"), &[Row(Some(b"one"), None, Some(0))], None);
    assert!(SerializedFileReader::new(fs::File::open(&at).unwrap()).is_ok());
    let mut library = Library::new(None);
    let known = library.look_up(&at).unwrap();
    let table = library.table(&known).unwrap();
    for (group, row, column) in [(1, 0, 0), (0, 1, 0), (0, u64::MAX, 0), (0, 0, 9), (0, 0, 2)] {
        assert!(table.value(group, row, column).is_err(), "{group} {row} {column}");
    }
}

#[test]
fn columns_of_another_type_are_refused_with_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for (schema, what) in [
        ("required int64 image; required int64 label;", "no column of pictures"),
        ("required binary image; required double label;", "no column of labels"),
        ("repeated binary image; required int64 label;", "no column of pictures"),
    ] {
        let schema = Arc::new(parse_message_type(&format!("message set {{ {schema} }}")).unwrap());
        let file = fs::File::create(&path).unwrap();
        SerializedFileWriter::new(file, schema, Arc::default()).unwrap().close().unwrap();
        let error = list_at(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("x.parquet"), "{error}");
    }
}

#[test]
fn a_picture_that_unpacks_to_more_than_one_may_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Zeros, of which Snappy leaves a twentieth.
    let huge: &'static [u8] = Box::leak(vec![0; MAX_FILE_BYTES as usize + 1].into_boxed_slice());
    let rows = [Row(Some(huge), None, Some(0)), Row(Some(b"x"), None, Some(1))];
    let listed = list_at(&write(&folder.path().join("x.parquet"), &rows, None)).unwrap();
    let mut library = Library::new(None);
    let error = listed.found[0].file.read(&mut library).unwrap_err().to_string();
    assert!(error.contains("more than a picture may have"), "{error}");
    assert_eq!(&listed.found[1].file.read(&mut library).unwrap()[..], b"x");
}
