use bytes::Bytes;
use howdah_proto::{
    NodeId, ObjectId, PROTOCOL_VERSION,
    pb::{self, contexts_client::ContextsClient},
    registry::{OperatorVersions, to_wire},
    transport::{CHUNK_BYTES, MESSAGE_LIMIT_BYTES, connect_to_driver},
};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming, transport::Channel};

use crate::{
    client::{ANSWER, is_loss},
    rdd::ContextError,
};

/// What a driver says about a running job.
pub(in crate::rdd) type Replies = Streaming<pb::RunReply>;

/// An open context of a driver. The driver closes it when this is dropped.
#[derive(Debug)]
pub(in crate::rdd) struct Connection {
    address: String,
    client: ContextsClient<Channel>,
    context: u64,
    _lease: DropGuard,
}

impl Connection {
    /// Opens a context.
    pub(in crate::rdd) async fn open(
        address: &str,
        name: &str,
        operators: &OperatorVersions,
    ) -> Result<Self, ContextError> {
        let channel = connect_to_driver(address).await.map_err(|error| ContextError::Connect {
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
        let mut client = client(channel);
        let request = pb::OpenContextRequest {
            protocol_version: PROTOCOL_VERSION,
            name: name.to_owned(),
            operators: to_wire(operators),
        };
        let open = async {
            let mut lease = client.open(request).await?.into_inner();
            let opened = lease.message().await?;
            Ok::<_, Status>((lease, opened))
        };
        let silent = |_| ContextError::Lost {
            address: address.to_owned(),
            reason: format!("it hasn't answered for {} s", ANSWER.as_secs()),
        };
        let opened = timeout(ANSWER, open).await.map_err(silent)?;
        let (lease, opened) = opened.map_err(|status| failure(address, &status))?;
        let Some(pb::ContextOpened { context_id: context }) = opened else {
            let reason = "it closed the context at once".to_owned();
            return Err(ContextError::Lost { address: address.to_owned(), reason });
        };
        let dropped = CancellationToken::new();
        tokio::spawn(hold(lease, dropped.clone()));
        Ok(Self { address: address.to_owned(), client, context, _lease: dropped.drop_guard() })
    }

    /// A context of a driver that is never asked.
    #[cfg(test)]
    pub(in crate::rdd) fn nowhere() -> Self {
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let dropped = CancellationToken::new().drop_guard();
        Self {
            address: "http://127.0.0.1:1".to_owned(),
            client: client(channel),
            context: 1,
            _lease: dropped,
        }
    }

    pub(in crate::rdd) fn address(&self) -> &str {
        &self.address
    }

    /// Gives bytes to the driver to keep.
    pub(in crate::rdd) async fn put_object(
        &self,
        object: ObjectId,
        bytes: Bytes,
    ) -> Result<(), ContextError> {
        use pb::object_chunk::Part;
        let header =
            pb::ObjectHeader { context_id: self.context, object_id: object.0, bytes: bytes.len() as u64 };
        let pieces = (0..bytes.len()).step_by(CHUNK_BYTES).map(move |from| {
            let to = bytes.len().min(from + CHUNK_BYTES);
            Part::Data(bytes.slice(from..to))
        });
        let parts = std::iter::once(Part::Header(header)).chain(pieces);
        let chunks = parts.map(|part| pb::ObjectChunk { part: Some(part) });
        let mut client = self.client.clone();
        client.put_object(tokio_stream::iter(chunks)).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// Lets the driver forget bytes.
    pub(in crate::rdd) async fn drop_object(&self, object: ObjectId) -> Result<(), ContextError> {
        let request = pb::ObjectRef { context_id: self.context, object_id: object.0 };
        self.client.clone().drop_object(request).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// Defines nodes.
    pub(in crate::rdd) async fn define(&self, nodes: Vec<pb::Node>) -> Result<(), ContextError> {
        let request = pb::DefineRequest { context_id: self.context, nodes };
        self.client.clone().define(request).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// Starts a job.
    pub(in crate::rdd) async fn run(&self, request: pb::RunRequest) -> Result<Replies, ContextError> {
        let request = pb::RunRequest { context_id: self.context, ..request };
        let replies = self.client.clone().run(request).await.map_err(|status| self.failed(&status))?;
        Ok(replies.into_inner())
    }

    /// Drops the kept partitions of a node.
    pub(in crate::rdd) async fn unpersist(&self, node: NodeId) -> Result<(), ContextError> {
        let request = pb::UnpersistRequest { context_id: self.context, node: node.0 };
        self.client.clone().unpersist(request).await.map_err(|status| self.failed(&status))?;
        Ok(())
    }

    /// What the driver knows of the context; none if it has nothing to say.
    pub(in crate::rdd) async fn describe(&self) -> Result<Option<pb::ContextDescription>, ContextError> {
        let request = pb::DescribeRequest { context_id: Some(self.context) };
        let reply = self.client.clone().describe(request).await.map_err(|status| self.failed(&status))?;
        let mut contexts = reply.into_inner().contexts.into_iter();
        Ok(contexts.find(|context| context.context_id == self.context))
    }

    pub(in crate::rdd) fn failed(&self, status: &Status) -> ContextError {
        failure(&self.address, status)
    }

    /// Says that the driver does not keep to the protocol.
    pub(in crate::rdd) fn strange(&self, reason: impl ToString) -> ContextError {
        ContextError::Lost { address: self.address.clone(), reason: reason.to_string() }
    }
}

fn client(channel: Channel) -> ContextsClient<Channel> {
    ContextsClient::new(channel)
        .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
        .max_encoding_message_size(MESSAGE_LIMIT_BYTES)
}

/// Keeps the context open until it is dropped.
async fn hold(mut lease: Streaming<pb::ContextOpened>, dropped: CancellationToken) {
    tokio::select! {
        () = dropped.cancelled() => {}
        ended = lease.message() => {
            let reason = ended.err().map(|status| status.message().to_owned()).unwrap_or_default();
            tracing::warn!(reason, "the driver closed the context");
        }
    }
}

fn failure(address: &str, status: &Status) -> ContextError {
    let (address, reason) = (address.to_owned(), status.message().to_owned());
    if is_loss(status) {
        ContextError::Lost { address, reason }
    } else {
        ContextError::Refused { address, reason }
    }
}
