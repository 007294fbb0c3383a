use super::{OperatorError, Record};

/// The most bytes that the summary of a partition may take.
pub const MAX_SUMMARY_BYTES: usize = 32 << 20;

/// The most bytes that the fitted parameters of an operator may take as JSON.
pub const MAX_FITTED_BYTES: usize = 16 << 20;

/// Finds the parameters that an operator lacks, from the training pictures.
///
/// Each partition has one that gathers; their summaries are merged in the order of the partitions by another one,
/// which finishes. All that they compute must depend on the operator's spec, the records and the seeds alone: a
/// partition that is gathered again, elsewhere, must give the same bytes.
pub trait Fit: Send {
    /// How many records it wants to see.
    fn wanted(&self) -> Wanted;

    /// Takes a record as it reaches the operator.
    ///
    /// # Errors
    /// [`OperatorError`], as [`Operator::apply`](super::Operator::apply) does.
    fn gather(&mut self, record: &Record, context: &GatherContext) -> Result<(), OperatorError>;

    /// Gives what was gathered and merged, in at most [`MAX_SUMMARY_BYTES`].
    fn summary(&self) -> Vec<u8>;

    /// Adds the summary of the partition that follows. It comes from the network: nothing in it may be believed.
    ///
    /// # Errors
    /// [`FitError::Summary`].
    fn merge(&mut self, summary: &[u8]) -> Result<(), FitError>;

    /// Finds the parameters: all that the operator's spec has, in at most [`MAX_FITTED_BYTES`]. It may take seconds.
    ///
    /// # Errors
    /// [`FitError::Impossible`].
    fn finish(&mut self, seed: u64) -> Result<serde_json::Value, FitError>;
}

/// How many records are wanted to fit an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Each view of each training picture.
    All,
    /// About as many as this, drawn evenly from all partitions; all if there are fewer.
    Records(u64),
}

/// What may be known of a record beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatherContext {
    /// Decides what is drawn from the record: another one for each picture and view, and the same in every attempt.
    pub seed: u64,
    /// About how many records all partitions give together.
    pub records: u64,
}

/// Parameters that can't be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A summary is none.
    #[error("a summary makes no sense: {0}")]
    Summary(String),
    /// The records don't allow it.
    #[error("it can't be fitted: {0}")]
    Impossible(String),
}
