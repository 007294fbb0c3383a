use howdah_executor::source::{Colour, Library, ObjectRef, Place, encoded_bytes};
use howdah_proto::settings::DataFormat;

use super::{Shard, file_name, malformed};
use crate::dataset::{
    DatasetError,
    listing::{Listed, Listing, PartName},
};

const SIDE: u32 = 32;
const PICTURE_BYTES: u64 = 3 * 32 * 32;
/// How many records are read at once.
const RECORDS: u64 = 1024;
/// The longest file of names.
const MAX_NAMES_BYTES: u64 = 1 << 20;

/// One of the two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    /// CIFAR-100 has a coarse label before the fine one.
    label_bytes: u64,
    classes: u32,
    names: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { label_bytes: 1, classes: 10, names: "batches.meta.txt" },
    Kind { label_bytes: 2, classes: 100, names: "fine_label_names.txt" },
];

/// Lists the pictures of CIFAR's binary batches ([format](https://www.cs.toronto.edu/~kriz/cifar.html)): a label, or a
/// coarse and a fine one, and three planes of 32 x 32 pixels. Classes have the names in the text file beside them.
pub(super) fn list(shards: &[Shard], library: &mut Library) -> Result<Listed, DatasetError> {
    let Some(first) = shards.first() else { return Ok(Listing::default().finish()) };
    let kind = kind_of(&first.object)?;
    let names = names(&first.object, kind, library)?;
    let mut listing = names.map_or_else(Listing::default, Listing::declared);
    let declared = listing.names() as u32;
    for shard in shards {
        if kind_of(&shard.object)? != kind {
            let reason = format!("its records aren't as long as those of {}", file_name(&first.object));
            return Err(malformed(&shard.object, DataFormat::Cifar, reason));
        }
        read(shard, kind, declared, library, &mut listing)?;
    }
    Ok(listing.finish())
}

fn read(
    shard: &Shard,
    kind: Kind,
    declared: u32,
    library: &mut Library,
    listing: &mut Listing,
) -> Result<(), DatasetError> {
    let (known, object) = (&shard.object, library.object(&shard.object)?);
    let record = kind.label_bytes + PICTURE_BYTES;
    let count = known.bytes / record;
    let stem = file_name(known).trim_end_matches(".bin");
    let classes = if declared == 0 { kind.classes } else { declared };
    for first in (0..count).step_by(RECORDS as usize) {
        let records = RECORDS.min(count - first);
        let content = object.read(first * record, (records * record) as usize)?;
        for (picture, bytes) in (first..).zip(content.chunks_exact(record as usize)) {
            // The fine label is the one right before the pixels.
            let label = u32::from(bytes[kind.label_bytes as usize - 1]);
            if label >= classes {
                let reason =
                    format!("picture {picture} has the label {label}, but there are {classes} classes");
                return Err(malformed(known, DataFormat::Cifar, reason));
            }
            let label = if declared == 0 { listing.label(&label.to_string()) } else { label };
            let offset = picture * record + kind.label_bytes;
            let place = Place::Pixels { offset, width: SIDE, height: SIDE, colour: Colour::Planes };
            let bytes = encoded_bytes(SIDE, SIDE, Colour::Planes);
            let name = PartName { relative: format!("{stem}/{picture:06}"), label, bytes };
            listing.push_part(known, place, name, shard.held_out);
        }
    }
    Ok(())
}

fn kind_of(object: &ObjectRef) -> Result<Kind, DatasetError> {
    let fits =
        |kind: &&Kind| object.bytes > 0 && object.bytes.is_multiple_of(kind.label_bytes + PICTURE_BYTES);
    KINDS.iter().find(fits).copied().ok_or_else(|| {
        let reason = format!("its {} bytes are no number of records of 3073 or 3074 bytes", object.bytes);
        malformed(object, DataFormat::Cifar, reason)
    })
}

/// Reads the names of classes beside a batch, a line for each; none if there is no such file.
fn names(batch: &ObjectRef, kind: Kind, library: &mut Library) -> Result<Option<Vec<String>>, DatasetError> {
    let folder = &batch.location[..batch.location.len() - file_name(batch).len()];
    let Ok(known) = library.look_up(&format!("{folder}{}", kind.names)) else { return Ok(None) };
    let wrong = |reason: &str| malformed(&known, DataFormat::Cifar, reason);
    if known.bytes > MAX_NAMES_BYTES {
        return Err(wrong("it is too long for a list of names"));
    }
    let content = library.object(&known)?.read(0, known.bytes as usize)?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong("it is not UTF-8"))?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    if distinct.len() != names.len() {
        return Err(wrong("it has a name twice"));
    }
    Ok(Some(names).filter(|names| !names.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::source::testing::{labels, list_at};

    fn record(labels: &[u8], value: u8) -> Vec<u8> {
        [labels, &vec![value; PICTURE_BYTES as usize]].concat()
    }

    #[test]
    fn batches_have_pictures_with_the_names_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        fs::write(folder.path().join("data_batch_1.bin"), [record(&[1], 7), record(&[0], 8)].concat())
            .unwrap();
        fs::write(folder.path().join("test_batch.bin"), record(&[1], 9)).unwrap();
        let numbers = list_at(at).unwrap();
        assert_eq!(numbers.names, ["0", "1"]);
        fs::write(folder.path().join("batches.meta.txt"), "airplane\nautomobile\n\n").unwrap();
        let listed = list_at(at).unwrap();
        let all = [
            ("data_batch_1/000000", "automobile"),
            ("data_batch_1/000001", "airplane"),
            ("test_batch/000000", "automobile"),
        ];
        assert_eq!(labels(&listed), all);
        assert_eq!(listed.found.iter().map(|found| found.held_out).collect::<Vec<_>>(), [false, false, true]);
        let picture = listed.found[1].file.read(&mut Library::new(None)).unwrap();
        assert!(picture.starts_with(b"P6\n32 32\n255\n\x08") && picture.ends_with(&[8; 100]));
    }

    #[test]
    fn the_fine_labels_of_a_hundred_classes_count() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.bin"), [record(&[3, 99], 7), record(&[3, 42], 8)].concat())
            .unwrap();
        let listed = list_at(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(labels(&listed), [("train/000000", "99"), ("train/000001", "42")]);
    }

    #[test]
    fn a_wrong_length_and_labels_out_of_range_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = |content: &[u8]| {
            fs::write(folder.path().join("data_batch_1.bin"), content).unwrap();
            list_at(folder.path().to_str().unwrap()).unwrap_err().to_string()
        };
        assert!(error(&record(&[1], 7)[..3000]).contains("its 3000 bytes are no number of records"));
        assert!(error(b"").contains("its 0 bytes"));
        assert!(error(&record(&[37], 7)).contains("picture 0 has the label 37, but there are 10 classes"));
        fs::write(folder.path().join("batches.meta.txt"), "a\nb\n").unwrap();
        assert!(error(&record(&[2], 7)).contains("there are 2 classes"));
        fs::write(folder.path().join("batches.meta.txt"), "a\na\n").unwrap();
        assert!(error(&record(&[0], 7)).contains("a name twice"));
    }
}
