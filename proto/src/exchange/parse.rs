use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use prost::encoding::{self, WireType};
use tonic::Status;

use super::{
    SMALL_MESSAGE_BYTES,
    frame::{Carrier, PREFIX_BYTES, Part},
};

const LONGEST_VARINT_BYTES: usize = 10;

/// Takes a stream of gRPC messages apart. Small messages are put together; data comes out as it came in.
#[derive(Debug)]
pub(super) struct Parser<M> {
    state: State,
    /// What has come of a prefix or of a small message.
    gathered: BytesMut,
    message: PhantomData<fn() -> M>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between messages, or within the prefix of one.
    Prefix,
    /// Within a message of so many bytes, of which it isn't known yet whether it carries data.
    Message { length: usize },
    /// Within data, of which so many bytes are to come.
    Data { rest: usize },
}

impl<M: Carrier> Default for Parser<M> {
    fn default() -> Self {
        Self { state: State::Prefix, gathered: BytesMut::new(), message: PhantomData }
    }
}

impl<M: Carrier> Parser<M> {
    /// Takes the next part out of `input`; nothing if more has to come.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Part<M>>, Status> {
        loop {
            match self.state {
                State::Prefix => {
                    if !self.gather(input, PREFIX_BYTES) {
                        return Ok(None);
                    }
                    let compressed = self.gathered.get_u8();
                    let length = self.gathered.get_u32() as usize;
                    if compressed != 0 {
                        return Err(Status::unimplemented("compressed messages are not understood"));
                    }
                    self.state = State::Message { length };
                }
                State::Message { length } => match start::<M>(&self.gathered, length)? {
                    Start::Unknown => {
                        let wanted = self.gathered.len() + 1;
                        if !self.gather(input, wanted) {
                            return Ok(None);
                        }
                    }
                    Start::Data { prefix } => {
                        self.gathered.clear();
                        self.state = State::Data { rest: length - prefix };
                    }
                    Start::Small => {
                        if !self.gather(input, length) {
                            return Ok(None);
                        }
                        self.state = State::Prefix;
                        let message = M::decode(self.gathered.split_to(length).freeze());
                        return message.map(|message| Some(Part::Message(message))).map_err(malformed);
                    }
                },
                State::Data { rest: 0 } => self.state = State::Prefix,
                State::Data { rest } => {
                    let data = input.split_to(rest.min(input.len()));
                    if data.is_empty() {
                        return Ok(None);
                    }
                    self.state = State::Data { rest: rest - data.len() };
                    return Ok(Some(Part::Data(data)));
                }
            }
        }
    }

    /// Whether a stream may end here.
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Prefix | State::Data { rest: 0 }) && self.gathered.is_empty()
    }

    /// Gathers up to `wanted` bytes, and tells whether they are all there.
    fn gather(&mut self, input: &mut Bytes, wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.gathered.len());
        self.gathered.extend_from_slice(&input.split_to(missing.min(input.len())));
        self.gathered.len() >= wanted
    }
}

/// What the first bytes of a message say it is.
enum Start {
    Unknown,
    /// It carries data after a prefix of so many bytes.
    Data {
        prefix: usize,
    },
    Small,
}

fn start<M: Carrier>(bytes: &[u8], length: usize) -> Result<Start, Status> {
    let key = (M::DATA_FIELD << 3) as u8 | WireType::LengthDelimited as u8;
    match bytes {
        [first, rest @ ..] if M::DATA_FIELD != 0 && *first == key => {
            let whole = rest.iter().any(|byte| *byte < 0x80) || rest.len() >= LONGEST_VARINT_BYTES;
            if !whole && bytes.len() < length {
                return Ok(Start::Unknown);
            }
            let data = encoding::decode_varint(&mut &*rest).map_err(malformed)?;
            if data != (length - bytes.len()) as u64 {
                return Err(Status::invalid_argument("a message with data holds something else too"));
            }
            Ok(Start::Data { prefix: bytes.len() })
        }
        [] if length > 0 => Ok(Start::Unknown),
        _ if length > SMALL_MESSAGE_BYTES => Err(Status::out_of_range(format!(
            "a message without data has {length} bytes, at most {SMALL_MESSAGE_BYTES} are allowed"
        ))),
        _ => Ok(Start::Small),
    }
}

fn malformed(error: prost::DecodeError) -> Status {
    Status::invalid_argument(format!("a message can't be read: {error}"))
}
