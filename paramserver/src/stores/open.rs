use std::{path::Path as FilePath, sync::Arc};

use object_store::{
    ObjectStore, ObjectStoreScheme, local::LocalFileSystem, parse_url_opts, path::Path as ObjectPath,
};
use url::Url;

/// What the names of environment variables that say something about a store begin with: others are none of its business,
/// though they be called `TOKEN` or `ENDPOINT`.
const PREFIXES: [&str; 4] = ["aws_", "azure_", "google_", "identity_"];
/// How long one request may take: a shard of a prepared set goes over a line of 5 Mbit/s. It is tried again, up to ten
/// times and for three minutes in all.
const REQUEST_TIMEOUT: &str = "60 seconds";

/// Opens the store of a URL; credentials come from the environment. Gives the path in it, too.
///
/// # Errors
/// What is wrong with the URL, or which feature a build needs to reach it.
pub fn open_url(url: &Url) -> Result<(Arc<dyn ObjectStore>, ObjectPath), String> {
    let (scheme, _) = ObjectStoreScheme::parse(url).map_err(|error| error.to_string())?;
    if let Some((feature, false)) = feature_of(&scheme) {
        return Err(unreached(url, feature));
    }
    if scheme == ObjectStoreScheme::Http && url.query().is_some() {
        return Err("what follows the ? in a URL can't be sent to a server".to_owned());
    }
    choose_tls();
    let options = options(url, std::env::vars_os().filter_map(text));
    let (store, path) = parse_url_opts(url, options).map_err(|error| error.to_string())?;
    Ok((Arc::from(store), path))
}

fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

/// What a store is told: what the environment says of it, and how long to wait.
fn options(url: &Url, environment: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = environment
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    // Whoever writes http:// has chosen it.
    let is_plain =
        |(name, value): &(String, String)| name.contains("endpoint") && value.starts_with("http://");
    if url.scheme() == "http" || options.iter().any(is_plain) {
        options.push(("allow_http".to_owned(), "true".to_owned()));
    }
    options.push(("timeout".to_owned(), REQUEST_TIMEOUT.to_owned()));
    options
}

/// Chooses the implementation of TLS, once for the process.
fn choose_tls() {
    #[cfg(feature = "tls")]
    {
        // It fails if one was chosen before, which is as good.
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The feature that a build needs to reach stores of this kind, and whether this one has it.
fn feature_of(scheme: &ObjectStoreScheme) -> Option<(&'static str, bool)> {
    match scheme {
        ObjectStoreScheme::AmazonS3 => Some(("aws", cfg!(feature = "aws"))),
        ObjectStoreScheme::GoogleCloudStorage => Some(("gcp", cfg!(feature = "gcp"))),
        ObjectStoreScheme::MicrosoftAzure => Some(("azure", cfg!(feature = "azure"))),
        ObjectStoreScheme::Http => Some(("http", cfg!(feature = "http"))),
        _ => None,
    }
}

fn unreached(url: &Url, feature: &str) -> String {
    format!("this build reaches no {} URL: build it with --features {feature}", url.scheme())
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

    fn names(url: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = options(&Url::parse(url).unwrap(), environment);
        options.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_store_that_this_build_does_not_reach_is_refused_with_the_feature_that_does() {
        let urls = [
            ("s3://bucket/set", "aws"),
            ("gs://bucket/set", "gcp"),
            ("az://container/set", "azure"),
            ("https://host/set.tar", "http"),
        ];
        for (url, feature) in urls {
            let url = Url::parse(url).unwrap();
            let (scheme, _) = ObjectStoreScheme::parse(&url).unwrap();
            let (needed, is_built) = feature_of(&scheme).unwrap();
            assert_eq!(needed, feature);
            let error = unreached(&url, needed);
            assert!(error.ends_with(&format!("--features {feature}")), "{error}");
            assert!(is_built || open_url(&url).err() == Some(error));
        }
        assert!(open_folder("ftp://host/set").is_err());
    }

    #[test]
    fn only_variables_of_stores_are_heeded_and_plain_http_only_if_it_is_written() {
        let timeout = format!("timeout={REQUEST_TIMEOUT}");
        let others = [("TOKEN", "a"), ("ENDPOINT", "http://a"), ("BUCKET", "b"), ("AWS_REGION", "eu")];
        assert_eq!(names("s3://bucket/set", &others), ["aws_region=eu", &timeout]);
        let local = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")];
        let expected = ["aws_endpoint_url=http://127.0.0.1:9000", "allow_http=true", &timeout];
        assert_eq!(names("s3://bucket/set", &local), expected);
        assert_eq!(names("http://host/set.tar", &[]), ["allow_http=true", &timeout]);
        assert_eq!(names("https://host/set.tar", &[]), [timeout]);
    }

    #[test]
    #[cfg(feature = "http")]
    fn what_a_server_could_not_be_told_is_refused() {
        let error = open_folder("https://host/set.tar?signature=1").unwrap_err();
        assert!(error.contains('?'), "{error}");
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
