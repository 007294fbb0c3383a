use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use howdah_proto::MemberId;

use super::Member;
use crate::scheduler::Millis;

/// How long members may be silent while it may be the driver's own network that is down.
pub const OUTAGE: Duration = Duration::from_secs(60);

/// What silent members mean.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Those that are gone, and how long they could be silent.
    pub lost: Vec<(MemberId, Duration)>,
    /// Whether others are silent that may not be gone.
    pub is_cut_off: bool,
}

/// Tells members that are gone from those that the driver may be cut off from. A silent member is gone after the timeout,
/// if another was heard meanwhile, and after [`OUTAGE`] whatever was.
pub(super) fn silence(members: &BTreeMap<MemberId, Member>, timeout: Duration, now: Millis) -> Silence {
    let mut silence = Silence::default();
    let late: Vec<&Member> = members.values().filter(|member| member.silence(now) > timeout).collect();
    if late.is_empty() {
        return silence;
    }
    let longest = timeout.max(OUTAGE);
    let heard = Heard::new(members, timeout, now);
    for member in late {
        if member.silence(now) > longest {
            silence.lost.push((member.id, longest));
        } else if heard.while_silent(member) {
            silence.lost.push((member.id, timeout));
        } else {
            silence.is_cut_off = true;
        }
    }
    silence
}

/// The members that aren't silent.
struct Heard<'a> {
    members: Vec<&'a Member>,
    timeout: Duration,
    now: Millis,
    /// Whether the driver's own machine tells it something of the network, as there is only one other.
    here_counts: bool,
}

impl<'a> Heard<'a> {
    fn new(members: &'a BTreeMap<MemberId, Member>, timeout: Duration, now: Millis) -> Self {
        let elsewhere = members.values().filter(|member| !member.is_here).map(Member::host);
        let here_counts = elsewhere.collect::<BTreeSet<_>>().len() == 1;
        let members = members.values().filter(|member| member.silence(now) <= timeout).collect();
        Self { members, timeout, now, here_counts }
    }

    /// Whether somebody has been heard for a whole timeout while a member was silent.
    fn while_silent(&self, silent: &Member) -> bool {
        self.members.iter().any(|other| {
            let since = other.heard_since.max(silent.last_seen);
            Duration::from_millis(self.now.0.saturating_sub(since.0)) > self.timeout
                // When all fall silent, some have just been heard for the last time.
                && other.last_seen.0.saturating_sub(silent.last_seen.0) >= self.timeout.as_millis() as u64 / 2
                && (silent.is_here || !other.is_here || self.here_counts)
        })
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::SessionId;

    use super::*;
    use crate::membership::{Beat, Members, Registration, RoleDetails};

    /// Members on these hosts, the first of which is the driver's own, with ids from 1.
    fn on_hosts(hosts: &[&str]) -> Members {
        let mut members = Members::new(Duration::from_secs(10));
        for (place, host) in hosts.iter().enumerate() {
            let address = format!("http://{host}:{place}");
            let registration = Registration {
                name: address.clone(),
                address,
                role: RoleDetails::Executor { slots: 1, memory_bytes: 0 },
                is_here: *host == hosts[0],
            };
            members.on_register(registration, SessionId(place as u64 + 1), Millis(0));
        }
        members
    }

    fn beat(members: &mut Members, id: u64, now: u64) {
        assert_eq!(members.on_beat(MemberId(id), SessionId(id), 0, false, Millis(now)), Beat::Noted);
    }

    fn lost(members: &mut Members, now: u64) -> Vec<u64> {
        members.on_tick(Millis(now)).iter().map(|lost| lost.member.id.0).collect()
    }

    #[test]
    fn nobody_is_lost_while_nobody_is_heard_until_that_has_been_too_long() {
        let mut members = on_hosts(&["a", "b", "b"]);
        beat(&mut members, 2, 1_000);
        assert!(lost(&mut members, 11_500).is_empty() && members.is_cut_off());
        assert!(lost(&mut members, 60_000).is_empty());
        assert_eq!(lost(&mut members, 60_500), [1, 3]);
        assert_eq!(lost(&mut members, 61_500), [2]);
        assert!(members.iter().next().is_none());
    }

    #[test]
    fn after_an_outage_the_others_have_a_timeout_from_when_the_first_is_heard() {
        let mut members = on_hosts(&["a", "b", "c"]);
        assert!(lost(&mut members, 30_000).is_empty());
        [30_100, 35_000, 40_000].into_iter().for_each(|now| beat(&mut members, 2, now));
        beat(&mut members, 3, 39_000);
        assert!(lost(&mut members, 40_000).is_empty() && members.is_cut_off());
        assert_eq!(lost(&mut members, 40_200), [1]);
        assert!(!members.is_cut_off());
    }

    #[test]
    fn a_dead_member_is_lost_however_seldom_the_others_beat() {
        for phase in 1..=9_900 {
            let mut members = on_hosts(&["a", "b"]);
            let beats = (0..).map(|count| phase + count * 9_900).take_while(|now| *now <= 40_000);
            let mut beats = beats.peekable();
            let found = (0..40_000).step_by(100).find(|now| {
                while let Some(at) = beats.next_if(|at| at <= now) {
                    beat(&mut members, 2, at);
                }
                lost(&mut members, *now) == [1]
            });
            assert!(found.is_some_and(|now| now < 20_000), "{phase}: {found:?}");
        }
    }

    #[test]
    fn several_machines_that_are_silent_at_once_may_be_cut_off_from_a_driver_that_hears_itself() {
        for (hosts, expected) in
            [(["a", "b", "c"], &[][..]), (["a", "b", "b"], &[2, 3]), (["a", "a", "b"], &[3])]
        {
            let mut members = on_hosts(&hosts);
            let here = hosts.iter().filter(|host| **host == hosts[0]).count() as u64;
            (1..=here).for_each(|id| beat(&mut members, id, 9_000));
            assert_eq!(lost(&mut members, 10_500), expected, "{hosts:?}");
        }
    }

    #[test]
    fn a_machine_that_is_silent_while_another_is_heard_is_lost() {
        let mut members = on_hosts(&["a", "b", "c", "c"]);
        [1, 2].into_iter().for_each(|id| beat(&mut members, id, 9_000));
        assert_eq!(lost(&mut members, 10_500), [3, 4]);
    }
}
