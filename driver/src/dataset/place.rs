use std::{fs, path::Path, sync::Arc};

use howdah_executor::source::{Library, ObjectRef, ReadError};

use super::DatasetError;

/// How many names a pattern may stand for.
const MAX_NAMES: usize = 100_000;
/// Where the shards of a data set often are, below its folder.
const SHARDS_FOLDER: &str = "data";

/// What is at a place.
#[derive(Debug)]
pub(super) enum Content {
    /// A folder: the locations of the files right in it, and in its folder `data`; and how many folders are in it.
    Folder {
        /// In the order of their names.
        files: Vec<String>,
        /// Folders that aren't hidden.
        folders: usize,
    },
    /// Files or objects.
    Objects(Vec<Arc<ObjectRef>>),
}

/// Finds what is at a path, a URL, or a pattern of several with `{a,b}`, `{000..017}`, `*` and `?`.
pub(super) fn find(place: &str, library: &mut Library) -> Result<Content, DatasetError> {
    let is_url = place.contains("://");
    if !is_url && fs::symlink_metadata(place).is_ok() || is_url && !is_pattern(place) {
        return find_one(place, is_url, library);
    }
    let mut objects = Vec::new();
    for pattern in expanded(place)? {
        if pattern.contains(['*', '?']) {
            for location in matching(&pattern, is_url, library)? {
                objects.push(library.look_up(&location)?);
            }
        } else {
            objects.push(library.look_up(&pattern)?);
        }
    }
    if objects.is_empty() {
        return Err(wrong(place, "nothing is called like this"));
    }
    Ok(Content::Objects(objects))
}

fn wrong(place: &str, reason: impl Into<String>) -> DatasetError {
    DatasetError::Place { place: place.to_owned(), reason: reason.into() }
}

pub(super) fn is_pattern(place: &str) -> bool {
    place.contains(['{', '*', '?'])
}

fn find_one(place: &str, is_url: bool, library: &mut Library) -> Result<Content, DatasetError> {
    if !is_url {
        if Path::new(place).is_dir() {
            let (mut files, folders) = names_in(place)?;
            let shards = Path::new(place).join(SHARDS_FOLDER);
            if shards.is_dir() {
                files.extend(names_in(&shards.to_string_lossy())?.0);
            }
            return Ok(Content::Folder { files, folders });
        }
        return Ok(Content::Objects(vec![library.look_up(place)?]));
    }
    let absent = match library.look_up(place) {
        Ok(object) if !place.ends_with('/') => return Ok(Content::Objects(vec![object])),
        Ok(_) => None,
        Err(error @ ReadError::Unanswered { .. }) => return Err(error.into()),
        Err(error) => Some(error),
    };
    let (mut files, mut folders) = (Vec::new(), std::collections::BTreeSet::new());
    let listed = match (library.list(place), absent) {
        (Ok(listed), _) if !listed.is_empty() => listed,
        (_, Some(absent)) => return Err(absent.into()),
        (listed, None) => listed?,
    };
    for listed in listed {
        match listed.relative.split_once('/') {
            None => files.push(listed.object.location),
            Some((folder, rest)) => {
                if folder == SHARDS_FOLDER && !rest.contains('/') {
                    files.push(listed.object.location);
                }
                folders.insert(folder.to_owned());
            }
        }
    }
    if files.is_empty() && folders.is_empty() {
        return Err(wrong(place, "nothing is there"));
    }
    Ok(Content::Folder { files, folders: folders.len() })
}

/// The files in a folder and how many folders; what has a hidden name, or one that is not UTF-8, is no part of a set.
fn names_in(folder: &str) -> Result<(Vec<String>, usize), DatasetError> {
    let unreadable =
        |error: std::io::Error| DatasetError::Unreadable { folder: folder.into(), reason: error.to_string() };
    let (mut files, mut folders) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        match path.to_str() {
            Some(_) if hidden => {}
            Some(_) if path.is_dir() => folders += 1,
            Some(path) => files.push(path.to_owned()),
            None => {}
        }
    }
    files.sort_unstable();
    Ok((files, folders))
}

/// The locations that a pattern with `*` and `?` in its last part stands for, in the order of their names.
pub(super) fn matching(
    pattern: &str,
    is_url: bool,
    library: &mut Library,
) -> Result<Vec<String>, DatasetError> {
    let (folder, last) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    if folder.contains(['*', '?']) {
        return Err(wrong(pattern, "only the last part of a path may have * or ?"));
    }
    let locations = if is_url {
        let listed = library.list(&format!("{folder}/"))?;
        listed.into_iter().filter(|it| !it.relative.contains('/')).map(|it| it.object.location).collect()
    } else {
        names_in(folder)?.0
    };
    let name = |location: &str| location.rsplit('/').next().unwrap_or_default().to_owned();
    let found = locations.into_iter().filter(|location| matches(last, &name(location)));
    // What is named without a folder is found without one.
    let named = |location: String| if pattern.contains('/') { location } else { name(&location) };
    Ok(found.map(named).collect())
}

/// Whether a name is like a pattern with `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What a pattern with braces stands for, in its order: `{a,b}`, or `{008..011}` with zeros kept.
pub(super) fn expanded(pattern: &str) -> Result<Vec<String>, DatasetError> {
    let (mut open, mut done) = (vec![pattern.to_owned()], Vec::new());
    while let Some(text) = open.pop() {
        let Some(start) = text.find('{') else {
            done.push(text);
            continue;
        };
        let end = text[start..].find('}').map(|end| start + end);
        let end = end.ok_or_else(|| wrong(pattern, "a { has no }"))?;
        let inner = &text[start + 1..end];
        let choices = match inner.split_once("..") {
            Some((from, to)) => counted(pattern, from, to)?,
            None => inner.split(',').map(str::to_owned).collect(),
        };
        if open.len() + done.len() + choices.len() > MAX_NAMES {
            return Err(wrong(pattern, format!("it stands for more than {MAX_NAMES} names")));
        }
        let (before, after) = (&text[..start], &text[end + 1..]);
        open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
    }
    Ok(done)
}

fn counted(pattern: &str, from: &str, to: &str) -> Result<Vec<String>, DatasetError> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    let (Some(first), Some(last)) = (number(from), number(to)) else {
        return Err(wrong(pattern, format!("{{{from}..{to}}} counts no numbers")));
    };
    if last < first || last - first >= MAX_NAMES as u64 {
        return Err(wrong(pattern, format!("{{{from}..{to}}} stands for none, or more than {MAX_NAMES}")));
    }
    let width = from.len();
    Ok((first..=last).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_names_in_order() {
        let all = |pattern| expanded(pattern).unwrap();
        assert_eq!(all("/a/{08..11}.tar"), ["/a/08.tar", "/a/09.tar", "/a/10.tar", "/a/11.tar"]);
        assert_eq!(all("{a,b}{1..2}"), ["a1", "a2", "b1", "b2"]);
        assert_eq!(all("plain"), ["plain"]);
        for text in ["{", "{2..1}", "{a..b}", "{0..99999999}", "{0..9999}{0..9999}"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stars_and_question_marks_are_like_names() {
        for (pattern, name) in [("*.tar", "a.tar"), ("a*b*c", "a__b_bc"), ("?", "x"), ("*", ""), ("a", "a")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.tar", "a.tgz"), ("?", ""), ("a*b", "abc"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_finds_the_files_it_stands_for() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a-1.tar", "a-0.tar", "b.tar", ".a-2.tar"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let mut library = Library::new(None);
        let mut found =
            |pattern: &str| match find(&format!("{}/{pattern}", folder.path().display()), &mut library) {
                Ok(Content::Objects(objects)) => objects.iter().map(|object| object.bytes).sum::<u64>(),
                other => panic!("{other:?}"),
            };
        assert_eq!((found("a-*.tar"), found("a-{0..1}.tar"), found("{a-0,b}.tar")), (2, 2, 2));
        for (pattern, what) in [("c-*.tar", "nothing is called"), ("a-{0..2}.tar", "a-2.tar")] {
            let error = find(&format!("{}/{pattern}", folder.path().display()), &mut library).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
