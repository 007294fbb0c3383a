use std::time::Duration;

use howdah_proto::pb;

use crate::scheduler::PoolName;

/// What a program sets for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionOptions {
    /// What its job is called.
    pub name: String,
    /// The pool that it is scheduled in.
    pub pool: PoolName,
    /// How often a task may fail.
    pub task_attempts: u32,
    /// The most that all results may take together.
    pub result_limit_bytes: u64,
    /// How long it waits without any executor; for ever if absent.
    pub executor_wait: Option<Duration>,
    /// Whether a slow task is tried a second time elsewhere.
    pub speculation: bool,
}

/// What Spark allows (`spark.driver.maxResultSize`).
const RESULT_LIMIT_BYTES: u64 = 1 << 30;

const TASK_ATTEMPTS: u32 = 4;

impl From<Option<pb::RunOptions>> for ActionOptions {
    fn from(options: Option<pb::RunOptions>) -> Self {
        let options = options.unwrap_or_default();
        let or = |value, default| if value == 0 { default } else { value };
        Self {
            name: options.name,
            pool: if options.pool.is_empty() { PoolName::default() } else { PoolName::new(options.pool) },
            task_attempts: or(u64::from(options.task_attempts), u64::from(TASK_ATTEMPTS)) as u32,
            result_limit_bytes: or(options.result_limit_bytes, RESULT_LIMIT_BYTES),
            executor_wait: options.executor_wait_ms.map(Duration::from_millis),
            speculation: !options.no_speculation,
        }
    }
}
