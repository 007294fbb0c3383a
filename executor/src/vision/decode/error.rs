use super::limit::MAX_PIXELS;

/// Why a file gives no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error("the file is no picture (known are JPEG, PNG, BMP, GIF, WebP, TIFF and PNM)")]
    Unknown,
    #[error("the picture is {width} x {height}: more than {MAX_PIXELS} pixels, or none")]
    Size { width: u64, height: u64 },
    #[error("the JPEG is cut off: its end marker is missing")]
    CutOff,
    #[error("the JPEG can't be decoded: {0}")]
    Jpeg(String),
    #[error("the picture can't be decoded: {0}")]
    General(#[from] image::ImageError),
    #[error("the picture is so broken that its decoder panicked")]
    Panicked,
}
