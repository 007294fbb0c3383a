use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use super::{Color, error::DecodeError, limit};
use crate::{
    rdd::{Picture, Spare},
    vision::grayscale,
};

const START: [u8; 3] = [0xff, 0xd8, 0xff];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
const START_OF_SCAN: u8 = 0xda;
/// The format has no longer side.
const MAX_SIDE: usize = 65_535;

/// Whether a file begins like a JPEG.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&START)
}

/// Decodes a JPEG, straight to its luma where gray is wanted.
///
/// Small damage inside the picture is tolerated, as browsers do; one that is cut off is refused.
pub(super) fn decode(bytes: &[u8], color: Color, spare: &mut Spare) -> Result<Picture, DecodeError> {
    let options = DecoderOptions::new_fast().set_max_width(MAX_SIDE).set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) =
        decoder.dimensions().ok_or_else(|| DecodeError::Jpeg("it has no size".to_owned()))?;
    limit::check(width as u64, height as u64)?;
    if !is_complete(bytes) {
        return Err(DecodeError::CutOff);
    }
    let stored = decoder.input_colorspace();
    let (out, channels) = match (color, stored) {
        (Color::Gray, Some(ColorSpace::YCbCr | ColorSpace::Luma)) => (ColorSpace::Luma, 1),
        _ => (ColorSpace::RGB, 3),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let size = width * height * channels;
    if decoder.output_buffer_size() != Some(size) {
        return Err(DecodeError::Jpeg(format!("its colours ({stored:?}) are not supported")));
    }
    let mut pixels = spare.pixels(size);
    // Where the file is damaged nothing is written, and nothing of another picture must show there.
    pixels.resize(size, 0);
    decoder.decode_into(&mut pixels).map_err(broken)?;
    let (width, height) = (width as u32, height as u32);
    let picture = Picture { width, height, channels: channels as u32, pixels };
    Ok(if color == Color::Gray { grayscale::gray(picture, spare) } else { picture })
}

fn broken(error: DecodeErrors) -> DecodeError {
    DecodeError::Jpeg(format!("{error:?}"))
}

/// Whether an end marker follows the start of the scan; the decoder itself would fill up what is missing.
///
/// Segments before the scan are stepped over, as the thumbnail in one of them has an end marker of its own.
fn is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest
        && marker != START_OF_SCAN
    {
        let length = 2 + usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(length..).unwrap_or_default();
    }
    rest.windows(2).rev().any(|pair| pair == END_OF_IMAGE)
}
