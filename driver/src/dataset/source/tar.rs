use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use howdah_executor::source::{Library, Object, ObjectRef, ObjectStream, Place};
use howdah_proto::settings::DataFormat;
use tar::{Archive, Entry};

use super::{Shard, Unlabelled, folder::is_picture_name, malformed};
use crate::dataset::{
    DatasetError,
    listing::{Listed, Listing, PartName},
};

/// How much is read at once: headers are often near each other.
const AHEAD_BYTES: usize = 16 << 10;
/// The longest label that is read.
const MAX_LABEL_BYTES: u64 = 4096;

/// Lists the pictures of tar files in the way of WebDataset: `NAME.jpg` and `NAME.cls`, whose content is a number or a
/// name; without any `.cls`, the first folder of a picture's name is its class.
pub(super) fn list(shards: &[Shard], library: &mut Library) -> Result<Listed, DatasetError> {
    let mut listing = Listing::default();
    for shard in shards {
        let object = library.object(&shard.object)?;
        read(shard, &object, &mut listing)?;
    }
    Ok(listing.finish())
}

/// Finds the pictures of a tar file, whatever their classes.
pub(super) fn unlabelled(
    known: &Arc<ObjectRef>,
    library: &mut Library,
    found: &mut dyn FnMut(Unlabelled) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    let mut listing = Listing::default();
    let object = library.object(known)?;
    let (pictures, _) = members(known, &object, &mut listing)?;
    let inside = format!("{}/", known.location);
    let skipped = listing.finish().skipped.into_iter().map(|(name, reason)| Unlabelled {
        name: name.strip_prefix(&inside).map(str::to_owned).unwrap_or(name),
        place: Err(reason),
    });
    let pictures = pictures
        .into_iter()
        .map(|Member { name, offset, bytes }| Unlabelled { name, place: Ok(Place::Range { offset, bytes }) });
    // Enough was seen if it breaks off.
    let _ = pictures.chain(skipped).try_for_each(found);
    Ok(())
}

struct Member {
    name: String,
    offset: u64,
    bytes: u64,
}

fn read(shard: &Shard, object: &Arc<Object>, listing: &mut Listing) -> Result<(), DatasetError> {
    let (pictures, labels) = members(&shard.object, object, listing)?;
    for Member { name, offset, bytes } in pictures {
        let path = format!("{}/{name}", shard.object.location);
        let class = match labels.get(stem(&name)) {
            Some(class) => class.as_str(),
            None if !labels.is_empty() => {
                listing.skip(path, "it has no .cls beside it");
                continue;
            }
            None => match name.split_once('/') {
                Some((folder, _)) => folder,
                None => {
                    listing.skip(path, "it is in no folder and has no .cls beside it");
                    continue;
                }
            },
        };
        let label = listing.label(class);
        let place = Place::Range { offset, bytes };
        listing.push_part(&shard.object, place, PartName { relative: name, label, bytes }, shard.held_out);
    }
    Ok(())
}

/// Reads the headers of a tar file: its pictures, and the labels by the names without extensions.
fn members(
    known: &ObjectRef,
    object: &Arc<Object>,
    listing: &mut Listing,
) -> Result<(Vec<Member>, HashMap<String, String>), DatasetError> {
    let wrong = |reason: String| malformed(known, DataFormat::Tar, reason);
    let mut archive = Archive::new(ObjectStream::new(object.clone(), 0, AHEAD_BYTES));
    let (mut pictures, mut labels) = (Vec::new(), HashMap::new());
    for entry in archive.entries_with_seek().map_err(|error| wrong(error.to_string()))? {
        let entry = entry.map_err(|error| wrong(format!("it is damaged or cut off: {error}")))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let (offset, bytes) = (entry.raw_file_position(), entry.size());
        let name = match name_of(&entry) {
            Ok(name) => name,
            Err((name, reason)) => {
                listing.skip(format!("{}/{name}", known.location), reason);
                continue;
            }
        };
        if offset.checked_add(bytes).is_none_or(|end| end > known.bytes) {
            return Err(wrong(format!("it is cut off in {name}")));
        }
        if let Some(stem) = name.strip_suffix(".cls") {
            let text = if bytes <= MAX_LABEL_BYTES {
                object.read(offset, bytes as usize)?
            } else {
                Vec::new().into()
            };
            let text = std::str::from_utf8(&text).unwrap_or_default().trim();
            if text.is_empty() {
                return Err(wrong(format!("{name} has neither a number nor the name of a class")));
            }
            labels.insert(stem.to_owned(), text.to_owned());
        } else if is_picture_name(name.as_ref()) {
            pictures.push(Member { name, offset, bytes });
        }
    }
    Ok((pictures, labels))
}

/// The name of an entry, if it is one: nothing is ever written by it, but it should mean the same to everyone.
fn name_of<R: std::io::Read>(entry: &Entry<'_, R>) -> Result<String, (String, &'static str)> {
    let bytes = entry.path_bytes();
    let name = match std::str::from_utf8(&bytes) {
        Ok(name) => name.trim_start_matches("./"),
        Err(_) => return Err((String::from_utf8_lossy(&bytes).into_owned(), "its name is not UTF-8")),
    };
    if name.starts_with('/') || name.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err((name.to_owned(), "its name leads out of the tar file"));
    }
    Ok(name.to_owned())
}

/// A name up to the first dot of its last part, as WebDataset cuts it.
fn stem(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    name[last..].find('.').map_or(name, |dot| &name[..last + dot])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::source::testing::{labels, list_at, tar_file};

    #[test]
    fn pictures_and_labels_belong_together_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(
            &folder.path().join("a.tar"),
            &[
                ("./d/1.jpg", b"one"),
                ("d/1.cls", b"7\n"),
                ("2.cls", b"10"),
                ("2.png", b"two!"),
                ("3.jpg", b""),
                ("2.txt", b"a text"),
            ],
        );
        let listed = list_at(&at).unwrap();
        assert_eq!(labels(&listed), [("2.png", "10"), ("d/1.jpg", "7")]);
        assert_eq!(listed.names, ["7", "10"]);
        assert_eq!(listed.skipped.len(), 1, "{:?}", listed.skipped);
        let mut library = Library::new(None);
        let read = |place: usize, library: &mut Library| listed.found[place].file.read(library).unwrap();
        assert_eq!((&read(0, &mut library)[..], &read(1, &mut library)[..]), (&b"two!"[..], &b"one"[..]));
    }

    #[test]
    fn without_labels_folders_are_classes() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(
            &folder.path().join("a.tar"),
            &[("cat/1.jpg", b"x"), ("dog/1.jpg", b"y"), ("2.jpg", b"z")],
        );
        let listed = list_at(&at).unwrap();
        assert_eq!(labels(&listed), [("cat/1.jpg", "cat"), ("dog/1.jpg", "dog")]);
        assert!(listed.skipped[0].1.contains("no folder"));
    }

    #[test]
    fn names_that_lead_out_and_names_that_are_there_twice_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(
            &folder.path().join("a.tar"),
            &[("a/../../b.jpg", b"x"), ("/etc/c.jpg", b"x"), ("a/1.jpg", b"first"), ("a/1.jpg", b"second")],
        );
        let listed = list_at(&at).unwrap();
        assert_eq!(labels(&listed), [("a/1.jpg", "a")]);
        assert_eq!(&listed.found[0].file.read(&mut Library::new(None)).unwrap()[..], b"first");
        assert_eq!(listed.skipped.len(), 3, "{:?}", listed.skipped);
    }

    #[test]
    fn a_tar_file_that_is_cut_off_or_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(&folder.path().join("a.tar"), &[("a/1.jpg", &[7; 2000]), ("b/1.jpg", &[7; 2000])]);
        let whole = std::fs::read(&at).unwrap();
        for length in [700, 1500, 512 + 2048 + 100, 512 + 2048 + 600] {
            std::fs::write(&at, &whole[..length]).unwrap();
            let error = list_at(&at).unwrap_err().to_string();
            assert!(error.contains("cut off") && error.contains("a.tar"), "{length}: {error}");
        }
        let mut damaged = whole.clone();
        damaged[512 + 2048 + 3] ^= 0x55;
        std::fs::write(&at, damaged).unwrap();
        assert!(list_at(&at).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn a_file_that_shrinks_or_vanishes_after_it_was_listed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = tar_file(&folder.path().join("a.tar"), &[("a/1.jpg", b"x"), ("b/1.jpg", b"y")]);
        let listed = list_at(&at).unwrap();
        let (mut open, picture) = (Library::new(None), &listed.found[0].file);
        assert!(picture.read(&mut open).is_ok());
        std::fs::OpenOptions::new().write(true).open(&at).unwrap().set_len(600).unwrap();
        for library in [&mut open, &mut Library::new(None)] {
            assert!(
                picture.read(library).unwrap_err().to_string().contains("has changed since it was listed")
            );
        }
        std::fs::remove_file(&at).unwrap();
        assert!(picture.read(&mut Library::new(None)).unwrap_err().to_string().contains("a.tar"));
    }
}
