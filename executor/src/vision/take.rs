use crate::rdd::{Operator, OperatorError, Picture, PictureMeta, Record};

/// Takes the picture out of a record.
///
/// # Errors
/// [`OperatorError::Mismatch`] in the name of `O` if the record holds something else.
pub(super) fn picture<O: Operator>(record: Record) -> Result<(PictureMeta, Picture), OperatorError> {
    match record {
        Record::Picture { meta, picture } => Ok((meta, picture)),
        other => Err(mismatch::<O>("a decoded picture", &other)),
    }
}

/// Says that operator `O` stands in the wrong place.
pub(super) fn mismatch<O: Operator>(expected: &'static str, got: &Record) -> OperatorError {
    OperatorError::Mismatch { operator: O::NAME, expected, got: got.kind() }
}
