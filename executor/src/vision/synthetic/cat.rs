use image::Rgb;

use super::{
    animal::Coat,
    brush::{Brush, Place, shade},
};
use crate::vision::chance::Chance;

/// Draws a sitting cat: pointed ears, slit pupils, a short muzzle, whiskers and a thin, curled tail.
pub(super) fn draw(brush: &mut Brush<'_>, coat: &Coat, chance: &mut Chance) {
    let fur = coat.fur;
    let side = if chance.happens(0.5) { 1.0 } else { -1.0 };
    brush.line(&tail(side), 0.24, shade(fur, 0.85));
    brush.ellipse((0.0, 1.95), (0.8, 1.25), 0.0, shade(fur, 0.93));
    brush.ellipse((0.0, 2.1), (0.42, 0.95), 0.0, coat.belly);
    for paw in [-0.38, 0.38] {
        brush.ellipse((paw, 3.05), (0.3, 0.18), 0.0, coat.belly);
    }
    let (reach, tip) = (chance.between(0.72, 0.95), chance.between(1.35, 1.6));
    for side in [-1.0, 1.0] {
        brush.shape(&[(side * 0.98, -0.1), (side * reach, -tip), (side * 0.18, -0.85)], fur);
        let inner = [(side * 0.82, -0.45), (side * (reach - 0.06), -tip + 0.28), (side * 0.38, -0.8)];
        brush.shape(&inner, Rgb([214, 150, 150]));
    }
    brush.ellipse((0.0, 0.0), (1.08, 0.95), 0.0, fur);
    if coat.striped {
        stripes(brush, coat);
    }
    face(brush, coat, chance);
}

fn face(brush: &mut Brush<'_>, coat: &Coat, chance: &mut Chance) {
    let gaze = chance.between(-0.06, 0.06);
    let pupil = chance.between(0.05, 0.1);
    for side in [-1.0, 1.0] {
        brush.ellipse((side * 0.44, -0.12), (0.25, 0.2), side * 0.25, coat.eyes);
        brush.ellipse((side * 0.44 + gaze, -0.12), (pupil, 0.19), 0.0, Rgb([12, 12, 12]));
        brush.ellipse((side * 0.17, 0.47), (0.24, 0.19), 0.0, coat.belly);
    }
    brush.shape(&[(-0.13, 0.26), (0.13, 0.26), (0.0, 0.42)], Rgb([205, 110, 120]));
    brush.line(&[(-0.24, 0.5), (-0.1, 0.6), (0.0, 0.5), (0.1, 0.6), (0.24, 0.5)], 0.05, Rgb([60, 40, 40]));
    for side in [-1.0, 1.0] {
        for (from, to) in [(0.38, 0.22), (0.46, 0.48), (0.54, 0.74)] {
            brush.line(&[(side * 0.3, from), (side * 1.45, to)], 0.04, coat.whiskers);
        }
    }
}

fn stripes(brush: &mut Brush<'_>, coat: &Coat) {
    let dark = shade(coat.fur, 0.6);
    for x in [-0.25, 0.0, 0.25] {
        brush
            .shape(&[(x - 0.07, -0.92 + x.abs() * 0.2), (x + 0.07, -0.92 + x.abs() * 0.2), (x, -0.45)], dark);
    }
    for (side, y) in [(-1.0, 1.6), (1.0, 1.6), (-1.0, 2.1), (1.0, 2.1), (-1.0, 2.6), (1.0, 2.6)] {
        brush.shape(&[(side * 0.8, y - 0.1), (side * 0.8, y + 0.1), (side * 0.4, y)], dark);
    }
}

fn tail(side: f32) -> [Place; 6] {
    [(0.5, 2.95), (1.15, 2.9), (1.5, 2.5), (1.45, 2.0), (1.2, 1.75), (1.3, 1.5)].map(|(x, y)| (side * x, y))
}
