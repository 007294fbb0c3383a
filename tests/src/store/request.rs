use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
    ops::Range,
};

/// A request, as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Decoded, without the `/` at its beginning.
    pub(super) path: String,
    /// Decoded.
    pub(super) query: BTreeMap<String, String>,
    /// By their names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What is sent back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// Reads a request; none when the client has gone.
pub(super) fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = query.map(|(name, value)| (decoded(name), decoded(value))).collect();
    let path = decoded(path.trim_start_matches('/'));
    let mut headers = BTreeMap::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    (body.len() as u64 == length).then_some(Request { method, path, query, headers, body })
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(*first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Request {
    /// The part that is asked for of a content of so many bytes.
    pub(super) fn range(&self, bytes: usize) -> Option<Range<usize>> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = |last: &str| last.parse::<usize>().map_or(bytes, |last| bytes.min(last + 1));
        match first.parse() {
            Ok(first) => Some(first..end(last)),
            Err(_) => Some(bytes.saturating_sub(last.parse().ok()?)..bytes),
        }
    }
}

impl Answer {
    pub(super) fn status(status: &'static str) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status("200 OK") }
    }

    pub(super) fn with(mut self, header: String) -> Self {
        self.headers.push(header);
        self
    }

    /// A content, or the part of it that is asked for.
    pub(super) fn content(request: &Request, content: Vec<u8>) -> Self {
        match request.range(content.len()) {
            Some(range) if range.start < range.end => {
                let (last, all) = (range.end - 1, content.len());
                let header = format!("Content-Range: bytes {}-{last}/{all}", range.start);
                Self { body: content[range].to_vec(), ..Self::status("206 Partial Content") }.with(header)
            }
            Some(_) => Self::status("416 Range Not Satisfiable"),
            None => Self::ok(content),
        }
    }

    /// As it is sent; to a request for the head alone, without the body.
    pub(super) fn bytes(&self, head: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for header in &self.headers {
            text += &format!("{header}\r\n");
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        if !head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
