use super::TaskError;

/// Copies the features of a sample into their row of the batch.
pub(super) fn fill(row: &mut [f32], values: &[f32]) -> Result<(), TaskError> {
    if row.len() != values.len() {
        return Err(TaskError::Missing("fixed number of features: the pipeline needs a `resize`"));
    }
    row.copy_from_slice(values);
    Ok(())
}
