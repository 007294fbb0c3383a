use std::ops::Deref;

use bytes::Bytes;

struct Owned<T>(T);

impl<T: Deref<Target: AsRef<[f32]>>> AsRef<[u8]> for Owned<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice((*self.0).as_ref())
    }
}

/// Gives values as the bytes that travel, without copying them.
pub(super) fn bytes_of(values: impl Deref<Target: AsRef<[f32]>> + Send + 'static) -> Bytes {
    Bytes::from_owner(Owned(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_the_values_themselves() {
        let values = vec![1.0f32, -2.5];
        let place = values.as_ptr();
        let bytes = bytes_of(values);
        assert_eq!(bytes.as_ptr(), place.cast());
        assert_eq!(bytes[4..], (-2.5f32).to_le_bytes());
    }
}
