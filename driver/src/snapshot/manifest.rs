use std::fmt::Write;

use howdah_proto::{
    Epoch, JobId, Partition, Round, SnapshotId, Step,
    event::{EpochReport, Metrics},
    fence::TrainTask,
    lineage::OperatorSpec,
    pb,
    settings::{MAX_SHARDS, Pipeline, TrainSettings},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SnapshotError;
use crate::{dataset::PictureFile, prepared::same_pipeline};

/// The version of the manifest's format.
const VERSION: u32 = 2;

/// What a snapshot has: the file that is written last and makes it whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The job that it was taken of.
    pub job: JobId,
    /// Its number within the run.
    pub snapshot: SnapshotId,
    /// What was set for the job.
    pub settings: TrainSettings,
    /// The hash of the pictures.
    pub fingerprint: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The pipeline with the parameters that were found from the training pictures, if any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<Pipeline>,
    /// Values in a sample.
    pub features: u32,
    /// Into how many partitions the training pictures are cut.
    pub partitions: u32,
    /// How many pictures of each of them can be used; empty in older ones, which didn't keep it.
    #[serde(default)]
    pub samples: Vec<(Partition, u64)>,
    /// How many replicas trained at the same time.
    pub replicas: u32,
    /// The epoch that was being trained, or had just been.
    pub epoch: Epoch,
    /// The rounds that are in it, in the modes that train in rounds.
    pub round: Round,
    /// The epochs up to this one are in it whole, without marks, as they were in the snapshot before it.
    pub retired: Epoch,
    /// The step of each task up to which it is in it.
    pub marks: Vec<(TrainTask, Step)>,
    /// What the epochs gave so far.
    pub progress: Progress,
    /// The files of the shards, in the order of their ranges.
    pub shards: Vec<SavedFile>,
}

/// What every version of a manifest begins with.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What the epochs of a job gave so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The epochs that are over.
    pub finished: Vec<EpochReport>,
    /// What the evaluation after the last of them gave.
    pub evaluated: Evaluated,
    /// The epochs that are not.
    pub running: Vec<TrainSums>,
}

/// What the evaluation of an epoch gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// On the held-out pictures; absent if there are none.
    pub test: Option<Metrics>,
    /// On the validation pictures; absent if there are none.
    pub validation: Option<Metrics>,
}

/// What the tasks of an epoch reported so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSums {
    /// The epoch.
    pub epoch: Epoch,
    /// Samples trained on.
    pub samples: u64,
    /// The sum of their losses.
    pub loss_sum: f64,
    /// How many were classified rightly.
    pub correct: u64,
}

/// The file of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFile {
    /// Its name in the snapshot's folder.
    pub file: String,
    /// The first of the parameters in it.
    pub start: u64,
    /// How many there are.
    pub len: u64,
    /// The length of the file.
    pub bytes: u64,
    /// Its SHA-256, as hexadecimal digits.
    pub checksum: String,
}

impl SavedFile {
    /// Describes a file by the bytes of its checksum.
    pub fn new(file: String, place: &pb::ShardPlace, bytes: u64, checksum: &[u8]) -> Self {
        Self { file, start: place.start, len: place.len, bytes, checksum: hex(checksum) }
    }

    fn check(&self, start: u64) -> Result<u64, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if self.file.is_empty() || self.file.starts_with('.') || !self.file.bytes().all(plain) {
            return Err(format!("`{}` is no name of a file in its folder", self.file));
        }
        if unhex(&self.checksum).is_none_or(|bytes| bytes.len() != 32) {
            return Err(format!("the checksum of {} is none", self.file));
        }
        let end = self.start.checked_add(self.len).filter(|end| self.start == start && *end > start);
        end.ok_or_else(|| format!("{} should begin at value {start}", self.file))
    }
}

impl From<&SavedFile> for pb::SavedShard {
    fn from(saved: &SavedFile) -> Self {
        Self {
            start: saved.start,
            len: saved.len,
            file: saved.file.clone(),
            bytes: saved.bytes,
            checksum: unhex(&saved.checksum).unwrap_or_default().into(),
        }
    }
}

impl Manifest {
    /// The version that this program writes.
    pub const VERSION: u32 = VERSION;

    /// Reads a manifest and checks that it makes sense in itself.
    ///
    /// # Errors
    /// [`SnapshotError::Manifest`], naming `file`.
    pub fn read(file: &str, content: &[u8]) -> Result<Self, SnapshotError> {
        let unfit = |reason: String| SnapshotError::Manifest { file: file.to_owned(), reason };
        let read_version = |content| serde_json::from_slice::<Versioned>(content);
        let Versioned { version } = read_version(content).map_err(|error| unfit(error.to_string()))?;
        if version != VERSION {
            return Err(unfit(format!("its version is {version}, and this program reads {VERSION}")));
        }
        let manifest: Self = serde_json::from_slice(content).map_err(|error| unfit(error.to_string()))?;
        manifest.check().map_err(unfit)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        self.settings.validate().map_err(|error| error.to_string())?;
        if self.shards.is_empty() || self.shards.len() > MAX_SHARDS as usize {
            return Err(format!("it has {} shards", self.shards.len()));
        }
        if self.epoch.0 == 0 || self.partitions == 0 || self.replicas == 0 || self.features == 0 {
            return Err("its epoch, partitions, replicas and features are counted from 1".to_owned());
        }
        if self.fitted.as_ref().is_some_and(|fitted| !is_fitted(fitted, &self.settings.pipeline)) {
            return Err("its fitted pipeline is another than that of its settings".to_owned());
        }
        self.shards.iter().try_fold(0, |start, saved| saved.check(start)).map(drop)
    }

    /// Checks that a job with these settings can go on from it. Epochs, shards, copies and what has to do with
    /// failures may be others.
    ///
    /// # Errors
    /// [`SnapshotError::Unfit`], naming the setting.
    pub fn fits(&self, now: &TrainSettings) -> Result<(), SnapshotError> {
        let then = &self.settings;
        same("selection", &then.selection, &now.selection)?;
        same("network", &then.network, &now.network)?;
        if !same_pipeline(&then.pipeline, &now.pipeline) {
            same("pipeline", &then.pipeline, &now.pipeline)?;
        }
        same("batch", &then.batch, &now.batch)?;
        same("seed", &then.seed, &now.seed)?;
        same("updates", &then.updates, &now.updates)?;
        same("rule", &then.rule, &now.rule)?;
        same("correction", &then.correction, &now.correction)?;
        same("mode", &then.mode, &now.mode)?;
        // Shards keep the average beside their weights.
        same("average", &then.learning.average, &now.learning.average)?;
        let fraction = |settings: &TrainSettings| settings.validation.map(|validation| validation.fraction);
        same("validation fraction", &fraction(then), &fraction(now))?;
        // What was asked for may be another number than came of it, where pictures are few or cut fold by fold.
        if now.partitions != then.partitions
            && now.partitions.is_some_and(|partitions| partitions != self.partitions)
        {
            same("number of partitions", &Some(self.partitions), &now.partitions)?;
        }
        if now.epochs < self.epoch.0 {
            return Err(SnapshotError::Beyond { at: self.epoch, epochs: now.epochs });
        }
        Ok(())
    }

    /// Gives the bytes of all files of the shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().fold(0, |sum, saved| sum.saturating_add(saved.bytes))
    }
}

/// Whether a pipeline is another one with parameters found.
pub(crate) fn is_fitted(fitted: &Pipeline, pipeline: &Pipeline) -> bool {
    let alike = |fitted: &[OperatorSpec], specs: &[OperatorSpec]| {
        let same = |(a, b): (&OperatorSpec, &OperatorSpec)| (&a.name, a.version) == (&b.name, b.version);
        fitted.len() == specs.len() && fitted.iter().zip(specs).all(same)
    };
    alike(&fitted.prepare, &pipeline.prepare)
        && alike(&fitted.feed, &pipeline.feed)
        && (fitted.views, fitted.mirror_average) == (pipeline.views, pipeline.mirror_average)
}

fn same<T: PartialEq + Serialize>(setting: &'static str, then: &T, now: &T) -> Result<(), SnapshotError> {
    if then == now {
        return Ok(());
    }
    // Settings are plain fields, which always serialise.
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    Err(SnapshotError::Unfit { setting, then: text(then), now: text(now) })
}

/// The hash of a job's pictures, in their order: their relative paths, sizes and labels.
pub fn fingerprint(files: &[PictureFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.relative.len() as u64).to_le_bytes());
        hash.update(file.relative.as_bytes());
        hash.update(file.bytes.to_le_bytes());
        hash.update(file.label.to_le_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
