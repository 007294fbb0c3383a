/// A replica that can't do what it is told.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// More samples than the batch holds, or none.
    #[error("a batch of {rows} samples was asked of a replica that takes from 1 to {batch}")]
    Rows {
        /// The samples asked for.
        rows: usize,
        /// The samples the replica has room for.
        batch: usize,
    },
    /// A row that the batch doesn't have.
    #[error("row {row} was asked of a batch of {batch}")]
    Row {
        /// The row, counted from 0.
        row: usize,
        /// The samples the replica has room for.
        batch: usize,
    },
    /// A label that is no class of the network.
    #[error("the sample in row {row} has label {label}, but the network knows only {classes} classes")]
    Label {
        /// The row, counted from 0.
        row: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// More or fewer class weights than classes.
    #[error("there are {weights} class weights, but the network knows {classes} classes")]
    ClassWeights {
        /// The weights.
        weights: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Weights of another network.
    #[error("{got} weights were given to a network of {expected} parameters")]
    Weights {
        /// The parameters of the network.
        expected: usize,
        /// The weights given.
        got: usize,
    },
    /// A batch buffer that is too large to address.
    #[error("a batch of {batch} samples of {inputs} features does not fit in memory")]
    Batch {
        /// The samples asked for.
        batch: usize,
        /// The features of a sample.
        inputs: usize,
    },
    /// Samples of another network.
    #[error(
        "samples for batches of {batch} with {inputs} features were given to a replica of another network or batch"
    )]
    Minibatch {
        /// The samples that a batch may hold.
        batch: usize,
        /// The features of a sample.
        inputs: usize,
    },
    /// A value that is no finite number came out of a layer.
    #[error(
        "layer {layer} gives {value} for row {row} of the batch: the training has diverged (a smaller \
         learning rate may help), or the features hold a value that is not a finite number"
    )]
    Diverged {
        /// The layer, counted from 0; the last one gives the logits of the loss.
        layer: usize,
        /// The row of the batch, counted from 0.
        row: usize,
        /// What came out.
        value: f32,
    },
    /// The replica's threads could not be started.
    #[error("the {threads} threads of a replica can't be started: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// The tensor library refused an operation.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
