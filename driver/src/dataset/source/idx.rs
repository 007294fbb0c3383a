use std::sync::Arc;

use howdah_executor::source::{Colour, Library, ObjectRef, Place, Unpacked, encoded_bytes};
use howdah_proto::settings::DataFormat;

use super::{Shard, file_name, malformed};
use crate::dataset::{
    DatasetError,
    listing::{Listed, Listing, PartName},
};

const PICTURES_HEADER_BYTES: u64 = 16;
const LABELS_HEADER_BYTES: u64 = 8;
/// Unsigned bytes in three dimensions, and in one.
const MAGIC_PICTURES: u32 = 0x0803;
const MAGIC_LABELS: u32 = 0x0801;

/// Lists the pictures of IDX files, which MNIST and its family are made of
/// ([format](http://yann.lecun.com/exdb/mnist/)): gray pixels in one file, labels in another, of the same name but for
/// `labels` and `idx1`; also packed with gzip.
pub(super) fn list(shards: &[Shard], library: &mut Library) -> Result<Listed, DatasetError> {
    let mut listing = Listing::default();
    for shard in shards {
        read(shard, library, &mut listing)?;
    }
    Ok(listing.finish())
}

fn read(shard: &Shard, library: &mut Library, listing: &mut Listing) -> Result<(), DatasetError> {
    let wrong = |object: &ObjectRef, reason: String| malformed(object, DataFormat::Idx, reason);
    let labels = labels_of(&shard.object, library)?;
    let content = library.unpacked(&shard.object)?;
    let [count, height, width] = header(&shard.object, &content, MAGIC_PICTURES)?;
    let values = u64::from(width) * u64::from(height);
    let needed = values.checked_mul(u64::from(count)).and_then(|all| all.checked_add(PICTURES_HEADER_BYTES));
    if values == 0 || needed != Some(content.bytes()) {
        let (bytes, packed) = (content.bytes(), if shard.object.is_packed() { " unpacked" } else { "" });
        return Err(wrong(
            &shard.object,
            format!("it says {count} pictures of {width} x {height} pixels, but has {bytes} bytes{packed}"),
        ));
    }
    let label_content = library.unpacked(&labels)?;
    let [label_count] = header(&labels, &label_content, MAGIC_LABELS)?;
    if label_content.bytes() != LABELS_HEADER_BYTES + u64::from(label_count) {
        let bytes = label_content.bytes();
        return Err(wrong(&labels, format!("it says {label_count} labels, but has {bytes} bytes")));
    }
    if label_count != count {
        let pictures = file_name(&shard.object);
        return Err(wrong(
            &labels,
            format!("it has {label_count} labels for the {count} pictures of {pictures}"),
        ));
    }
    let classes = label_content.read(LABELS_HEADER_BYTES, count as usize)?;
    let stem = file_name(&shard.object).trim_end_matches(".gz");
    for (picture, class) in classes.iter().enumerate() {
        let offset = PICTURES_HEADER_BYTES + picture as u64 * values;
        let place = Place::Pixels { offset, width, height, colour: Colour::Gray };
        let name = PartName {
            relative: format!("{stem}/{picture:06}"),
            label: listing.label(&class.to_string()),
            bytes: encoded_bytes(width, height, Colour::Gray),
        };
        listing.push_part(&shard.object, place, name, shard.held_out);
    }
    Ok(())
}

/// Finds the file of labels beside a file of pictures.
fn labels_of(pictures: &ObjectRef, library: &mut Library) -> Result<Arc<ObjectRef>, DatasetError> {
    let name = file_name(pictures);
    let folder = &pictures.location[..pictures.location.len() - name.len()];
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    if labels == name {
        let reason = "its name has no `images` or `idx3`, from which the file of labels could be told";
        return Err(malformed(pictures, DataFormat::Idx, reason));
    }
    Ok(library.look_up(&format!("{folder}{labels}"))?)
}

/// Reads the magic and the dimensions, big-endian.
fn header<const N: usize>(
    object: &ObjectRef,
    content: &Unpacked,
    magic: u32,
) -> Result<[u32; N], DatasetError> {
    let wrong = |reason: &str| malformed(object, DataFormat::Idx, reason);
    let bytes = content.read(0, 4 + 4 * N).map_err(|_| wrong("it is cut off in its header"))?;
    let mut numbers = bytes
        .chunks_exact(4)
        .map(|four| four.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)));
    if numbers.next() != Some(magic) {
        return Err(wrong("it doesn't begin as such files do"));
    }
    Ok(std::array::from_fn(|_| numbers.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::Path};

    use super::*;
    use crate::dataset::source::testing::{labels, list_at};

    fn pictures(count: u32, values: &[u8]) -> Vec<u8> {
        let header = [MAGIC_PICTURES, count, 2, 3].map(u32::to_be_bytes).concat();
        [&header, values].concat()
    }

    fn write(folder: &Path, pictures: &[u8], label_count: u32, labels: &[u8]) -> String {
        let header = [MAGIC_LABELS, label_count].map(u32::to_be_bytes).concat();
        fs::write(folder.join("train-labels-idx1-ubyte"), [&header, labels].concat()).unwrap();
        fs::write(folder.join("train-images-idx3-ubyte"), pictures).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    #[test]
    fn pixels_become_pictures_with_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<u8> = (0..12).collect();
        let at = write(folder.path(), &pictures(2, &values), 2, &[9, 4]);
        let listed = list_at(&at).unwrap();
        let names = [("train-images-idx3-ubyte/000000", "9"), ("train-images-idx3-ubyte/000001", "4")];
        assert_eq!(labels(&listed), names);
        let picture = listed.found[1].file.read(&mut Library::new(None)).unwrap();
        assert_eq!(picture, &b"P5\n3 2\n255\n\x06\x07\x08\x09\x0a\x0b"[..]);
    }

    #[test]
    fn files_packed_with_gzip_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pictures(2, &[5; 12]), 2, &[0, 1]);
        for name in ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"] {
            let plain = folder.path().join(name);
            let packed = fs::File::create(folder.path().join(format!("{name}.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            encoder.write_all(&fs::read(&plain).unwrap()).unwrap();
            encoder.finish().unwrap();
            fs::remove_file(plain).unwrap();
        }
        let listed = list_at(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(listed.found.len(), 2);
        assert!(listed.found[1].file.read(&mut Library::new(None)).unwrap().ends_with(&[5; 6]));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = |pictures: &[u8], labels: u32, values: &[u8]| {
            list_at(&write(folder.path(), pictures, labels, values)).unwrap_err().to_string()
        };
        assert!(error(&pictures(3, &[0; 12]), 2, &[0, 1]).contains("3 pictures of 3 x 2 pixels, but has 28"));
        assert!(error(&pictures(u32::MAX, &[0; 12]), 2, &[0, 1]).contains("it says 4294967295 pictures"));
        assert!(error(&pictures(2, &[0; 12]), 3, &[0, 1]).contains("it says 3 labels, but has 10 bytes"));
        assert!(error(&pictures(2, &[0; 12]), 1, &[0]).contains("1 labels for the 2 pictures"));
        assert!(error(&pictures(2, &[0; 12])[..10], 2, &[0, 1]).contains("cut off in its header"));
        assert!(error(b"no idx file at all", 2, &[0, 1]).contains("doesn't begin as such files do"));
        fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
        let error = list_at(folder.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("train-labels-idx1-ubyte"), "{error}");
    }
}
