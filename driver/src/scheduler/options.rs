use std::time::Duration;

use super::{Pool, PoolName};

/// What holds for all jobs of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a task waits for a slot on an executor that holds a block that it prefers before it may run
    /// elsewhere on the host, and again as long before it may run anywhere.
    ///
    /// It is short, because an executor fetches a block from its peer in less time than it takes to train on it.
    pub locality_wait: Duration,
    /// How long a task waits after the first time that a shard did not answer; twice as long each further time.
    pub shard_retry: Duration,
    /// The longest wait after a shard did not answer.
    pub shard_retry_limit: Duration,
    /// When an executor on which tasks fail gets no more of them.
    pub exclusion: Exclusion,
    /// The pools of jobs; one that a job names and that is not here is made when it is first used.
    pub pools: Vec<Pool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locality_wait: Duration::from_millis(100),
            shard_retry: Duration::from_secs(1),
            shard_retry_limit: Duration::from_secs(30),
            exclusion: Exclusion::default(),
            pools: Vec::new(),
        }
    }
}

/// When an executor on which tasks fail gets no more of them (Spark's excludeOnFailure).
///
/// One failure excludes it for the task in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion {
    /// How many different tasks of a stage fail on an executor before it is excluded for the stage.
    pub tasks_per_stage: u32,
    /// How many stages exclude an executor before it is excluded for everything.
    ///
    /// So do the failures that this takes at least, `tasks_per_stage * stages`, however they lie in stages.
    pub stages: u32,
    /// How long an executor is excluded for everything.
    ///
    /// Spark's hour suits clusters where others take its place. On a few machines of one's own, an hour without
    /// one of them costs more than to try it again each minute.
    pub timeout: Duration,
}

impl Default for Exclusion {
    fn default() -> Self {
        Self { tasks_per_stage: 2, stages: 2, timeout: Duration::from_secs(60) }
    }
}

/// When a slow task gets a second attempt on another executor (Spark's speculation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speculation {
    /// The part of a stage's tasks that must be done, in percent; rounded down, and at least one task.
    pub done_percent: u32,
    /// How many times longer than the median of the finished attempts an attempt must have run.
    pub multiplier: u32,
    /// The shortest run that counts as slow.
    pub minimum: Duration,
    /// How often it is looked after.
    pub interval: Duration,
}

impl Default for Speculation {
    fn default() -> Self {
        Self {
            done_percent: 90,
            multiplier: 3,
            minimum: Duration::from_millis(100),
            interval: Duration::from_millis(100),
        }
    }
}

/// What the user sets for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOptions {
    /// How often a task may fail by its own error; with the last of these failures the job fails.
    pub task_attempts: u32,
    /// How often a task's executor may die under it; with the last of these deaths the job fails.
    ///
    /// It is higher than `task_attempts`, because a task is rarely to blame for the death of its executor, and
    /// limited, because a task that is would kill one executor after the other.
    pub task_crashes: u32,
    /// How often in a row a stage may be tried and fail to fetch its input; with the last the job fails.
    pub stage_attempts: u32,
    /// How long the job waits without any executor before it fails; for ever if absent.
    pub executor_wait: Option<Duration>,
    /// When slow tasks get a second attempt; never if absent.
    pub speculation: Option<Speculation>,
    /// The pool that the job belongs to.
    pub pool: PoolName,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            task_attempts: 4,
            task_crashes: 8,
            stage_attempts: 4,
            executor_wait: None,
            speculation: Some(Speculation::default()),
            pool: PoolName::default(),
        }
    }
}
