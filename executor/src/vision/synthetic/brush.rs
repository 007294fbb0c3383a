use image::{Rgb, RgbImage};
use imageproc::{
    drawing::{draw_antialiased_polygon_mut, draw_polygon_mut},
    pixelops::interpolate,
    point::Point,
};

/// Corners of the polygon that stands for an ellipse.
const CORNERS: u32 = 20;

/// A colour.
pub(super) type Colour = Rgb<u8>;

/// A place in an animal's own measure: the head is a circle of radius 1 about the origin, `y` goes down.
pub(super) type Place = (f32, f32);

/// Where an animal stands in the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// Where its head is, in pixels.
    pub(super) centre: Place,
    /// The radius of its head in pixels.
    pub(super) scale: f32,
    /// How much wider it is drawn than it is.
    pub(super) stretch: f32,
    /// How far it is tilted, in radians clockwise.
    pub(super) tilt: f32,
}

/// Draws shapes given in an animal's own measure.
pub(super) struct Brush<'a> {
    picture: &'a mut RgbImage,
    pose: Pose,
    sin: f32,
    cos: f32,
}

impl<'a> Brush<'a> {
    pub(super) fn new(picture: &'a mut RgbImage, pose: Pose) -> Self {
        let (sin, cos) = pose.tilt.sin_cos();
        Self { picture, pose, sin, cos }
    }

    /// Fills the inside of a closed outline.
    pub(super) fn shape(&mut self, outline: &[Place], colour: Colour) {
        let mut points: Vec<_> = outline.iter().map(|&place| self.point(place)).collect();
        points.dedup();
        while points.len() > 1 && points.first() == points.last() {
            points.pop();
        }
        match points.len() {
            0..=2 => {}
            3.. if self.pose.scale > 24.0 => {
                draw_antialiased_polygon_mut(self.picture, &points, colour, interpolate);
            }
            3.. => draw_polygon_mut(self.picture, &points, colour),
        }
    }

    /// Fills an ellipse that is turned by `tilt` radians clockwise.
    pub(super) fn ellipse(&mut self, centre: Place, radii: Place, tilt: f32, colour: Colour) {
        let (sin, cos) = tilt.sin_cos();
        let outline: Vec<_> = (0..CORNERS)
            .map(|corner| {
                let (y, x) = (corner as f32 * std::f32::consts::TAU / CORNERS as f32).sin_cos();
                let (x, y) = (x * radii.0, y * radii.1);
                (centre.0 + x * cos - y * sin, centre.1 + x * sin + y * cos)
            })
            .collect();
        self.shape(&outline, colour);
    }

    /// Draws a line through all places, `width` thick.
    pub(super) fn line(&mut self, places: &[Place], width: f32, colour: Colour) {
        for pair in places.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            let length = (x1 - x0).hypot(y1 - y0).max(1e-3);
            let (across, along) = ((y1 - y0) / length * width / 2.0, (x1 - x0) / length * width / 2.0);
            self.shape(
                &[
                    (x0 - across, y0 + along),
                    (x1 - across, y1 + along),
                    (x1 + across, y1 - along),
                    (x0 + across, y0 - along),
                ],
                colour,
            );
        }
    }

    fn point(&self, (x, y): Place) -> Point<i32> {
        let (x, y) = (x * self.pose.stretch, y);
        let to = |centre: f32, offset: f32| (centre + self.pose.scale * offset).round() as i32;
        Point::new(
            to(self.pose.centre.0, x * self.cos - y * self.sin),
            to(self.pose.centre.1, x * self.sin + y * self.cos),
        )
    }
}

/// Makes a colour lighter (above 1) or darker (below 1).
pub(super) fn shade(colour: Colour, factor: f32) -> Colour {
    Rgb(colour.0.map(|channel| (f32::from(channel) * factor) as u8))
}
