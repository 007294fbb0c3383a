use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use howdah_executor::{
    learn::{Average, LearnError, Model, Replica},
    rdd::{Chain, OperatorError, PictureMeta, Record, RecordContext, Registry, RegistryError, Views},
    source::Library,
};
use tokio::runtime::Handle;

use super::Picture;

/// Pictures that go through the network together.
const BATCH: usize = 32;

/// A model that can't be used here.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// Its pipeline needs an operator that this build doesn't have.
    #[error("the model can't be used by this build: {0}")]
    Registry(#[from] RegistryError),
    /// Its network can't compute.
    #[error("the model can't be used: {0}")]
    Learn(#[from] LearnError),
    /// Its pipeline makes no sense.
    #[error("the pipeline of the model makes no sense: {0}")]
    Pipeline(String),
}

/// What a model takes a picture for.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// The most probable class, as a place in the model's list.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
}

impl Classified {
    /// The probability of the most probable class.
    pub fn probability(&self) -> f64 {
        self.probabilities.get(self.class).copied().map_or(0.0, f64::from)
    }
}

/// A model with the operators of its pipeline.
pub struct Classifier<'a> {
    model: &'a Model,
    registry: &'a Registry,
}

/// What came of one batch of files: their results, or why none can be had.
type BatchResult = Result<Vec<Result<Classified, String>>, InferenceError>;

impl<'a> Classifier<'a> {
    /// Checks that this build can use the model.
    ///
    /// # Errors
    /// [`InferenceError`], naming the operator that is missing.
    pub fn new(model: &'a Model, registry: &'a Registry) -> Result<Self, InferenceError> {
        let this = Self { model, registry };
        this.way()?;
        Ok(this)
    }

    /// Classifies pictures on all cores, and hands each result over in their order.
    ///
    /// # Errors
    /// [`InferenceError`] if the model turns out to be of no use; a picture of no use only has that as its result.
    pub fn classify<P: Picture>(
        &self,
        files: &[P],
        mut on_result: impl FnMut(&P, Result<Classified, String>),
    ) -> Result<(), InferenceError> {
        let runtime = Handle::try_current().ok();
        let batches: Vec<&[P]> = files.chunks(BATCH).collect();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(batches.len());
        let next = AtomicUsize::new(0);
        let (results, received) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..threads {
                let (results, next, batches) = (results.clone(), &next, &batches);
                let library = Library::new(runtime.clone());
                scope.spawn(move || self.work(batches, next, &results, library));
            }
            drop(results);
            let mut waiting: BTreeMap<usize, BatchResult> = BTreeMap::new();
            let mut due = 0;
            for (batch, result) in received {
                waiting.insert(batch, result);
                while let Some(result) = waiting.remove(&due) {
                    for (path, result) in batches[due].iter().zip(result?) {
                        on_result(path, result);
                    }
                    due += 1;
                }
            }
            Ok(())
        })
    }

    fn work<P: Picture>(
        &self,
        batches: &[&[P]],
        next: &AtomicUsize,
        results: &mpsc::Sender<(usize, BatchResult)>,
        mut library: Library,
    ) {
        let mut tools = self.tools();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(files) = batches.get(batch) else { return };
            let result = match &mut tools {
                Ok((way, replica)) => classify_batch(way, replica, files, &mut library),
                Err(_) => self.tools().and_then(|(mut way, mut replica)| {
                    classify_batch(&mut way, &mut replica, files, &mut library)
                }),
            };
            // The receiver is gone if an earlier batch has ended it all.
            if results.send((batch, result)).is_err() {
                return;
            }
        }
    }

    fn way(&self) -> Result<Way, InferenceError> {
        let pipeline = &self.model.pipeline;
        let chain = Chain::build(self.registry, pipeline.prepare.iter().chain(&pipeline.feed))?;
        let (shared, rest) = chain.split_at_augmentation();
        Ok(Way { shared, rest, contexts: Views::to_classify(pipeline) })
    }

    fn tools(&self) -> Result<(Way, Replica), InferenceError> {
        let mut replica = Replica::new(self.model.network.clone(), BATCH, 1)?;
        replica.set_weights(&self.model.weights)?;
        Ok((self.way()?, replica))
    }
}

/// The way of a picture to its features, for each view that is averaged over.
struct Way {
    shared: Chain,
    rest: Chain,
    contexts: &'static [RecordContext],
}

fn classify_batch<P: Picture>(
    way: &mut Way,
    replica: &mut Replica,
    files: &[P],
    library: &mut Library,
) -> BatchResult {
    let mut results: Vec<Option<Result<Classified, String>>> = Vec::with_capacity(files.len());
    let mut pictures = Vec::with_capacity(files.len());
    for picture in files {
        match way.views(picture, library)? {
            Ok(views) => {
                pictures.push(views);
                results.push(None);
            }
            Err(reason) => results.push(Some(Err(reason))),
        }
    }
    let (rows, inputs) = (pictures.len(), replica.network().inputs());
    let mut average = Average::default();
    for view in 0..if rows == 0 { 0 } else { way.contexts.len() } {
        for (row, views) in pictures.iter().enumerate() {
            let values: &[f32] = views.get(view).map_or(&[], Vec::as_slice);
            if values.len() != inputs {
                let got = values.len();
                let text = format!("the pipeline gives {got} features, the network takes {inputs}");
                return Err(InferenceError::Pipeline(text));
            }
            replica.input_row(row)?.copy_from_slice(values);
        }
        average.add(replica, rows)?;
    }
    let mut computed = average.probabilities(rows).into_iter();
    let fill = |result: Option<Result<Classified, String>>| match result {
        Some(failed) => failed,
        None => computed.next().map(classified).ok_or_else(|| "the network gave no answer".to_owned()),
    };
    Ok(results.into_iter().map(fill).collect())
}

fn classified(probabilities: Vec<f32>) -> Classified {
    let best = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    Classified { class: best.map_or(0, |(class, _)| class), probabilities }
}

impl Way {
    /// Reads a picture and gives the features of its views; the inner error is the picture's own.
    fn views(
        &mut self,
        picture: &impl Picture,
        library: &mut Library,
    ) -> Result<Result<Vec<Vec<f32>>, String>, InferenceError> {
        let bytes = match picture.read(library) {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Err(reason)),
        };
        let meta = PictureMeta { key: 0, label: 0, name: picture.name().into() };
        let views =
            self.shared.apply(Record::Encoded { meta, bytes }, &RecordContext::PLAIN).and_then(|shared| {
                let each = self.contexts.iter().map(|context| self.rest.apply(shared.clone(), context));
                each.collect::<Result<Vec<Record>, OperatorError>>()
            });
        match views {
            Ok(views) => views.into_iter().map(features).collect::<Result<_, _>>().map(Ok),
            Err(OperatorError::Unusable(reason)) => Ok(Err(reason)),
            Err(mismatch) => Err(InferenceError::Pipeline(mismatch.to_string())),
        }
    }
}

fn features(record: Record) -> Result<Vec<f32>, InferenceError> {
    match record {
        Record::Features { values, .. } => Ok(values),
        other => Err(InferenceError::Pipeline(format!("it ends with {}", other.kind()))),
    }
}
