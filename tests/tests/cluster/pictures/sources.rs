//! Pictures give the same weights wherever they are stored.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use howdah_proto::settings::{DataSettings, Mode, TrainSettings, UpdateRule, Updates};
use howdah_tests::{
    cluster::Cluster,
    job::Job,
    model::{model_of, weights_of},
    pictures::{Pictures, files},
    process::{Process, Signal},
    settings::learning,
};
use parquet::{
    data_type::{ByteArray, ByteArrayType},
    file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};
use rand::{RngCore, SeedableRng};

const SCHEMA: &str = "message set { required group image { required binary bytes; required binary path (UTF8); } \
                      required binary label (UTF8); }";
const CLASSES: [&str; 2] = ["cats", "dogs"];

fn synchronous(train: &Path, test: Option<PathBuf>) -> TrainSettings {
    let mut settings = TrainSettings {
        updates: Updates::Gradients,
        rule: UpdateRule::Adam { learning_rate: 1e-3 },
        mode: Mode::Synchronous { backups: 0 },
        ..learning(train)
    };
    if let DataSettings::Folder { test: held_out, .. } = &mut settings.data {
        *held_out = test;
    }
    settings
}

fn weights(cluster: &Cluster, job: &mut Job) -> Vec<u8> {
    assert_eq!(job.wait_for_report().skipped_pictures, 0);
    weights_of(&model_of(cluster, job))
}

fn cluster() -> (Cluster, [Process; 3]) {
    let cluster = Cluster::start();
    let members = [cluster.paramserver("paramserver"), cluster.executor("one"), cluster.executor("two")];
    (cluster, members)
}

/// The pictures of a folder for each class, with their names below it.
fn named(pictures: &Pictures) -> Vec<(String, &'static str, Vec<u8>)> {
    let of_class = |class: &'static str| {
        files(&pictures.data.join(class)).into_iter().map(move |file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            (format!("{class}/{name}"), class, fs::read(&file).unwrap())
        })
    };
    CLASSES.into_iter().flat_map(of_class).collect()
}

/// Writes every so many-th picture into each of two tar files, in an order of its own.
fn tar_files(pictures: &Pictures, folder: &Path) -> PathBuf {
    let named = named(pictures);
    for shard in 0..2 {
        let mut builder = tar::Builder::new(fs::File::create(folder.join(format!("s-{shard}.tar"))).unwrap());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content).unwrap();
        };
        for (name, class, content) in named.iter().rev().skip(shard).step_by(2) {
            add(&name.replace(".jpg", ".cls"), class.as_bytes());
            add(name, content);
        }
        builder.finish().unwrap();
    }
    folder.join("s-{0..1}.tar")
}

/// Writes pictures into row groups of 30.
fn parquet_file(pictures: &Pictures, folder: &Path) -> PathBuf {
    let path = folder.join("set.parquet");
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut file =
        SerializedFileWriter::new(fs::File::create(&path).unwrap(), schema, Arc::default()).unwrap();
    for rows in named(pictures).chunks(30) {
        let mut group = file.next_row_group().unwrap();
        let columns: [Vec<ByteArray>; 3] = [
            rows.iter().map(|row| ByteArray::from(row.2.clone())).collect(),
            rows.iter().map(|row| ByteArray::from(row.0.as_str())).collect(),
            rows.iter().map(|row| ByteArray::from(row.1)).collect(),
        ];
        for values in columns {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    file.close().unwrap();
    path
}

#[test]
fn tar_files_parquet_and_object_stores_train_the_weights_of_a_folder() {
    let pictures = Pictures::draw(100);
    let folder = tempfile::tempdir().unwrap();
    let (cluster, _members) = cluster();
    let expected = weights(&cluster, &mut cluster.submit(&synchronous(&pictures.data, None)));
    let (tars, table) = (tar_files(&pictures, folder.path()), parquet_file(&pictures, folder.path()));
    // As objects of a store, which a folder can be too.
    let url = |path: &Path| PathBuf::from(format!("file://{}", path.display()));
    for place in [url(&pictures.data), url(&table), tars, table] {
        let got = weights(&cluster, &mut cluster.submit(&synchronous(&place, None)));
        assert!(got == expected, "{} gives other weights", place.display());
    }
}

#[test]
fn executors_that_do_not_see_a_tar_file_get_its_pictures_from_the_driver() {
    let pictures = Pictures::draw(100);
    let (cluster, members) = cluster();
    let expected = weights(&cluster, &mut cluster.submit(&synchronous(&pictures.data, None)));
    tar_files(&pictures, cluster.folder());
    // Each process has another folder of this name.
    let hidden = synchronous(Path::new("/proc/self/cwd/s-{0..1}.tar"), None);
    assert!(weights(&cluster, &mut cluster.submit(&hidden)) == expected);
    members[2].send(Signal::KILL);
    assert!(weights(&cluster, &mut cluster.submit(&hidden)) == expected);
}

/// Raw pixels of so many pictures, those of the second class brighter and after the others, with labels.
fn raw(pictures: usize, values: usize) -> Vec<(u8, Vec<u8>)> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(pictures as u64);
    let picture = |place: usize| {
        let label = u8::from(place >= pictures / 2);
        let mut pixels = vec![0; values];
        random.fill_bytes(&mut pixels);
        pixels.iter_mut().for_each(|pixel| *pixel = *pixel / 2 + label * 100);
        (label, pixels)
    };
    (0..pictures).map(picture).collect()
}

/// Writes the same pictures as PNM files in a folder for each label.
fn pnm_folder(pictures: &[(u8, Vec<u8>)], header: &str, interleave: bool, folder: &Path) -> PathBuf {
    for (place, (label, pixels)) in pictures.iter().enumerate() {
        let class = folder.join(label.to_string());
        fs::create_dir_all(&class).unwrap();
        let third = pixels.len() / 3;
        let values: Vec<u8> = match interleave {
            true => (0..third).flat_map(|at| [0, 1, 2].map(|plane| pixels[plane * third + at])).collect(),
            false => pixels.clone(),
        };
        fs::write(class.join(format!("{place:06}.pnm")), [header.as_bytes(), &values].concat()).unwrap();
    }
    folder.to_owned()
}

#[test]
fn idx_files_train_the_weights_of_their_pictures_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (raw(80, 28 * 20), raw(20, 28 * 20));
    let mnist = folder.path().join("mnist");
    fs::create_dir(&mnist).unwrap();
    for (name, set) in [("train", &train), ("t10k", &test)] {
        let count = set.len() as u32;
        let mut images = [0x0803, count, 20, 28].map(u32::to_be_bytes).concat();
        let mut labels = [0x0801, count].map(u32::to_be_bytes).concat();
        for (label, pixels) in set {
            images.extend(pixels);
            labels.push(*label);
        }
        fs::write(mnist.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        fs::write(mnist.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
    let header = "P5\n28 20\n255\n";
    let train = pnm_folder(&train, header, false, &folder.path().join("train"));
    let test = pnm_folder(&test, header, false, &folder.path().join("test"));
    let (cluster, _members) = cluster();
    let expected = weights(&cluster, &mut cluster.submit(&synchronous(&train, Some(test))));
    assert!(weights(&cluster, &mut cluster.submit(&synchronous(&mnist, None))) == expected);
}

#[test]
fn cifar_batches_train_the_weights_of_their_pictures_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (raw(80, 3 * 32 * 32), raw(20, 3 * 32 * 32));
    let cifar = folder.path().join("cifar");
    fs::create_dir(&cifar).unwrap();
    for (name, set) in [("data_batch_1.bin", &train), ("test_batch.bin", &test)] {
        let records = set.iter().flat_map(|(label, pixels)| [&[*label][..], pixels].concat());
        fs::write(cifar.join(name), records.collect::<Vec<u8>>()).unwrap();
    }
    let header = "P6\n32 32\n255\n";
    let train = pnm_folder(&train, header, true, &folder.path().join("train"));
    let test = pnm_folder(&test, header, true, &folder.path().join("test"));
    let (cluster, _members) = cluster();
    let expected = weights(&cluster, &mut cluster.submit(&synchronous(&train, Some(test))));
    assert!(weights(&cluster, &mut cluster.submit(&synchronous(&cifar, None))) == expected);
}

#[test]
fn the_command_line_trains_on_tar_files_and_evaluates_on_parquet() {
    let pictures = Pictures::draw(60);
    let folder = tempfile::tempdir().unwrap();
    let tars = tar_files(&pictures, folder.path());
    let table = parquet_file(&pictures, folder.path());
    let (tars, table) = (tars.to_str().unwrap(), table.to_str().unwrap());
    let small = ["--output", "run", "--pipeline", "seed", "--size", "16", "--hidden", "8", "--epochs", "1"];
    let train = ["train", "--data", tars, "--test", table, "--format", "tar"];
    let ended = Process::start("howdah-driver", train.iter().chain(&small), folder.path()).wait();
    ended.success();
    let evaluate = ["evaluate", "--model", "run/model.safetensors", "--data", table];
    let evaluated = Process::start("howdah-driver", evaluate, folder.path()).wait().success();
    assert!(evaluated.stdout.contains("60"), "{}", evaluated.stdout);
}

#[test]
fn sets_that_are_none_are_refused_with_what_is_wrong() {
    let pictures = Pictures::draw(20);
    let folder = tempfile::tempdir().unwrap();
    let data = pictures.data.to_str().unwrap();
    fs::create_dir_all(folder.path().join("one/cats")).unwrap();
    fs::create_dir_all(folder.path().join("empty/cats")).unwrap();
    fs::create_dir_all(folder.path().join("empty/dogs")).unwrap();
    fs::write(folder.path().join("bad.tar"), [7; 1024]).unwrap();
    fs::write(folder.path().join("data_batch_1.bin"), [0; 5000]).unwrap();
    fs::write(folder.path().join("note.txt"), "nothing").unwrap();
    let refused: [(&[&str], &[&str]); 9] = [
        (&["--data", "one"], &["only the class `cats`", "at least two classes"]),
        (&["--data", "empty"], &["class `cats` has no training picture"]),
        (&["--data", "bad.tar"], &["bad.tar is no good tar file"]),
        (&["--data", "data_batch_1.bin"], &["data_batch_1.bin", "its 5000 bytes"]),
        (&["--data", "note.txt"], &["has no format that is known", "--format"]),
        (&["--data", "nowhere-*.tar"], &["nothing is called like this"]),
        (&["--data", "ftp://host/a.tar"], &["ftp://host/a.tar can't be read"]),
        (&["--data", data, "--test", "empty"], &["class `cats` has no picture in"]),
        (&["--data", data, "--classes", "cat=cat", "dog=dogs"], &["is it `cats`?"]),
    ];
    for (number, (flags, words)) in refused.into_iter().enumerate() {
        let output = format!("run-{number}");
        let all = ["train", "--output", &output].into_iter().chain(flags.iter().copied());
        let all: Vec<&str> = all.collect();
        Process::start("howdah-driver", &all, folder.path()).wait().failure(1, words);
    }
}
