use howdah_proto::SnapshotId;
use object_store::ObjectStoreScheme;
use url::Url;

use super::SnapshotError;

/// The name of the file that makes a snapshot whole.
pub const MANIFEST: &str = "manifest.json";

/// The folder of a run's snapshots, as a URL that ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(Url);

impl Location {
    /// Reads an absolute path, or a URL such as `s3://bucket/folder`.
    ///
    /// # Errors
    /// [`SnapshotError::Location`].
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        let unfit = |reason: String| SnapshotError::Location { location: text.to_owned(), reason };
        if !text.contains("://") {
            let url =
                Url::from_directory_path(text).map_err(|()| unfit("the path is relative".to_owned()))?;
            return Ok(Self(url));
        }
        let mut url = Url::parse(text).map_err(|error| unfit(error.to_string()))?;
        if matches!(ObjectStoreScheme::parse(&url), Ok((ObjectStoreScheme::Http, _))) {
            // Its protocol has no way to write an image in parts.
            return Err(unfit(
                "a web server can't keep snapshots: give a folder, or a URL of s3, gs or az".to_owned(),
            ));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// Gives the folder.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Gives the folder of one snapshot, without a `/` at its end.
    pub fn snapshot(&self, id: SnapshotId) -> String {
        format!("{}{}", self.0, folder(id))
    }
}

/// Whether two texts name the same place.
pub(crate) fn same_place(one: &str, other: &str) -> bool {
    Location::parse(one).is_ok_and(|one| Location::parse(other) == Ok(one))
}

/// The name of a snapshot's folder; names sort as ids do.
pub(crate) fn folder(id: SnapshotId) -> String {
    format!("snapshot-{:010}", id.0)
}

/// The id of a snapshot's folder; none if another program made it.
pub(crate) fn id_of(folder: &str) -> Option<SnapshotId> {
    let digits = folder.strip_prefix("snapshot-")?;
    let whole = digits.len() == 10 && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| whole).map(SnapshotId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_url_are_folders() {
        let path = Location::parse("/runs/my run/snapshots").unwrap();
        assert_eq!(path.snapshot(SnapshotId(7)), "file:///runs/my%20run/snapshots/snapshot-0000000007");
        let url = Location::parse("s3://bucket/run").unwrap();
        assert_eq!(url.snapshot(SnapshotId(1)), "s3://bucket/run/snapshot-0000000001");
        let error = Location::parse("https://host/run").unwrap_err().to_string();
        assert!(error.contains("can't keep snapshots"), "{error}");
        assert!(Location::parse("runs/x").unwrap_err().to_string().contains("the path is relative"));
    }

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        for same in ["/runs/my run/", "file:///runs/my%20run", "file:///runs/my run/"] {
            assert!(same_place("/runs/my run", same), "{same}");
        }
        for other in ["/runs/my run/below", "s3://runs/my run", "runs/my run"] {
            assert!(!same_place("/runs/my run", other), "{other}");
        }
    }

    #[test]
    fn only_folders_of_snapshots_have_an_id() {
        assert_eq!(id_of(&folder(SnapshotId(12))), Some(SnapshotId(12)));
        for other in ["snapshot-12", "snapshot-00000000+1", "logs", "snapshot-", "snapshot-00000000011"] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }
}
