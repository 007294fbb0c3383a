//! How connections are set up: the same frame, window and keep-alive settings on every side, but that connections to a
//! driver last longer in silence.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Channel, Endpoint, Server};

/// The most bytes of raw data that one message carries. They fill a frame: half of that is slower, and so is twice of it
/// where few exchange with a server (`--bench exchange`).
pub const CHUNK_BYTES: usize = 512 << 10;

/// The most bytes that any single message may have.
pub const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

const FRAME_BYTES: u32 = CHUNK_BYTES as u32;
/// Two frames and what is said of them: what is sent before the other side has read it should still be in its cache then,
/// and more is slower (`--bench exchange`). It fills 10 Gbit/s over a round trip of 0.4 ms.
const STREAM_WINDOW_BYTES: u32 = 2 * FRAME_BYTES + (4 << 10);
/// Streams that aren't read, as pushes and fetches that wait for room, hold up the others of their connection when they
/// fill this together.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a driver's machine may leave bytes unacknowledged, and may hear nothing of a connection: its network may be
/// down for less. It knows members that are gone by their beats.
const DRIVER_SILENCE: Duration = Duration::from_secs(60);

// Blocks and weights travel as the bytes that lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "Howdah runs on little-endian machines only");

/// An address that can't be dialled, or where nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address isn't of the form `http://host:port`.
    #[error("`{address}` is no address of the form http://host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers there.
    #[error("can't connect to {address}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why, as the operating system says it.
        reason: String,
    },
}

/// Makes an endpoint for `http://host:port` with the project's transport settings.
///
/// # Errors
/// [`ConnectError::Address`].
pub fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    Ok(framed(address)?
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

fn framed(address: &str) -> Result<Endpoint, ConnectError> {
    let wrong = || ConnectError::Address { address: address.to_owned() };
    if !address.starts_with("http://") {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| wrong())?;
    if endpoint.uri().port_u16().is_none() {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// Connects to `http://host:port`.
///
/// # Errors
/// [`ConnectError`], naming the address.
pub async fn connect(address: &str) -> Result<Channel, ConnectError> {
    endpoint(address)?.connect().await.map_err(|error| unreachable(address, &error))
}

/// Connects to a driver at `http://host:port`.
///
/// A driver that stands still (SIGSTOP, Ctrl-Z) keeps its connections: its machine goes on to acknowledge what comes. The
/// connection breaks when the process has ended, or when the machine is gone, or takes no more, for a minute.
///
/// # Errors
/// [`ConnectError`], naming the address.
pub async fn connect_to_driver(address: &str) -> Result<Channel, ConnectError> {
    let endpoint = framed(address)?;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEP_ALIVE_INTERVAL));
    connector.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(DRIVER_SILENCE));
    endpoint.connect_with_connector(connector).await.map_err(|error| unreachable(address, &error))
}

fn unreachable(address: &str, error: &tonic::transport::Error) -> ConnectError {
    ConnectError::Unreachable { address: address.to_owned(), reason: root_cause(error) }
}

/// Makes a server with the project's transport settings.
pub fn server() -> Server {
    Server::builder()
        .tcp_nodelay(true)
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
}

/// Makes the server of a driver: its connections outlive a failure of its network.
pub fn driver_server() -> Server {
    server().http2_keepalive_timeout(Some(DRIVER_SILENCE))
}

/// Finds the innermost cause of an error, which is what a user can act on.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_scheme_or_port_is_refused_by_name() {
        for address in ["localhost:1", "http://localhost", "ftp://a:1", "http://"] {
            let error = endpoint(address).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(address), "{address}: {error}");
        }
        assert!(endpoint("http://127.0.0.1:7000").is_ok());
    }
}
