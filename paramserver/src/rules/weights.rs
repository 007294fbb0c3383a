use std::{
    ops::{Deref, Range},
    sync::Arc,
};

use super::{OutOfMemory, zeros};

type Piece = Arc<Box<[f32]>>;

/// The weights of a shard, in pieces that are shared with whoever is about to send them.
///
/// A piece that is shared when it is to change is copied before: so nobody who sends one sees a part of a change, and no
/// change waits until it has been sent. A clone shares all pieces.
#[derive(Debug, Clone)]
pub struct Weights {
    pieces: Vec<Piece>,
    len: usize,
}

impl Weights {
    /// The values of a piece: 1 MB, of which the last has fewer.
    pub const PIECE_VALUES: usize = 1 << 18;

    /// Makes weights of zeros.
    ///
    /// # Errors
    /// The memory for them can't be had.
    pub fn zeros(values: usize) -> Result<Self, OutOfMemory> {
        Self::of_pieces(values, |range| zeros(range.len()))
    }

    /// Makes weights of a copy of values.
    ///
    /// # Errors
    /// The memory for the copy can't be had.
    pub fn of(values: &[f32]) -> Result<Self, OutOfMemory> {
        Self::of_pieces(values.len(), |range| copy_of(&values[range]))
    }

    /// Makes weights of what `piece` gives for the places of each.
    ///
    /// # Errors
    /// The first error of `piece`.
    pub(crate) fn of_pieces(
        len: usize,
        piece: impl Fn(Range<usize>) -> Result<Box<[f32]>, OutOfMemory>,
    ) -> Result<Self, OutOfMemory> {
        let pieces =
            places(len).map(|range| piece(range).map(Arc::new).map_err(|_| OutOfMemory { values: len }));
        Ok(Self { pieces: pieces.collect::<Result<_, _>>()?, len })
    }

    /// Counts the values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives the pieces in order, and the places of their values.
    pub fn pieces(&self) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        places(self.len).zip(self.pieces.iter().map(|piece| &***piece))
    }

    /// Shares the values of a range; none if they don't lie in one piece.
    pub fn part(&self, range: Range<usize>) -> Option<Part> {
        let place = range.start / Self::PIECE_VALUES;
        let start = place * Self::PIECE_VALUES;
        let piece = self.pieces.get(place)?;
        let within = range.start - start..range.end.checked_sub(start)?;
        (within.end <= piece.len()).then(|| Part { piece: Arc::clone(piece), within })
    }

    /// Copies the pieces that are shared, so that a change that comes next needs no memory.
    ///
    /// # Errors
    /// The memory for them can't be had; the values are as they were.
    pub fn own(&mut self) -> Result<(), OutOfMemory> {
        for piece in &mut self.pieces {
            if Arc::get_mut(piece).is_none() {
                *piece = Arc::new(copy_of(piece)?);
            }
        }
        Ok(())
    }

    /// Gives every piece to `change`, in order, with the places of its values. Pieces that are shared are copied.
    pub fn change(&mut self, mut change: impl FnMut(Range<usize>, &mut [f32])) {
        for (range, piece) in places(self.len).zip(&mut self.pieces) {
            let values: &mut Box<[f32]> = Arc::make_mut(piece);
            change(range, values);
        }
    }

    /// Copies the values; no piece is shared.
    ///
    /// # Errors
    /// The memory for the copy can't be had.
    pub fn copy(&self) -> Result<Self, OutOfMemory> {
        Self::of_pieces(self.len, |range| copy_of(&self.pieces[range.start / Self::PIECE_VALUES]))
    }

    /// Copies the values of as many others, piece by piece into the memory that there is; pieces that are shared get their
    /// own.
    pub fn copy_from(&mut self, other: &Self) {
        for (piece, other) in self.pieces.iter_mut().zip(&other.pieces) {
            let values: &mut Box<[f32]> = Arc::make_mut(piece);
            values.copy_from_slice(other);
        }
    }

    /// Copies the values into one place.
    ///
    /// # Errors
    /// The memory for the copy can't be had.
    pub fn in_one(&self) -> Result<Box<[f32]>, OutOfMemory> {
        let mut copy = room(self.len)?;
        self.pieces.iter().for_each(|piece| copy.extend_from_slice(piece));
        Ok(copy.into_boxed_slice())
    }

    /// Tells whether the values are these.
    pub fn are(&self, values: &[f32]) -> bool {
        values.len() == self.len && self.pieces().all(|(range, piece)| *piece == values[range])
    }

    /// Tells how many bytes the values take.
    pub fn bytes(&self) -> u64 {
        (self.len * size_of::<f32>()) as u64
    }

    #[cfg(test)]
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        self.in_one().unwrap().into_vec()
    }
}

/// The places of the values of each piece.
fn places(len: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..len).step_by(Weights::PIECE_VALUES);
    starts.map(move |start| start..len.min(start + Weights::PIECE_VALUES))
}

/// Values that are shared: they stay as they are, whatever the weights become.
#[derive(Debug)]
pub struct Part {
    piece: Piece,
    within: Range<usize>,
}

impl From<Box<[f32]>> for Part {
    fn from(values: Box<[f32]>) -> Self {
        let within = 0..values.len();
        Self { piece: Arc::new(values), within }
    }
}

impl Deref for Part {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.piece[self.within.clone()]
    }
}

/// Copies values, or says that there is no memory for them.
pub(crate) fn copy_of(values: &[f32]) -> Result<Box<[f32]>, OutOfMemory> {
    let mut copy = room(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy.into_boxed_slice())
}

/// An empty buffer with memory for so many values, or that there is none.
pub(crate) fn room(values: usize) -> Result<Vec<f32>, OutOfMemory> {
    let mut room = Vec::new();
    room.try_reserve_exact(values).map_err(OutOfMemory::from_reserve(values))?;
    Ok(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = Weights::PIECE_VALUES;

    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|place| place as f32).collect()
    }

    #[test]
    fn weights_are_the_values_they_are_made_of_however_many_pieces_they_take() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 3] {
            let (values, weights) = (values(len), Weights::of(&values(len)).unwrap());
            assert_eq!((weights.len(), weights.bytes()), (len, 4 * len as u64));
            assert!(weights.are(&values) && weights.to_vec() == values);
            assert_eq!(weights.is_empty(), len == 0);
            assert!(!weights.are(&[&values[..], &[0.0]].concat()));
            let mut seen = Vec::new();
            weights.pieces().for_each(|(range, piece)| {
                assert_eq!(range.start, seen.len());
                seen.extend_from_slice(piece);
            });
            assert_eq!(seen, values);
        }
    }

    #[test]
    fn a_change_reaches_every_value_once_and_at_its_place() {
        let mut weights = Weights::zeros(2 * PIECE + 3).unwrap();
        weights.change(|range, piece| {
            piece.iter_mut().zip(range).for_each(|(value, place)| *value += place as f32);
        });
        assert!(weights.are(&values(2 * PIECE + 3)));
    }

    #[test]
    fn who_shares_a_piece_keeps_what_it_was_and_only_that_piece_is_copied() {
        let mut weights = Weights::zeros(PIECE + 1).unwrap();
        let places =
            |weights: &Weights| [5..7, PIECE..PIECE + 1].map(|range| weights.part(range).unwrap().as_ptr());
        let (shared, [one, other]) = (weights.part(5..7).unwrap(), places(&weights));
        weights.change(|_, piece| piece.fill(2.0));
        assert_eq!(*shared, [0.0; 2]);
        assert!(weights.are(&[2.0; PIECE + 1]));
        assert!(places(&weights)[0] != one && places(&weights)[1] == other);
        let before = weights.clone();
        weights.change(|_, piece| piece.fill(3.0));
        assert!(before.are(&[2.0; PIECE + 1]) && weights.are(&[3.0; PIECE + 1]));
    }

    #[test]
    fn a_change_of_what_is_owned_copies_nothing() {
        let mut weights = Weights::of(&values(PIECE + 1)).unwrap();
        let place = |weights: &Weights| weights.part(0..1).unwrap().as_ptr();
        let (shared, before) = (weights.part(0..2).unwrap(), place(&weights));
        weights.own().unwrap();
        let owned = place(&weights);
        assert!(owned != before && weights.are(&values(PIECE + 1)));
        weights.change(|_, piece| piece.fill(2.0));
        assert_eq!((place(&weights), &*shared), (owned, &[0.0, 1.0][..]));
        let mut copy = weights.copy().unwrap();
        copy.change(|_, piece| piece.fill(3.0));
        assert!(copy.are(&[3.0; PIECE + 1]) && weights.are(&[2.0; PIECE + 1]));
        copy.copy_from(&weights);
        weights.change(|_, piece| piece.fill(4.0));
        assert!(copy.are(&[2.0; PIECE + 1]));
        assert_eq!(place(&weights), owned);
    }

    #[test]
    fn a_range_is_shared_where_it_lies_in_one_piece() {
        let weights = Weights::of(&values(2 * PIECE + 3)).unwrap();
        for range in [0..PIECE, 5..7, PIECE..2 * PIECE, 2 * PIECE + 1..2 * PIECE + 3] {
            let part = weights.part(range.clone()).unwrap();
            assert!(part.iter().zip(range.clone()).all(|(value, place)| *value == place as f32));
            assert_eq!(part.len(), range.len());
        }
        for range in [PIECE - 1..PIECE + 1, 2 * PIECE..2 * PIECE + 4, 3 * PIECE..3 * PIECE + 1] {
            assert!(weights.part(range).is_none());
        }
    }
}
