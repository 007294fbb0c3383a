//! The calls that carry weights, without the copies that generated code makes.
//!
//! What travels is plain gRPC, and a generated client or server understands it. But a message with weights is
//! never put together in memory: the sender gives its buffer to the socket as it is, and the receiver gets the
//! bytes as they come, piece by piece.

mod client;
mod frame;
mod incoming;
mod outgoing;
mod parse;
mod server;

pub use client::ExchangeClient;
pub use frame::{Carrier, Part};
pub use incoming::Incoming;
pub use outgoing::Parts;
pub use server::{Exchange, ExchangeServer};

/// The most bytes that a message without weights may have.
pub const SMALL_MESSAGE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
