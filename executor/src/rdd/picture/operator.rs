use howdah_proto::Epoch;

use super::Record;
use crate::rdd::Function;

/// A function that transforms pictures: a struct whose serialised fields are its parameters, and one method.
pub trait Operator: Function {
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
