const MAGNITUDE: u32 = 0x7fff_ffff;
const INFINITY: u32 = 0x7f80_0000;
/// The largest finite one.
const LARGEST: u32 = 0x7f7f;
/// Keeps a NaN one whose upper half has no bit of it.
const QUIET: u32 = 0x0040;

/// Rounds to nearest even; what is finite stays so.
#[inline(always)]
pub(super) fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & MAGNITUDE;
    let rounded = (magnitude + 0x7fff + ((magnitude >> 16) & 1)) >> 16;
    let kept = (magnitude >> 16) | if magnitude > INFINITY { QUIET } else { 0 };
    let narrow = if magnitude < INFINITY { rounded.min(LARGEST) } else { kept };
    (((bits & !MAGNITUDE) >> 16) | narrow) as u16
}

#[inline(always)]
pub(super) fn to_f32(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_halfway_between_two_are_rounded_to_the_even_one() {
        let round = |bits: u32| to_f32(from_f32(f32::from_bits(bits))).to_bits();
        assert_eq!(round(0x3f80_8000), 0x3f80_0000);
        assert_eq!(round(0x3f81_8000), 0x3f82_0000);
        assert_eq!(round(0x3f80_8001), 0x3f81_0000);
        assert_eq!(round(0xbf80_7fff), 0xbf80_0000);
    }

    #[test]
    fn what_is_finite_stays_so_and_what_is_not_stays_what_it_is() {
        assert_eq!(to_f32(from_f32(f32::MAX)), 3.389_531_4e38);
        assert_eq!(to_f32(from_f32(f32::MIN)), -3.389_531_4e38);
        assert_eq!(to_f32(from_f32(f32::NEG_INFINITY)), f32::NEG_INFINITY);
        assert!(to_f32(from_f32(f32::from_bits(0x7f80_0001))).is_nan());
    }
}
