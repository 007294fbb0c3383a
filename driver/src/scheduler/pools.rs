use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use howdah_proto::JobId;

use super::pool::{Pool, PoolMode, PoolName, PoolView};

/// Which pool gets the next slot.
#[derive(Debug, Clone)]
struct Rank {
    satisfied: bool,
    running: u32,
    /// The minimum share, or the weight of a pool that has it.
    share: u32,
    name: PoolName,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let ratio = |rank: &Self, by: &Self| u64::from(rank.running) * u64::from(by.share);
        self.satisfied
            .cmp(&other.satisfied)
            .then_with(|| ratio(self, other).cmp(&ratio(other, self)))
            .then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

#[derive(Debug)]
struct Entry {
    pool: Pool,
    /// A pool that a job named stays as long as it has jobs.
    configured: bool,
    jobs: u32,
    running: u32,
    /// Jobs with a task that could be launched, after their running attempts if the pool is fair.
    offers: BTreeSet<(u32, JobId)>,
}

impl Entry {
    fn rank(&self) -> Rank {
        let satisfied = self.running >= self.pool.min_share;
        let share = if satisfied { self.pool.weight.max(1) } else { self.pool.min_share };
        Rank { satisfied, running: self.running, share, name: self.pool.name.clone() }
    }

    fn place(&self, id: JobId, job: &Member) -> (u32, JobId) {
        match self.pool.mode {
            PoolMode::Fifo => (0, id),
            PoolMode::Fair => (job.running, id),
        }
    }
}

#[derive(Debug)]
struct Member {
    pool: PoolName,
    running: u32,
    offers: bool,
}

/// The order among jobs; a change costs O(log jobs).
#[derive(Debug, Default)]
pub(super) struct Pools {
    pools: BTreeMap<PoolName, Entry>,
    jobs: BTreeMap<JobId, Member>,
    /// The pools with a task that could be launched.
    order: BTreeSet<Rank>,
}

impl Pools {
    pub(super) fn new(pools: &[Pool]) -> Self {
        let entry = |pool: &Pool| {
            let entry =
                Entry { pool: pool.clone(), configured: true, jobs: 0, running: 0, offers: BTreeSet::new() };
            (pool.name.clone(), entry)
        };
        Self { pools: pools.iter().map(entry).collect(), ..Self::default() }
    }

    pub(super) fn add(&mut self, job: JobId, pool: &PoolName) {
        let entry = self.pools.entry(pool.clone()).or_insert_with(|| Entry {
            pool: Pool::named(pool.clone()),
            configured: false,
            jobs: 0,
            running: 0,
            offers: BTreeSet::new(),
        });
        entry.jobs += 1;
        self.jobs.insert(job, Member { pool: pool.clone(), running: 0, offers: false });
    }

    pub(super) fn remove(&mut self, job: JobId) {
        self.change(job, |job| (job.running, job.offers) = (0, false));
        let Some(job) = self.jobs.remove(&job) else { return };
        let Some(entry) = self.pools.get_mut(&job.pool) else { return };
        entry.jobs -= 1;
        if entry.jobs == 0 && !entry.configured {
            self.pools.remove(&job.pool);
        }
    }

    pub(super) fn run_began(&mut self, job: JobId) {
        self.change(job, |job| job.running += 1);
    }

    pub(super) fn run_ended(&mut self, job: JobId) {
        self.change(job, |job| job.running = job.running.saturating_sub(1));
    }

    /// Notes whether a job has a task that could be launched.
    pub(super) fn set_offers(&mut self, job: JobId, offers: bool) {
        self.change(job, |job| job.offers = offers);
    }

    /// Returns the jobs that have a task that could be launched, in the order in which they get slots.
    pub(super) fn in_order(&self) -> impl Iterator<Item = JobId> + '_ {
        let pools = self.order.iter().filter_map(|rank| self.pools.get(&rank.name));
        pools.flat_map(|pool| pool.offers.iter().map(|(_, job)| *job))
    }

    /// Returns the pools by name.
    pub(super) fn views(&self) -> impl Iterator<Item = PoolView> + '_ {
        self.pools.values().map(|entry| PoolView {
            pool: entry.pool.clone(),
            jobs: entry.jobs,
            running: entry.running,
        })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let idle = |entry: &Entry| entry.configured && entry.jobs + entry.running == 0;
        self.jobs.is_empty() && self.order.is_empty() && self.pools.values().all(idle)
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Member)) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(entry) = self.pools.get_mut(&job.pool) else { return };
        let (rank, place, ran) = (entry.rank(), entry.place(id, job), job.running);
        if job.offers {
            entry.offers.remove(&place);
            self.order.remove(&rank);
        } else if !entry.offers.is_empty() {
            self.order.remove(&rank);
        }
        change(job);
        entry.running = entry.running + job.running - ran;
        if job.offers {
            entry.offers.insert(entry.place(id, job));
        }
        if !entry.offers.is_empty() {
            self.order.insert(entry.rank());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, mode: PoolMode, weight: u32, min_share: u32) -> Pool {
        Pool { name: PoolName::new(name), mode, weight, min_share }
    }

    /// Gives slots to jobs 1, 2, … in the pools, and returns who got them.
    fn give(pools: &[Pool], jobs: &[&str], slots: usize) -> Vec<u64> {
        let mut state = Pools::new(pools);
        for (id, name) in (1..).map(JobId).zip(jobs) {
            state.add(id, &PoolName::new(*name));
            state.set_offers(id, true);
        }
        let mut given = Vec::new();
        for _ in 0..slots {
            let next = state.in_order().next();
            given.extend(next.map(|job| job.0));
            next.inspect(|job| state.run_began(*job));
        }
        given
    }

    #[test]
    fn the_first_job_of_a_fifo_pool_gets_everything() {
        assert_eq!(give(&[], &["default", "default"], 3), [1, 1, 1]);
    }

    #[test]
    fn the_jobs_of_a_fair_pool_take_turns() {
        assert_eq!(give(&[pool("a", PoolMode::Fair, 1, 0)], &["a", "a"], 4), [1, 2, 1, 2]);
    }

    #[test]
    fn two_pools_that_were_never_described_share_evenly() {
        assert_eq!(give(&[], &["x", "y"], 4), [1, 2, 1, 2]);
    }

    #[test]
    fn a_pool_of_twice_the_weight_gets_twice_the_slots() {
        let pools = [pool("a", PoolMode::Fifo, 2, 0), pool("b", PoolMode::Fifo, 1, 0)];
        let given = give(&pools, &["a", "b"], 9);
        assert_eq!(given.iter().filter(|job| **job == 1).count(), 6, "{given:?}");
    }

    #[test]
    fn a_pool_below_its_minimum_share_comes_first_and_the_neediest_before_the_others() {
        let pools = [
            pool("a", PoolMode::Fifo, 100, 0),
            pool("b", PoolMode::Fifo, 1, 2),
            pool("c", PoolMode::Fifo, 1, 4),
        ];
        assert_eq!(give(&pools, &["a", "b", "c"], 7), [2, 3, 3, 2, 3, 3, 1]);
    }

    #[test]
    fn a_pool_that_nobody_described_goes_with_its_last_job() {
        let mut pools = Pools::new(&[]);
        pools.add(JobId(1), &PoolName::new("x"));
        pools.run_began(JobId(1));
        pools.set_offers(JobId(1), true);
        assert_eq!(pools.views().map(|view| (view.jobs, view.running)).collect::<Vec<_>>(), [(1, 1)]);
        pools.remove(JobId(1));
        assert!(pools.is_empty());
        assert_eq!(pools.in_order().count(), 0);
    }
}
