use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The most values that are unpacked: as many as fitted parameters may have.
const MAX_VALUES: usize = 4 << 20;

/// Numbers among an operator's parameters, of which there are many: in JSON they are one string, the base64 form of
/// their little-endian bytes. They are finite.
#[derive(Clone, PartialEq, Default)]
pub struct Packed(Vec<f32>);

impl Packed {
    /// Takes numbers; none if one of them isn't finite.
    pub fn new(values: Vec<f32>) -> Option<Self> {
        values.iter().all(|value| value.is_finite()).then_some(Self(values))
    }
}

impl std::ops::Deref for Packed {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} values)", self.0.len())
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytemuck::cast_slice::<f32, u8>(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.len() > MAX_VALUES.div_ceil(3) * 16 {
            return Err(D::Error::custom(format!("more than {MAX_VALUES} numbers are packed")));
        }
        let bytes = STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        if !bytes.len().is_multiple_of(4) {
            return Err(D::Error::custom(format!("{} bytes are no packed numbers", bytes.len())));
        }
        let values = bytemuck::pod_collect_to_vec(&bytes);
        Self::new(values).ok_or_else(|| D::Error::custom("a packed number is not finite"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_come_back_bit_for_bit() {
        let values = vec![0.0, -0.0, 1.5, f32::MIN_POSITIVE / 2.0, f32::MAX];
        let packed = Packed::new(values.clone()).unwrap();
        let json = serde_json::to_string(&packed).unwrap();
        assert_eq!(json, "\"AAAAAAAAAIAAAMA/AABAAP//f38=\"");
        let back: Packed = serde_json::from_str(&json).unwrap();
        assert_eq!(bits(&back), bits(&values));
        let value = serde_json::to_value(&packed).unwrap();
        assert_eq!(bits(&serde_json::from_value::<Packed>(value).unwrap()), bits(&values));
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn what_is_no_packed_numbers_is_refused() {
        for wrong in ["\"AAA\"", "\"AAAA\"", "\"?\"", "[1.0]", "\"AADAfw==\"", "\"AACAfw==\""] {
            assert!(serde_json::from_str::<Packed>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Packed::new(vec![f32::NAN]), None);
    }
}
