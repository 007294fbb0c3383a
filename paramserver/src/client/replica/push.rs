use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use howdah_proto::{
    fence::{Fence, RoundPart},
    pb,
    settings::Encoding,
};

use super::{ReplicaClient, feedback};
use crate::{
    client::{Combined, ParametersError, ShardClient, Values, transfer::Sent},
    codec,
    shard::PushOutcome,
};

/// Which of a replica's pushes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// One of many: what its encoding loses goes with the next one.
    Stream,
    /// The last one of a task: it is sent as it is, with all that those before it have lost, so that nothing of a
    /// finished task is missing.
    Last,
    /// A contribution to a round. What its encoding loses is lost: it must not depend on what was pushed before.
    Round(RoundPart),
}

/// A shard's part of a push.
struct PartPush<'a> {
    header: pb::PushHeader,
    encoding: Encoding,
    values: &'a [f32],
    /// The values themselves, if they are sent as they are.
    plain: Option<Bytes>,
    feedback: Option<feedback::Part<'a>>,
    buffer: &'a mut Vec<u8>,
}

impl ReplicaClient {
    /// Pushes the payload to every shard that isn't known to have it.
    ///
    /// # Errors
    /// [`ParametersError`]. Some shards may then have the push and others not; the same push can be sent again.
    pub async fn push(&mut self, fence: &Fence, kind: PushKind) -> Result<Combined, ParametersError> {
        let parameters = self.parameters.len();
        if self.payload.len() as u64 != parameters {
            return Err(ParametersError::Buffer { given: self.payload.len() as u64, parameters });
        }
        let payload = Arc::new(std::mem::take(&mut self.payload));
        let ended = loop {
            match self.try_push(&payload, fence, kind).await {
                Err(ParametersError::Recut { .. }) => {}
                ended => break ended,
            }
        };
        // The transport has let go of the payload when every shard has answered; should it not, a new one is made.
        self.payload = Arc::try_unwrap(payload).unwrap_or_else(|shared| vec![0.0; shared.len()]);
        ended
    }

    async fn try_push(
        &mut self,
        payload: &Arc<Vec<f32>>,
        fence: &Fence,
        kind: PushKind,
    ) -> Result<Combined, ParametersError> {
        let all = self.parameters.shards();
        self.known.turn_to(fence.task());
        let round = match kind {
            PushKind::Round(part) => Some(pb::Round::from(part)),
            PushKind::Stream | PushKind::Last => None,
        };
        let residuals = match kind {
            PushKind::Round(_) => None,
            PushKind::Stream | PushKind::Last => self.feedback.as_mut(),
        };
        let encoding = match kind {
            PushKind::Last if residuals.is_some() => Encoding::F32,
            _ => self.options.compression.push,
        };
        let lengths = all.iter().map(|shard| shard.connection().values().len());
        let mut residuals = residuals.map(|feedback| feedback.parts(lengths).into_iter());
        self.encoded.resize_with(all.len().max(self.encoded.len()), Vec::new);
        let plain = Values::from(Arc::clone(payload));
        let mut shards = Vec::with_capacity(all.len());
        let mut pushes = Vec::with_capacity(all.len());
        for (shard, buffer) in all.iter().zip(&mut self.encoded) {
            let feedback = residuals.as_mut().and_then(Iterator::next);
            let place = shard.place();
            if self.known.covers(place, fence.last()) {
                continue;
            }
            let values = payload.get(shard.connection().values()).ok_or(ParametersError::Buffer {
                given: payload.len() as u64,
                parameters: place.range.end,
            })?;
            let header = pb::PushHeader {
                fence: Some((*fence).into()),
                round,
                base_version: self.held.base(place).0,
                replica: Some(self.options.id.into()),
                ..Default::default()
            };
            let is_plain = encoding == Encoding::F32 && feedback.is_none();
            let plain = plain.part(&place.range).filter(|_| is_plain).map(|part| part.bytes().clone());
            pushes.push(PartPush { header, encoding, values, plain, feedback, buffer }.send(shard));
            shards.push(shard);
        }
        let ended = join_all(pushes).await;
        drop(plain);
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
        let mut failed = Ok(());
        for (shard, ended) in shards.iter().zip(ended) {
            match ended {
                Ok(Sent { outcome, .. }) => {
                    if let PushOutcome::Applied { mark }
                    | PushOutcome::AlreadyApplied { mark }
                    | PushOutcome::Gap { mark } = outcome
                    {
                        self.known.note(shard.place(), mark);
                    }
                    outcomes.push(outcome);
                }
                Err(error) => {
                    if !matches!(error, ParametersError::Rejected { .. }) {
                        open.push(shard.place().range.clone());
                    }
                    failed = failed.and(Err(error));
                }
            }
        }
        if let Some(feedback) = self.feedback.as_mut().filter(|_| !open.is_empty()) {
            feedback.leave_open(fence.task(), fence.last(), open);
        }
        failed.map(|()| Combined::of(&outcomes))
    }
}

impl PartPush<'_> {
    async fn send(self, shard: &ShardClient) -> Result<Sent, ParametersError> {
        let Self { header, encoding, values, plain, mut feedback, buffer } = self;
        if let Some(bytes) = plain {
            return shard.send(header, encoding, bytes).await;
        }
        let residual = feedback.as_mut().map(feedback::Part::residual);
        codec::encode(encoding, values, residual, buffer);
        let bytes = Bytes::from(std::mem::take(buffer));
        let sent = shard.send(header, encoding, bytes.clone()).await;
        if bytes.is_unique() {
            *buffer = bytes.into();
        }
        let sent = sent?;
        if let Some(feedback) = feedback {
            feedback.settle(&sent);
        }
        Ok(sent)
    }
}
