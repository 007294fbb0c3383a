use std::ops::Range;

use howdah_proto::{
    Attempt, Term,
    fence::{Fence, TrainTask},
};

use super::{known::KnownMarks, meet};
use crate::{
    client::{Place, call::Follows, transfer::Sent},
    codec::Residual,
    shard::PushOutcome,
};

/// What pushes have lost by their encoding so far, to be made good by later ones: the residual as of the last push
/// that each shard accepted, and as it becomes if the push under way is accepted. Which of two buffers has which is noted
/// for each shard, so that nothing is copied when a push is accepted.
///
/// A push that is refused or fails was computed for nothing: its steps are computed again, and its residual counts
/// for nothing too.
///
/// A shard that was made anew may lack pushes that the residual is of. Within an attempt it shows by a gap; the first push
/// of the next attempt, whose steps may be of another task, takes along the residual of a shard that was not made anew, and
/// does not follow it when it is: better lost than sent twice. A standby that takes over has all that was acknowledged.
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
    /// The term in which that shard was made; unknown after another cut.
    made: Option<Term>,
    /// Whether that push was one of an attempt before.
    is_carried: bool,
    buffer: Buffer,
}

impl Accepted {
    /// A shard that was made in this term has accepted the push that was under way.
    fn accept(&mut self, made: Term) {
        (self.made, self.is_carried) = (Some(made), false);
        self.buffer.turn();
    }
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
    fence: Fence,
    places: Vec<Place>,
}

/// A shard's part of the residual.
#[derive(Debug)]
pub(super) struct Part<'a> {
    accepted: &'a mut [f32],
    next: &'a mut [f32],
    shard: &'a mut Accepted,
    /// Whether it may have another copy of the push, or what isn't known to be one.
    is_doubtful: bool,
}

impl Feedback {
    pub(super) fn new(len: usize) -> Self {
        Self { buffers: [vec![0.0; len], vec![0.0; len]], shards: Vec::new(), unsettled: None }
    }

    /// A new attempt begins.
    pub(super) fn carry(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.is_carried = true);
    }

    /// Splits the residual by the shards, for a push.
    pub(super) fn parts<'a>(&mut self, places: impl Iterator<Item = &'a Place> + Clone) -> Vec<Part<'_>> {
        self.cut(places.clone().map(Place::values));
        let open = self.drop_unsettled();
        for (shard, place) in self.shards.iter().zip(places) {
            if shard.is_carried && shard.made != Some(place.made) {
                self.buffers[shard.buffer as usize][shard.values.clone()].fill(0.0);
            }
        }
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
            let is_doubtful = open.iter().any(|open| meet(open, &shard.values));
            parts.push(Part { accepted, next, shard, is_doubtful });
        }
        parts
    }

    /// Takes in how the parameters are cut, if that has changed.
    fn cut(&mut self, ranges: impl Iterator<Item = Range<usize>>) {
        let ranges: Vec<Range<usize>> = ranges.collect();
        if self.shards.iter().map(|shard| &shard.values).eq(&ranges) {
            return;
        }
        let [first, second] = &mut self.buffers;
        for Accepted { values, is_carried, buffer, .. } in self.shards.drain(..) {
            if is_carried {
                first[values].fill(0.0);
            } else if buffer == Buffer::Second {
                first[values.clone()].copy_from_slice(&second[values]);
            }
        }
        let accepted = |values| Accepted { values, made: None, is_carried: false, buffer: Buffer::First };
        self.shards = ranges.into_iter().map(accepted).collect();
    }

    /// Drops what a push may have brought that was never settled: better lost than sent twice. Gives of which values it was.
    fn drop_unsettled(&mut self) -> Vec<Range<usize>> {
        let open = self.unsettled.take().map_or_else(Vec::new, |open| open.places);
        let open: Vec<_> = open.iter().map(Place::values).collect();
        for open in &open {
            for shard in self.shards.iter().filter(|shard| meet(&shard.values, open)) {
                let values = shard.values.start.max(open.start)..shard.values.end.min(open.end);
                self.buffers[shard.buffer as usize][values].fill(0.0);
            }
        }
        open
    }

    /// Remembers of which shards it isn't known what became of a push.
    pub(super) fn leave_open(&mut self, fence: Fence, places: Vec<Place>) {
        self.unsettled = Some(Unsettled { fence, places });
    }

    /// Settles a push that was left open, when the marks of its task are known to the attempt after it: another one in
    /// between may have pushed the same steps.
    pub(super) fn settle_late(&mut self, task: TrainTask, attempt: Attempt, known: &KnownMarks) {
        let is_next = |fence: &Fence| {
            fence.task() == task && fence.attempt().0.checked_add(1).is_some_and(|next| next == attempt.0)
        };
        let Some(open) = self.unsettled.take_if(|open| is_next(&open.fence)) else { return };
        let last = open.fence.last();
        for place in open.places.iter().filter(|place| known.range_covers(&place.range, last)) {
            if let Some(shard) = self.shards.iter_mut().find(|shard| shard.values == place.values()) {
                shard.accept(place.made);
            }
        }
    }
}

impl Part<'_> {
    /// The residual that a push is encoded with, and what it loses then.
    pub(super) fn residual(&mut self) -> Residual<'_> {
        Residual { before: self.accepted, after: self.next }
    }

    /// Where the push may go that is encoded with the residual.
    pub(super) fn follows(&self) -> Follows {
        if self.shard.is_carried { Follows::Unforgetting } else { Follows::Always }
    }

    /// Takes in what became of the push.
    pub(super) fn settle(self, sent: &Sent) {
        match sent.outcome {
            PushOutcome::Applied { .. } => self.shard.accept(sent.place.made),
            // If it was sent more than once, what was applied is taken for a copy of it; else it was another attempt's.
            PushOutcome::AlreadyApplied { .. } if sent.was_repeated && !self.is_doubtful => {
                self.shard.accept(sent.place.made);
            }
            // The shard has lost pushes: what they held back of themselves is computed again with them. What those before
            // them had held back is lost.
            PushOutcome::Gap { .. } => self.accepted.fill(0.0),
            PushOutcome::AlreadyApplied { .. } | PushOutcome::Superseded { .. } | PushOutcome::Late => {}
        }
    }
}

#[cfg(test)]
mod tests;
