use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tonic::{Code, Status};

use super::{
    SMALL_MESSAGE_BYTES,
    frame::{Part, put_data_prefix, put_message},
    parse::Parser,
};
use crate::pb::{self, push_request};

type Message = pb::PushRequest;

fn header(version: u64) -> Message {
    let header = pb::PushHeader { base_version: version, encoding: "x".repeat(300), ..Default::default() };
    Message { part: Some(push_request::Part::Header(header)) }
}

fn stream(parts: &[Part<Message>]) -> Bytes {
    let mut out = BytesMut::new();
    for part in parts {
        match part {
            Part::Message(message) => put_message(message, &mut out).unwrap(),
            Part::Data(data) => {
                put_data_prefix::<Message>(data.len(), &mut out).unwrap();
                out.extend_from_slice(data);
            }
        }
    }
    out.freeze()
}

/// Parses a stream that comes cut at these places; runs of data come out as one.
fn parse(stream: &Bytes, cuts: &[usize]) -> Result<(Vec<Part<Message>>, bool), Status> {
    let mut parser = Parser::<Message>::default();
    let mut parts: Vec<Part<Message>> = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        let end = end.clamp(start, stream.len());
        let mut input = stream.slice(start..end);
        while let Some(part) = parser.next(&mut input)? {
            match (parts.last_mut(), part) {
                (Some(Part::Data(before)), Part::Data(data)) => {
                    *before = [&before[..], &data[..]].concat().into()
                }
                (_, part) => parts.push(part),
            }
        }
        assert!(input.is_empty());
        start = end;
    }
    Ok((parts, parser.is_between_messages()))
}

fn refused(bytes: &[u8]) -> Code {
    parse(&Bytes::copy_from_slice(bytes), &[]).unwrap_err().code()
}

proptest! {
    #[test]
    fn a_stream_is_the_same_however_it_is_cut(
        mut cuts in prop::collection::vec(0usize..1500, 0..40), data in 1usize..400,
    ) {
        cuts.sort_unstable();
        let data = |byte: u8| Part::Data(Bytes::from(vec![byte; data]));
        let parts = [Part::Message(header(1)), data(1), Part::Message(header(u64::MAX)), data(0x12), data(3)];
        let (parsed, whole) = parse(&stream(&parts), &cuts).unwrap();
        prop_assert!(whole);
        prop_assert_eq!(&parsed[..3], &parts[..3]);
        let [.., Part::Data(last)] = &parsed[..] else { panic!("{parsed:?}") };
        let Part::Data(expected) = &parts[3] else { unreachable!() };
        prop_assert_eq!(last.len(), 2 * expected.len());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let _parsed_or_refused = parse(&bytes.into(), &[cut]);
    }
}

#[test]
fn what_generated_code_writes_is_understood() {
    let data = Message { part: Some(push_request::Part::Data(Bytes::from_static(&[7; 1000]))) };
    let mut out = BytesMut::new();
    put_message(&data, &mut out).unwrap();
    assert_eq!(out, stream(&[Part::Data(Bytes::from_static(&[7; 1000]))]));
}

#[test]
fn data_comes_out_as_the_bytes_that_came_in() {
    let stream = stream(&[Part::Data(Bytes::from(vec![1; 5000]))]);
    let mut input = stream.clone();
    let mut parser = Parser::<Message>::default();
    let Some(Part::Data(data)) = parser.next(&mut input).unwrap() else { panic!("no data") };
    assert_eq!(data.as_ptr(), stream[stream.len() - 5000..].as_ptr());
}

#[test]
fn a_stream_that_ends_within_a_message_is_not_whole() {
    let stream = stream(&[Part::Message(header(1)), Part::Data(Bytes::from(vec![1; 50]))]);
    for end in [3, 20, stream.len() - 60, stream.len() - 1] {
        assert!(!parse(&stream.slice(..end), &[]).unwrap().1, "{end}");
    }
}

#[test]
fn lying_lengths_are_refused_before_anything_is_allocated() {
    assert_eq!(refused(&[1, 0, 0, 0, 1]), Code::Unimplemented);
    let long = (SMALL_MESSAGE_BYTES as u32 + 1).to_be_bytes();
    assert_eq!(refused(&[&[0][..], &long, &[0x0a]].concat()), Code::OutOfRange);
    // Data that is shorter or longer than its message.
    assert_eq!(refused(&[0, 0, 0, 0, 9, 0x12, 3, 0, 0, 0]), Code::InvalidArgument);
    assert_eq!(refused(&[0, 0, 0, 0, 3, 0x12, 9, 0]), Code::InvalidArgument);
    assert_eq!(refused(&[0, 0, 0, 0, 2, 0x12, 0xff]), Code::InvalidArgument);
}
