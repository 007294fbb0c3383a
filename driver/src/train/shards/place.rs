use howdah_proto::MemberId;

use super::{
    Server, Shards,
    state::{Op, Shard},
};

impl Shards {
    pub(super) fn server(&self, member: MemberId) -> Option<&Server> {
        self.servers.iter().find(|server| server.member == member)
    }

    pub(super) fn is_draining(&self, member: MemberId) -> bool {
        self.server(member).is_some_and(|server| server.draining)
    }

    /// Chooses the server with the fewest primaries, the first of them in the order of addresses.
    pub(super) fn for_primary(&self) -> Option<Server> {
        let stay = self.servers.iter().filter(|server| !server.draining);
        let held = |server: &Server| self.shards.iter().filter(|shard| is_on(shard, server.member)).count();
        stay.min_by_key(|server| held(server)).cloned()
    }

    /// Chooses the server after that of the primary, in the order of addresses; the next but so many if others have
    /// failed.
    pub(super) fn for_standby(&self, primary: &Server, failures: u32) -> Option<Server> {
        let at =
            self.servers.iter().position(|server| server.member == primary.member).map_or(0, |at| at + 1);
        let (before, after) = self.servers.split_at(at.min(self.servers.len()));
        let fits = |server: &&Server| !server.draining && server.member != primary.member;
        let fitting: Vec<&Server> = after.iter().chain(before).filter(fits).collect();
        let place = (failures as usize).checked_rem(fitting.len())?;
        fitting.get(place).copied().cloned()
    }
}

fn is_on(shard: &Shard, member: MemberId) -> bool {
    let making = match &shard.op {
        Some((_, Op::Make { on, .. } | Op::Promote { on, .. })) => Some(on.member),
        _ => None,
    };
    making.or(shard.primary.as_ref().map(|(server, _)| server.member)) == Some(member)
}
