use howdah_proto::{ContextId, JobId};
use rand::{Rng, seq::IteratorRandom};

use super::{cluster::Cluster, lineages::Program, trouble::Trouble};

pub(super) const SEEDS: std::ops::Range<u64> = 0..200;
const JOBS: usize = 8;

/// Two programs that run actions, at once and one after the other, until they have run `JOBS` together.
pub(super) struct Session {
    pub(super) cluster: Cluster,
    contexts: Vec<ContextId>,
    pub(super) jobs: Vec<JobId>,
}

impl Session {
    pub(super) fn new(seed: u64) -> Self {
        let mut cluster = Cluster::new(seed, &[1, 2, 3]);
        let mut open = || {
            let program = Program::random(&mut cluster.random);
            cluster.open(program)
        };
        let contexts = vec![open(), open()];
        Self { cluster, contexts, jobs: Vec::new() }
    }

    fn start_one(&mut self) {
        let random = &mut self.cluster.random;
        let context = self.contexts.iter().copied().choose(random).unwrap();
        let program = &self.cluster.programs[&context];
        let node = program.likely_node(random);
        let all = 0..program.partitions(node);
        let wanted: Vec<u32> = if random.random_bool(0.7) {
            all.collect()
        } else {
            all.filter(|_| random.random_bool(0.7)).collect()
        };
        // No partitions at all would mean all of them.
        if !wanted.is_empty() {
            self.jobs.push(self.cluster.collect(context, node, wanted));
        }
    }

    fn all_ended(&self) -> bool {
        self.jobs.iter().all(|job| self.cluster.jobs[job].has_ended())
    }

    /// Runs everything, with trouble on the way.
    pub(super) fn run(&mut self, trouble: &mut Trouble, mut also: impl FnMut(&mut Self)) {
        for _ in 0..50_000 {
            if self.jobs.len() >= JOBS && self.all_ended() {
                return;
            }
            match self.cluster.random.random_range(0..40) {
                0 | 1 if self.jobs.len() < JOBS => self.start_one(),
                2 | 3 => trouble.strike(&mut self.cluster),
                4 => {
                    let unnoticed = self.cluster.unnoticed.keys().next().copied();
                    unnoticed.into_iter().for_each(|id| self.cluster.notice(id));
                }
                5 => self.cluster.tick(self.cluster.now),
                6 => also(self),
                _ if self.cluster.step() => {}
                _ if self.cluster.engine.next_deadline().is_some() => drop(self.cluster.wait()),
                _ if self.all_ended() => self.start_one(),
                _ => self.cluster.silence(),
            }
        }
        panic!("it does not end: {:#?}", self.cluster.engine);
    }
}

#[test]
fn every_action_gives_what_its_lineage_says_when_nothing_is_lost() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        session.run(&mut Trouble::none(), |_| {});
        session.jobs.iter().for_each(|job| session.cluster.jobs[job].check_right(seed));
        session.cluster.close_all(seed);
    }
}

#[test]
fn every_action_gives_what_its_lineage_says_whatever_dies() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        session.run(&mut Trouble::moderate(), |_| {});
        session.jobs.iter().for_each(|job| session.cluster.jobs[job].check_right(seed));
        session.cluster.calm_down();
        session.cluster.close_all(seed);
    }
}

#[test]
fn nodes_may_be_checkpointed_unpersisted_and_persisted_while_jobs_run_and_executors_die() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        session.run(&mut Trouble::moderate(), |session| {
            let Session { cluster, contexts, .. } = session;
            let context = contexts.iter().copied().choose(&mut cluster.random).unwrap();
            let node = cluster.programs[&context].any_node(&mut cluster.random);
            if cluster.random.random_bool(0.5) {
                let saved = cluster.programs.get_mut(&context).unwrap().checkpoint(node);
                let effects = cluster.engine.on_define(context, vec![saved], cluster.now).unwrap();
                cluster.carry_out(effects);
            } else {
                cluster.programs.get_mut(&context).unwrap().lineage.persist(node, None);
                let effects = cluster.engine.on_unpersist(context, node, cluster.now).unwrap();
                cluster.carry_out(effects);
            }
        });
        session.jobs.iter().for_each(|job| session.cluster.jobs[job].check_right(seed));
        session.cluster.calm_down();
        for id in session.contexts.clone() {
            session.cluster.close(id);
        }
        session.cluster.run();
        assert!(session.cluster.engine.is_clean(), "seed {seed}: {:#?}", session.cluster.engine);
    }
}

#[test]
fn a_context_that_closes_or_a_job_that_is_cancelled_at_any_moment_leaves_nothing_behind() {
    for seed in SEEDS {
        let mut session = Session::new(seed);
        let mut closed = None;
        session.run(&mut Trouble::moderate(), |session| {
            let Session { cluster, contexts, jobs } = session;
            if closed.is_none() && cluster.random.random_bool(0.3) {
                let context = contexts.remove(0);
                cluster.close(context);
                closed = Some(context);
            } else if let Some(job) = jobs.iter().copied().choose(&mut cluster.random) {
                let effects = cluster.engine.on_cancel(job, "enough".to_owned(), cluster.now);
                cluster.carry_out(effects);
            }
        });
        for job in &session.jobs {
            let watched = &session.cluster.jobs[job];
            match watched.failure() {
                None => watched.check_right(seed),
                Some(failed) => {
                    let why = ["enough", "its context was closed"];
                    assert!(why.iter().any(|why| failed.error.contains(why)), "seed {seed}: {failed:?}");
                }
            }
        }
        session.cluster.calm_down();
        session.cluster.close_all(seed);
    }
}
