use super::RddError;

/// An accumulator that a combiner keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

/// Merges values into accumulators: a reduction or an aggregation whose types have been forgotten.
///
/// Accumulators stay decoded, and are named by their slots, so that a value costs one decoding and no encoding.
pub trait AnyCombiner: Send {
    /// Begins an accumulator with a value; slots are reused after [`Self::finish`].
    ///
    /// # Errors
    /// [`RddError`].
    fn begin(&mut self, value: &[u8]) -> Result<Slot, RddError>;

    /// Adds a value to an accumulator.
    ///
    /// # Errors
    /// [`RddError`].
    fn add(&mut self, slot: Slot, value: &[u8]) -> Result<(), RddError>;

    /// Begins an accumulator with an encoded one.
    ///
    /// # Errors
    /// [`RddError`].
    fn begin_combined(&mut self, combined: &[u8]) -> Result<Slot, RddError>;

    /// Merges an encoded accumulator into another.
    ///
    /// # Errors
    /// [`RddError`].
    fn merge(&mut self, slot: Slot, combined: &[u8]) -> Result<(), RddError>;

    /// Writes an accumulator and frees its slot.
    ///
    /// # Errors
    /// [`RddError`].
    fn finish(&mut self, slot: Slot, out: &mut Vec<u8>) -> Result<(), RddError>;
}
