use howdah_proto::{JobId, MemberId, SessionId, pb};

use super::cluster::Cluster;
use crate::membership::RoleDetails;

impl Cluster {
    pub(super) fn server(&mut self, number: u32) -> (MemberId, SessionId) {
        let address = format!("http://ps{number}:1");
        self.servers.start(&address);
        let member = self.register(&address, RoleDetails::Paramserver);
        self.registered.insert(address, member);
        member
    }

    /// Lets a parameter server die; `noticed` says whether the driver hears of it at once.
    pub(super) fn kill_server(&mut self, number: u32, noticed: bool) {
        let address = format!("http://ps{number}:1");
        self.servers.kill(&address);
        if noticed {
            self.notice(number);
        }
    }

    /// Wants the parameters of a job spread over another number of shards; says whether that can be.
    pub(super) fn reshard(&mut self, job: JobId, shards: u32) -> bool {
        match self.engine.on_reshard(job, shards, self.now) {
            Ok(effects) => {
                self.carry_out(effects);
                true
            }
            Err(_) => false,
        }
    }

    /// Lets everybody who lives show it.
    pub(super) fn beat(&mut self) {
        let executors = self.executors.iter().map(|(id, executor)| (*id, executor.session));
        let servers = self.registered.iter().filter(|(address, _)| self.servers.is_running(address));
        let members: Vec<_> = executors.chain(servers.map(|(_, member)| *member)).collect();
        for (id, session) in members {
            let beat = pb::Beat { member_id: id.0, session: session.0, ..pb::Beat::default() };
            let (known, effects) = self.engine.on_beat(&beat, self.now);
            assert!(known);
            self.carry_out(effects);
        }
    }

    /// Lets the driver hear of the death of a parameter server, if it has died and was not missed before.
    pub(super) fn notice(&mut self, number: u32) {
        let address = format!("http://ps{number}:1");
        if self.servers.is_running(&address) {
            return;
        }
        let Some((id, session)) = self.registered.remove(&address) else { return };
        let effects = self.engine.on_disconnected(id, session, "it died".to_owned(), self.now);
        self.carry_out(effects);
    }
}
