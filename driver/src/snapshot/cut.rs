use std::collections::{BTreeMap, BTreeSet};

use howdah_paramserver::client::ShardMarks;
use howdah_proto::{Step, fence::TrainTask};

use super::Lacking;

/// How far ahead of the replicas a snapshot is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AheadOf {
    /// Steps between two pushes.
    pub interval: u64,
    /// How many pushes ahead.
    pub pushes: u64,
}

/// Plans what a snapshot has of each task, while replicas go on pushing.
///
/// A task that has pushed to any shard is in it up to the highest mark and some pushes more, where pushes end, or
/// up to its last step. Tasks that have not begun are not in it. `steps` tells how many steps a task has.
pub fn plan_ahead<'a>(
    marks: impl IntoIterator<Item = &'a BTreeMap<TrainTask, Step>>,
    steps: impl Fn(TrainTask) -> u64,
    ahead: AheadOf,
) -> BTreeMap<TrainTask, Step> {
    let mut cut: BTreeMap<TrainTask, Step> = BTreeMap::new();
    for (task, mark) in marks.into_iter().flatten().filter(|(_, mark)| mark.0 > 0) {
        let highest = cut.entry(*task).or_default();
        *highest = (*highest).max(*mark);
    }
    for (task, mark) in &mut cut {
        let pushes = (mark.0 / ahead.interval.max(1)).saturating_add(ahead.pushes);
        *mark = Step(pushes.saturating_mul(ahead.interval).min(steps(*task)).max(mark.0));
    }
    cut
}

/// Checks that no cut would wait for the end of an epoch: each shard has the steps of a task that any of them has, or the task
/// is under way and sends it what it lacks. Of the next epoch there is nothing yet: it waits until the snapshot is planned.
///
/// # Errors
/// [`Lacking`] if a shard was made anew, and lacks steps of a task that is done.
pub fn check_sent(shards: &[ShardMarks], running: &BTreeSet<TrainTask>) -> Result<(), Lacking> {
    let mut highest: BTreeMap<TrainTask, Step> = BTreeMap::new();
    for (task, mark) in shards.iter().flat_map(|shard| &shard.marks) {
        let highest = highest.entry(*task).or_default();
        *highest = (*highest).max(*mark);
    }
    highest.retain(|task, _| !running.contains(task));
    let lacking = |(index, shard): (usize, &ShardMarks)| {
        let lacks = |(task, highest): &(&TrainTask, &Step)| {
            let has = shard.marks.get(*task).copied().unwrap_or_default();
            task.epoch > shard.retired && has < **highest
        };
        highest.iter().find(lacks).map(|(task, _)| Lacking { shard: index, epoch: task.epoch })
    };
    shards.iter().enumerate().find_map(lacking).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Epoch, Partition};

    use super::*;

    fn task(partition: u32) -> TrainTask {
        TrainTask { epoch: Epoch(1), partition: Partition(partition) }
    }

    fn plan(marks: &[&[(u32, u64)]], interval: u64, pushes: u64) -> Vec<u64> {
        let shard = |marks: &&[(u32, u64)]| {
            marks.iter().map(|(partition, mark)| (task(*partition), Step(*mark))).collect()
        };
        let marks: Vec<BTreeMap<TrainTask, Step>> = marks.iter().map(shard).collect();
        plan_ahead(&marks, |_| 21, AheadOf { interval, pushes }).values().map(|step| step.0).collect()
    }

    #[test]
    fn a_cut_is_ahead_of_the_fastest_shard_and_ends_where_pushes_end() {
        assert_eq!(plan(&[&[(0, 4)], &[(0, 8)]], 4, 2), [16]);
        assert_eq!(plan(&[&[(0, 8)], &[]], 4, 0), [8]);
    }

    #[test]
    fn a_cut_does_not_go_beyond_the_last_step() {
        assert_eq!(plan(&[&[(0, 20), (1, 21), (2, 4)]], 4, 2), [21, 21, 12]);
        assert_eq!(plan(&[&[(0, 21)]], u64::MAX, 2), [21]);
    }

    #[test]
    fn a_shard_that_lacks_steps_of_a_task_that_is_done_is_found() {
        let shard = |retired, marks: &[(u32, u64)]| ShardMarks {
            marks: marks.iter().map(|(partition, mark)| (task(*partition), Step(*mark))).collect(),
            retired: Epoch(retired),
            ..ShardMarks::default()
        };
        let shards = [shard(0, &[(0, 21), (1, 8)]), shard(0, &[(0, 16), (1, 4)])];
        let check = |running: &[u32]| check_sent(&shards, &running.iter().copied().map(task).collect());
        assert_eq!(check(&[0, 1]), Ok(()), "what it lacks is on its way");
        assert_eq!(check(&[1]), Err(Lacking { shard: 1, epoch: Epoch(1) }));
        let forgotten = [shards[0].clone(), shard(1, &[])];
        assert_eq!(check_sent(&forgotten, &BTreeSet::new()), Ok(()));
    }

    #[test]
    fn tasks_that_have_not_begun_are_not_in_a_cut() {
        assert_eq!(plan(&[&[(0, 0)], &[(1, 4)]], 4, 1), [8]);
    }
}
