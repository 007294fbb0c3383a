mod hostile;

use std::io::Cursor;

use bytes::Bytes;
use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba,
    codecs::jpeg::JpegEncoder,
};

use super::*;
use crate::vision::testing::{PLAIN, gray, meta};

const RED_CMYK: &[u8] = include_bytes!("../../testdata/red_cmyk.jpg");

fn try_decode(bytes: impl Into<Vec<u8>>, color: Color) -> Result<Picture, String> {
    let record = Record::Encoded { meta: meta(1), bytes: Bytes::from(bytes.into()) };
    match (Decode { color }).apply(record, &PLAIN, &mut Spare::default()) {
        Ok(Record::Picture { meta: kept, picture }) => {
            assert_eq!(kept, meta(1));
            Ok(picture)
        }
        Err(OperatorError::Unusable(reason)) => Err(reason),
        other => panic!("{other:?}"),
    }
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn red() -> RgbImage {
    RgbImage::from_pixel(24, 16, Rgb([255, 0, 0]))
}

fn noisy_jpeg() -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 37) as u8, (y * 91) as u8, (x * y * 3) as u8]));
    encoded(picture, ImageFormat::Jpeg)
}

/// A PNG that consists of its header, up to the first data.
fn png_header(width: u32, height: u32, crc: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    bytes.extend([8, 0, 0, 0, 0]);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(b"\0\0\0\x08IDAT\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes
}

#[test]
fn every_lossless_format_keeps_its_pixels() {
    let picture = RgbImage::from_fn(9, 5, |x, y| Rgb([(x * 28) as u8, (y * 50) as u8, 77]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Pnm]
    {
        let out = try_decode(encoded(picture.clone(), format), Color::Rgb).unwrap();
        let expected = Picture { width: 9, height: 5, channels: 3, pixels: picture.as_raw().clone() };
        assert_eq!(out, expected, "{format:?}");
    }
}

#[test]
fn red_becomes_its_bt_601_luma_in_every_format() {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    for format in [Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP] {
        let out = try_decode(encoded(red(), format), Color::Gray).unwrap();
        assert_eq!(out, gray(24, 16, |_, _| 76), "{format:?}");
    }
}

#[test]
fn a_gray_jpeg_is_decoded_to_either_colour() {
    let mut bytes = Vec::new();
    let picture = GrayImage::from_pixel(10, 6, Luma([140]));
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&picture).unwrap();
    assert_eq!(try_decode(bytes.clone(), Color::Gray).unwrap(), gray(10, 6, |_, _| 140));
    assert_eq!(try_decode(bytes, Color::Rgb).unwrap().pixels, [140; 180]);
}

#[test]
fn a_cmyk_jpeg_is_decoded() {
    let out = try_decode(RED_CMYK, Color::Rgb).unwrap();
    assert_eq!((out.width, out.height, out.channels), (8, 8, 3));
    for &[red, green, blue] in out.pixels.as_chunks().0 {
        assert!(red > 245 && green < 10 && blue < 10, "{red} {green} {blue}");
    }
    let out = try_decode(RED_CMYK, Color::Gray).unwrap();
    assert!(out.pixels.iter().all(|pixel| pixel.abs_diff(76) < 6), "{:?}", out.pixels);
}

#[test]
fn sixteen_bits_become_eight() {
    let picture = ImageBuffer::<Luma<u16>, _>::from_pixel(3, 2, Luma([0x80ff]));
    let out = try_decode(encoded(picture, ImageFormat::Png), Color::Gray).unwrap();
    assert_eq!(out, gray(3, 2, |_, _| 0x80));
}

#[test]
fn what_is_transparent_is_laid_over_white() {
    let clear = ImageBuffer::from_pixel(2, 1, Rgba([255u8, 0, 0, 0]));
    let half = ImageBuffer::from_pixel(2, 1, Rgba([255u8, 0, 0, 128]));
    let gray_half = ImageBuffer::from_pixel(2, 1, LumaA([0u8, 128]));
    let pixels = |bytes, color| try_decode(bytes, color).unwrap().pixels;
    assert_eq!(pixels(encoded(clear, ImageFormat::Png), Color::Gray), [255; 2]);
    assert_eq!(pixels(encoded(half, ImageFormat::Png), Color::Rgb), [255, 127, 127, 255, 127, 127]);
    assert_eq!(pixels(encoded(gray_half, ImageFormat::Png), Color::Gray), [127; 2]);
}

#[test]
fn an_empty_file_is_unusable() {
    assert_eq!(try_decode([], Color::Gray).unwrap_err(), "the file is empty");
}

#[test]
fn a_text_file_is_unusable() {
    let reason = try_decode(*b"not a picture, whatever its name says", Color::Gray).unwrap_err();
    assert!(reason.contains("is no picture"), "{reason}");
}

#[test]
fn a_jpeg_that_is_cut_off_is_unusable_wherever_it_ends() {
    let whole = noisy_jpeg();
    assert!(try_decode(whole.clone(), Color::Gray).is_ok());
    for length in (1..whole.len() - 1).step_by(7) {
        assert!(try_decode(&whole[..length], Color::Gray).is_err(), "{length} of {} bytes", whole.len());
    }
    let reason = try_decode(&whole[..whole.len() / 2], Color::Gray).unwrap_err();
    assert!(reason.contains("cut off"), "{reason}");
}

#[test]
fn the_end_marker_of_a_thumbnail_does_not_end_the_picture() {
    let whole = noisy_jpeg();
    let mut bytes = whole[..2].to_vec();
    bytes.extend([0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9]);
    bytes.extend(&whole[2..]);
    assert_eq!(try_decode(bytes.clone(), Color::Gray), try_decode(whole, Color::Gray));
    bytes.truncate(bytes.len() - 100);
    assert!(try_decode(bytes, Color::Gray).unwrap_err().contains("cut off"));
}

#[test]
fn a_png_that_is_cut_off_is_unusable() {
    let picture = GrayImage::from_fn(40, 40, |x, y| Luma([(x * y * 7) as u8]));
    let whole = encoded(picture, ImageFormat::Png);
    assert!(try_decode(&whole[..whole.len() / 2], Color::Gray).is_err());
}

#[test]
fn a_huge_size_is_refused_from_the_header() {
    let reason = try_decode(png_header(100_000, 100_000, 0x8d39_5414), Color::Gray).unwrap_err();
    assert!(reason.contains("100000 x 100000: more than 100000000 pixels"), "{reason}");
    let mut jpeg = noisy_jpeg();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let reason = try_decode(jpeg, Color::Gray).unwrap_err();
    assert!(reason.contains("65535 x 65535"), "{reason}");
}

#[test]
fn damaged_files_never_do_worse_than_being_unusable() {
    let formats =
        [ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP];
    for whole in formats.map(|format| encoded(red(), format)) {
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            if let Ok(picture) = try_decode(bytes, Color::Gray) {
                assert_eq!(picture.pixels.len() as u64, u64::from(picture.width) * u64::from(picture.height));
            }
        }
    }
}
