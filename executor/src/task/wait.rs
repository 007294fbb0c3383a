use std::time::Duration;

use tokio::runtime::Handle;

use super::{CancelFlag, TaskError};

/// How often a wait looks whether the attempt is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Waits for an answer from the calling thread, but no longer than the attempt is wanted.
pub(super) fn wait<T>(
    runtime: &Handle,
    cancel: &CancelFlag,
    answer: impl Future<Output = T>,
) -> Result<T, TaskError> {
    let cancelled = async {
        loop {
            if let Err(error) = cancel.check() {
                return error;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            error = cancelled => Err(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_answer_or_when_it_is_no_longer_wanted() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let cancel = CancelFlag::default();
        assert_eq!(wait(runtime.handle(), &cancel, async { 7 }).unwrap(), 7);
        cancel.set();
        let never = wait(runtime.handle(), &cancel, std::future::pending::<()>());
        assert!(matches!(never, Err(TaskError::Cancelled)), "{never:?}");
    }
}
