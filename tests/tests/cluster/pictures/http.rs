//! Pictures and prepared sets are read from an HTTP server, which can do no more than give files and parts of them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use howdah_tests::{
    pictures::{Pictures, files},
    process::{Ended, Process},
};

/// Serves the files of a folder on a free port; gives its address.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, folder) = (stream.unwrap(), folder.clone());
            thread::spawn(move || while answer(&stream, &folder).is_some() {});
        }
    });
    format!("http://{address}")
}

/// Answers one request; none when the client has gone.
fn answer(stream: &TcpStream, folder: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut request = lines.first()?.split(' ');
    let (method, path) = (request.next()?, request.next()?.trim_start_matches('/'));
    let content = fs::read(folder.join(path)).ok().filter(|_| method == "HEAD" || method == "GET");
    let Some(content) = content else {
        let status =
            if method == "HEAD" || method == "GET" { "404 Not Found" } else { "405 Method Not Allowed" };
        return write!(&*stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok();
    };
    let range = lines.iter().find_map(|line| {
        let (first, last) =
            line.to_ascii_lowercase().strip_prefix("range: bytes=")?.split_once('-').map(|(a, b)| {
                (a.parse::<usize>().unwrap(), b.parse::<usize>().unwrap().min(content.len() - 1))
            })?;
        Some(first..last + 1)
    });
    let (status, body) = match &range {
        Some(range) => ("206 Partial Content", &content[range.clone()]),
        None => ("200 OK", &content[..]),
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    if let Some(range) = range {
        head += &format!("Content-Range: bytes {}-{}/{}\r\n", range.start, range.end - 1, content.len());
    }
    (&*stream).write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if method == "GET" {
        (&*stream).write_all(body).ok()?;
    }
    Some(())
}

fn driver(flags: &[&str], folder: &Path) -> Ended {
    Process::start("howdah-driver", flags, folder).wait()
}

/// The weights of a small synchronous training on what is at this place.
fn weights(data: &str, output: &str, folder: &Path) -> Vec<u8> {
    let small = ["--mode", "sync", "--epochs", "1", "--hidden", "8", "--executors", "1", "--output", output];
    driver(&[&["train", "--data", data], &small[..]].concat(), folder).success();
    let model = fs::read(folder.join(output).join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    model[8 + header..].to_vec()
}

#[test]
fn tar_files_and_prepared_sets_on_an_http_server_train_the_weights_of_those_here() {
    let pictures = Pictures::draw(60);
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(fs::File::create(folder.path().join("set.tar")).unwrap());
    for class in ["cats", "dogs"] {
        for file in files(&pictures.data.join(class)) {
            let name = format!("{class}/{}", file.file_name().unwrap().to_str().unwrap());
            tar.append_path_with_name(&file, name).unwrap();
        }
    }
    tar.finish().unwrap();
    let url = serve(folder.path().to_owned());
    let expected = weights("set.tar", "from-file", folder.path());
    assert!(weights(&format!("{url}/set.tar"), "from-http", folder.path()) == expected);
    let prepare = ["prepare", "--data", "set.tar", "--out", "set", "--partitions", "4", "--executors", "1"];
    driver(&prepare, folder.path()).success();
    for place in [format!("{url}/set"), format!("{url}/set/manifest.json")] {
        let output = format!("from-set-{}", place.len());
        assert!(weights(&place, &output, folder.path()) == expected, "{place}");
    }
    let nowhere = format!("{url}/nowhere.tar");
    driver(&["train", "--data", &nowhere, "--output", "none"], folder.path())
        .failure(1, &["nowhere.tar can't be read"]);
}
