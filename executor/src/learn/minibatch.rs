use super::{LearnError, Network};

/// The samples of a step: features and classes, in buffers for as many as a batch may hold.
#[derive(Debug, Clone)]
pub struct Minibatch {
    pub(super) inputs: Vec<f32>,
    pub(super) labels: Vec<u32>,
    width: usize,
    classes: usize,
}

impl Minibatch {
    /// Makes one for a network, of up to `batch` samples, all 0.
    ///
    /// # Errors
    /// [`LearnError::Rows`] for a batch of 0, [`LearnError::Batch`] for one that can't be addressed.
    pub fn new(network: &Network, batch: usize) -> Result<Self, LearnError> {
        if batch == 0 {
            return Err(LearnError::Rows { rows: 0, batch });
        }
        let inputs = network.inputs();
        let values = batch
            .checked_mul(inputs)
            .filter(|values| *values <= isize::MAX as usize / size_of::<f32>())
            .ok_or(LearnError::Batch { batch, inputs })?;
        let (classes, width) = (network.classes(), inputs);
        Ok(Self { inputs: vec![0.0; values], labels: vec![0; batch], width, classes })
    }

    /// The samples that it may hold.
    pub fn batch(&self) -> usize {
        self.labels.len()
    }

    /// The features of sample `row`, to be written.
    ///
    /// # Errors
    /// [`LearnError::Row`] if there is no such row.
    pub fn input_row(&mut self, row: usize) -> Result<&mut [f32], LearnError> {
        let batch = self.batch();
        self.inputs.chunks_exact_mut(self.width).nth(row).ok_or(LearnError::Row { row, batch })
    }

    /// Sets the class of sample `row`.
    ///
    /// # Errors
    /// [`LearnError::Row`] if there is no such row, [`LearnError::Label`] if the network has no such class.
    pub fn set_label(&mut self, row: usize, label: u32) -> Result<(), LearnError> {
        let (batch, classes) = (self.batch(), self.classes);
        let place = self.labels.get_mut(row).ok_or(LearnError::Row { row, batch })?;
        if label as usize >= classes {
            return Err(LearnError::Label { row, label, classes });
        }
        *place = label;
        Ok(())
    }

    /// Exchanges the samples with those of another, without copying them.
    ///
    /// # Errors
    /// [`LearnError::Minibatch`] if it was made for another network or batch.
    pub fn swap(&mut self, other: &mut Self) -> Result<(), LearnError> {
        let shape = |of: &Self| (of.batch(), of.width, of.classes);
        if shape(self) != shape(other) {
            let (batch, inputs) = (other.batch(), other.width);
            return Err(LearnError::Minibatch { batch, inputs });
        }
        std::mem::swap(self, other);
        Ok(())
    }
}
