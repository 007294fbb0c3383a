use std::{collections::BTreeMap, fs, path::Path};

use howdah_executor::source::Library;
use howdah_proto::settings::DataFormat;

use crate::dataset::{DatasetError, listing::Listed};

/// Lists what is at a place, whatever it is.
pub(super) fn list_at(place: &str) -> Result<Listed, DatasetError> {
    super::list(place.as_ref(), DataFormat::Auto, &BTreeMap::new(), &mut Library::new(None))
}

/// The names of pictures with those of their classes.
pub(super) fn labels(listed: &Listed) -> Vec<(&str, &str)> {
    let class = |label: u32| listed.names[label as usize].as_str();
    listed.found.iter().map(|found| (found.file.relative.as_str(), class(found.file.label))).collect()
}

/// Writes a tar file with these members, whose names aren't checked.
pub(in crate::dataset) fn tar_file(at: &Path, members: &[(&str, &[u8])]) -> String {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    fs::write(at, builder.into_inner().unwrap()).unwrap();
    at.to_str().unwrap().to_owned()
}
