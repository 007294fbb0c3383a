use bytes::{BufMut, Bytes, BytesMut};
use prost::{Message, encoding};
use tonic::Status;

use crate::pb;

/// The length of the prefix of a gRPC message: a flag that it isn't compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// A message that is a `oneof` of raw data and of things that are small.
pub trait Carrier: Message + Default {
    /// The field that is raw data; 0 for messages without any.
    const DATA_FIELD: u32;
}

impl Carrier for pb::PushRequest {
    const DATA_FIELD: u32 = 2;
}

impl Carrier for pb::WriteRequest {
    const DATA_FIELD: u32 = 2;
}

impl Carrier for pb::PullReply {
    const DATA_FIELD: u32 = 2;
}

impl Carrier for pb::ReplicateRequest {
    const DATA_FIELD: u32 = 3;
}

impl Carrier for pb::ReplicateReply {
    const DATA_FIELD: u32 = 0;
}

impl Carrier for pb::PullRequest {
    const DATA_FIELD: u32 = 0;
}

impl Carrier for pb::PushReply {
    const DATA_FIELD: u32 = 0;
}

impl Carrier for pb::WriteReply {
    const DATA_FIELD: u32 = 0;
}

/// A part of a stream of messages.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<M> {
    /// A message without data.
    Message(M),
    /// Raw data; a receiver gets it in pieces of any length.
    Data(Bytes),
}

/// Writes a whole message.
pub(super) fn put_message<M: Message>(message: &M, out: &mut BytesMut) -> Result<(), Status> {
    let length = message.encoded_len();
    put_prefix(length, out)?;
    message.encode(out).map_err(|error| Status::internal(error.to_string()))
}

/// Writes what goes before the data in a message that carries it.
pub(super) fn put_data_prefix<M: Carrier>(data: usize, out: &mut BytesMut) -> Result<(), Status> {
    let key = encoding::key_len(M::DATA_FIELD);
    let length = key + encoding::encoded_len_varint(data as u64) + data;
    put_prefix(length, out)?;
    encoding::encode_key(M::DATA_FIELD, encoding::WireType::LengthDelimited, out);
    encoding::encode_varint(data as u64, out);
    Ok(())
}

fn put_prefix(length: usize, out: &mut BytesMut) -> Result<(), Status> {
    let wrong = |_| Status::internal(format!("a message of {length} bytes is too long"));
    let length = u32::try_from(length).map_err(wrong)?;
    out.put_u8(0);
    out.put_u32(length);
    Ok(())
}
