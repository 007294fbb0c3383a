//! Tells systemd how the service is; without systemd nothing happens.

use std::{convert::Infallible, time::Duration};

use sd_notify::NotifyState;

/// Tells systemd that the service has joined the cluster and works.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Tells systemd that the service is leaving.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Feeds systemd's watchdog for as long as the returned future is polled.
///
/// Poll it in the loop whose life it stands for: when that loop is stuck, the feeding stops and systemd restarts
/// the service.
pub async fn feed_watchdog() -> Infallible {
    let Some(timeout) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval((timeout / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(NotifyState::Watchdog);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd can't be told how the service is");
    }
}
