//! Who belongs to the cluster: registrations, heartbeats, and how a lost member is noticed.

mod outage;
mod registration;
mod state;

pub use outage::OUTAGE;
pub use registration::{Origin, Refusal, Registration, RoleDetails, Standards};
pub use state::{Beat, Lost, Member, Members};
