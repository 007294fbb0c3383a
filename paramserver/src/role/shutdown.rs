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
    let (stop, requested) = (CancellationToken::new(), listen()?);
    let signals = async {
        requested.await;
        stop.cancel();
        std::future::pending().await
    };
    tokio::select! {
        done = role(stop.clone()) => done,
        () = signals => Ok(()),
    }
}

/// Begins to listen, and gives what completes when the process gets SIGINT or SIGTERM, or loses its terminal (SIGHUP) and
/// wasn't started to outlive it, as `nohup` does. From now on none of these ends the process by itself.
///
/// # Errors
/// The signals can't be listened to.
pub fn listen() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let hangup = if outlives_its_terminal() { None } else { Some(signal(SignalKind::hangup())?) };
    let hung_up = async {
        match hangup {
            Some(mut hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    })
}

/// Whether SIGHUP is ignored, as whoever started the process has wanted.
fn outlives_its_terminal() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first signal, and the lowest bit.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_of_what_is_ignored_is_the_hangup() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hangup("") && !ignores_hangup("SigIgn:\tx"));
    }
}
