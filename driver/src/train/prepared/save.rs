use std::collections::BTreeMap;

use howdah_executor::{prepared::ShardInfo, rdd::Spread};
use howdah_proto::{
    NodeId, Partition,
    event::StageKind,
    pb::{self, SavedSamples},
};
use sha2::{Digest, Sha256};

use crate::{
    prepared::{LeftOut, SAMPLES},
    scheduler::Millis,
    train::{Ending, Implausible, JobCommand, StageTask, TrainJob, job::Phase},
};

/// What a job has written that prepares pictures.
#[derive(Debug, Default)]
pub(in crate::train) struct Saved {
    /// The pictures that can't be used, by their place in the listing.
    pub(in crate::train) left_out: BTreeMap<u32, LeftOut>,
    /// Those that could not even be listed.
    pub(in crate::train) unlisted: Vec<LeftOut>,
    /// What was written for each partition.
    pub(in crate::train) shards: BTreeMap<Partition, Vec<SavedShard>>,
    pub(in crate::train) started: Option<Millis>,
}

/// A shard that an executor has written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct SavedShard {
    pub(in crate::train) file: String,
    pub(in crate::train) info: ShardInfo,
    pub(in crate::train) spread: Spread,
}

impl TrainJob {
    /// Writes what is prepared.
    pub(in crate::train) fn begin_save(&mut self, now: Millis) -> Vec<JobCommand> {
        self.phase = Phase::Saving;
        self.saved.started = Some(now);
        let cut = self.pictures.cut.iter().flat_map(|cut| cut.partitions());
        let has_samples =
            |partition| self.pictures.samples.get(&partition).is_some_and(|samples| *samples > 0);
        let task = |partition| StageTask { partition, prefers: Some(self.block) };
        let tasks = cut
            .map(|(partition, _)| partition)
            .filter(|partition| has_samples(*partition))
            .map(task)
            .collect();
        vec![JobCommand::Stage { kind: StageKind::Save, tasks }]
    }

    /// What the task does that writes a block.
    pub(in crate::train) fn save_task(&self, node: NodeId) -> pb::SaveBlock {
        let location = self.settings.prepare.as_ref().map(|to| to.location.clone()).unwrap_or_default();
        pb::SaveBlock { node: node.0, location, set: set_bytes(&self.set_id()).into() }
    }

    /// The id of the set, as hexadecimal digits: a hash of all that decides what is in it.
    pub(in crate::train) fn set_id(&self) -> String {
        let settings = &self.settings;
        let decides = (
            &self.pictures.fingerprint,
            &self.pictures.classes,
            &settings.pipeline,
            settings.seed,
            settings.validation.map(|validation| validation.fraction),
            self.pictures.cut.as_ref().map(|cut| cut.partitions().count()),
        );
        // Settings are plain fields, which always serialise.
        let text = serde_json::to_vec(&decides).unwrap_or_default();
        Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks what an executor reports of the shards of a partition.
    pub(in crate::train) fn check_saved(
        &self,
        partition: Partition,
        saved: &pb::BlockSaved,
    ) -> Result<(), Implausible> {
        let pictures = self.pictures.samples.get(&partition).copied().unwrap_or(0);
        let range = self.pictures.cut.as_ref().map_or(0..0, |cut| cut.files(partition));
        let (mut counted, mut next) = (0u64, range.start as u64);
        for shard in &saved.shards {
            let wrong = || Implausible::Shard { partition, file: shard.file.clone() };
            let SavedShard { file, info, spread } = saved_shard(shard).ok_or_else(wrong)?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            let is_name = file.ends_with(SAMPLES) && !file.starts_with('.') && file.bytes().all(plain);
            let in_place = *info.keys.start() >= next && *info.keys.end() < range.end as u64;
            let makes_sense = spread.mean.is_finite() && spread.squares.is_finite() && spread.squares >= 0.0;
            if !is_name || !in_place || !makes_sense || info.bytes() != Some(shard.bytes) {
                return Err(wrong());
            }
            next = info.keys.end() + 1;
            counted = counted.saturating_add(info.header.pictures);
        }
        if counted != pictures {
            return Err(Implausible::Pictures { partition, pictures, counted });
        }
        Ok(())
    }

    /// The shards of a partition are written.
    pub(in crate::train) fn on_saved(
        &mut self,
        partition: Partition,
        saved: &pb::BlockSaved,
    ) -> Vec<JobCommand> {
        let shards = saved.shards.iter().filter_map(saved_shard).collect();
        self.saved.shards.insert(partition, shards);
        Vec::new()
    }

    /// All shards are written: the manifest makes the set whole.
    pub(in crate::train) fn all_saved(&mut self) -> Vec<JobCommand> {
        let Some(to) = &self.settings.prepare else { return Vec::new() };
        let location = to.location.clone();
        vec![JobCommand::CommitPrepared { location, manifest: Box::new(self.manifest(to)) }]
    }

    /// The manifest is written, or can't be.
    pub fn on_committed(&mut self, committed: Result<(), String>, now: Millis) -> Vec<JobCommand> {
        if self.phase != Phase::Saving {
            return Vec::new();
        }
        match (committed, &self.settings.prepare) {
            (Ok(()), Some(to)) => {
                let report = self.prepare_report(to, now);
                self.end(Ending::Prepared(report))
            }
            (Err(error), _) => self.fail(error, None),
            (Ok(()), None) => Vec::new(),
        }
    }

    /// A picture of the listing can't be used.
    pub(in crate::train) fn leave_out(&mut self, file: &pb::SkippedFile) {
        let left_out = LeftOut {
            picture: Some(file.index.into()),
            path: file.path.clone(),
            reason: file.reason.clone(),
        };
        self.saved.left_out.insert(file.index, left_out);
    }

    /// The first class none of whose training pictures can be used.
    pub(in crate::train) fn unusable_class(&self) -> Option<&str> {
        if self.prepared.is_some() {
            return None;
        }
        let mut usable = vec![0u64; self.pictures.classes.len()];
        let [train, ..] = self.pictures.layout.roles();
        let held_out = self.pictures.layout.held_out_fold();
        let train = self.pictures.files.iter().take(train.end).zip(0u32..);
        let is_usable =
            |index: u32| !held_out.contains(&(index as usize)) && !self.saved.left_out.contains_key(&index);
        for (file, _) in train.filter(|(_, index)| is_usable(*index)) {
            if let Some(count) = usable.get_mut(file.label as usize) {
                *count += 1;
            }
        }
        let class = usable.iter().position(|count| *count == 0)?;
        self.pictures.classes.get(class).map(String::as_str)
    }
}

fn saved_shard(shard: &SavedSamples) -> Option<SavedShard> {
    let info = ShardInfo::try_from(shard.shard?).ok()?;
    let spread = Spread { values: shard.values, mean: shard.mean, squares: shard.squares };
    Some(SavedShard { file: shard.file.clone(), info, spread })
}

/// The bytes of an id; shorter ones, which no shard has, if it is none.
pub(super) fn set_bytes(digits: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks(2).map_while(pair).collect()
}

#[cfg(test)]
mod tests {
    use howdah_proto::settings::{Fold, Selection, TrainSettings};

    use super::*;
    use crate::train::fixture::{preparing, settings};

    #[test]
    fn a_class_that_can_be_used_in_the_held_out_fold_alone_can_not_be_trained_on() {
        let selection = Selection { fold: Some(Fold { number: 1, of: 2 }), seed: None };
        let mut job = preparing(TrainSettings { selection, ..settings(1) }, 0);
        let held_out = job.pictures.layout.held_out_fold();
        let dogs: Vec<u32> = (0u32..)
            .zip(job.pictures.files.iter())
            .filter(|(index, file)| file.label == 1 && !held_out.contains(&(*index as usize)))
            .map(|(index, _)| index)
            .collect();
        assert_eq!((held_out, dogs.len()), (0..10, 5));
        assert_eq!(job.unusable_class(), None);
        for index in dogs {
            let (path, reason) = (format!("{index}.png"), "it is torn".to_owned());
            job.leave_out(&pb::SkippedFile { path, reason, index });
        }
        assert_eq!(job.unusable_class(), Some("dog"));
    }
}
