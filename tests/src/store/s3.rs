use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{Answer, Request, State, locked};

/// The key that requests must be signed with.
pub(super) const KEY: &str = "AKEY";
/// How many objects are listed at once: few, so that there are several pages.
const PAGE: usize = 7;

/// The parts of objects that are not whole yet, by the id of the upload.
pub(super) type Uploads = BTreeMap<String, BTreeMap<u32, Vec<u8>>>;

pub(super) fn answer(state: &State, request: &Request) -> Answer {
    let signed = request.headers.get("authorization");
    if !signed.is_some_and(|text| text.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))) {
        return Answer {
            body: b"<Error><Code>AccessDenied</Code></Error>".to_vec(),
            ..Answer::status("403 Forbidden")
        };
    }
    let asked = |name: &str| request.query.get(name).map(String::as_str);
    let (bucket, key) = request.path.split_once('/').unwrap_or((&request.path, ""));
    let bucket = state.folder.join(bucket);
    if !bucket.is_dir() {
        return Answer::status("404 Not Found");
    }
    let file = bucket.join(key);
    match request.method.as_str() {
        "GET" if asked("list-type") == Some("2") => list(&bucket, request),
        "GET" | "HEAD" => match fs::read(&file) {
            Ok(content) => Answer::content(request, content)
                .with(format!("ETag: {}", etag(&file)))
                .with("Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
            Err(_) => Answer::status("404 Not Found"),
        },
        "POST" if asked("uploads").is_some() => {
            let mut uploads = locked(&state.uploads);
            let id = format!("upload-{}", uploads.len());
            uploads.insert(id.clone(), BTreeMap::new());
            let id = format!("<UploadId>{id}</UploadId>");
            Answer::ok(format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>"))
        }
        "PUT" => match (asked("uploadId"), asked("partNumber").and_then(|number| number.parse().ok())) {
            (Some(id), Some(number)) => {
                let mut uploads = locked(&state.uploads);
                let Some(parts) = uploads.get_mut(id) else { return Answer::status("404 Not Found") };
                parts.insert(number, request.body.clone());
                Answer::ok("").with(format!("ETag: \"{number}\""))
            }
            _ => written(&file, &request.body),
        },
        "POST" if asked("delete").is_some() => delete(&bucket, &request.body),
        "POST" => {
            let upload = asked("uploadId").and_then(|id| locked(&state.uploads).remove(id));
            let Some(parts) = upload else { return Answer::status("404 Not Found") };
            written(&file, &parts.into_values().flatten().collect::<Vec<u8>>())
        }
        "DELETE" => {
            // Of an object, or of an upload that broke off; either is fine if it isn't there.
            match asked("uploadId") {
                Some(id) => drop(locked(&state.uploads).remove(id)),
                None => drop(fs::remove_file(&file)),
            }
            Answer::status("204 No Content")
        }
        _ => Answer::status("405 Method Not Allowed"),
    }
}

fn etag(file: &Path) -> String {
    let metadata = fs::metadata(file).expect("a file that was read");
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    format!("\"{:x}-{:x}\"", metadata.len(), modified.unwrap_or_default().as_nanos())
}

fn written(file: &Path, content: &[u8]) -> Answer {
    fs::create_dir_all(file.parent().expect("an object is in a bucket")).expect("a folder");
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, content).expect("room for an object");
    fs::rename(&unfinished, file).expect("an object");
    let etag = etag(file);
    let body = format!(
        "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
        etag.replace('"', "&quot;")
    );
    Answer::ok(body).with(format!("ETag: {etag}"))
}

fn list(bucket: &Path, request: &Request) -> Answer {
    let asked = |name: &str| request.query.get(name).map_or("", String::as_str);
    let (prefix, after) = (asked("prefix"), asked("continuation-token").max(asked("start-after")));
    let mut keys = Vec::new();
    walk(bucket, "", &mut keys);
    keys.retain(|key| key.starts_with(prefix) && key.as_str() > after);
    keys.sort_unstable();
    let more = keys.len() > PAGE;
    keys.truncate(PAGE);
    let (mut body, mut folders) = (String::new(), BTreeSet::new());
    for key in &keys {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if asked("delimiter") == "/" => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            _ => {
                let (file, shown) = (bucket.join(key), key.replace('&', "&amp;").replace('<', "&lt;"));
                let bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
                body += &format!(
                    "<Contents><Key>{shown}</Key><Size>{bytes}</Size><ETag>{}</ETag>\
                     <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>",
                    etag(&file).replace('"', "&quot;")
                );
            }
        }
    }
    for folder in folders {
        body += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
    }
    if let Some(last) = keys.last().filter(|_| more) {
        body += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    Answer::ok(format!("<ListBucketResult>{body}</ListBucketResult>"))
}

fn walk(bucket: &Path, below: &str, keys: &mut Vec<String>) {
    for entry in fs::read_dir(bucket.join(below)).into_iter().flatten().flatten() {
        let key = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(bucket, &format!("{key}/"), keys);
        } else if !key.ends_with(".unfinished") {
            keys.push(key);
        }
    }
}

fn delete(bucket: &Path, body: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(body);
    let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
    let mut result = String::new();
    for key in keys {
        // What isn't there counts as removed.
        let _gone = fs::remove_file(bucket.join(key));
        result += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    Answer::ok(format!("<DeleteResult>{result}</DeleteResult>"))
}
