//! Refusals that the caller acts on. They are told apart by a header: the words of a status are for people.

use tonic::{Status, metadata::MetadataValue};

const HEADER: &str = "howdah-refusal";
const MOVED: &str = "moved";

/// Why a call is refused, where that decides what its caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The shard is elsewhere, or in another term, or will be: the caller waits until it knows where.
    Moved,
}

impl Refusal {
    /// Makes the status of such a refusal.
    pub fn status(self, reason: impl std::fmt::Display) -> Status {
        let name = match self {
            Self::Moved => MOVED,
        };
        let mut status = Status::failed_precondition(reason.to_string());
        status.metadata_mut().insert(HEADER, MetadataValue::from_static(name));
        status
    }

    /// The refusal that a status is, if it is one.
    pub fn of(status: &Status) -> Option<Self> {
        match status.metadata().get(HEADER)?.as_bytes() {
            name if name == MOVED.as_bytes() => Some(Self::Moved),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_header_and_not_by_its_words() {
        let status = Refusal::Moved.status("shard 2 has gone");
        assert_eq!((Refusal::of(&status), status.message()), (Some(Refusal::Moved), "shard 2 has gone"));
        assert_eq!(Refusal::of(&Status::failed_precondition("moved")), None);
    }

    #[test]
    fn a_refusal_survives_the_wire_and_an_unknown_one_is_a_plain_status() {
        let mut headers = tonic::codegen::http::HeaderMap::new();
        Refusal::Moved.status("gone").add_header(&mut headers).unwrap();
        let arrived = Status::from_header_map(&headers).unwrap();
        assert_eq!(Refusal::of(&arrived), Some(Refusal::Moved));
        headers.insert(HEADER, "sold".parse().unwrap());
        assert_eq!(Refusal::of(&Status::from_header_map(&headers).unwrap()), None);
    }
}
