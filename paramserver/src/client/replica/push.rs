use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use howdah_proto::{
    fence::{Fence, RoundPart},
    pb,
    settings::Encoding,
};

use super::{ReplicaClient, draft::Shared, feedback};
use crate::{
    client::{Combined, ParametersError, ShardClient, Values, call::Follows, transfer::Sent},
    codec::{self, HALF_BYTES, Half},
    shard::PushOutcome,
};

/// Which of a replica's pushes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// One of many: what its encoding loses goes with the next one, if it [needs that](codec::needs_feedback).
    Stream,
    /// The last one of a task: where what is lost goes with the next one, it is sent as it is, with all that those before it
    /// have lost, so that nothing of a finished task is missing.
    Last,
    /// A contribution to a round. What its encoding loses is lost: it must not depend on what was pushed before.
    Round(RoundPart),
}

/// What a push carries.
enum Payload {
    Values(Arc<Vec<f32>>),
    Encoded(Half, Arc<Vec<u8>>),
}

/// A shard's part of a push.
struct PartPush<'a> {
    header: pb::PushHeader,
    encoding: Encoding,
    content: Content<'a>,
    feedback: Option<feedback::Part<'a>>,
}

enum Content<'a> {
    /// It is sent as it is.
    Ready(Bytes),
    /// It is encoded into a buffer.
    Raw { values: &'a [f32], buffer: &'a mut Vec<u8> },
}

impl ReplicaClient {
    /// Pushes what was [drafted](Self::draft) to every shard that isn't known to have it.
    ///
    /// # Errors
    /// [`ParametersError`]. Some shards may then have the push and others not; the same push can be sent again.
    pub async fn push(&mut self, fence: &Fence) -> Result<Combined, ParametersError> {
        let drafted = &mut self.drafted;
        let (payload, given) = match drafted.half {
            Some(half) => {
                let bytes = std::mem::take(&mut drafted.bytes);
                let given = bytes.len() / HALF_BYTES;
                (Payload::Encoded(half, Arc::new(bytes)), given)
            }
            None => {
                let values = std::mem::take(&mut drafted.values);
                let given = values.len();
                (Payload::Values(Arc::new(values)), given)
            }
        };
        let ended = loop {
            match self.try_push(&payload, given as u64, fence).await {
                Err(ParametersError::Recut { .. } | ParametersError::Remade { .. }) => {}
                ended => break ended,
            }
        };
        // The transport has let go of the payload when every shard has answered; should it not, a new one is made.
        match payload {
            Payload::Values(values) => self.drafted.values = Arc::try_unwrap(values).unwrap_or_default(),
            Payload::Encoded(_, bytes) => self.drafted.bytes = Arc::try_unwrap(bytes).unwrap_or_default(),
        }
        ended
    }

    async fn try_push(
        &mut self,
        payload: &Payload,
        given: u64,
        fence: &Fence,
    ) -> Result<Combined, ParametersError> {
        let parameters = self.parameters.len();
        if given != parameters {
            return Err(ParametersError::Buffer { given, parameters });
        }
        let all = self.parameters.shards();
        self.known.turn_to(fence.task());
        let kind = self.drafted.kind;
        let encoding = match payload {
            Payload::Values(_) => self.encoding(kind),
            Payload::Encoded(half, _) => half.encoding(),
        };
        let (round, residuals) = match kind {
            PushKind::Round(part) => (Some(pb::Round::from(part)), None),
            PushKind::Stream | PushKind::Last => (None, self.feedback.as_mut()),
        };
        let places = all.iter().map(ShardClient::place);
        let mut residuals = residuals.map(|feedback| feedback.parts(places).into_iter());
        self.encoded.resize_with(all.len().max(self.encoded.len()), Vec::new);
        let whole = match payload {
            Payload::Values(values) => Values::from(Arc::clone(values)).bytes().clone(),
            Payload::Encoded(_, bytes) => Shared::bytes(bytes),
        };
        let mut shards = Vec::with_capacity(all.len());
        let mut pushes = Vec::with_capacity(all.len());
        for (shard, buffer) in all.iter().zip(&mut self.encoded) {
            let feedback = residuals.as_mut().and_then(Iterator::next);
            let place = shard.place();
            if self.known.covers(place, fence.last()) {
                continue;
            }
            let range = place.values();
            if range.end as u64 > given {
                return Err(ParametersError::Buffer { given, parameters: place.range.end });
            }
            let part = |bytes: usize| whole.slice(range.start * bytes..range.end * bytes);
            let content = match payload {
                Payload::Encoded(..) => Content::Ready(part(HALF_BYTES)),
                Payload::Values(_) if encoding == Encoding::F32 && feedback.is_none() => {
                    Content::Ready(part(size_of::<f32>()))
                }
                Payload::Values(values) => Content::Raw { values: &values[range], buffer },
            };
            let header = pb::PushHeader {
                fence: Some((*fence).into()),
                round,
                base_version: self.held.base(place).0,
                replica: Some(self.options.id.into()),
                ..Default::default()
            };
            pushes.push(PartPush { header, encoding, content, feedback }.send(shard));
            shards.push(shard);
        }
        let ended = join_all(pushes).await;
        drop(whole);
        self.take_in(fence, &shards, ended)
    }

    /// Takes in what the shards said, and puts it together.
    fn take_in(
        &mut self,
        fence: &Fence,
        shards: &[&ShardClient],
        ended: Vec<Result<Sent, ParametersError>>,
    ) -> Result<Combined, ParametersError> {
        let mut outcomes = Vec::with_capacity(ended.len());
        let mut open = Vec::new();
        let is_recut = ended.iter().any(|ended| matches!(ended, Err(ParametersError::Recut { .. })));
        let (mut again, mut failed) = (Ok(()), Ok(()));
        for (shard, ended) in shards.iter().zip(ended) {
            match ended {
                Ok(Sent { outcome, place, .. }) => {
                    if let PushOutcome::Applied { mark }
                    | PushOutcome::AlreadyApplied { mark }
                    | PushOutcome::Gap { mark } = outcome
                    {
                        self.known.note(&place, mark);
                    }
                    outcomes.push(outcome);
                }
                Err(error) => {
                    // Also if it was refused: a try before may have had its effect.
                    open.push(shard.place().clone());
                    match error {
                        ParametersError::Recut { .. } | ParametersError::Remade { .. } => {
                            again = again.and(Err(error));
                        }
                        _ => failed = failed.and(Err(error)),
                    }
                }
            }
        }
        if is_recut {
            // In another cut, a shard that has the push may be sent it again, encoded anew. In the same one, it is known to.
            open = self.parameters.shards().iter().map(|shard| shard.place().clone()).collect();
        }
        if let Some(feedback) = self.feedback.as_mut().filter(|_| !open.is_empty()) {
            feedback.leave_open(*fence, open);
        }
        failed.and(again).map(|()| Combined::of(&outcomes))
    }
}

impl PartPush<'_> {
    async fn send(self, shard: &ShardClient) -> Result<Sent, ParametersError> {
        let Self { header, encoding, content, mut feedback } = self;
        let follows = feedback.as_ref().map_or(Follows::Always, feedback::Part::follows);
        let sent = match content {
            Content::Ready(bytes) => shard.send(header, encoding, bytes, follows).await?,
            Content::Raw { values, buffer } => {
                let residual = feedback.as_mut().map(feedback::Part::residual);
                codec::encode(encoding, values, residual, buffer);
                let bytes = Bytes::from(std::mem::take(buffer));
                let sent = shard.send(header, encoding, bytes.clone(), follows).await;
                if bytes.is_unique() {
                    *buffer = bytes.into();
                }
                sent?
            }
        };
        if let Some(feedback) = feedback {
            feedback.settle(&sent);
        }
        Ok(sent)
    }
}
