//! Pulls and pushes: the calls that carry weights.

use bytes::Bytes;
use futures::{StreamExt, stream};
use howdah_proto::{
    Attempt, ReplicaId, Step, Version,
    exchange::{Incoming, Part, Parts},
    pb::{self, push_reply::Outcome},
    settings::Encoding,
    transport::CHUNK_BYTES,
};

use super::{
    ParametersError, Place, ShardClient, Wanted,
    call::{Failure, Follows},
};
use crate::{
    codec::{self, Decoder, HALF_BYTES, Half},
    shard::PushOutcome,
};

/// What is asked of a shard with a pull.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pull {
    pub(super) wanted: Wanted,
    /// Who pulls, if the shard is to keep a mirror of what it holds.
    pub(super) mirrored: Option<ReplicaId>,
    /// What it holds, if a difference to that will do.
    pub(super) held: Option<Version>,
    pub(super) encoding: Encoding,
}

/// What became of a push at one shard.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) outcome: PushOutcome,
    /// Where the shard was that said so.
    pub(super) place: Place,
    /// It was sent more than once: that the shard has it already may be this push's own doing.
    pub(super) was_repeated: bool,
}

/// Memory that a difference is put together in, kept from pull to pull.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    delta: Vec<f32>,
}

/// Where pulled weights are put.
#[derive(Debug)]
pub(super) enum Room<'a> {
    Plain(&'a mut [f32]),
    /// They stay encoded. Such weights are not pulled as differences, nor in another encoding.
    Encoded(Half, &'a mut [u8]),
}

impl Room<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Plain(values) => values.len(),
            Self::Encoded(_, bytes) => bytes.len() / HALF_BYTES,
        }
    }

    /// Splits off the room for the first values.
    pub(super) fn split_at(self, values: usize) -> (Self, Self) {
        match self {
            Self::Plain(all) => {
                let (first, rest) = all.split_at_mut(values);
                (Self::Plain(first), Self::Plain(rest))
            }
            Self::Encoded(half, all) => {
                let (first, rest) = all.split_at_mut(values * HALF_BYTES);
                (Self::Encoded(half, first), Self::Encoded(half, rest))
            }
        }
    }
}

impl Pull {
    /// The weights as they are, for somebody who keeps none.
    pub(super) fn plain(wanted: Wanted) -> Self {
        Self { wanted, mirrored: None, held: None, encoding: Encoding::F32 }
    }

    fn request(&self, shard: pb::ShardRef) -> pb::PullRequest {
        let (tag, at_version) = match self.wanted {
            Wanted::Latest => (None, None),
            Wanted::Tag(tag) => (Some(tag), None),
            Wanted::At(version) => (None, Some(version.0)),
        };
        pb::PullRequest {
            shard: Some(shard),
            tag,
            at_version,
            replica: self.mirrored.map(Into::into),
            held_version: self.held.map(|held| held.0),
            encoding: name(self.encoding),
        }
    }
}

impl ShardClient {
    /// Copies the shard's weights to `into`, and tells how many pushes had been applied when the pull began.
    ///
    /// # Errors
    /// [`ParametersError`]; the contents of `into` are then unspecified.
    pub async fn pull(&self, into: &mut [f32], wanted: Wanted) -> Result<Version, ParametersError> {
        self.pull_as(&Pull::plain(wanted), Room::Plain(into), &mut Scratch::default()).await
    }

    /// Brings `into`, which has what the pull says is held, to the weights that it asks for. It decodes them in the
    /// calling task.
    pub(super) async fn pull_as(
        &self,
        pull: &Pull,
        mut into: Room<'_>,
        scratch: &mut Scratch,
    ) -> Result<Version, ParametersError> {
        self.check_len(into.len() as u64)?;
        let mut tries = self.tries();
        let mut pull = *pull;
        loop {
            let connection = tries.connection();
            let one_try = async {
                let mut replies = connection.exchange.pull(pull.request(connection.shard)).await?;
                receive(&mut replies, &pull, &mut into, scratch).await
            };
            if let Some(version) = tries.run(one_try).await? {
                return Ok(version);
            }
            // What came of the try before may stand in the buffer, and the shard may have mirrored it.
            pull.held = None;
        }
    }

    /// Pushes encoded values; the header lacks only what says of the shard and the values.
    pub(super) async fn send(
        &self,
        header: pb::PushHeader,
        encoding: Encoding,
        bytes: Bytes,
        follows: Follows,
    ) -> Result<Sent, ParametersError> {
        let header = pb::PushHeader { encoding: name(encoding), encoded_bytes: bytes.len() as u64, ..header };
        let mut tries = self.tries_that(follows);
        let reply = loop {
            let connection = tries.connection();
            let header = pb::PushHeader { shard: Some(connection.shard), ..header.clone() };
            let header = pb::PushRequest { part: Some(pb::push_request::Part::Header(header)) };
            let one_try = async {
                let _turn = connection.sender.acquire().await;
                Ok(connection.exchange.push(parts(header, bytes.clone())).await?)
            };
            if let Some(reply) = tries.run(one_try).await? {
                break reply;
            }
        };
        let (mark, highest) = (Step(reply.mark), Attempt(reply.highest_attempt));
        let outcome = match reply.outcome() {
            Outcome::Applied => PushOutcome::Applied { mark },
            Outcome::AlreadyApplied => PushOutcome::AlreadyApplied { mark },
            Outcome::Superseded => PushOutcome::Superseded { highest },
            Outcome::Gap => PushOutcome::Gap { mark },
            Outcome::Late => PushOutcome::Late,
            Outcome::Unspecified => return Err(self.protocol("a push has no outcome".to_owned())),
        };
        Ok(Sent { outcome, place: tries.connection().place, was_repeated: tries.was_repeated() })
    }
}

fn name(encoding: Encoding) -> String {
    // An encoding is a word and numbers: there is nothing in it that can't be written.
    serde_json::to_string(&encoding).unwrap_or_default()
}

/// A header and the bytes after it, which are not copied.
pub(super) fn parts<M: Send + 'static>(header: M, bytes: Bytes) -> Parts<M> {
    let chunks = (0..bytes.len()).step_by(CHUNK_BYTES);
    let chunks = chunks.map(move |start| bytes.slice(start..bytes.len().min(start + CHUNK_BYTES)));
    Box::pin(stream::iter([Part::Message(header)]).chain(stream::iter(chunks).map(Part::Data)).map(Ok))
}

/// Takes the weights of a reply, exactly as many as there are.
async fn receive(
    replies: &mut Incoming<pb::PullReply>,
    pull: &Pull,
    into: &mut Room<'_>,
    scratch: &mut Scratch,
) -> Result<Version, Failure> {
    let wrong = Failure::Protocol;
    let Some(pb::pull_reply::Part::Header(header)) = replies.message().await?.part else {
        return Err(wrong("a pull begins without its header".to_owned()));
    };
    let values = into.len();
    if header.values != values as u64 {
        return Err(wrong(format!("it has {} values instead of {values}", header.values)));
    }
    if header.is_delta && pull.held.is_none() {
        return Err(wrong("it sends a difference to weights that nobody holds".to_owned()));
    }
    let encoding = match header.encoding.as_str() {
        "" => Encoding::F32,
        text => {
            serde_json::from_str(text).map_err(|error| wrong(format!("its encoding is unknown: {error}")))?
        }
    };
    let into = match into {
        Room::Plain(into) => into,
        Room::Encoded(half, into) => {
            let half = half.encoding();
            if header.is_delta || encoding != half || header.encoded_bytes != into.len() as u64 {
                let bytes = header.encoded_bytes;
                return Err(wrong(format!("it sends {bytes} bytes of {encoding:?} instead of {half:?}")));
            }
            fill(replies, into).await?;
            return Ok(Version(header.version));
        }
    };
    if encoding == Encoding::F32 && !header.is_delta {
        fill(replies, bytemuck::cast_slice_mut(into)).await?;
        return Ok(Version(header.version));
    }
    if header.is_delta {
        let Scratch { delta } = scratch;
        delta.resize(values, 0.0);
        decode(replies, encoding, header.encoded_bytes, delta).await?;
        into.iter_mut().zip(&*delta).for_each(|(value, delta)| *value += delta);
    } else {
        decode(replies, encoding, header.encoded_bytes, into).await?;
    }
    Ok(Version(header.version))
}

/// Decodes what follows, exactly as many bytes as were announced.
async fn decode(
    replies: &mut Incoming<pb::PullReply>,
    encoding: Encoding,
    bytes: u64,
    into: &mut [f32],
) -> Result<(), Failure> {
    let wrong = |error: codec::DecodeError| Failure::Protocol(error.to_string());
    let mut decoder = Decoder::new(encoding, bytes, into).map_err(wrong)?;
    while let Some(part) = replies.next().await? {
        let Part::Data(data) = part else {
            return Err(Failure::Protocol("a pull has two headers".to_owned()));
        };
        decoder.take(&data, |_| {}).map_err(wrong)?;
    }
    decoder.finish(|_| {}).map_err(wrong)
}

/// Fills `into` from what follows, exactly.
async fn fill(replies: &mut Incoming<pb::PullReply>, into: &mut [u8]) -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Protocol(what.to_owned());
    let mut filled = 0;
    while let Some(part) = replies.next().await? {
        let Part::Data(data) = part else {
            return Err(wrong("a pull has two headers"));
        };
        let end = filled + data.len();
        let room = into.get_mut(filled..end).ok_or_else(|| wrong("it sends too many values"))?;
        room.copy_from_slice(&data);
        filled = end;
    }
    if filled == into.len() { Ok(()) } else { Err(wrong("it sends too few values")) }
}
