//! The side of one replica: what it holds of the shards' weights, what its pushes have lost on the way, and which
//! marks it knows.

mod draft;
mod feedback;
mod held;
mod known;
mod push;

use std::{borrow::Cow, ops::Range};

use howdah_proto::{
    Attempt, ReplicaId,
    fence::TrainTask,
    settings::{Compression, Encoding},
};

use super::{Marks, Parameters, ParametersError};
use crate::codec::{self, HALF_BYTES, Half, Source};
use draft::{Drafted, Room};
use feedback::Feedback;
use held::Held;
use known::KnownMarks;

pub use draft::Draft;
pub use push::PushKind;

/// Whether two ranges, of which none is empty, have a value in common.
fn meet<T: Ord>(one: &Range<T>, other: &Range<T>) -> bool {
    one.start < other.end && other.start < one.end
}

/// How a replica speaks to the shards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicaOptions {
    /// Who it is.
    pub id: ReplicaId,
    /// How its pushes and pulls travel.
    pub compression: Compression,
    /// Whether the shards must know which weights it holds, whatever it pulls.
    pub mirrored: bool,
    /// Whether what is lost of a push can be made good by a later one: pushes are added up, not compared.
    pub adds_up: bool,
}

/// A replica's client of the shards, with buffers of the size of the parameters.
///
/// It encodes and decodes in the calling task, which takes milliseconds: call it where that holds up nobody.
#[derive(Debug)]
pub struct ReplicaClient {
    parameters: Parameters,
    options: ReplicaOptions,
    drafted: Drafted,
    held: Held,
    feedback: Option<Feedback>,
    known: KnownMarks,
    encoded: Vec<Vec<u8>>,
}

impl ReplicaClient {
    /// Makes the client of a replica that holds nothing yet.
    pub fn new(parameters: Parameters, options: ReplicaOptions) -> Self {
        let len = parameters.len() as usize;
        let feeds_back = codec::needs_feedback(options.compression.push) && options.adds_up;
        Self {
            parameters,
            options,
            drafted: Drafted::new(),
            held: Held::new(len, &options),
            feedback: feeds_back.then(|| Feedback::new(len)),
            known: KnownMarks::default(),
            encoded: Vec::new(),
        }
    }

    /// The shards.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Who the replica is.
    pub fn id(&self) -> ReplicaId {
        self.options.id
    }

    /// The weights of the last pull.
    pub fn weights(&self) -> Cow<'_, [f32]> {
        self.held.weights().to_values()
    }

    /// The weights of the last pull, as they are held.
    pub fn pulled(&self) -> Source<'_> {
        self.held.weights()
    }

    /// What the next push carries, to be written, and the weights of the last pull.
    pub fn draft(&mut self, kind: PushKind) -> (Draft<'_>, Source<'_>) {
        let (held, encoding) = (self.held.weights(), self.encoding(kind));
        let (len, fits) = (held.len(), self.parameters.len() == held.len() as u64);
        // What is added to the values belongs to the shards as they are when the push is sent.
        let half = Half::of(encoding).filter(|_| fits && !self.feeds_back(kind));
        (self.drafted.kind, self.drafted.half) = (kind, half);
        let Drafted { values, bytes, .. } = &mut self.drafted;
        let Some(half) = half else {
            values.resize(len, 0.0);
            return (Draft(Room::Plain(values)), held);
        };
        bytes.resize(len * HALF_BYTES, 0);
        (Draft(Room::Encoded(half, bytes)), held)
    }

    /// Whether what earlier pushes have lost goes with a push.
    fn feeds_back(&self, kind: PushKind) -> bool {
        self.feedback.is_some() && !matches!(kind, PushKind::Round(_))
    }

    /// How a push is encoded.
    fn encoding(&self, kind: PushKind) -> Encoding {
        match kind {
            PushKind::Last if self.feedback.is_some() => Encoding::F32,
            PushKind::Stream | PushKind::Last | PushKind::Round(_) => self.options.compression.push,
        }
    }

    /// Notes that the replica computes on the weights of the last pull from now on: the version that pushes name as
    /// their base.
    pub fn adopt(&mut self) {
        self.held.adopt();
    }

    /// Begins an attempt at a task: asks all shards for its marks, which supersedes lower attempts.
    ///
    /// Later pushes of the attempt leave out shards that are known to have them.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub async fn begin(&mut self, task: TrainTask, attempt: Attempt) -> Result<Marks, ParametersError> {
        let mark = |shard: super::ShardClient| async move {
            let seen = shard.mark(task, attempt).await?;
            Ok((shard.place().clone(), seen))
        };
        let seen = self.parameters.each(mark).await?;
        self.known.clear();
        self.known.turn_to(task);
        for (place, seen) in &seen {
            self.known.note(place, seen.mark);
        }
        if let Some(feedback) = &mut self.feedback {
            feedback.settle_late(task, attempt, &self.known);
            feedback.carry();
        }
        let seen: Vec<_> = seen.into_iter().map(|(_, seen)| seen).collect();
        Ok(Marks::of(&seen, attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_have_nothing_in_common() {
        assert!(meet(&(0..5), &(4..9)) && meet(&(4..9), &(0..5)) && meet(&(0..9), &(3..4)));
        assert!(!meet(&(0..5), &(5..9)) && !meet(&(5..9), &(0..5)));
    }
}
