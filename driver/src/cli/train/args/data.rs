use std::{collections::BTreeMap, path::PathBuf};

use howdah_proto::settings::{DataSettings, Pipeline};

use super::{PipelineArgs, recipe::Recipe};
use crate::{cli::CliError, dataset::parse_mapping};

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct DataArgs {
    /// The training pictures: a folder for each class. Without it, synthetic cats and dogs are drawn.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The held-out pictures, in the same form.
    #[arg(long, value_name = "DIR", requires = "data", conflicts_with = "test_fraction")]
    test: Option<PathBuf>,
    /// Without --test: the fraction of the pictures to hold out, chosen by a hash of their paths.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    test_fraction: f64,
    /// Which folders make up which class: class=folder,folder. Other folders are left out.
    #[arg(long, value_name = "CLASS=FOLDER,..", num_args = 1.., requires = "data")]
    classes: Vec<String>,
    /// Without --data: how many synthetic pictures to draw, a fifth of them held out.
    #[arg(long, value_name = "PICTURES", default_value_t = 4000, conflicts_with = "data")]
    synthetic: u32,
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// How many pictures that can't be used are left out before the job fails.
    #[arg(long, value_name = "PICTURES", default_value_t = 100)]
    pub(super) max_bad_pictures: u64,
}

impl DataArgs {
    pub(super) fn settings(&self) -> Result<DataSettings, CliError> {
        let Some(train) = &self.data else { return Ok(DataSettings::Synthetic { pictures: self.synthetic }) };
        let mut classes = BTreeMap::new();
        for text in &self.classes {
            let (class, folders) = parse_mapping(text)?;
            if classes.insert(class.clone(), folders).is_some() {
                return Err(CliError::Flag {
                    flag: "--classes".to_owned(),
                    reason: format!("the class `{class}` is there twice"),
                });
            }
        }
        // A path that is here is made independent of this command's folder; one that isn't may be on the driver.
        let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Ok(DataSettings::Folder {
            train: absolute(train),
            test: self.test.as_ref().map(absolute),
            test_fraction: self.test_fraction,
            classes,
        })
    }

    /// The defaults of the flags about learning that go with the pipeline.
    pub(super) fn recipe(&self) -> &'static Recipe {
        self.pipeline.recipe()
    }

    /// What happens to each picture.
    pub(super) fn pipeline(&self) -> Result<Pipeline, CliError> {
        self.pipeline.pipeline()
    }
}
