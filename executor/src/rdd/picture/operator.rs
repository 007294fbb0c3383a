use howdah_proto::Epoch;

use super::{Fit, PictureView, Record, Spare};
use crate::rdd::Function;

/// A function that transforms pictures: a struct whose serialised fields are its parameters, and one method.
pub trait Operator: Function {
    /// Transforms one record. Memory for what comes out is taken from `spare`, and that of what went in kept there.
    ///
    /// # Errors
    /// [`OperatorError`]; an unusable record is skipped and counted, a mismatch fails the job.
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError>;

    /// Writes the features of a picture into `out`, without an allocation and as [`Self::apply`] gives them; says no,
    /// and leaves `out` as it is, if it can't: because it gives no features, another number of them, or augments.
    ///
    /// # Errors
    /// [`OperatorError`], as above.
    fn write_features(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<bool, OperatorError> {
        let _ = (picture, out);
        Ok(false)
    }

    /// Changes features in place, as [`Self::apply`] gives them; says no, and leaves them as they are, if it can't:
    /// because it takes none, gives another number of them, or augments.
    ///
    /// # Errors
    /// [`OperatorError`], as above.
    fn change_features(&mut self, values: &mut [f32]) -> Result<bool, OperatorError> {
        let _ = values;
        Ok(false)
    }

    /// Whether what it gives depends on the [`RecordContext`]. What comes before the first such operator is computed
    /// once for all views of a picture.
    fn augments(&self) -> bool {
        false
    }

    /// Whether it mirrors the pictures of the mirrored view, and leaves those of the plain one as they are.
    fn mirrors(&self) -> bool {
        false
    }

    /// Puts together in `out`, which has room for as many, what it gives for the mirror image of a picture from the
    /// `features` that it gives for the picture itself; says no if it doesn't know how. They may differ in rounding from what
    /// [`Self::apply`] gives, so whatever has to give the same bits for both views must go the same way.
    fn mirror_features(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        let _ = (picture, features, out);
        false
    }

    /// Whether it gives as many features as it takes. An operator of the feed must, if it is yet to be fitted.
    fn keeps_features(&self) -> bool {
        false
    }

    /// Begins to find the parameters that it lacks; none if it has them all. Before it has them, [`Self::apply`] gives
    /// [`OperatorError::Unfitted`].
    fn fit(&self) -> Option<Box<dyn Fit>> {
        None
    }
}

/// An [`Operator`] whose type has been forgotten.
pub trait AnyOperator: Send {
    /// Transforms one record, see [`Operator::apply`].
    ///
    /// # Errors
    /// [`OperatorError`].
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError>;

    /// Writes the features of a picture, see [`Operator::write_features`].
    ///
    /// # Errors
    /// [`OperatorError`].
    fn write_features(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<bool, OperatorError>;

    /// Changes features in place, see [`Operator::change_features`].
    ///
    /// # Errors
    /// [`OperatorError`].
    fn change_features(&mut self, values: &mut [f32]) -> Result<bool, OperatorError>;

    /// See [`Operator::augments`].
    fn augments(&self) -> bool;

    /// See [`Operator::mirrors`].
    fn mirrors(&self) -> bool;

    /// See [`Operator::mirror_features`].
    fn mirror_features(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool;

    /// See [`Operator::keeps_features`].
    fn keeps_features(&self) -> bool;

    /// Begins to find the parameters that it lacks, see [`Operator::fit`].
    fn fit(&self) -> Option<Box<dyn Fit>>;
}

impl<O: Operator> AnyOperator for O {
    fn apply(
        &mut self,
        record: Record,
        context: &RecordContext,
        spare: &mut Spare,
    ) -> Result<Record, OperatorError> {
        Operator::apply(self, record, context, spare)
    }

    fn write_features(&mut self, picture: PictureView<'_>, out: &mut [f32]) -> Result<bool, OperatorError> {
        Operator::write_features(self, picture, out)
    }

    fn change_features(&mut self, values: &mut [f32]) -> Result<bool, OperatorError> {
        Operator::change_features(self, values)
    }

    fn augments(&self) -> bool {
        Operator::augments(self)
    }

    fn mirrors(&self) -> bool {
        Operator::mirrors(self)
    }

    fn mirror_features(&self, picture: PictureView<'_>, features: &[f32], out: &mut [f32]) -> bool {
        Operator::mirror_features(self, picture, features, out)
    }

    fn keeps_features(&self) -> bool {
        Operator::keeps_features(self)
    }

    fn fit(&self) -> Option<Box<dyn Fit>> {
        Operator::fit(self)
    }
}

/// What an operator may know beside the record and its own parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordContext {
    /// Set in training; without it, operators that augment pass records through unchanged.
    pub augmentation: Option<Augmentation>,
    /// Whether this is the mirrored view of the picture: `flip` mirrors it for certain.
    pub mirrored: bool,
}

impl RecordContext {
    /// The picture as it is.
    pub const PLAIN: Self = Self { augmentation: None, mirrored: false };
    /// The picture as it is, mirrored.
    pub const MIRRORED: Self = Self { augmentation: None, mirrored: true };

    /// The picture augmented.
    pub const fn augmented(seed: u64, epoch: Epoch) -> Self {
        Self { augmentation: Some(Augmentation { seed, epoch }), mirrored: false }
    }
}

/// What decides how a picture is augmented, together with the picture's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augmentation {
    /// The job's seed.
    pub seed: u64,
    /// The epoch: each sees the picture anew. For views that are prepared, the number of the view.
    pub epoch: Epoch,
}

/// Why an operator could not transform a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// This record can't be used; it is skipped, named and counted.
    #[error("{0}")]
    Unusable(String),
    /// It lacks parameters that are found from the training pictures.
    #[error("operator `{0}` has not been fitted to the training pictures")]
    Unfitted(&'static str),
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
