use clap::ValueEnum;
use howdah_proto::settings::{Monitor, Validation};

use crate::cli::{CliError, said::Said};

/// Which epoch's weights become the model, and when training stops.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Validation")]
pub(in crate::cli) struct ValidationArgs {
    /// The fraction of the training pictures that is not trained on: the model has the weights of the epoch that was
    /// the best on them. By default none, and the model has the weights of the last epoch. Which pictures they are
    /// depends on their paths alone; held-out ones are never among them.
    #[arg(long, value_name = "FRACTION")]
    validation_fraction: Option<f64>,
    /// Stop after so many epochs without improvement on the validation pictures; the next epoch then begins only when
    /// the one before is validated. Needs --validation-fraction.
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    /// What tells which epoch was the best: the mean loss or the accuracy on the validation pictures, by default the
    /// loss. Needs --validation-fraction.
    #[arg(long, value_enum)]
    monitor: Option<MonitorArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MonitorArg {
    /// The lowest mean loss.
    Loss,
    /// The highest accuracy.
    Accuracy,
}

impl ValidationArgs {
    /// The settings of a run that goes on: what isn't said is as it was `earlier`.
    pub(super) fn settings_after(
        &self,
        earlier: Option<Validation>,
        said: &Said,
    ) -> Result<Option<Validation>, CliError> {
        let said = |id: &str| said.has(id);
        let monitor = earlier.map(|earlier| match earlier.monitor {
            Monitor::Loss => MonitorArg::Loss,
            Monitor::Accuracy => MonitorArg::Accuracy,
        });
        let before = Self {
            validation_fraction: earlier.map(|earlier| earlier.fraction),
            patience: earlier.and_then(|earlier| earlier.patience),
            monitor,
        };
        let now = Self {
            validation_fraction: if said("validation_fraction") { self } else { &before }.validation_fraction,
            patience: if said("patience") { self } else { &before }.patience,
            monitor: if said("monitor") { self } else { &before }.monitor,
        };
        now.settings()
    }

    /// The settings, if pictures are kept for validation.
    pub(super) fn settings(&self) -> Result<Option<Validation>, CliError> {
        let Some(fraction) = self.validation_fraction else {
            let given = [("--patience", self.patience.is_some()), ("--monitor", self.monitor.is_some())];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((flag, _)) => Err(CliError::Flag {
                    flag: flag.to_owned(),
                    reason: "it needs --validation-fraction".to_owned(),
                }),
                None => Ok(None),
            };
        };
        let monitor = match self.monitor {
            None | Some(MonitorArg::Loss) => Monitor::Loss,
            Some(MonitorArg::Accuracy) => Monitor::Accuracy,
        };
        Ok(Some(Validation { fraction, monitor, patience: self.patience }))
    }
}
