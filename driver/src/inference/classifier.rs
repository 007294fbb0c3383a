use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use howdah_executor::{
    learn::{Average, Combine, LearnError, Model, ModelError, Replica, most_probable},
    rdd::{Chain, OperatorError, PictureMeta, Record, RecordContext, Registry, RegistryError, Views},
    source::Library,
};
use howdah_proto::settings::Pipeline;
use tokio::runtime::Handle;

use super::{Ensemble, Picture};

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
    /// Its file can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The description of an ensemble can't be used.
    #[error("{}: {reason}", file.display())]
    Ensemble {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Models that should answer together have other classes.
    #[error("{} has the classes {classes}, and the models before it have {others}", file.display())]
    Classes {
        /// The file.
        file: PathBuf,
        /// Its classes.
        classes: String,
        /// Those of the others.
        others: String,
    },
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

/// Models with the operators of their pipelines, that answer as one.
pub struct Classifier<'a> {
    models: &'a [Model],
    combine: Combine,
    registry: &'a Registry,
}

/// What came of one batch of files: their results, or why none can be had.
type BatchResult = Result<Vec<Result<Classified, String>>, InferenceError>;

impl<'a> Classifier<'a> {
    /// Checks that this build can use the models.
    ///
    /// # Errors
    /// [`InferenceError`], naming the operator that is missing.
    pub fn new(ensemble: &'a Ensemble, registry: &'a Registry) -> Result<Self, InferenceError> {
        let this = Self { models: &ensemble.models, combine: ensemble.combine, registry };
        this.models.iter().try_for_each(|model| this.way(model).map(drop))?;
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
                Ok(groups) => classify_batch(groups, self.combine, files, &mut library),
                Err(_) => self
                    .tools()
                    .and_then(|mut groups| classify_batch(&mut groups, self.combine, files, &mut library)),
            };
            // The receiver is gone if an earlier batch has ended it all.
            if results.send((batch, result)).is_err() {
                return;
            }
        }
    }

    fn way(&self, model: &Model) -> Result<Way, InferenceError> {
        let pipeline = &model.pipeline;
        let chain = Chain::build(self.registry, pipeline.prepare.iter().chain(&pipeline.feed))?;
        let (shared, rest) = chain.split_at_augmentation();
        Ok(Way { shared, rest, contexts: Views::to_classify(pipeline) })
    }

    fn tools(&self) -> Result<Vec<Group>, InferenceError> {
        let mut groups: Vec<(&Pipeline, Group)> = Vec::new();
        for (place, model) in self.models.iter().enumerate() {
            let mut replica = Replica::new(model.network.clone(), BATCH, 1)?;
            replica.set_weights(&model.weights)?;
            match groups.iter_mut().find(|(pipeline, _)| **pipeline == model.pipeline) {
                Some((_, group)) => group.replicas.push((place, replica)),
                None => {
                    let group = Group { way: self.way(model)?, replicas: vec![(place, replica)] };
                    groups.push((&model.pipeline, group));
                }
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }
}

/// Networks that take the same features, and their places among the models.
struct Group {
    way: Way,
    replicas: Vec<(usize, Replica)>,
}

/// The way of a picture to its features, for each view that is averaged over.
struct Way {
    shared: Chain,
    rest: Chain,
    contexts: &'static [RecordContext],
}

/// What the models say of a picture, in their order; or why it is of no use.
type Answers = Result<Vec<Vec<f32>>, String>;

fn classify_batch<P: Picture>(
    groups: &mut [Group],
    combine: Combine,
    files: &[P],
    library: &mut Library,
) -> BatchResult {
    let models = groups.iter().map(|group| group.replicas.len()).sum();
    let mut answers: Vec<Answers> = files.iter().map(|_| Ok(vec![Vec::new(); models])).collect();
    for group in groups {
        group.answer(files, &mut answers, library)?;
    }
    let combined = |answers: Vec<Vec<f32>>| {
        let probabilities = combine.combine(&answers);
        let class = most_probable(&probabilities).ok_or_else(|| "the network gave no answer".to_owned())?;
        Ok(Classified { class, probabilities })
    };
    Ok(answers.into_iter().map(|answers| answers.and_then(combined)).collect())
}

impl Group {
    /// Notes what its networks say of pictures; one of no use gets its error instead.
    fn answer<P: Picture>(
        &mut self,
        files: &[P],
        answers: &mut [Answers],
        library: &mut Library,
    ) -> Result<(), InferenceError> {
        let mut pictures = Vec::with_capacity(files.len());
        for (file, answer) in files.iter().zip(answers).filter(|(_, answer)| answer.is_ok()) {
            match self.way.views(file, library)? {
                Ok(views) => pictures.push((views, answer)),
                Err(reason) => *answer = Err(reason),
            }
        }
        for (place, replica) in &mut self.replicas {
            let (rows, inputs) = (pictures.len(), replica.network().inputs());
            let mut average = Average::default();
            for view in 0..if rows == 0 { 0 } else { self.way.contexts.len() } {
                for (row, (views, _)) in pictures.iter().enumerate() {
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
            for ((_, answers), said) in pictures.iter_mut().zip(average.probabilities(rows)) {
                if let Some(answer) = answers.as_mut().ok().and_then(|answers| answers.get_mut(*place)) {
                    *answer = said;
                }
            }
        }
        Ok(())
    }
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
