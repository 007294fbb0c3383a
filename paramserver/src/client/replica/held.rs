use std::ops::Range;

use futures::future::try_join_all;
use howdah_proto::{Term, Version, settings::Encoding};

use super::{ReplicaClient, ReplicaOptions, meet};
use crate::{
    client::{
        ParametersError, Place, Wanted,
        transfer::{Pull, Room, Scratch},
    },
    codec::{HALF_BYTES, Half, Source},
};

/// The weights that a replica was sent, and of which versions they are.
#[derive(Debug)]
pub(super) struct Held {
    weights: Weights,
    parts: Vec<Part>,
    base: Vec<Part>,
    scratch: Vec<Scratch>,
}

/// They stay as they came where no difference is added to them: whoever takes them over decodes them then.
#[derive(Debug)]
enum Weights {
    Plain(Vec<f32>),
    Encoded(Half, Vec<u8>),
}

/// The weights of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    range: Range<u64>,
    term: Term,
    version: Version,
}

impl Held {
    pub(super) fn new(len: usize, options: &ReplicaOptions) -> Self {
        let compression = options.compression;
        let weights = match Half::of(compression.pull).filter(|_| !compression.delta_pulls) {
            Some(half) => Weights::Encoded(half, vec![0; len * HALF_BYTES]),
            None => Weights::Plain(vec![0.0; len]),
        };
        Self { weights, parts: Vec::new(), base: Vec::new(), scratch: Vec::new() }
    }

    pub(super) fn weights(&self) -> Source<'_> {
        match &self.weights {
            Weights::Plain(values) => Source::Plain(values),
            Weights::Encoded(half, bytes) => Source::Half(*half, bytes),
        }
    }

    pub(super) fn adopt(&mut self) {
        self.base.clone_from(&self.parts);
    }

    /// The version that a shard's weights had when the replica took them over: after another cut, the newest of those
    /// that they were in.
    pub(super) fn base(&self, place: &Place) -> Version {
        let parts = self.base.iter().filter(|part| meet(&part.range, &place.range));
        parts.map(|part| part.version).max().unwrap_or_default()
    }

    fn version(&self, place: &Place) -> Option<Version> {
        let found = self.parts.iter().find(|part| (&part.range, part.term) == (&place.range, place.term));
        found.map(|part| part.version)
    }
}

impl ReplicaClient {
    /// Brings the weights that the replica holds to those that are wanted. What is known to be so already isn't
    /// asked for.
    ///
    /// Weights of a certain version don't depend on who pulls them: they are never pulled as a difference.
    ///
    /// # Errors
    /// [`ParametersError`]; the replica then holds nothing.
    pub async fn pull(&mut self, wanted: Wanted) -> Result<(), ParametersError> {
        loop {
            match self.try_pull(wanted).await {
                Err(ParametersError::Recut { .. }) => {}
                ended => return ended,
            }
        }
    }

    async fn try_pull(&mut self, wanted: Wanted) -> Result<(), ParametersError> {
        let options = &self.options;
        let shards = self.parameters.shards();
        let places: Vec<&Place> = shards.iter().map(|shard| shard.place()).collect();
        self.parameters.check_len(self.held.weights().len() as u64)?;
        let versions: Vec<Option<Version>> = places.iter().map(|place| self.held.version(place)).collect();
        // Until all is there, it is of no version.
        self.held.parts.clear();
        self.held.scratch.resize_with(shards.len().max(self.held.scratch.len()), Scratch::default);
        let mut rest = match &mut self.held.weights {
            Weights::Plain(values) => Room::Plain(values),
            Weights::Encoded(half, bytes) => Room::Encoded(*half, bytes),
        };
        let mut pulls = Vec::with_capacity(shards.len());
        for ((shard, held), scratch) in shards.iter().zip(versions).zip(&mut self.held.scratch) {
            let (weights, after) = rest.split_at(shard.place().values().len());
            rest = after;
            let pull = pull(options, wanted, held);
            pulls.push(async move {
                match (wanted, held) {
                    (Wanted::At(version), Some(held)) if held == version => Ok(version),
                    _ => shard.pull_as(&pull, weights, scratch).await,
                }
            });
        }
        let versions = try_join_all(pulls).await?;
        let part = |(place, version): (&&Place, Version)| Part {
            range: place.range.clone(),
            term: place.term,
            version,
        };
        self.held.parts = places.iter().zip(versions).map(part).collect();
        Ok(())
    }
}

fn pull(options: &ReplicaOptions, wanted: Wanted, held: Option<Version>) -> Pull {
    let compression = options.compression;
    let is_mirrored = wanted == Wanted::Latest && (compression.delta_pulls || options.mirrored);
    let is_delta = wanted == Wanted::Latest && compression.delta_pulls;
    let encoding = match compression.pull {
        // The largest values alone make no weights.
        Encoding::TopK { .. } if !is_delta => Encoding::F32,
        encoding => encoding,
    };
    Pull { wanted, mirrored: is_mirrored.then_some(options.id), held: held.filter(|_| is_delta), encoding }
}
