use std::sync::Arc;

use howdah_proto::JobId;
use tokio::sync::watch;

use super::{Place, PlacesError, connection::Connection};

/// The shards of a job as they are cut and placed at a time.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) connections: Vec<Connection>,
}

/// Tells when shards are elsewhere.
pub(super) type Moves = watch::Receiver<Arc<Layout>>;

impl Layout {
    pub(super) fn new(job: JobId, places: Vec<Place>) -> Result<Self, PlacesError> {
        let connections =
            places.into_iter().map(|place| Connection::new(job, place)).collect::<Result<_, _>>()?;
        Ok(Self { connections })
    }

    pub(super) fn parameters(&self) -> u64 {
        self.connections.last().map_or(0, |last| last.place.range.end)
    }

    /// The layout with shards at new places; none if nothing changes by that, because they are known or of older
    /// terms.
    ///
    /// As long as the ranges stay, each shard is taken by itself. Another cut is taken as a whole.
    pub(super) fn relocated(&self, job: JobId, places: Vec<Place>) -> Result<Option<Self>, PlacesError> {
        let (given, parameters) = (places.last().map_or(0, |last| last.range.end), self.parameters());
        if given != parameters {
            return Err(PlacesError::Parameters { given, parameters });
        }
        let old = || self.connections.iter();
        let same_cut = self.connections.len() == places.len()
            && old().zip(&places).all(|(old, new)| old.place.range == new.range);
        let is_news = |old: &Connection, new: &Place| new.term > old.place.term;
        let any_older = old().zip(&places).any(|(old, new)| new.term < old.place.term);
        let taken =
            if same_cut { old().zip(&places).any(|(old, new)| is_news(old, new)) } else { !any_older };
        if !taken {
            return Ok(None);
        }
        let connect = |(shard, new): (usize, Place)| {
            if let Some(old) = self.connections.get(shard).filter(|old| same_cut && !is_news(old, &new)) {
                return Ok(old.clone());
            }
            match old().find(|old| old.place.address == new.address && old.place.shard == new.shard) {
                Some(there) => Ok(there.replaced(new)),
                None => Connection::new(job, new),
            }
        };
        let connections = places.into_iter().enumerate().map(connect).collect::<Result<_, _>>()?;
        Ok(Some(Self { connections }))
    }

    /// The shard that has exactly this place's range, wherever it is.
    pub(super) fn find(&self, place: &Place) -> Option<&Connection> {
        self.connections.get(place.shard.0 as usize).filter(|there| there.place.range == place.range)
    }
}

/// Waits until a shard is elsewhere or cut in another way; for ever if nobody tells.
pub(super) async fn moved(moves: &mut Moves, from: &Place) -> Arc<Layout> {
    let elsewhere = |layout: &Arc<Layout>| layout.find(from).is_none_or(|there| there.place != *from);
    let told = moves.wait_for(elsewhere).await.map(|layout| Arc::clone(&layout));
    match told {
        Ok(layout) => layout,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{ShardIndex, Term};

    use super::*;

    fn place(shard: u32, port: u16, range: std::ops::Range<u64>, term: u64) -> Place {
        Place {
            shard: ShardIndex(shard),
            address: format!("http://127.0.0.1:{port}"),
            range,
            term: Term(term),
            made: Term(1),
        }
    }

    fn layout(places: Vec<Place>) -> Layout {
        Layout::new(JobId(1), places).unwrap()
    }

    fn places(layout: &Layout) -> Vec<Place> {
        layout.connections.iter().map(|connection| connection.place.clone()).collect()
    }

    #[tokio::test]
    async fn each_shard_goes_to_the_place_of_its_highest_term() {
        let old = layout(vec![place(0, 1, 0..5, 3), place(1, 2, 5..9, 1)]);
        let news = vec![place(0, 7, 0..5, 2), place(1, 8, 5..9, 2)];
        let new = old.relocated(JobId(1), news).unwrap().unwrap();
        assert_eq!(places(&new), [place(0, 1, 0..5, 3), place(1, 8, 5..9, 2)]);
        assert_eq!(new.connections[1].shard.term, 2);
    }

    #[tokio::test]
    async fn places_that_are_known_or_old_change_nothing() {
        let old = layout(vec![place(0, 1, 0..5, 3), place(1, 2, 5..9, 1)]);
        assert!(old.relocated(JobId(1), places(&old)).unwrap().is_none());
        let older_cut = vec![place(0, 1, 0..4, 2), place(1, 2, 4..9, 2)];
        assert!(old.relocated(JobId(1), older_cut).unwrap().is_none());
    }

    #[tokio::test]
    async fn another_cut_is_taken_as_a_whole_but_not_one_of_other_parameters() {
        let old = layout(vec![place(0, 1, 0..5, 1), place(1, 2, 5..9, 1)]);
        let cut = vec![place(0, 1, 0..3, 2), place(1, 2, 3..6, 2), place(2, 3, 6..9, 1)];
        assert_eq!(places(&old.relocated(JobId(1), cut.clone()).unwrap().unwrap()), cut);
        let merged = vec![place(0, 1, 0..9, 2)];
        assert_eq!(places(&old.relocated(JobId(1), merged.clone()).unwrap().unwrap()), merged);
        let error = old.relocated(JobId(1), vec![place(0, 1, 0..8, 2)]).unwrap_err();
        assert_eq!(error, PlacesError::Parameters { given: 8, parameters: 9 });
    }
}
