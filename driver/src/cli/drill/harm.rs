use std::time::Duration;

use howdah_executor::random::Random;
use howdah_proto::event::{Event, Role, StageKind};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::follow::is_lost,
    local::{Processes, Stopped},
};

/// Something is done after fewer events of the training than this,
const EVENTS: u64 = 12;
/// and less than this later, so that it isn't always done when something has just happened.
const LATER: Duration = Duration::from_millis(250);

/// What is done to processes, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Harm {
    /// Executors that are killed.
    pub(super) executors: u32,
    /// Parameter servers that are killed.
    pub(super) servers: u32,
    /// Executors that are put to sleep for a while.
    pub(super) executors_paused: u32,
    /// Parameter servers that are put to sleep for a while.
    pub(super) servers_paused: u32,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Done {
    pub(super) harm: Harm,
    /// How many of those that were put to sleep woke up while the job still ran.
    pub(super) woke: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill(Role),
    Pause(Role),
}

impl Harm {
    fn count(&mut self, blow: Blow) -> &mut u32 {
        match blow {
            Blow::Kill(Role::Executor) => &mut self.executors,
            Blow::Kill(Role::Paramserver) => &mut self.servers,
            Blow::Pause(Role::Executor) => &mut self.executors_paused,
            Blow::Pause(Role::Paramserver) => &mut self.servers_paused,
        }
    }

    /// Draws what is done next of what is left; none if nothing is.
    fn draw(mut self, random: &mut Random) -> Option<Blow> {
        let roles = [Role::Executor, Role::Paramserver];
        let blows = roles.map(Blow::Kill).into_iter().chain(roles.map(Blow::Pause));
        let counted: Vec<(Blow, u64)> =
            blows.map(|blow| (blow, u64::from(*self.count(blow)))).filter(|(_, count)| *count > 0).collect();
        let all = counted.iter().map(|(_, count)| count).sum();
        let mut drawn = if all == 0 { return None } else { random.below(all) };
        for (blow, count) in counted {
            if drawn < count {
                return Some(blow);
            }
            drawn -= count;
        }
        None
    }
}

/// Does harm to processes at random moments of a training.
pub(super) struct Saboteur {
    events: mpsc::UnboundedSender<()>,
    trains: bool,
    work: JoinHandle<Done>,
}

impl Saboteur {
    /// Begins; what is done to whom and when is drawn from the seed.
    pub(super) fn begin(seed: u64, harm: Harm, pause: Duration, processes: Processes) -> Self {
        let (events, heard) = mpsc::unbounded_channel();
        let random = Random::new(&[seed, 0x6b69_6c6c]);
        let work = tokio::spawn(sabotage(random, harm, pause, processes, heard));
        Self { events, trains: false, work }
    }

    /// Hears of an event of the job.
    pub(super) fn on_event(&mut self, event: &Event) {
        self.trains |= matches!(event, Event::StageStarted { kind: StageKind::Train { .. }, .. });
        let own = is_lost(event, Role::Executor) || is_lost(event, Role::Paramserver);
        if self.trains && !own {
            // Nobody listens any more when all is done.
            let _ = self.events.send(());
        }
    }

    /// Ends, as the job has: who sleeps is woken.
    pub(super) async fn end(self) -> Done {
        drop(self.events);
        self.work.await.unwrap_or_default()
    }
}

async fn sabotage(
    mut random: Random,
    mut left: Harm,
    pause: Duration,
    processes: Processes,
    mut events: mpsc::UnboundedReceiver<()>,
) -> Done {
    let mut done = Harm::default();
    let (mut sleepers, over) = (JoinSet::new(), CancellationToken::new());
    'job: while let Some(blow) = left.draw(&mut random) {
        let mut events_to_wait = random.below(EVENTS) + 1;
        let later = Duration::from_micros(random.below(LATER.as_micros() as u64));
        let choice = random.next_u64();
        loop {
            for _ in 0..events_to_wait {
                if events.recv().await.is_none() {
                    break 'job;
                }
            }
            tokio::time::sleep(later).await;
            if events.is_closed() {
                break 'job;
            }
            let dealt = match blow {
                Blow::Kill(role) => processes.kill(role, choice),
                Blow::Pause(role) => processes.stop(role, choice).is_some_and(|stopped| {
                    sleepers.spawn(sleep(processes.clone(), stopped, pause, over.clone()));
                    true
                }),
            };
            if dealt {
                break;
            }
            // Nobody of that role runs just now.
            events_to_wait = 1;
        }
        *left.count(blow) -= 1;
        *done.count(blow) += 1;
    }
    while events.recv().await.is_some() {}
    over.cancel();
    let woke = sleepers.join_all().await.into_iter().map(u32::from).sum();
    Done { harm: done, woke }
}

/// Wakes a process after a while, or when the job is over; says whether it went on while the job did.
async fn sleep(processes: Processes, stopped: Stopped, pause: Duration, over: CancellationToken) -> bool {
    let in_time = tokio::select! {
        () = tokio::time::sleep(pause) => true,
        () = over.cancelled() => false,
    };
    processes.wake(stopped) && in_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_left_is_drawn_and_nothing_more() {
        let mut random = Random::new(&[1]);
        let wanted = Harm { executors: 3, servers: 2, executors_paused: 0, servers_paused: 4 };
        let (mut left, mut done) = (wanted, Harm::default());
        while let Some(blow) = left.draw(&mut random) {
            *left.count(blow) -= 1;
            *done.count(blow) += 1;
        }
        assert_eq!((left, done), (Harm::default(), wanted));
    }
}
