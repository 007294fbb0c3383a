//! A job on a cluster, seen through its events.

use std::{
    sync::mpsc::{Receiver, channel},
    time::Instant,
};

use futures::StreamExt;
use howdah_driver::client::Client;
use howdah_proto::{
    Attempt, JobId, MemberId, Partition, StageId,
    event::{Event, JobReport, Move, StageKind},
    settings::TrainSettings,
};
use tokio::runtime::Runtime;

use crate::deadline::DEADLINE;

/// A job that was submitted; its events are heard in order.
#[derive(Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    events: Receiver<Event>,
    /// The events that have been heard.
    pub heard: Vec<Event>,
}

impl Job {
    /// Submits a job to the driver at `url`.
    ///
    /// # Panics
    /// The driver refuses it.
    pub fn submit(runtime: &Runtime, url: &str, settings: &TrainSettings) -> Self {
        let (sender, events) = channel();
        let id = runtime.block_on(async {
            let mut client = Client::connect(url).await.expect("the driver answers");
            let job = client.submit("test", settings).await.expect("the driver takes the job");
            let mut stream = Box::pin(client.watch(job).await.expect("the driver shows the job"));
            tokio::spawn(async move {
                while let Some(Ok(recorded)) = stream.next().await {
                    if sender.send(recorded.event).is_err() {
                        return;
                    }
                }
            });
            job
        });
        Self { id, events, heard: Vec::new() }
    }

    /// Waits for the first event not yet heard from which `pick` picks something.
    ///
    /// # Panics
    /// The job ends without such an event, or the deadline passes.
    pub fn wait_for<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            let Ok(event) = self.events.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                let tail = &self.heard[self.heard.len().saturating_sub(12)..];
                panic!("{what} did not happen; the last events are {tail:#?}")
            };
            let picked = pick(&event);
            self.heard.push(event);
            if let Some(picked) = picked {
                return picked;
            }
        }
    }

    /// Waits until a task that trains is given to this executor.
    pub fn wait_for_training_on(&mut self, executor: MemberId) {
        let mut stages: Vec<_> = self.heard.iter().filter_map(training_stage).collect();
        self.wait_for("a training task on the executor", |event| {
            stages.extend(training_stage(event));
            matches!(event, Event::TaskStarted { stage, executor: on, .. }
                if *on == executor && stages.contains(stage))
            .then_some(())
        });
    }

    /// Waits until a task that trains is given to an executor once more; gives its attempt.
    pub fn wait_for_training_again(&mut self) -> (StageId, Partition, Attempt) {
        let mut stages: Vec<_> = self.heard.iter().filter_map(training_stage).collect();
        self.wait_for("another attempt at a training task", |event| {
            stages.extend(training_stage(event));
            match event {
                Event::TaskStarted { stage, partition, attempt, .. }
                    if attempt.0 > 1 && stages.contains(stage) =>
                {
                    Some((*stage, *partition, *attempt))
                }
                _ => None,
            }
        })
    }

    /// Waits until so many tasks have succeeded of the training stages that begin from now on.
    pub fn wait_for_trained(&mut self, tasks: usize) {
        let mut stages = Vec::new();
        let mut done = 0;
        self.wait_for("training tasks that succeed", |event| {
            stages.extend(training_stage(event));
            done +=
                usize::from(matches!(event, Event::TaskSucceeded { stage, .. } if stages.contains(stage)));
            (done >= tasks).then_some(())
        });
    }

    /// Waits until so many standbys are up to date.
    pub fn wait_for_standbys(&mut self, standbys: usize) {
        let mut attached = 0;
        self.wait_for("a standby of each shard", |event| {
            attached += usize::from(matches!(event, Event::StandbyAttached { .. }));
            (attached >= standbys).then_some(())
        });
    }

    /// Waits for the end of an epoch.
    pub fn wait_for_epoch(&mut self) {
        self.wait_for("the end of an epoch", |event| matches!(event, Event::EpochFinished(_)).then_some(()));
    }

    /// Waits for the job's end, which must be a good one.
    pub fn wait_for_report(&mut self) -> JobReport {
        self.wait_for("the good end of the job", |event| match event {
            Event::JobFinished(report) => Some((**report).clone()),
            _ => None,
        })
    }

    /// Finds the member of this name among those that have joined.
    ///
    /// # Panics
    /// No member of this name is heard of.
    pub fn member(&mut self, wanted: &str) -> MemberId {
        let named = |event: &Event| match event {
            Event::MemberJoined { member, name, .. } if name == wanted => Some(*member),
            _ => None,
        };
        match self.heard.iter().find_map(named) {
            Some(member) => member,
            None => self.wait_for("the member", named),
        }
    }
}

/// How a shard has come to another place, if it has.
pub fn moved(event: &Event) -> Option<Move> {
    match event {
        Event::ShardMoved { how, .. } => Some(*how),
        _ => None,
    }
}

fn training_stage(event: &Event) -> Option<StageId> {
    match event {
        Event::StageStarted { stage, kind: StageKind::Train { .. }, .. } => Some(*stage),
        _ => None,
    }
}
