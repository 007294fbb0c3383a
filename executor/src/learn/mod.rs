//! Replicas: dense networks that train on flat parameters.
//!
//! A [`Replica`] keeps its weights and its gradient in one flat buffer each, laid out by [`Network`]: the same
//! buffers are trained on, travel to the parameter server, and stand in the model file.

mod activation;
mod average;
mod buffer;
mod combine;
mod error;
mod forward;
mod init;
mod linear;
mod loss;
pub(crate) mod matmul;
mod metrics;
mod minibatch;
mod model_file;
mod network;
mod objective;
mod optimizer;
mod replica;
mod threads;
mod tiles;

pub use average::Average;
pub use combine::{Combine, most_probable};
pub use error::LearnError;
pub use init::initial_weights;
pub use loss::BatchReport;
pub use metrics::{
    Bin, CALIBRATION_BINS, Calibration, Confusion, ConfusionError, ExactSum, Score, Scores, Summary,
    SummaryError, predicted,
};
pub use minibatch::Minibatch;
pub use model_file::{FORMAT_VERSION, Model, ModelError, ModelFault, save_onnx, to_onnx};
pub use network::{Layer, MAX_PARAMETERS, Network, NetworkError};
pub use objective::Objective;
pub use optimizer::{Adam, AdamW, Momentum, Nesterov, ReplicaOptimizer, Sgd};
pub use replica::Replica;
