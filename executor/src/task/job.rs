use std::{sync::Arc, time::Duration};

use howdah_paramserver::client::{Parameters, Patience};
use howdah_proto::{ContextId, JobId, WireError, lineage::Lineage, pb, required, settings::TrainSettings};

use crate::learn::Objective;

/// A shard that moves, or starts again, is waited for as long as the deadline says, however often it is asked.
const PATIENCE: Patience =
    Patience { deadline: Duration::from_secs(60), tries: u32::MAX, first_pause: Duration::from_millis(50) };

/// What all tasks of a job share, checked.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The job.
    pub job: JobId,
    /// The context of its blocks, which other jobs may share.
    pub blocks: ContextId,
    /// How its partitions are computed.
    pub lineage: Arc<Lineage>,
    /// Set once the job's shards exist.
    pub train: Option<TrainContext>,
}

/// What the training tasks of a job share.
#[derive(Debug, Clone)]
pub struct TrainContext {
    /// What the user set.
    pub settings: Arc<TrainSettings>,
    /// The number of classes.
    pub classes: u32,
    /// How many replicas train at the same time.
    pub replicas: u32,
    /// What replicas make small.
    pub objective: Objective,
    /// The shards.
    pub parameters: Arc<Parameters>,
}

impl JobContext {
    /// Checks what the driver sends about a job.
    ///
    /// # Errors
    /// [`WireError`], naming the field.
    pub fn from_wire(message: pb::PutJob) -> Result<Self, WireError> {
        let job = JobId(message.job_id);
        let lineage = Arc::new(required(message.lineage, "lineage")?.try_into()?);
        let train = message.train.map(|train| TrainContext::from_wire(job, train)).transpose()?;
        let blocks = match message.blocks_context {
            0 => job.into(),
            shared => ContextId(shared),
        };
        Ok(Self { job, blocks, lineage, train })
    }
}

impl TrainContext {
    fn from_wire(job: JobId, message: pb::TrainContext) -> Result<Self, WireError> {
        let settings: TrainSettings = serde_json::from_str(&message.settings)
            .map_err(|error| WireError::invalid("train.settings", error))?;
        settings.validate()?;
        if message.classes < 2 {
            return Err(WireError::invalid("train.classes", "at least 2 are needed"));
        }
        let weights = &message.class_weights;
        let fit = weights.is_empty() || weights.len() == message.classes as usize;
        if !fit || !weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) {
            return Err(WireError::invalid("train.class_weights", "one that is not negative for each class"));
        }
        let parameters = Parameters::new(job, message.shards, PATIENCE)
            .map_err(|error| WireError::invalid("train.shards", error))?;
        Ok(Self {
            replicas: message.replicas,
            objective: Objective {
                label_smoothing: settings.learning.label_smoothing,
                class_weights: message.class_weights,
                clip_norm: settings.learning.clip_norm,
                l2: settings.learning.l2,
            },
            parameters: Arc::new(parameters),
            classes: message.classes,
            settings: Arc::new(settings),
        })
    }
}
