use std::convert::Infallible;

use howdah_paramserver::role::join::JoinEvent;
use howdah_proto::{
    MemberId, SessionId,
    pb::{self, task_update::Update, tasks_client::TasksClient},
    transport::MESSAGE_LIMIT_BYTES,
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

use crate::worker::Worker;

/// The task stream of one registration; it ends when this is dropped.
pub(super) struct Session {
    id: SessionId,
    stream: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

impl Session {
    /// Attaches to the driver at each registration, and lets go of everything when the driver is lost.
    pub(super) async fn follow(worker: Worker, mut events: mpsc::UnboundedReceiver<JoinEvent>) -> Infallible {
        let mut session: Option<Self> = None;
        loop {
            match events.recv().await {
                Some(JoinEvent::Joined { member, session: id, driver, over }) => {
                    let stream = tokio::spawn(attach(worker.clone(), member, id, driver, over));
                    session = Some(Self { id, stream });
                }
                Some(JoinEvent::Lost { reason }) => {
                    tracing::warn!(reason, "the driver is gone");
                    if let Some(lost) = session.take() {
                        worker.end(lost.id);
                    }
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// Takes commands until the stream ends, and the registration with it: the driver, who sees the end, takes the executor
/// for lost.
async fn attach(
    worker: Worker,
    member: MemberId,
    session: SessionId,
    driver: Channel,
    over: CancellationToken,
) {
    let (reports, updates) = mpsc::unbounded_channel();
    let hello = pb::AttachHello { member_id: member.0, session: session.0 };
    // The receiver is in this function.
    let _ = reports.send(pb::TaskUpdate { update: Some(Update::Hello(hello)) });
    worker.begin(member, session, reports, driver.clone());
    let mut client = TasksClient::new(driver).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
    let ended: Result<(), Status> = async {
        let mut commands = client.attach(UnboundedReceiverStream::new(updates)).await?.into_inner();
        // The driver answers when it counts on the slots.
        tracing::info!(%member, "the executor has joined");
        while let Some(command) = commands.message().await? {
            if let Some(command) = command.command {
                worker.on_command(session, command);
            }
        }
        Ok(())
    }
    .await;
    match ended {
        Ok(()) => tracing::warn!("the driver closed the stream of tasks"),
        Err(status) => tracing::warn!(reason = status.message(), "the stream of tasks broke"),
    }
    worker.end(session);
    over.cancel();
}
