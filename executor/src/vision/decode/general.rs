use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::{Color, error::DecodeError, limit};
use crate::{
    rdd::{Picture, Spare},
    vision::grayscale,
};

/// Scratch and output of a decoder together; the largest picture of 16 bits and four channels takes 800 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Decodes any format that `image` knows.
pub(super) fn decode(bytes: &[u8], color: Color, spare: &mut Spare) -> Result<Picture, DecodeError> {
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
    let (channels, pixels) = match (decoder.color_type(), color) {
        (ColorType::L8, Color::Gray) => (1, read(decoder, spare)?),
        (ColorType::Rgb8, _) => (3, read(decoder, spare)?),
        _ => converted(DynamicImage::from_decoder(decoder)?, color),
    };
    // `image` would weigh colours after BT.709, so it is only asked for gray where there is no colour.
    let picture = Picture { width, height, channels, pixels };
    Ok(if color == Color::Gray { grayscale::gray(picture, spare) } else { picture })
}

/// The bytes as they are stored.
fn read(decoder: impl ImageDecoder, spare: &mut Spare) -> Result<Vec<u8>, DecodeError> {
    // The limit has been checked.
    let size = decoder.total_bytes() as usize;
    let mut pixels = spare.pixels(size);
    pixels.resize(size, 0);
    decoder.read_image(&mut pixels)?;
    Ok(pixels)
}

/// The channels per pixel and the bytes: gray as it is, if that is wanted and the picture has no colour, else red, green and
/// blue.
fn converted(picture: DynamicImage, color: Color) -> (u32, Vec<u8>) {
    let has_color = color == Color::Rgb || picture.color().has_color();
    match (has_color, picture.color().has_alpha()) {
        (false, false) => (1, picture.into_luma8().into_raw()),
        (false, true) => (1, over_white::<2, 1>(picture.into_luma_alpha8().into_raw())),
        (true, true) => (3, over_white::<4, 3>(picture.into_rgba8().into_raw())),
        (true, false) => (3, picture.into_rgb8().into_raw()),
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
