use howdah_proto::settings::Encoding;

use super::{DecodeError, Residual, bf16, check_len, f16};

/// The bytes of a value.
pub(crate) const HALF_BYTES: usize = size_of::<u16>();

/// An encoding of two bytes for each value, whatever is beside it: any part of it can be encoded and decoded alone, and
/// all bytes are values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// [`Encoding::Bf16`].
    Bf16,
    /// [`Encoding::F16`].
    F16,
}

impl Half {
    /// The encoding, if it is one of these.
    pub fn of(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Bf16 => Some(Self::Bf16),
            Encoding::F16 => Some(Self::F16),
            Encoding::F32 | Encoding::Int8 | Encoding::TopK { .. } => None,
        }
    }

    /// The encoding by its name.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Bf16 => Encoding::Bf16,
            Self::F16 => Encoding::F16,
        }
    }

    /// Encodes values into two bytes each, and notes what is lost by it, if it is to be noted.
    pub fn encode(self, values: &[f32], residual: Option<Residual<'_>>, out: &mut [u8]) {
        match self {
            Self::Bf16 => encode(values, residual, out, bf16::from_f32, bf16::to_f32),
            Self::F16 => encode(values, residual, out, f16::from_f32, f16::to_f32),
        }
    }

    /// Decodes as many values as there are and are wanted.
    pub fn decode(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::Bf16 => decode(bytes, values, bf16::to_f32),
            Self::F16 => decode(bytes, values, f16::to_f32),
        }
    }

    pub(super) fn encode_all(self, values: &[f32], residual: Option<Residual<'_>>, out: &mut Vec<u8>) {
        // Every byte is written below: what a buffer held before needn't be cleared.
        out.resize(values.len() * HALF_BYTES, 0);
        self.encode(values, residual, out);
    }

    pub(super) fn decode_all(self, bytes: &[u8], values: &mut [f32]) -> Result<(), DecodeError> {
        check_len(bytes, values.len(), self::bytes(values.len()))?;
        self.decode(bytes, values);
        Ok(())
    }
}

pub(super) fn bytes(values: usize) -> u64 {
    (values * HALF_BYTES) as u64
}

#[inline(always)]
fn encode(
    values: &[f32],
    residual: Option<Residual<'_>>,
    out: &mut [u8],
    narrow: impl Fn(f32) -> u16,
    widen: impl Fn(u16) -> f32,
) {
    let (places, _) = out.as_chunks_mut::<HALF_BYTES>();
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
fn decode(bytes: &[u8], values: &mut [f32], widen: impl Fn(u16) -> f32) {
    let (sent, _) = bytes.as_chunks::<HALF_BYTES>();
    pulp::Arch::new().dispatch(|| {
        for (value, sent) in values.iter_mut().zip(sent) {
            *value = widen(u16::from_le_bytes(*sent));
        }
    });
}
