use std::io::{self, Write};

use super::{Columns, Format, Row};

/// What a good and a bad picture, both with odd names, become in a format.
pub(super) fn written(format: Format, top: Option<usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(format, top, 1, &mut bytes).unwrap();
    bytes
}

/// Writes those two so many times.
pub(super) fn write(
    format: Format,
    top: Option<usize>,
    times: usize,
    to: impl Write + Send,
) -> io::Result<()> {
    let classes = ["dog", "cat, big"].map(String::from);
    let mut writer = format.begin(to, Columns { classes: &classes, top })?;
    let (good, bad) = (Ok(vec![0.25, 0.75]), Err("it is cut off".to_owned()));
    for _ in 0..times {
        writer.write(&Row { picture: "a.jpg", result: &good })?;
        writer.flush()?;
        writer.write(&Row { picture: "b, \"c\"\n.jpg", result: &bad })?;
    }
    writer.finish()
}

/// A pipe whose reader has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_format_says_that_its_reader_has_gone() {
    for format in [Format::Table, Format::Csv, Format::JsonLines, Format::Parquet] {
        let error = write(format, None, 2, Gone).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{format:?}");
    }
}
