use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use howdah_proto::pb;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::{Octets, Verdict};
use crate::source::{Library, MAX_FILE_BYTES, Part, ReadError};

/// A picture that is to be classified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureRef {
    /// What it is called where results are shown.
    pub name: String,
    /// Where it is.
    pub at: Whereabouts,
}

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whereabouts {
    /// A file of its own: the bytes of its path.
    File(Octets),
    /// A part of a file or object, as a message of the wire.
    Part(Octets),
    /// Here: the encoded picture.
    Here(Octets),
    /// Nowhere, for this reason: it keeps its place among the others.
    Nowhere(String),
}

impl Whereabouts {
    /// Says where a file is.
    pub fn file(path: &Path) -> Self {
        Self::File(Octets(Bytes::copy_from_slice(path.as_os_str().as_bytes())))
    }

    /// Says where a part of a file or object is.
    pub fn part(part: &Part) -> Self {
        Self::Part(Octets(pb::PicturePart::from(part).encode_to_vec().into()))
    }

    /// Reads the picture, encoded; or says why not.
    ///
    /// # Errors
    /// [`Verdict::Unusable`] or [`Verdict::Unseen`].
    pub fn read(&self, library: &mut Library) -> Result<Bytes, Verdict> {
        match self {
            Self::File(path) => read_file(&PathBuf::from(OsStr::from_bytes(&path.0))),
            Self::Part(part) => {
                let part = pb::PicturePart::decode(part.0.clone()).map_err(|error| error.to_string());
                let part = part.and_then(|part| Part::try_from(&part)).map_err(Verdict::Unusable)?;
                library.read(&part).map_err(|error| match error {
                    ReadError::Absent { .. } | ReadError::Unanswered { .. } | ReadError::Changed { .. } => {
                        Verdict::Unseen(error.to_string())
                    }
                    ReadError::Content(reason) => Verdict::Unusable(reason),
                })
            }
            Self::Here(content) => Ok(content.0.clone()),
            Self::Nowhere(reason) => Err(Verdict::Unusable(reason.clone())),
        }
    }
}

fn read_file(path: &Path) -> Result<Bytes, Verdict> {
    let unseen = |error: io::Error| Verdict::Unseen(error.to_string());
    let metadata = fs::metadata(path).map_err(unseen)?;
    // What is read from a pipe or a device has no end that is known.
    if !metadata.is_file() {
        return Err(Verdict::Unusable("it is no file".to_owned()));
    }
    if metadata.len() > MAX_FILE_BYTES {
        let bytes = metadata.len();
        return Err(Verdict::Unusable(format!("{bytes} bytes are more than a picture may have")));
    }
    fs::read(path).map(Bytes::from).map_err(unseen)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        rdd::codec,
        source::{ObjectRef, Place},
    };

    #[test]
    fn a_picture_comes_back_from_a_record_wherever_it_is() {
        let object =
            ObjectRef { location: "/a.tar".to_owned(), bytes: 1000, modified_unix_ns: 7, etag: None };
        let part = Part { object: Arc::new(object), place: Place::Range { offset: 512, bytes: 3 } };
        let odd = Path::new(OsStr::from_bytes(b"/pictures/\xff\0.jpg"));
        for at in [
            Whereabouts::file(odd),
            Whereabouts::part(&part),
            Whereabouts::Here(Octets(Bytes::from_static(&[0, 1, 0, 255]))),
            Whereabouts::Nowhere("gone".to_owned()),
        ] {
            let picture = PictureRef { name: "a".to_owned(), at };
            let bytes = codec::to_vec(&picture).unwrap();
            assert_eq!(codec::decode::<PictureRef>(&bytes).unwrap(), picture);
        }
    }

    #[test]
    fn what_is_not_there_is_unseen_and_what_is_no_file_or_makes_no_sense_is_unusable() {
        let mut library = Library::new(None);
        let mut read = |at: &Whereabouts| at.read(&mut library).unwrap_err();
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&Whereabouts::file(&folder.path().join("a"))), Verdict::Unseen(_)));
        assert!(matches!(read(&Whereabouts::file(folder.path())), Verdict::Unusable(_)));
        assert!(matches!(read(&Whereabouts::Part(Octets(Bytes::from_static(b"?")))), Verdict::Unusable(_)));
        let large = folder.path().join("large");
        fs::File::create(&large).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read(&Whereabouts::file(&large)), Verdict::Unusable(_)));
    }
}
