//! Whatever is found in folders has an outcome: it is used, left out by name, or the job fails by name.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
};

use howdah_proto::event::Event;
use howdah_tests::{
    log,
    pictures::{Pictures, files},
    process::{Ended, Process},
};

fn train(data: &Path, flags: &[&str], folder: &Path) -> Ended {
    let data = data.to_str().unwrap();
    let fixed = ["train", "--data", data, "--output", "run", "--pipeline", "seed", "--size", "16"];
    let small = ["--hidden", "8", "--epochs", "1", "--executors", "1"];
    Process::start("howdah-driver", fixed.iter().chain(&small).chain(flags), folder).wait()
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let checked = [name, content].concat();
    // CRC-32, bit by bit.
    let crc = !checked.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    [&(content.len() as u32).to_be_bytes()[..], &checked, &crc.to_be_bytes()].concat()
}

/// A gray PNG of so many rows of so many pixels; `rows` are in it as they are.
fn png(width: u32, height: u32, depth: u8, rows: &[u8]) -> Vec<u8> {
    let (low, high) = rows.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    let length = rows.len() as u16;
    let stored = [&[0x78, 1, 1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), rows].concat();
    let data = [stored, (high << 16 | low).to_be_bytes().to_vec()].concat();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", &[])]
        .concat()
}

/// A GIF of 2 x 2 pixels with so many frames, all of them of the first colour.
fn gif(frames: usize) -> Vec<u8> {
    let start = [b"GIF89a".to_vec(), vec![2, 0, 2, 0, 0x80, 0, 0, 200, 100, 50, 0, 0, 0]].concat();
    // Codes of three bits each: clear, four times 0, end.
    let frame = [0x2c, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, 3, 0b0000_0100, 0b0000_0000, 0b0000_0101, 0];
    [start, frame.repeat(frames), vec![0x3b]].concat()
}

#[test]
fn each_hostile_picture_is_used_or_left_out_by_name_and_the_others_train() {
    let pictures = Pictures::draw(40);
    let cats = pictures.data.join("cats");
    let whole = fs::read(&files(&cats)[0]).unwrap();
    let cmyk = concat!(env!("CARGO_MANIFEST_DIR"), "/../executor/src/vision/testdata/red_cmyk.jpg");
    let rows = |bytes: usize, rows: usize| [vec![0], vec![0x55; bytes]].concat().repeat(rows);
    let used: [(&str, Vec<u8>); 5] = [
        ("png-in-truth.jpg", png(4, 4, 8, &rows(4, 4))),
        ("jpeg-in-truth.gif", whole.clone()),
        ("sixteen-bits.png", png(4, 4, 16, &rows(8, 4))),
        ("animated.gif", gif(3)),
        ("cmyk.jpg", fs::read(cmyk).unwrap()),
    ];
    let unusable: [(&str, Vec<u8>); 5] = [
        ("cut-off.jpg", whole[..whole.len() / 2].to_vec()),
        ("empty.png", Vec::new()),
        ("text.webp", b"a cat".to_vec()),
        ("bomb.png", png(60_000, 60_000, 8, &rows(4, 4))),
        ("no-rows.png", png(4, 4, 8, &rows(4, 1))),
    ];
    for (name, content) in used.iter().chain(&unusable) {
        fs::write(cats.join(name), content).unwrap();
    }
    symlink(&pictures.data, cats.join("loop")).unwrap();
    symlink(".", pictures.data.join("no-class")).unwrap();
    symlink("itself.jpg", cats.join("itself.jpg")).unwrap();
    fs::write(cats.join(OsStr::from_bytes(b"odd-\xff.jpg")), &whole).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ended = train(&pictures.data, &[], folder.path()).success();
    let events = log::events(&folder.path().join("run"));
    let skipped: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::PictureSkipped { path, .. } => path.rsplit('/').next(),
            _ => None,
        })
        .collect();
    for (name, _) in &unusable {
        assert!(skipped.contains(name), "{name} is used: {skipped:?}");
    }
    for name in ["itself.jpg", "odd-\u{fffd}.jpg", "no-class"] {
        assert!(skipped.contains(&name), "{name} is used: {skipped:?}");
    }
    assert_eq!(skipped.len(), unusable.len() + 3, "{}", ended.stderr);
    let listed = events.iter().find_map(|event| match event {
        Event::DatasetListed { train, test, .. } => Some(train.iter().chain(test).sum::<u64>()),
        _ => None,
    });
    assert_eq!(listed, Some(40 + (used.len() + unusable.len()) as u64));
}

#[test]
fn a_class_of_broken_pictures_alone_fails_the_job_by_its_name() {
    let pictures = Pictures::draw(40);
    for file in files(&pictures.data.join("dogs")) {
        fs::write(file, b"no picture").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    train(&pictures.data, &[], folder.path())
        .failure(1, &["no training picture of class `dogs` can be used"]);
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn a_folder_that_can_not_be_read_fails_the_job_by_its_name() {
    let pictures = Pictures::draw(40);
    let closed = pictures.data.join("dogs/closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        return eprintln!("skipped: this user may read every folder");
    }
    let folder = tempfile::tempdir().unwrap();
    train(&pictures.data, &[], folder.path()).failure(1, &["can't read the folder", "dogs/closed"]);
}

#[test]
fn a_set_in_which_a_class_has_one_picture_trains_and_one_without_any_does_not() {
    let pictures = Pictures::draw(40);
    let dogs = files(&pictures.data.join("dogs"));
    let folder = tempfile::tempdir().unwrap();
    // Of all names, that of the first is not held out.
    dogs[1..].iter().for_each(|file| fs::remove_file(file).unwrap());
    let ended = train(&pictures.data, &["--test-fraction", "0.01"], folder.path()).success();
    assert!(ended.stdout.contains("dogs"), "{}", ended.stdout);
    fs::remove_file(&dogs[0]).unwrap();
    let again = tempfile::tempdir().unwrap();
    train(&pictures.data, &[], again.path()).failure(1, &["class `dogs` has no training picture"]);
}
