use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use howdah_executor::{source::Library, vision::synthetic};
use howdah_proto::settings::{DataFormat, DataSettings, TrainSettings};
use tokio::runtime::Handle;

use crate::{
    dataset::{self, Dataset},
    engine::IoResult,
    prepared,
};

/// What drew a set; another version may draw otherwise.
const DRAWN_BY: &str = env!("CARGO_PKG_VERSION");

/// Lists the pictures of a job, or finds what was prepared of them. Those that are synthetic are drawn first: each set has
/// a folder of its own below `folder`, and is drawn once; `drawing` is held meanwhile.
pub(super) fn list(settings: &TrainSettings, folder: &Path, drawing: &Mutex<()>) -> IoResult {
    if let DataSettings::Folder { train, format: DataFormat::Auto | DataFormat::Prepared, .. } =
        &settings.data
    {
        let mut library = Library::new(Handle::try_current().ok());
        match prepared::find(train, &mut library) {
            Ok(Some(set)) => return IoResult::PreparedSet(Box::new(Ok(set))),
            Ok(None) => {}
            Err(error) => return IoResult::PreparedSet(Box::new(Err(error.to_string()))),
        }
    }
    IoResult::Dataset(list_pictures(settings, folder, drawing))
}

fn list_pictures(settings: &TrainSettings, folder: &Path, drawing: &Mutex<()>) -> Result<Dataset, String> {
    let mut root = folder.to_owned();
    if let DataSettings::Synthetic { pictures } = settings.data {
        let seed = settings.selection_seed();
        root.push(format!("{pictures}-{seed}"));
        // The lock guards no data: a set whose drawing was broken off has no mark.
        let _guard = drawing.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = root.join("complete");
        if fs::read(&mark).ok().as_deref() != Some(DRAWN_BY.as_bytes()) {
            empty(&root)?;
            synthetic::write_set(&root, pictures, seed, |_| {}).map_err(|error| error.to_string())?;
            fs::write(&mark, DRAWN_BY).map_err(|error| format!("can't write {}: {error}", mark.display()))?;
        }
    }
    dataset::list_for(&settings.data, &root).map_err(|error| error.to_string())
}

fn empty(root: &Path) -> Result<(), String> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("can't empty {}: {error}", root.display()))
        }
        _ => Ok(()),
    }
}
