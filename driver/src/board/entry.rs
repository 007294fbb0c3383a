use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures::{Stream, stream};
use howdah_proto::{
    event::{EVENT_VERSION, Event, Recorded},
    pb,
};
use tokio::sync::watch;

use crate::dataset::PictureFile;

/// What clients can see of one job.
#[derive(Debug)]
pub struct JobEntry {
    events: Mutex<Events>,
    /// Changes whenever `events` does.
    changed: watch::Sender<()>,
    /// The pictures that executors may read from the driver.
    pub files: OnceLock<Arc<Vec<PictureFile>>>,
    /// The model file, once there is one.
    pub model: OnceLock<Bytes>,
}

#[derive(Debug, Default)]
struct Events {
    logged: Vec<pb::JobEvent>,
    /// The newest event that is streamed but not logged, and its number.
    progress: Option<(u64, pb::JobEvent)>,
    progress_count: u64,
    ended: bool,
}

impl Default for JobEntry {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            changed: watch::Sender::new(()),
            files: OnceLock::new(),
            model: OnceLock::new(),
        }
    }
}

impl JobEntry {
    /// Records an event that happened at `unix_ms`.
    pub fn record(&self, event: Event, unix_ms: u64) {
        let (logged, last) = (event.is_logged(), event.is_last());
        let mut events = self.lock();
        let sequence = events.logged.len() as u64;
        let recorded = Recorded { version: EVENT_VERSION, sequence, unix_ms, event };
        // An event is a struct of plain fields, which always serialises.
        let text = serde_json::to_string(&recorded).unwrap_or_default();
        let message = pb::JobEvent { sequence, unix_ms, event: text };
        if logged {
            events.logged.push(message);
        } else {
            events.progress_count += 1;
            events.progress = Some((events.progress_count, message));
        }
        events.ended |= last;
        drop(events);
        self.changed.send_replace(());
    }

    /// Whether the job's last event has been recorded.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Streams the events from a sequence number on, and ends after the last one.
    pub fn follow(self: Arc<Self>, from: u64) -> impl Stream<Item = pb::JobEvent> + Send + 'static {
        let changed = self.changed.subscribe();
        stream::unfold((self, changed, from, 0), |(entry, mut changed, next, progress)| async move {
            loop {
                match entry.after(next, progress) {
                    Next::Event(event, progress) => {
                        return Some((event, (entry, changed, next + 1, progress)));
                    }
                    Next::Progress(event, progress) => {
                        return Some((event, (entry, changed, next, progress)));
                    }
                    Next::Ended => return None,
                    Next::NothingYet => changed.changed().await.ok()?,
                }
            }
        })
    }

    fn after(&self, next: u64, progress: u64) -> Next {
        let events = self.lock();
        if let Some(event) = events.logged.get(next as usize) {
            return Next::Event(event.clone(), progress);
        }
        match &events.progress {
            _ if events.ended => Next::Ended,
            Some((number, event)) if *number > progress => Next::Progress(event.clone(), *number),
            _ => Next::NothingYet,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        // `record` leaves the events whole wherever it stops.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    Event(pb::JobEvent, u64),
    Progress(pb::JobEvent, u64),
    Ended,
    NothingYet,
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use howdah_proto::{StageId, event::StageKind};

    use super::*;

    fn progress(done: u64) -> Event {
        Event::Progress { stage: StageId(0), kind: StageKind::Prepare, done, total: 9 }
    }

    #[tokio::test]
    async fn a_follower_sees_every_logged_event_and_the_stream_ends_after_the_last() {
        let entry = Arc::new(JobEntry::default());
        entry.record(Event::GoesOn, 1);
        let follower = tokio::spawn(entry.clone().follow(0).collect::<Vec<_>>());
        entry.record(progress(1), 2);
        entry.record(Event::Waiting { reason: "x".to_owned() }, 3);
        entry.record(Event::JobCancelled { reason: "y".to_owned() }, 4);
        let mut events = follower.await.unwrap();
        events.retain(|event| !event.event.contains("\"progress\""));
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [0, 1, 2]);
        let late: Vec<_> = entry.follow(2).collect().await;
        assert_eq!(late.len(), 1);
        let last: Recorded = serde_json::from_str(&late[0].event).unwrap();
        assert!(last.event.is_last() && last.version == EVENT_VERSION && last.unix_ms == 4);
    }

    #[tokio::test]
    async fn a_slow_follower_sees_the_newest_progress_only() {
        let entry = Arc::new(JobEntry::default());
        for done in 0..100 {
            entry.record(progress(done), 0);
        }
        let stream = entry.clone().follow(0);
        tokio::pin!(stream);
        assert!(stream.next().await.is_some_and(|event| event.event.contains("\"done\":99")));
        entry.record(Event::GoesOn, 0);
        assert!(stream.next().await.is_some_and(|event| event.event.contains("goes_on")));
    }
}
