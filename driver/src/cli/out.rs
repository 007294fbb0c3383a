use std::{
    io::{self, Write},
    sync::OnceLock,
};

use super::CliError;

/// Why standard output could not be written, the first time.
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// Writes a line to standard output. A reader that has gone, as `head` does, has seen enough.
pub(super) fn say(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The second one says nothing new.
        let _first = UNSAID.set(error);
    }
}

/// Tells whether all has been written that a command had to say.
pub(super) fn said() -> Result<(), CliError> {
    UNSAID.get().map_or(Ok(()), |error| Err(CliError::Unsaid(error.to_string())))
}

/// Writes a line to standard error; nobody is left to tell if that is gone.
pub(super) fn complain(line: &str) {
    let _written = writeln!(io::stderr().lock(), "{line}");
}

/// Lays rows out in columns, the first to the left and the others to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Writes a share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The flag that sends a command to a driver, with a space before it; nothing for a cluster of its own.
pub(super) fn driver_flag(url: Option<&str>) -> String {
    url.map_or_else(String::new, |url| format!(" --driver {}", quoted(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_a_shell_would_not_take_them_as_they_are() {
        assert_eq!(quoted("--hidden=256,128"), "--hidden=256,128");
        assert_eq!(quoted("--data=/my pictures"), "'--data=/my pictures'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_table_is_aligned_however_long_its_cells_are() {
        let rows = [["a", "b"], ["cat ü", "1234"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a         b\ncat ü  1234");
        assert_eq!(table(&[]), "");
    }
}
