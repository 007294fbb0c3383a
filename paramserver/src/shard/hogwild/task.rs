use howdah_proto::{Attempt, Step, fence::Fence};

use super::word::Word;
use crate::shard::{Decision, Seen, ShardError};

const BUSY: u64 = 1;
const MARK_BITS: u32 = 39;
const ATTEMPT_BITS: u32 = 24;

/// The highest attempt, the mark, and whether a push is being applied, in one atomic word.
///
/// Who sets the busy bit has the task alone until the new mark is put: another push of the task, and a question for
/// its mark, wait for that. So a step is applied by one push, and nobody is told a mark that is about to change.
#[derive(Debug)]
pub(super) struct TaskFence<W>(W);

/// The right to apply a push.
#[derive(Debug)]
#[must_use = "the task is busy until it ends"]
pub(super) struct Claim {
    before: u64,
    after: u64,
}

fn pack(seen: Seen) -> u64 {
    u64::from(seen.highest.0) << (MARK_BITS + 1) | seen.mark.0 << 1
}

fn unpack(word: u64) -> Seen {
    let mark = (word >> 1) & ((1 << MARK_BITS) - 1);
    Seen { mark: Step(mark), highest: Attempt((word >> (MARK_BITS + 1)) as u32) }
}

/// Checks that an attempt and a step fit into the word of a task.
pub(super) fn check_range(attempt: Attempt, step: Step) -> Result<(), ShardError> {
    if attempt.0 >> ATTEMPT_BITS == 0 && step.0 >> MARK_BITS == 0 {
        Ok(())
    } else {
        Err(ShardError::FenceRange { attempt, step })
    }
}

impl<W: Word> TaskFence<W> {
    /// Makes the fence of a task that has gone so far, within the [range](check_range).
    pub(super) fn new(seen: Seen) -> Self {
        Self(W::new(pack(seen)))
    }

    /// Claims the task for a push, or tells what is to be done with the push instead; waits while another push of the
    /// task is being applied. The fence is within the [range](check_range).
    pub(super) fn claim(&self, fence: &Fence) -> Result<Claim, Decision> {
        loop {
            let (word, seen) = self.idle();
            let decision = seen.decide(fence);
            let highest = seen.highest.max(fence.attempt());
            let now = pack(Seen { highest, ..seen });
            if decision != Decision::Apply {
                if now == word || self.0.exchange(word, now).is_ok() {
                    return Err(decision);
                }
            } else if self.0.exchange(word, now | BUSY).is_ok() {
                return Ok(Claim { before: now, after: pack(Seen { highest, mark: fence.last() }) });
            }
        }
    }

    /// Ends a claim whose push is in the weights.
    pub(super) fn applied(&self, claim: Claim) {
        self.0.put(claim.after);
    }

    /// Ends a claim whose push is not in the weights.
    pub(super) fn abandoned(&self, claim: Claim) {
        self.0.put(claim.before);
    }

    /// Notes that an attempt asks, and tells what is known of the task.
    pub(super) fn see(&self, attempt: Attempt) -> Seen {
        loop {
            let (word, seen) = self.idle();
            let seen = Seen { highest: seen.highest.max(attempt), ..seen };
            if pack(seen) == word || self.0.exchange(word, pack(seen)).is_ok() {
                return seen;
            }
        }
    }

    /// Tells what is known of the task, without the push that is just being applied.
    pub(super) fn seen(&self) -> Seen {
        unpack(self.0.get())
    }

    fn idle(&self) -> (u64, Seen) {
        loop {
            let word = self.0.get();
            if word & BUSY == 0 {
                return (word, unpack(word));
            }
            W::pause();
        }
    }
}
