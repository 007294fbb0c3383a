//! IEEE half precision, in integer and float operations that every vector unit has (after F. Giesen,
//! `float_to_half_fast3_rtne`).

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
/// 2^-14: below it lie the denormal ones.
const SMALLEST_NORMAL: u32 = 113 << 23;
/// 0.5, whose last place is that of the denormal ones.
const DENORMAL_SHIFT: u32 = 126 << 23;
/// The difference of the exponents' biases.
const BIAS: u32 = 112 << 23;
/// The largest finite one.
const LARGEST: u32 = 0x7bff;

/// Rounds to nearest even; what is finite and too large becomes the largest.
#[inline(always)]
pub(super) fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & !SIGN;
    let denormal =
        (f32::from_bits(magnitude) + f32::from_bits(DENORMAL_SHIFT)).to_bits().wrapping_sub(DENORMAL_SHIFT);
    let normal = magnitude.wrapping_sub(BIAS).wrapping_add(0xfff + ((magnitude >> 13) & 1)) >> 13;
    let finite = if magnitude < SMALLEST_NORMAL { denormal } else { normal.min(LARGEST) };
    let not_finite = if magnitude > INFINITY { 0x7e00 } else { 0x7c00 };
    let narrow = if magnitude < INFINITY { finite } else { not_finite };
    (((bits & SIGN) >> 16) | narrow) as u16
}

#[inline(always)]
pub(super) fn to_f32(value: u16) -> f32 {
    let value = u32::from(value);
    let shifted = (value & 0x7fff) << 13;
    let exponent = value & 0x7c00;
    let normal = shifted + BIAS;
    // With the exponent of the smallest normal one, from which that is taken away again.
    let denormal = f32::from_bits(shifted + SMALLEST_NORMAL) - f32::from_bits(SMALLEST_NORMAL);
    let wide = match exponent {
        0 => denormal.to_bits(),
        0x7c00 => normal + BIAS,
        _ => normal,
    };
    f32::from_bits(wide | ((value & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back_as_it_is() {
        for half in 0..=u16::MAX {
            let wide = to_f32(half);
            if wide.is_nan() {
                assert!((half & 0x7fff) > 0x7c00 && to_f32(from_f32(wide)).is_nan(), "{half:#x}");
            } else {
                assert_eq!(from_f32(wide), half, "{half:#x}");
            }
        }
    }

    #[test]
    fn halves_are_what_the_standard_says() {
        for (half, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2f32.powi(-14)),
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(to_f32(half), value, "{half:#x}");
        }
    }

    #[test]
    fn values_between_two_are_rounded_to_the_nearest_and_halfway_to_the_even_one() {
        let mut previous = to_f32(0);
        for half in 1..=LARGEST as u16 {
            let next = to_f32(half);
            let middle = (previous + next) / 2.0;
            assert_eq!(from_f32(middle), if half % 2 == 0 { half } else { half - 1 }, "{middle}");
            assert_eq!(from_f32(middle.next_up()), half, "{middle}");
            assert_eq!(from_f32(-middle.next_down()), (half - 1) | 0x8000, "{middle}");
            previous = next;
        }
    }

    #[test]
    fn what_is_too_large_becomes_the_largest_and_what_is_not_finite_stays_so() {
        for value in [65504.0, 65519.9, 65520.0, 1e6, f32::MAX] {
            assert_eq!((from_f32(value), from_f32(-value)), (0x7bff, 0xfbff), "{value}");
        }
        assert!(to_f32(from_f32(f32::NAN)).is_nan());
    }
}
