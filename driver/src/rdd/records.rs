//! Records between the program and the wire: encoded, framed, and back.

use std::ops::ControlFlow;

use bytes::Bytes;
use howdah_executor::rdd::{
    Batch, Data, FrameError, Row,
    batch::{FRAME_HEADER_BYTES, Frame},
    codec,
};

use super::ContextError;

/// Writes records as frames of batches.
pub(super) fn encode_frames<T: Data>(
    what: &'static str,
    items: impl IntoIterator<Item = T>,
) -> Result<Bytes, ContextError> {
    let (mut batch, mut frames) = (Batch::new(), Vec::new());
    for item in items {
        codec::push(&mut batch, &item).map_err(|error| ContextError::encode(what, error))?;
        if batch.is_full() {
            Frame::write(&batch, &mut frames);
            batch.clear();
        }
    }
    if !batch.is_empty() {
        Frame::write(&batch, &mut frames);
    }
    Ok(frames.into())
}

/// Encodes one value.
pub(super) fn encode<T: serde::Serialize + ?Sized>(
    what: &'static str,
    value: &T,
) -> Result<Vec<u8>, ContextError> {
    codec::to_vec(value).map_err(|error| ContextError::encode(what, error))
}

/// Reads one value.
pub(super) fn decode<T: Data>(what: &'static str, bytes: &[u8]) -> Result<T, ContextError> {
    codec::decode(bytes).map_err(|error| ContextError::decode(what, error))
}

/// Shows each record of frames to `each`, until that has seen enough.
pub(super) fn each_row(
    what: &'static str,
    mut frames: &[u8],
    mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, ContextError>,
) -> Result<(), ContextError> {
    let wrong = |error: FrameError| ContextError::decode(what, error);
    while !frames.is_empty() {
        let Some((header, rest)) = frames.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Err(wrong(FrameError::Length { expected: FRAME_HEADER_BYTES, got: frames.len() }));
        };
        let frame = Frame::header(*header);
        let Some((content, next)) = rest.split_at_checked(frame.content_bytes()) else {
            return Err(wrong(FrameError::Length { expected: frame.content_bytes(), got: rest.len() }));
        };
        let batch = frame.read(content).map_err(wrong)?;
        for row in batch.rows() {
            if each(row)?.is_break() {
                return Ok(());
            }
        }
        frames = next;
    }
    Ok(())
}

/// Reads records from frames, at most so many, and adds them to `out`.
pub(super) fn decode_frames<T: Data>(
    what: &'static str,
    frames: &[u8],
    limit: usize,
    out: &mut Vec<T>,
) -> Result<(), ContextError> {
    if out.len() >= limit {
        return Ok(());
    }
    each_row(what, frames, |row| {
        out.push(decode(what, row.bytes())?);
        Ok(if out.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(frames: &[u8], limit: usize) -> Result<Vec<(String, i64)>, ContextError> {
        let mut out = Vec::new();
        decode_frames("collect", frames, limit, &mut out).map(|()| out)
    }

    #[test]
    fn records_come_back_from_frames_up_to_a_limit() {
        let items: Vec<(String, i64)> = (0..20_000).map(|number| (number.to_string(), -number)).collect();
        let frames = encode_frames("parallelize", items.clone()).unwrap();
        assert_eq!(back(&frames, usize::MAX).unwrap(), items);
        assert_eq!(back(&frames, 3).unwrap(), items[..3]);
        assert!(encode_frames::<u32>("parallelize", []).unwrap().is_empty());
    }

    #[test]
    fn damaged_frames_are_an_error_that_names_the_action() {
        let frames = encode_frames("parallelize", [("a".to_owned(), 1i64)]).unwrap();
        for damaged in [&frames[..5], &frames[..frames.len() - 1]] {
            let error = back(damaged, 9).unwrap_err().to_string();
            assert!(error.contains("`collect`"), "{error}");
        }
        let mut flipped = frames.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(back(&flipped, 9).unwrap_err().to_string().contains("checksum"));
    }
}
