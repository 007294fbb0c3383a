use futures::future::BoxFuture;
use howdah_executor::inference::{InferenceError, PictureRef, Verdict};

use super::InputError;
use crate::rdd::ContextError;

/// Why no more pictures can be classified.
#[derive(Debug, thiserror::Error)]
pub enum InferenceFailure {
    /// The model can't be used.
    #[error(transparent)]
    Model(#[from] InferenceError),
    /// The cluster does not do its work.
    #[error(transparent)]
    Cluster(#[from] ContextError),
    /// The list of pictures can't be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A thread failed.
    #[error("a thread that classified pictures failed: {0}")]
    Thread(String),
}

/// The verdicts on the pictures of a chunk, in their order.
pub type Verdicts = Result<Vec<Verdict>, InferenceFailure>;

/// Where pictures are classified.
pub trait Backend: Sync {
    /// How many pictures it takes at once: a multiple of the model's batch, so that each backend computes the same.
    fn chunk_pictures(&self) -> usize;

    /// How many chunks it is given at once: what bounds the memory.
    fn window_chunks(&self) -> usize;

    /// Classifies the pictures of a chunk.
    fn classify<'a>(&'a self, pictures: &'a [PictureRef]) -> BoxFuture<'a, Verdicts>;
}
