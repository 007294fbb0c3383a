use std::convert::Infallible;

use howdah_paramserver::role::join::JoinEvent;
use howdah_proto::{
    MemberId, SessionId,
    pb::{self, task_update::Update, tasks_client::TasksClient},
    transport::MESSAGE_LIMIT_BYTES,
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, transport::Channel};

use crate::worker::Worker;

/// The task stream of one registration; it ends when this is dropped.
pub(super) struct Session(JoinHandle<()>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// Attaches to the driver at each registration, and lets go of everything when the driver is lost.
    pub(super) async fn follow(worker: Worker, mut events: mpsc::UnboundedReceiver<JoinEvent>) -> Infallible {
        let mut session = None;
        loop {
            match events.recv().await {
                Some(JoinEvent::Joined { member, session: id, driver }) => {
                    tracing::info!(%member, "the executor has joined");
                    session = Some(Self(tokio::spawn(attach(worker.clone(), member, id, driver))));
                }
                Some(JoinEvent::Lost { reason }) => {
                    tracing::warn!(reason, "the driver is gone");
                    drop(session.take());
                    worker.end();
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// Takes commands until the stream ends; the driver sees its end, and takes the executor for lost.
async fn attach(worker: Worker, member: MemberId, session: SessionId, driver: Channel) {
    let (reports, updates) = mpsc::unbounded_channel();
    let hello = pb::AttachHello { member_id: member.0, session: session.0 };
    // The receiver is in this function.
    let _ = reports.send(pb::TaskUpdate { update: Some(Update::Hello(hello)) });
    worker.begin(member, reports, driver.clone());
    let mut client = TasksClient::new(driver).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
    let ended: Result<(), Status> = async {
        let mut commands = client.attach(UnboundedReceiverStream::new(updates)).await?.into_inner();
        while let Some(command) = commands.message().await? {
            if let Some(command) = command.command {
                worker.on_command(command);
            }
        }
        Ok(())
    }
    .await;
    match ended {
        Ok(()) => tracing::warn!("the driver closed the stream of tasks"),
        Err(status) => tracing::warn!(reason = status.message(), "the stream of tasks broke"),
    }
    worker.end();
}
