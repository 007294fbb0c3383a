use super::Batch;
use crate::rdd::RddError;

/// The records of a partition, batch by batch; they are computed as they are asked for.
pub trait Rows: Send {
    /// Gives the next batch, which is never empty; none at the end, and after it.
    ///
    /// # Errors
    /// [`RddError`]; nothing may be asked for after one.
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError>;
}

impl<R: Rows + ?Sized> Rows for Box<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        (**self).next_batch()
    }
}

impl<R: Rows + ?Sized> Rows for &mut R {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        (**self).next_batch()
    }
}

/// Rows that are there already, in one batch.
#[derive(Debug, Default)]
pub struct OneBatch(Batch);

impl OneBatch {
    /// Makes rows of a batch.
    pub fn new(batch: Batch) -> Self {
        Self(batch)
    }
}

impl Rows for OneBatch {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        Ok(Some(self.0.take()).filter(|batch| !batch.is_empty()))
    }
}

/// Rows of several sources, one source after the other.
pub struct Several<R>(std::collections::VecDeque<R>);

impl<R: Rows> Several<R> {
    /// Makes rows of sources in order.
    pub fn new(sources: impl IntoIterator<Item = R>) -> Self {
        Self(sources.into_iter().collect())
    }
}

impl<R: Rows> Rows for Several<R> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        while let Some(source) = self.0.front_mut() {
            if let Some(batch) = source.next_batch()? {
                return Ok(Some(batch));
            }
            self.0.pop_front();
        }
        Ok(None)
    }
}
