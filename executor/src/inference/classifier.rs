use std::sync::{Arc, Mutex, PoisonError};

use howdah_proto::settings::Pipeline;
use tokio::runtime::Handle;

use super::{PictureRef, Verdict};
use crate::{
    learn::{Average, Combine, LearnError, Model, Replica},
    rdd::{Chain, OperatorError, PictureMeta, Record, Registry, RegistryError, ViewChain, Views},
    source::Library,
};

/// Pictures that go through the network together.
pub const BATCH: usize = 32;

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

/// Models with the operators of their pipelines, that answer as one. They are shared by threads, each of which borrows what
/// it computes with.
pub struct Classifier {
    models: Vec<Model>,
    combine: Combine,
    registry: Arc<Registry>,
    runtime: Option<Handle>,
    spare: Mutex<Vec<Tools>>,
}

/// What one thread computes with.
struct Tools {
    groups: Vec<Group>,
    library: Library,
}

/// Networks that take the same features, and their places among the models.
struct Group {
    way: ViewChain,
    replicas: Vec<(usize, Replica)>,
    /// The features of a batch, a row for each view of each picture.
    features: Vec<f32>,
}

/// What the models say of a picture, in their order; or why it is of no use.
type Answers = Result<Vec<Vec<f32>>, Verdict>;

impl Classifier {
    /// Makes a classifier, if this build can use the models, which have the same classes. Without a runtime, pictures in object stores can't be read;
    /// with one, it is blocked on.
    ///
    /// # Errors
    /// [`InferenceError`], naming the operator that is missing.
    pub fn new(
        models: Vec<Model>,
        combine: Combine,
        registry: Arc<Registry>,
        runtime: Option<Handle>,
    ) -> Result<Self, InferenceError> {
        let this = Self { models, combine, registry, runtime, spare: Mutex::default() };
        let tools = this.tools()?;
        this.give_back(tools);
        Ok(this)
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        self.models.first().map_or(&[], |model| &model.classes)
    }

    /// Classifies pictures on this thread, [`BATCH`] at a time, and gives the verdict on each in their order. Where else
    /// pictures are cut at multiples of [`BATCH`], the same bits come out.
    ///
    /// # Errors
    /// [`InferenceError`] if the model turns out to be of no use; a picture of no use only has that as its verdict.
    pub fn classify(&self, pictures: &[PictureRef]) -> Result<Vec<Verdict>, InferenceError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tools = match spare {
            Some(tools) => tools,
            None => self.tools()?,
        };
        let mut verdicts = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(BATCH) {
            tools.classify(batch, self.combine, &mut verdicts)?;
        }
        self.give_back(tools);
        Ok(verdicts)
    }

    fn give_back(&self, tools: Tools) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(tools);
    }

    fn tools(&self) -> Result<Tools, InferenceError> {
        let mut groups: Vec<(&Pipeline, Group)> = Vec::new();
        for (place, model) in self.models.iter().enumerate() {
            let mut replica = Replica::new(model.network.clone(), BATCH, 1)?;
            replica.set_weights(&model.weights)?;
            match groups.iter_mut().find(|(pipeline, _)| **pipeline == model.pipeline) {
                Some((_, group)) => group.replicas.push((place, replica)),
                None => {
                    let way = way(&model.pipeline, &self.registry)?;
                    groups.push((
                        &model.pipeline,
                        Group { way, replicas: vec![(place, replica)], features: Vec::new() },
                    ));
                }
            }
        }
        let groups = groups.into_iter().map(|(_, group)| group).collect();
        Ok(Tools { groups, library: Library::new(self.runtime.clone()) })
    }
}

impl Tools {
    fn classify(
        &mut self,
        batch: &[PictureRef],
        combine: Combine,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), InferenceError> {
        let models = self.groups.iter().map(|group| group.replicas.len()).sum();
        let mut answers: Vec<Answers> = batch.iter().map(|_| Ok(vec![Vec::new(); models])).collect();
        for group in &mut self.groups {
            group.answer(batch, &mut answers, &mut self.library)?;
        }
        verdicts.extend(answers.into_iter().map(|answers| {
            let answers = match answers {
                Ok(answers) => answers,
                Err(verdict) => return verdict,
            };
            let probabilities = combine.combine(&answers);
            if probabilities.is_empty() {
                return Verdict::Unusable("the network gave no answer".to_owned());
            }
            Verdict::Probabilities(probabilities)
        }));
        Ok(())
    }
}

impl Group {
    /// Notes what its networks say of pictures; one of no use gets its verdict instead.
    fn answer(
        &mut self,
        batch: &[PictureRef],
        answers: &mut [Answers],
        library: &mut Library,
    ) -> Result<(), InferenceError> {
        self.features.clear();
        let mut answered = Vec::with_capacity(batch.len());
        for (picture, answer) in batch.iter().zip(answers).filter(|(_, answer)| answer.is_ok()) {
            match self.add_views(picture, library)? {
                Ok(()) => answered.push(answer),
                Err(verdict) => *answer = Err(verdict),
            }
        }
        let (rows, views) = (answered.len(), self.way.count());
        for (place, replica) in &mut self.replicas {
            let inputs = replica.network().inputs().max(1);
            let mut average = Average::default();
            for view in 0..if rows == 0 { 0 } else { views } {
                let features = self.features.chunks_exact(inputs).skip(view).step_by(views);
                for (row, values) in features.enumerate() {
                    replica.samples_mut().input_row(row)?.copy_from_slice(values);
                }
                average.add(replica, rows)?;
            }
            for (answers, said) in answered.iter_mut().zip(average.probabilities(rows)) {
                if let Some(answer) = answers.as_mut().ok().and_then(|answers| answers.get_mut(*place)) {
                    *answer = said;
                }
            }
        }
        Ok(())
    }

    /// Reads a picture and adds the features of its views; the inner error is the picture's own.
    fn add_views(
        &mut self,
        picture: &PictureRef,
        library: &mut Library,
    ) -> Result<Result<(), Verdict>, InferenceError> {
        let bytes = match picture.at.read(library) {
            Ok(bytes) => bytes,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let meta = PictureMeta { key: 0, label: 0 };
        let views = match self.way.views(Record::Encoded { meta, bytes }) {
            Ok(views) => views,
            Err(OperatorError::Unusable(reason)) => return Ok(Err(Verdict::Unusable(reason))),
            Err(mismatch) => return Err(InferenceError::Pipeline(mismatch.to_string())),
        };
        for view in views {
            let Record::Features { values, .. } = view else {
                return Err(InferenceError::Pipeline(format!("it ends with {}", view.kind())));
            };
            let mut inputs = self.replicas.iter().map(|(_, replica)| replica.network().inputs());
            if let Some(inputs) = inputs.find(|inputs| *inputs != values.len()) {
                let got = values.len();
                let text = format!("the pipeline gives {got} features, the network takes {inputs}");
                return Err(InferenceError::Pipeline(text));
            }
            self.features.extend_from_slice(values);
        }
        Ok(Ok(()))
    }
}

/// Finds out how a pipeline gets from a picture to the features of each view that is averaged over.
fn way(pipeline: &Pipeline, registry: &Registry) -> Result<ViewChain, InferenceError> {
    let chain = Chain::build(registry, pipeline.prepare.iter().chain(&pipeline.feed))?;
    Ok(ViewChain::new(chain, Views::to_classify(pipeline).iter().copied()))
}
