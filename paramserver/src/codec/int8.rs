use super::{DecodeError, Residual, check_len};

/// Values that share a scale.
pub(super) const BLOCK: usize = 1024;
pub(super) const SCALE_BYTES: usize = size_of::<f32>();
const MAGNITUDE: u32 = 0x7fff_ffff;
const LARGEST: f32 = 127.0;

/// 1.5 x 2^23: what is added to it is rounded to a whole number, to even if halfway, which is in the lowest bits.
/// Quick everywhere, where `round_ties_even` is a call without SSE4.1.
const ROUNDER: f32 = 12_582_912.0;

pub(super) fn bytes(values: usize) -> u64 {
    (values + values.div_ceil(BLOCK) * SCALE_BYTES) as u64
}

/// Encodes each block of values as a scale and multiples of it from -127 to 127.
pub(super) fn encode(values: &[f32], residual: Option<Residual<'_>>, out: &mut Vec<u8>) {
    out.resize(bytes(values.len()) as usize, 0);
    let places = out.chunks_mut(BLOCK + SCALE_BYTES);
    let Some(Residual { before, after }) = residual else {
        pulp::Arch::new().dispatch(|| {
            for (place, values) in places.zip(values.chunks(BLOCK)) {
                block(values, place);
            }
        });
        return;
    };
    pulp::Arch::new().dispatch(|| {
        let lost = before.chunks(BLOCK).zip(after.chunks_mut(BLOCK));
        for ((place, values), (before, after)) in places.zip(values.chunks(BLOCK)).zip(lost) {
            for ((sum, before), value) in after.iter_mut().zip(before).zip(values) {
                *sum = before + value;
            }
            let scale = block(after, place);
            for (lost, byte) in after.iter_mut().zip(&place[SCALE_BYTES..]) {
                *lost -= value_of(*byte, scale);
            }
        }
    });
}

/// Encodes a block to its place; gives its scale.
#[inline(always)]
fn block(values: &[f32], place: &mut [u8]) -> f32 {
    let (scale_place, place) = place.split_at_mut(SCALE_BYTES);
    let scale = scale_of(values);
    scale_place.copy_from_slice(&scale.to_le_bytes());
    quantise(values, scale, place);
    scale
}

/// The scale of a block: its largest magnitude over 127, not finite if a value isn't.
#[inline(always)]
fn scale_of(values: &[f32]) -> f32 {
    // As integers, magnitudes are in order, and NaN is above all.
    let largest = values.iter().fold(0, |largest, value| largest.max(value.to_bits() & MAGNITUDE));
    let largest = f32::from_bits(largest);
    let scale = largest / LARGEST;
    if scale < f32::MIN_POSITIVE {
        // Too small to be divided by: the whole block is 0.
        0.0
    } else if largest.is_finite() && scale * LARGEST == f32::INFINITY {
        scale.next_down()
    } else {
        scale
    }
}

#[inline(always)]
fn quantise(values: &[f32], scale: f32, place: &mut [u8]) {
    // Zeros divided by it stay zeros, as do values too small for a scale.
    let divisor = if scale == 0.0 { f32::INFINITY } else { scale };
    for (place, value) in place.iter_mut().zip(values) {
        // A division, so that less than half a scale is never rounded up, and what is lost is exact in f32.
        *place = (value / divisor + ROUNDER).to_bits() as u8;
    }
}

#[inline(always)]
fn value_of(byte: u8, scale: f32) -> f32 {
    f32::from(byte.cast_signed()) * scale
}

pub(super) fn decode(bytes: &[u8], values: &mut [f32]) -> Result<(), DecodeError> {
    check_len(bytes, values.len(), self::bytes(values.len()))?;
    pulp::Arch::new().dispatch(|| {
        for (bytes, values) in bytes.chunks(BLOCK + SCALE_BYTES).zip(values.chunks_mut(BLOCK)) {
            let Some((scale, bytes)) = bytes.split_first_chunk() else { continue };
            let scale = f32::from_le_bytes(*scale);
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value = value_of(*byte, scale);
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(values: &[f32]) -> Vec<f32> {
        let (mut bytes, mut decoded) = (Vec::new(), vec![f32::NAN; values.len()]);
        encode(values, None, &mut bytes);
        decode(&bytes, &mut decoded).unwrap();
        decoded
    }

    #[test]
    fn a_block_is_rounded_to_multiples_of_its_scale() {
        assert_eq!(through(&[127.0, -1.0, 0.5, 1.5, -2.5, 0.6]), [127.0, -1.0, 0.0, 2.0, -2.0, 1.0]);
    }

    #[test]
    fn each_block_has_its_own_scale() {
        let mut values = vec![1e-3; BLOCK + 1];
        values[BLOCK] = 1e3;
        assert!((through(&values)[0] - 1e-3).abs() < 1e-9);
    }

    #[test]
    fn the_smallest_and_the_largest_values_stay_finite() {
        assert_eq!(through(&[0.0, -0.0]), [0.0, 0.0]);
        assert_eq!(through(&[1e-40, -1e-44]), [0.0, 0.0]);
        let [one, other] = through(&[f32::MAX, f32::MIN])[..] else { panic!() };
        assert!(one > 3.4e38 && one.is_finite() && one == -other, "{one}");
    }

    #[test]
    fn a_block_with_a_value_that_is_not_finite_is_not_finite() {
        assert!(through(&[1.0, f32::NAN]).iter().all(|value| value.is_nan()));
        assert!(through(&[1.0, f32::NEG_INFINITY]).iter().any(|value| !value.is_finite()));
    }
}
