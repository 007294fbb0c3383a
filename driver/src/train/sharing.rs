//! What other jobs have in common with this one: blocks of the same pictures prepared in the same way, and operators
//! that are fitted to the same pictures.

use howdah_proto::{ContextId, Partition, lineage::OperatorSpec, pb};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{PartitionUse, StageTask, TrainJob};

/// What decides which parameters an operator is fitted with: as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FitKey([u8; 32]);

/// The contexts of blocks that jobs share; those of jobs and programs are counted up from below.
const SHARED: u64 = 1 << 63;

impl TrainJob {
    /// The context of the job's blocks: jobs that prepare the same pictures in the same way, in the same partitions, have
    /// the same. It is that of the job alone before its pictures are cut.
    pub fn blocks_context(&self) -> ContextId {
        self.pictures.blocks.unwrap_or(self.job.into())
    }

    /// Finds the context of the blocks anew, after the cut or an operator has changed.
    pub(super) fn find_blocks_context(&mut self) {
        let Some(pictures) = self.pictures.cut_hash else { return };
        let mut hash = Sha256::new_with_prefix(pictures);
        hash.update((self.pipeline.prepare.len() as u64).to_le_bytes());
        // The feed decides how many features are reported of a block; what it is fitted with later doesn't.
        for operator in self.pipeline.prepare.iter().chain(&self.settings.pipeline.feed) {
            add_operator(&mut hash, operator);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let first = hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.pictures.blocks = Some(ContextId(first | SHARED));
    }

    /// What the parameters of the operator at a place depend on; none before the pictures are cut.
    pub fn fit_key(&self, operator: u32) -> Option<FitKey> {
        let cut = self.pictures.cut.as_ref()?;
        let mut hash = Sha256::new_with_prefix(self.pictures.cut_hash?);
        hash.update(self.settings.selection_seed().to_le_bytes());
        for (_, role) in cut.partitions() {
            hash.update([u8::from(role == PartitionUse::Train)]);
        }
        hash.update((self.pipeline.prepare.len() as u64).to_le_bytes());
        let operators = self.pipeline.prepare.iter().chain(&self.pipeline.feed);
        for operator in operators.take(operator as usize + 1) {
            add_operator(&mut hash, operator);
        }
        Some(FitKey(hash.finalize().into()))
    }

    /// A task for each partition, to prepare it.
    pub(super) fn prepare_tasks(&self) -> Vec<StageTask> {
        let cut = self.pictures.cut.iter().flat_map(|cut| cut.partitions());
        cut.map(|(partition, _)| StageTask { partition, prefers: None }).collect()
    }

    /// Hashes what decides the blocks, but for the operators: the pictures of each partition, and which views of them
    /// are prepared.
    pub(super) fn hash_cut(&mut self) {
        let Some(cut) = &self.pictures.cut else { return };
        let mut hash = Sha256::new();
        let partitions: Vec<Partition> = cut.partitions().map(|(partition, _)| partition).collect();
        for partition in partitions {
            let files = self.files(partition);
            hash.update((files.len() as u64).to_le_bytes());
            let pb::Views { count, mirrored, seed } = self.views(partition).into();
            hash.update(count.to_le_bytes());
            hash.update([u8::from(mirrored)]);
            hash.update(seed.to_le_bytes());
            // What executors are told of a picture is all that a block can depend on.
            for file in files {
                hash.update(file.encode_length_delimited_to_vec());
            }
            if let Some(block) = self.prepared_block(partition) {
                hash.update(block.encode_length_delimited_to_vec());
            }
        }
        self.pictures.cut_hash = Some(hash.finalize().into());
        self.find_blocks_context();
    }
}

fn add_operator(hash: &mut Sha256, operator: &OperatorSpec) {
    // Plain fields always serialise, and the keys of an object are in order.
    let text = serde_json::to_string(operator).unwrap_or_default();
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use howdah_executor::{
        rdd::spec_of,
        source::{ObjectRef, Part, Place},
        vision::{Flatten, Standardise},
    };
    use howdah_proto::{
        JobId,
        settings::{Fold, Pipeline, Selection, TrainSettings},
    };

    use super::*;
    use crate::{dataset::Dataset, scheduler::Millis, train::fixture::*};

    fn listed(settings: TrainSettings, pictures: usize) -> TrainJob {
        listed_of(settings, dataset(pictures, 4))
    }

    fn listed_of(settings: TrainSettings, dataset: Dataset) -> TrainJob {
        let (mut job, _) = TrainJob::new(JobId(4), settings, Millis(0));
        job.on_dataset(Ok(dataset), &cluster(), Millis(0));
        job
    }

    fn with(change: impl FnOnce(&mut TrainSettings)) -> TrainSettings {
        let mut settings = settings(1);
        change(&mut settings);
        settings
    }

    fn fold(number: u32) -> TrainSettings {
        let selection = Selection { fold: Some(Fold { number, of: 4 }), seed: None };
        with(|settings| settings.selection = selection)
    }

    #[test]
    fn jobs_share_blocks_if_pictures_cut_and_preparation_are_the_same() {
        let context = |settings| listed(settings, 40).blocks_context();
        let plain = context(settings(1));
        assert!(plain.0 >= SHARED);
        assert_eq!(context(with(|settings| settings.batch = 5)), plain);
        assert_eq!(context(with(|settings| (settings.seed, settings.selection.seed) = (9, Some(1)))), plain);
        assert_ne!(context(with(|settings| settings.pipeline.feed = vec![spec_of(&Flatten {})])), plain);
        assert_ne!(context(with(|settings| settings.seed = 9)), plain);
        assert_ne!(context(with(|settings| settings.partitions = Some(3))), plain);
        assert_ne!(context(with(|settings| settings.pipeline.prepare = vec![spec_of(&Flatten {})])), plain);
        assert_ne!(listed(settings(1), 41).blocks_context(), plain);
        let mut moved = dataset(40, 4);
        let object =
            ObjectRef { location: "/set.tar".to_owned(), bytes: 2_000, modified_unix_ns: 0, etag: None };
        moved.train[7].part =
            Some(Part { object: Arc::new(object), place: Place::Range { offset: 512, bytes: 1 } });
        assert_ne!(listed_of(settings(1), moved).blocks_context(), plain);
        let (unlisted, _) = TrainJob::new(JobId(4), settings(1), Millis(0));
        assert_eq!(unlisted.blocks_context(), JobId(4).into());
    }

    #[test]
    fn folds_share_blocks_and_not_what_is_fitted() {
        let (first, second) = (listed(fold(1), 40), listed(fold(2), 40));
        assert_eq!(first.blocks_context(), second.blocks_context());
        assert_ne!(first.fit_key(0), second.fit_key(0));
        assert_eq!(first.fit_key(0), listed(fold(1), 40).fit_key(0));
    }

    #[test]
    fn folds_of_which_more_views_are_prepared_to_train_on_share_no_blocks() {
        let views =
            |number| TrainSettings { pipeline: Pipeline { views: 2, ..fold(1).pipeline }, ..fold(number) };
        assert_ne!(listed(views(1), 40).blocks_context(), listed(views(2), 40).blocks_context());
    }

    #[test]
    fn a_fit_depends_on_its_operator_and_those_before_it_and_on_none_after() {
        let feed = |later: f32| {
            let specs = [1.0, 2.0, later].map(|epsilon| spec_of(&Standardise::new(epsilon, None)));
            listed(with(|settings| settings.pipeline.feed = specs.to_vec()), 40)
        };
        assert_eq!(feed(3.0).fit_key(1), feed(4.0).fit_key(1));
        assert_ne!(feed(3.0).fit_key(2), feed(4.0).fit_key(2));
        assert_ne!(feed(3.0).fit_key(0), feed(3.0).fit_key(1));
    }
}
