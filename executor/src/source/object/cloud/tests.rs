use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use super::*;

/// A server that answers each request with these bytes, and says what was asked for; it closes the connection after
/// each answer, or holds it open in silence if there is nothing to say.
fn server(answer: &'static [u8]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a%20set/a.tar", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let _nobody_asks = asked.send(head.join("\n"));
            if answer.is_empty() {
                held.push(stream);
            } else if stream.write_all(answer).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

fn known(url: &str) -> ObjectRef {
    ObjectRef { location: url.to_owned(), bytes: 10, modified_unix_ns: 0, etag: None }
}

/// Reads three bytes from the middle of an object of ten.
async fn read(url: &str, deadline: Duration) -> Result<Bytes, ReadError> {
    let mut stores = Stores { deadline, ..Stores::default() };
    let remote = stores.open(url, Some(&Handle::current()))?;
    remote.read(&known(url), 4..7)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_an_object_is_asked_for_and_only_that_is_taken() {
    let answer =
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/10\r\n\r\nabc";
    let (url, requests) = server(answer);
    assert_eq!(read(&url, DEADLINE).await, Ok(Bytes::from_static(b"abc")));
    let asked = requests.recv().unwrap().to_lowercase();
    assert!(asked.starts_with("get /a%20set/a.tar") && asked.contains("range: bytes=4-6"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_length_has_changed() {
    let answer =
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/11\r\n\r\nabc";
    let (url, _requests) = server(answer);
    assert_eq!(read(&url, DEADLINE).await, Err(ReadError::Changed { location: url }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_no_is_told_from_one_that_is_silent_or_breaks_off() {
    let denied: [(&[u8], &str); 4] = [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it isn't there"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nbad", "access is denied"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "credentials are wanted"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", "Range request not supported"),
    ];
    for (answer, words) in denied {
        let (url, _requests) = server(answer);
        let error = read(&url, DEADLINE).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ReadError::Absent { .. }) && text.contains(words), "{error:?}");
        assert!(text.starts_with(&url), "{text}");
    }
    let unanswered: [&[u8]; 3] = [
        b"",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/10\r\n\r\na",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    ];
    for answer in unanswered {
        let (url, _requests) = server(answer);
        let error = read(&url, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, ReadError::Unanswered { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&url), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_asked_a_few_times() {
    // Its port is taken, and nobody listens.
    let gone = tokio::net::TcpSocket::new_v4().unwrap();
    gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/a.tar", gone.local_addr().unwrap());
    let error = read(&url, DEADLINE).await.unwrap_err();
    assert!(matches!(error, ReadError::Unanswered { .. }), "{error:?}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[test]
fn objects_of_a_store_share_its_connections() {
    let cases = [
        ("s3://bucket/a/b c", "a/b c", "s3://bucket"),
        ("https://host:1/a%20b/c", "a b/c", "https://host:1"),
        ("https://account.blob.core.windows.net/mine/a", "a", "https://account.blob.core.windows.net/mine"),
    ];
    for (url, path, expected) in cases {
        let url = Url::parse(url).unwrap();
        assert_eq!(root(&url, &Path::parse(path).unwrap()), expected);
    }
}
