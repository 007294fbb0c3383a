use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    ops::ControlFlow,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
};

use futures::Stream;
use howdah_executor::inference::PictureRef;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::dataset::{Finder, Patterns};

/// The longest path of a list, in bytes.
const MAX_PATH_BYTES: u64 = 64 << 10;
/// Chunks that are listed ahead.
const AHEAD_CHUNKS: usize = 2;

/// A list of pictures that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't read the paths in {list}: {reason}")]
pub struct InputError {
    /// The list.
    pub list: String,
    /// What is wrong.
    pub reason: String,
}

/// What is to be classified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    /// Files, folders, patterns and URLs.
    pub places: Vec<PathBuf>,
    /// A list of more, which come after them.
    pub list: Option<PathList>,
}

/// A list of files, folders and URLs, which is read as it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathList {
    /// Where it is.
    pub place: ListPlace,
    /// What stands between two paths.
    pub separator: Separator,
}

/// Where a list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPlace {
    /// On standard input.
    Stdin,
    /// In a file.
    File(PathBuf),
}

/// What stands between two paths of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// The end of a line, also in the way of Windows.
    Line,
    /// A byte 0, which is in no path.
    Null,
}

impl Input {
    /// Finds the pictures, in chunks of so many, no faster than they are taken. They are looked for on a thread of their
    /// own, which ends with the stream, at the next picture that it finds.
    ///
    /// # Errors
    /// The threads can't be had.
    pub fn chunks(
        self,
        pictures: usize,
        runtime: Handle,
    ) -> io::Result<impl Stream<Item = Result<Vec<PictureRef>, InputError>>> {
        let (sender, receiver) = mpsc::channel(AHEAD_CHUNKS);
        // Nobody waits for this thread: standard input may never end.
        thread::Builder::new().name("inputs".to_owned()).spawn(move || {
            let mut chunk = Vec::with_capacity(pictures);
            let (mut finder, chunks) = (Finder::new(Some(runtime)), sender.clone());
            let found = self.find(&mut finder, &mut |picture| {
                chunk.push(picture);
                if chunk.len() < pictures {
                    return ControlFlow::Continue(());
                }
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(pictures));
                match chunks.blocking_send(Ok(full)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            // Nobody listens any more if this fails.
            if !chunk.is_empty() {
                let _ = sender.blocking_send(Ok(chunk));
            }
            if let Err(error) = found {
                let _ = sender.blocking_send(Err(error));
            }
        })?;
        Ok(ReceiverStream::new(receiver))
    }

    fn find(
        &self,
        finder: &mut Finder,
        take: &mut dyn FnMut(PictureRef) -> ControlFlow<()>,
    ) -> Result<(), InputError> {
        for place in &self.places {
            if finder.find(place, Patterns::Expanded, take).is_break() {
                return Ok(());
            }
        }
        let Some(list) = &self.list else { return Ok(()) };
        let (name, reader): (String, Box<dyn Read>) = match &list.place {
            ListPlace::Stdin => ("standard input".to_owned(), Box::new(io::stdin().lock())),
            ListPlace::File(path) => {
                let name = path.display().to_string();
                match File::open(path) {
                    Ok(file) => (name, Box::new(file)),
                    Err(error) => return Err(InputError { list: name, reason: error.to_string() }),
                }
            }
        };
        let each = &mut |path: &Path| finder.find(path, Patterns::Literal, take);
        paths(BufReader::new(reader), list.separator, each)
            .map_err(|reason| InputError { list: name, reason })
    }
}

/// Gives the paths of a list to `take`, which may have seen enough.
fn paths(
    mut list: impl BufRead,
    separator: Separator,
    take: &mut dyn FnMut(&Path) -> ControlFlow<()>,
) -> Result<(), String> {
    let end = match separator {
        Separator::Line => b'\n',
        Separator::Null => 0,
    };
    let mut path = Vec::new();
    for number in 1_u64.. {
        path.clear();
        let read = list.by_ref().take(MAX_PATH_BYTES + 1).read_until(end, &mut path);
        if read.map_err(|error| error.to_string())? == 0 {
            break;
        }
        if path.last() == Some(&end) {
            path.pop();
        }
        if path.len() as u64 > MAX_PATH_BYTES {
            return Err(format!("path {number} is longer than {MAX_PATH_BYTES} bytes"));
        }
        if separator == Separator::Line && path.last() == Some(&b'\r') {
            path.pop();
        }
        if separator == Separator::Line && path.contains(&0) {
            return Err(format!(
                "line {number} has a byte 0, which is in no path; does --null belong to it?"
            ));
        }
        if !path.is_empty() && take(Path::new(OsStr::from_bytes(&path))).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    fn read(list: &[u8], separator: Separator) -> Result<Vec<Vec<u8>>, String> {
        let mut found = Vec::new();
        paths(list, separator, &mut |path| {
            found.push(path.as_os_str().as_bytes().to_vec());
            ControlFlow::Continue(())
        })
        .map(|()| found)
    }

    #[test]
    fn paths_are_read_line_by_line_or_between_zeros() {
        let lines = read(b"a.jpg\n\nb c.jpg\r\n\xff.jpg", Separator::Line).unwrap();
        assert_eq!(lines, [&b"a.jpg"[..], b"b c.jpg", b"\xff.jpg"]);
        let nulls = read(b"a\n.jpg\0\0b\r\0", Separator::Null).unwrap();
        assert_eq!(nulls, [&b"a\n.jpg"[..], b"b\r"]);
        assert!(read(b"", Separator::Line).unwrap().is_empty());
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let long = vec![b'a'; MAX_PATH_BYTES as usize + 2];
        assert!(read(&long, Separator::Line).unwrap_err().contains("path 1 is longer"));
        assert!(read(&long[2..], Separator::Line).is_ok());
        assert!(read(b"a\nb\0c", Separator::Line).unwrap_err().contains("--null"));
    }

    #[tokio::test]
    async fn chunks_come_in_order_and_an_error_after_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5 {
            std::fs::write(folder.path().join(format!("{number}.jpg")), b"x").unwrap();
        }
        let list =
            PathList { place: ListPlace::File(folder.path().join("no-list")), separator: Separator::Line };
        let input = Input { places: vec![folder.path().to_owned()], list: Some(list) };
        let chunks: Vec<_> = input.chunks(2, Handle::current()).unwrap().collect().await;
        let sizes: Vec<usize> = chunks.iter().map(|chunk| chunk.as_ref().map_or(0, Vec::len)).collect();
        assert_eq!(sizes, [2, 2, 1, 0]);
        assert!(chunks[3].as_ref().unwrap_err().list.ends_with("no-list"));
    }
}
