use std::collections::BTreeMap;

use howdah_proto::{MemberId, ReplicaId, Version, settings::Encoding};

use crate::{
    codec,
    rules::{self, OutOfMemory, Weights},
};

/// The most mirrors a shard keeps: each is a copy of its weights.
const MAX_MIRRORS: usize = 256;

/// What a pull for a mirrored replica gives, beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulledFor {
    /// The version that the replica holds after it.
    pub version: Version,
    /// Whether the values are to be added to what it holds.
    pub is_delta: bool,
    /// How they are encoded.
    pub encoding: Encoding,
}

#[derive(Debug)]
struct Mirror {
    weights: Box<[f32]>,
    version: Version,
    /// Whether its replica can hold nothing else under this version.
    is_sure: bool,
    used: u64,
}

/// What the replicas hold, to the bit: the weights as they were last sent to each, and as they are decoded there.
///
/// A replica that says which version it holds says what it holds, as long as its mirror has changed only together with its
/// version; one that missed an answer names an older version and is sent everything. A mirror that is made anew under a
/// version that the replica was sent before, as by a request that comes late or when it had to make room, counts for nothing
/// until the version changes.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    kept: BTreeMap<ReplicaId, Mirror>,
    difference: Option<Box<[f32]>>,
    uses: u64,
}

impl Mirrors {
    /// The weights that a replica was last sent.
    pub(super) fn weights(&self, replica: ReplicaId) -> Option<&[f32]> {
        self.kept.get(&replica).map(|mirror| &*mirror.weights)
    }

    /// Encodes weights for a replica and makes its mirror what it decodes.
    pub(super) fn pull(
        &mut self,
        (weights, version): (&Weights, Version),
        (replica, held): (ReplicaId, Option<Version>),
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<PulledFor, OutOfMemory> {
        self.uses += 1;
        let used = self.uses;
        if let Some(mirror) =
            self.kept.get_mut(&replica).filter(|mirror| mirror.is_sure && Some(mirror.version) == held)
        {
            mirror.used = used;
            // Plain values take no more bytes than a plain difference. With nothing new there is still something to
            // send where the encoding lost something, but the mirror must not change under its version.
            if version == mirror.version || encoding != Encoding::F32 {
                let difference = match &mut self.difference {
                    Some(difference) => difference,
                    none => none.insert(rules::zeros(weights.len())?),
                };
                if version == mirror.version {
                    difference.fill(0.0);
                } else {
                    for (range, weights) in weights.pieces() {
                        let held = weights.iter().zip(&mirror.weights[range.clone()]);
                        let difference = difference[range].iter_mut();
                        difference.zip(held).for_each(|(to, (weight, held))| *to = weight - held);
                    }
                }
                codec::encode(encoding, difference, None, out);
                if codec::decode(encoding, out, difference).is_ok() {
                    mirror.weights.iter_mut().zip(&*difference).for_each(|(held, change)| *held += change);
                    mirror.version = version;
                    return Ok(PulledFor { version, is_delta: true, encoding });
                }
            }
        }
        let mirror = self.renew((replica, held), version, weights)?;
        let encoding = match encoding {
            // The largest weights alone are no weights.
            Encoding::TopK { .. } => Encoding::F32,
            other => other,
        };
        if encoding != Encoding::F32 {
            codec::encode(encoding, &mirror.weights, None, out);
            if codec::decode(encoding, out, &mut mirror.weights).is_ok() {
                return Ok(PulledFor { version, is_delta: false, encoding });
            }
            copy(weights, &mut mirror.weights);
        }
        out.clear();
        out.extend_from_slice(bytemuck::cast_slice(&mirror.weights));
        Ok(PulledFor { version, is_delta: false, encoding: Encoding::F32 })
    }

    /// Makes the mirror of a replica the weights as they are, in the memory of the one that was unused for longest if
    /// there are too many.
    fn renew(
        &mut self,
        (replica, held): (ReplicaId, Option<Version>),
        version: Version,
        weights: &Weights,
    ) -> Result<&mut Mirror, OutOfMemory> {
        let mut old = self.kept.remove(&replica);
        let before = old.as_ref().map(|mirror| mirror.version);
        let is_sure = ![held, before].contains(&Some(version));
        if old.is_none() && self.kept.len() >= MAX_MIRRORS {
            let longest = self.kept.iter().min_by_key(|(_, mirror)| mirror.used).map(|(replica, _)| *replica);
            old = longest.and_then(|longest| self.kept.remove(&longest));
        }
        let copy = match old {
            Some(mut mirror) => {
                copy(weights, &mut mirror.weights);
                mirror.weights
            }
            None => weights.in_one()?,
        };
        let mirror = Mirror { weights: copy, version, is_sure, used: self.uses };
        Ok(self.kept.entry(replica).or_insert(mirror))
    }

    pub(super) fn forget(&mut self, member: MemberId) {
        self.kept.retain(|replica, _| replica.member != member);
    }

    pub(super) fn bytes(&self) -> u64 {
        let kept = self.kept.values().map(|mirror| &mirror.weights);
        kept.chain(&self.difference).map(|weights| size_of_val(&**weights) as u64).sum()
    }
}

fn copy(weights: &Weights, mirror: &mut [f32]) {
    weights.pieces().for_each(|(range, weights)| mirror[range].copy_from_slice(weights));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(weights: &[f32]) -> Weights {
        Weights::of(weights).unwrap()
    }

    const NOBODY: ReplicaId = ReplicaId { member: MemberId(0), slot: 0 };

    fn pull(
        mirrors: &mut Mirrors,
        version: u64,
        weights: &[f32],
        replica: ReplicaId,
        held: Option<u64>,
    ) -> PulledFor {
        let mut out = vec![7; 3];
        let held = held.map(Version);
        let pulled =
            mirrors.pull((&of(weights), Version(version)), (replica, held), Encoding::F32, &mut out).unwrap();
        if !pulled.is_delta {
            assert_eq!(out, bytemuck::cast_slice::<f32, u8>(weights));
        }
        pulled
    }

    #[test]
    fn a_mirror_is_what_was_sent_last() {
        let mut mirrors = Mirrors::default();
        assert_eq!(mirrors.weights(NOBODY), None);
        let pulled = pull(&mut mirrors, 3, &[1.0, 2.0], NOBODY, None);
        assert_eq!(pulled, PulledFor { version: Version(3), is_delta: false, encoding: Encoding::F32 });
        assert_eq!(mirrors.weights(NOBODY), Some(&[1.0, 2.0][..]));
        pull(&mut mirrors, 4, &[5.0, 2.0], NOBODY, Some(3));
        assert_eq!(mirrors.weights(NOBODY), Some(&[5.0, 2.0][..]));
    }

    #[test]
    fn the_mirror_that_was_unused_for_longest_makes_room() {
        let mut mirrors = Mirrors::default();
        let replica = |slot| ReplicaId { slot, ..NOBODY };
        (0..MAX_MIRRORS as u32).for_each(|slot| _ = pull(&mut mirrors, 1, &[1.0], replica(slot), None));
        pull(&mut mirrors, 2, &[2.0], replica(0), Some(1));
        pull(&mut mirrors, 2, &[2.0], replica(MAX_MIRRORS as u32), None);
        assert_eq!(mirrors.weights(replica(1)), None);
        assert_eq!(mirrors.weights(replica(0)), Some(&[2.0][..]));
        assert_eq!(mirrors.bytes(), 4 * MAX_MIRRORS as u64);
    }

    #[test]
    fn the_mirrors_of_a_lost_executor_go() {
        let mut mirrors = Mirrors::default();
        let replica = |member, slot| ReplicaId { member: MemberId(member), slot };
        for (member, slot) in [(1, 0), (1, 1), (2, 0)] {
            pull(&mut mirrors, 1, &[1.0], replica(member, slot), None);
        }
        mirrors.forget(MemberId(1));
        assert_eq!(mirrors.kept.keys().copied().collect::<Vec<_>>(), [replica(2, 0)]);
    }

    #[test]
    fn no_difference_is_sent_to_what_a_replica_may_hold_otherwise_under_the_same_version() {
        let mut mirrors = Mirrors::default();
        let pull = |mirrors: &mut Mirrors, version: u64, held: Option<u64>| {
            let weights: Vec<f32> =
                (0..40).map(|place| (place as f32 * 0.7 + version as f32).sin()).collect();
            let weights = of(&weights);
            let (newest, holds) = ((&weights, Version(version)), (NOBODY, held.map(Version)));
            mirrors.pull(newest, holds, Encoding::Bf16, &mut Vec::new()).unwrap().is_delta
        };
        assert!(!pull(&mut mirrors, 1, None));
        assert!(pull(&mut mirrors, 2, Some(1)));
        // It was given up, and comes after the one that was made in its place.
        assert!(!pull(&mut mirrors, 2, Some(1)));
        assert!(!pull(&mut mirrors, 2, Some(2)));
        assert!(!pull(&mut mirrors, 3, Some(2)));
        assert!(pull(&mut mirrors, 4, Some(3)));
        // As when it makes room for another.
        mirrors.forget(NOBODY.member);
        assert!(!pull(&mut mirrors, 4, Some(4)));
        assert!(!pull(&mut mirrors, 5, Some(4)));
        assert!(pull(&mut mirrors, 6, Some(5)));
    }

    fn lossy() -> impl Strategy<Value = Encoding> {
        let top = Encoding::TopK { permille: 250 };
        prop::sample::select(vec![Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8, top])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_replica_holds_what_its_mirror_says_whatever_answers_are_lost(
            encoding in lossy(),
            pulls in prop::collection::vec((0u64..3, -1f32..1.0, prop::bool::weighted(0.2)), 1..40),
        ) {
            let mut mirrors = Mirrors::default();
            let (mut weights, mut version) = (vec![0.5f32; 40], Version(0));
            let (mut held, mut held_version) = (vec![0f32; 40], None);
            let mut decoded = vec![0f32; 40];
            for (pushes, moved, is_lost) in pulls {
                version.0 += pushes;
                let changes = (0..40).map(|place| pushes as f32 * moved * (place as f32).sin());
                weights.iter_mut().zip(changes).for_each(|(weight, change)| *weight += change);
                let mut out = Vec::new();
                let pulled =
                    mirrors.pull((&of(&weights), version), (NOBODY, held_version), encoding, &mut out).unwrap();
                prop_assert_eq!(pulled.version, version);
                if is_lost {
                    continue;
                }
                codec::decode(pulled.encoding, &out, &mut decoded).unwrap();
                if !pulled.is_delta {
                    held.fill(0.0);
                }
                held.iter_mut().zip(&decoded).for_each(|(held, change)| *held += change);
                held_version = Some(version);
                prop_assert_eq!(&held[..], mirrors.weights(NOBODY).unwrap());
            }
        }
    }

    #[test]
    fn what_an_encoding_loses_comes_with_the_next_differences() {
        let mut mirrors = Mirrors::default();
        let weights: Vec<f32> = (0..1000).map(|place| (place as f32 * 0.7).sin()).collect();
        for encoding in [Encoding::Bf16, Encoding::F16, Encoding::Int8, Encoding::TopK { permille: 500 }] {
            let (mut out, mut held) = (Vec::new(), None);
            for version in (1..8).map(Version) {
                let scaled: Vec<f32> =
                    weights.iter().map(|weight| weight * version.0.min(3) as f32).collect();
                mirrors.pull((&of(&scaled), version), (NOBODY, held), encoding, &mut out).unwrap();
                held = Some(version);
            }
            let left = mirrors.weights(NOBODY).unwrap().iter().zip(&weights);
            let most = left.map(|(held, weight)| (held - 3.0 * weight).abs()).fold(0f32, f32::max);
            assert!(most < 1e-6, "{encoding:?} is {most} off");
        }
    }
}
