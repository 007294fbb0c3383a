use std::time::Duration;

use howdah_proto::pb;

/// How the jobs of a context run. See [`Context::with_pool`](super::Context::with_pool) and its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// What jobs are called where people see them; the action's name if absent.
    pub name: Option<String>,
    /// The pool that jobs are scheduled in; empty is the default one.
    pub pool: String,
    /// How often a task may fail before its job does.
    pub task_attempts: u32,
    /// The most bytes that the results of a job may take together.
    pub result_limit_bytes: u64,
    /// How long a job waits while there is no executor; for ever if absent.
    pub executor_wait: Option<Duration>,
    /// Whether slow tasks are tried a second time elsewhere.
    pub speculation: bool,
}

/// As in Spark: `spark.task.maxFailures` and `spark.driver.maxResultSize`.
impl Default for RunOptions {
    fn default() -> Self {
        Self {
            name: None,
            pool: String::new(),
            task_attempts: 4,
            result_limit_bytes: 1 << 30,
            executor_wait: None,
            speculation: true,
        }
    }
}

impl RunOptions {
    pub(super) fn name_of(&self, action: &str) -> String {
        self.name.clone().unwrap_or_else(|| action.to_owned())
    }

    pub(super) fn to_wire(&self, action: &str) -> pb::RunOptions {
        pb::RunOptions {
            name: self.name_of(action),
            pool: self.pool.clone(),
            task_attempts: self.task_attempts,
            result_limit_bytes: self.result_limit_bytes,
            executor_wait_ms: self.executor_wait.map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX)),
            no_speculation: !self.speculation,
        }
    }
}
