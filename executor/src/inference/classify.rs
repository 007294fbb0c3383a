use std::{collections::VecDeque, sync::Arc};

use howdah_proto::Partition;
use serde::{Deserialize, Serialize};

use super::{BATCH, Classifier, ModelFiles, PictureRef, Verdict};
use crate::{
    learn::Model,
    rdd::{
        Failure, Function, MapPartitions, Records,
        scope::{Broadcast, Surroundings},
    },
};

/// Classifies the pictures of a partition, with models whose files were broadcast. An executor reads them once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Classify {
    /// The models.
    pub models: Broadcast<ModelFiles>,
}

impl Function for Classify {
    const NAME: &'static str = "classify";
}

impl MapPartitions for Classify {
    type Input = PictureRef;
    type Output = Verdict;

    fn map_partition(
        self,
        _: Partition,
        records: Records<PictureRef>,
    ) -> Result<impl Iterator<Item = Result<Verdict, Failure>> + Send + 'static, Failure> {
        let classifier = self.models.made(classifier)?;
        Ok(Verdicts { classifier, records, batch: Vec::with_capacity(BATCH), ready: VecDeque::new() })
    }
}

fn classifier(files: &ModelFiles, surroundings: &Surroundings) -> Result<Classifier, Failure> {
    // The driver checks models before it gives them away, so another attempt would fare no better.
    let models = files.models.iter().map(|file| Model::from_bytes(&file.0)).collect::<Result<_, _>>();
    let models = models.map_err(|fault| Failure::fatal(fault.to_string()))?;
    let Surroundings { registry, runtime } = surroundings.clone();
    Classifier::new(models, files.combine, registry, runtime)
        .map_err(|error| Failure::fatal(error.to_string()))
}

/// The verdicts on the pictures of a partition, a batch at a time.
struct Verdicts {
    classifier: Arc<Classifier>,
    records: Records<PictureRef>,
    batch: Vec<PictureRef>,
    ready: VecDeque<Verdict>,
}

impl Iterator for Verdicts {
    type Item = Result<Verdict, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.batch.clear();
            self.batch.extend(self.records.by_ref().take(BATCH));
            match self.classifier.classify(&self.batch) {
                Ok(verdicts) => self.ready.extend(verdicts),
                Err(error) => return Some(Err(Failure::fatal(error.to_string()))),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
