use std::{collections::BTreeMap, path::PathBuf};

use clap::ValueEnum;
use howdah_executor::source::Library;
use howdah_proto::settings::{DataFormat, DataSettings, Pipeline};
use tokio::runtime::Handle;

use super::{PipelineArgs, recipe::Recipe};
use crate::{
    cli::CliError,
    dataset::parse_mapping,
    prepared::{Manifest, manifest_at},
};

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct DataArgs {
    /// The training pictures: a folder with a folder for each class, or with train and test and the classes in both;
    /// tar files named as WebDataset's, Parquet, IDX (MNIST) or CIFAR batches; a path, a URL (file, s3, gs, az, http,
    /// https), or a pattern such as 'shard-{000..017}.tar' or 'train-*.parquet'; or what `prepare` has written.
    /// Credentials of stores are in the environment of the driver and of all executors: AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME and
    /// AZURE_STORAGE_ACCOUNT_KEY. Without it, synthetic cats and dogs are drawn.
    #[arg(long, value_name = "PLACE")]
    data: Option<PathBuf>,
    /// The held-out pictures, in any of these forms. Without it, those that the set itself holds out (files or
    /// folders called test.., val.., dev.. or t10k..), else a fraction.
    #[arg(long, value_name = "PLACE", requires = "data", conflicts_with = "test_fraction")]
    test: Option<PathBuf>,
    /// Without --test: the fraction of the pictures to hold out, chosen by a hash of their paths.
    #[arg(long, value_name = "FRACTION", default_value_t = DataSettings::TEST_FRACTION)]
    test_fraction: f64,
    /// How the training pictures are stored, if their names and content don't tell.
    #[arg(long, value_enum, default_value = "auto", requires = "data")]
    format: FormatArg,
    /// Which folders or labels make up which class: class=folder,folder. Others are left out.
    #[arg(long, value_name = "CLASS=NAME,..", num_args = 1.., requires = "data")]
    classes: Vec<String>,
    /// Without --data: how many synthetic pictures to draw, a fifth of them held out.
    #[arg(long, value_name = "PICTURES", default_value_t = 4000, conflicts_with = "data")]
    synthetic: u32,
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// How many pictures that can't be used are left out before the job fails.
    #[arg(long, value_name = "PICTURES", default_value_t = 100)]
    pub(in crate::cli) max_bad_pictures: u64,
}

/// See [`DataFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FormatArg {
    /// Told from names and content.
    Auto,
    /// A folder for each class.
    Folder,
    /// Tar files with NAME.jpg and NAME.cls, or a folder for each class.
    Tar,
    /// Columns `image` (bytes, or a group with bytes and path) and `label`.
    Parquet,
    /// The files of the MNIST family, also packed with gzip.
    Idx,
    /// The binary batches of CIFAR-10 and CIFAR-100.
    Cifar,
    /// What `prepare` has written.
    Prepared,
}

impl From<FormatArg> for DataFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Auto => Self::Auto,
            FormatArg::Folder => Self::Folder,
            FormatArg::Tar => Self::Tar,
            FormatArg::Parquet => Self::Parquet,
            FormatArg::Idx => Self::Idx,
            FormatArg::Cifar => Self::Cifar,
            FormatArg::Prepared => Self::Prepared,
        }
    }
}

impl DataArgs {
    pub(in crate::cli) fn settings(&self) -> Result<DataSettings, CliError> {
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
        let absolute = |path: &PathBuf| {
            let folder_is_here =
                path.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir());
            let text = path.to_string_lossy();
            let pattern = !text.contains("://") && text.contains(['{', '*', '?']) && folder_is_here;
            let at = if pattern { std::path::absolute(path) } else { path.canonicalize() };
            at.unwrap_or_else(|_| path.clone())
        };
        Ok(DataSettings::Folder {
            train: absolute(train),
            test: self.test.as_ref().map(absolute),
            test_fraction: self.test_fraction,
            classes,
            format: self.format.into(),
        })
    }

    /// What was prepared at the place of the pictures, if it can be seen from here; else the driver will see it.
    pub(in crate::cli) fn prepared(&self) -> Result<Option<Manifest>, CliError> {
        match (&self.data, self.format) {
            (Some(place), FormatArg::Auto | FormatArg::Prepared) => {
                let mut library = Library::new(Handle::try_current().ok());
                Ok(manifest_at(place, &mut library)?)
            }
            _ => Ok(None),
        }
    }

    /// The defaults of the flags about learning that go with the pipeline.
    pub(super) fn recipe(&self, prepared: Option<&Manifest>) -> &'static Recipe {
        Recipe::of(
            prepared
                .filter(|_| !self.pipeline.is_given())
                .map_or(self.pipeline.name(), |it| &it.pipeline_name),
        )
    }

    /// What happens to each picture: what is said, else what has happened already.
    pub(in crate::cli) fn pipeline(&self, prepared: Option<&Manifest>) -> Result<Pipeline, CliError> {
        match prepared.filter(|_| !self.pipeline.is_given()) {
            Some(manifest) => Ok(manifest.pipeline.clone()),
            None => self.pipeline.pipeline(),
        }
    }

    /// What the pipeline is called.
    pub(in crate::cli) fn pipeline_name(&self) -> &str {
        self.pipeline.name()
    }

    /// How many pictures are in a step if nothing is said.
    pub(in crate::cli) fn usual_batch(&self) -> u32 {
        self.recipe(None).batch
    }
}
