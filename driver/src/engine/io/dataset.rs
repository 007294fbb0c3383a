use std::{fs, io, path::PathBuf};

use howdah_executor::vision::synthetic;
use howdah_proto::settings::{DataSettings, TrainSettings};

use crate::dataset::{self, Dataset};

/// Lists the pictures of a job, drawing them first if they are synthetic.
pub(super) fn list(settings: &TrainSettings, root: PathBuf) -> Result<Dataset, String> {
    if let DataSettings::Synthetic { pictures } = settings.data {
        // An earlier driver may have drawn a larger set there.
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("can't empty {}: {error}", root.display()));
            }
            _ => {}
        }
        synthetic::write_set(&root, pictures, settings.seed, |_| {}).map_err(|error| error.to_string())?;
    }
    dataset::list_for(&settings.data, &root).map_err(|error| error.to_string())
}
