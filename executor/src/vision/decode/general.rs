use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::{Color, error::DecodeError, limit};
use crate::{rdd::Picture, vision::grayscale::luma};

/// Scratch and output of a decoder together; the largest picture of 16 bits and four channels takes 800 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Decodes any format that `image` knows.
pub(super) fn decode(bytes: &[u8], color: Color) -> Result<Picture, DecodeError> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(ImageError::IoError)?;
    if reader.format().is_none() {
        return Err(DecodeError::Unknown);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits.clone());
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    limit::check(width.into(), height.into())?;
    limits.reserve(decoder.total_bytes())?;
    let (channels, pixels) = pixels(DynamicImage::from_decoder(decoder)?, color);
    Ok(Picture { width, height, channels, pixels })
}

/// The channels per pixel and the bytes.
fn pixels(picture: DynamicImage, color: Color) -> (u32, Vec<u8>) {
    match (color, picture.color().has_color(), picture.color().has_alpha()) {
        // `image` would weigh colours after BT.709, so it is only asked for gray where there is no colour.
        (Color::Gray, false, false) => (1, picture.into_luma8().into_raw()),
        (Color::Gray, false, true) => (1, over_white::<2, 1>(picture.into_luma_alpha8().into_raw())),
        (Color::Gray, true, _) => (1, luma(&rgb(picture))),
        (Color::Rgb, _, _) => (3, rgb(picture)),
    }
}

fn rgb(picture: DynamicImage) -> Vec<u8> {
    if picture.color().has_alpha() {
        over_white::<4, 3>(picture.into_rgba8().into_raw())
    } else {
        picture.into_rgb8().into_raw()
    }
}

/// Lays pixels whose last of `FROM` channels is alpha over white, leaving `TO` channels.
fn over_white<const FROM: usize, const TO: usize>(pixels: Vec<u8>) -> Vec<u8> {
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let (pixels, _) = pixels.as_chunks::<FROM>();
    pixels
        .iter()
        .flat_map(|pixel| std::array::from_fn::<u8, TO, _>(|place| blend(pixel[place], pixel[TO])))
        .collect()
}
