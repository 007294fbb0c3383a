use super::{TILE, canvas::Canvas};

/// Directions of a histogram, over half a circle.
const BINS: usize = 9;
/// Cells in a side of a block.
const BLOCK: usize = 2;

/// Draws histograms of oriented gradients: in each cell a line along each edge, the stronger the brighter.
///
/// `features` are blocks of 2 x 2 cells, `across` in a row.
pub(super) fn gradients(features: &[f32], across: usize) -> Canvas {
    let mut canvas = Canvas::new(TILE, TILE);
    let down = features.len() / (BLOCK * BLOCK * BINS) / across.max(1);
    let (columns, rows) = (across + BLOCK - 1, down + BLOCK - 1);
    let mut cells = vec![[0.0f32; BINS]; columns * rows];
    // A cell is drawn as the mean of what it is in its blocks.
    let mut counts = vec![0.0f32; columns * rows];
    for (place, histogram) in features.as_chunks::<BINS>().0.iter().enumerate() {
        let (block, cell) = (place / (BLOCK * BLOCK), place % (BLOCK * BLOCK));
        let at = (block / across + cell / BLOCK) * columns + block % across + cell % BLOCK;
        cells[at].iter_mut().zip(histogram).for_each(|(sum, value)| *sum += value);
        counts[at] += 1.0;
    }
    let most = cells.iter().zip(&counts).flat_map(|(cell, count)| cell.map(|value| value / count.max(1.0)));
    let most = most.fold(f32::MIN_POSITIVE, f32::max);
    let size = TILE as f32 / columns.max(rows) as f32;
    for (place, (cell, count)) in cells.iter().zip(&counts).enumerate() {
        let middle = [(place % columns) as f32 + 0.5, (place / columns) as f32 + 0.5].map(|at| at * size);
        for (bin, value) in cell.iter().enumerate() {
            let strength = (value / count.max(1.0) / most).clamp(0.0, 1.0);
            // An edge runs across its gradient.
            let angle = (bin as f32 + 0.5) * std::f32::consts::PI / BINS as f32 + std::f32::consts::FRAC_PI_2;
            line(&mut canvas, middle, angle, 0.48 * size, (255.0 * strength) as u8);
        }
    }
    canvas
}

fn line(canvas: &mut Canvas, middle: [f32; 2], angle: f32, reach: f32, gray: u8) {
    let (sin, cos) = angle.sin_cos();
    let steps = (4.0 * reach) as i32;
    for step in -steps..=steps {
        let along = step as f32 / steps.max(1) as f32 * reach;
        let (x, y) = (middle[0] + along * cos, middle[1] + along * sin);
        if x >= 0.0 && y >= 0.0 {
            canvas.lighten(x as usize, y as usize, gray);
        }
    }
}

/// Draws the mean colour of each cell of a grid; `features` are means and deviations of each channel.
pub(super) fn colors(features: &[f32], cells: usize) -> Canvas {
    let mut canvas = Canvas::new(TILE, TILE);
    let cells = cells.max(1);
    let each = features.len() / (cells * cells);
    let channels = each / 2;
    if channels == 0 {
        return canvas;
    }
    for (place, cell) in features.chunks_exact(each).enumerate() {
        let byte = |channel: usize| (255.0 * cell[channel] + 0.5) as u8;
        let color = [byte(0), byte(channels / 2), byte(channels - 1)];
        let side = |place: usize| place * TILE / cells..(place + 1) * TILE / cells;
        canvas.fill(side(place % cells), side(place / cells), color);
    }
    canvas
}
