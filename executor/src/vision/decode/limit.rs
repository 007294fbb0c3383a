use super::error::DecodeError;

/// The most pixels that a picture may have; more is taken for a decompression bomb.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Checks a size that a header announces, before anything of that size is allocated.
pub(super) fn check(width: u64, height: u64) -> Result<(), DecodeError> {
    match width.checked_mul(height) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err(DecodeError::Size { width, height }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_at_least_one_pixel_and_not_too_many() {
        assert!(check(1, 1).is_ok() && check(10_000, 10_000).is_ok());
        for (width, height) in [(0, 5), (5, 0), (10_001, 10_000), (u64::MAX, u64::MAX)] {
            assert!(check(width, height).is_err());
        }
    }
}
