use std::path::PathBuf;

use clap::ValueEnum;
use howdah_executor::learn::Combine;

use super::CliError;
use crate::inference::Ensemble;

/// The model that answers, or several that do so together.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ModelArgs {
    /// A model file, the folder of a run, or that of an ensemble or a cross-validation. Given several times, all of them
    /// answer together.
    #[arg(long = "model", required = true, value_name = "FILE|FOLDER")]
    models: Vec<PathBuf>,
    /// How the answers of several models become one; by default as the ensemble says, or by averaging.
    #[arg(long, value_enum)]
    combine: Option<CombineArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CombineArg {
    /// The mean of their probabilities.
    Average,
    /// The share of them that takes a picture for a class; the mean probability decides between equal shares, and moves them
    /// by a hundredth at most.
    Vote,
}

impl From<CombineArg> for Combine {
    fn from(arg: CombineArg) -> Self {
        match arg {
            CombineArg::Average => Self::Average,
            CombineArg::Vote => Self::Vote,
        }
    }
}

impl ModelArgs {
    /// Loads the models.
    pub(super) fn load(&self) -> Result<Ensemble, CliError> {
        Ok(Ensemble::load(&self.models, self.combine.map(Combine::from))?)
    }
}
