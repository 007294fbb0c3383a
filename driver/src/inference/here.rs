use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use howdah_executor::inference::{BATCH, Classifier, PictureRef};

use super::{Backend, InferenceFailure, Verdicts};

/// Classifies pictures in this process, on all cores.
pub struct Here {
    classifier: Arc<Classifier>,
    threads: usize,
}

impl Here {
    /// Uses a classifier.
    pub fn new(classifier: Arc<Classifier>) -> Self {
        Self { classifier, threads: std::thread::available_parallelism().map_or(1, usize::from) }
    }
}

impl Backend for Here {
    fn chunk_pictures(&self) -> usize {
        BATCH
    }

    fn window_chunks(&self) -> usize {
        self.threads
    }

    fn classify<'a>(&'a self, pictures: &'a [PictureRef]) -> BoxFuture<'a, Verdicts> {
        let (classifier, pictures) = (self.classifier.clone(), pictures.to_vec());
        let work = tokio::task::spawn_blocking(move || classifier.classify(&pictures));
        async move {
            match work.await {
                Ok(verdicts) => Ok(verdicts?),
                Err(error) => Err(InferenceFailure::Thread(error.to_string())),
            }
        }
        .boxed()
    }
}
