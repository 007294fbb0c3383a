use howdah_proto::settings::Encoding;

use super::{DecodeError, decode, int8, max_bytes};

/// Values that are decoded while their bytes come in, in pieces of any length.
///
/// An encoding of units is decoded unit by unit, while what has come is still in the caches; of one that has none, the
/// bytes are gathered.
#[derive(Debug)]
pub struct Decoder<'a> {
    encoding: Encoding,
    /// What is to be set yet.
    values: &'a mut [f32],
    /// The bytes that are to come.
    missing: usize,
    /// Bytes of a unit that isn't whole.
    gathered: Vec<u8>,
}

/// The values and the bytes of the smallest part of an encoding that can be decoded alone, if there is one.
fn unit(encoding: Encoding) -> Option<(usize, usize)> {
    match encoding {
        Encoding::F32 => Some((1, size_of::<f32>())),
        Encoding::Bf16 | Encoding::F16 => Some((1, size_of::<u16>())),
        Encoding::Int8 => Some((int8::BLOCK, int8::BLOCK + int8::SCALE_BYTES)),
        Encoding::TopK { .. } => None,
    }
}

/// Tells whether values can be encoded piece by piece, if each piece but the last has a multiple of [`PIECE_VALUES`].
pub fn has_units(encoding: Encoding) -> bool {
    unit(encoding).is_some()
}

/// Pieces of multiples of so many values, encoded one by one, are the same bytes as all of them encoded at once.
pub const PIECE_VALUES: usize = int8::BLOCK;

impl<'a> Decoder<'a> {
    /// Begins to decode `bytes` bytes into `values`, all of which will be set.
    ///
    /// # Errors
    /// [`DecodeError`] if so many bytes can't be so many values.
    pub fn new(encoding: Encoding, bytes: u64, values: &'a mut [f32]) -> Result<Self, DecodeError> {
        let most = max_bytes(encoding, values.len());
        let fits = if has_units(encoding) { bytes == most } else { bytes <= most };
        if !fits {
            let reason = format!("{bytes} bytes are announced where {} values take {most}", values.len());
            return Err(DecodeError { reason });
        }
        Ok(Self { encoding, values, missing: bytes as usize, gathered: Vec::new() })
    }

    /// Takes the next bytes, and shows `look` the values that they have completed.
    ///
    /// # Errors
    /// [`DecodeError`] if they are more than were announced, or aren't of the encoding.
    pub fn take(&mut self, mut bytes: &[u8], mut look: impl FnMut(&[f32])) -> Result<(), DecodeError> {
        self.missing = self
            .missing
            .checked_sub(bytes.len())
            .ok_or_else(|| DecodeError { reason: "more bytes came than were announced".to_owned() })?;
        let Some((_, unit)) = unit(self.encoding) else {
            self.gathered.extend_from_slice(bytes);
            return Ok(());
        };
        if !self.gathered.is_empty() {
            let lacks = unit.saturating_sub(self.gathered.len()).min(bytes.len());
            let (now, later) = bytes.split_at(lacks);
            self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.len() < unit {
                return Ok(());
            }
            let gathered = std::mem::take(&mut self.gathered);
            look(self.decode(&gathered)?);
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % unit);
        look(self.decode(whole)?);
        self.gathered.extend_from_slice(rest);
        Ok(())
    }

    /// Ends, and shows `look` the last values; all bytes must have come.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn finish(mut self, mut look: impl FnMut(&[f32])) -> Result<(), DecodeError> {
        if self.missing > 0 {
            return Err(DecodeError { reason: format!("{} bytes are missing at the end", self.missing) });
        }
        let gathered = std::mem::take(&mut self.gathered);
        match unit(self.encoding) {
            Some(_) => look(self.decode(&gathered)?),
            None => {
                decode(self.encoding, &gathered, self.values)?;
                look(self.values);
            }
        }
        Ok(())
    }

    /// Decodes whole units, or the last one; gives their values.
    fn decode(&mut self, bytes: &[u8]) -> Result<&'a [f32], DecodeError> {
        let Some((values, unit)) = unit(self.encoding) else { return Ok(&[]) };
        let count = (bytes.len().div_ceil(unit) * values).min(self.values.len());
        let (now, later) = std::mem::take(&mut self.values).split_at_mut(count);
        self.values = later;
        decode(self.encoding, bytes, now)?;
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::encode, *};

    const ENCODINGS: [Encoding; 5] =
        [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8, Encoding::TopK { permille: 10 }];

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|place| (place as f32 * 0.37).sin() * (1 + place % 5) as f32).collect()
    }

    fn encoded(encoding: Encoding, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(encoding, values, None, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_are_decoded_as_the_whole_is(
            count in 1usize..3000, which in 0..ENCODINGS.len(), cuts in prop::collection::vec(0usize..4000, 0..20),
        ) {
            let bytes = encoded(ENCODINGS[which], &values(count));
            let (mut whole, mut pieces, mut seen) = (vec![0.0; count], vec![f32::NAN; count], Vec::new());
            decode(ENCODINGS[which], &bytes, &mut whole).unwrap();
            let mut decoder = Decoder::new(ENCODINGS[which], bytes.len() as u64, &mut pieces).unwrap();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                decoder.take(now, |values| seen.extend_from_slice(values)).unwrap();
                rest = later;
            }
            decoder.take(rest, |values| seen.extend_from_slice(values)).unwrap();
            decoder.finish(|values| seen.extend_from_slice(values)).unwrap();
            prop_assert_eq!(&seen, &whole);
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn what_is_encoded_piece_by_piece_is_the_same_bytes(count in 1usize..5000, pieces in 1usize..3) {
            let values = values(count);
            for encoding in ENCODINGS.into_iter().filter(|encoding| has_units(*encoding)) {
                let pieces = values.chunks(pieces * PIECE_VALUES);
                let pieces: Vec<u8> = pieces.flat_map(|piece| encoded(encoding, piece)).collect();
                prop_assert_eq!(&pieces, &encoded(encoding, &values));
            }
        }
    }

    #[test]
    fn bytes_that_cannot_be_the_values_are_refused() {
        let mut room = [0.0; 4];
        for encoding in ENCODINGS {
            let most = max_bytes(encoding, 4);
            assert!(Decoder::new(encoding, most + 1, &mut room).is_err(), "{encoding:?}");
            assert!(Decoder::new(encoding, u64::MAX, &mut room).is_err(), "{encoding:?}");
            assert!(Decoder::new(encoding, most, &mut room).unwrap().finish(|_| {}).is_err(), "{encoding:?}");
            let mut decoder = Decoder::new(encoding, most, &mut room).unwrap();
            assert!(decoder.take(&vec![0; most as usize + 1], |_| {}).is_err(), "{encoding:?}");
        }
        assert!(Decoder::new(Encoding::Bf16, 6, &mut room).is_err());
    }
}
