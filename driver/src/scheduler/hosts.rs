use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use howdah_proto::MemberId;

/// Stands for the name of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct HostId(u32);

/// The executors of each host, in an order that finds a free slot in O(log n).
#[derive(Debug, Default)]
pub(super) struct Hosts {
    ids: BTreeMap<String, HostId>,
    hosts: BTreeMap<HostId, Host>,
    next: u32,
}

#[derive(Debug, Default)]
struct Host {
    members: u32,
    free: BTreeSet<(Reverse<u32>, MemberId)>,
}

impl Hosts {
    pub(super) fn join(&mut self, name: &str) -> HostId {
        let id = match self.ids.get(name) {
            Some(id) => *id,
            None => {
                let id = HostId(self.next);
                self.next += 1;
                self.ids.insert(name.to_owned(), id);
                id
            }
        };
        self.hosts.entry(id).or_default().members += 1;
        id
    }

    pub(super) fn part(&mut self, name: &str, id: HostId) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        host.members -= 1;
        if host.members == 0 {
            self.hosts.remove(&id);
            self.ids.remove(name);
        }
    }

    pub(super) fn set_free(&mut self, id: HostId, member: MemberId, before: u32, after: u32) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        host.free.remove(&(Reverse(before), member));
        if after > 0 {
            host.free.insert((Reverse(after), member));
        }
    }

    /// Counts the executors of a host, whatever their state.
    pub(super) fn members(&self, id: HostId) -> u32 {
        self.hosts.get(&id).map_or(0, |host| host.members)
    }

    /// Returns the executors of a host that have free slots, most free ones first.
    pub(super) fn free(&self, id: HostId) -> impl Iterator<Item = MemberId> + '_ {
        self.hosts.get(&id).into_iter().flat_map(|host| host.free.iter().map(|(_, member)| *member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_as_long_as_it_has_an_executor() {
        let mut hosts = Hosts::default();
        let a = hosts.join("a");
        assert_eq!(hosts.join("a"), a);
        let b = hosts.join("b");
        hosts.set_free(a, MemberId(1), 0, 2);
        hosts.set_free(a, MemberId(2), 0, 3);
        hosts.set_free(b, MemberId(3), 0, 9);
        assert_eq!(hosts.free(a).collect::<Vec<_>>(), [MemberId(2), MemberId(1)]);
        hosts.set_free(a, MemberId(2), 3, 0);
        assert_eq!((hosts.free(a).count(), hosts.members(a)), (1, 2));
        hosts.part("a", a);
        hosts.part("a", a);
        assert_eq!((hosts.free(a).count(), hosts.members(a), hosts.ids.len()), (0, 0, 1));
    }
}
