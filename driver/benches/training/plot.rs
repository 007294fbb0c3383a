//! Curves of the loss, as a picture.

use plotters::prelude::*;

/// The loss on held-out pictures after each epoch.
pub struct Curve {
    /// What was trained, and by how many.
    pub name: String,
    /// The losses.
    pub losses: Vec<f64>,
}

/// Draws curves into an SVG file.
pub fn draw(path: &str, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let all = || curves.iter().flat_map(|curve| curve.losses.iter().copied());
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let epochs = curves.iter().map(|curve| curve.losses.len()).max().unwrap_or(1);
    let root = SVGBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Loss on held-out pictures", ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(1.0..epochs as f64 * 1.35, low * 0.98..high * 1.02)?;
    chart.configure_mesh().x_desc("epoch").y_desc("loss").draw()?;
    for (place, curve) in curves.iter().enumerate() {
        let color = Palette99::pick(place).mix(0.9);
        let points = curve.losses.iter().enumerate().map(|(epoch, loss)| (epoch as f64 + 1.0, *loss));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(curve.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE.mix(0.8)).draw()?;
    root.present()?;
    Ok(())
}
