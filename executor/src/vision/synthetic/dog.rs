use image::Rgb;

use super::{
    animal::Coat,
    brush::{Brush, shade},
};
use crate::vision::chance::Chance;

/// Draws a sitting dog: hanging ears, round pupils, a long snout with a large nose, a tongue and a thick tail.
pub(super) fn draw(brush: &mut Brush<'_>, coat: &Coat, chance: &mut Chance) {
    let fur = coat.fur;
    let side = if chance.happens(0.5) { 1.0 } else { -1.0 };
    brush.shape(
        &[(side * 0.5, 2.95), (side * 1.6, 2.15), (side * 1.45, 1.95), (side * 0.5, 2.45)],
        shade(fur, 0.85),
    );
    brush.ellipse((0.0, 1.95), (0.9, 1.25), 0.0, shade(fur, 0.93));
    brush.ellipse((0.0, 2.0), (0.5, 0.95), 0.0, coat.belly);
    for paw in [-0.45, 0.45] {
        brush.ellipse((paw, 3.05), (0.36, 0.2), 0.0, coat.belly);
    }
    brush.ellipse((0.0, 0.0), (1.0, 1.0), 0.0, fur);
    let (length, spread) = (chance.between(0.62, 0.82), chance.between(0.05, 0.3));
    for side in [-1.0, 1.0] {
        brush.ellipse((side * 1.0, 0.05), (0.32, length), -side * spread, shade(fur, 0.68));
    }
    if coat.striped {
        brush.ellipse((side * 0.42, -0.2), (0.36, 0.4), 0.0, shade(fur, 0.6));
    }
    face(brush, coat, chance);
}

fn face(brush: &mut Brush<'_>, coat: &Coat, chance: &mut Chance) {
    let gaze = chance.between(-0.06, 0.06);
    for side in [-1.0, 1.0] {
        brush.ellipse((side * 0.4, -0.22), (0.19, 0.19), 0.0, Rgb([240, 238, 230]));
        brush.ellipse((side * 0.4 + gaze, -0.2), (0.13, 0.14), 0.0, Rgb([25, 16, 12]));
    }
    if chance.happens(0.7) {
        brush.ellipse((0.05, 1.02), (0.17, 0.34), 0.0, Rgb([224, 96, 110]));
    }
    brush.ellipse((0.0, 0.48), (0.5, 0.5), 0.0, coat.belly);
    brush.ellipse((0.0, 0.26), (0.24, 0.17), 0.0, Rgb([22, 20, 22]));
    brush.line(&[(0.0, 0.4), (0.0, 0.7)], 0.05, Rgb([50, 34, 32]));
    brush.line(&[(-0.28, 0.64), (0.0, 0.78), (0.28, 0.64)], 0.06, Rgb([50, 34, 32]));
}
