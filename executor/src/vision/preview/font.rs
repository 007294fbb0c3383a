use super::canvas::Canvas;

/// Pixels of the screen to a pixel of a letter.
const SCALE: usize = 2;
/// Pixels from the top of a letter to its bottom.
pub(super) const HEIGHT: usize = 5 * SCALE;
const STEP: usize = 4 * SCALE;
const INK: [u8; 3] = [220, 220, 220];

/// Writes text in capitals, as far as there is room for it.
pub(super) fn write(canvas: &mut Canvas, left: usize, top: usize, room: usize, text: &str) {
    for (place, letter) in text.chars().take(room / STEP).enumerate() {
        for (y, row) in glyph(letter.to_ascii_uppercase()).into_iter().enumerate() {
            for x in (0..3).filter(|x| row & (4 >> x) != 0) {
                let (x, y) = (left + place * STEP + x * SCALE, top + y * SCALE);
                canvas.fill(x..x + SCALE, y..y + SCALE, INK);
            }
        }
    }
}

/// The five rows of a letter, of three bits each.
fn glyph(letter: char) -> [u8; 5] {
    match letter {
        'A' => [2, 5, 7, 5, 5],
        'B' => [6, 5, 6, 5, 6],
        'C' => [3, 4, 4, 4, 3],
        'D' => [6, 5, 5, 5, 6],
        'E' => [7, 4, 6, 4, 7],
        'F' => [7, 4, 6, 4, 4],
        'G' => [3, 4, 5, 5, 3],
        'H' => [5, 5, 7, 5, 5],
        'I' => [7, 2, 2, 2, 7],
        'J' => [1, 1, 1, 5, 2],
        'K' => [5, 5, 6, 5, 5],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [6, 5, 5, 5, 5],
        'O' => [2, 5, 5, 5, 2],
        'P' => [6, 5, 6, 4, 4],
        'Q' => [2, 5, 5, 6, 3],
        'R' => [6, 5, 6, 5, 5],
        'S' => [3, 4, 2, 1, 6],
        'T' => [7, 2, 2, 2, 2],
        'U' => [5, 5, 5, 5, 7],
        'V' => [5, 5, 5, 5, 2],
        'W' => [5, 5, 7, 7, 5],
        'X' => [5, 5, 2, 5, 5],
        'Y' => [5, 5, 2, 2, 2],
        'Z' => [7, 1, 2, 4, 7],
        '0' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [6, 1, 2, 4, 7],
        '3' => [6, 1, 2, 1, 6],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 6, 1, 6],
        '6' => [3, 4, 7, 5, 7],
        '7' => [7, 1, 2, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 6],
        ' ' => [0; 5],
        '+' => [0, 2, 7, 2, 0],
        '-' => [0, 0, 7, 0, 0],
        '.' => [0, 0, 0, 0, 2],
        _ => [0, 0, 0, 0, 7],
    }
}
