//! The wish of the operator, or of systemd, that the process ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Completes when the process gets SIGINT or SIGTERM.
///
/// # Errors
/// The signals can't be listened to.
pub async fn requested() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
