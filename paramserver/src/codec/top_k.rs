//! The largest values with their places.
//!
//! The bytes are: how many values there are (u32), how many gaps (u32), the gaps (u16 each), the values (f32 each), in
//! the order of their places. A gap is how many places are skipped before the next value; [`SKIP`] skips as many and
//! has no value.

use super::{DecodeError, Residual};

const SKIP: u16 = u16::MAX;
const HEADER_BYTES: usize = 2 * size_of::<u32>();
const MAGNITUDE: u32 = 0x7fff_ffff;

/// From so many values the threshold is guessed.
const SAMPLES: usize = 16_384;
/// Values that are looked at together: most groups have none of the largest.
const GROUP: usize = 16;

/// How many values are sent of so many: at least 1, but of none.
fn kept(values: usize, permille: u32) -> usize {
    let kept = (values as u64 * u64::from(permille)).div_ceil(1000) as usize;
    kept.min(values)
}

pub(super) fn max_bytes(values: usize, permille: u32) -> u64 {
    let kept = kept(values, permille);
    let gaps = kept + values / usize::from(SKIP);
    (HEADER_BYTES + gaps * size_of::<u16>() + kept * size_of::<f32>()) as u64
}

pub(super) fn encode(values: &[f32], permille: u32, residual: Option<Residual<'_>>, out: &mut Vec<u8>) {
    let kept = kept(values.len(), permille);
    match residual {
        None => write(&largest(values, kept), values, out),
        Some(Residual { before, after }) => {
            pulp::Arch::new().dispatch(|| {
                for ((sum, before), value) in after.iter_mut().zip(before).zip(values) {
                    *sum = before + value;
                }
            });
            let places = largest(after, kept);
            write(&places, after, out);
            for place in places {
                after[place as usize] = 0.0;
            }
        }
    }
}

fn write(places: &[u32], values: &[f32], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&(places.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let mut next = 0;
    for place in places {
        let mut gap = place - next;
        while gap >= u32::from(SKIP) {
            out.extend_from_slice(&SKIP.to_le_bytes());
            gap -= u32::from(SKIP);
        }
        out.extend_from_slice(&(gap as u16).to_le_bytes());
        next = place + 1;
    }
    let gaps = (out.len() - HEADER_BYTES) / size_of::<u16>();
    out[4..HEADER_BYTES].copy_from_slice(&(gaps as u32).to_le_bytes());
    for place in places {
        out.extend_from_slice(&values[*place as usize].to_le_bytes());
    }
}

fn magnitude(value: f32) -> u32 {
    // As integers, magnitudes are in order, and NaN is above all.
    value.to_bits() & MAGNITUDE
}

/// The places of the `kept` largest magnitudes, in order: fewer if a sample of the values is unlike them all, or if
/// the others are 0.
fn largest(values: &[f32], kept: usize) -> Vec<u32> {
    if kept == 0 {
        return Vec::new();
    }
    let mut places = at_least(values, threshold(values, kept));
    if places.len() > kept {
        trim(&mut places, values, kept);
    }
    places
}

/// A magnitude that somewhat more than `kept` values reach, judging by a sample; at least the smallest above 0.
fn threshold(values: &[f32], kept: usize) -> u32 {
    if values.len() <= 2 * SAMPLES || values.len() == kept {
        return 1;
    }
    // Multiples of the golden ratio are spread evenly, and out of step with the widths of layers.
    let spread = |sample: usize| {
        let fraction = (sample as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((fraction * values.len() as u64) >> 32) as usize
    };
    let mut sample: Vec<u32> = (0..SAMPLES).map(|sample| magnitude(values[spread(sample)])).collect();
    let expected = SAMPLES as f64 * kept as f64 / values.len() as f64;
    // Three standard deviations more than expected, so that there is nearly always enough.
    let rank = (expected + 3.0 * expected.sqrt()).ceil() as usize;
    if rank >= SAMPLES {
        return 1;
    }
    let (_, threshold, _) = sample.select_nth_unstable_by(rank, |one, other| other.cmp(one));
    (*threshold).max(1)
}

/// The places of the values whose magnitude reaches the threshold.
fn at_least(values: &[f32], threshold: u32) -> Vec<u32> {
    let mut places = Vec::new();
    pulp::Arch::new().dispatch(|| {
        for (group, values) in values.chunks(GROUP).enumerate() {
            let largest = values.iter().fold(0, |largest, value| largest.max(magnitude(*value)));
            if largest < threshold {
                continue;
            }
            for (place, value) in values.iter().enumerate() {
                if magnitude(*value) >= threshold {
                    places.push((group * GROUP + place) as u32);
                }
            }
        }
    });
    places
}

/// Leaves the places of the `kept` largest, and of equal ones the first.
fn trim(places: &mut Vec<u32>, values: &[f32], kept: usize) {
    let of = |place: &u32| magnitude(values[*place as usize]);
    let mut magnitudes: Vec<u32> = places.iter().map(of).collect();
    let (above, smallest, _) = magnitudes.select_nth_unstable_by(kept - 1, |one, other| other.cmp(one));
    let smallest = *smallest;
    let mut equal = kept - above.iter().filter(|magnitude| **magnitude > smallest).count();
    places.retain(|place| match of(place).cmp(&smallest) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => {
            let is_kept = equal > 0;
            equal -= usize::from(is_kept);
            is_kept
        }
    });
}

pub(super) fn decode(bytes: &[u8], permille: u32, values: &mut [f32]) -> Result<(), DecodeError> {
    let wrong = |reason: &str| DecodeError { reason: reason.to_owned() };
    let cut = || wrong("the bytes end within the places of values");
    let (count, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    let (gaps, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (count, gaps) = (u32::from_le_bytes(*count) as usize, u32::from_le_bytes(*gaps) as usize);
    if count > kept(values.len(), permille) {
        let reason = format!("{count} values came where {permille} of a thousand are sent");
        return Err(DecodeError { reason });
    }
    let (gaps, sent) = rest.split_at_checked(gaps.saturating_mul(size_of::<u16>())).ok_or_else(cut)?;
    if sent.len() != count * size_of::<f32>() {
        return Err(wrong("there are more or fewer values than places"));
    }
    values.fill(0.0);
    let (mut sent, mut next) = (sent.as_chunks::<4>().0.iter(), 0);
    for gap in gaps.as_chunks::<2>().0 {
        let gap = u16::from_le_bytes(*gap);
        next += usize::from(gap);
        if gap == SKIP {
            continue;
        }
        let place = values.get_mut(next).ok_or_else(|| wrong("a value lies beyond the last place"))?;
        let value = sent.next().ok_or_else(|| wrong("there are more places than values"))?;
        *place = f32::from_le_bytes(*value);
        next += 1;
    }
    match sent.next() {
        None => Ok(()),
        Some(_) => Err(wrong("there are more values than places")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(values: usize) -> Vec<f32> {
        (0..values).map(|value| (value as f32 * 0.71).sin() * (value % 97) as f32).collect()
    }

    #[test]
    fn the_largest_are_sent_and_of_equal_ones_the_first() {
        assert_eq!(largest(&[1.0, -3.0, 2.0, 3.0, -1.0, 0.0], 3), [1, 2, 3]);
        assert_eq!(largest(&[1.0, -1.0, 1.0, 2.0], 2), [0, 3]);
        assert_eq!(largest(&[0.0, 0.0, -0.5], 2), [2]);
    }

    #[test]
    fn a_threshold_from_a_sample_gives_exactly_the_largest() {
        let values = wave(200_000);
        let mut order: Vec<u32> = (0..200_000).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(magnitude(values[*place as usize])), *place));
        for kept in [20, 2000, 100_000, 199_999, 200_000] {
            let mut expected = order[..kept].to_vec();
            expected.retain(|place| values[*place as usize] != 0.0);
            expected.sort_unstable();
            assert_eq!(largest(&values, kept), expected, "{kept}");
        }
    }

    #[test]
    fn places_far_from_each_other_are_found_again() {
        let mut values = vec![0.0; 300_000];
        let places = [0, 65_534, 131_070, 131_071, 299_999];
        places.iter().for_each(|place| values[*place] = *place as f32 + 1.0);
        let (mut bytes, mut decoded) = (Vec::new(), vec![f32::NAN; values.len()]);
        encode(&values, 1, None, &mut bytes);
        assert!(bytes.len() < 60, "{}", bytes.len());
        decode(&bytes, 1, &mut decoded).unwrap();
        assert!(decoded == values);
    }

    #[test]
    fn lying_counts_and_places_are_refused() {
        let values = wave(1000);
        let mut good = Vec::new();
        encode(&values, 10, None, &mut good);
        let refusal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            decode(&bytes, 10, &mut [0.0; 1000]).unwrap_err().reason
        };
        assert_eq!(refusal(&|bytes| bytes[0] = 11), "11 values came where 10 of a thousand are sent");
        assert_eq!(refusal(&|bytes| bytes[0] = 9), "there are more or fewer values than places");
        assert_eq!(refusal(&|bytes| bytes[7] = 255), "the bytes end within the places of values");
        assert_eq!(refusal(&|bytes| bytes.truncate(5)), "the bytes end within the places of values");
        assert_eq!(refusal(&|bytes| bytes[9] = 4), "a value lies beyond the last place");
        let skip = |bytes: &mut Vec<u8>| bytes[8..10].copy_from_slice(&SKIP.to_le_bytes());
        assert_eq!(refusal(&skip), "a value lies beyond the last place");
        let one_gap_less = |bytes: &mut Vec<u8>| {
            bytes[4] = 8;
            bytes[0] = 9;
            bytes.drain(8..12);
            bytes.truncate(bytes.len() - 4);
            bytes.extend_from_slice(&[0; 4]);
        };
        assert_eq!(refusal(&one_gap_less), "there are more or fewer values than places");
    }

    #[test]
    fn a_value_that_is_not_finite_is_always_among_those_sent() {
        let mut values = wave(100_000);
        values[77_777] = f32::NAN;
        let (mut bytes, mut decoded) = (Vec::new(), vec![0.0; values.len()]);
        encode(&values, 1, None, &mut bytes);
        decode(&bytes, 1, &mut decoded).unwrap();
        assert!(decoded[77_777].is_nan());
    }
}
