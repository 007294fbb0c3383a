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
    push: Standing,
}

/// How the push that is encoded stands to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It wasn't sent, or it is known what became of it.
    Plain,
    /// It was sent before, and nobody knows what became of it.
    MayBeThere,
    /// It was accepted: its residual is the shard's.
    Accepted,
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
    shard: State<'a>,
}

#[derive(Debug)]
struct State<'a> {
    buffer: &'a mut Buffer,
    push: &'a mut Standing,
}

impl State<'_> {
    /// Makes what the push has lost the shard's residual.
    fn accept(self) {
        if *self.push != Standing::Accepted {
            self.buffer.turn();
            *self.push = Standing::Accepted;
        }
    }
}

impl Feedback {
    pub(super) fn new(len: usize) -> Self {
        Self { buffers: [vec![0.0; len], vec![0.0; len]], shards: Vec::new(), unsettled: None }
    }

    /// Splits the residual by the shards' lengths, for a push that is to be encoded.
    pub(super) fn parts(&mut self, lengths: impl Iterator<Item = usize>) -> Vec<Part<'_>> {
        self.cut(lengths);
        self.drop_unsettled();
        self.shards.iter_mut().for_each(|shard| shard.push = Standing::Plain);
        self.split()
    }

    /// Splits the residual by the shards' lengths, for sending a push that was encoded before: perhaps when the parameters
    /// were cut otherwise, and some shards may have it already.
    pub(super) fn parts_of_encoded(&mut self, lengths: impl Iterator<Item = usize>) -> Vec<Part<'_>> {
        self.cut(lengths);
        self.drop_unsettled();
        self.split()
    }

    fn split(&mut self) -> Vec<Part<'_>> {
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
            let shard = State { buffer: &mut shard.buffer, push: &mut shard.push };
            parts.push(Part { accepted, next, shard });
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
        for Accepted { values, buffer, push } in self.shards.drain(..) {
            let (accepted, next) = (&mut first[values.clone()], &mut second[values]);
            if buffer == Buffer::Second {
                accepted.swap_with_slice(next);
            }
            // A shard that has lost the push takes it again together with its neighbours.
            if push == Standing::Accepted {
                next.copy_from_slice(accepted);
            }
        }
        let whole = |values| Accepted { values, buffer: Buffer::First, push: Standing::Plain };
        self.shards = ranges.into_iter().map(whole).collect();
    }

    /// Drops what a push may have brought that was never settled: better lost than sent twice.
    fn drop_unsettled(&mut self) {
        let Some(open) = self.unsettled.take() else { return };
        for range in open.ranges {
            let open = range.start as usize..range.end as usize;
            for shard in self.shards.iter_mut().filter(|shard| meet(&shard.values, &open)) {
                let values = shard.values.start.max(open.start)..shard.values.end.min(open.end);
                self.buffers[shard.buffer as usize][values].fill(0.0);
                if shard.push == Standing::Plain {
                    shard.push = Standing::MayBeThere;
                }
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
                State { buffer: &mut shard.buffer, push: &mut shard.push }.accept();
            }
        }
    }
}

impl<'a> Part<'a> {
    /// The residual that a push is encoded with, and what it loses then.
    pub(super) fn residual(&mut self) -> Residual<'_> {
        Residual { before: self.accepted, after: self.next }
    }

    /// The same, for as long as the residual may be changed.
    pub(super) fn into_residual(self) -> Residual<'a> {
        Residual { before: self.accepted, after: self.next }
    }

    /// Takes in what became of the push.
    pub(super) fn settle(self, sent: &Sent) {
        let was_repeated = sent.was_repeated || *self.shard.push == Standing::MayBeThere;
        match sent.outcome {
            PushOutcome::Applied { .. } => self.shard.accept(),
            // If it was sent more than once, the copy that was applied was this one; else it was another attempt's.
            PushOutcome::AlreadyApplied { .. } if was_repeated => self.shard.accept(),
            // The shard has lost pushes: what they held back of themselves is computed again with them.
            PushOutcome::Gap { .. } => self.accepted.fill(0.0),
            PushOutcome::AlreadyApplied { .. } | PushOutcome::Superseded { .. } | PushOutcome::Late => {}
        }
    }
}

#[cfg(test)]
mod tests;
