mod wire;

use std::collections::{BTreeMap, BTreeSet};

use howdah_proto::{MemberId, ReplicaId};

/// The clocks of replicas in bounded staleness (Ho et al. 2013, "More effective distributed ML via a stale
/// synchronous parallel parameter server"): how many pushes each has made, and who may go on.
///
/// A standby has them too. They are not saved: in a shard that starts again a replica that is under way enters with its
/// next clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clocks {
    running: BTreeMap<ReplicaId, u64>,
    left: BTreeMap<ReplicaId, u64>,
    /// Executors that are lost. What they still say is of no interest, as nobody would take it back.
    forgotten: BTreeSet<MemberId>,
    // How far the slowest has come; it stays when nobody runs a task, so that who enters then isn't behind the rest.
    slowest: u64,
}

/// What somebody is told of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Of one replica, which has moved.
    Replica(ReplicaId),
    /// Of an executor, which is lost.
    Lost(MemberId),
    /// Of all.
    All,
}

impl Clocks {
    /// A replica begins a task: its clock is the one it left with, or that of the slowest if that is further on. One
    /// that has entered before goes on where it is.
    pub fn enter(&mut self, replica: ReplicaId) -> u64 {
        let left = self.left.remove(&replica).unwrap_or(0);
        self.advance(replica, left);
        self.running.get(&replica).copied().unwrap_or(self.slowest)
    }

    /// A replica's clock has come to `clock`; a clock never goes back. One that has left says so too late.
    pub fn advance(&mut self, replica: ReplicaId, clock: u64) {
        if self.left.contains_key(&replica) || self.forgotten.contains(&replica.member) {
            return;
        }
        let now = self.running.entry(replica).or_insert(self.slowest);
        *now = clock.max(*now);
        self.settle();
    }

    /// A replica has ended its task: nobody waits for it. One that isn't known has left all the same, so that what it said
    /// before and comes late doesn't let it in.
    pub fn leave(&mut self, replica: ReplicaId) {
        if let Some(clock) = self.running.remove(&replica) {
            self.left.insert(replica, clock);
            self.slowest = if self.running.is_empty() { self.slowest.max(clock) } else { self.slowest };
            self.settle();
        } else if !self.forgotten.contains(&replica.member) {
            self.left.entry(replica).or_insert(self.slowest);
        }
    }

    /// An executor is lost: nobody waits for its replicas.
    pub fn forget(&mut self, member: MemberId) {
        self.running.retain(|replica, _| replica.member != member);
        self.left.retain(|replica, _| replica.member != member);
        self.forgotten.insert(member);
        self.settle();
    }

    /// What a standby is to be told: a part of the clocks.
    pub fn news(&self, news: News) -> Self {
        let of = |clocks: &BTreeMap<ReplicaId, u64>, replica| {
            clocks.get(&replica).map(|clock| (replica, *clock)).into_iter().collect()
        };
        match news {
            News::Replica(replica) => Self {
                running: of(&self.running, replica),
                left: of(&self.left, replica),
                forgotten: BTreeSet::new(),
                slowest: self.slowest,
            },
            News::Lost(member) => {
                Self { forgotten: BTreeSet::from([member]), slowest: self.slowest, ..Self::default() }
            }
            News::All => self.clone(),
        }
    }

    /// Takes in what the primary has told of its clocks, but for those of executors that are known here to be lost.
    pub fn follow(&mut self, news: Self) {
        for replica in news.running.keys().chain(news.left.keys()) {
            self.running.remove(replica);
            self.left.remove(replica);
        }
        self.running.extend(news.running);
        self.left.extend(news.left);
        self.forgotten.extend(news.forgotten);
        let is_here = |replica: &ReplicaId| !self.forgotten.contains(&replica.member);
        self.running.retain(|replica, _| is_here(replica));
        self.left.retain(|replica, _| is_here(replica));
        self.slowest = self.slowest.max(news.slowest);
        self.settle();
    }

    /// The slowest clock of those that run a task; none if nobody does.
    pub fn slowest(&self) -> Option<u64> {
        self.running.values().copied().min()
    }

    /// Whether a replica may compute on weights that may lack the pushes of the last `staleness` clocks. One that
    /// hasn't entered may.
    pub fn may_go_on(&self, replica: ReplicaId, staleness: u32) -> bool {
        let clock = self.running.get(&replica).copied().unwrap_or(0);
        clock.saturating_sub(self.slowest) <= u64::from(staleness)
    }

    fn settle(&mut self) {
        self.slowest = self.slowest().unwrap_or(self.slowest).max(self.slowest);
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::pb;
    use proptest::prelude::*;

    use super::*;

    fn replica(number: u32) -> ReplicaId {
        ReplicaId { member: MemberId(u64::from(number / 2)), slot: number % 2 }
    }

    #[derive(Debug, Clone, Copy)]
    enum Move {
        Enter(u32),
        Advance(u32),
        Leave(u32),
        Forget(u32),
    }

    fn moves() -> impl Strategy<Value = Move> {
        prop_oneof![
            3 => (0u32..6).prop_map(Move::Enter),
            12 => (0u32..6).prop_map(Move::Advance),
            2 => (0u32..6).prop_map(Move::Leave),
            1 => (0u32..6).prop_map(Move::Forget),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn running_replicas_stay_together_and_one_of_them_may_always_go_on(
            staleness in 0u32..4,
            moves in prop::collection::vec(moves(), 0..200),
        ) {
            let (mut clocks, mut standby) = (Clocks::default(), Clocks::default());
            let sent = |news: Clocks| Clocks::try_from(pb::ReplicatedClocks::from(&news)).unwrap();
            // An executor that comes back is another member.
            let mut lives = [0; 3];
            for next in moves {
                let replica = |number: u32| {
                    let host = number / 2;
                    let member = MemberId(u64::from(host) + 3 * lives[host as usize]);
                    ReplicaId { member, slot: number % 2 }
                };
                match next {
                    Move::Enter(number) => {
                        let clock = clocks.enter(replica(number));
                        prop_assert_eq!(clocks.enter(replica(number)), clock);
                    }
                    Move::Advance(number) => {
                        if let Some(clock) = clocks.running.get(&replica(number)).copied()
                            && clocks.may_go_on(replica(number), staleness)
                        {
                            clocks.advance(replica(number), clock + 1);
                            clocks.advance(replica(number), clock + 1);
                        }
                    }
                    Move::Leave(number) => {
                        clocks.leave(replica(number));
                        // What it said before can come late.
                        clocks.advance(replica(number), 1000);
                        prop_assert!(!clocks.running.contains_key(&replica(number)));
                    }
                    Move::Forget(number) => {
                        clocks.forget(replica(number).member);
                        standby.follow(sent(clocks.news(News::Lost(replica(number).member))));
                        prop_assert_eq!(&standby, &clocks);
                        clocks.advance(replica(number), 1000);
                        clocks.enter(replica(number));
                        prop_assert!(!clocks.running.contains_key(&replica(number)));
                    }
                }
                let news = match next {
                    Move::Enter(number) | Move::Advance(number) | Move::Leave(number) => {
                        News::Replica(replica(number))
                    }
                    Move::Forget(_) => News::All,
                };
                standby.follow(sent(clocks.news(news)));
                prop_assert_eq!(&standby, &clocks);
                let mut fresh = Clocks::default();
                fresh.follow(sent(clocks.news(News::All)));
                prop_assert_eq!(&fresh, &clocks);
                if let Move::Forget(number) = next {
                    lives[number as usize / 2] += 1;
                }
                let slowest = clocks.slowest();
                let fastest = clocks.running.values().copied().max();
                if let (Some(slowest), Some(fastest)) = (slowest, fastest) {
                    prop_assert!(fastest - slowest <= u64::from(staleness) + 1, "{slowest} and {fastest}");
                }
                let mut running = clocks.running.keys();
                prop_assert!(
                    clocks.running.is_empty() || running.any(|replica| clocks.may_go_on(*replica, staleness))
                );
            }
        }

        #[test]
        fn every_replica_comes_to_its_end_if_none_stops(staleness in 0u32..4, pushes in prop::collection::vec(0u64..30, 1..6)) {
            let mut clocks = Clocks::default();
            let mut left: Vec<(ReplicaId, u64)> =
                (0..).map(replica).zip(pushes.iter().copied()).collect();
            left.iter().for_each(|(replica, _)| { clocks.enter(*replica); });
            let most: u64 = pushes.iter().sum::<u64>() + pushes.len() as u64;
            for _ in 0..most {
                let next = left.iter().position(|(replica, _)| clocks.may_go_on(*replica, staleness));
                let Some(place) = next else { break };
                let (replica, pushes) = &mut left[place];
                if *pushes == 0 {
                    clocks.leave(*replica);
                    left.swap_remove(place);
                } else {
                    *pushes -= 1;
                    clocks.advance(*replica, clocks.running[replica] + 1);
                }
            }
            prop_assert!(left.is_empty(), "{left:?} wait");
        }
    }

    #[test]
    fn who_enters_late_is_not_behind_those_that_have_left() {
        let mut clocks = Clocks::default();
        clocks.enter(replica(0));
        clocks.advance(replica(0), 50);
        clocks.leave(replica(0));
        assert_eq!(clocks.slowest(), None);
        assert_eq!(clocks.enter(replica(1)), 50);
        assert_eq!(clocks.enter(replica(0)), 50);
    }

    #[test]
    fn who_leaves_without_being_known_is_not_waited_for_and_may_enter_again() {
        let mut clocks = Clocks::default();
        clocks.leave(replica(0));
        clocks.advance(replica(0), 5);
        assert_eq!(clocks.slowest(), None);
        assert_eq!(clocks.enter(replica(0)), 0);
        clocks.advance(replica(0), 5);
        assert_eq!(clocks.slowest(), Some(5));
        clocks.forget(replica(0).member);
        clocks.leave(replica(0));
        assert_eq!(clocks.left, BTreeMap::new());
    }

    #[test]
    fn a_lost_executor_is_forgotten_though_its_primary_has_not_heard_of_it() {
        let mut primary = Clocks::default();
        [0, 2].into_iter().for_each(|number| _ = primary.enter(replica(number)));
        primary.advance(replica(2), 5);
        let mut standby = Clocks::default();
        standby.forget(replica(0).member);
        standby.follow(primary);
        assert_eq!(standby.slowest(), Some(5));
        assert!(standby.may_go_on(replica(2), 0));
    }

    #[test]
    fn a_replica_that_was_ahead_is_still_ahead_in_its_next_task() {
        let mut clocks = Clocks::default();
        [0, 1].into_iter().for_each(|number| _ = clocks.enter(replica(number)));
        clocks.advance(replica(0), 3);
        clocks.leave(replica(0));
        assert_eq!(clocks.enter(replica(0)), 3);
        assert!(!clocks.may_go_on(replica(0), 2));
        clocks.forget(replica(1).member);
        assert!(clocks.may_go_on(replica(0), 2));
    }
}
