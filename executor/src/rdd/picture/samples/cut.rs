use std::ops::Range;

use super::{Content, Samples, SamplesError, SamplesHeader};

/// How many values there are, their mean, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    /// How many.
    pub values: u64,
    /// Their mean.
    pub mean: f64,
    /// The sum of the squares of their distances from it.
    pub squares: f64,
}

impl Spread {
    fn of<T: Copy + Into<f64>>(values: &[T]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().map(|value| (*value).into()).sum::<f64>() / count.max(1.0);
        let square = |value: &T| ((*value).into() - mean) * ((*value).into() - mean);
        Self { values: values.len() as u64, mean, squares: values.iter().map(square).sum() }
    }

    /// The spread of these values and others together: Chan, Golub and LeVeque, "Updating formulae and a pairwise
    /// algorithm for computing sample variances" (1979).
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let values = self.values + other.values;
        if values == 0 {
            return self;
        }
        let (all, others) = (values as f64, other.values as f64);
        let distance = other.mean - self.mean;
        Self {
            values,
            mean: self.mean + distance * (others / all),
            squares: self.squares
                + other.squares
                + distance * distance * (self.values as f64) * (others / all),
        }
    }

    /// The standard deviation of the values; 0 if there is none.
    pub fn deviation(&self) -> f64 {
        (self.squares / (self.values.max(1) as f64)).sqrt()
    }
}

impl Samples {
    /// What is said of some of the pictures before they travel.
    pub fn header_of(&self, pictures: &Range<usize>) -> SamplesHeader {
        SamplesHeader { pictures: pictures.len() as u64, ..self.header() }
    }

    /// Bytes of a picture with all its views, label and key, as it travels; 0 if there is no picture.
    pub fn picture_bytes(&self) -> u64 {
        SamplesHeader { pictures: 1, ..self.header() }.bytes().unwrap_or(u64::MAX)
    }

    /// The three parts of some of the pictures as they travel, see [`Self::parts`]; empty past the end.
    pub fn parts_of(&self, pictures: &Range<usize>) -> [&[u8]; 3] {
        let [content, labels, keys] = self.parts();
        let each = content.len() / self.len().max(1);
        let part =
            |bytes: &'_ [u8], each: usize| pictures.start * each..(pictures.end * each).min(bytes.len());
        [
            content.get(part(content, each)).unwrap_or_default(),
            labels.get(part(labels, 4)).unwrap_or_default(),
            keys.get(part(keys, 8)).unwrap_or_default(),
        ]
    }

    /// The spread of the values of some of the pictures, all their views included.
    pub fn spread_of(&self, pictures: &Range<usize>) -> Spread {
        let each = self.kind.map_or(0, super::RowKind::len) * self.views as usize;
        let one = |picture: usize| {
            let range = picture * each..(picture + 1) * each;
            match &self.content {
                Content::Bytes(bytes) => Spread::of(bytes.get(range).unwrap_or_default()),
                Content::Values(values) => Spread::of(values.get(range).unwrap_or_default()),
            }
        };
        pictures.clone().map(one).fold(Spread::default(), Spread::with)
    }

    /// Adds some of the pictures of another block.
    ///
    /// # Errors
    /// [`SamplesError`] if they aren't what the rows of the block are, or not as many; the block stays as it was.
    pub fn append(&mut self, other: &Self, pictures: Range<usize>) -> Result<(), SamplesError> {
        let Some(got) = other.kind.filter(|_| !pictures.is_empty() && pictures.end <= other.len()) else {
            return Ok(());
        };
        let expected = self.kind.unwrap_or(got);
        if got != expected {
            return Err(SamplesError::Shape { name: "a shard".to_owned(), expected, got });
        }
        if self.kind.is_none() {
            self.begin(got, other.views as usize);
        }
        if self.views != other.views {
            return Err(SamplesError::Views { expected: self.views, got: other.views as usize });
        }
        let each = got.len() * other.views as usize;
        let range = pictures.start * each..pictures.end * each;
        match (&mut self.content, &other.content) {
            (Content::Bytes(to), Content::Bytes(from)) => to.extend_from_slice(&from[range]),
            (Content::Values(to), Content::Values(from)) => to.extend_from_slice(&from[range]),
            _ => {}
        }
        self.labels.extend_from_slice(&other.labels[pictures.clone()]);
        self.keys.extend_from_slice(&other.keys[pictures]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::{Picture, PictureMeta, Record};

    fn block(keys: Range<u64>, views: usize) -> Samples {
        let mut samples = Samples::default();
        for key in keys {
            let meta = PictureMeta { key, label: key as u32 % 2 };
            let view = |view| Record::Features { meta, values: vec![key as f32, view as f32] };
            samples.push("", &(0..views).map(view).collect::<Vec<_>>()).unwrap();
        }
        samples
    }

    fn picture(key: u64) -> Samples {
        let mut samples = Samples::default();
        let picture = Picture { width: 2, height: 1, channels: 1, pixels: vec![key as u8, 1] };
        samples.push("", &[Record::Picture { meta: PictureMeta { key, label: 0 }, picture }]).unwrap();
        samples
    }

    #[test]
    fn parts_of_a_block_are_put_together_again() {
        let whole = block(3..10, 2);
        let mut again = Samples::with_capacity(7);
        for range in [0..2, 2..3, 3..3, 3..7] {
            let header = whole.header_of(&range);
            let part = Samples::from_wire(&header, &whole.parts_of(&range).concat()).unwrap();
            assert_eq!(part.len(), range.len());
            again.append(&part, 0..part.len()).unwrap();
        }
        assert_eq!(again, whole);
        assert_eq!(whole.picture_bytes(), 2 * 2 * 4 + 12);
        let mut middle = Samples::default();
        middle.append(&whole, 2..4).unwrap();
        assert_eq!((middle.key(0), middle.key(1), middle.len()), (Some(5), Some(6), 2));
    }

    #[test]
    fn blocks_of_another_kind_are_not_put_together() {
        let mut samples = block(0..2, 2);
        assert!(samples.append(&picture(5), 0..1).unwrap_err().to_string().contains("2 x 1 x 1"));
        assert!(samples.append(&block(2..3, 1), 0..1).is_err());
        samples.append(&block(2..3, 2), 0..5).unwrap();
        assert_eq!(samples, block(0..2, 2));
    }

    #[test]
    fn the_spread_of_parts_together_is_that_of_the_whole() {
        let whole = block(0..100, 3);
        let all = whole.spread_of(&(0..100));
        let parts = whole.spread_of(&(0..37)).with(whole.spread_of(&(37..100)));
        assert_eq!((all.values, parts.values), (600, 600));
        // Half of the values are the keys from 0 to 99, the others 0, 1 and 2 alike often.
        let mean = (49.5 + 1.0) / 2.0;
        let square = (0..100).map(|key| f64::from(key * key)).sum::<f64>() / 200.0 + 5.0 / 6.0;
        for spread in [all, parts] {
            assert!((spread.mean - mean).abs() < 1e-9, "{spread:?}");
            assert!((spread.deviation() - (square - mean * mean).sqrt()).abs() < 1e-9, "{spread:?}");
        }
        assert_eq!(Samples::default().spread_of(&(0..0)).deviation(), 0.0);
        assert_eq!(picture(3).spread_of(&(0..1)).mean, 2.0);
    }
}
