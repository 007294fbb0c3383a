use std::collections::BTreeMap;

use howdah_proto::{MemberId, ReplicaId, WireError, pb, required};

use super::Clocks;

impl From<&Clocks> for pb::ReplicatedClocks {
    fn from(clocks: &Clocks) -> Self {
        let Clocks { running, left, forgotten, slowest } = clocks;
        Self {
            running: sent(running),
            left: sent(left),
            forgotten: forgotten.iter().map(|member| member.0).collect(),
            slowest: *slowest,
        }
    }
}

impl TryFrom<pb::ReplicatedClocks> for Clocks {
    type Error = WireError;

    fn try_from(message: pb::ReplicatedClocks) -> Result<Self, WireError> {
        let pb::ReplicatedClocks { running, left, forgotten, slowest } = message;
        let forgotten = forgotten.into_iter().map(MemberId).collect();
        Ok(Self { running: received(running)?, left: received(left)?, forgotten, slowest })
    }
}

fn sent(clocks: &BTreeMap<ReplicaId, u64>) -> Vec<pb::ReplicaClock> {
    let one =
        |(&replica, &clock): (&ReplicaId, &u64)| pb::ReplicaClock { replica: Some(replica.into()), clock };
    clocks.iter().map(one).collect()
}

fn received(clocks: Vec<pb::ReplicaClock>) -> Result<BTreeMap<ReplicaId, u64>, WireError> {
    let one = |pb::ReplicaClock { replica, clock }| Ok((required(replica, "replica")?.into(), clock));
    clocks.into_iter().map(one).collect()
}
