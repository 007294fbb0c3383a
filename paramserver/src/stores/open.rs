use std::{path::Path as FilePath, sync::Arc};

use object_store::{
    ObjectStore, ObjectStoreScheme, local::LocalFileSystem, parse_url_opts, path::Path as ObjectPath,
};
use url::Url;

/// Opens the store of a URL; credentials come from the environment. Gives the path in it, too.
///
/// # Errors
/// What is wrong with the URL, or which feature a build needs to reach it.
pub fn open_url(url: &Url) -> Result<(Arc<dyn ObjectStore>, ObjectPath), String> {
    let (scheme, _) = ObjectStoreScheme::parse(url).map_err(|error| error.to_string())?;
    if let Some(feature) = missing_feature(&scheme) {
        return Err(format!(
            "this build reaches no {} URL: build it with --features {feature}",
            url.scheme()
        ));
    }
    let environment = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
    // Whoever writes http:// has chosen it.
    let plain = (url.scheme() == "http").then(|| ("allow_http".to_owned(), "true".to_owned()));
    let (store, path) = parse_url_opts(url, environment.chain(plain)).map_err(|error| error.to_string())?;
    Ok((Arc::from(store), path))
}

/// The feature that a build lacks to reach stores of this kind.
fn missing_feature(scheme: &ObjectStoreScheme) -> Option<&'static str> {
    let (feature, is_built) = match scheme {
        ObjectStoreScheme::AmazonS3 => ("aws", cfg!(feature = "aws")),
        ObjectStoreScheme::GoogleCloudStorage => ("gcp", cfg!(feature = "gcp")),
        ObjectStoreScheme::MicrosoftAzure => ("azure", cfg!(feature = "azure")),
        ObjectStoreScheme::Http => ("http", cfg!(feature = "http")),
        _ => return None,
    };
    (!is_built).then_some(feature)
}

/// Opens a folder to write to: an absolute path, which is made if it isn't there, or a URL. Gives the path in its
/// store, too.
///
/// # Errors
/// What is wrong with it.
pub fn open_folder(location: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath), String> {
    let local = if location.starts_with('/') {
        FilePath::new(location).to_owned()
    } else {
        let url = Url::parse(location).map_err(|error| error.to_string())?;
        if url.scheme() != "file" {
            return open_url(&url);
        }
        url.to_file_path().map_err(|()| "it is no absolute path".to_owned())?
    };
    std::fs::create_dir_all(&local).map_err(|error| error.to_string())?;
    let store = LocalFileSystem::new_with_prefix(&local).map_err(|error| error.to_string())?;
    // A file counts as written when it would outlive a loss of power.
    Ok((Arc::new(store.with_fsync(true)), ObjectPath::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(any(feature = "aws", feature = "azure", feature = "gcp", feature = "http")))]
    fn a_store_that_this_build_does_not_reach_is_refused_with_the_feature_that_does() {
        let urls = [
            ("s3://bucket/set", "aws"),
            ("gs://bucket/set", "gcp"),
            ("az://container/set", "azure"),
            ("https://host/set.tar", "http"),
        ];
        for (url, feature) in urls {
            let error = open_folder(url).unwrap_err();
            assert!(error.ends_with(&format!("--features {feature}")), "{error}");
        }
        assert!(open_folder("ftp://host/set").is_err());
    }

    #[test]
    fn a_folder_is_made_and_a_relative_path_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new one");
        assert!(open_folder(path.to_str().unwrap()).is_ok() && path.is_dir());
        let url = Url::from_directory_path(folder.path().join("other one")).unwrap();
        assert!(open_folder(url.as_str()).is_ok() && folder.path().join("other one").is_dir());
        assert!(open_folder("new").is_err());
    }
}
