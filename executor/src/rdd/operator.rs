use howdah_proto::Epoch;
use serde::{Serialize, de::DeserializeOwned};

use super::Record;

/// An operator: a struct whose serialised fields are its parameters, and one method.
///
/// It is registered by name and version in the `main` of a driver or executor binary, see [`super::Registry`].
/// Scratch memory that it keeps between records goes into fields marked `#[serde(skip)]`.
pub trait Operator: Serialize + DeserializeOwned + Send + 'static {
    /// The name it is looked up by.
    const NAME: &'static str;
    /// The version of its behaviour; another version is another operator.
    const VERSION: u32;

    /// Checks the parameters after they were read.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Transforms one record.
    ///
    /// # Errors
    /// [`OperatorError`]; an unusable record is skipped and counted, a mismatch fails the job.
    fn apply(&mut self, record: Record, context: &RecordContext) -> Result<Record, OperatorError>;
}

/// An [`Operator`] whose type has been forgotten.
pub trait AnyOperator: Send {
    /// Transforms one record, see [`Operator::apply`].
    ///
    /// # Errors
    /// [`OperatorError`].
    fn apply(&mut self, record: Record, context: &RecordContext) -> Result<Record, OperatorError>;
}

impl<O: Operator> AnyOperator for O {
    fn apply(&mut self, record: Record, context: &RecordContext) -> Result<Record, OperatorError> {
        Operator::apply(self, record, context)
    }
}

/// What an operator may know beside the record and its own parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordContext {
    /// Set in training; without it, operators that augment pass records through unchanged.
    pub augmentation: Option<Augmentation>,
}

/// What decides how a picture is augmented, together with the picture's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augmentation {
    /// The job's seed.
    pub seed: u64,
    /// The epoch: each sees the picture anew.
    pub epoch: Epoch,
}

/// Why an operator could not transform a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// This record can't be used; it is skipped, named and counted.
    #[error("{0}")]
    Unusable(String),
    /// The operator stands in the wrong place: it can't take what comes before it.
    #[error("operator `{operator}` takes {expected}, not {got}")]
    Mismatch {
        /// The operator.
        operator: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it got.
        got: &'static str,
    },
}
