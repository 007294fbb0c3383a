use std::time::Duration;

/// What holds for all jobs of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a task waits for a slot on an executor that holds its block before it may run anywhere.
    ///
    /// It is short, because an executor fetches a block from its peer in less time than it takes to train on it.
    pub locality_wait: Duration,
    /// How long a task waits after the first time that a shard did not answer; twice as long each further time.
    pub shard_retry: Duration,
    /// The longest wait after a shard did not answer.
    pub shard_retry_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locality_wait: Duration::from_millis(100),
            shard_retry: Duration::from_secs(1),
            shard_retry_limit: Duration::from_secs(30),
        }
    }
}

/// What the user sets for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobOptions {
    /// How often a task may fail by its own error; with the last of these failures the job fails.
    pub task_attempts: u32,
    /// How often a task's executor may die under it; with the last of these deaths the job fails.
    ///
    /// It is higher than `task_attempts`, because a task is rarely to blame for the death of its executor, and
    /// limited, because a task that is would kill one executor after the other.
    pub task_crashes: u32,
    /// How long the job waits without any executor before it fails; for ever if absent.
    pub executor_wait: Option<Duration>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self { task_attempts: 4, task_crashes: 8, executor_wait: None }
    }
}
