use howdah_proto::{Refusal, Term};
use tonic::Status;

use super::cell::ShardKey;

/// What a server is to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes pushes.
    Primary,
    /// It follows a primary.
    Standby,
    /// It had the shard; others have it now.
    Former,
}

/// What a server is to a shard, and since which term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) term: Term,
    pub(super) role: Role,
}

/// What a request takes a server to be to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) term: Term,
    pub(super) role: Role,
}

impl Claim {
    /// Checks that the server is what the request takes it to be.
    pub(super) fn check(self, key: ShardKey, standing: Standing) -> Result<(), Status> {
        let Standing { term, role } = standing;
        if term != self.term {
            return Err(moved(format!("{key} is in term {term} here, not {}", self.term)));
        }
        match (role, self.role) {
            (Role::Former, _) => Err(moved(format!("{key} has gone to another parameter server"))),
            (Role::Standby, Role::Primary) => {
                Err(moved(format!("{key} is a standby on this parameter server")))
            }
            (Role::Primary, Role::Standby) => Err(moved(format!("{key} is no standby here any more"))),
            _ => Ok(()),
        }
    }
}

impl Standing {
    /// Becomes primary in a new term. Becoming what it is already is fine, so that a lost answer does no harm.
    pub(super) fn promote(&mut self, key: ShardKey, term: Term) -> Result<(), Status> {
        let promoted = Self { term, role: Role::Primary };
        if *self == promoted || (self.role != Role::Former && term > self.term) {
            *self = promoted;
            return Ok(());
        }
        Err(moved(format!("{key} is in term {} here and can't be promoted to term {term}", self.term)))
    }
}

/// The refusal that tells a caller to wait for the new place of a shard.
pub(super) fn moved(reason: impl std::fmt::Display) -> Status {
    Refusal::Moved.status(reason)
}

/// Tells whether a status is such a refusal.
pub(super) fn is_moved(status: &Status) -> bool {
    Refusal::of(status) == Some(Refusal::Moved)
}

#[cfg(test)]
mod tests {
    use howdah_proto::{JobId, ShardIndex};

    use super::*;

    const KEY: ShardKey = ShardKey { job: JobId(1), shard: ShardIndex(2) };

    fn standing(term: u64, role: Role) -> Standing {
        Standing { term: Term(term), role }
    }

    #[test]
    fn only_the_primary_of_the_same_term_takes_pushes() {
        let claim = Claim { term: Term(3), role: Role::Primary };
        assert!(claim.check(KEY, standing(3, Role::Primary)).is_ok());
        let others = [
            standing(2, Role::Primary),
            standing(4, Role::Primary),
            standing(3, Role::Standby),
            standing(3, Role::Former),
        ];
        for other in others {
            let status = claim.check(KEY, other).unwrap_err();
            assert!(is_moved(&status), "{status}");
            assert!(status.message().contains("shard 2 of job 1"), "{status}");
        }
    }

    #[test]
    fn a_promoted_standby_refuses_its_old_primary() {
        let mut standing = standing(3, Role::Standby);
        let old = Claim { term: Term(3), role: Role::Standby };
        assert!(old.check(KEY, standing).is_ok());
        standing.promote(KEY, Term(4)).unwrap();
        standing.promote(KEY, Term(4)).unwrap();
        assert!(is_moved(&old.check(KEY, standing).unwrap_err()));
        assert!(is_moved(&standing.promote(KEY, Term(3)).unwrap_err()));
    }

    #[test]
    fn what_was_promoted_unheard_is_promoted_again_in_the_next_term() {
        let mut promoted = standing(3, Role::Standby);
        promoted.promote(KEY, Term(4)).unwrap();
        promoted.promote(KEY, Term(5)).unwrap();
        assert_eq!(promoted, standing(5, Role::Primary));
        // The first request, which comes late.
        assert!(is_moved(&promoted.promote(KEY, Term(4)).unwrap_err()));
    }
}
