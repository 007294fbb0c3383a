use std::ops::Range;

use howdah_proto::{Step, fence::TrainTask};

use super::known::KnownMarks;
use crate::{client::transfer::Sent, shard::PushOutcome};

/// What pushes have lost by their encoding so far, to be made good by later ones: the residual as of the last push
/// that each shard accepted, and as it becomes if the push under way is accepted.
///
/// A push that is refused or fails was computed for nothing: its steps are computed again, and its residual counts
/// for nothing too.
#[derive(Debug)]
pub(super) struct Feedback {
    accepted: Vec<f32>,
    next: Vec<f32>,
    unsettled: Option<Unsettled>,
}

/// A push of which some shards haven't said what became of it.
#[derive(Debug)]
struct Unsettled {
    task: TrainTask,
    last: Step,
    ranges: Vec<Range<u64>>,
}

/// A shard's part of the residual.
#[derive(Debug)]
pub(super) struct Part<'a> {
    accepted: &'a mut [f32],
    next: &'a mut [f32],
}

impl Feedback {
    pub(super) fn new(len: usize) -> Self {
        Self { accepted: vec![0.0; len], next: vec![0.0; len], unsettled: None }
    }

    /// Splits the residual by the shards' lengths, for the next push.
    pub(super) fn parts(&mut self, lengths: impl Iterator<Item = usize>) -> Vec<Part<'_>> {
        self.unsettled = None;
        let (mut accepted, mut next) = (self.accepted.as_mut_slice(), self.next.as_mut_slice());
        let part = |len| {
            let (accepted_part, accepted_rest) = std::mem::take(&mut accepted).split_at_mut(len);
            let (next_part, next_rest) = std::mem::take(&mut next).split_at_mut(len);
            (accepted, next) = (accepted_rest, next_rest);
            Part { accepted: accepted_part, next: next_part }
        };
        lengths.map(part).collect()
    }

    /// Remembers of which shards it isn't known what became of a push.
    pub(super) fn leave_open(&mut self, task: TrainTask, last: Step, ranges: Vec<Range<u64>>) {
        self.unsettled = Some(Unsettled { task, last, ranges });
    }

    /// Settles a push that was left open, when the marks of its task are known.
    pub(super) fn settle_late(&mut self, task: TrainTask, known: &KnownMarks) {
        let Some(open) = self.unsettled.take_if(|open| open.task == task) else { return };
        for range in open.ranges {
            let values = range.start as usize..range.end as usize;
            if known.range_covers(&range, open.last) {
                self.accepted[values.clone()].copy_from_slice(&self.next[values]);
            }
        }
    }
}

impl Part<'_> {
    /// The residual that a push is encoded with, and that holds what it loses then.
    pub(super) fn residual(&mut self) -> &mut [f32] {
        self.next.copy_from_slice(self.accepted);
        self.next
    }

    /// Takes in what became of the push.
    pub(super) fn settle(self, sent: &Sent) {
        match sent.outcome {
            PushOutcome::Applied { .. } => self.accepted.copy_from_slice(self.next),
            // If it was sent more than once, the copy that was applied was this one; else it was another attempt's.
            PushOutcome::AlreadyApplied { .. } if sent.was_repeated => {
                self.accepted.copy_from_slice(self.next);
            }
            // The shard has lost pushes: what they held back of themselves is computed again with them.
            PushOutcome::Gap { .. } => self.accepted.fill(0.0),
            PushOutcome::AlreadyApplied { .. } | PushOutcome::Superseded { .. } | PushOutcome::Late => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{Epoch, Partition, ShardIndex, Term};

    use super::*;
    use crate::client::Place;

    const TASK: TrainTask = TrainTask { epoch: Epoch(1), partition: Partition(0) };

    /// Encodes a push of two shards that loses 1 at the first and 2 at the second.
    fn push(feedback: &mut Feedback) -> Vec<Part<'_>> {
        let mut parts = feedback.parts([1, 1].into_iter());
        for (part, lost) in parts.iter_mut().zip([1.0, 2.0]) {
            part.residual()[0] += lost;
        }
        parts
    }

    fn sent(outcome: PushOutcome, was_repeated: bool) -> Sent {
        Sent { outcome, was_repeated }
    }

    #[test]
    fn only_what_accepted_pushes_have_lost_is_made_good() {
        let mark = Step(3);
        let applied = PushOutcome::Applied { mark };
        let (already, gap) = (PushOutcome::AlreadyApplied { mark }, PushOutcome::Gap { mark });
        let mut feedback = Feedback::new(2);
        for (first, second, expected) in [
            (sent(applied, false), sent(already, false), [1.0, 0.0]),
            (sent(already, true), sent(PushOutcome::Late, false), [2.0, 0.0]),
            (sent(applied, true), sent(applied, false), [3.0, 2.0]),
            (sent(gap, false), sent(applied, false), [0.0, 4.0]),
        ] {
            for (part, sent) in push(&mut feedback).into_iter().zip([first, second]) {
                part.settle(&sent);
            }
            assert_eq!(feedback.accepted, expected);
        }
    }

    #[test]
    fn a_push_whose_answer_was_lost_is_settled_by_the_marks_of_the_next_attempt() {
        let place = |mark_range: Range<u64>| Place {
            shard: ShardIndex(0),
            address: "http://127.0.0.1:1".to_owned(),
            range: mark_range,
            term: Term(1),
        };
        let mut feedback = Feedback::new(2);
        push(&mut feedback);
        feedback.leave_open(TASK, Step(6), vec![0..1, 1..2]);
        let mut known = KnownMarks::default();
        known.note(&place(0..1), Step(6));
        known.note(&place(1..2), Step(3));
        feedback.settle_late(TASK, &known);
        assert_eq!(feedback.accepted, [1.0, 0.0]);
    }
}
