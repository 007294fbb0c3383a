use std::ops::Range;

use howdah_proto::{ShardIndex, Term, pb, transport};

/// Where a shard is, and which of the flat parameters it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: ShardIndex,
    /// Its parameter server, as `http://host:port`.
    pub address: String,
    /// Its part of the parameters; never empty.
    pub range: Range<u64>,
    /// The term in which it is there.
    pub term: Term,
    /// The term in which it was made, of zeros or from a snapshot: it has all that it acknowledged since.
    pub made: Term,
}

impl Place {
    /// The shard's part of buffers over all parameters.
    pub(super) fn values(&self) -> Range<usize> {
        self.range.start as usize..self.range.end as usize
    }
}

/// Places that can't be those of a job's shards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    /// There is no shard.
    #[error("a job needs at least one shard")]
    None,
    /// The parts overlap, leave values out, are empty, or are not in order.
    #[error("shard {shard} should be number {expected} and begin at value {start}, with at least one value")]
    NotContiguous {
        /// The shard that is out of place.
        shard: ShardIndex,
        /// The number it should have.
        expected: usize,
        /// Where it should begin.
        start: u64,
    },
    /// An address can't be dialled.
    #[error("shard {shard}: {reason}")]
    Address {
        /// The shard.
        shard: ShardIndex,
        /// What is wrong with its address.
        reason: String,
    },
    /// The new places are those of other parameters.
    #[error("the shards are to have {given} parameters now, and had {parameters}")]
    Parameters {
        /// How many they are to have.
        given: u64,
        /// How many they had.
        parameters: u64,
    },
}

impl From<Place> for pb::ShardPlace {
    fn from(place: Place) -> Self {
        let (start, len) = (place.range.start, place.range.end - place.range.start);
        Self {
            shard: place.shard.0,
            address: place.address,
            start,
            len,
            term: place.term.0,
            made: place.made.0,
        }
    }
}

/// Checks that places are numbered from 0, contiguous from value 0 on, and can be dialled.
///
/// # Errors
/// [`PlacesError`].
pub fn places(places: Vec<pb::ShardPlace>) -> Result<Vec<Place>, PlacesError> {
    if places.is_empty() {
        return Err(PlacesError::None);
    }
    let mut start = 0;
    let mut checked = Vec::with_capacity(places.len());
    for (expected, place) in places.into_iter().enumerate() {
        let shard = ShardIndex(place.shard);
        let end = place.start.checked_add(place.len).filter(|end| *end > start);
        let (Some(end), true, true) = (end, place.start == start, place.shard as usize == expected) else {
            return Err(PlacesError::NotContiguous { shard, expected, start });
        };
        transport::endpoint(&place.address)
            .map_err(|error| PlacesError::Address { shard, reason: error.to_string() })?;
        let (term, made) = (Term(place.term), Term(place.made));
        checked.push(Place { shard, address: place.address, range: start..end, term, made });
        start = end;
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shard: u32, start: u64, len: u64) -> pb::ShardPlace {
        pb::ShardPlace { shard, address: "http://127.0.0.1:1".to_owned(), start, len, term: 1, made: 1 }
    }

    #[test]
    fn places_must_be_in_order_and_leave_nothing_out() {
        assert_eq!(places(vec![place(0, 0, 3), place(1, 3, 2)]).unwrap()[1].range, 3..5);
        let wrong = [
            vec![place(1, 0, 3)],
            vec![place(0, 1, 3)],
            vec![place(0, 0, 0)],
            vec![place(0, 0, 3), place(1, 2, 2)],
            vec![place(0, 0, 3), place(1, 4, 2)],
            vec![place(0, 0, 3), place(1, 3, u64::MAX)],
        ];
        for wrong in wrong {
            assert!(matches!(places(wrong.clone()), Err(PlacesError::NotContiguous { .. })), "{wrong:?}");
        }
        assert_eq!(places(Vec::new()), Err(PlacesError::None));
    }
}
