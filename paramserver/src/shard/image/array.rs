use std::ops::Range;

use crate::rules::{OutOfMemory, Weights, copy_of};

/// Values of an image, as whoever has them keeps them, so that they needn't be copied on the way.
#[derive(Debug, Clone)]
pub enum Array {
    /// In pieces: weights.
    Pieces(Weights),
    /// In one place: everything else.
    Whole(Box<[f32]>),
}

impl Array {
    /// Counts the values.
    pub fn len(&self) -> usize {
        match self {
            Self::Pieces(weights) => weights.len(),
            Self::Whole(values) => values.len(),
        }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the values in order to `take`, and the places of those it is given.
    pub(super) fn each(&self, mut take: impl FnMut(Range<usize>, &[f32])) {
        match self {
            Self::Pieces(weights) => weights.pieces().for_each(|(range, piece)| take(range, piece)),
            Self::Whole(values) => take(0..values.len(), values),
        }
    }

    /// Copies the values of a range to a place of its length.
    pub(super) fn copy_to(&self, range: Range<usize>, to: &mut [f32]) {
        self.each(|there, values| {
            let (start, end) = (range.start.max(there.start), range.end.min(there.end));
            if start < end {
                let values = &values[start - there.start..end - there.start];
                to[start - range.start..end - range.start].copy_from_slice(values);
            }
        });
    }

    /// Gives the values in pieces; they are copied only if they aren't.
    pub(super) fn into_weights(self) -> Result<Weights, OutOfMemory> {
        match self {
            Self::Pieces(weights) => Ok(weights),
            Self::Whole(values) => Weights::of(&values),
        }
    }

    /// Gives the values in one place; they are copied only if they aren't.
    pub(super) fn into_box(self) -> Result<Box<[f32]>, OutOfMemory> {
        match self {
            Self::Pieces(weights) => weights.in_one(),
            Self::Whole(values) => Ok(values),
        }
    }

    /// Copies values in one place.
    pub(super) fn copy_of(values: &[f32]) -> Result<Self, OutOfMemory> {
        copy_of(values).map(Self::Whole)
    }

    #[cfg(test)]
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        self.clone().into_box().unwrap().into_vec()
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        let mut is_equal = self.len() == other.len();
        self.each(|range, values| {
            let mut others = vec![0.0; values.len()];
            other.copy_to(range, &mut others);
            is_equal &= *values == *others;
        });
        is_equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_in_pieces_and_in_one_place() {
        let len = 2 * Weights::PIECE_VALUES + 3;
        let mut values: Vec<f32> = (0..len).map(|place| place as f32).collect();
        let pieces = Array::Pieces(Weights::of(&values).unwrap());
        let whole = Array::copy_of(&values).unwrap();
        assert_eq!(pieces.len(), len);
        for (one, other) in [(&pieces, &whole), (&whole, &pieces)] {
            assert_eq!(one, other);
        }
        for array in [&pieces, &whole] {
            assert!(array.clone().into_weights().unwrap().are(&values));
            assert_eq!(*array.clone().into_box().unwrap(), *values);
            let border = Weights::PIECE_VALUES;
            for range in [0..len, 5..7, border - 2..border + 2, border..2 * border, 3..len - 1, 4..4] {
                let mut copy = vec![-1.0; range.len()];
                array.copy_to(range.clone(), &mut copy);
                assert_eq!(copy, values[range]);
            }
        }
        values[Weights::PIECE_VALUES] = -1.0;
        let other = Array::copy_of(&values).unwrap();
        for (one, other) in
            [(&other, &pieces), (&pieces, &other), (&other, &Array::copy_of(&values[1..]).unwrap())]
        {
            assert_ne!(one, other);
        }
    }
}
