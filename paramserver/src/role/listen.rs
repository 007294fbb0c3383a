//! Where a service listens, and how others reach it.

use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};
use tonic::transport::server::TcpIncoming;

/// Whether listening beyond loopback, in the clear, is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// On this machine only.
    Loopback,
    /// On the network: the user passed `--insecure`.
    Insecure,
}

impl Exposure {
    /// Reads the `--insecure` flag.
    pub fn from_flag(insecure: bool) -> Self {
        if insecure { Self::Insecure } else { Self::Loopback }
    }
}

/// A place where a service can't or may not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address isn't of the form `host:port`, or the host is unknown.
    #[error("can't listen on {address}: {reason} (an address is written HOST:PORT, like 127.0.0.1:0)")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is beyond loopback and nobody allowed that.
    #[error(
        "listening on {address} beyond loopback sends pictures and weights in the clear; \
         pass --insecure to allow it until TLS is set up"
    )]
    Exposed {
        /// The address.
        address: String,
    },
    /// The address can't be had.
    #[error("can't listen on {address}: {reason}")]
    Taken {
        /// The address.
        address: String,
        /// Why, as the operating system says it.
        reason: String,
    },
    /// Others can't know how to reach the service.
    #[error(
        "{address} stands for every address of this machine; pass --advertise HOST:PORT with the one that others \
         reach it by"
    )]
    Unadvertised {
        /// The address.
        address: String,
    },
    /// What is to be advertised is no address.
    #[error("`{advertise}` can't be advertised: it must be HOST:PORT (port 0 is the one listened on)")]
    Advertise {
        /// What was given.
        advertise: String,
    },
}

impl ListenError {
    /// Whether the service was started wrongly; otherwise the trouble may pass.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Address { .. } | Self::Taken { .. })
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: String,
}

impl Bound {
    /// Tells how others reach it, as `http://host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Gives the connections to it, for a server.
    pub fn incoming(self) -> TcpIncoming {
        TcpIncoming::from(self.listener).with_nodelay(Some(true))
    }
}

/// Listens on `host:port`, where port 0 is any free one.
///
/// `advertise` is the `host:port` that others are told; by default what is listened on.
///
/// # Errors
/// [`ListenError`].
pub async fn bind(listen: &str, advertise: Option<&str>, exposure: Exposure) -> Result<Bound, ListenError> {
    let address = || listen.to_owned();
    let wrong = |reason: String| ListenError::Address { address: address(), reason };
    let resolved: Vec<SocketAddr> =
        lookup_host(listen).await.map_err(|error| wrong(error.to_string()))?.collect();
    let exposed = resolved.iter().any(|resolved| !resolved.ip().is_loopback());
    if exposed && exposure == Exposure::Loopback {
        return Err(ListenError::Exposed { address: address() });
    }
    let taken = |error: std::io::Error| ListenError::Taken { address: address(), reason: error.to_string() };
    let listener = TcpListener::bind(&*resolved).await.map_err(taken)?;
    let local = listener.local_addr().map_err(taken)?;
    let advertised = match advertise {
        Some(advertise) => advertised(advertise, local.port())?,
        None if local.ip().is_unspecified() => return Err(ListenError::Unadvertised { address: address() }),
        None => local.to_string(),
    };
    Ok(Bound { listener, address: format!("http://{advertised}") })
}

fn advertised(advertise: &str, bound_port: u16) -> Result<String, ListenError> {
    let wrong = || ListenError::Advertise { advertise: advertise.to_owned() };
    let (host, port) = advertise.rsplit_once(':').ok_or_else(wrong)?;
    let port = match port.parse().map_err(|_| wrong())? {
        0 => bound_port,
        port => port,
    };
    let advertised = format!("{host}:{port}");
    howdah_proto::transport::endpoint(&format!("http://{advertised}")).map_err(|_| wrong())?;
    Ok(advertised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listening_beyond_loopback_must_be_allowed() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = bind(address, None, Exposure::Loopback).await.unwrap_err();
            let text = format!(
                "listening on {address} beyond loopback sends pictures and weights in the clear; \
                 pass --insecure to allow it until TLS is set up"
            );
            assert_eq!(error.to_string(), text);
        }
        let allowed = bind("0.0.0.0:0", Some("trainer.example:0"), Exposure::Insecure).await.unwrap();
        assert!(allowed.address().starts_with("http://trainer.example:"), "{}", allowed.address());
        assert!(!allowed.address().ends_with(":0"), "{}", allowed.address());
    }

    #[tokio::test]
    async fn every_address_at_once_is_not_one_to_be_reached_by() {
        let error = bind("0.0.0.0:0", None, Exposure::Insecure).await.unwrap_err();
        assert!(matches!(error, ListenError::Unadvertised { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_wrong_address_is_named() {
        for address in ["127.0.0.1", "127.0.0.1:99999", ""] {
            let error = bind(address, None, Exposure::Loopback).await.unwrap_err();
            assert!(matches!(error, ListenError::Address { .. }), "{error}");
        }
        let taken = bind("127.0.0.1:0", None, Exposure::Loopback).await.unwrap();
        let again = taken.address().trim_start_matches("http://").to_owned();
        let error = bind(&again, None, Exposure::Loopback).await.unwrap_err();
        assert!(error.to_string().contains(&again), "{error}");
    }
}
