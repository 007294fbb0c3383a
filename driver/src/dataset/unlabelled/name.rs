use std::path::Path;

use url::Url;

/// Says a path so that it can be told from every other: as it is, or as a `file://` URL, whose bytes are encoded, if it
/// is not UTF-8.
pub fn shown_name(path: &Path) -> String {
    if let Some(text) = path.to_str() {
        return text.to_owned();
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match Url::from_file_path(absolute) {
        Ok(url) => url.to_string(),
        Err(()) => path.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_a_url_that_leads_back_to_it() {
        assert_eq!(shown_name(Path::new("a%FF.jpg")), "a%FF.jpg");
        let odd = Path::new(OsStr::from_bytes(b"/pictures/50%\xff\xfe.jpg"));
        let shown = shown_name(odd);
        assert_eq!(shown, "file:///pictures/50%25%FF%FE.jpg");
        assert_eq!(Url::parse(&shown).unwrap().to_file_path().unwrap(), odd);
    }
}
