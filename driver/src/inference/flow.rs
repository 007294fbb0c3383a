use std::ops::ControlFlow;

use futures::{Stream, StreamExt};
use howdah_executor::inference::{PictureRef, Verdict};

use super::{Backend, InferenceFailure, InputError};

/// The probability of each class of a picture, or why it could not be classified.
pub type Classified = Result<Vec<f32>, String>;

/// Classifies chunks of pictures, and gives the results of each chunk to `take`, in their order, as soon as they are
/// there; until that has seen enough. No more chunks are held than the backend's window.
///
/// # Errors
/// [`InferenceFailure`], or the error of `take`.
pub async fn classify<E: From<InferenceFailure>>(
    chunks: impl Stream<Item = Result<Vec<PictureRef>, InputError>>,
    backend: &dyn Backend,
    mut take: impl FnMut(Vec<(PictureRef, Classified)>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let chunk = |chunk: Result<Vec<PictureRef>, InputError>| async move {
        let pictures = chunk?;
        let verdicts = backend.classify(&pictures).await?;
        Ok::<_, InferenceFailure>(pictures.into_iter().zip(verdicts.into_iter().map(classified)).collect())
    };
    let mut results = std::pin::pin!(chunks.map(chunk).buffered(backend.window_chunks()));
    while let Some(results) = results.next().await {
        if take(results?)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn classified(verdict: Verdict) -> Classified {
    match verdict {
        Verdict::Probabilities(probabilities) => Ok(probabilities),
        Verdict::Unusable(reason) | Verdict::Unseen(reason) => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use futures::{FutureExt, future::BoxFuture};
    use howdah_executor::{inference::Whereabouts, random::Random};
    use tokio::sync::oneshot;

    use super::*;
    use crate::inference::Verdicts;

    /// Answers when the test says so: chunks that wait, each with the end of its wait.
    struct Told {
        window: usize,
        waiting: Mutex<Vec<oneshot::Sender<()>>>,
        held: AtomicUsize,
        most: AtomicUsize,
    }

    impl Backend for Told {
        fn chunk_pictures(&self) -> usize {
            3
        }

        fn window_chunks(&self) -> usize {
            self.window
        }

        fn classify<'a>(&'a self, pictures: &'a [PictureRef]) -> BoxFuture<'a, Verdicts> {
            let (answer, told) = oneshot::channel();
            self.waiting.lock().unwrap().push(answer);
            self.most.fetch_max(1 + self.held.fetch_add(1, Relaxed), Relaxed);
            async move {
                told.await.unwrap();
                let verdict = |picture: &PictureRef| match picture.name.ends_with('7') {
                    true => Verdict::Unusable(picture.name.clone()),
                    false => Verdict::Probabilities(vec![picture.name.parse().unwrap()]),
                };
                Ok(pictures.iter().map(verdict).collect())
            }
            .boxed()
        }
    }

    fn pictures(count: u32) -> Vec<Result<Vec<PictureRef>, InputError>> {
        let picture =
            |number: u32| PictureRef { name: number.to_string(), at: Whereabouts::Nowhere(String::new()) };
        (0..count).map(picture).collect::<Vec<_>>().chunks(3).map(|chunk| Ok(chunk.to_vec())).collect()
    }

    #[tokio::test]
    async fn every_picture_comes_once_and_in_order_in_whichever_order_chunks_are_done() {
        for seed in 0..50 {
            let mut random = Random::new(&[seed]);
            let window = 1 + random.below(6) as usize;
            let told = Told {
                window,
                waiting: Mutex::default(),
                held: AtomicUsize::default(),
                most: AtomicUsize::default(),
            };
            let mut seen = Vec::new();
            let flow = classify(futures::stream::iter(pictures(100)), &told, |results| {
                told.held.fetch_sub(1, Relaxed);
                seen.extend(results.into_iter().map(|(picture, result)| {
                    let shown = match result {
                        Ok(probabilities) => format!("{}", probabilities[0]),
                        Err(reason) => reason,
                    };
                    assert_eq!(shown, picture.name);
                    shown
                }));
                Ok::<_, InferenceFailure>(ControlFlow::Continue(()))
            });
            let mut flow = Box::pin(flow);
            loop {
                // What is polled without a pause is told to wait at last, though it could go on.
                tokio::task::yield_now().await;
                if let Some(done) = flow.as_mut().now_or_never() {
                    done.unwrap();
                    break;
                }
                let mut waiting = told.waiting.lock().unwrap();
                let any = random.below(waiting.len() as u64) as usize;
                waiting.swap_remove(any).send(()).unwrap();
            }
            drop(flow);
            assert_eq!(seen, (0..100).map(|number: u32| number.to_string()).collect::<Vec<_>>());
            assert!(told.most.load(Relaxed) <= window, "seed {seed}");
        }
    }

    #[tokio::test]
    async fn it_stops_where_enough_was_seen_and_at_an_error_of_the_input() {
        let told = Told {
            window: 2,
            waiting: Mutex::default(),
            held: AtomicUsize::default(),
            most: AtomicUsize::default(),
        };
        let mut chunks = pictures(3);
        chunks.push(Err(InputError { list: "list".to_owned(), reason: "gone".to_owned() }));
        let mut seen = 0;
        let flow = classify(futures::stream::iter(chunks), &told, |results| {
            seen += results.len();
            Ok::<_, InferenceFailure>(ControlFlow::Continue(()))
        });
        let mut flow = Box::pin(flow);
        assert!(flow.as_mut().now_or_never().is_none());
        told.waiting.lock().unwrap().pop().unwrap().send(()).unwrap();
        assert!(matches!(flow.as_mut().await, Err(InferenceFailure::Input(_))));
        drop(flow);
        assert_eq!(seen, 3);
    }
}
