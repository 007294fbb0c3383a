use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use futures::{FutureExt, future::BoxFuture};
use howdah_executor::{
    inference::{BATCH, Classify, ModelFiles, Octets, PictureRef, Verdict, Whereabouts},
    rdd::{Registry, scope::Broadcast},
    source::Library,
};
use tokio::{runtime::Handle, sync::Mutex};

use super::{Backend, InferenceFailure, Verdicts};
use crate::rdd::{Context, ContextError};

/// Pictures of a task.
const CHUNK_PICTURES: usize = 8 * BATCH;
/// Chunks on their way.
const WINDOW_CHUNKS: usize = 32;
/// How many jobs a context has, and how many bytes of pictures are sent to it, before another takes its place: the driver
/// remembers what a context has defined.
const CONTEXT_JOBS: u64 = 128;
const CONTEXT_BYTES: u64 = 256 << 20;

/// Classifies pictures on the executors of a cluster: a chunk is a job of one task, which is tried again elsewhere when its
/// executor dies. Executors read the pictures themselves; those that they can't see are sent along.
pub struct OnCluster {
    address: String,
    registry: Registry,
    models: ModelFiles,
    context: Mutex<Option<Arc<Open>>>,
    /// Executors saw no picture of a chunk that can be seen from here.
    blind: AtomicBool,
}

/// A context that knows the models.
struct Open {
    context: Context,
    models: Broadcast<ModelFiles>,
    jobs: AtomicU64,
    sent_bytes: AtomicU64,
}

impl OnCluster {
    /// Uses the cluster of a driver, with the files of models.
    pub fn new(address: String, registry: Registry, models: ModelFiles) -> Self {
        Self { address, registry, models, context: Mutex::default(), blind: AtomicBool::new(false) }
    }

    /// Opens a context before it is needed.
    ///
    /// # Errors
    /// [`ContextError`]: the driver can't be reached, or its executors can't classify pictures.
    pub async fn connect(&self) -> Result<(), ContextError> {
        self.open().await.map(drop)
    }

    async fn open(&self) -> Result<Arc<Open>, ContextError> {
        let mut context = self.context.lock().await;
        let is_fresh = |open: &&Arc<Open>| {
            open.jobs.load(Relaxed) < CONTEXT_JOBS && open.sent_bytes.load(Relaxed) < CONTEXT_BYTES
        };
        if let Some(open) = context.as_ref().filter(is_fresh) {
            return Ok(open.clone());
        }
        let builder =
            Context::builder().driver(&self.address).registry(self.registry.clone()).name("predict");
        let new = builder.start().await?;
        let models = new.broadcast(&self.models).await?;
        let (jobs, sent_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let open = Arc::new(Open { context: new, models, jobs, sent_bytes });
        *context = Some(open.clone());
        Ok(open)
    }

    /// Classifies pictures as a job of one task.
    async fn run(&self, pictures: Vec<PictureRef>) -> Result<Vec<Verdict>, ContextError> {
        let (open, expected) = (self.open().await?, pictures.len());
        open.jobs.fetch_add(1, Relaxed);
        let sent = pictures.iter().map(|picture| match &picture.at {
            Whereabouts::Here(content) => content.0.len() as u64,
            _ => 0,
        });
        open.sent_bytes.fetch_add(sent.sum(), Relaxed);
        let pictures = open.context.with_name("classify").parallelize(pictures, 1);
        let verdicts = pictures.map_partitions(Classify { models: open.models }).collect().await?;
        if verdicts.len() == expected {
            Ok(verdicts)
        } else {
            let reason = format!("{} verdicts on {expected} pictures came back", verdicts.len());
            Err(ContextError::Decode { what: "classify", reason })
        }
    }

    async fn chunk(&self, pictures: &[PictureRef]) -> Verdicts {
        let mut verdicts = match self.blind.load(Relaxed) {
            true => pictures.iter().map(unseen_file).collect(),
            false => self.run(pictures.to_vec()).await?,
        };
        let seen = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Probabilities(_)));
        let unseen = verdicts.iter().any(is_unseen);
        if !unseen {
            return Ok(verdicts);
        }
        let mut visible_here = false;
        // Batch by batch, so that no more than one of each chunk is held in memory, and that the batches are as they
        // would have been.
        for (pictures, verdicts) in pictures.chunks(BATCH).zip(verdicts.chunks_mut(BATCH)) {
            if !verdicts.iter().any(is_unseen) {
                continue;
            }
            let (brought, missing) = bring(pictures.to_vec(), verdicts.to_vec()).await?;
            let again = match missing {
                // What was said of the others stands.
                Missing::All => verdicts.to_vec(),
                Missing::Some => {
                    self.run(brought.iter().map(|(picture, _)| picture.clone()).collect()).await?
                }
            };
            for ((verdict, (picture, failed)), again) in verdicts.iter_mut().zip(brought).zip(again) {
                visible_here |= matches!(picture.at, Whereabouts::Here(_));
                *verdict = failed.unwrap_or(again);
            }
        }
        if visible_here && !seen {
            self.blind.store(true, Relaxed);
        }
        Ok(verdicts)
    }
}

impl Backend for OnCluster {
    fn chunk_pictures(&self) -> usize {
        CHUNK_PICTURES
    }

    fn window_chunks(&self) -> usize {
        WINDOW_CHUNKS
    }

    fn classify<'a>(&'a self, pictures: &'a [PictureRef]) -> BoxFuture<'a, Verdicts> {
        self.chunk(pictures).boxed()
    }
}

/// What an executor that sees nothing would say of a picture.
fn unseen_file(picture: &PictureRef) -> Verdict {
    match &picture.at {
        Whereabouts::Nowhere(reason) => Verdict::Unusable(reason.clone()),
        _ => Verdict::Unseen(String::new()),
    }
}

fn is_unseen(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unseen(_))
}

/// Whether there is anything left to be classified.
enum Missing {
    All,
    Some,
}

/// Reads the pictures that executors could not see; one that can't be seen here, either, gets its verdict.
async fn bring(
    pictures: Vec<PictureRef>,
    verdicts: Vec<Verdict>,
) -> Result<(Vec<(PictureRef, Option<Verdict>)>, Missing), InferenceFailure> {
    let runtime = Handle::current();
    let read = move || {
        let mut library = Library::new(Some(runtime));
        let mut missing = Missing::All;
        let brought = pictures.into_iter().zip(verdicts).map(|(picture, verdict)| {
            if !is_unseen(&verdict) {
                if matches!(verdict, Verdict::Probabilities(_)) {
                    missing = Missing::Some;
                }
                return (picture, None);
            }
            match picture.at.read(&mut library) {
                Ok(bytes) => {
                    missing = Missing::Some;
                    (PictureRef { at: Whereabouts::Here(Octets(bytes)), ..picture }, None)
                }
                Err(verdict) => {
                    let at = Whereabouts::Nowhere(String::new());
                    (PictureRef { at, ..picture }, Some(verdict))
                }
            }
        });
        let brought = brought.collect();
        (brought, missing)
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| InferenceFailure::Thread(error.to_string()))
}
