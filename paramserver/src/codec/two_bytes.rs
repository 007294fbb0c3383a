//! What the encodings of two bytes for each value have in common.

use super::{DecodeError, Residual, check_len};

pub(super) fn bytes(values: usize) -> u64 {
    (values * size_of::<u16>()) as u64
}

#[inline(always)]
pub(super) fn encode(
    values: &[f32],
    residual: Option<Residual<'_>>,
    out: &mut Vec<u8>,
    narrow: impl Fn(f32) -> u16,
    widen: impl Fn(u16) -> f32,
) {
    // Every byte is written below: what a buffer held before needn't be cleared.
    out.resize(values.len() * size_of::<u16>(), 0);
    let (places, _) = out.as_chunks_mut::<2>();
    let Some(Residual { before, after }) = residual else {
        // Compiled for each vector width and chosen at run time; the arithmetic is the same in all.
        pulp::Arch::new().dispatch(|| {
            for (place, value) in places.iter_mut().zip(values) {
                *place = narrow(*value).to_le_bytes();
            }
        });
        return;
    };
    pulp::Arch::new().dispatch(|| {
        let lost = before.iter().zip(after);
        for ((place, value), (before, after)) in places.iter_mut().zip(values).zip(lost) {
            let sum = value + before;
            let sent = narrow(sum);
            *place = sent.to_le_bytes();
            *after = sum - widen(sent);
        }
    });
}

#[inline(always)]
pub(super) fn decode(
    bytes: &[u8],
    values: &mut [f32],
    widen: impl Fn(u16) -> f32,
) -> Result<(), DecodeError> {
    check_len(bytes, values.len(), self::bytes(values.len()))?;
    let (sent, _) = bytes.as_chunks::<2>();
    pulp::Arch::new().dispatch(|| {
        for (value, sent) in values.iter_mut().zip(sent) {
            *value = widen(u16::from_le_bytes(*sent));
        }
    });
    Ok(())
}
