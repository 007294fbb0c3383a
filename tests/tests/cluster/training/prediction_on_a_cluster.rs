//! `predict` and `evaluate` with many pictures, on clusters, and in every format.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use howdah_tests::{
    binaries::binary,
    cluster::Cluster,
    deadline::look_until,
    pictures::files,
    process::{Ended, Process, Signal, send},
};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};

use super::prediction::Trained;

const PICTURES: usize = 2000;

/// A folder of many names for the pictures that were trained on; every 97th is no picture.
fn many(trained: &Trained) -> PathBuf {
    let folder = trained.folder.path().join("many");
    fs::create_dir(&folder).unwrap();
    let mut pictures = files(&trained.pictures.data.join("cats"));
    pictures.extend(files(&trained.pictures.data.join("dogs")));
    for number in 0..PICTURES {
        let name = folder.join(format!("{number:05}.jpg"));
        match number % 97 {
            96 => fs::write(name, "no picture").unwrap(),
            _ => symlink(&pictures[number % pictures.len()], name).unwrap(),
        }
    }
    folder
}

/// What `predict` writes of many pictures with more flags: a file that is read back.
fn predicted(trained: &Trained, name: &str, flags: &[&str]) -> Vec<u8> {
    let flags = [&["--output", name, "many"], flags].concat();
    trained.run("predict", &flags).failure(1, &["20 of 2000 pictures could not be classified"]);
    fs::read(trained.folder.path().join(name)).unwrap()
}

#[test]
fn the_same_bytes_come_out_in_this_process_and_on_one_executor_and_three() {
    let trained = Trained::new();
    many(&trained);
    let here = predicted(&trained, "here.csv", &[]);
    let lines: Vec<&str> = std::str::from_utf8(&here).unwrap().lines().collect();
    assert_eq!(lines.len(), 1 + PICTURES);
    for (number, line) in lines[1..].iter().enumerate() {
        assert!(line.starts_with(&format!("many/{number:05}.jpg,")), "{line}");
        assert_eq!(line.split(',').nth(1).unwrap().is_empty(), number % 97 == 96, "{line}");
    }
    assert!(here == predicted(&trained, "one.csv", &["--executors", "1"]));
    assert!(here == predicted(&trained, "three.csv", &["--executors", "3"]));
}

#[test]
fn what_is_no_picture_and_what_is_not_there_have_the_same_reasons_anywhere() {
    let trained = Trained::new();
    let [_, text, gone] = trained.mixed();
    let run = |place: &[&str]| {
        let flags = [&["--format", "csv", text.as_str(), gone.as_str()], place].concat();
        trained.run("predict", &flags).failure(1, &["2 of 2 pictures could not be classified"]).stdout
    };
    let here = run(&[]);
    let rows = fields(here.as_bytes());
    assert!(rows.len() == 3 && rows.iter().all(|row| !row[3].is_empty()), "{here}");
    assert_eq!(run(&["--executors", "1"]), here);
}

#[test]
fn an_executor_that_is_killed_in_the_middle_changes_nothing() {
    let trained = Trained::new();
    many(&trained);
    let model = trained.model.to_str().unwrap();
    let flags = ["predict", "--model", model, "--format", "csv", "--files-from", "-"];
    let list: Vec<String> = (0..PICTURES).map(|number| format!("many/{number:05}.jpg\n")).collect();
    let start = |more: &[&str]| {
        let arguments = flags.iter().chain(more);
        Process::reading("howdah-driver", arguments, trained.folder.path(), Stdio::piped())
    };
    let mut undisturbed = start(&[]);
    undisturbed.write(&list.concat());
    undisturbed.end_of_input();
    let undisturbed = undisturbed.wait();

    let mut disturbed = start(&["--executors", "2"]);
    disturbed.write(&list[..PICTURES / 2].concat());
    disturbed.wait_for_line("many/00000.jpg");
    // The others of the first half are on their way.
    for executor in disturbed.family().with_argument("executor-1") {
        send(executor, Signal::KILL);
    }
    disturbed.write(&list[PICTURES / 2..].concat());
    disturbed.end_of_input();
    let disturbed = disturbed.wait().failure(1, &["a child ended"]);
    assert_eq!(disturbed.stdout.lines().count(), 1 + PICTURES);
    assert!(disturbed.stdout == undisturbed.stdout);
}

#[test]
fn every_format_says_the_same() {
    let trained = Trained::new();
    many(&trained);
    let csv = predicted(&trained, "out.csv", &["--top-k", "2"]);
    let csv = fields(&csv);
    let parquet = predicted(&trained, "out.parquet", &["--top-k", "2", "--executors", "2"]);
    assert_eq!(&parquet[..4], b"PAR1");
    let file = File::open(trained.folder.path().join("out.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let names: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
    assert_eq!(csv[0], names);
    let shown = |(_, field): (String, Field)| match field {
        Field::Str(text) => text,
        Field::Float(number) => number.to_string(),
        Field::Null => String::new(),
        other => panic!("{other:?}"),
    };
    let rows: Vec<Vec<String>> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().into_columns().into_iter().map(shown).collect())
        .collect();
    assert!(csv[1..] == rows);

    let lines = String::from_utf8(predicted(&trained, "out.jsonl", &["--top-k", "2"])).unwrap();
    for (line, row) in lines.lines().zip(&rows) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["path"], row[0]);
        assert_eq!(line["class"].as_str().unwrap_or_default(), row[1]);
        assert_eq!(line["top"][1]["class"].as_str().unwrap_or_default(), row[3]);
        assert_eq!(line["error"].as_str().unwrap_or_default(), row[5]);
    }
    assert_eq!(lines.lines().count(), PICTURES);
    let refused = trained.run("predict", &["--format", "parquet", "many"]);
    refused.failure(2, &["--format parquet", "--output"]);
}

/// The fields of comma-separated values, with the names of the columns as the first row.
fn fields(content: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(content);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_list_on_standard_input_may_have_any_names_and_comes_after_the_paths() {
    let trained = Trained::new();
    let good = &files(&trained.pictures.data.join("cats"))[0];
    let odd = trained.folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xff\n,.jpg"));
    symlink(good, &odd).unwrap();
    let list = trained.folder.path().join("list");
    fs::write(&list, [odd.as_os_str().as_bytes(), b"\0gone.jpg\0"].concat()).unwrap();
    let model = trained.model.to_str().unwrap();
    let flags = ["predict", "--model", model, "--format", "jsonl", "--null", "--files-from"];
    let run = |place: &str, first: &str| {
        let arguments = flags.iter().copied().chain([place, first]);
        let input = File::open(&list).unwrap();
        Process::reading("howdah-driver", arguments, trained.folder.path(), input).wait()
    };
    let from_stdin = run("-", good.to_str().unwrap()).failure(1, &["1 of 3 pictures", "gone.jpg"]);
    let lines: Vec<serde_json::Value> =
        from_stdin.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[2]["path"].as_str()), (3, Some("gone.jpg")));
    assert_eq!(lines[0]["probabilities"], lines[1]["probabilities"]);
    let url = lines[1]["path"].as_str().unwrap();
    assert!(url.starts_with("file:///") && url.ends_with("odd%FF%0A,.jpg"), "{url}");
    assert_eq!(run("list", good.to_str().unwrap()).stdout, from_stdin.stdout);
    // The URL is a name of the picture.
    assert!(run("-", url).stdout.starts_with(from_stdin.stdout.lines().nth(1).unwrap()));
}

#[test]
fn ctrl_c_leaves_neither_a_file_nor_a_process() {
    let trained = Trained::new();
    let folder = trained.folder.path().join("out");
    fs::create_dir(&folder).unwrap();
    let good = &files(&trained.pictures.data.join("cats"))[0];
    for place in [&[][..], &["--executors", "1"]] {
        let model = trained.model.to_str().unwrap();
        let flags = ["predict", "--model", model, "--output", "out/all.csv", "--files-from", "-"];
        let arguments = flags.iter().chain(place);
        let mut process = Process::reading("howdah-driver", arguments, trained.folder.path(), Stdio::piped());
        process.write(&format!("{}\n", good.display()));
        look_until("the file in its making", || {
            files(&folder)
                .first()
                .is_some_and(|file| file.extension().is_some_and(|end| end == "part"))
                .then_some(())
        });
        let family = process.family().clone();
        if !place.is_empty() {
            look_until("an executor", || family.with_argument("executor-1").first().copied());
        }
        process.send(Signal::INT);
        process.wait().failure(130, &["interrupted"]);
        family.wait_until_gone();
        assert!(files(&folder).is_empty(), "{:?}", files(&folder));
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let trained = Trained::new();
    // More than fits into a pipe.
    let list: String = (0..PICTURES).map(|_| format!("{}\n", "gone/".repeat(40))).collect();
    fs::write(trained.folder.path().join("list"), list).unwrap();
    for place in [&[][..], &["--executors", "1"]] {
        let model = trained.model.to_str().unwrap();
        let mut command = Command::new(binary("howdah-driver"));
        command.args(["predict", "--model", model, "--format", "csv", "--files-from", "list"]).args(place);
        command.current_dir(trained.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "path,class,probability,error\n");
        drop(output);
        let status = look_until("its end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{place:?}");
    }
}

#[test]
fn pictures_in_shards_are_classified_in_their_order_without_labels() {
    let trained = Trained::new();
    let cats = files(&trained.pictures.data.join("cats"));
    let shard = trained.folder.path().join("shard-0.tar");
    let mut builder = tar::Builder::new(File::create(&shard).unwrap());
    for (name, file) in [("z.jpg", &cats[0]), ("a.jpg", &cats[1])] {
        builder.append_path_with_name(file, name).unwrap();
    }
    builder.finish().unwrap();
    let columns = |ended: Ended| fields(ended.success().stdout.as_bytes());
    let plain: Vec<&str> = cats[..2].iter().map(|file| file.to_str().unwrap()).collect();
    let expected = columns(trained.run("predict", &[&["--format", "csv"], &plain[..]].concat()));
    for place in [&["--format", "csv"][..], &["--format", "csv", "--executors", "1"]] {
        let rows = columns(trained.run("predict", &[place, &["shard-*.tar"]].concat()));
        assert_eq!((rows[1][0].as_str(), rows[2][0].as_str()), ("shard-0.tar/z.jpg", "shard-0.tar/a.jpg"));
        assert_eq!(
            rows.iter().map(|row| &row[1..]).collect::<Vec<_>>(),
            expected.iter().map(|row| &row[1..]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn executors_that_see_no_picture_get_them_and_evaluate_says_the_same_anywhere() {
    let trained = Trained::new();
    let cluster = Cluster::start();
    let _executors = [cluster.executor("one"), cluster.executor("two")];
    // Each process has a folder of its own behind this name.
    symlink(&trained.pictures.data, trained.folder.path().join("pictures")).unwrap();
    let hidden = Path::new("/proc/self/cwd/pictures");
    let on = |command: &str, flags: &[&str], place: &[&str]| trained.run(command, &[flags, place].concat());
    let driver = ["--driver", cluster.url()];
    let predict = ["--format", "csv", hidden.to_str().unwrap(), "gone.jpg"];
    let here = on("predict", &predict, &[]).failure(1, &["1 of 61"]);
    assert_eq!(here.stdout.lines().count(), 62);
    assert_eq!(on("predict", &predict, &driver).failure(1, &["1 of 61"]).stdout, here.stdout);

    let evaluate = ["--data", trained.pictures.data.to_str().unwrap()];
    let here = on("evaluate", &evaluate, &[]).success();
    assert_eq!(on("evaluate", &evaluate, &driver).success().stdout, here.stdout);
    assert_eq!(on("evaluate", &evaluate, &["--executors", "2"]).success().stdout, here.stdout);
}
