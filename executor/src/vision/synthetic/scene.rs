use image::{Rgb, RgbImage};

use super::brush::{Brush, Colour, Pose};
use crate::vision::chance::Chance;

/// Fills a picture with a wash from one colour to another and things that mean nothing.
pub(super) fn background(picture: &mut RgbImage, chance: &mut Chance) {
    let (top, bottom) = (colour(chance), colour(chance));
    let height = picture.height() as f32;
    for (y, row) in picture.rows_mut().enumerate() {
        let down = y as f32 / height;
        let mix = |channel: usize| {
            (f32::from(top.0[channel]) * (1.0 - down) + f32::from(bottom.0[channel]) * down) as u8
        };
        let colour = Rgb([mix(0), mix(1), mix(2)]);
        row.for_each(|pixel| *pixel = colour);
    }
    for _ in 0..chance.between(3.0, 8.0) as u32 {
        thing(picture, (0.05, 0.2), chance);
    }
}

/// Puts a thing or two in front, which may hide part of the animal.
pub(super) fn foreground(picture: &mut RgbImage, chance: &mut Chance) {
    for _ in 0..chance.between(0.0, 3.0) as u32 {
        thing(picture, (0.04, 0.1), chance);
    }
}

/// Lights the picture more from one side than from the other, and adds noise to every pixel.
pub(super) fn light_and_noise(picture: &mut RgbImage, chance: &mut Chance) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let middle = chance.between(0.85, 1.1);
    let (right, down) = (chance.between(-0.2, 0.2), chance.between(-0.2, 0.2));
    let strength = chance.between(6.0, 26.0);
    for (y, row) in picture.rows_mut().enumerate() {
        let row_light = middle + down * (y as f32 / height - 0.5);
        for (x, pixel) in row.enumerate() {
            let light = row_light + right * (x as f32 / width - 0.5);
            // Four bytes of chance make a bell well enough.
            let bell = chance.next().to_le_bytes()[..4].iter().map(|&byte| f32::from(byte)).sum::<f32>();
            let noise = (bell / 510.0 - 1.0) * strength;
            pixel.0 = pixel.0.map(|channel| (f32::from(channel) * light + noise) as u8);
        }
    }
}

/// Draws a box, a ball or a wedge somewhere, `sizes` as fractions of the picture's width.
fn thing(picture: &mut RgbImage, sizes: (f32, f32), chance: &mut Chance) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let pose = Pose {
        centre: (width * chance.between(0.0, 1.0), height * chance.between(0.0, 1.0)),
        scale: width * chance.between(sizes.0, sizes.1),
        stretch: chance.between(0.5, 1.5),
        tilt: chance.between(0.0, 3.0),
    };
    let colour = colour(chance);
    let mut brush = Brush::new(picture, pose);
    match chance.next() % 3 {
        0 => brush.shape(&[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)], colour),
        1 => brush.ellipse((0.0, 0.0), (1.0, 1.0), 0.0, colour),
        _ => brush.shape(&[(-1.0, 0.8), (1.0, 0.8), (0.0, -1.0)], colour),
    }
}

fn colour(chance: &mut Chance) -> Colour {
    Rgb([(); 3].map(|()| chance.between(60.0, 200.0) as u8))
}
