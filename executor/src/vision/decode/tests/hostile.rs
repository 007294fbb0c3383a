//! Files that are not what they seem, or more than is wanted.

use image::{
    Delay, ExtendedColorType, Frame, ImageEncoder, RgbaImage,
    codecs::{gif::GifEncoder, png::PngEncoder, webp::WebPEncoder},
};

use super::*;

#[test]
fn of_an_animated_gif_the_first_frame_is_taken() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for color in [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]] {
        let picture = RgbaImage::from_pixel(6, 4, Rgba(color));
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(10, 1))).unwrap();
    }
    drop(encoder);
    let out = try_decode(bytes, Color::Rgb).unwrap();
    assert_eq!((out.width, out.height, out.pixels), (6, 4, [255, 0, 0].repeat(24)));
}

/// A chunk of a RIFF file.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = name.to_vec();
    chunk.extend((content.len() as u32).to_le_bytes());
    chunk.extend(content);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

#[test]
fn of_an_animated_webp_the_first_frame_is_taken() {
    let (width, height) = (6u32, 4u32);
    let frame = |color: [u8; 3]| {
        let mut bytes = Vec::new();
        let pixels = color.repeat((width * height) as usize);
        WebPEncoder::new_lossless(&mut bytes)
            .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
            .unwrap();
        let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
        // At 0, 0; for 100 ms; the still picture's own chunk follows its RIFF header of twelve bytes.
        let header = [vec![0; 6], side(width), side(height), vec![100, 0, 0, 0]].concat();
        chunk(b"ANMF", &[header, bytes[12..].to_vec()].concat())
    };
    let size = [vec![2, 0, 0, 0], vec![width as u8 - 1, 0, 0], vec![height as u8 - 1, 0, 0]].concat();
    let content = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &size),
        chunk(b"ANIM", &[0, 0, 0, 0, 0, 0]),
        frame([255, 0, 0]),
        frame([0, 0, 255]),
    ]
    .concat();
    let out = try_decode(chunk(b"RIFF", &content), Color::Rgb).unwrap();
    assert_eq!((out.width, out.height), (6, 4));
    // Frames are blended onto a canvas, which rounds.
    for &[red, green, blue] in out.pixels.as_chunks().0 {
        assert!(red >= 254 && green <= 1 && blue <= 1, "{red} {green} {blue}");
    }
}

fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let checked = [name, content].concat();
    let crc = crc32fast::hash(&checked).to_be_bytes();
    [&(content.len() as u32).to_be_bytes()[..], &checked, &crc].concat()
}

/// Rows of pixels, packed without being compressed.
fn zlib(rows: &[u8]) -> Vec<u8> {
    let (mut low, mut high) = (1u32, 0u32);
    for &byte in rows {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let length = rows.len() as u16;
    let stored = [&[0x78, 1, 1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), rows].concat();
    [&stored[..], &(high << 16 | low).to_be_bytes()].concat()
}

/// A PNG of `rows`, as they are before compression, with other chunks before and after them.
fn png_with(size: (u32, u32), (depth, kind): (u8, u8), before: &[u8], rows: &[u8], after: &[u8]) -> Vec<u8> {
    let header = [&size.0.to_be_bytes()[..], &size.1.to_be_bytes(), &[depth, kind, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n",
        &png_chunk(b"IHDR", &header)[..],
        before,
        &png_chunk(b"IDAT", &zlib(rows)),
        after,
        &png_chunk(b"IEND", &[]),
    ]
    .concat()
}

fn png(width: u32, height: u32, depth: u8, kind: u8, palette: &[u8], rows: &[u8]) -> Vec<u8> {
    let palette = if palette.is_empty() { Vec::new() } else { png_chunk(b"PLTE", palette) };
    png_with((width, height), (depth, kind), &palette, rows, &[])
}

#[test]
fn of_an_animated_png_the_first_frame_is_taken() {
    let number = |number: u32| number.to_be_bytes();
    // A frame of 2 x 1 at 0, 0, for 1/10 s.
    let frame = |sequence: u32| {
        let fields = [sequence, 2, 1, 0, 0].map(number).concat();
        png_chunk(b"fcTL", &[&fields[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    let animation = png_chunk(b"acTL", &[2, 0].map(number).concat());
    let second = png_chunk(b"fdAT", &[&number(2)[..], &zlib(&[0, 200, 200])].concat());
    let (before, after) = ([animation, frame(0)].concat(), [frame(1), second].concat());
    let out = try_decode(png_with((2, 1), (8, 0), &before, &[0, 10, 20], &after), Color::Gray).unwrap();
    assert_eq!((out.width, out.height, out.pixels), (2, 1, vec![10, 20]));
}

#[test]
fn a_palette_becomes_its_colours() {
    let palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
    // Two rows of three pixels of four bits, each row after the number of its filter.
    let bytes = png(3, 2, 4, 3, &palette, &[0, 0x01, 0x20, 0, 0x33, 0x00]);
    let out = try_decode(bytes, Color::Rgb).unwrap();
    assert_eq!(out.pixels, [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 9, 9, 9, 255, 0, 0]);
}

#[test]
fn black_and_white_become_bytes() {
    let out = try_decode(png(5, 1, 1, 0, &[], &[0, 0b1010_1000]), Color::Gray).unwrap();
    assert_eq!(out.pixels, [255, 0, 255, 0, 255]);
}

#[test]
fn sixteen_bits_of_colour_and_alpha_become_eight_over_white() {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> =
        [0xffff_u16, 0, 0, 0xffff, 0, 0, 0, 0].into_iter().flat_map(u16::to_ne_bytes).collect();
    PngEncoder::new(&mut bytes).write_image(&pixels, 2, 1, ExtendedColorType::Rgba16).unwrap();
    assert_eq!(try_decode(bytes, Color::Rgb).unwrap().pixels, [255, 0, 0, 255, 255, 255]);
}

#[test]
fn a_file_is_what_its_content_says_whatever_follows_it() {
    let mut bytes = encoded(red(), ImageFormat::Png);
    bytes.extend(noisy_jpeg());
    assert_eq!(try_decode(bytes, Color::Gray).unwrap(), gray(24, 16, |_, _| 76));
}

#[test]
fn a_huge_size_is_refused_in_every_format_that_has_it_in_its_header() {
    let mut gif = encoded(red(), ImageFormat::Gif);
    gif[6..10].fill(0xff);
    let mut bmp = encoded(red(), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0x20, 0x4e, 0, 0, 0x20, 0x4e, 0, 0]);
    let pnm = b"P5 100000 100000 255\n\0".to_vec();
    for (bytes, told) in [(gif, "65535 x 65535"), (bmp, "20000 x 20000"), (pnm, "100000 x 100000")] {
        let reason = try_decode(bytes, Color::Gray).unwrap_err();
        assert!(reason.contains(told), "{reason}");
    }
}

#[test]
fn half_a_file_is_unusable_in_every_format() {
    let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 37) as u8, (y * 91) as u8, (x * y * 3) as u8]));
    for format in [
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Pnm,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let whole = encoded(picture.clone(), format);
        assert!(try_decode(&whole[..whole.len() / 2], Color::Gray).is_err(), "{format:?}");
    }
}

#[test]
fn nothing_of_another_picture_shows_where_a_file_is_damaged() {
    let whole = noisy_jpeg();
    let mut damaged = 0;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        let mut spare = Spare::default();
        spare.keep_pixels(vec![0xa5; 1 << 14]);
        let reused = decode(&bytes, Color::Gray, &mut spare).map_err(|error| error.to_string());
        damaged += u32::from(reused.is_ok());
        assert_eq!(reused, try_decode(bytes, Color::Gray), "{place}");
    }
    assert!(damaged > 100, "{damaged}");
}
