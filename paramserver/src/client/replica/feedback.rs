use std::ops::Range;

use howdah_proto::{Step, fence::TrainTask};

use super::{known::KnownMarks, meet};
use crate::{client::transfer::Sent, codec::Residual, shard::PushOutcome};

/// What pushes have lost by their encoding so far, to be made good by later ones: the residual as of the last push
/// that each shard accepted, and as it becomes if the push under way is accepted. Which of two buffers has which is noted
/// for each shard, so that nothing is copied when a push is accepted.
///
/// A push that is refused or fails was computed for nothing: its steps are computed again, and its residual counts
/// for nothing too.
#[derive(Debug)]
pub(super) struct Feedback {
    buffers: [Vec<f32>; 2],
    shards: Vec<Accepted>,
    unsettled: Option<Unsettled>,
}

/// Where a shard's residual is, as of the last push that it accepted.
#[derive(Debug)]
struct Accepted {
    values: Range<usize>,
    buffer: Buffer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffer {
    First,
    Second,
}

impl Buffer {
    fn turn(&mut self) {
        *self = match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        };
    }
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
    buffer: &'a mut Buffer,
}

impl Feedback {
    pub(super) fn new(len: usize) -> Self {
        Self { buffers: [vec![0.0; len], vec![0.0; len]], shards: Vec::new(), unsettled: None }
    }

    /// Splits the residual by the shards' lengths, for the next push.
    pub(super) fn parts(&mut self, lengths: impl Iterator<Item = usize>) -> Vec<Part<'_>> {
        self.cut(lengths);
        self.drop_unsettled();
        let [first, second] = &mut self.buffers;
        let (mut first, mut second) = (first.as_mut_slice(), second.as_mut_slice());
        let mut parts = Vec::with_capacity(self.shards.len());
        for shard in &mut self.shards {
            let len = shard.values.len();
            let (first_part, first_rest) = std::mem::take(&mut first).split_at_mut(len);
            let (second_part, second_rest) = std::mem::take(&mut second).split_at_mut(len);
            (first, second) = (first_rest, second_rest);
            let (accepted, next) = match shard.buffer {
                Buffer::First => (first_part, second_part),
                Buffer::Second => (second_part, first_part),
            };
            parts.push(Part { accepted, next, buffer: &mut shard.buffer });
        }
        parts
    }

    /// Takes in how the parameters are cut, if that has changed.
    fn cut(&mut self, lengths: impl Iterator<Item = usize>) {
        let mut start = 0;
        let ranges = lengths.map(|len| {
            start += len;
            start - len..start
        });
        let ranges: Vec<Range<usize>> = ranges.collect();
        if self.shards.iter().map(|shard| &shard.values).eq(&ranges) {
            return;
        }
        let [first, second] = &mut self.buffers;
        for Accepted { values, buffer } in self.shards.drain(..) {
            if buffer == Buffer::Second {
                first[values.clone()].copy_from_slice(&second[values]);
            }
        }
        self.shards = ranges.into_iter().map(|values| Accepted { values, buffer: Buffer::First }).collect();
    }

    /// Drops what a push may have brought that was never settled: better lost than sent twice.
    fn drop_unsettled(&mut self) {
        let Some(open) = self.unsettled.take() else { return };
        for range in open.ranges {
            let open = range.start as usize..range.end as usize;
            for shard in self.shards.iter().filter(|shard| meet(&shard.values, &open)) {
                let values = shard.values.start.max(open.start)..shard.values.end.min(open.end);
                self.buffers[shard.buffer as usize][values].fill(0.0);
            }
        }
    }

    /// Remembers of which shards it isn't known what became of a push.
    pub(super) fn leave_open(&mut self, task: TrainTask, last: Step, ranges: Vec<Range<u64>>) {
        self.unsettled = Some(Unsettled { task, last, ranges });
    }

    /// Settles a push that was left open, when the marks of its task are known.
    pub(super) fn settle_late(&mut self, task: TrainTask, known: &KnownMarks) {
        let Some(open) = self.unsettled.take_if(|open| open.task == task) else { return };
        for range in open.ranges.iter().filter(|range| known.range_covers(range, open.last)) {
            let values = range.start as usize..range.end as usize;
            if let Some(shard) = self.shards.iter_mut().find(|shard| shard.values == values) {
                shard.buffer.turn();
            }
        }
    }
}

impl Part<'_> {
    /// The residual that a push is encoded with, and what it loses then.
    pub(super) fn residual(&mut self) -> Residual<'_> {
        Residual { before: self.accepted, after: self.next }
    }

    /// Takes in what became of the push.
    pub(super) fn settle(self, sent: &Sent) {
        match sent.outcome {
            PushOutcome::Applied { .. } => self.buffer.turn(),
            // If it was sent more than once, the copy that was applied was this one; else it was another attempt's.
            PushOutcome::AlreadyApplied { .. } if sent.was_repeated => self.buffer.turn(),
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
            let Residual { before, after } = part.residual();
            after[0] = before[0] + lost;
        }
        parts
    }

    fn accepted(feedback: &mut Feedback) -> Vec<f32> {
        feedback.parts([1, 1].into_iter()).into_iter().map(|part| part.accepted[0]).collect()
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
            assert_eq!(accepted(&mut feedback), expected);
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
        assert_eq!(accepted(&mut feedback), [1.0, 0.0]);
    }

    #[test]
    fn what_a_push_of_unknown_fate_may_have_brought_is_not_sent_again() {
        let mut feedback = Feedback::new(2);
        let applied = sent(PushOutcome::Applied { mark: Step(3) }, false);
        push(&mut feedback).into_iter().for_each(|part| part.settle(&applied));
        push(&mut feedback);
        feedback.leave_open(TASK, Step(6), std::iter::once(0..1).collect());
        let other = TrainTask { partition: Partition(1), ..TASK };
        feedback.settle_late(other, &KnownMarks::default());
        assert_eq!(accepted(&mut feedback), [0.0, 2.0]);
        assert_eq!(accepted(&mut feedback), [0.0, 2.0]);
    }

    #[test]
    fn the_residual_stays_when_the_parameters_are_cut_into_other_shards() {
        let mut feedback = Feedback::new(2);
        let applied = PushOutcome::Applied { mark: Step(3) };
        let ends = [sent(applied, false), sent(PushOutcome::Late, false)];
        push(&mut feedback).into_iter().zip(ends).for_each(|(part, sent)| part.settle(&sent));
        let whole = feedback.parts([2].into_iter());
        assert_eq!(whole[0].accepted, [1.0, 0.0]);
        assert_eq!(accepted(&mut feedback), [1.0, 0.0]);
    }
}
