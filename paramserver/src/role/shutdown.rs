//! The wish of the operator, or of systemd, that the process ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::lifeline;

/// Runs a role, which gets a token that is cancelled by SIGINT and SIGTERM; with a lifeline it also ends when
/// standard input does.
///
/// # Errors
/// Those of the role, or that signals or threads can't be had.
pub async fn serve_until_requested<E: From<io::Error>, F: Future<Output = Result<(), E>>>(
    lifeline: bool,
    role: impl FnOnce(CancellationToken) -> F,
) -> Result<(), E> {
    if lifeline {
        lifeline::tie_to_stdin()?;
    }
    let stop = CancellationToken::new();
    let signals = async {
        let heard = requested().await;
        stop.cancel();
        heard?;
        std::future::pending().await
    };
    tokio::select! {
        done = role(stop.clone()) => done,
        failed = signals => failed,
    }
}

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
