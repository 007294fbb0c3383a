use std::time::Duration;

use howdah_proto::event::FailureKind;

use super::{JobOptions, Options, tasks::Task};

/// What becomes of a task whose attempt ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again after a while, elsewhere if that was the executor's doing.
    Again { after: Duration, elsewhere: bool },
    /// The input is wrong.
    BadInput,
    /// It has failed as often as it may.
    TooManyFailures,
    /// Its executors have died as often as they may.
    TooManyCrashes,
}

impl Verdict {
    pub(super) const AT_ONCE: Self = Self::Again { after: Duration::ZERO, elsewhere: false };
}

/// Decides about a failure that the executor reported, and counts it at the task.
pub(super) fn after_failure(
    task: &mut Task,
    kind: FailureKind,
    job: &JobOptions,
    options: &Options,
) -> Verdict {
    match kind {
        FailureKind::BadInput => Verdict::BadInput,
        FailureKind::Superseded | FailureKind::ExecutorLost => Verdict::AT_ONCE,
        // Nobody asked for it, so that it is the executor's fault; a live task isn't left behind for that.
        FailureKind::Cancelled => after_crash(task, job),
        FailureKind::Task | FailureKind::FetchFailed | FailureKind::ShardUnavailable => {
            task.failures += 1;
            if task.failures >= job.task_attempts {
                Verdict::TooManyFailures
            } else {
                match kind {
                    FailureKind::Task => Verdict::Again { after: Duration::ZERO, elsewhere: true },
                    FailureKind::ShardUnavailable => {
                        Verdict::Again { after: backoff(task.failures, options), elsewhere: false }
                    }
                    _ => Verdict::AT_ONCE,
                }
            }
        }
    }
}

/// Decides about a task whose executor died, and counts it at the task.
pub(super) fn after_crash(task: &mut Task, job: &JobOptions) -> Verdict {
    task.crashes += 1;
    if task.crashes >= job.task_crashes { Verdict::TooManyCrashes } else { Verdict::AT_ONCE }
}

fn backoff(failures: u32, options: &Options) -> Duration {
    let factor = 2u32.saturating_pow(failures.saturating_sub(1));
    options.shard_retry.saturating_mul(factor).min(options.shard_retry_limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_shard_doubles_up_to_the_limit() {
        let options = Options {
            shard_retry: Duration::from_secs(1),
            shard_retry_limit: Duration::from_secs(5),
            ..Options::default()
        };
        let seconds: Vec<u64> = (1..6).map(|failures| backoff(failures, &options).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
        assert_eq!(backoff(u32::MAX, &options).as_secs(), 5);
    }
}
