//! Who belongs to the cluster: registrations, heartbeats, and how a lost member is noticed.

mod registration;
mod state;

pub use registration::{Origin, Refusal, Registration, RoleDetails, Standards};
pub use state::{Beat, Lost, Member, Members, OUTAGE};
