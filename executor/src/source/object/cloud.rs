use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use howdah_paramserver::stores::{Refusal, open_url};
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme, path::Path};
use tokio::runtime::Handle;
use url::Url;

use super::{ObjectRef, ReadError};
use crate::source::modified_unix_ns;

/// How long a store may take for one answer: less than executors wait for the driver, so that it can tell them which.
const DEADLINE: Duration = Duration::from_secs(100);

/// Whether a location is a URL, and no path.
pub fn is_url(location: &str) -> bool {
    location.contains("://")
}

/// The object stores that were asked so far, each with its connections.
#[derive(Debug)]
pub struct Stores {
    open: HashMap<String, Arc<dyn ObjectStore>>,
    deadline: Duration,
}

impl Default for Stores {
    fn default() -> Self {
        Self { open: HashMap::new(), deadline: DEADLINE }
    }
}

/// An object in a store.
#[derive(Debug)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    path: Path,
    runtime: Handle,
    deadline: Duration,
}

/// What is below a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The object.
    pub object: ObjectRef,
    /// Its path below the URL.
    pub relative: String,
}

impl Stores {
    pub(super) fn open(&mut self, location: &str, runtime: Option<&Handle>) -> Result<Remote, ReadError> {
        let absent = |reason: String| ReadError::Absent { location: location.to_owned(), reason };
        let url = Url::parse(location).map_err(|error| absent(error.to_string()))?;
        let runtime = runtime.ok_or_else(|| absent("no object store can be asked from here".to_owned()))?;
        let (_, path) = ObjectStoreScheme::parse(&url).map_err(|error| absent(error.to_string()))?;
        let root = root(&url, &path);
        let store = match self.open.get(&root) {
            Some(store) => store.clone(),
            None => open_url(&url).map_err(absent)?.0,
        };
        self.open.insert(root, store.clone());
        Ok(Remote { store, path, runtime: runtime.clone(), deadline: self.deadline })
    }

    /// Lists the objects below a URL, in the order of their names.
    ///
    /// # Errors
    /// [`ReadError::Absent`] or [`ReadError::Unanswered`].
    pub fn list(&mut self, location: &str, runtime: Option<&Handle>) -> Result<Vec<Listed>, ReadError> {
        let remote = self.open(location, runtime)?;
        let metas: Vec<ObjectMeta> =
            remote.ask(location, async { remote.store.list(Some(&remote.path)).try_collect().await })?;
        let base = location.trim_end_matches('/');
        let relative = |meta: &ObjectMeta| {
            let parts = meta.location.prefix_match(&remote.path)?;
            Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        let mut listed: Vec<Listed> = metas
            .iter()
            .filter_map(|meta| {
                let relative = relative(meta).filter(|name| !name.is_empty())?;
                Some(Listed { object: object_of(format!("{base}/{}", encoded(&relative)), meta), relative })
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
        Ok(listed)
    }
}

impl Remote {
    pub(super) fn look_up(&self, location: &str) -> Result<ObjectRef, ReadError> {
        let meta = self.ask(location, self.store.head(&self.path))?;
        Ok(object_of(location.to_owned(), &meta))
    }

    /// Reads a range of the object, if it is still what it was.
    pub(super) fn read(&self, known: &ObjectRef, range: Range<u64>) -> Result<Bytes, ReadError> {
        let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
        let read = async {
            let found = self.store.get_opts(&self.path, options).await?;
            let (meta, given) = (found.meta.clone(), found.range.clone());
            if meta.size != known.bytes || meta.e_tag != known.etag || given != range {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        };
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        self.ask(&known.location, read)?
            .filter(|bytes| bytes.len() == wanted)
            .ok_or_else(|| ReadError::Changed { location: known.location.clone() })
    }

    fn ask<T>(
        &self,
        location: &str,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, ReadError> {
        let absent = |reason: String| ReadError::Absent { location: location.to_owned(), reason };
        let unanswered = |reason: String| ReadError::Unanswered { location: location.to_owned(), reason };
        let answer = async { tokio::time::timeout(self.deadline, answer).await };
        match tokio::task::block_in_place(|| self.runtime.block_on(answer)) {
            Ok(answer) => answer.map_err(|error| match Refusal::of(&error) {
                Refusal::Denied(reason) => absent(reason),
                Refusal::Unanswered(reason) => unanswered(reason),
            }),
            Err(_) => Err(unanswered(format!("no answer within {} s", self.deadline.as_secs_f64()))),
        }
    }
}

/// What comes before the path in a store: its server, and what else tells it from others.
fn root(url: &Url, path: &Path) -> String {
    let parts: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
    let before = parts.len().saturating_sub(path.parts().count());
    [&[&url[..url::Position::BeforePath]], &parts[..before]].concat().join("/")
}

/// A name as it is written in a URL: what would end its path there is encoded.
fn encoded(name: &str) -> String {
    name.replace('%', "%25").replace('#', "%23").replace('?', "%3F")
}

fn object_of(location: String, meta: &ObjectMeta) -> ObjectRef {
    ObjectRef {
        location,
        bytes: meta.size,
        modified_unix_ns: modified_unix_ns(meta.last_modified.into()),
        etag: meta.e_tag.clone(),
    }
}

#[cfg(test)]
mod tests;
