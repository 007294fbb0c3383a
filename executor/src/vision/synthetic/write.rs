use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use image::{ImageError, RgbImage, codecs::jpeg::JpegEncoder};
use rayon::prelude::*;

use super::{Class, draw};

const JPEG_QUALITY: u8 = 85;
/// One picture in so many is held out.
const TEST_SHARE: u32 = 5;

/// Where a drawn set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticSet {
    /// The folder of the training pictures, with a folder per class.
    pub train: PathBuf,
    /// The folder of the held-out pictures, with a folder per class.
    pub test: PathBuf,
    /// How many training pictures there are.
    pub train_pictures: u32,
    /// How many held-out pictures there are.
    pub test_pictures: u32,
}

/// Why a set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SyntheticError {
    /// A file or folder can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A picture can't be encoded.
    #[error("can't encode {path}: {source}")]
    Encode {
        /// The file that it was for.
        path: PathBuf,
        /// What went wrong.
        source: ImageError,
    },
}

/// Draws `pictures` pictures to `root/{train,test}/{cats,dogs}/NNNN.jpg`, as many cats as dogs and a fifth of
/// them held out, on all cores; `progress` is told how many are done. Files of the same names are replaced.
///
/// # Errors
/// [`SyntheticError`] for a file that can't be written.
pub fn write_set(
    root: &Path,
    pictures: u32,
    seed: u64,
    progress: impl Fn(u64) + Sync,
) -> Result<SyntheticSet, SyntheticError> {
    let test_pictures = pictures / TEST_SHARE;
    let set = SyntheticSet {
        train: root.join("train"),
        test: root.join("test"),
        train_pictures: pictures - test_pictures,
        test_pictures,
    };
    for folder in [&set.train, &set.test] {
        for class in Class::ALL {
            let path = folder.join(class.folder());
            fs::create_dir_all(&path).map_err(|source| SyntheticError::Write { path, source })?;
        }
    }
    let done = AtomicU64::new(0);
    (0..pictures).into_par_iter().try_for_each(|key| {
        let (class, path) = place(&set, key);
        write_picture(class, key.into(), seed, path)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    })?;
    Ok(set)
}

/// Encodes a picture as the JPEG that is written to a set.
///
/// # Errors
/// [`ImageError`] if it has no pixels or too many.
pub fn encode(picture: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(picture)?;
    Ok(bytes)
}

/// What picture `key` of a set shows, and its file.
fn place(set: &SyntheticSet, key: u32) -> (Class, PathBuf) {
    let (folder, place) = match key.checked_sub(set.train_pictures) {
        None => (&set.train, key),
        Some(place) => (&set.test, place),
    };
    let class = Class::ALL[place as usize % 2];
    (class, folder.join(class.folder()).join(format!("{:04}.jpg", place / 2)))
}

fn write_picture(class: Class, key: u64, seed: u64, path: PathBuf) -> Result<(), SyntheticError> {
    match encode(&draw(class, key, seed)) {
        Ok(bytes) => fs::write(&path, bytes).map_err(|source| SyntheticError::Write { path, source }),
        Err(source) => Err(SyntheticError::Encode { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn count(folder: &Path, class: Class) -> usize {
        fs::read_dir(folder.join(class.folder())).unwrap().count()
    }

    #[test]
    fn a_set_has_as_many_cats_as_dogs_and_a_fifth_held_out() {
        let root = tempfile::tempdir().unwrap();
        let last = AtomicU64::new(0);
        let set = write_set(root.path(), 30, 1, |done| {
            last.fetch_max(done, Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!((set.train_pictures, set.test_pictures), (24, 6));
        for class in Class::ALL {
            assert_eq!((count(&set.train, class), count(&set.test, class)), (12, 3));
        }
        assert_eq!(last.into_inner(), 30);
        let read = image::open(set.test.join("dogs/0002.jpg")).unwrap();
        assert_eq!((read.width(), read.height()), draw(Class::Dog, 29, 1).dimensions());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("occupied");
        fs::write(&file, "").unwrap();
        let error = write_set(&file, 20, 1, |_| {}).unwrap_err().to_string();
        assert!(error.contains("occupied/train/cats"), "{error}");
    }
}
