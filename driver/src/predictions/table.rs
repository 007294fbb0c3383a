use std::io::{self, BufWriter, Write};

use super::{Columns, PredictionWriter, Ranked, Row};

/// Columns for people: the probability, the class, and the picture last, as nobody knows how long its name is.
pub(super) struct Table<'a, W: Write> {
    to: BufWriter<W>,
    columns: Columns<'a>,
    width: usize,
}

/// The most columns of a class name: longer ones push their row to the right.
const MAX_WIDTH: usize = 24;

impl<'a, W: Write> Table<'a, W> {
    pub(super) fn new(to: W, columns: Columns<'a>) -> Self {
        let widest = columns.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0);
        Self { to: BufWriter::new(to), columns, width: widest.min(MAX_WIDTH) }
    }
}

impl<W: Write> PredictionWriter for Table<'_, W> {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Self { to, columns, width } = self;
        let (ranked, reason) = match row.result {
            Ok(probabilities) => (Ranked::top(probabilities, columns.ranks()), None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        for rank in 0..columns.ranks() {
            let (share, class) = match ranked.get(rank) {
                Some(Ranked { class, probability }) => (
                    format!("{:.2} %", 100.0 * probability),
                    columns.classes.get(*class).map_or("", String::as_str),
                ),
                None => ("-".to_owned(), "-"),
            };
            write!(to, "{share:>8}  {class:<width$}  ")?;
        }
        match reason {
            Some(reason) => writeln!(to, "{}: {reason}", row.picture),
            None => writeln!(to, "{}", row.picture),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::predictions::{Format, testing::written};

    #[test]
    fn rows_are_aligned_and_say_why_there_is_no_class() {
        let text = String::from_utf8(written(Format::Table, Some(2))).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 75.00 %  cat, big   25.00 %  dog       a.jpg");
        assert_eq!(lines[1], "       -  -                -  -         b, \"c\"");
        assert_eq!(lines[2], ".jpg: it is cut off");
    }
}
