use std::{
    fs,
    io::Read,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use howdah_executor::{
    inference::{PictureRef, Whereabouts},
    source::{Library, ObjectRef, Part, Place, ReadError},
};
use howdah_proto::settings::DataFormat;
use tokio::runtime::Handle;
use url::Url;

use super::{
    name::shown_name,
    walk::{Found, Walk},
};
use crate::dataset::{
    DatasetError,
    place::{expanded, is_pattern, matching},
    source::{self, HEAD_BYTES, by_content, by_name, is_picture_name},
};

/// Whether a place may be a pattern of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patterns {
    /// As a user types it: with `{a,b}`, `{000..017}`, `*` and `?`.
    Expanded,
    /// As a program lists it: exactly.
    Literal,
}

/// Finds pictures: files, what is in folders, tar, Parquet, IDX and CIFAR files, and in object stores.
pub struct Finder {
    library: Library,
}

/// Takes pictures, and may have seen enough.
type Take<'a> = &'a mut dyn FnMut(PictureRef) -> ControlFlow<()>;

impl Finder {
    /// Makes a finder. Without a runtime, object stores can't be asked; with one, it is blocked on.
    pub fn new(runtime: Option<Handle>) -> Self {
        Self { library: Library::new(runtime) }
    }

    /// Gives the pictures at a path or URL to `take`, in the order of their paths; those in a file in the order in which
    /// they lie there. What can't be read is given, too, with the reason, in its place.
    pub fn find(&mut self, place: &Path, patterns: Patterns, take: Take<'_>) -> ControlFlow<()> {
        match place.to_str() {
            Some(text) if text.starts_with("file://") => {
                match Url::parse(text).ok().and_then(|url| url.to_file_path().ok()) {
                    Some(path) => self.local(&path, take),
                    None => take(nowhere(text, "it is no URL of a file")),
                }
            }
            Some(text) if text.contains("://") => self.url(text, patterns, take),
            Some(text)
                if patterns == Patterns::Expanded
                    && is_pattern(text)
                    && fs::symlink_metadata(place).is_err() =>
            {
                self.pattern(text, take)
            }
            _ => self.local(place, take),
        }
    }

    fn local(&mut self, path: &Path, take: Take<'_>) -> ControlFlow<()> {
        if !path.is_dir() {
            return self.file(path, take);
        }
        for found in Walk::new(path) {
            match found {
                Found::Picture(path) => take(file(&path))?,
                Found::Shard(path) => self.file(&path, take)?,
                Found::Unreadable(path, reason) => take(nowhere(shown_name(&path), reason))?,
            }
        }
        ControlFlow::Continue(())
    }

    fn file(&mut self, path: &Path, take: Take<'_>) -> ControlFlow<()> {
        let shard = path.to_str().and_then(|text| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            Some((text, kind(name, || head(path))?))
        });
        // A file that is named is tried, whatever its name; one that isn't there gets its error in turn.
        let Some((text, format)) = shard else { return take(file(path)) };
        let location = absolute(path).to_string_lossy().into_owned();
        match self.library.look_up(&location) {
            Ok(object) => self.shard(text, format, &object, take),
            Err(error) => take(nowhere(text, error)),
        }
    }

    fn shard(
        &mut self,
        shown: &str,
        format: DataFormat,
        object: &Arc<ObjectRef>,
        take: Take<'_>,
    ) -> ControlFlow<()> {
        let mut enough = ControlFlow::Continue(());
        let listed = source::unlabelled(format, object, &mut self.library, &mut |picture| {
            let name = format!("{shown}/{}", picture.name);
            let at = match picture.place {
                Ok(place) => Whereabouts::part(&Part { object: object.clone(), place }),
                Err(reason) => Whereabouts::Nowhere(reason),
            };
            enough = take(PictureRef { name, at });
            enough
        });
        match listed {
            Err(error) if enough.is_continue() => take(nowhere(shown, error)),
            _ => enough,
        }
    }

    fn pattern(&mut self, text: &str, take: Take<'_>) -> ControlFlow<()> {
        match self.matching(text, false) {
            Ok(paths) => paths.iter().try_for_each(|path| self.local(Path::new(path), take)),
            Err(error) => take(nowhere(text, error)),
        }
    }

    fn url(&mut self, text: &str, patterns: Patterns, take: Take<'_>) -> ControlFlow<()> {
        if patterns == Patterns::Expanded && is_pattern(text) {
            return match self.matching(text, true) {
                Ok(urls) => urls.iter().try_for_each(|url| self.url(url, Patterns::Literal, take)),
                Err(error) => take(nowhere(text, error)),
            };
        }
        let absent = match self.library.look_up(text) {
            Ok(object) if !text.ends_with('/') => return self.object(text, &object, take),
            Ok(_) => "nothing is there".to_owned(),
            Err(error @ ReadError::Unanswered { .. }) => return take(nowhere(text, error)),
            Err(error) => error.to_string(),
        };
        match self.library.list(text) {
            Ok(listed) if !listed.is_empty() => listed.into_iter().try_for_each(|listed| {
                let hidden = listed.relative.split('/').any(|part| part.starts_with('.'));
                if hidden || !is_picture_name(listed.relative.as_ref()) {
                    return ControlFlow::Continue(());
                }
                take(whole(&listed.object.location.clone(), &Arc::new(listed.object)))
            }),
            _ => take(nowhere(text, absent)),
        }
    }

    fn object(&mut self, text: &str, object: &Arc<ObjectRef>, take: Take<'_>) -> ControlFlow<()> {
        let name = text.rsplit('/').next().unwrap_or(text);
        let length = object.bytes.min(HEAD_BYTES as u64) as usize;
        let library = &mut self.library;
        let head =
            || library.object(object).and_then(|object| object.read(0, length)).ok().map(|h| h.to_vec());
        match kind(name, head) {
            Some(format) => self.shard(text, format, object, take),
            None => take(whole(text, object)),
        }
    }

    /// What a pattern stands for; something, or it is an error.
    fn matching(&mut self, pattern: &str, is_url: bool) -> Result<Vec<String>, DatasetError> {
        let mut found = Vec::new();
        for pattern in expanded(pattern)? {
            if pattern.contains(['*', '?']) {
                found.extend(matching(&pattern, is_url, &mut self.library)?);
            } else {
                found.push(pattern);
            }
        }
        if found.is_empty() {
            let reason = "nothing is called like this".to_owned();
            return Err(DatasetError::Place { place: pattern.to_owned(), reason });
        }
        Ok(found)
    }
}

/// Which kind of file with pictures in it something is, by its name or else by what it begins with; none if it is taken
/// for a picture.
fn kind(name: &str, head: impl FnOnce() -> Option<Vec<u8>>) -> Option<DataFormat> {
    match by_name(name) {
        Some((_, format)) => Some(format),
        None if is_picture_name(name.as_ref()) => None,
        None => by_content(&head()?),
    }
}

fn head(path: &Path) -> Option<Vec<u8>> {
    // A pipe would be waited for.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    fs::File::open(path).ok()?.take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn file(path: &Path) -> PictureRef {
    // Executors may run in other folders.
    PictureRef { name: shown_name(path), at: Whereabouts::file(&absolute(path)) }
}

fn whole(name: &str, object: &Arc<ObjectRef>) -> PictureRef {
    let part = Part { object: object.clone(), place: Place::Whole };
    PictureRef { name: name.to_owned(), at: Whereabouts::part(&part) }
}

fn nowhere(name: impl Into<String>, reason: impl ToString) -> PictureRef {
    PictureRef { name: name.into(), at: Whereabouts::Nowhere(reason.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::source::testing::tar_file;

    fn found(place: &Path, patterns: Patterns, limit: usize) -> Vec<PictureRef> {
        let mut all = Vec::new();
        let _ = Finder::new(None).find(place, patterns, &mut |picture| {
            all.push(picture);
            if all.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        all
    }

    fn contents(pictures: &[PictureRef]) -> Vec<String> {
        let mut library = Library::new(None);
        let read = |picture: &PictureRef| match picture.at.read(&mut library) {
            Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Err(verdict) => format!("{verdict:?}"),
        };
        pictures.iter().map(read).collect()
    }

    #[test]
    fn pictures_in_a_tar_file_come_in_its_order_and_need_no_class() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(
            &folder.path().join("shard.bin"),
            &[("z.jpg", b"one"), ("a.jpg", b"two"), ("a.cls", b"7"), ("../x.jpg", b"out")],
        );
        let pictures = found(Path::new(&at), Patterns::Literal, 9);
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["z.jpg", "a.jpg", "../x.jpg"].map(|name| format!("{at}/{name}")));
        let contents = contents(&pictures);
        assert_eq!(contents[..2], ["one", "two"]);
        assert!(contents[2].contains("leads out"), "{contents:?}");
        assert_eq!(found(Path::new(&at), Patterns::Literal, 1).len(), 1);
    }

    #[test]
    fn a_place_is_a_pattern_only_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a1.jpg", "a2.jpg", "b.jpg", "a?.jpg"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let pattern = folder.path().join("a[12]*.jp?");
        assert_eq!(found(&pattern, Patterns::Expanded, 9).len(), 1);
        let all = contents(&found(&folder.path().join("a*.jpg"), Patterns::Expanded, 9));
        assert_eq!(all, ["a1.jpg", "a2.jpg", "a?.jpg"]);
        assert_eq!(contents(&found(&folder.path().join("a?.jpg"), Patterns::Expanded, 9)), ["a?.jpg"]);
        let literal = contents(&found(&folder.path().join("a*.jpg"), Patterns::Literal, 9));
        assert!(literal.len() == 1 && literal[0].starts_with("Unseen"), "{literal:?}");
    }

    #[test]
    fn what_is_damaged_or_not_there_keeps_its_place_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.parquet"), b"PAR1 but no more").unwrap();
        for (name, what) in [("a.parquet", "a.parquet"), ("*.tar", "nothing is called"), ("c.tar", "c.tar")] {
            let pictures = found(&folder.path().join(name), Patterns::Expanded, 9);
            let contents = contents(&pictures);
            assert!(contents.len() == 1 && contents[0].contains(what), "{name}: {contents:?}");
        }
    }

    #[test]
    fn a_shown_name_leads_back_to_its_file() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(OsStr::from_bytes(b"\xff %.jpg")), b"odd").unwrap();
        let pictures = found(folder.path(), Patterns::Literal, 9);
        assert!(pictures[0].name.starts_with("file:///"), "{}", pictures[0].name);
        let again = found(Path::new(&pictures[0].name), Patterns::Literal, 9);
        assert_eq!((contents(&again), &again[0].name), (vec!["odd".to_owned()], &pictures[0].name));
    }
}
