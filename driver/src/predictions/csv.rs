use std::io::{self, Write};

use super::{Columns, PredictionWriter, Ranked, Row};

/// Comma-separated values, with quotes where they are needed.
pub(super) struct Csv<'a, W: Write> {
    rows: csv::Writer<W>,
    columns: Columns<'a>,
}

impl<'a, W: Write> Csv<'a, W> {
    pub(super) fn begin(to: W, columns: Columns<'a>) -> io::Result<Self> {
        let mut rows = csv::Writer::from_writer(to);
        rows.write_record(columns.names()).map_err(into_io)?;
        Ok(Self { rows, columns })
    }
}

/// The error of the output itself, whose kind tells whether the reader has gone.
fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl<W: Write> PredictionWriter for Csv<'_, W> {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows.write_field(row.picture).map_err(into_io)?;
        let ranks = self.columns.ranks();
        let (ranked, error) = match row.result {
            Ok(probabilities) => (Ranked::top(probabilities, ranks), ""),
            Err(reason) => (Vec::new(), reason.as_str()),
        };
        for rank in 0..ranks {
            match ranked.get(rank) {
                Some(Ranked { class, probability }) => {
                    self.rows
                        .write_field(self.columns.classes.get(*class).map_or("", String::as_str))
                        .map_err(into_io)?;
                    self.rows.write_field(probability.to_string()).map_err(into_io)?;
                }
                None => {
                    self.rows.write_field("").map_err(into_io)?;
                    self.rows.write_field("").map_err(into_io)?;
                }
            }
        }
        self.rows.write_field(error).map_err(into_io)?;
        self.rows.write_record(None::<&[u8]>).map_err(into_io)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.rows.flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::predictions::{Format, testing::written};

    #[test]
    fn fields_with_commas_quotes_and_new_lines_are_quoted() {
        let text = String::from_utf8(written(Format::Csv, Some(2))).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert_eq!(lines[0], "path,class,probability,class_2,probability_2,error\n");
        assert_eq!(lines[1], "a.jpg,\"cat, big\",0.75,dog,0.25,\n");
        assert_eq!(lines[2..].concat(), "\"b, \"\"c\"\"\n.jpg\",,,,,it is cut off\n");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((rows.len(), &rows[1][0]), (2, "b, \"c\"\n.jpg"));
    }
}
