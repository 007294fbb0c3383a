use std::f32::consts::PI;

use image::{Rgb, RgbImage};

use super::{
    Class,
    brush::{Brush, Colour, Pose, shade},
    cat, dog, scene,
};
use crate::vision::chance::Chance;

/// The colours that cats and dogs have in common, so that no colour gives either away.
const FURS: [[u8; 3]; 7] = [
    [58, 52, 50],
    [104, 74, 52],
    [150, 104, 62],
    [196, 142, 84],
    [134, 132, 130],
    [206, 190, 162],
    [226, 220, 210],
];
const EYES: [[u8; 3]; 4] = [[150, 190, 80], [214, 178, 60], [110, 170, 200], [190, 130, 60]];

/// How far a head is tilted to either side, in radians.
const MAX_TILT: f32 = 0.06 * PI;

/// How an animal is coloured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coat {
    pub(super) fur: Colour,
    pub(super) belly: Colour,
    pub(super) eyes: Colour,
    pub(super) whiskers: Colour,
    /// Stripes on a cat, a patch on a dog.
    pub(super) striped: bool,
}

/// Draws a cat or dog of about 200 x 200 pixels; the same for the same arguments.
pub fn draw(class: Class, key: u64, seed: u64) -> RgbImage {
    let mut chance = Chance::new(&[seed, key]);
    let mut side = || chance.between(170.0, 235.0) as u32;
    let mut picture = RgbImage::new(side(), side());
    scene::background(&mut picture, &mut chance);
    let coat = coat(&mut chance);
    let pose = pose(&picture, &mut chance);
    let mut brush = Brush::new(&mut picture, pose);
    match class {
        Class::Cat => cat::draw(&mut brush, &coat, &mut chance),
        Class::Dog => dog::draw(&mut brush, &coat, &mut chance),
    }
    scene::foreground(&mut picture, &mut chance);
    scene::light_and_noise(&mut picture, &mut chance);
    picture
}

fn pose(picture: &RgbImage, chance: &mut Chance) -> Pose {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let scale = width.min(height) * chance.between(0.21, 0.26);
    Pose {
        centre: (width * chance.between(0.43, 0.57), height * chance.between(0.36, 0.45)),
        scale,
        stretch: chance.between(0.88, 1.12),
        tilt: chance.between(-MAX_TILT, MAX_TILT),
    }
}

fn coat(chance: &mut Chance) -> Coat {
    let fur = shade(Rgb(pick(&FURS, chance)), chance.between(0.8, 1.1));
    Coat {
        fur,
        belly: shade(fur, if chance.happens(0.7) { 1.25 } else { 0.8 }),
        eyes: Rgb(pick(&EYES, chance)),
        whiskers: if chance.happens(0.5) { Rgb([240, 240, 240]) } else { Rgb([40, 40, 40]) },
        striped: chance.happens(0.5),
    }
}

fn pick(colours: &[[u8; 3]], chance: &mut Chance) -> [u8; 3] {
    colours[chance.next() as usize % colours.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_depends_on_class_key_and_seed_alone() {
        let picture = draw(Class::Cat, 1, 2);
        assert_eq!(draw(Class::Cat, 1, 2), picture);
        assert_ne!(draw(Class::Dog, 1, 2), picture);
        assert_ne!(draw(Class::Cat, 2, 2), picture);
        assert_ne!(draw(Class::Cat, 1, 3), picture);
    }

    #[test]
    fn pictures_are_about_200_pixels_wide_and_not_all_alike() {
        let sizes: Vec<_> =
            (0..8).map(|key| draw(Class::ALL[key as usize % 2], key, 5).dimensions()).collect();
        assert!(
            sizes.iter().all(|&(width, height)| (170..235).contains(&width) && (170..235).contains(&height))
        );
        assert!(sizes.iter().any(|size| *size != sizes[0]));
    }

    #[test]
    fn brightness_does_not_give_a_class_away() {
        let mean = |class| {
            let sum = |key| draw(class, key, 9).as_raw().iter().map(|&byte| f64::from(byte)).sum::<f64>();
            let size = |key| draw(class, key, 9).as_raw().len() as f64;
            (0..60).map(|key| sum(key) / size(key)).sum::<f64>() / 60.0
        };
        assert!((mean(Class::Cat) - mean(Class::Dog)).abs() < 12.0);
    }
}
